"""The ledger of strikes, and the penalties that follow from it. Who changes a person's ledger holds the person's row.

So two processes that strike one person at one time count each other's strike. People are locked after slots, in id order.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, text
from sqlalchemy.dialects.postgresql import insert as insert_or_update

from services.booking.domain.penalty import Act, PenaltyState, Strike
from services.booking.domain.penalty_news import Penalty
from services.booking.store.database import Connection
from services.booking.tables import penalties, strike_annulments, strikes

_LOCK_PEOPLE = text("SELECT id FROM persons WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE")
_LEDGER = text(
    "SELECT s.*, b.reference, b.starts_at, n.cause AS annulled_for, n.reason AS annulled_because, n.at AS annulled_at,"
    " EXISTS (SELECT FROM penalty_exemptions e WHERE e.person_id = s.person_id AND e.venue_id = s.venue_id"
    " AND (e.ended_at IS NULL OR s.at < e.ended_at)) AS exempt"
    " FROM strikes s JOIN bookings b ON b.id = s.booking_id LEFT JOIN strike_annulments n ON n.strike_id = s.id"
    " WHERE s.person_id = ANY(CAST(:ids AS uuid[])) AND s.at >= :since ORDER BY s.at, s.id"
)
_PENALTIES = text("SELECT * FROM penalties WHERE person_id = ANY(CAST(:ids AS uuid[]))")
_BY_ID = text("SELECT * FROM penalties WHERE id = :id")
_ENDED = text(
    "SELECT DISTINCT person_id FROM penalties WHERE barred_until IS NOT NULL AND barred_until <= :now LIMIT :limit"
)
_CONTACTS = text("SELECT id, contact FROM accounts WHERE id = ANY(CAST(:ids AS uuid[]))")
_ABSENCES = text(
    "SELECT id, person_id, booking_id FROM strikes WHERE booking_id = ANY(CAST(:ids AS uuid[])) AND act = 'no_show'"
)
_STRIKE = text("SELECT id, person_id, venue_id FROM strikes WHERE id = :id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A strike as it stands on record. It counts unless it was annulled, or its person is exempt at its venue."""

    strike: Strike
    reference: str
    starts_at: datetime
    annulled_for: str | None
    annulled_because: str | None
    annulled_at: datetime | None
    exempt: bool

    @property
    def stands(self) -> bool:
        """Whether it counts."""
        return self.annulled_for is None and not self.exempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Annulment:
    """What takes a strike away, by whom and why: `corrected`, `staff` or `appeal`."""

    strike_id: UUID
    cause: str
    at: datetime
    actor_id: UUID | None
    actor_role: str
    reason: str


@dataclass(frozen=True, slots=True)
class Named:
    """A strike by its names."""

    id: UUID
    person_id: UUID
    of: Any
    """Its booking, or its venue, as it was asked for."""


async def lock_people(tx: Connection, person_ids: Collection[UUID]) -> None:
    """Hold these people's ledgers until the transaction ends."""
    await tx.execute(_LOCK_PEOPLE, {"ids": list(person_ids)})


async def add_strikes(tx: Connection, made: Sequence[Strike], now: datetime) -> None:
    """Write strikes."""
    rows = [
        {
            "id": one.id,
            "person_id": one.person_id,
            "account_id": one.account_id,
            "booking_id": one.booking_id,
            "version": one.version,
            "act": one.act.value,
            "late": one.late,
            "same_day": one.same_day,
            "at": one.at,
            "recorded_at": now,
            "service_id": one.service_id,
            "venue_id": one.venue_id,
            "kind": one.kind,
        }
        for one in made
    ]
    await tx.execute(insert(strikes), rows)


async def add_annulment(tx: Connection, annulment: Annulment) -> bool:
    """Write that a strike does not count; say whether it had counted until now."""
    row = insert_or_update(strike_annulments).values(
        strike_id=annulment.strike_id,
        cause=annulment.cause,
        at=annulment.at,
        actor_id=annulment.actor_id,
        actor_role=annulment.actor_role,
        reason=annulment.reason,
    )
    done = await tx.execute(row.on_conflict_do_nothing().returning(strike_annulments.c.strike_id))
    return done.first() is not None


async def absences_of_bookings(tx: Connection, booking_ids: Collection[UUID]) -> list[Named]:
    """Return the strikes of those who did not come to these bookings; who had left them late is struck for that."""
    rows = await tx.execute(_ABSENCES, {"ids": list(booking_ids)})
    return [Named(row.id, row.person_id, row.booking_id) for row in rows]


async def read_strike(tx: Connection, strike_id: UUID) -> Named | None:
    """Return a strike with its venue, or None."""
    row = (await tx.execute(_STRIKE, {"id": strike_id})).one_or_none()
    return None if row is None else Named(row.id, row.person_id, row.venue_id)


async def read_ledger(tx: Connection, person_ids: Collection[UUID], since: datetime) -> list[Entry]:
    """Return these people's strikes since then, in order of time, those that do not count among them."""
    rows = await tx.execute(_LEDGER, {"ids": list(person_ids), "since": since})
    return [
        Entry(
            strike=_strike_of(row),
            reference=row.reference,
            starts_at=row.starts_at,
            annulled_for=row.annulled_for,
            annulled_because=row.annulled_because,
            annulled_at=row.annulled_at,
            exempt=row.exempt,
        )
        for row in rows
    ]


async def read_penalties(tx: Connection, person_ids: Collection[UUID]) -> list[Penalty]:
    """Return where these people stand, as they were last told."""
    return [_penalty_of(row) for row in await tx.execute(_PENALTIES, {"ids": list(person_ids)})]


async def read_penalty(tx: Connection, penalty_id: UUID) -> Penalty | None:
    """Return one penalty, or None."""
    row = (await tx.execute(_BY_ID, {"id": penalty_id})).one_or_none()
    return None if row is None else _penalty_of(row)


async def write_penalties(tx: Connection, changed: Sequence[Penalty], now: datetime) -> None:
    """Write where people stand from now on."""
    rows = [
        {
            "id": one.id,
            "person_id": one.person_id,
            "scope": one.scope,
            "rule": one.rule,
            "version": one.version,
            "state": one.state.value,
            "counted": one.count,
            "threshold": one.threshold,
            "barred_since": one.since,
            "barred_until": one.until,
            "imposed_by": one.imposed_by,
            "because": list(one.because),
            "account_id": one.account_id,
            "changed_at": now,
        }
        for one in changed
    ]
    statement = insert_or_update(penalties).values(rows)
    written = {name: statement.excluded[name] for name in rows[0] if name != "id"}
    await tx.execute(statement.on_conflict_do_update(index_elements=["id"], set_=written))


async def people_with_ended_bars(tx: Connection, now: datetime, limit: int) -> list[UUID]:
    """Return people who have a bar that has ended and were not told of it."""
    return list((await tx.execute(_ENDED, {"now": now, "limit": limit})).scalars())


async def contacts_of(tx: Connection, account_ids: Collection[UUID]) -> dict[UUID, str | None]:
    """Return how to reach these accounts, sealed."""
    rows = await tx.execute(_CONTACTS, {"ids": list(account_ids)})
    return {row.id: row.contact for row in rows}


def _strike_of(row: Row[Any]) -> Strike:
    return Strike(
        id=row.id,
        person_id=row.person_id,
        account_id=row.account_id,
        booking_id=row.booking_id,
        version=row.version,
        act=Act(row.act),
        late=row.late,
        same_day=row.same_day,
        at=row.at,
        service_id=row.service_id,
        venue_id=row.venue_id,
        kind=row.kind,
    )


def _penalty_of(row: Row[Any]) -> Penalty:
    return Penalty(
        id=row.id,
        person_id=row.person_id,
        scope=row.scope,
        rule=row.rule,
        version=row.version,
        state=PenaltyState(row.state),
        count=row.counted,
        threshold=row.threshold,
        since=row.barred_since,
        until=row.barred_until,
        imposed_by=row.imposed_by,
        because=tuple(row.because),
        account_id=row.account_id,
    )
