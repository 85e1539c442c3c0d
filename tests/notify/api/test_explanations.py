"""Why did, or didn't, I get this? For residents their own, for those who work at a venue what concerns it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.notify.domain.campaign import predicted_end
from services.notify.domain.message import Kind
from services.notify.domain.planning import Rules
from shared.contracts import EventType
from tests.notify.api.conftest import Caller
from tests.notify.api.test_messages import problem
from tests.notify.make import NEIGHBOUR, NOW, RESIDENT, STARTS_AT, booking, event, notice, penalty
from tests.notify.town import Town

PATH = "/api/v1/explanations"
VENUE = "fitness-centre"


async def happenings(town: Town) -> None:
    """A booking that was reminded of, one at another venue, a penalty, and a neighbour's booking."""
    town.rules = Rules(sms_kinds=frozenset(Kind))
    contact = town.keys.contact()
    await town.hear(
        event(EventType.BOOKING_CONFIRMED, booking(contact=contact, reminders=(120,))),
        event(EventType.BOOKING_CONFIRMED, booking(contact=contact, reminders=(), venue_id="dalian-museum")),
        event(EventType.BOOKING_CONFIRMED, booking(contact=contact, reminders=(), account_id=NEIGHBOUR)),
    )
    one = penalty(contact=contact)
    await town.hear(notice(EventType.PENALTY_CHANGED, one, one.penalty_id))
    await town.live_until(STARTS_AT - timedelta(minutes=30), step=timedelta(hours=2))


def found(items: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    return {(one["message"]["kind"], one["message"]["channel"], one["message"]["why"]) for one in items}


async def test_i_see_everything_that_was_decided_about_my_messages_and_nobody_elses(town: Town, api: Caller) -> None:
    await happenings(town)
    items = (await api.get(f"{PATH}?limit=100")).json()["items"]
    said = found(items)
    assert {
        ("reminder", "email", "accepted"),
        ("reminder", "sms", "reached_otherwise"),
        ("penalty_warning", "in_app", "written"),
    } <= said
    text = next(
        one["message"] for one in items if (one["message"]["kind"], one["message"]["channel"]) == ("reminder", "sms")
    )
    assert [one["why"] for one in text["decisions"]] == ["if_not_reached", "reached_otherwise"]
    assert text["explanation"]["zh"] == "已确认您经其他渠道收到，不再重复发送。"
    neighbours = (await api.get(f"{PATH}?limit=100", NEIGHBOUR)).json()["items"]
    assert {one["message"]["kind"] for one in neighbours} == {"confirmation"}
    assert {one["about"] for one in neighbours}.isdisjoint({one["about"] for one in items})


async def test_pages_follow_each_other_without_a_gap(town: Town, api: Caller) -> None:
    await happenings(town)
    whole = [one["message"]["id"] for one in (await api.get(f"{PATH}?limit=100")).json()["items"]]
    seen, following = [], f"{PATH}?limit=3"
    while following:
        page = (await api.get(following)).json()
        seen += [one["message"]["id"] for one in page["items"]]
        following = page["next"]
    assert seen == whole == sorted(whole, reverse=True)


async def test_staff_see_what_concerns_their_venue_and_an_administrator_everything(town: Town, api: Caller) -> None:
    await happenings(town)
    query = f"{PATH}?limit=100&account_id={RESIDENT}"
    mine = (await api.get_as(query, "staff", VENUE)).json()["items"]
    museum = (await api.get_as(query, "scheduler", "dalian-museum")).json()["items"]
    elsewhere = (await api.get_as(query, "staff", "no-such-venue")).json()["items"]
    everything = (await api.get_as(query, "administrator")).json()["items"]
    assert {one["message"]["kind"] for one in mine} == {"confirmation", "reminder"}
    assert {one["message"]["kind"] for one in museum} == {"confirmation"}
    assert elsewhere == []
    assert {one["message"]["kind"] for one in everything} == {"confirmation", "reminder", "penalty_warning"}
    problem(await api.get(f"{PATH}?account_id={NEIGHBOUR}"), 403, "not_allowed")


async def test_staff_see_one_booking_at_their_venue_and_none_elsewhere(town: Town, api: Caller) -> None:
    told_of = booking(contact=town.keys.contact(), reminders=())
    await town.hear(event(EventType.BOOKING_CONFIRMED, told_of))
    path = f"/api/v1/bookings/{told_of.booking_id}/messages"
    assert (await api.get_as(path, "staff", VENUE)).json() == (await api.get(path)).json()
    problem(await api.get_as(path, "staff", "dalian-museum"), 404, "booking_unknown")
    problem(await api.get(path, NEIGHBOUR), 404, "booking_unknown")


@pytest.mark.parametrize("cursor", ["nonsense", "WyJ4Il0"])
async def test_a_cursor_that_is_not_ours_is_refused(api: Caller, cursor: str) -> None:
    problem(await api.get(f"{PATH}?cursor={cursor}"), 400, "invalid_cursor")


async def test_the_news_of_a_closure_goes_to_the_soonest_first_and_says_when_it_will_be_through(
    town: Town, api: Caller
) -> None:
    days = (9, 1, 5)
    contact = town.keys.contact()
    for day in days:
        told_of = booking(contact=contact, reminders=(), starts_at=NOW + timedelta(days=day), account_id=uuid4())
        closed = replace(told_of, version=2, by="scheduler")
        await town.hear(event(EventType.BOOKING_CONFIRMED, told_of))
        await town.hear(event(EventType.BOOKING_CANCELLED, closed))
    town.clock.set(NOW + timedelta(minutes=6))
    await town.deliver()
    path = f"/api/v1/venues/{VENUE}/closure-news"
    shown = (await api.get_as(path, "scheduler", VENUE)).json()
    assert (shown["bookings"], shown["planned"], shown["sent"]) == (3, 5, 4), "mail and inbox of the first two are out"
    assert shown["predicted_end"].startswith("2026-11-20T14:09"), "unread, the furthest rings in four hours"
    assert [mail["Subject"] for mail in town.mailbox.seen] == [
        "很抱歉，预约被取消：羽毛球1号场，11月21日 10:00",
        "很抱歉，预约被取消：羽毛球1号场，11月25日 10:00",
    ]
    assert (await api.get_as(path, "administrator")).json() == shown
    problem(await api.get_as(path, "staff", "dalian-museum"), 403, "not_allowed")
    problem(await api.get(path), 403, "not_allowed")


def test_the_end_is_that_of_the_plan_or_of_the_pace_whichever_is_later() -> None:
    soon, second = NOW + timedelta(minutes=10), timedelta(seconds=1)
    assert predicted_end(0, None, 0, NOW) is None
    assert predicted_end(100, soon, 0, NOW) == soon
    assert predicted_end(100, soon, 10, NOW) == soon
    assert predicted_end(10_000, soon, 10, NOW) == NOW + 1000 * second
    assert predicted_end(100, NOW - second, 0, NOW) is None, "overdue and no pace: there is no telling"
