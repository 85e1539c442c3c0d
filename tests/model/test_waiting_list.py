"""The waiting list, in memory and over PostgreSQL: `queueing` says what is played and what must hold."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from services.booking.domain import waitlist
from shared.db import create_engine
from tests.model.database import Database
from tests.model.line import InDatabase, InMemory, LineEngine
from tests.model.playing import games
from tests.model.queueing import STEPS, Queueing, catalogue, slots


def in_memory() -> InMemory:
    return InMemory(slots={one.id: one for one in slots()}, catalogue=catalogue())


@contextmanager
def over_postgresql(url: str) -> Iterator[Callable[[], LineEngine]]:
    """Give what begins a game on one database."""
    with asyncio.Runner() as runner:
        database = Database(runner, create_engine(url, application_name="test"), catalogue(), slots())
        database.settle_in()
        try:
            yield lambda: InDatabase(database.begin())
        finally:
            runner.run(database.engine.dispose())


def play(engine_of: Callable[[], LineEngine], count: int) -> None:
    options = settings(
        max_examples=count,
        stateful_step_count=STEPS,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    machine = type("QueueingOn", (Queueing,), {"engine_of": staticmethod(engine_of)})
    run_state_machine_as_test(machine, settings=options)


@games(quick=30, whole=2000, parts=4)
def test_no_seat_is_free_while_somebody_waits_in_memory(games: int) -> None:
    play(in_memory, games)


@games(quick=4, whole=200, parts=4)
def test_no_seat_is_free_while_somebody_waits_over_postgresql(games: int, booking_url: str) -> None:
    with over_postgresql(booking_url) as engine_of:
        play(engine_of, games)


def nobody_is_served(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(waitlist._Walk, "offer", lambda _self, _one: False)


def the_line_is_turned_round(plant: pytest.MonkeyPatch) -> None:
    right = waitlist._Walk.offer

    def turned_round(self: Any, one: Any) -> bool:
        line = self.facts.waiting[self.slot.id]
        last = next((other for other in reversed(line) if other.id not in self.line.offered), one)
        return right(self, last if last.places <= one.places else one)

    plant.setattr(waitlist._Walk, "offer", turned_round)


def the_public_has_what_cools_off(plant: pytest.MonkeyPatch) -> None:
    plant.setattr("services.booking.domain.slot.cooling_places", lambda _slot, _now: 0)


FAULTS = (nobody_is_served, the_line_is_turned_round, the_public_has_what_cools_off)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_machine_finds(fault: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults planted in the line; the machine must find each."""
    fault(monkeypatch)
    with pytest.raises(AssertionError):
        play(in_memory, 2000)


@pytest.mark.chaos
def test_the_machine_finds_it_over_postgresql(booking_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody_is_served(monkeypatch)
    with over_postgresql(booking_url) as engine_of, pytest.raises(AssertionError):
        play(engine_of, 200)
