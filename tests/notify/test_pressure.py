"""Walls of reminders are spread, one person is not flooded, dead messages come back by hand alone, rehearsals leave not."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner

from services.__main__ import main
from services.notify.channels.rehearsal import Rehearsing
from services.notify.deliver import Route
from services.notify.domain.message import BusinessKey, Channel, Kind
from services.notify.domain.planning import Rules
from services.notify.domain.pressure import MOST_A_DAY, SPREAD, spread
from services.notify.doubts import Doubts
from services.notify.store.replays import NotReplayed, dead, replay
from shared.contracts import Contact, EventType
from tests.notify.mailbox import Fault
from tests.notify.make import NOW, RESIDENT, booking, event
from tests.notify.town import Town

TEXTED = Rules(sms_kinds=frozenset(Kind))


def key(channel: Channel, lead: int) -> BusinessKey:
    return BusinessKey(
        subject_id=uuid4(),
        subject_version=1,
        kind=Kind.REMINDER,
        lead_minutes=lead,
        recipient_id=RESIDENT,
        channel=channel,
    )


def test_reminders_of_a_day_are_spread_evenly_and_the_same_each_time_those_of_two_hours_are_exact() -> None:
    keys = [key(Channel.EMAIL, 1440) for _ in range(2000)]
    offsets = [spread(one).total_seconds() for one in keys]
    assert all(abs(offset) <= SPREAD.total_seconds() for offset in offsets)
    for first in range(-600, 600, 120):
        assert sum(first <= offset < first + 120 for offset in offsets) == pytest.approx(200, abs=70)
    assert offsets == [spread(one).total_seconds() for one in keys]
    assert {spread(key(Channel.EMAIL, 120)) for _ in range(50)} == {timedelta()}
    loud = [spread(key(Channel.SMS, 1440)) for _ in range(500)]
    assert max(loud) <= timedelta(), "none slips into the night"


async def test_one_person_gets_so_many_text_messages_a_day_and_the_inbox_has_the_rest(town: Town) -> None:
    town.rules = TEXTED
    contact = town.keys.contact(email=None)  # or the mailbox would be enough
    for _ in range(MOST_A_DAY + 3):
        await town.hear(event(EventType.BOOKING_CONFIRMED, booking(contact=contact, reminders=())))
        await town.deliver()
    assert len(town.gateway.seen) == MOST_A_DAY
    assert len(await town.inbox()) == MOST_A_DAY + 3
    capped = await town.rows("SELECT why FROM messages WHERE channel = 'sms' AND state = 'suppressed'")
    assert [row.why for row in capped] == ["daily_cap"] * 3
    town.clock.advance(timedelta(days=1))
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(contact=contact, reminders=())))
    await town.deliver()
    assert len(town.gateway.seen) == MOST_A_DAY + 1, "the next day is a new one"


async def refused(town: Town) -> None:
    town.mailbox.faults.append(Fault.NO_SUCH_MAILBOX)
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(contact=town.keys.contact(), reminders=())))
    await town.deliver()
    assert (await town.states())["confirmation", 1, 0] == ("dead", "address_refused")


async def test_a_dead_message_goes_again_by_hand_and_that_is_written_down(town: Town) -> None:
    await refused(town)
    async with town.engine.begin() as tx:
        (one,) = await dead(tx)
        await replay(tx, one.id, "Li", "the mailbox exists now", town.clock())
    await town.deliver()
    assert (await town.states())["confirmation", 1, 0] == ("sent", "accepted")
    assert len(town.mailbox.seen) == 1
    (row,) = await town.rows("SELECT message_id, why_dead, by, reason FROM replays")
    assert tuple(row) == (one.id, "address_refused", "Li", "the mailbox exists now")
    async with town.engine.begin() as tx:
        with pytest.raises(NotReplayed, match="not dead but sent"):
            await replay(tx, one.id, "Li", "again", town.clock())
        with pytest.raises(NotReplayed, match="no such message"):
            await replay(tx, uuid4(), "Li", "again", town.clock())


async def test_what_is_of_no_use_any_more_is_not_sent_again(town: Town) -> None:
    await refused(town)
    town.clock.advance(timedelta(days=60))
    async with town.engine.begin() as tx:
        (one,) = await dead(tx)
        with pytest.raises(NotReplayed, match="of no use since"):
            await replay(tx, one.id, "Li", "why not", town.clock())
    assert await town.rows("SELECT 1 FROM replays") == []


async def test_what_a_newer_version_has_overtaken_does_not_come_back(town: Town) -> None:
    one = booking(contact=town.keys.contact(), reminders=())
    town.mailbox.faults.append(Fault.NO_SUCH_MAILBOX)
    await town.hear(event(EventType.BOOKING_CONFIRMED, one))
    await town.deliver()
    await town.hear(event(EventType.BOOKING_CANCELLED, replace(one, version=2)))
    async with town.engine.begin() as tx:
        (found,) = await dead(tx)
        await replay(tx, found.id, "Li", "try", town.clock())
    await town.deliver()
    assert (await town.states())["confirmation", 1, 0] == ("superseded", "newer_version")


@pytest.mark.parametrize("command", ["erase-notices", "dead-messages", "replay-message"])
async def test_each_command_says_what_it_does(command: str) -> None:
    told = await asyncio.to_thread(CliRunner().invoke, main, [command, "--help"])
    assert told.exit_code == 0
    assert "message" in told.output or "Erase" in told.output


# -- rehearsals


def rehearsing(town: Town) -> Mapping[Channel, Route[Any]]:
    routes = town.delivery().routes
    return {channel: replace(route, carrier=Rehearsing(route.carrier)) for channel, route in routes.items()}


@pytest.mark.parametrize(
    ("part", "state", "why"),
    [
        ("delivered", "sent", "accepted"),
        ("temporary", "planned", "provider_busy"),
        ("permanent", "dead", "address_refused"),
        ("timeout", "unknown", "no_answer"),
    ],
)
@pytest.mark.parametrize("channel", [Channel.EMAIL, Channel.SMS])
async def test_a_rehearsal_takes_the_whole_way_and_leaves_not(
    town: Town, part: str, state: str, why: str, channel: Channel
) -> None:
    town.rules = TEXTED
    place = ("delivered", "temporary", "permanent", "timeout").index(part) + 1
    contact = Contact(
        phone=f"+861540000000{place}",
        email=f"{part}@rehearsal.test" if channel is Channel.EMAIL else None,
        name="试",
        language="zh-CN",
    )
    sealed = town.keys.vault.seal_for_notify(contact)
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(contact=sealed, reminders=())))
    routes = rehearsing(town)
    await town.delivery(routes=routes).drain(channel)
    assert (await town.states(channel))["confirmation", 1, 0] == (state, why)
    assert (town.mailbox.seen, town.gateway.seen) == ([], [])
    if part == "timeout":
        town.clock.advance(timedelta(seconds=10))
        await Doubts(town.engine, routes, town.clock).resolve(channel)
        assert (await town.states(channel))["confirmation", 1, 0] == ("sent", "found_at_provider")


async def test_everybody_else_is_passed_on(town: Town) -> None:
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(contact=town.keys.contact(), reminders=())))
    await town.delivery(routes=rehearsing(town)).drain(Channel.EMAIL)
    assert len(town.mailbox.seen) == 1
    assert town.clock() == NOW
