"""Request rounds in their rows. Whoever asks or decides holds the round's row, so that no two decide one hour at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select, text, update

from services.booking.domain.season import Fate, Occurrence, SeasonRound, Series
from services.booking.store.database import Connection
from services.booking.tables import season_occurrences, season_requests, season_rounds

_OCCURRENCE = (
    "SELECT o.id, o.request_id, r.account_id, o.service_id, o.starts_at, o.asked_service_id, o.asked_starts_at,"
    " o.booking_id, o.fate, o.reason, o.proposed_service_id, o.proposed_starts_at, o.leased_until"
    " FROM season_occurrences o JOIN season_requests r ON r.id = o.request_id"
)
_OF_ROUND = text(f"{_OCCURRENCE} WHERE o.round_id = :round_id ORDER BY r.created_at, r.id, o.asked_starts_at")
_OF_ACCOUNT = text(
    f"{_OCCURRENCE} WHERE o.round_id = :round_id AND r.account_id = :account_id ORDER BY o.asked_starts_at, o.id"
)
_GIVEN = text(
    "SELECT count(*) FROM season_occurrences WHERE service_id = :service_id AND starts_at = :starts_at"
    " AND fate IN ('accepted', 'booked') AND id <> :id"
)
_LEASE = text(
    "UPDATE season_occurrences SET leased_until = :until WHERE id = (SELECT o.id FROM season_occurrences o"
    " JOIN season_rounds g ON g.id = o.round_id AND g.committed_at IS NOT NULL"
    " WHERE o.fate = 'accepted' AND (o.leased_until IS NULL OR o.leased_until <= :now)"
    " AND (o.starts_at <= :now OR EXISTS (SELECT FROM slots s WHERE s.service_id = o.service_id"
    " AND s.starts_at = o.starts_at))"
    " ORDER BY o.starts_at, o.id LIMIT 1 FOR UPDATE OF o SKIP LOCKED) RETURNING id"
)
_DUE = text(
    "SELECT o.id, o.booking_id, r.account_id, r.person_id, s.id AS slot_id FROM season_occurrences o"
    " JOIN season_requests r ON r.id = o.request_id"
    " LEFT JOIN slots s ON s.service_id = o.service_id AND s.starts_at = o.starts_at WHERE o.id = :id"
)
_OUTCOME = text(
    "UPDATE season_occurrences SET fate = :fate, reason = :reason, changed_at = :now, changed_by = NULL,"
    " leased_until = NULL WHERE id = :id AND fate = 'accepted'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeasonRequest:
    """A club's request: its series, and the person who answers for it."""

    id: UUID
    round_id: UUID
    account_id: UUID
    person_id: UUID
    series: Series
    words: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An accepted hour whose time it is to book; `slot_id` is None where it has begun and never had a slot."""

    id: UUID
    booking_id: UUID
    account_id: UUID
    person_id: UUID
    slot_id: UUID | None


async def add_round(tx: Connection, made: SeasonRound, opened_by: UUID, now: datetime) -> None:
    """Write a round."""
    row = {
        "id": made.id,
        "venue_id": made.venue_id,
        "service_ids": list(made.service_ids),
        "first": made.first,
        "last": made.last,
        "opens_at": made.opens_at,
        "closes_at": made.closes_at,
    }
    await tx.execute(insert(season_rounds).values(**row, opened_by=opened_by, created_at=now))


async def read_round(tx: Connection, round_id: UUID, *, hold: bool = False) -> SeasonRound | None:
    """Return a round, or None; `hold` it where something of it is to be changed."""
    query = select(season_rounds).where(season_rounds.c.id == round_id)
    row = (await tx.execute(query.with_for_update() if hold else query)).one_or_none()
    return None if row is None else _round(row)


async def rounds_at(tx: Connection, venue_id: str | None, before: UUID, limit: int) -> list[SeasonRound]:
    """Return rounds, of one venue or of all, the newest first, from before the one with the id `before`."""
    table = season_rounds
    query = select(table).where(table.c.id < before)
    if venue_id is not None:
        query = query.where(table.c.venue_id == venue_id)
    return [_round(row) for row in await tx.execute(query.order_by(table.c.id.desc()).limit(limit))]


async def write_commitment(tx: Connection, round_id: UUID, by: UUID, now: datetime) -> None:
    """Write that a round is committed: what is accepted in it is booked from now on."""
    query = update(season_rounds).where(season_rounds.c.id == round_id)
    await tx.execute(query.values(committed_at=now, committed_by=by))


async def add_request(tx: Connection, made: SeasonRequest, occurrences: Sequence[Occurrence]) -> None:
    """Write a request with its occurrences."""
    series = made.series
    await tx.execute(
        insert(season_requests).values(
            id=made.id,
            round_id=made.round_id,
            account_id=made.account_id,
            person_id=made.person_id,
            service_id=series.service_id,
            weekday=series.weekday,
            at=series.at,
            first=series.first,
            last=series.last,
            excluded=list(series.excluded),
            words=made.words,
            created_at=made.created_at,
        )
    )
    rows = [
        {
            "id": one.id,
            "round_id": made.round_id,
            "request_id": made.id,
            "service_id": one.service_id,
            "starts_at": one.starts_at,
            "asked_service_id": one.asked_service_id,
            "asked_starts_at": one.asked_starts_at,
            "fate": one.fate.value,
            "reason": one.reason,
            "booking_id": one.booking_id,
            "changed_at": made.created_at,
        }
        for one in occurrences
    ]
    await tx.execute(insert(season_occurrences), rows)


async def requests_of_round(tx: Connection, round_id: UUID, account_id: UUID | None = None) -> list[SeasonRequest]:
    """Return the requests of a round, of one account or of all, as they came."""
    table = season_requests
    query = select(table).where(table.c.round_id == round_id)
    if account_id is not None:
        query = query.where(table.c.account_id == account_id)
    return [_request(row) for row in await tx.execute(query.order_by(table.c.created_at, table.c.id))]


async def occurrences_of_round(tx: Connection, round_id: UUID, account_id: UUID | None = None) -> list[Occurrence]:
    """Return the occurrences of a round, of one account or of all."""
    if account_id is None:
        return [_occurrence(row) for row in await tx.execute(_OF_ROUND, {"round_id": round_id})]
    rows = await tx.execute(_OF_ACCOUNT, {"round_id": round_id, "account_id": account_id})
    return [_occurrence(row) for row in rows]


async def count_given(tx: Connection, hour: tuple[str, datetime], but: UUID) -> int:
    """Return how many occurrences, of whichever round, have this hour, `but` one."""
    service_id, starts_at = hour
    asked = {"service_id": service_id, "starts_at": starts_at, "id": but}
    count: int = (await tx.execute(_GIVEN, asked)).scalar_one()
    return count


async def write_ruling(tx: Connection, occurrence: Occurrence, by: UUID, now: datetime) -> None:
    """Write an occurrence as it was ruled."""
    await tx.execute(
        update(season_occurrences)
        .where(season_occurrences.c.id == occurrence.id)
        .values(
            fate=occurrence.fate.value,
            reason=occurrence.reason,
            service_id=occurrence.service_id,
            starts_at=occurrence.starts_at,
            proposed_service_id=occurrence.proposed_service_id,
            proposed_starts_at=occurrence.proposed_starts_at,
            changed_at=now,
            changed_by=by,
        )
    )


async def lease_due(tx: Connection, now: datetime, until: datetime) -> Due | None:
    """Take an accepted hour of a committed round whose slot is opened, or that has begun without one; None where none is."""
    leased = (await tx.execute(_LEASE, {"now": now, "until": until})).scalar_one_or_none()
    if leased is None:
        return None
    row = (await tx.execute(_DUE, {"id": leased})).one()
    return Due(
        id=row.id, booking_id=row.booking_id, account_id=row.account_id, person_id=row.person_id, slot_id=row.slot_id
    )


async def write_outcome(tx: Connection, due: Due, fate: Fate, reason: str | None, now: datetime) -> None:
    """Write what came of booking an hour."""
    await tx.execute(_OUTCOME, {"id": due.id, "fate": fate.value, "reason": reason, "now": now})


def _round(row: Row[Any]) -> SeasonRound:
    return SeasonRound(
        id=row.id,
        venue_id=row.venue_id,
        service_ids=tuple(row.service_ids),
        first=row.first,
        last=row.last,
        opens_at=row.opens_at,
        closes_at=row.closes_at,
        committed_at=row.committed_at,
    )


def _request(row: Row[Any]) -> SeasonRequest:
    first: date = row.first
    at: time = row.at
    return SeasonRequest(
        id=row.id,
        round_id=row.round_id,
        account_id=row.account_id,
        person_id=row.person_id,
        series=Series(
            service_id=row.service_id,
            weekday=row.weekday,
            at=at,
            first=first,
            last=row.last,
            excluded=tuple(row.excluded),
        ),
        words=row.words,
        created_at=row.created_at,
    )


def _occurrence(row: Row[Any]) -> Occurrence:
    return Occurrence(**{**row._mapping, "fate": Fate(row.fate)})  # noqa: SLF001 - its documented name
