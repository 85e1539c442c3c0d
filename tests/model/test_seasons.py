"""Request rounds, in memory and over PostgreSQL: `allocating` says what is played and what must hold."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from services.booking.commands import seasons as commands
from services.booking.domain import season
from services.booking.domain.admission import rules
from services.booking.domain.season import Fate, Occurrence
from services.booking.domain.slot import free_places
from shared.db import create_engine
from tests.model.allocating import STEPS, Allocation
from tests.model.database import Database
from tests.model.playing import games
from tests.model.seasons import SeasonEngine, SeasonsInDatabase, SeasonsInMemory, catalogue


def in_memory() -> SeasonsInMemory:
    return SeasonsInMemory(slots={}, catalogue=catalogue())


@contextmanager
def over_postgresql(url: str) -> Iterator[Callable[[], SeasonEngine]]:
    """Give what begins a game on one database."""
    with asyncio.Runner() as runner:
        database = Database(runner, create_engine(url, application_name="test"), catalogue(), [])
        database.settle_in()
        try:
            yield lambda: SeasonsInDatabase(database.begin())
        finally:
            runner.run(database.engine.dispose())


def play(engine_of: Callable[[], SeasonEngine], count: int, *, derandomize: bool = False) -> None:
    options = settings(
        max_examples=count,
        stateful_step_count=STEPS,
        derandomize=derandomize,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    machine = type("AllocationOn", (Allocation,), {"engine_of": staticmethod(engine_of)})
    run_state_machine_as_test(machine, settings=options)


@games(quick=30, whole=1000, parts=2)
def test_each_hour_comes_to_what_it_should_in_memory(games: int) -> None:
    play(in_memory, games)


@games(quick=2, whole=60, parts=4)
def test_each_hour_comes_to_what_it_should_over_postgresql(games: int, booking_url: str) -> None:
    with over_postgresql(booking_url) as engine_of:
        play(engine_of, games)


def an_hour_is_given_once_too_often(plant: pytest.MonkeyPatch) -> None:
    def roomy(after: Occurrence, places: int, given: int, field: str | None = None) -> None:
        right(after, places, max(0, given - 1), field)

    right = season.must_have_room
    plant.setattr(season, "must_have_room", roomy)


def whoever_has_most_comes_first(plant: pytest.MonkeyPatch) -> None:
    right = season.fair_order
    plant.setattr(season, "fair_order", lambda hours: right(hours)[::-1])


def whoever_asked_first_comes_first(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(season, "fair_order", lambda hours: list(dict.fromkeys(one.request_id for one in hours)))


def clubs_come_after_the_public(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(rules, "ALLOCATION", None)


def a_club_s_hour_takes_whatever_is_there(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(rules, "free_places", lambda slot, *asked: free_places(replace(slot, taken=0), *asked))


def what_nobody_decided_stays_open(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(season, "at_commitment", lambda occurrence: occurrence)


def what_was_proposed_is_given_where_it_was_asked(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(Occurrence, "hour", property(lambda self: (self.service_id, self.starts_at)))


def what_was_withdrawn_is_booked(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(
        season,
        "LIFE",
        {fate: {**ways, season.Step.WITHDRAW: fate} for fate, ways in season.LIFE.items()} | {Fate.BOOKED: {}},
    )


FAULTS: tuple[Callable[[pytest.MonkeyPatch], None], ...] = (
    an_hour_is_given_once_too_often,
    whoever_has_most_comes_first,
    whoever_asked_first_comes_first,
    clubs_come_after_the_public,
    a_club_s_hour_takes_whatever_is_there,
    what_nobody_decided_stays_open,
    what_was_proposed_is_given_where_it_was_asked,
    what_was_withdrawn_is_booked,
)


SLOWLY_FOUND = {an_hour_is_given_once_too_often}
"""What takes many games is left to `make chaos`."""


@pytest.mark.parametrize(
    "fault", [pytest.param(one, marks=[pytest.mark.chaos] if one in SLOWLY_FOUND else []) for one in FAULTS]
)
def test_the_machine_finds(fault: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults planted in the rounds; the machine must find each."""
    fault(monkeypatch)
    with pytest.raises(AssertionError):
        play(in_memory, 1000, derandomize=True)


@pytest.mark.chaos
def test_the_machine_finds_it_over_postgresql(booking_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault planted in the ring: what was given already is not counted."""

    async def none_given(*_asked: Any) -> int:
        return 0

    monkeypatch.setattr(commands, "count_given", none_given)
    with over_postgresql(booking_url) as engine_of, pytest.raises(AssertionError):
        play(engine_of, 200, derandomize=True)
