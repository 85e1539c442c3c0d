"""What cancelling would come to, told before it is done: which strike it would be, of how many, and what it would bar."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.booking.domain.catalogue import Catalogue
from services.booking.domain.penalty import Regime, Standing, Strike, standing_of, standings_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """For one person under one rule: strike `count` of `threshold`, which would bar until `bars_until`.

    Where it would not yet bar but the next one would, `next_bars_until` is until when that one would, if it came now.
    """

    person_id: UUID
    scope: str
    count: int
    threshold: int
    bars_until: datetime | None
    next_bars_until: datetime | None


def foreseen(
    struck: Sequence[Strike], ledger: Sequence[Strike], world: tuple[Catalogue, Regime], now: datetime
) -> list[Foreseen]:
    """Return what each of the strikes `struck` would come to on top of the `ledger`'s, the gravest first."""
    found = [
        _foreseen(strike, standing, now)
        for strike in struck
        for standing in standings_of([one for one in ledger if one.person_id == strike.person_id] + [strike], *world)
        if strike in standing.fresh or any(strike in bar.strikes for bar in standing.bars)
    ]
    return sorted(
        found, key=lambda one: (one.bars_until is None, one.next_bars_until is None, one.threshold - one.count)
    )


def _foreseen(strike: Strike, standing: Standing, now: datetime) -> Foreseen:
    imposed = next((bar for bar in standing.bars if strike in bar.strikes), None)
    count = len(standing.counted(now)) if imposed is None else standing.rule.threshold
    counted = [*standing.fresh, *(one for bar in standing.bars for one in bar.strikes)]
    another = standing_of(standing.rule, standing.scope, [*counted, replace(strike, at=now)])
    next_one = another.bars[-1] if len(another.bars) > len(standing.bars) else None
    return Foreseen(
        person_id=strike.person_id,
        scope=standing.scope,
        count=count,
        threshold=standing.rule.threshold,
        bars_until=None if imposed is None else imposed.until,
        next_bars_until=None if imposed is not None or next_one is None else next_one.until,
    )
