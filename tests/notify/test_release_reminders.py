"""A release is told of a quarter of an hour before it; one that moves, or that nobody wants to hear of any more, is not."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from shared.contracts import EventType, ReleaseNearing, Words
from tests.notify.make import NOW, RESIDENT, notice
from tests.notify.town import Town

OPENS_AT = NOW + timedelta(minutes=20)


def nearing(town: Town) -> ReleaseNearing:
    return ReleaseNearing(
        watch_id=uuid4(),
        version=1,
        account_id=RESIDENT,
        contact=town.keys.contact(),
        service_name=Words("延时开放", "Extended hours"),
        venue_name=Words("大连博物馆", "Dalian Museum"),
        sensitive=False,
        opens_at=OPENS_AT,
        local_opens="2026-11-20 10:20",
    )


async def test_it_goes_a_quarter_of_an_hour_before(town: Town) -> None:
    one = nearing(town)
    await town.hear(notice(EventType.RELEASE_NEARING, one, one.watch_id))
    await town.live_until(OPENS_AT - timedelta(minutes=16), step=timedelta(minutes=1))
    assert town.mailbox.seen == []
    await town.live_until(OPENS_AT - timedelta(minutes=15))
    assert [mail["Subject"] for mail in town.mailbox.seen] == ["即将放号：延时开放，11月20日 10:20"]


async def test_a_wish_that_ended_takes_the_reminder_with_it(town: Town) -> None:
    one = nearing(town)
    await town.hear(notice(EventType.RELEASE_NEARING, one, one.watch_id))
    await town.hear(notice(EventType.RELEASE_NEARING, replace(one, version=2, state="ended"), one.watch_id))
    await town.live_until(OPENS_AT, step=timedelta(minutes=1))
    assert town.mailbox.seen == []
    assert (await town.states())["release_reminder", 1, 0] == ("superseded", "not_asked_any_more")
