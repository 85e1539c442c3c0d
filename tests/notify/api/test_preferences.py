"""My preferences over HTTP: what can be chosen, what cannot and why, and that no change is lost or made twice."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.notify.domain.message import Kind
from services.notify.domain.planning import Rules
from services.notify.domain.preference import CHOICES, locked_because
from shared.contracts import EventType
from shared.http import Response
from tests.notify.api.conftest import Caller
from tests.notify.api.test_messages import problem
from tests.notify.make import NEIGHBOUR, RESIDENT, STARTS_AT, booking, event
from tests.notify.town import Town

PATH = "/api/v1/preferences"
DEFAULTS: dict[str, Any] = {
    "language": None,
    "quiet_hours": {"begins": "21:00", "ends": "08:00"},
    "off": [],
    "reminders_off": [],
    "plain_words": False,
    "names_sensitive": False,
}
CHOSEN: dict[str, Any] = {
    "language": "en",
    "quiet_hours": {"begins": "22:30", "ends": "07:00"},
    "off": [{"kind": "confirmation", "channel": "email"}],
    "reminders_off": [120, 10080],
    "plain_words": True,
    "names_sensitive": True,
}


async def put(
    api: Caller, wish: dict[str, Any], *, match: str | None = None, key: str | None = None, account: UUID = RESIDENT
) -> Response:
    headers = api.headers(account, key=key or f'"{uuid4()}"') | ({} if match is None else {"if-match": match})
    return await api.client.put(PATH, json=wish, headers=headers)


def content(answer: Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return {name: value for name, value in answer.json().items() if name in DEFAULTS}


async def test_until_i_choose_the_citys_own_hold_and_every_switch_is_shown_with_its_lock(api: Caller) -> None:
    answer = await api.get(PATH)
    assert content(answer) == DEFAULTS
    assert (answer.headers["etag"], answer.json()["version"]) == ('"1"', 1)
    shown = {(one["kind"], one["channel"]): one for one in answer.json()["choices"]}
    assert set(shown) == {(kind.value, channel.value) for kind, channel in CHOICES}
    for kind, channel in CHOICES:
        one, lock = shown[kind.value, channel.value], locked_because(kind, channel)
        assert one["on"] is True
        assert one["locked"] == lock
        assert (one["explanation"] is None) is (lock is None)
    assert shown["cancellation", "sms"]["explanation"]["zh"] == "预约变更或取消的通知不能关闭，以免您白跑一趟。"


async def test_what_i_choose_is_stored_for_me_alone_and_honoured(town: Town, api: Caller) -> None:
    answer = await put(api, CHOSEN, match='"1"')
    assert (content(answer), answer.headers["etag"]) == (CHOSEN, '"2"')
    assert content(await api.get(PATH)) == CHOSEN
    assert content(await api.get(PATH, NEIGHBOUR)) == DEFAULTS
    off = [one for one in answer.json()["choices"] if not one["on"]]
    assert [(one["kind"], one["channel"]) for one in off] == [("confirmation", "email")]
    told_of = booking(contact=town.keys.contact())
    await town.hear(event(EventType.BOOKING_CONFIRMED, told_of))
    items = (await api.get(f"/api/v1/bookings/{told_of.booking_id}/messages")).json()["items"]
    why = {(one["kind"], one["lead_minutes"], one["channel"]): (one["why"], one["explanation"]) for one in items}
    assert why["confirmation", 0, "email"] == (
        "switched_off",
        {"zh": "您已关闭此类通知。", "en": "You have switched such messages off."},
    )
    assert why["reminder", 120, "in_app"][0] == "reminder_time_switched_off"
    assert why["reminder", 1440, "email"][0] == "due_before_start"


@pytest.mark.parametrize(
    ("kind", "channel", "code"),
    [
        ("confirmation", "in_app", "inbox_stays_on"),
        ("cancellation", "email", "venue_news_stays_on"),
        ("change", "sms", "venue_news_stays_on"),
        ("sign_in_code", "sms", "sign_in_code_stays_on"),
        ("hold_lapsed", "email", "no_such_choice"),
    ],
)
async def test_what_cannot_be_switched_off_is_refused_and_says_why_in_both_languages(
    api: Caller, kind: str, channel: str, code: str
) -> None:
    wish = DEFAULTS | {"off": [CHOSEN["off"][0], {"kind": kind, "channel": channel}]}
    body = problem(await put(api, wish), 422, code)
    assert "/off/1" in str(body)
    assert set(body["translations"]) == {"zh-CN", "en"}  # type: ignore[call-overload]
    assert (await api.get(PATH)).json()["version"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"quiet_hours": {"begins": "21:00", "ends": "21:00"}},
        {"quiet_hours": {"begins": "08:00", "ends": "07:00"}},
    ],
)
async def test_quiet_hours_that_are_no_night_are_refused(api: Caller, change: dict[str, Any]) -> None:
    problem(await put(api, DEFAULTS | change), 422, "quiet_hours_invalid")


@pytest.mark.parametrize(
    "change",
    [
        {"quiet_hours": {"begins": "24:00", "ends": "08:00"}},
        {"quiet_hours": {"begins": "21:00"}},
        {"language": "fr"},
        {"reminders_off": [0]},
        {"reminders_off": list(range(1, 22))},
        {"off": [{"kind": "gossip", "channel": "email"}]},
        {"wish": True},
    ],
)
async def test_what_is_no_preference_at_all_is_refused(api: Caller, change: dict[str, Any]) -> None:
    problem(await put(api, DEFAULTS | change), 422, "invalid_request")


async def test_no_quiet_hours_is_a_choice_too(api: Caller) -> None:
    answer = await put(api, DEFAULTS | {"quiet_hours": None})
    assert (answer.json()["quiet_hours"], answer.json()["version"]) == (None, 2)
    assert (await api.get(PATH)).json()["quiet_hours"] is None


async def test_a_change_of_what_is_not_the_newest_is_refused(api: Caller) -> None:
    await put(api, CHOSEN, match='"1"')
    problem(await put(api, DEFAULTS, match='"1"'), 412, "stale_version")
    problem(await put(api, DEFAULTS, match="2"), 400, "if_match_invalid")
    assert (await put(api, DEFAULTS, match='"2"')).json()["version"] == 3
    assert (await put(api, CHOSEN, match="*")).json()["version"] == 4
    assert (await put(api, DEFAULTS)).json()["version"] == 5


async def test_a_repeat_gets_the_same_answer_and_another_wish_under_its_key_is_refused(api: Caller) -> None:
    key = f'"{uuid4()}"'
    first = await put(api, CHOSEN, match='"1"', key=key)
    again = await put(api, CHOSEN, match='"1"', key=key)
    assert (again.status_code, again.content, again.headers["etag"]) == (200, first.content, '"2"')
    problem(await put(api, DEFAULTS, match='"2"', key=key), 422, "idempotency_key_reused")
    problem(await put(api, CHOSEN, key="plain"), 400, "idempotency_key_invalid")
    answer = await api.client.put(PATH, json=CHOSEN, headers=api.headers())
    problem(answer, 400, "idempotency_key_missing")


@pytest.mark.parametrize("match", ['"1"', '"2"'])
async def test_of_many_changes_at_once_to_the_same_version_one_is_made(api: Caller, match: str) -> None:
    """Version 1 has no row to lock; version 2 has."""
    if match == '"2"':
        await put(api, CHOSEN)
    wishes = [DEFAULTS | {"reminders_off": [minutes]} for minutes in range(1, 9)]
    answers = await asyncio.gather(*(put(api, wish, match=match) for wish in wishes))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
    (made,) = [answer for answer in answers if answer.status_code == 200]
    assert content(await api.get(PATH)) == content(made)


async def test_a_booking_shows_in_words_why_its_reminder_came_in_the_evening_also_after_it_was_sent(
    town: Town, api: Caller
) -> None:
    town.rules = Rules(sms_kinds=frozenset({Kind.REMINDER}))
    early = STARTS_AT.replace(hour=8, minute=30)
    told_of = booking(starts_at=early, reminders=(120,), contact=town.keys.contact())
    await town.hear(event(EventType.BOOKING_CONFIRMED, told_of))
    await town.live_until(STARTS_AT.replace(hour=20, minute=30) - timedelta(days=1), step=timedelta(days=1))
    items = (await api.get(f"/api/v1/bookings/{told_of.booking_id}/messages")).json()["items"]
    (text,) = [one for one in items if one["channel"] == "sms"]
    assert text["due_at"] == "2026-11-27T20:30:00+08:00"
    found = [(one["state"], one["why"]) for one in text["decisions"]]
    assert found == [("planned", "brought_forward"), ("sent", "accepted")]
    assert text["decisions"][0]["explanation"]["zh"] == (
        "原定时间在免打扰时段内，等到早上就太晚，因此提前到时段开始之前发送。"
    )


async def test_nobody_reads_or_changes_preferences_without_an_account(api: Caller) -> None:
    problem(await api.client.get(PATH), 401, "not_signed_in")
    answer = await api.client.put(PATH, json=CHOSEN, headers={"idempotency-key": f'"{uuid4()}"'})
    problem(answer, 401, "not_signed_in")
