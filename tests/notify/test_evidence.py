"""How well messages are known to have arrived: it rises only, and the booking service hears of every step, once."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from services.notify import tables
from services.notify.domain.message import Channel, Evidence
from services.notify.store import evidence
from shared.contracts import Event, EventType, MessageEvidence
from shared.outbox import Relay
from tests.notify.mailbox import Fault
from tests.notify.make import booking, code_requested, event
from tests.notify.town import Town


class Heard:
    """Where the relay publishes to."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def publish(self, events: Sequence[Event]) -> None:
        self.events += events


async def told(town: Town) -> list[MessageEvidence]:
    heard = Heard()
    await Relay(town.engine, tables.outbox, tables.relay, heard).drain()
    data = [one.data for one in heard.events]
    assert all(isinstance(one, MessageEvidence) for one in data)
    return [one for one in data if isinstance(one, MessageEvidence)]


def steps(heard: list[MessageEvidence]) -> list[tuple[str, str]]:
    return [(one.channel, one.evidence) for one in heard]


async def test_what_a_provider_took_and_what_lies_in_the_inbox_is_told(town: Town) -> None:
    about = booking(contact=town.keys.contact(), reminders=())
    await town.hear(event(EventType.BOOKING_CONFIRMED, about))
    await town.deliver()
    heard = await told(town)
    assert sorted(steps(heard)) == [("email", "accepted"), ("in_app", "delivered")]
    assert {(one.booking_id, one.booking_version, one.kind) for one in heard} == {
        (about.booking_id, about.version, "confirmation")
    }
    assert await told(town) == [], "each step is told once"


async def test_it_rises_only_and_each_step_is_told_once(town: Town) -> None:
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(contact=town.keys.contact(), reminders=())))
    await town.deliver()
    await told(town)
    [row] = await town.rows("SELECT id FROM messages WHERE channel = 'email'")
    message_id: UUID = row.id
    for level in (Evidence.DELIVERED, Evidence.ACCEPTED, Evidence.READ, Evidence.SHOWN, Evidence.READ, Evidence.ACTED):
        async with town.engine.begin() as tx:
            await evidence.raise_to(tx, message_id, level, town.clock())
    assert steps(await told(town)) == [("email", "delivered"), ("email", "read"), ("email", "acted")]


async def test_what_will_not_arrive_is_told_as_failed(town: Town) -> None:
    town.mailbox.faults = [Fault.NO_SUCH_MAILBOX]
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(contact=town.keys.contact(), reminders=())))
    delivery = town.delivery()
    await delivery.drain(Channel.EMAIL)
    assert steps(await told(town)) == [("email", "failed")]


async def test_what_the_world_has_overtaken_has_not_failed(town: Town) -> None:
    about = booking(contact=town.keys.contact(), reminders=())
    await town.hear(event(EventType.BOOKING_CONFIRMED, about))
    await town.hear(event(EventType.BOOKING_CHECKED_IN, booking(booking_id=about.booking_id, version=2)))
    await town.deliver()
    assert await told(town) == []


async def test_nothing_is_told_of_a_sign_in_code(town: Town) -> None:
    await town.hear(code_requested(town.keys.sign_in(), town.clock() + timedelta(minutes=5)))
    await town.deliver()
    assert len(town.gateway.seen) == 1
    assert await told(town) == []


async def test_it_is_told_in_the_transaction_that_raised_it_or_not_at_all(town: Town) -> None:
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(contact=town.keys.contact(), reminders=())))
    await town.deliver()
    await told(town)
    [row] = await town.rows("SELECT id FROM messages WHERE channel = 'email'")
    async with town.engine.connect() as connection:
        transaction = await connection.begin()
        await evidence.raise_to(connection, row.id, Evidence.READ, town.clock())
        await transaction.rollback()
    assert await told(town) == []


async def test_an_answer_that_comes_after_the_proof_of_arrival_is_no_news(town: Town) -> None:
    """A receipt may overtake the provider's own answer: `accepted` after `delivered` would be a step backwards."""
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(contact=town.keys.contact(), reminders=())))
    [row] = await town.rows("SELECT id FROM messages WHERE channel = 'email'")
    async with town.engine.begin() as tx:
        await evidence.raise_to(tx, row.id, Evidence.DELIVERED, town.clock())
    await town.delivery().drain(Channel.EMAIL)
    assert len(town.mailbox.seen) == 1
    assert steps(await told(town)) == [("email", "delivered")]
