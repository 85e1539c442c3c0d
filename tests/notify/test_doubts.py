"""What no answer told is found out: by asking the provider, which checks the question as it checks a message."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from services.notify.deliver import Route
from services.notify.domain.message import Channel, Kind
from services.notify.domain.planning import Rules
from services.sink.faults import Fault, ReceiptFault
from tests.notify.mailbox import Fault as MailFault
from tests.notify.sinks import Providers, cancel_bookings, providers
from tests.notify.town import Town

CODE = ("sign_in_code", 1, 0)


@pytest.fixture
async def world(town: Town, tmp_path: Path) -> AsyncIterator[Providers]:
    async with providers(town, tmp_path) as one:
        yield one


async def state(town: Town) -> tuple[str, str]:
    return (await town.states(Channel.SMS))[CODE]


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.DROPPED_AFTER, Fault.MALFORMED])
async def test_what_the_provider_took_without_a_word_is_found_there_and_sent_once(
    world: Providers, fault: Fault
) -> None:
    world.fail("aliyun", fault)
    await world.ask_for_code()
    await world.send()
    assert await state(world.town) == ("unknown", "no_answer")
    assert await world.resolve() == 0, "a receipt has ten seconds to come first"
    world.town.clock.advance(timedelta(seconds=10))
    assert await world.resolve() == 1
    assert await state(world.town) == ("sent", "found_at_provider")
    (attempt,) = await world.town.rows("SELECT received_at IS NOT NULL AS arrived FROM attempts")
    assert attempt.arrived
    world.fail("aliyun", None)
    world.town.clock.advance(timedelta(minutes=5))
    await world.send()
    assert (world.seen, world.sink.ledger.duplicates) == (1, 0)


async def test_what_the_provider_provably_never_had_is_sent_again(world: Providers) -> None:
    world.fail("aliyun", Fault.DROPPED_BEFORE)
    await world.ask_for_code()
    await world.send()
    world.fail("aliyun", None)
    for _ in range(12):
        world.town.clock.advance(timedelta(seconds=5))
        await world.resolve()
        await world.send()
    assert await state(world.town) == ("sent", "accepted")
    assert (world.seen, world.sink.ledger.duplicates) == (1, 0)
    log = await world.town.rows("SELECT state, why FROM decisions ORDER BY id")
    assert [tuple(row) for row in log] == [
        ("planned", "code_requested"),
        ("unknown", "no_answer"),
        ("planned", "proven_absent"),
        ("sent", "accepted"),
    ]


async def test_a_code_that_is_proven_absent_too_late_is_not_sent(world: Providers) -> None:
    world.fail("aliyun", Fault.DROPPED_BEFORE)
    await world.ask_for_code(minutes=1)
    await world.send()
    world.town.clock.advance(timedelta(minutes=2))
    await world.resolve()
    assert await state(world.town) == ("expired", "proven_absent")
    assert world.seen == 0


async def test_two_who_ask_about_the_same_message_send_it_again_once(world: Providers) -> None:
    world.fail("aliyun", Fault.DROPPED_BEFORE)
    await world.ask_for_code(20)
    await world.send()
    world.fail("aliyun", None)
    world.town.clock.advance(timedelta(seconds=60))
    await asyncio.gather(*(world.resolve() for _ in range(3)))
    await asyncio.gather(*(world.send() for _ in range(3)))
    assert (world.seen, world.sink.ledger.duplicates) == (20, 0)


async def test_a_provider_that_lists_only_receipts_proves_nothing_by_absence(world: Providers) -> None:
    """Tencent: what has no receipt yet may be on its way, and another channel tells whoever would lose by it."""
    world.town.rules = Rules(sms_kinds=frozenset({Kind.SIGN_IN_CODE, Kind.CANCELLATION}))
    route = world.routes[Channel.SMS]
    world.routes = {Channel.SMS: Route(route.compose, route.others[0])}
    world.fail("tencent", Fault.SILENT, receipt_shares={ReceiptFault.MISSING: 1.0})
    await cancel_bookings(world.town, email=None)
    await world.send()
    world.town.clock.advance(timedelta(seconds=10))
    await world.resolve()
    assert (await world.town.states(Channel.SMS))["cancellation", 2, 0] == ("unknown", "no_answer")
    world.town.clock.advance(timedelta(minutes=2))
    await world.resolve()
    assert (await world.town.states(Channel.SMS))["cancellation", 2, 0] == ("unproven", "other_channel")
    assert world.sink.ledger.duplicates == 0


async def test_a_mail_that_may_have_been_taken_is_never_sent_again_and_the_phone_is_told(town: Town) -> None:
    await cancel_bookings(town)
    town.mailbox.faults.append(MailFault.DROPPED_AFTER_CONTENT)
    await town.deliver()
    assert (await town.states())["cancellation", 2, 0] == ("unknown", "no_answer")
    for _ in range(20):
        town.clock.advance(timedelta(seconds=10))
        await town.resolve()
        await town.deliver()
    assert (await town.states())["cancellation", 2, 0] == ("unproven", "other_channel")
    assert len(town.mailbox.seen) == 1, "by its Message-ID, nothing was seen twice"
    assert (await town.states(Channel.SMS))["cancellation", 2, 0] == ("sent", "accepted")
    assert len(town.gateway.seen) == 1
