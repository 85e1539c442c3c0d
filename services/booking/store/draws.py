"""Draws in their rows. Whoever enters or leaves a round holds its row shared; whoever draws it holds it alone.

So a request is either among those that are drawn or finds the round closed, whatever the clocks of two machines say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as insert_or_not

from services.booking.domain.draw import Entry
from services.booking.domain.draw_round import Round, Stored
from services.booking.domain.policy import PartyKind
from services.booking.domain.slot import Slot
from services.booking.store.database import Connection
from services.booking.store.gathering import SLOT_COLUMNS, slot_of
from services.booking.tables import draw_people, draw_requests, draw_rounds
from shared.db import dump_json

_SLOTS = f"SELECT {SLOT_COLUMNS} FROM slots WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id"  # noqa: S608 - constants
_READ_SLOTS = text(_SLOTS)
_LOCK_SLOTS = text(f"{_SLOTS} FOR NO KEY UPDATE")
_TAKE_SLOTS = text("UPDATE slots SET drawn_in = :round_id WHERE id = ANY(CAST(:ids AS uuid[]))")
_RELEASE_SLOTS = text(
    "UPDATE slots SET drawn_in = NULL WHERE id = ANY(CAST(:ids AS uuid[])) AND drawn_in = CAST(:round_id AS uuid)"
)
_RELEASED_LATER = text(
    f"SELECT {SLOT_COLUMNS} FROM slots WHERE service_id = :service_id AND starts_at > :now AND starts_at < :until"  # noqa: S608
    " AND bookable_from > :now AND closed IS NULL AND drawn_in IS NULL ORDER BY starts_at"
)
_LEASE = text(
    "UPDATE draw_rounds SET leased_until = :until WHERE id = (SELECT id FROM draw_rounds WHERE state <> 'settled'"
    " AND closes_at <= :now AND (leased_until IS NULL OR leased_until <= :now)"
    " ORDER BY closes_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING *"
)
_PLACE = text(
    "UPDATE draw_requests r SET place = given.place"
    " FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS given(id, place) WHERE r.id = given.id"
)
_PASS = text(
    "UPDATE draw_requests SET passed = passed || CAST(:passed AS jsonb) WHERE id = :id AND outcome IS NULL"
    " AND jsonb_array_length(passed) = :before"
)
_BOOKED = text(
    "UPDATE draw_requests SET outcome = 'booked', slot_id = :slot_id WHERE id = :id AND outcome IS DISTINCT FROM 'booked'"
)
_PASSED_OVER = text("UPDATE draw_requests SET outcome = 'passed_over' WHERE id = :id AND outcome IS NULL")
_BOOKED_INTO = text("SELECT slot_id FROM claims WHERE booking_id = :id ORDER BY live DESC LIMIT 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawRequest:
    """A request to be drawn, and what became of it. `passed` names slots that it did not get, with the reasons' codes."""

    id: UUID
    round_id: UUID
    account_id: UUID
    person_ids: tuple[UUID, ...]
    party_kind: PartyKind
    declarations: Mapping[str, str]
    slot_ids: tuple[UUID, ...]
    salt: bytes
    contents: str
    booking_id: UUID
    created_at: datetime
    withdrawn_at: datetime | None = None
    place: int | None = None
    passed: tuple[tuple[UUID, str], ...] = ()
    outcome: str | None = None
    slot_id: UUID | None = None

    @property
    def entry(self) -> Entry:
        """The request as it is published."""
        return Entry(
            id=self.id,
            party=self.party_kind.value,
            people=len(self.person_ids),
            slot_ids=self.slot_ids,
            contents=self.contents,
        )


# -- rounds ---------------------------------------------------------------------------------------------------------


async def add_round(tx: Connection, made: Round, opened_by: UUID | None, now: datetime) -> None:
    """Write a round, and give it its slots, which the caller has locked."""
    await tx.execute(
        insert(draw_rounds).values(
            id=made.id,
            service_id=made.service_id,
            slot_ids=list(made.slot_ids),
            opens_at=made.opens_at,
            closes_at=made.closes_at,
            opened_by=opened_by,
            created_at=now,
            seed=made.seed,
            commitment=made.commitment,
            state=made.stored.value,
        )
    )
    await tx.execute(_TAKE_SLOTS, {"round_id": made.id, "ids": list(made.slot_ids)})


async def slots_to_be_released(tx: Connection, service_id: str, now: datetime, until: datetime) -> list[Slot]:
    """Return a service's slots that start before `until`, are not released yet, and are in no round."""
    asked = {"service_id": service_id, "now": now, "until": until}
    return [slot_of(row) for row in await tx.execute(_RELEASED_LATER, asked)]


async def read_round(tx: Connection, round_id: UUID, *, lock: str | None = None) -> Round | None:
    """Return a round, or None; `lock` is `shared` for whoever enters or leaves, `alone` for whoever draws."""
    query = select(draw_rounds).where(draw_rounds.c.id == round_id)
    if lock is not None:
        query = query.with_for_update(read=lock == "shared")
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else _round(row)


async def rounds_of(tx: Connection, service_id: str, before: UUID, limit: int) -> list[Round]:
    """Return a service's rounds, the newest first, from before the one with the id `before`."""
    query = (
        select(draw_rounds)
        .where(draw_rounds.c.service_id == service_id, draw_rounds.c.id < before)
        .order_by(draw_rounds.c.id.desc())
        .limit(limit)
    )
    return [_round(row) for row in await tx.execute(query)]


async def lease_due_round(tx: Connection, now: datetime, until: datetime) -> Round | None:
    """Take the round that has been due longest and that no other worker has, until `until`; None where there is none."""
    row = (await tx.execute(_LEASE, {"now": now, "until": until})).one_or_none()
    return None if row is None else _round(row)


async def extend_lease(tx: Connection, round_id: UUID, until: datetime) -> None:
    """Keep a round for longer."""
    await tx.execute(update(draw_rounds).where(draw_rounds.c.id == round_id).values(leased_until=until))


async def write_draw(tx: Connection, drawn: Round, order: Sequence[UUID], now: datetime) -> None:
    """Write what was drawn: the digest, and the place of every request. From here on the seed is public."""
    await tx.execute(
        update(draw_rounds)
        .where(draw_rounds.c.id == drawn.id)
        .values(state=Stored.DRAWN.value, requests=drawn.requests, digest=drawn.digest, drawn_at=now)
    )
    await tx.execute(_PLACE, {"ids": list(order)})


async def write_settled(tx: Connection, settled: Round, now: datetime) -> None:
    """Give what is left of a round's slots to the public; the round is over."""
    await lock_slots(tx, settled.slot_ids)
    await tx.execute(_RELEASE_SLOTS, {"ids": list(settled.slot_ids), "round_id": settled.id})
    await tx.execute(
        update(draw_rounds)
        .where(draw_rounds.c.id == settled.id)
        .values(state=Stored.SETTLED.value, settled_at=now, leased_until=None)
    )


async def lock_slots(tx: Connection, slot_ids: Sequence[UUID]) -> list[Slot]:
    """Lock slots in id order, as the desk does, and return them."""
    return [slot_of(row) for row in await tx.execute(_LOCK_SLOTS, {"ids": list(slot_ids)})]


async def read_slots(tx: Connection, slot_ids: Sequence[UUID]) -> list[Slot]:
    """Return slots as they stand."""
    return [slot_of(row) for row in await tx.execute(_READ_SLOTS, {"ids": list(slot_ids)})]


# -- requests -------------------------------------------------------------------------------------------------------


async def count_requests(tx: Connection, round_id: UUID) -> int:
    """Return how many requests a round has that are not withdrawn."""
    query = select(func.count()).select_from(draw_requests)
    counted = await tx.execute(
        query.where(draw_requests.c.round_id == round_id, draw_requests.c.withdrawn_at.is_(None))
    )
    return counted.scalar_one()


async def add_request(tx: Connection, made: DrawRequest) -> frozenset[UUID]:
    """Write a request and who is in it; return those of its people who are in the round already: then roll back."""
    await tx.execute(
        insert(draw_requests).values(
            id=made.id,
            round_id=made.round_id,
            account_id=made.account_id,
            person_ids=list(made.person_ids),
            party_kind=made.party_kind.value,
            declarations=dict(made.declarations),
            slot_ids=list(made.slot_ids),
            salt=made.salt,
            contents=made.contents,
            booking_id=made.booking_id,
            created_at=made.created_at,
        )
    )
    rows = [
        {"round_id": made.round_id, "person_id": person_id, "request_id": made.id}
        for person_id in sorted(made.person_ids)  # in one order, so that two parties that overlap wait in a line
    ]
    added = insert_or_not(draw_people).values(rows).on_conflict_do_nothing().returning(draw_people.c.person_id)
    return frozenset(made.person_ids).difference((await tx.execute(added)).scalars())


async def withdraw_request(tx: Connection, round_id: UUID, request_id: UUID, account_id: UUID, now: datetime) -> bool:
    """Take an account's request back, and give its people back; return False where there is none to take."""
    withdrawn = (
        update(draw_requests)
        .where(
            draw_requests.c.id == request_id,
            draw_requests.c.round_id == round_id,
            draw_requests.c.account_id == account_id,
            draw_requests.c.withdrawn_at.is_(None),
        )
        .values(withdrawn_at=now)
    )
    if (await tx.execute(withdrawn)).rowcount == 0:
        return False
    await tx.execute(delete(draw_people).where(draw_people.c.request_id == request_id))
    return True


async def requests_of_round(tx: Connection, round_id: UUID) -> list[DrawRequest]:
    """Return every request that was not withdrawn, by place where there is one."""
    query = (
        select(draw_requests)
        .where(draw_requests.c.round_id == round_id, draw_requests.c.withdrawn_at.is_(None))
        .order_by(draw_requests.c.place, draw_requests.c.id)
    )
    return [_request(row) for row in await tx.execute(query)]


async def requests_of_account(tx: Connection, round_id: UUID, account_id: UUID, limit: int) -> list[DrawRequest]:
    """Return an account's requests in a round, withdrawn ones among them, the newest first."""
    query = (
        select(draw_requests)
        .where(draw_requests.c.account_id == account_id, draw_requests.c.round_id == round_id)
        .order_by(draw_requests.c.id.desc())
        .limit(limit)
    )
    return [_request(row) for row in await tx.execute(query)]


async def next_undecided(tx: Connection, round_id: UUID) -> DrawRequest | None:
    """Return the request that is next in the order of a drawn round; None where every one has its outcome."""
    query = (
        select(draw_requests)
        .where(
            draw_requests.c.round_id == round_id, draw_requests.c.place.is_not(None), draw_requests.c.outcome.is_(None)
        )
        .order_by(draw_requests.c.place)
        .limit(1)
    )
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else _request(row)


async def booked_into(tx: Connection, booking_id: UUID) -> UUID | None:
    """Return the slot of a booking, or None where it was never made."""
    return (await tx.execute(_BOOKED_INTO, {"id": booking_id})).scalar_one_or_none()


async def write_passed(tx: Connection, request: DrawRequest, slot_id: UUID, reason: str) -> None:
    """Write that a request did not get its next wish, and why; once, whoever writes."""
    passed = dump_json([{"slot_id": str(slot_id), "reason": reason}])
    await tx.execute(_PASS, {"id": request.id, "passed": passed, "before": len(request.passed)})


async def write_outcome(tx: Connection, request_id: UUID, slot_id: UUID | None) -> None:
    """Write where a request was booked, or that it was passed over. What is booked stays booked."""
    if slot_id is None:
        await tx.execute(_PASSED_OVER, {"id": request_id})
    else:
        await tx.execute(_BOOKED, {"id": request_id, "slot_id": slot_id})


def _round(row: Row[Any]) -> Round:
    return Round(
        id=row.id,
        service_id=row.service_id,
        slot_ids=tuple(row.slot_ids),
        opens_at=row.opens_at,
        closes_at=row.closes_at,
        seed=row.seed,
        commitment=row.commitment,
        stored=Stored(row.state),
        requests=row.requests,
        digest=row.digest,
    )


def _request(row: Row[Any]) -> DrawRequest:
    return DrawRequest(
        id=row.id,
        round_id=row.round_id,
        account_id=row.account_id,
        person_ids=tuple(row.person_ids),
        party_kind=PartyKind(row.party_kind),
        declarations=row.declarations,
        slot_ids=tuple(row.slot_ids),
        salt=row.salt,
        contents=row.contents,
        booking_id=row.booking_id,
        created_at=row.created_at,
        withdrawn_at=row.withdrawn_at,
        place=row.place,
        passed=tuple((UUID(one["slot_id"]), one["reason"]) for one in row.passed),
        outcome=row.outcome,
        slot_id=row.slot_id,
    )
