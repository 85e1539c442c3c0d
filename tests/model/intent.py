"""What somebody tries, in small numbers: whoever plays turns them into requests, and the model into expectations.

`which` counts bookings from the newest; `who` says in whose name it is tried.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations, product
from random import Random
from typing import TypeVar

from hypothesis import strategies as st

from services.booking.domain.booking import Action

PEOPLE = 5
SLOTS = 8
FAMILIES: tuple[frozenset[int], ...] = (frozenset({0}), frozenset({1}), frozenset({2, 3, 4}), frozenset({1, 4}))
"""By account, the people whom it may book for."""


class Who(StrEnum):
    BOOKER = "booker"
    STAFF = "staff"
    STRANGER = "stranger"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Wish:
    """Book, or hold, places in a slot for some people."""

    account: int
    people: tuple[int, ...]
    slot: int
    confirm: bool
    counter: bool


@dataclass(frozen=True, slots=True)
class Visit:
    """Book, or hold, a visit in two steps for two people: both go in, then the first takes the tour."""

    account: int
    people: tuple[int, int]
    slots: tuple[int, int]
    confirm: bool


@dataclass(frozen=True, slots=True)
class Act:
    """Do something to a booking; `person` counts in its party, from 1, and 0 is nobody of them. `step`: of a visit."""

    which: int
    action: Action
    who: Who
    person: int
    stale: bool
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Shift:
    """Move a booking to another slot."""

    which: int
    slot: int
    who: Who


@dataclass(frozen=True, slots=True)
class Detour:
    """Move a booking to other slots, as a visit is moved."""

    which: int
    slots: tuple[int, int]
    who: Who


@dataclass(frozen=True, slots=True)
class Door:
    """Let people in who just came."""

    slot: int
    people: int


Intent = Wish | Visit | Act | Shift | Detour | Door


def _parties(account: int) -> list[tuple[int, ...]]:
    """Return whom an account may bring, again and again, and each stranger once."""
    family = sorted(FAMILIES[account])
    own = [party for size in range(1, len(family) + 1) for party in combinations(family, size)]
    return own * (12 // len(own)) + [(stranger,) for stranger in range(PEOPLE) if stranger not in family]


_WISHES = [
    Wish(account, people, slot, confirm, counter)
    for account in range(len(FAMILIES))
    for people, slot, confirm, counter in product(
        _parties(account), range(SLOTS), (False, True), (False, False, False, True)
    )
]
_WHICH = (0, 0, 0, 0, 1, 1, 2, 3, 5)
_BY_PEOPLE = (Who.BOOKER,) * 6 + (Who.STAFF,) * 2 + (Who.STRANGER,)
_BY_RESIDENTS = (Action.EXTEND, Action.CONFIRM, Action.CONFIRM, Action.CANCEL, Action.CANCEL_MEMBER)
_BY_HOUSE = (
    *product((Action.CHECK_IN,) * 3 + (Action.CORRECT,) * 2, (Who.STAFF,)),
    *product((Action.LAPSE, Action.MARK_NO_SHOW, Action.MARK_NO_SHOW, Action.COMPLETE, Action.COMPLETE), (Who.SYSTEM,)),
)
_STALE = (False,) * 9 + (True,)


def _acts(ways: Sequence[tuple[Action, Who]]) -> list[Act]:
    return [
        Act(which, action, who, person, stale)
        for which, (action, who), person, stale in product(_WHICH, ways, range(4), _STALE)
    ]


_PEOPLES = _acts([*product(_BY_RESIDENTS, _BY_PEOPLE)])
_HOUSES = _acts(_BY_HOUSE)
_SHIFTS = [Shift(which, slot, who) for which, slot, who in product(_WHICH, range(SLOTS), _BY_PEOPLE)]
_WAYS = [(0, 6), (1, 6), (2, 6), (4, 7), (0, 6), (1, 6), (2, 6), (4, 7), (3, 6), (0, 7), (0, 5), (6, 0)]
"""Slots of the two steps: those that fit together, more than once, and some that do not."""
_VISITS = [
    Visit(account, people, slots, confirm)
    for (account, people), slots, confirm in product(
        [(2, (2, 3)), (2, (4, 2)), (2, (3, 4)), (3, (1, 4)), (3, (4, 1)), (0, (0, 1))], _WAYS, (False, True, True)
    )
]
_DETOURS = [Detour(which, slots, who) for which, slots, who in product(_WHICH, _WAYS, _BY_PEOPLE)]
_DOORS = [Door(slot, people) for slot, people in product(range(SLOTS), (1, 2, 3))]
"""Everything that can be tried, more often what comes more often: one draw a step, which keeps thousands of games quick."""


_T = TypeVar("_T")


def _one_of(all_of_them: Sequence[_T]) -> st.SearchStrategy[_T]:
    """Return a strategy that draws evenly, unlike `integers` over a wide range, and says little of itself, unlike `sampled_from`."""
    mixed = Random(1).sample(all_of_them, len(all_of_them))

    def pick(number: tuple[int, int]) -> _T:
        return mixed[(number[0] * 100 + number[1]) * len(mixed) // 10_000]

    return st.tuples(st.integers(0, 99), st.integers(0, 99)).map(pick)


def wishes() -> st.SearchStrategy[Wish]:
    return _one_of(_WISHES)


def acts() -> st.SearchStrategy[Act]:
    """What residents do to their bookings, and staff for them."""
    return _one_of(_PEOPLES)


def house_acts() -> st.SearchStrategy[Act]:
    """What the door and the clock do to them."""
    return _one_of(_HOUSES)


Said = tuple[tuple[Action, int | None], ...]

_COMES = (Action.CHECK_IN, None)
_ON_RECORD = [*product((Action.CHECK_IN, Action.CORRECT_STEP, Action.TAKE_BACK_STEP), (0, 1))]
_ALL_SAID: list[Said] = [
    (),
    *[(_COMES,), (_COMES, _COMES)] * 2,
    *((one,) for one in _ON_RECORD),
    *((_COMES, (Action.TAKE_BACK_STEP, step)) for step in (0, 1)),
    *(((Action.CORRECT_STEP, step), (Action.TAKE_BACK_STEP, step)) for step in (0, 1)),
]


def said() -> st.SearchStrategy[Said]:
    """What is done about the steps of a visit: at a door, which may not say which step it is, or on the record."""
    return _one_of(_ALL_SAID)


def shifts() -> st.SearchStrategy[Shift]:
    return _one_of(_SHIFTS)


def visits() -> st.SearchStrategy[Visit]:
    return _one_of(_VISITS)


def detours() -> st.SearchStrategy[Detour]:
    return _one_of(_DETOURS)


def doors() -> st.SearchStrategy[Door]:
    return _one_of(_DOORS)


def intents() -> st.SearchStrategy[Intent]:
    return st.one_of(wishes(), wishes(), visits(), acts(), house_acts(), shifts(), doors())
