"""What a person is told of a penalty: worked out from the ledger whenever it changes, and written beside it.

A bar that ends by itself needs no news to end (`penalty.Barred.covers` asks the time); the news only follows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from services.booking.domain.catalogue import Catalogue
from services.booking.domain.penalty import PenaltyState, Standing, Strike, penalty_id_of, scope_words
from services.booking.domain.zone import in_words, local
from shared.contracts import Event, EventType, PenaltyChanged


@dataclass(frozen=True, slots=True, kw_only=True)
class Penalty:
    """Where a person stands under one rule in one scope at `version`; `since` to `imposed_by` only while they are barred."""

    id: UUID
    person_id: UUID
    scope: str
    rule: str
    version: int
    state: PenaltyState
    count: int
    threshold: int
    since: datetime | None
    until: datetime | None
    imposed_by: UUID | None
    because: Sequence[Mapping[str, Any]]
    account_id: UUID


def penalties_after(
    before: Mapping[UUID, Penalty], person_id: UUID, standings: Sequence[Standing], now: datetime
) -> list[Penalty]:
    """Return what changes of a person's penalties, `before`, now that they stand so.

    A rule that no longer looks at anything they did, or is no longer in force, bars nobody from now on.
    """
    changed, seen = [], set()
    for standing in standings:
        penalty = _penalty(before, person_id, standing, now)
        seen.add(penalty.id)
        earlier = before.get(penalty.id)
        if penalty.state is not PenaltyState.CLEAR or earlier is not None:
            changed.append(penalty)
    changed += [_over(one) for one in before.values() if one.id not in seen]
    return [
        replace(one, version=1 + (before[one.id].version if one.id in before else 0))
        for one in changed
        if one.id not in before or replace(one, account_id=before[one.id].account_id) != before[one.id]
    ]


def penalty_event(penalty: Penalty, catalogue: Catalogue, contact: str | None, now: datetime, event_id: UUID) -> Event:
    """Return the event that tells of `penalty`, one that is not clear."""
    scope, sensitive = scope_words(penalty.scope, catalogue)
    return Event(
        id=event_id,
        type=EventType.PENALTY_CHANGED,
        subject=penalty.id,
        time=now,
        data=PenaltyChanged(
            penalty_id=penalty.id,
            version=penalty.version,
            state=penalty.state.value,
            account_id=penalty.account_id,
            contact=contact,
            scope=scope,
            sensitive=sensitive,
            count=penalty.count,
            threshold=penalty.threshold,
            until=penalty.until,
            local_until=None if penalty.until is None else in_words(penalty.until),
        ),
    )


def as_told(strikes: Sequence[Strike]) -> tuple[dict[str, Any], ...]:
    """Return strikes as whoever is barred by them is told: when, and what; not where."""
    return tuple({"at": local(one.at).isoformat(), "cause": one.cause.value} for one in strikes)


def _penalty(before: Mapping[UUID, Penalty], person_id: UUID, standing: Standing, now: datetime) -> Penalty:
    penalty_id = penalty_id_of(person_id, standing)
    earlier = before.get(penalty_id)
    bar = standing.running(now)
    counted = bar.strikes if bar is not None else standing.counted(now)
    strikes = [*(strike for one in standing.bars for strike in one.strikes), *standing.fresh]
    return Penalty(
        id=penalty_id,
        person_id=person_id,
        scope=standing.scope,
        rule=standing.rule.name,
        version=0 if earlier is None else earlier.version,
        state=_told(standing.state(now), earlier),
        count=len(counted),
        threshold=standing.rule.threshold,
        since=None if bar is None else min(one.since for one in standing.bars if one.until > now),
        until=None if bar is None else bar.until,
        imposed_by=None if bar is None else bar.strikes[-1].id,
        because=() if bar is None else as_told(bar.strikes),
        account_id=max(strikes, key=lambda one: (one.at, one.id)).account_id,
    )


def _told(state: PenaltyState, earlier: Penalty | None) -> PenaltyState:
    """The end of a bar is news, and is told as one, whatever else counts by now."""
    if state is not PenaltyState.BARRED and earlier is not None and earlier.state is PenaltyState.BARRED:
        return PenaltyState.LIFTED
    stays_lifted = state is PenaltyState.CLEAR and earlier is not None and earlier.state is PenaltyState.LIFTED
    return PenaltyState.LIFTED if stays_lifted else state


def _over(before: Penalty) -> Penalty:
    return replace(
        before,
        state=_told(PenaltyState.CLEAR, before),
        count=0,
        since=None,
        until=None,
        imposed_by=None,
        because=(),
    )
