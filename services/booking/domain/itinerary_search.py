"""Finding the best ways through an itinerary: branch and bound over the slots of each step, bounded in work.

What is best is one of three aims: the shortest stay, to be done earliest, the least waiting between steps of one person.
For each of them the walk takes one step after the other, the one with the fewest slots left first; after each choice,
slots that cannot stand beside it are left out of the others; and a branch is given up as soon as even its most
favourable end could not be better than what was found. So what is found is the best there is.

The law of the bound: whatever is asked, no more than `work` looks at a pair of slots are taken, in a fixed order, with no
clock. Where they run out, or a slot has too many neighbours to look at them all, the best that was found is the answer,
and it says that there may be better (`whole`).
Somebody who looks in vain costs no more than somebody who finds.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Final

from services.booking.domain.itinerary import Itinerary, unfit_together
from services.booking.domain.slot import Slot
from services.booking.domain.zone import local_day

WORK: Final = 60_000
"""Looks at a pair of slots, for all three plans together: a tenth of a second or two."""

LEAF: Final = 40
"""What it costs, in looks, to ask the rules of every booking about a whole plan."""

AT_A_TIME: Final = 24
"""Slots of one step that are compared with each other, at the most, before their branches are walked."""

NEAR: Final = 120
"""Slots of another step that are looked at beside one slot: of more, those nearest in time."""

Cost = tuple[int, int]
Ways = Mapping[str, Slot]
"""A slot for every step, by its key."""


class Aim(StrEnum):
    """What a plan is the best for."""

    SHORTEST_STAY = "shortest_stay"
    EARLIEST = "earliest"
    LEAST_WAITING = "least_waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One way through: a slot for each step, in order of time. `waiting_minutes` is what all of the party wait together."""

    best_for: Aim
    slots: Ways
    starts_at: datetime
    ends_at: datetime
    waiting_minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Up to three plans, no two alike. `whole` says that everything was looked at: there are no better ones."""

    plans: tuple[Plan, ...]
    whole: bool
    work: int


@dataclass(frozen=True, slots=True)
class _Spot:
    """A slot as the walk sees it: seconds and days as numbers. `number` is its place among those of its step."""

    number: int
    slot: Slot
    starts: int
    ends: int
    day: int


class _Spent(Exception):  # noqa: N818 - the bound, not a fault
    """The work is used up."""


@dataclass(slots=True)
class _Board:
    """What all three walks share: the spots, and which pairs were looked at already."""

    itinerary: Itinerary
    spots: list[list[_Spot]]
    longest: list[int]
    seen: dict[tuple[int, int, int, int], bool] = field(default_factory=dict)

    def between(self, step: int, spot: _Spot, other: int) -> tuple[int, int]:
        """Return from when until when `other` can begin beside `spot`, as far as their order says."""
        first, last = spot.starts - _FOR_EVER, spot.ends + _FOR_EVER
        steps = self.itinerary.steps
        for after in steps[other].after:
            if after.step == steps[step].key:
                first = max(first, spot.ends + 60 * after.least)
                last = min(last, spot.ends + 60 * after.most) if after.most is not None else last
        for after in steps[step].after:
            if after.step == steps[other].key:
                last = min(last, spot.starts - 60 * after.least)
                if after.most is not None:
                    first = max(first, spot.starts - 60 * after.most - self.longest[other])
        return first, last

    def fit(self, one: int, spot: _Spot, other: int, beside: _Spot) -> bool:
        """Say whether two steps can be at these times in one itinerary."""
        if one > other:
            one, spot, other, beside = other, beside, one, spot
        pair = (one, spot.number, other, beside.number)
        if pair not in self.seen:
            steps = self.itinerary.steps
            self.seen[pair] = (
                unfit_together(self.itinerary, (steps[one], spot.slot), (steps[other], beside.slot)) is None
            )
        return self.seen[pair]


def search(
    itinerary: Itinerary, options: Mapping[str, Sequence[Slot]], may_have: Callable[[Ways], bool], work: int = WORK
) -> Found:
    """Return the best plan for each aim; where one plan is the best for two, the second aim has its next best.

    Args:
        itinerary: what must come before what.
        options: the slots that each step could have by itself.
        may_have: asks the rules of every booking about a whole plan.
        work: the bound.
    """
    spots = [_spots_of(options.get(step.key, ())) for step in itinerary.steps]
    board = _Board(itinerary, spots, [max((spot.ends - spot.starts for spot in of), default=0) for of in spots])
    plans: list[Plan] = []
    used, whole = 0, True
    for place, aim in enumerate(Aim):
        walk = _Walk(board, aim, may_have, [plan.slots for plan in plans], (work - used) // (len(Aim) - place))
        whole &= walk.run()
        used += walk.used
        if walk.best is not None:
            plans.append(plan_of(itinerary, aim, walk.best))
    return Found(plans=tuple(plans), whole=whole, work=used)


def cost_of(itinerary: Itinerary, aim: Aim, slots: Ways) -> Cost:
    """Return what `aim` makes of a whole plan: the less the better."""
    starts = min(_seconds(slot.starts_at) for slot in slots.values())
    ends = max(_seconds(slot.ends_at) for slot in slots.values())
    if aim is Aim.SHORTEST_STAY:
        return ends - starts, starts
    if aim is Aim.EARLIEST:
        return ends, ends - starts
    return waiting_seconds(itinerary, slots), ends


def waiting_seconds(itinerary: Itinerary, slots: Ways) -> int:
    """Return the time between steps of one person on one day, of everybody together."""
    total = 0
    for role in itinerary.roles:
        days: dict[object, list[Slot]] = {}
        for step in itinerary.steps:
            if role.key in step.who:
                days.setdefault(local_day(slots[step.key].starts_at), []).append(slots[step.key])
        for of_day in days.values():
            stay = max(_seconds(one.ends_at) for one in of_day) - min(_seconds(one.starts_at) for one in of_day)
            total += stay - sum(_seconds(one.ends_at) - _seconds(one.starts_at) for one in of_day)
    return total


def plan_of(itinerary: Itinerary, aim: Aim, slots: Ways) -> Plan:
    """Return a plan with its times, the steps in order of time."""
    ordered = [(step.key, slots[step.key]) for step in itinerary.steps]
    in_time = sorted(ordered, key=lambda pair: pair[1].starts_at)
    return Plan(
        best_for=aim,
        slots=dict(in_time),
        starts_at=in_time[0][1].starts_at,
        ends_at=max(slot.ends_at for slot in slots.values()),
        waiting_minutes=waiting_seconds(itinerary, slots) // 60,
    )


def _spots_of(slots: Sequence[Slot]) -> list[_Spot]:
    in_time = sorted(slots, key=lambda slot: (slot.starts_at, slot.id))
    return [
        _Spot(number, slot, _seconds(slot.starts_at), _seconds(slot.ends_at), local_day(slot.starts_at).toordinal())
        for number, slot in enumerate(in_time)
    ]


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


_day, _starts = attrgetter("day"), attrgetter("starts")

_FOR_EVER: Final = 400 * 24 * 3600

_Open = dict[int, list[_Spot]]
"""The spots that are left for each step that has none yet."""


class _Walk:
    """One walk, for one aim. `best` is the best way found so far; `used` is the work that it took."""

    def __init__(
        self, board: _Board, aim: Aim, may_have: Callable[[Ways], bool], but: Sequence[Ways], work: int
    ) -> None:
        self.best: Ways | None = None
        self.used = 0
        self._cost: Cost | None = None
        self._board = board
        self._aim = aim
        self._may_have = may_have
        self._but = [_ids(one) for one in but]
        self._work = work
        self._whole = True

    def run(self) -> bool:
        """Walk; return whether everything was looked at."""
        remaining: _Open = dict(enumerate(self._board.spots))
        if not all(remaining.values()):
            return True
        try:
            self._descend({}, remaining)
        except _Spent:
            return False
        return self._whole

    def _descend(self, chosen: dict[int, _Spot], remaining: _Open) -> None:
        if not remaining:
            self._arrive(chosen)
            return
        step = min(remaining, key=lambda one: (len(remaining[one]), one))
        spots = remaining[step]
        others = {one: left for one, left in remaining.items() if one != step}
        begins, many = 0, 2
        while begins < len(spots):
            branches = []
            for spot in spots[begins : begins + many]:
                left = self._left(step, spot, others)
                if left is not None:
                    ahead = {**chosen, step: spot}
                    branches.append((self._least(ahead, left), spot.number, ahead, left))
            branches.sort(key=lambda branch: branch[:2])
            for least, _, ahead, left in branches:
                if self._cost is not None and least >= self._cost:
                    break
                self._descend(ahead, left)
            begins, many = begins + many, min(2 * many, AT_A_TIME)

    def _left(self, step: int, spot: _Spot, others: _Open) -> _Open | None:
        """Return what the other steps have left beside `spot`, or None where one has nothing."""
        days = self._board.itinerary.within_days - 1
        left: _Open = {}
        for other, spots in others.items():
            first, last = self._board.between(step, spot, other)
            begins = max(bisect_left(spots, spot.day - days, key=_day), bisect_left(spots, first, key=_starts))
            ends = min(bisect_left(spots, spot.day + days + 1, key=_day), bisect_right(spots, last, key=_starts))
            if ends - begins > NEAR:
                self._whole = False
                middle = bisect_left(spots, spot.starts, key=_starts)
                begins = min(max(begins, middle - NEAR // 2), ends - NEAR)
                ends = begins + NEAR
            self._spend(max(0, ends - begins) + 1)
            beside = [one for one in spots[begins:ends] if self._board.fit(step, spot, other, one)]
            if not beside:
                return None
            left[other] = beside
        return left

    def _arrive(self, chosen: Mapping[int, _Spot]) -> None:
        """Take a whole way, where it is better than the best, not taken for another aim, and can be booked."""
        steps = self._board.itinerary.steps
        ways = {steps[place].key: spot.slot for place, spot in chosen.items()}
        cost = cost_of(self._board.itinerary, self._aim, ways)
        if (self._cost is None or cost < self._cost) and _ids(ways) not in self._but:
            self._spend(LEAF)
            if self._may_have(ways):
                self.best, self._cost = ways, cost

    def _spend(self, work: int) -> None:
        if self.used + work > self._work:
            raise _Spent
        self.used += work

    def _least(self, chosen: Mapping[int, _Spot], remaining: _Open) -> Cost:
        """Return a cost that no way which begins with `chosen` and goes on within `remaining` can be below."""
        starts = min(spot.starts for spot in chosen.values())
        ends = max(spot.ends for spot in chosen.values())
        lefts = remaining.values()
        last = max((min(spot.ends for spot in left) for left in lefts), default=ends)
        if self._aim is Aim.EARLIEST:
            return max(ends, last), ends - starts
        if self._aim is Aim.LEAST_WAITING:
            return self._least_waiting(chosen, remaining), max(ends, last)
        stay = max(
            (min(max(ends, spot.ends) - min(starts, spot.starts) for spot in left) for left in lefts),
            default=ends - starts,
        )
        first = min((min(spot.starts for spot in left) for left in lefts), default=starts)
        return max(stay, ends - starts), min(starts, first)

    def _least_waiting(self, chosen: Mapping[int, _Spot], remaining: _Open) -> int:
        """What is still to come can fill a wait, by as long as it takes; on each day, to be on the safe side."""
        total = 0
        steps = self._board.itinerary.steps
        for role in self._board.itinerary.roles:
            fills = sum(self._board.longest[one] for one in remaining if role.key in steps[one].who)
            days: dict[int, list[_Spot]] = {}
            for one, spot in chosen.items():
                if role.key in steps[one].who:
                    days.setdefault(spot.day, []).append(spot)
            for of_day in days.values():
                stay = max(spot.ends for spot in of_day) - min(spot.starts for spot in of_day)
                total += max(0, stay - sum(spot.ends - spot.starts for spot in of_day) - fills)
        return total


def _ids(ways: Ways) -> frozenset[tuple[str, object]]:
    return frozenset((key, slot.id) for key, slot in ways.items())
