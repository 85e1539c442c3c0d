"""A channel that is not set up: what waits on it ends in bulk, and says of each message what the long way would say."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.notify import closed
from services.notify.deliver import _suppress
from services.notify.domain.message import Channel, Why
from services.notify.store import evidence, unset
from shared.contracts import EventType
from tests.notify.make import NOW, booking, code_requested, event
from tests.notify.test_sms import CODE, FIVE_MINUTES
from tests.notify.town import Town

SAID = "SELECT m.kind, d.state, d.why, m.sealed IS NULL AS gone FROM decisions d JOIN messages m ON m.id = d.message_id"


async def all_sorts(town: Town) -> None:
    """Have three mails due: one that stands, one of an older version, and one that is of no use any more."""
    contact = town.keys.contact()
    stands, moved, late = (booking(contact=contact, reminders=()) for _ in range(3))
    await town.hear(*(event(EventType.BOOKING_CONFIRMED, one) for one in (stands, moved, late)))
    async with town.engine.begin() as tx:
        for query, about in (
            ("UPDATE known_bookings SET version = version + 1 WHERE booking_id = :id", moved),
            ("UPDATE messages SET expires_at = :now WHERE subject_id = :id", late),
        ):
            facts = {"id": about.booking_id, "now": NOW} if ":now" in query else {"id": about.booking_id}
            await tx.execute(text(query), facts)


async def outcome(town: Town) -> tuple[list[Any], list[Any]]:
    """Return what the log says of the mails, and what the world was told."""
    log = await town.rows(f"{SAID} WHERE m.channel = 'email' AND d.state <> 'planned' ORDER BY d.why")
    async with town.engine.begin() as tx:
        await tx.execute(text("UPDATE outbox SET number = sequence"))
    async with town.engine.connect() as connection:
        events = await evidence.read_events(connection, 0, 100)
    told: list[Any] = [one.data for one in events]
    return [tuple(row) for row in log], sorted((one.kind, one.channel, one.evidence, one.at) for one in told)


async def the_long_way(town: Town) -> None:
    delivery = town.delivery(routes={})
    _, claimed = await delivery._claim(Channel.EMAIL)
    await delivery._settle([_suppress(due, Why.CHANNEL_NOT_SET_UP) for due in claimed])


async def test_it_says_what_the_long_way_says(town: Town) -> None:
    await all_sorts(town)
    await town.delivery(routes={}).drain(Channel.EMAIL)
    found = await outcome(town)
    assert found[0] == [
        ("confirmation", "suppressed", "channel_not_set_up", True),
        ("confirmation", "superseded", "newer_version", True),
        ("confirmation", "expired", "no_longer_useful", True),
    ]
    assert len(found[1]) == 2, "of what is superseded the newer version tells"
    async with town.engine.begin() as tx:
        await tx.execute(text("TRUNCATE outbox, decisions, attempts, messages, known_bookings CASCADE"))
    await all_sorts(town)
    await the_long_way(town)
    assert await outcome(town) == found


async def test_a_code_ends_as_well_and_its_seal_with_it(town: Town) -> None:
    await town.hear(code_requested(town.keys.sign_in(), NOW + FIVE_MINUTES))
    assert await town.delivery(routes={}).drain(Channel.SMS) == 1
    assert (await town.states(Channel.SMS))[CODE] == ("suppressed", "channel_not_set_up")
    assert (await town.rows("SELECT count(*) FROM messages WHERE sealed IS NOT NULL"))[0][0] == 0


async def test_what_was_left_half_sent_before_the_channel_was_taken_away_is_still_in_doubt(town: Town) -> None:
    await all_sorts(town)
    delivery = town.delivery()
    _, claimed = await delivery._claim(Channel.EMAIL)
    await delivery._start(delivery.routes[Channel.EMAIL], claimed, [])
    town.clock.advance(delivery.pace.lease + timedelta(seconds=1))
    await town.delivery(routes={}).drain(Channel.EMAIL)
    assert [one[:3] for one in (await outcome(town))[0]].count(("confirmation", "unknown", "lease_ran_out")) == 1


_PAUSE = """
    CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.05); RETURN NULL; END'
"""
_PAUSES = "CREATE TRIGGER pauses BEFORE INSERT ON decisions FOR EACH STATEMENT EXECUTE FUNCTION pause()"
"""Between ending its messages and committing that each statement waits for the other to choose its own."""


@asynccontextmanager
async def pausing(town: Town) -> AsyncIterator[None]:
    """Let each statement pause, and none of what comes after: the database is that of all of these tests."""
    async with town.engine.begin() as tx:
        await tx.execute(text(_PAUSE))
        await tx.execute(text(_PAUSES))
    try:
        yield
    finally:
        async with town.engine.begin() as tx:
            await tx.execute(text("DROP FUNCTION pause() CASCADE"))


async def closed_town(town: Town, count: int) -> None:
    """Have `count` mails due on a channel that nobody has set up."""
    contact = town.keys.contact()
    await town.hear(*(event(EventType.BOOKING_CONFIRMED, booking(contact=contact, reminders=())) for _ in range(count)))


async def test_two_statements_at_a_time_end_each_message_once(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    await closed_town(town, 20)
    monkeypatch.setattr(closed, "BATCH", 8)
    under_way, most = 0, 0

    async def counted(*of: Any) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            return await unset.end(*of)
        finally:
            under_way -= 1

    monkeypatch.setattr(closed, "end", counted)
    delivery = town.delivery(routes={})
    channels = (Channel.EMAIL, Channel.SMS, Channel.EMAIL)
    async with pausing(town):
        drained = await asyncio.gather(*(delivery.drain(channel) for channel in channels))
    assert sum(drained) == (await town.rows("SELECT count(*) FROM decisions WHERE state = 'suppressed'"))[0][0]
    assert most == closed.AT_ONCE, "one left the second core idle, or more than two stood before what is to be sent"
    (row,) = await town.rows("""
        SELECT count(*), count(DISTINCT message_id) FROM decisions d JOIN messages m ON m.id = d.message_id
        WHERE m.channel = 'email' AND d.state = 'suppressed'
    """)
    assert tuple(row) == (20, 20)
    (row,) = await town.rows(
        "SELECT count(*), count(DISTINCT data ->> 'message_id') FROM outbox WHERE data ->> 'channel' = 'email'"
    )
    assert tuple(row) == (20, 20)


async def test_a_worker_that_is_stopped_ends_no_further_batch(town: Town) -> None:
    await closed_town(town, 3)
    delivery = town.delivery(routes={})
    delivery.stop()
    assert await delivery.drain(Channel.EMAIL) == 0
