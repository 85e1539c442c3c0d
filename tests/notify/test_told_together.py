"""What happens to the one text message that lists several bookings happens to each of them, and nobody reads it twice.

The provider knows it under one id: that of the booking it leads with. The others are asked about, and proved, by it.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
from sqlalchemy import text

from services.notify.commands.receive import receive
from services.notify.domain.merging import gathered
from services.notify.domain.message import Channel, Evidence, Kind
from services.notify.domain.planning import Rules
from services.notify.domain.receipt import Receipt
from services.sink.faults import Fault
from shared.contracts import EventType
from tests.notify.make import STARTS_AT, booking, event
from tests.notify.sinks import Providers, providers
from tests.notify.test_merging import morning
from tests.notify.town import Town

SECOND = timedelta(seconds=1)


@pytest.fixture
async def world(town: Town, tmp_path: Path) -> AsyncIterator[Providers]:
    async with providers(town, tmp_path) as one:
        yield one


async def stand(town: Town) -> list[tuple[str, str, int]]:
    rows = await town.rows("SELECT state, why, evidence FROM messages WHERE kind = 'reminder' AND channel = 'sms'")
    return sorted((row.state, row.why, row.evidence) for row in rows)


async def letter(town: Town) -> UUID:
    """Return the id under which the provider has the message."""
    [row] = await town.rows("SELECT DISTINCT told_in FROM attempts WHERE told_in IS NOT NULL")
    found: UUID = row.told_in
    return found


async def say(town: Town, about: UUID, evidence: Evidence | None) -> None:
    receipt = Receipt(provider="aliyun", message_id=about, reference=None, evidence=evidence)
    async with town.engine.begin() as tx:
        await receive(tx, [receipt], town.clock())


async def test_the_answer_that_never_came_is_found_for_each_and_none_is_sent_again(world: Providers) -> None:
    await morning(world.town, email=None)
    world.fail("aliyun", Fault.SILENT)
    await world.send()
    assert [state for state, *_ in await stand(world.town)] == ["unknown"] * 3
    world.fail("aliyun", None)
    for _ in range(20):
        world.town.clock.advance(5 * SECOND)
        await world.resolve()
        await world.send()
    assert await stand(world.town) == [("sent", "found_at_provider", Evidence.DELIVERED)] * 3
    assert world.seen == 1, "one message, read once"


async def test_what_was_never_taken_is_sent_again_for_each(world: Providers) -> None:
    await morning(world.town, email=None)
    world.fail("aliyun", Fault.DROPPED_BEFORE)
    await world.send()
    world.fail("aliyun", None)
    for _ in range(20):
        world.town.clock.advance(5 * SECOND)
        await world.resolve()
        await world.send()
    assert [state for state, *_ in await stand(world.town)] == ["sent"] * 3
    assert (world.seen, world.sink.ledger.duplicates) == (1, 0)


async def test_one_asked_about_when_its_letter_was_sent_again_without_it_is_not_taken_for_told(
    world: Providers,
) -> None:
    """Two workers ask one after the other: the second must not find the first one's new message."""
    await morning(world.town, email=None)
    world.fail("aliyun", Fault.DROPPED_BEFORE)
    await world.send()
    world.fail("aliyun", None)
    leading = await letter(world.town)
    later = "UPDATE messages SET visible_at = visible_at + interval '2 minutes' WHERE state = 'unknown' AND id <> :id"
    async with world.town.engine.begin() as tx:
        await tx.execute(text(later), {"id": leading})
    for _ in range(40):
        world.town.clock.advance(5 * SECOND)
        await world.resolve()
        await world.send()
    assert [state for state, *_ in await stand(world.town)] == ["sent"] * 3
    assert world.seen == 2, "the first alone, then the two others as one"


async def test_its_receipt_proves_each_of_them(world: Providers) -> None:
    await morning(world.town, email=None)
    await world.send()
    assert [evidence for *_, evidence in await stand(world.town)] == [Evidence.ACCEPTED] * 3
    for _ in range(2):
        await say(world.town, await letter(world.town), Evidence.DELIVERED)
    assert [evidence for *_, evidence in await stand(world.town)] == [Evidence.DELIVERED] * 3
    told = await world.town.rows(
        "SELECT count(*) AS n, count(DISTINCT data ->> 'booking_id') AS bookings FROM outbox"
        " WHERE data ->> 'channel' = 'sms' AND data ->> 'evidence' = 'delivered'"
    )
    assert [tuple(row) for row in told] == [(3, 3)], "each booking hears of it, once"


async def test_that_it_did_not_arrive_is_told_of_each(world: Providers) -> None:
    await morning(world.town, email=None)
    await world.send()
    await say(world.town, await letter(world.town), None)
    assert {why for _, why, _ in await stand(world.town)} == {"not_delivered"}


async def test_a_receipt_that_comes_before_a_killed_workers_lease_ends_proves_each(world: Providers) -> None:
    await morning(world.town, email=None)
    delivery = world.town.delivery(routes=world.routes)
    _, claimed = await delivery._claim(Channel.SMS)
    await delivery._start(delivery.routes[Channel.SMS], gathered(claimed), [])  # and dies here, its message on the way
    await say(world.town, await letter(world.town), Evidence.DELIVERED)
    world.town.clock.advance(delivery.pace.lease)
    await world.send()
    assert [(state, evidence) for state, _, evidence in await stand(world.town)] == [("sent", Evidence.DELIVERED)] * 3
    assert world.seen == 0, "nobody sent it again"


@pytest.mark.parametrize("seed", range(4))
async def test_what_the_bus_brings_again_at_any_moment_is_neither_told_twice_nor_left_out(
    world: Providers, seed: int
) -> None:
    """Events again, in any order and at any step of a merged message: one message, each booking in it once."""
    town, dice = world.town, Random(seed)
    town.rules = Rules(sms_kinds=frozenset({Kind.REMINDER}))
    made = [booking(contact=town.keys.contact(None), reminders=(1440,)) for _ in range(4)]
    brought = await town.hear(*(event(EventType.BOOKING_CONFIRMED, one) for one in made))

    async def again() -> None:
        await town.hear_again(*dice.sample(brought, dice.randrange(1, len(brought) + 1)))

    await again()
    town.clock.set(STARTS_AT - timedelta(days=1))
    await again()
    delivery = town.delivery(routes=world.routes)
    _, claimed = await delivery._claim(Channel.SMS)
    dice.shuffle(claimed)
    await again()
    for leading in gathered(claimed):
        await delivery._send_together(delivery.routes[Channel.SMS], [leading])
        await again()
    await world.send()
    assert [(state, evidence) for state, _, evidence in await stand(town)] == [("sent", Evidence.ACCEPTED)] * 4
    assert world.seen == 1
