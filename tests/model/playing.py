"""How many games are played, and how."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.engine import Engine
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


def games(quick: int, whole: int, parts: int) -> pytest.MarkDecorator:
    """Play so many games in `make test`, and all of them in `make chaos`: in parts, one beside the other, each a line of progress."""
    part = [
        pytest.param(whole // parts, id=f"{whole // parts}-of-{whole}-part-{number}", marks=pytest.mark.chaos)
        for number in range(1, parts + 1)
    ]
    return pytest.mark.parametrize("games", [pytest.param(quick, id="quick"), *part])
