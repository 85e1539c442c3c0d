"""Preferences and quiet hours from the event to what a person hears: at planning, and again when a message is to leave."""

from datetime import timedelta
from typing import Any

import pytest

from services.notify.domain.message import OPT_IN, Channel, Kind, Language
from services.notify.domain.planning import Rules
from services.notify.domain.preference import Preferences
from services.notify.store import preferences
from shared.contracts import Event, EventType
from tests.notify.make import NEIGHBOUR, NOW, RESIDENT, STARTS_AT, booking, event
from tests.notify.town import Town

MAIL = "wang@example.test"
TEXTS = Rules(sms_kinds=frozenset(Kind))
EIGHT_THIRTY = STARTS_AT.replace(hour=8, minute=30)
EVENING = EIGHT_THIRTY.replace(hour=20) - timedelta(days=1)
MORNING = EIGHT_THIRTY.replace(hour=8, minute=0)
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _text_messages_for_everything(town: Town) -> None:
    town.rules = TEXTS


async def choose(town: Town, wanted: Preferences) -> None:
    async with town.engine.begin() as tx:
        await preferences.lock(tx, RESIDENT, "key", town.clock())
        await preferences.keep(tx, RESIDENT, wanted, "key", town.clock())


async def booked(town: Town, email: str | None = None, **changes: Any) -> None:
    """A booking of somebody who has a telephone alone, unless `email` is given."""
    told_of = booking(contact=town.keys.contact(email), **{"starts_at": EIGHT_THIRTY, "reminders": (120,), **changes})
    await town.hear(event(EventType.BOOKING_CONFIRMED, told_of))
    await town.deliver()


def texts(town: Town) -> int:
    return len(town.gateway.seen)


async def test_an_early_reminder_rings_in_the_evening_before_and_lies_in_the_inbox_at_its_time(town: Town) -> None:
    await booked(town)
    assert (texts(town), len(await town.inbox())) == (1, 1), "confirmed at ten in the morning"
    await town.live_until(EVENING - SECOND, step=timedelta(hours=6))
    assert texts(town) == 1
    await town.live_until(EVENING)
    assert (texts(town), len(await town.inbox())) == (2, 1)
    await town.live_until(EIGHT_THIRTY - timedelta(hours=2))
    assert (texts(town), len(await town.inbox())) == (2, 2)
    log = await town.rows(
        "SELECT d.why FROM decisions d JOIN messages m ON m.id = d.message_id"
        " WHERE m.channel = 'sms' AND m.kind = 'reminder' ORDER BY d.id"
    )
    assert [row.why for row in log] == ["brought_forward", "accepted"]


async def test_an_outage_that_lasts_into_the_night_silences_a_reminder_and_holds_a_confirmation(town: Town) -> None:
    told_of = booking(starts_at=EIGHT_THIRTY, reminders=(120,), contact=town.keys.contact(None))
    await town.hear(event(EventType.BOOKING_CONFIRMED, told_of))
    later = booking(starts_at=EIGHT_THIRTY + timedelta(days=1), reminders=(), contact=town.keys.contact(None))
    town.clock.set(EVENING - timedelta(minutes=1))
    await town.hear(event(EventType.BOOKING_CONFIRMED, later))
    town.clock.set(EVENING + timedelta(hours=2))
    await town.deliver()
    found = await town.rows("SELECT kind, state, why, visible_at FROM messages WHERE channel = 'sms' ORDER BY kind, id")
    assert [(row.kind, row.state, row.why) for row in found] == [
        ("confirmation", "planned", "held_until_morning"),
        ("confirmation", "planned", "held_until_morning"),
        ("reminder", "suppressed", "quiet_hours_inbox_has_it"),
    ]
    assert {row.visible_at for row in found[:2]} == {MORNING}
    assert texts(town) == 0
    await town.live_until(MORNING - SECOND, step=timedelta(hours=1))
    assert texts(town) == 0
    await town.live_until(MORNING)
    assert texts(town) == 2
    assert len(await town.inbox()) == 3, "the inbox has everything"


async def test_a_cancellation_at_five_in_the_morning_wakes_whoever_would_go_for_nothing(town: Town) -> None:
    await booked(town)
    (told_of,) = town.feed
    assert isinstance(told_of, Event)
    town.clock.set(EIGHT_THIRTY.replace(hour=5, minute=0))
    cancelled = booking(booking_id=told_of.subject, version=2, starts_at=EIGHT_THIRTY)
    await town.hear(event(EventType.BOOKING_CANCELLED, cancelled))
    await town.deliver()
    assert texts(town) == 2
    (row,) = await town.rows("SELECT why FROM decisions WHERE state = 'planned' AND why = 'urgent_at_night'")
    assert row.why == "urgent_at_night"


async def test_whoever_wants_no_quiet_hours_is_reminded_at_the_time_itself(town: Town) -> None:
    await choose(town, Preferences(version=2, quiet_hours=None))
    await booked(town)
    await town.live_until(EIGHT_THIRTY - timedelta(hours=2, seconds=1), step=timedelta(days=1))
    assert texts(town) == 1
    await town.live_until(EIGHT_THIRTY - timedelta(hours=2))
    assert texts(town) == 2


async def test_what_is_switched_off_before_it_is_planned_is_suppressed_for_that_person_alone(town: Town) -> None:
    await choose(town, Preferences(version=2, off=frozenset({(Kind.CONFIRMATION, Channel.EMAIL)})))
    await booked(town, MAIL)
    await booked(town, MAIL, account_id=NEIGHBOUR)
    states = await town.rows(
        "SELECT recipient_id, state, why FROM messages WHERE channel = 'email' AND kind = 'confirmation'"
    )
    found = {row.recipient_id: (row.state, row.why) for row in states}
    assert found == {RESIDENT: ("suppressed", "switched_off"), NEIGHBOUR: ("sent", "accepted")}
    assert (len(town.mailbox.seen), len(await town.inbox())) == (1, 2)


async def test_what_is_switched_off_after_it_was_planned_does_not_leave_either(town: Town) -> None:
    await booked(town, MAIL)
    await choose(
        town, Preferences(version=2, off=frozenset({(Kind.REMINDER, Channel.EMAIL)}), reminders_off=frozenset())
    )
    await town.live_until(EIGHT_THIRTY, step=timedelta(hours=2))
    assert (await town.states())["reminder", 1, 120] == ("suppressed", "switched_off")
    assert (await town.states(Channel.IN_APP))["reminder", 1, 120] == ("sent", "written")
    assert len(town.mailbox.seen) == 1


async def test_a_lead_time_switched_off_later_is_off_in_the_inbox_too(town: Town) -> None:
    await booked(town, MAIL)
    await choose(town, Preferences(version=2, reminders_off=frozenset({120})))
    await town.live_until(EIGHT_THIRTY, step=timedelta(hours=2))
    for channel in set(Channel) - OPT_IN:
        assert (await town.states(channel))["reminder", 1, 120] == ("suppressed", "reminder_time_switched_off")
    assert len(await town.inbox()) == 1


async def test_a_row_that_says_so_all_the_same_does_not_silence_a_cancellation(town: Town) -> None:
    await choose(town, Preferences(version=2, off=frozenset({(Kind.CANCELLATION, Channel.EMAIL)})))
    await booked(town, MAIL)
    (told_of,) = town.feed
    assert isinstance(told_of, Event)
    await town.hear(event(EventType.BOOKING_CANCELLED, booking(booking_id=told_of.subject, version=2)))
    await town.deliver()
    assert (await town.states())["cancellation", 2, 0] == ("sent", "accepted")


async def test_the_language_chosen_for_messages_is_stronger_than_the_accounts(town: Town) -> None:
    await choose(town, Preferences(version=2, language=Language.EN))
    await booked(town, MAIL)
    assert [mail["Content-Language"] for mail in town.mailbox.seen] == ["en"]
    assert town.mailbox.seen[0]["Subject"].startswith("Booked: ")


async def test_preferences_come_back_as_they_were_stored(town: Town) -> None:
    wanted = Preferences(
        version=7,
        language=Language.ZH_CN,
        quiet_hours=None,
        off=frozenset({(Kind.REMINDER, Channel.SMS), (Kind.CONFIRMATION, Channel.SMS)}),
        reminders_off=frozenset({120, 1440}),
    )
    await choose(town, wanted)
    async with town.engine.connect() as connection:
        assert await preferences.of_account(connection, RESIDENT) == wanted
        assert await preferences.of_account(connection, NEIGHBOUR) == Preferences()
    assert town.clock() == NOW
