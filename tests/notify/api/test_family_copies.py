"""Why a copy was sent, or was not, is told to both sides; of anything else, each sees their own alone."""

from shared.contracts import EventType
from tests.notify.api.conftest import Caller
from tests.notify.make import event
from tests.notify.test_family_copies import READER, arrangement, his
from tests.notify.town import Town


async def test_both_are_told_why(town: Town, api: Caller) -> None:
    one = his(town, reminders=())
    await town.hear(arrangement(town), event(EventType.BOOKING_CONFIRMED, one))
    await town.deliver()
    of_his = (await api.get(f"/api/v1/bookings/{one.booking_id}/messages")).json()["items"]
    assert {item["to_family"] for item in of_his} == {True, False}
    hers = (await api.get("/api/v1/explanations", READER)).json()["items"]
    assert [item["about"] for item in hers if item["message"]["to_family"]].count(str(one.booking_id)) >= 2
    assert (await api.get(f"/api/v1/bookings/{one.booking_id}/messages", READER)).status_code == 404
    of_him = (await api.get("/api/v1/explanations")).json()["items"]
    assert not [item for item in of_him if item["message"]["to_family"]]
