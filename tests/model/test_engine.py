"""The whole engine against the model: thousands of games in memory, hundreds over PostgreSQL; fewer in `make test`."""

import asyncio
from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from shared.db import create_engine
from tests.model.database import Database
from tests.model.engine import Engine, Memory
from tests.model.machine import machine_on

STEPS = 30


def play(engine_of: Callable[[], Engine], games: int, phases: Sequence[Phase] = tuple(Phase)) -> None:
    options = settings(
        max_examples=games,
        stateful_step_count=STEPS,
        phases=phases,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine_on(engine_of), settings=options)


@pytest.mark.parametrize(
    "games", [pytest.param(80, id="quick"), pytest.param(3000, id="whole", marks=pytest.mark.chaos)]
)
def test_the_core_plays_as_the_model_does(games: int) -> None:
    play(Memory, games)


@pytest.mark.parametrize("games", [pytest.param(8, id="quick"), pytest.param(300, id="whole", marks=pytest.mark.chaos)])
def test_the_desk_over_postgresql_plays_as_the_model_does(games: int, booking_url: str) -> None:
    with asyncio.Runner() as runner:
        engine = create_engine(booking_url, application_name="test")
        database = Database(runner, engine)
        database.settle_in()
        try:
            play(database.begin, games, [Phase.generate])  # to shorten a lost game here would take too long
        finally:
            runner.run(engine.dispose())
