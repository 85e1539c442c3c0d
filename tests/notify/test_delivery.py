"""Workers that race, stall and die: nothing is sent twice, nothing that no longer stands is sent, doubt is said aloud."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.channels.carrier import Mail, Send
from services.notify.compose import Composer
from services.notify.deliver import Delivery, Pace, Route
from services.notify.domain import outcome as outcomes
from services.notify.domain.dispatch import Due, Lease
from services.notify.domain.message import Channel
from services.notify.domain.outcome import Outcome
from services.notify.store import messages
from services.notify.watch import Watch
from shared.contracts import EventType, Words
from tests.notify.make import booking, code_requested, event
from tests.notify.town import TEMPLATES, Town

CLAIM, LEASE = Pace().claim, Pace().lease
LOCK = " FOR UPDATE SKIP LOCKED"
CLAIM_GUARD = "AND (state IN ('planned', 'claimed') AND visible_at <= :now) IS TRUE"
GUARD = """ AND m.state = v.before AND m.attempt = v.attempt
        AND m.lease_token IS NOT DISTINCT FROM v.held"""
SECOND_LOOK = """
        AND NOT EXISTS (SELECT FROM known_bookings k
                        WHERE k.booking_id = m.subject_id AND k.version <> m.subject_version)"""
TOKEN_GUARD = "AND m.lease_token = v.token "
START_GUARD = f"{TOKEN_GUARD}AND m.state = :claimed "


@dataclass(slots=True)
class Carrier:
    """A carrier whose every send runs `during`, which may look around, wait, or raise; it keeps a ledger."""

    during: Callable[[Mail], Any] = lambda _mail: None
    seen: list[Mail] = field(default_factory=list)
    provider: str = "stub"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Send[Mail]]:
        yield self._send

    async def _send(self, mail: Mail) -> Outcome:
        self.seen.append(mail)
        ran = self.during(mail)
        if asyncio.iscoroutine(ran):
            await ran
        return outcomes.accepted("250")


def worker(town: Town, carrier: Carrier, pace: Pace | None = None) -> Delivery:
    composer = Composer(TEMPLATES, town.keys.opener)
    return town.delivery(pace, {Channel.EMAIL: Route(composer.mail, carrier)})


async def book(town: Town, count: int = 1) -> None:
    contact = town.keys.contact()
    await town.hear(*(event(EventType.BOOKING_CONFIRMED, booking(contact=contact, reminders=())) for _ in range(count)))


def seen_twice(carrier: Carrier) -> int:
    return len(carrier.seen) - len({mail.message_id for mail in carrier.seen})


# -- races, and their controls


@contextmanager
def both_claim_at_once(workers: int) -> Iterator[None]:
    """Have no worker claim before all of them are about to."""
    meeting = asyncio.Barrier(workers)
    claim = messages.claim

    async def wait(tx: AsyncConnection, channel: Channel, lease: Lease, now: datetime, limit: int) -> list[Due]:
        await asyncio.wait_for(meeting.wait(), 5)
        return await claim(tx, channel, lease, now, limit)

    with patch.object(messages, "claim", wait):
        yield


async def hold_until(town: Town, workers: int, held: asyncio.Event) -> None:
    """Lock every message until so many workers wait for them, each having chosen the same: the worst moment.

    `held` is set when all are locked: a worker that began before might be done with its part, and never wait.
    """
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with town.engine.connect() as holder, town.engine.connect() as watch:
        await holder.execute(text("SELECT id FROM messages FOR UPDATE"))
        held.set()
        for _ in range(500):
            if (await watch.execute(waiting)).scalar_one() >= workers:
                return
            await watch.rollback()
            await asyncio.sleep(0.01)
    raise AssertionError("the workers never met")


@contextmanager
def without(*clauses: tuple[str, str]) -> Iterator[None]:
    """Run with a clause struck out of a statement of the store: the control of a race test."""
    with pytest.MonkeyPatch.context() as patched:
        for name, clause in clauses:
            statement = str(getattr(messages, name).text)
            assert clause in statement, "the control must strike out something that is there"
            patched.setattr(messages, name, text(statement.replace(clause, " ")))
        yield


async def race(town: Town, during: Callable[[Mail], Any] = lambda _mail: None, *, unlocked: bool = False) -> Carrier:
    await book(town, 20)
    carrier = Carrier(during)
    held = asyncio.Event()

    async def deliver() -> None:
        if unlocked:
            await asyncio.wait_for(held.wait(), 5)
        await worker(town, carrier).deliver(Channel.EMAIL)

    with both_claim_at_once(2):
        holding = [hold_until(town, 2, held)] if unlocked else []
        await asyncio.gather(*holding, deliver(), deliver())
    return carrier


async def test_two_workers_never_send_the_same_message(town: Town) -> None:
    carrier = await race(town)
    assert (len(carrier.seen), seen_twice(carrier)) == (20, 0)


async def test_even_without_row_locks_the_guards_keep_two_workers_apart(town: Town) -> None:
    with without(("_CLAIM", LOCK)):
        carrier = await race(town, unlocked=True)
    assert (len(carrier.seen), seen_twice(carrier)) == (20, 0)


async def test_control_without_locks_and_guards_both_workers_send_everything(town: Town) -> None:
    both_send = asyncio.Barrier(40)

    async def meet(_mail: Mail) -> None:
        await asyncio.wait_for(both_send.wait(), 5)

    with without(("_CLAIM", LOCK), ("_CLAIM", CLAIM_GUARD), ("_START", START_GUARD), ("_MOVE", GUARD)):
        carrier = await race(town, meet, unlocked=True)
    assert seen_twice(carrier) == 20


WAKES = ("before the other begins", "while the other sends", "after the other has sent")


async def lose_the_claim(town: Town, wakes: str) -> tuple[int, int]:
    """One worker claims and stalls; its claim ends; another claims; the first wakes up and goes on as if nothing had been.

    Returns how many messages left by the first, and how many by the other.
    """
    await book(town)
    late, prompt = Carrier(), Carrier()
    slow, quick = worker(town, late), worker(town, prompt)
    _, lost = await slow._claim(Channel.EMAIL)
    town.clock.advance(CLAIM)
    _, held = await quick._claim(Channel.EMAIL)
    assert [due.id for due in lost] == [due.id for due in held]

    async def wake() -> None:
        await slow._send_together(slow.routes[Channel.EMAIL], lost)

    if wakes == WAKES[0]:
        await wake()
    elif wakes == WAKES[1]:
        prompt.during = lambda _mail: wake()
    await quick._send_together(quick.routes[Channel.EMAIL], held)
    if wakes == WAKES[2]:
        await wake()
    return len(late.seen), len(prompt.seen)


@pytest.mark.parametrize("wakes", WAKES)
async def test_a_slow_worker_sends_nothing_that_another_has_taken(town: Town, wakes: str) -> None:
    assert await lose_the_claim(town, wakes) == (0, 1)
    assert (await town.states())["confirmation", 1, 0] == ("sent", "accepted")
    assert [row.number for row in await town.rows("SELECT number FROM attempts")] == [1]


async def test_control_without_the_token_the_slow_worker_sends_what_another_has_taken(town: Town) -> None:
    with without(("_START", TOKEN_GUARD)):
        assert await lose_the_claim(town, WAKES[0]) == (1, 0)


@pytest.mark.parametrize("wakes", WAKES[:2])
async def test_control_without_the_fence_both_send_it(town: Town, wakes: str) -> None:
    with without(("_START", START_GUARD)):
        assert await lose_the_claim(town, wakes) == (1, 1)


async def test_a_slow_worker_goes_on_with_what_nobody_has_taken_and_for_as_long_as_any(town: Town) -> None:
    await book(town)
    late, prompt = Carrier(), Carrier()
    slow, quick = worker(town, late), worker(town, prompt)
    _, lost = await slow._claim(Channel.EMAIL)
    town.clock.advance(CLAIM + timedelta(minutes=1))

    async def look_for_more(_mail: Mail) -> None:
        town.clock.advance(LEASE - timedelta(seconds=1))
        await quick.drain(Channel.EMAIL)

    late.during = look_for_more
    await slow._send_together(slow.routes[Channel.EMAIL], lost)
    assert (len(late.seen), len(prompt.seen)) == (1, 0)
    assert (await town.states())["confirmation", 1, 0] == ("sent", "accepted")


# -- workers that die


class Killed(BaseException):
    """What no code of ours catches: the process is gone."""


async def die(_mail: Mail) -> None:
    raise Killed


async def test_a_worker_killed_before_the_attempt_loses_nothing(town: Town) -> None:
    await book(town)
    carrier = Carrier()
    await worker(town, carrier)._claim(Channel.EMAIL)  # and dies here
    town.clock.advance(CLAIM - timedelta(seconds=1))
    await worker(town, carrier).deliver(Channel.EMAIL)
    assert carrier.seen == [], "the claim still holds"
    town.clock.advance(timedelta(seconds=1))
    await worker(town, carrier).deliver(Channel.EMAIL)
    assert len(carrier.seen) == 1
    assert (await town.states())["confirmation", 1, 0] == ("sent", "accepted")


async def test_a_code_whose_worker_is_killed_before_the_attempt_comes_within_seconds(town: Town) -> None:
    await town.hear(code_requested(town.keys.sign_in(), town.clock() + timedelta(minutes=5)))
    await town.delivery()._claim(Channel.SMS)  # and dies here
    town.clock.advance(timedelta(seconds=15))
    await town.deliver()
    assert [sent["PhoneNumbers"] for sent in town.gateway.seen] == ["13900000001"]
    assert (await town.states(Channel.SMS))["sign_in_code", 1, 0] == ("sent", "accepted")


async def test_a_worker_killed_while_sending_leaves_doubt_and_doubt_is_never_sent_again(town: Town) -> None:
    await book(town)
    doomed, carrier = Carrier(during=die), Carrier()
    with pytest.raises(Killed):
        await worker(town, doomed).deliver(Channel.EMAIL)
    (attempt,) = await town.rows("SELECT number, verdict, finished_at FROM attempts")
    assert tuple(attempt) == (1, None, None), "the attempt was on record before the call"
    town.clock.advance(LEASE - timedelta(seconds=1))
    await worker(town, carrier).deliver(Channel.EMAIL)
    assert (await town.states())["confirmation", 1, 0] == ("sending", "taken"), "however long ago its claim ended"
    town.clock.advance(timedelta(seconds=1))
    await worker(town, carrier).deliver(Channel.EMAIL)
    assert (await town.states())["confirmation", 1, 0] == ("unknown", "lease_ran_out")
    (attempt,) = await town.rows("SELECT verdict, code FROM attempts")
    assert tuple(attempt) == ("unknown", "lease_ran_out")
    town.clock.advance(timedelta(days=3))
    await worker(town, carrier).drain(Channel.EMAIL)
    assert carrier.seen == []
    await town.delivery().drain(Channel.IN_APP)
    assert len(await town.inbox()) == 1, "the in-app inbox has it for certain"


async def test_an_outcome_that_comes_after_the_lease_still_counts_as_evidence(town: Town) -> None:
    await book(town)

    async def stall(_mail: Mail) -> None:
        town.clock.advance(LEASE + timedelta(seconds=1))
        await worker(town, Carrier()).deliver(Channel.EMAIL)
        assert (await town.states())["confirmation", 1, 0] == ("unknown", "lease_ran_out")

    await worker(town, Carrier(during=stall)).deliver(Channel.EMAIL)
    assert (await town.states())["confirmation", 1, 0] == ("sent", "late_evidence")
    (attempt,) = await town.rows("SELECT verdict, code FROM attempts")
    assert tuple(attempt) == ("accepted", "250")


async def test_a_worker_that_stops_gives_back_what_it_has_not_begun(town: Town) -> None:
    await book(town, 5)
    carrier, after = Carrier(), Carrier()
    stopping = worker(town, carrier, Pace(places=2))
    carrier.during = lambda _mail: stopping.stop()
    await stopping.drain(Channel.EMAIL)
    assert len(carrier.seen) == 2, "those it had begun are finished"
    await worker(town, after).deliver(Channel.EMAIL)
    assert len(after.seen) == 3, "nobody waits for a lease to run out"
    assert seen_twice(Carrier(seen=carrier.seen + after.seen)) == 0


async def test_while_the_database_is_away_the_outcome_is_kept_and_then_recorded(town: Town) -> None:
    await book(town)
    finish, failures = messages.finish, [ConnectionResetError("gone"), ConnectionResetError("gone")]

    async def away(tx: AsyncConnection, ended: Sequence[tuple[Due, Outcome]], now: datetime) -> None:
        if ended and failures:
            raise failures.pop()
        await finish(tx, ended, now)

    carrier = Carrier()
    with patch.object(messages, "finish", away):
        await worker(town, carrier).deliver(Channel.EMAIL)
    assert failures == []
    assert (await town.states())["confirmation", 1, 0] == ("sent", "accepted")
    assert len(carrier.seen) == 1


# -- the version, looked at three times


async def test_what_is_cancelled_after_the_claim_does_not_leave(town: Town) -> None:
    told_of = booking(contact=town.keys.contact(), reminders=())
    await town.hear(event(EventType.BOOKING_CONFIRMED, told_of))
    carrier = Carrier()
    delivery = worker(town, carrier)
    _, claimed = await delivery._claim(Channel.EMAIL)
    await town.hear(event(EventType.BOOKING_CANCELLED, booking(booking_id=told_of.booking_id, version=2)))
    await delivery._send_together(delivery.routes[Channel.EMAIL], claimed)
    assert carrier.seen == []
    assert (await town.states())["confirmation", 1, 0] == ("superseded", "booking_cancelled")


@pytest.mark.parametrize("claimed_first", [True, False])
async def test_a_newer_version_alone_stops_a_message_at_the_claim_and_before_the_send(
    town: Town, claimed_first: bool
) -> None:
    await book(town)
    carrier = Carrier()
    delivery = worker(town, carrier)
    claimed: list[Due] = []
    if claimed_first:
        _, claimed = await delivery._claim(Channel.EMAIL)
    async with town.engine.begin() as tx:
        await tx.execute(text("UPDATE known_bookings SET version = version + 1"))
    if claimed_first:
        await delivery._send_together(delivery.routes[Channel.EMAIL], claimed)
        town.clock.advance(LEASE)
    await delivery.deliver(Channel.EMAIL)
    assert carrier.seen == []
    assert (await town.states())["confirmation", 1, 0] == ("superseded", "newer_version")


async def test_what_expires_between_the_claim_and_the_send_does_not_leave(town: Town) -> None:
    ends_soon = booking(contact=town.keys.contact(), starts_at=town.clock() - timedelta(minutes=59), reminders=())
    await town.hear(event(EventType.BOOKING_CONFIRMED, ends_soon))
    carrier = Carrier()
    delivery = worker(town, carrier)
    _, claimed = await delivery._claim(Channel.EMAIL)
    assert len(claimed) == 1
    town.clock.set(ends_soon.ends_at)
    await delivery._send_together(delivery.routes[Channel.EMAIL], claimed)
    town.clock.advance(LEASE)
    await delivery.deliver(Channel.EMAIL)
    assert carrier.seen == []
    assert (await town.states())["confirmation", 1, 0] == ("expired", "no_longer_useful")


async def test_control_without_the_second_look_it_leaves(town: Town) -> None:
    await book(town)
    carrier = Carrier()
    delivery = worker(town, carrier)
    _, claimed = await delivery._claim(Channel.EMAIL)
    async with town.engine.begin() as tx:
        await tx.execute(text("UPDATE known_bookings SET version = version + 1"))
    with without(("_START", SECOND_LOOK)):
        await delivery._send_together(delivery.routes[Channel.EMAIL], claimed)
    assert len(carrier.seen) == 1


async def test_what_is_being_sent_while_it_is_cancelled_is_too_late_to_stop_and_the_cancellation_follows(
    town: Town,
) -> None:
    told_of = booking(contact=town.keys.contact(), reminders=())
    await town.hear(event(EventType.BOOKING_CONFIRMED, told_of))

    async def cancel(_mail: Mail) -> None:
        await town.hear(event(EventType.BOOKING_CANCELLED, booking(booking_id=told_of.booking_id, version=2)))

    await worker(town, Carrier(during=cancel)).deliver(Channel.EMAIL)
    await town.deliver()
    states = await town.states()
    assert states["confirmation", 1, 0] == ("sent", "accepted")
    assert states["cancellation", 2, 0] == ("sent", "accepted")


# -- the way it works


async def test_no_transaction_is_open_while_a_provider_is_called(town: Town) -> None:
    await book(town)
    found: list[int] = []

    async def look(_mail: Mail) -> None:
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = current_setting('application_name')"
            " AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'"
        )
        found.append((await town.rows(query))[0][0])

    await worker(town, Carrier(during=look)).deliver(Channel.EMAIL)
    assert found == [0]


async def test_a_message_whose_words_fail_ends_alone(town: Town) -> None:
    contact = town.keys.contact()
    bad = booking(contact=contact, local_start="soon", reminders=())
    await town.hear(event(EventType.BOOKING_CONFIRMED, bad))
    await book(town, 2)
    await town.deliver()
    assert len(town.mailbox.seen) == 2
    dead = await town.rows("SELECT channel, why FROM messages WHERE state = 'dead' ORDER BY channel")
    assert [tuple(row) for row in dead] == [("email", "template_failed"), ("in_app", "template_failed")]


async def test_a_carrier_that_breaks_leaves_doubt_and_the_others_go_on(town: Town) -> None:
    await book(town, 3)

    def break_once(mail: Mail) -> None:
        if mail is carrier.seen[0]:
            raise ZeroDivisionError

    carrier = Carrier(during=break_once)
    await worker(town, carrier).deliver(Channel.EMAIL)
    rows = await town.rows("SELECT state, count(*) FROM messages WHERE channel = 'email' GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in rows] == [("sent", 2), ("unknown", 1)]


async def test_what_was_left_half_sent_waits_behind_no_wall(town: Town) -> None:
    await book(town)
    with pytest.raises(Killed):
        await worker(town, Carrier(during=die)).deliver(Channel.EMAIL)
    await book(town, 20)
    town.clock.advance(LEASE)
    worked_on, claimed = await worker(town, Carrier())._claim(Channel.EMAIL, 1)
    assert (worked_on, len(claimed)) == (2, 1)
    rows = await town.rows("SELECT state, count(*) FROM messages WHERE channel = 'email' GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in rows] == [("claimed", 1), ("planned", 19), ("unknown", 1)]


async def test_a_letter_without_an_answer_holds_its_own_place_and_no_other(town: Town) -> None:
    await book(town, 20)
    others = asyncio.Event()

    async def wait_for_the_others(mail: Mail) -> None:
        if mail is carrier.seen[0]:
            await asyncio.wait_for(others.wait(), 5)
        elif len(carrier.seen) == 20:
            others.set()

    carrier = Carrier(during=wait_for_the_others)
    await worker(town, carrier, Pace(places=4)).drain(Channel.EMAIL)
    states = await town.rows("SELECT DISTINCT state FROM messages WHERE channel = 'email'")
    assert [row.state for row in states] == ["sent"], "the first waited for all of them, and they did not wait for it"


async def test_a_channel_calls_when_something_is_due_or_was_left_half_sent(town: Town) -> None:
    async def calls() -> set[Channel]:
        watch = Watch(town.engine, town.clock, 60.0)
        return {channel for channel in Channel if await watch.calls(channel)}

    assert await calls() == set()
    await book(town)
    assert await calls() == {Channel.EMAIL, Channel.IN_APP}
    await town.delivery().drain(Channel.IN_APP)
    with pytest.raises(Killed):
        await worker(town, Carrier(during=die)).deliver(Channel.EMAIL)
    assert await calls() == set()
    town.clock.advance(LEASE)
    assert await calls() == {Channel.EMAIL}


async def test_one_look_serves_all_channels(town: Town) -> None:
    watch = Watch(town.engine, town.clock, 60.0)
    look = messages.waiting
    with patch.object(messages, "waiting", side_effect=look) as looks:
        await asyncio.gather(*(watch.calls(channel) for channel in Channel))
    assert looks.call_count == 1


async def test_more_than_a_batch_is_drained(town: Town) -> None:
    await book(town, 25)
    carrier = Carrier()
    assert await worker(town, carrier, Pace(batch=10, places=16)).drain(Channel.EMAIL) == 25
    assert (len(carrier.seen), seen_twice(carrier)) == (25, 0)


async def test_every_change_of_state_has_its_reason_in_the_log(town: Town) -> None:
    await town.hear(
        event(EventType.BOOKING_CONFIRMED, booking(contact=town.keys.contact(), service_name=Words("秘密", "secret")))
    )
    await town.deliver()
    rows = await town.rows(
        "SELECT d.state, d.why FROM decisions d JOIN messages m ON m.id = d.message_id"
        " WHERE m.channel = 'email' AND m.kind = 'confirmation' ORDER BY d.id"
    )
    assert [tuple(row) for row in rows] == [("planned", "confirmed"), ("sent", "accepted")]
    caused = await town.rows("SELECT DISTINCT event_id FROM decisions WHERE state = 'planned'")
    assert [row.event_id for row in caused] == [town.feed[0].id]
