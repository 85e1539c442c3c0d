"""The desk: every command that touches capacity goes through here, in batches.

Gather the facts for a batch under the locks of its slots, decide each request in order and purely, keep all decisions
with their events and answers in one commit, answer each. A batch is whatever waited until the one before had its locks: there is no timer,
so a lone request waits for nobody, and a release rush shares its locks and its flush to disk.

What the desk promises:
- Nobody is answered before the commit.
- One bad request never fails its neighbours: if a batch cannot be kept, its members are served again, each alone.
- A request waits in the queue for at most `deadline_seconds`, and the queue holds at most `bound` requests; beyond
  either the answer is `busy`, and nothing was done.
- If the connection breaks around the commit, nobody knows whether it happened: the answer is `uncertain`, and asking
  again with the same Idempotency-Key is safe and tells.
"""

import asyncio
import math
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.booking.commands.answer import Render
from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.commands.closing import events_of
from services.booking.commands.line import gather_line
from services.booking.commands.queue import Asked, KeyName, Limits, Queue
from services.booking.commands.strikes import bring_strikes, record
from services.booking.domain.decision import Decisions, Outcome
from services.booking.domain.facts import Facts
from services.booking.domain.reason import Reason
from services.booking.domain.request import Alter, Book, Move, Request, ServeLine
from services.booking.store.database import (
    Collided,
    Connection,
    DatabaseError,
    Engine,
    Lines,
    Lost,
    commit,
    is_unavailable,
)
from services.booking.store.gathering import Gathered, lock_and_gather, nearest_free
from services.booking.store.keeping import Answered, Ledger, keep, keep_and_commit
from services.booking.store.locking import LOCK, Lock, Wanted
from services.booking.store.waitlist import waiting_for
from services.booking.store.waitlist_line import keep_line
from shared.clock import Clock
from shared.refusal import Refused
from shared.web.problems import Answer

ALONE_ATTEMPTS = 3
"""How often a request is served alone before the desk gives up on it."""

FLIGHTS = 3
"""Batches in flight at once: one that this process reads, decides or answers, and two between here and PostgreSQL."""

FLIGHTS_ON_A_SLOT = 2
"""Where the next batch would wait for a slot of those in flight: more of them would only be smaller."""

SMALL = 16
"""A batch of fewer requests is not made even smaller: PostgreSQL would take as long for it."""

secure_chance = secrets.SystemRandom().random
"""Draws evenly from 0 to 1, by nobody's guess; a test puts something else into `Desk.chance`."""


_WORTH_WAITING = frozenset({Reason.SLOT_FULL, Reason.COOLING_OFF})


@dataclass(frozen=True, slots=True)
class _Flight:
    """A batch in flight: how many requests, and the slots that they want."""

    size: int
    slot_ids: AbstractSet[UUID]


class Desk:
    """One desk serves one process; any number of them may work on one database.

    Args:
        engine: the booking database.
        catalogue: this process's copy of what is offered.
        clock: says when it is.
        limits: bounds of batch, queue and waiting.
        lock: the statement that locks slots and people; only the controls of the race tests put another here.
    """

    def __init__(
        self,
        engine: Engine,
        catalogue: CatalogueCache,
        clock: Clock,
        limits: Limits | None = None,
        *,
        lock: Lock = LOCK,
    ) -> None:
        self._lines = Lines(engine)
        self._catalogue = catalogue
        self._clock = clock
        self._limits = limits or Limits()
        self._lock = lock
        self.chance = secure_chance
        self._waiting = Queue(self._limits)
        self._flights: dict[asyncio.Task[None], _Flight] = {}
        self._locking: asyncio.Task[None] | None = None
        self._keys_in_flight: set[KeyName] = set()
        self._reading = False
        self._more_came = False
        self._closed = False

    async def ask(self, request: Request, render: Render) -> Answer:
        """Return the answer to `request` once what was decided is safely kept.

        Raises:
            Refused: `busy` when too many wait, or it would take too long, or the database does not answer;
                `uncertain` when the database was lost around the commit. Every other refusal is an outcome, which
                `render` turns into the answer.
        """
        if self._closed or len(self._waiting) >= self._limits.bound:
            raise Refused(Reason.BUSY, retry_after_seconds=1)
        loop = asyncio.get_running_loop()
        asked = Asked(request, render, loop.create_future(), time.monotonic())
        self._waiting.add(asked)
        self._more_came = True
        if not self._reading:  # soon, not now: whoever is read in the same turn of the loop rides in the same batch
            self._reading = True
            loop.call_soon(self._begin_when_read)
        return await asked.answer

    def _begin_when_read(self) -> None:
        """Begin the next batch; while another is in flight, not before a turn of the loop has brought nobody new."""
        if self._more_came and self._flights:
            self._more_came = False
            asyncio.get_running_loop().call_soon(self._begin_when_read)
            return
        self._reading = False
        self._begin()

    async def close(self) -> None:
        """Serve whoever waits; refuse newcomers."""
        self._closed = True
        self._begin()
        while self._flights:
            await asyncio.wait(self._flights)
        await self._lines.close()

    def _begin(self) -> None:
        """Begin the next batch, if one may begin.

        The one before must have its locks already, so that of two batches that want one slot the earlier is served
        first; and no more are in flight than `_flights_at_most`. While PostgreSQL works on one, the next is read and decided.
        For that the batches must be of even size: one takes its share of whoever is here, and none begins that would be
        small beside the others, because a batch of two takes PostgreSQL nearly as long as one of twenty.
        """
        if self._reading and len(self._waiting) < self._flying():
            return  # those who are being read ride along, unless there is a full half without them
        while self._locking is None and (flights := self._flights_at_most()) > len(self._flights):
            waiting, flying = len(self._waiting), self._flying()
            if waiting * flights < flying:
                return  # more will come, or a batch will end
            most = min(self._limits.batch, max(SMALL, math.ceil((waiting + flying) / flights)))
            batch = self._waiting.next_batch(most, self._keys_in_flight)
            if batch:
                keys = {asked.key_name for asked in batch if asked.key_name is not None}
                self._keys_in_flight |= keys
                self._locking = asyncio.create_task(self._fly(batch, keys), name="desk")
                self._flights[self._locking] = _Flight(len(batch), _slots_asked_for([asked.request for asked in batch]))
            elif len(self._waiting) == waiting:
                return  # the next one's key is in flight: its end begins the next batch

    def _flying(self) -> int:
        return sum(flight.size for flight in self._flights.values())

    def _flights_at_most(self) -> int:
        """Return how many batches may be in flight with whoever waits first in one of them; 0 where nobody waits.

        The first batch of a rush does not know yet whether all want one slot, and counts on it.
        """
        first = self._waiting.first()
        if first is None:
            return 0
        wanted = _slots_asked_for([first])
        alongside = self._flights and all(flight.slot_ids.isdisjoint(wanted) for flight in self._flights.values())
        return FLIGHTS if alongside else FLIGHTS_ON_A_SLOT

    def _has_locks(self) -> None:
        if self._locking is asyncio.current_task():
            self._locking = None
            self._begin()

    async def _let_the_next_ask(self, slot_ids: AbstractSet[UUID]) -> None:
        """Let the next batch, if it has just begun, send for its locks and facts before this one is decided and kept.

        PostgreSQL then finds them first, and the next batch is decided while this one is kept; the other way about, this
        process stands still until both are done. A batch that wants one of `slot_ids` must wait for this one's end anyway.
        """
        if self._locking is not None and slot_ids.isdisjoint(self._flights[self._locking].slot_ids):
            await asyncio.sleep(0)

    def _more_follows(self) -> bool:
        return len(self._waiting) > 0 or len(self._flights) > 1

    async def _fly(self, batch: list[Asked], keys: set[KeyName]) -> None:
        """Serve a batch and settle whoever is in it, whatever happens."""
        try:
            await self._serve(batch)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, and the desk goes on
            if len(batch) > 1 and not isinstance(error, Lost) and not is_unavailable(error):
                for asked in batch:
                    await self._serve_alone(asked)
            elif len(batch) == 1 and _worth_another_try(error):
                await self._serve_alone(batch[0])
            else:
                for asked in batch:
                    asked.settle(_told(error))
        finally:
            self._keys_in_flight -= keys
            self._flights = {one: flight for one, flight in self._flights.items() if one is not asyncio.current_task()}
            self._has_locks()
            self._begin()

    async def _serve_alone(self, asked: Asked) -> None:
        """Serve one request by itself, again where it collided with another process, so that only the guilty fail."""
        for attempt in range(1, ALONE_ATTEMPTS + 1):
            try:
                await self._serve([asked])
            except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, and the desk goes on
                if attempt == ALONE_ATTEMPTS or not _worth_another_try(error):
                    asked.settle(_told(error))
                    return
            else:
                return

    async def _serve(self, batch: Sequence[Asked]) -> None:
        """Gather, decide, keep, commit, answer."""
        requests = [asked.request for asked in batch]
        async with self._lines.transaction(self._more_follows) as tx:
            facts, gathered = await self._gather(tx, requests)
            slots_before = dict(facts.slots)
            decisions = Decisions(facts)
            decisions.lapse_what_ran_out()
            outcomes = [_replay(request, gathered.answers) or decisions.decide(request) for request in requests]
            await _name_alternatives(tx, outcomes, facts)
            answers = [
                outcome if isinstance(outcome, Answer) else asked.render(outcome, facts)
                for asked, outcome in zip(batch, outcomes, strict=True)
            ]
            ledger = Ledger(
                now=facts.now,
                changes=decisions.changes,
                walk_ins=decisions.walk_ins,
                events=await events_of(tx, decisions.changes, facts),
                answers=_to_remember(requests, outcomes, answers),
                slots_before=slots_before,
                slots_after=facts.slots,
            )
            await _keep(tx, ledger, decisions, self._more_follows)
            for asked, answer in zip(batch, answers, strict=True):
                asked.settle(answer)

    async def _gather(self, tx: Connection, requests: Sequence[Request]) -> tuple[Facts, Gathered]:
        slot_ids = _slots_asked_for(requests)
        wanted = Wanted(
            slot_ids=slot_ids,
            booking_ids={request.booking_id for request in requests if isinstance(request, Alter | Move)},
            people={
                (request.account_id, person_id)
                for request in requests
                if isinstance(request, Book)
                for person_id in request.person_ids
            },
            now=self._clock(),
            moving_ids={request.booking_id for request in requests if isinstance(request, Move)},
            keys=[request.key for request in requests if request.key is not None],
        )
        facts = Facts(now=wanted.now, catalogue=self._catalogue.current, slots={}, chance=self.chance)
        gathered = await lock_and_gather(tx, wanted, facts, self._lock)
        self._has_locks()
        await self._let_the_next_ask(slot_ids)
        facts.catalogue = await self._catalogue.at_version(tx, gathered.catalogue_version)
        lines = {request.slot_id: request.after for request in requests if isinstance(request, ServeLine)}
        if lines or any(slot.waited for slot in facts.slots.values()):
            await gather_line(tx, facts, lines)
        return facts, gathered


async def _keep(tx: Connection, ledger: Ledger, decisions: Decisions, more_follows: Callable[[], bool]) -> None:
    """Keep what was decided and what follows from it, and commit; nearly always nothing follows, and one trip does both."""
    line, facts = decisions.line, decisions.facts
    if line.is_empty() and not ledger.is_empty() and not bring_strikes(ledger.changes):
        await keep_and_commit(tx, ledger, more_follows=more_follows())
        return
    if not ledger.is_empty():
        await keep(tx, ledger)
        await record(tx, ledger.changes, facts)
    if not line.is_empty():
        await keep_line(tx, line, facts.now)
    await commit(tx)


def _slots_asked_for(requests: Sequence[Request]) -> set[UUID]:
    slot_ids = {request.slot_id for request in requests if not isinstance(request, Alter)}
    for request in requests:
        if isinstance(request, Book | Move) and request.course is not None:
            slot_ids.update(step.slot_id for step in request.course.steps)
    return slot_ids


def _replay(request: Request, answers: Mapping[tuple[UUID, str], Answered]) -> Answer | Refused | None:
    """Return what the request's key was answered with before, or None where the key is new."""
    if request.key is None:
        return None
    answered = answers.get((request.key.account_id, request.key.key))
    if answered is None:
        return None
    if answered.key.fingerprint != request.key.fingerprint:
        return Refused(Reason.IDEMPOTENCY_KEY_REUSED)
    return Answer(answered.status, answered.headers, answered.body)


async def _name_alternatives(tx: Connection, outcomes: list[Outcome | Answer], facts: Facts) -> None:
    """Tell whoever was refused a slot the nearest times at which its service can be booked now."""
    refused = {
        position: outcome
        for position, outcome in enumerate(outcomes)
        if isinstance(outcome, Refused) and "slot_id" in outcome.facts
    }
    if not refused:
        return
    nearest = await nearest_free(tx, {outcome.facts["slot_id"] for outcome in refused.values()}, facts.now)
    parties = await _parties_waiting(tx, refused.values(), facts)
    for position, outcome in refused.items():
        slot_id = outcome.facts["slot_id"]
        more: dict[str, Any] = {
            "alternatives": [{"slot_id": slot.id, "starts_at": slot.starts_at} for slot in nearest[slot_id]]
        }
        if slot_id in parties and outcome.reason in _WORTH_WAITING:
            more["waiting"] = parties[slot_id]
        outcomes[position] = Refused(outcome.reason, field=outcome.field, **outcome.facts, **more)


async def _parties_waiting(tx: Connection, refused: Iterable[Refused], facts: Facts) -> dict[UUID, int]:
    """Return, for the slots that were refused as full and that one can wait for, how many parties do."""
    named = {outcome.facts["slot_id"] for outcome in refused if outcome.reason in _WORTH_WAITING}
    listed = [slot_id for slot_id in named if facts.offer(facts.slots[slot_id])[2].waiting is not None]
    waited = [slot_id for slot_id in listed if facts.slots[slot_id].waited]
    return dict.fromkeys(listed, 0) | (await waiting_for(tx, waited) if waited else {})


def _to_remember(
    requests: Sequence[Request], outcomes: Sequence[Outcome | Answer], answers: Sequence[Answer]
) -> list[Answered]:
    """Return the answers that are new and came with a key; a key that was reused keeps its first answer."""
    return [
        Answered(request.key, answer.status, answer.headers, answer.body)
        for request, outcome, answer in zip(requests, outcomes, answers, strict=True)
        if request.key is not None
        and not isinstance(outcome, Answer)
        and not (isinstance(outcome, Refused) and outcome.reason is Reason.IDEMPOTENCY_KEY_REUSED)
        and not (isinstance(outcome, Refused) and _is_answered_elsewhere(request))
    ]


def _is_answered_elsewhere(request: Request) -> bool:
    """Say whether a "no" to `request` is kept by whoever asked: with plans, which take too long to find under locks."""
    return isinstance(request, Book | Move) and request.course is not None


def _worth_another_try(error: Exception) -> bool:
    """Collisions with another process pass: a key or reference just used, a lock not had in time, a deadlock."""
    return isinstance(error, Collided) or (isinstance(error, DatabaseError) and not is_unavailable(error))


def _told(error: Exception) -> Exception:
    """Return what whoever asked is told: faults of the database in words, anything else as it is."""
    if isinstance(error, Lost):
        return Refused(Reason.UNCERTAIN, retry_after_seconds=1)
    if isinstance(error, (*DatabaseError, Collided)):
        busy = Refused(Reason.BUSY, retry_after_seconds=1)
        busy.__cause__ = error
        return busy
    return error
