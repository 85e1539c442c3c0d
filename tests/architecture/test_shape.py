"""The project has the shape it says it has."""

from pathlib import Path

import pytest

from tests.architecture import rules
from tests.architecture.source import Source

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def program() -> Source:
    return Source.read(ROOT, "shared", "services")


@pytest.fixture(scope="module")
def everything() -> Source:
    return Source.read(ROOT, "shared", "services", "tests")


def listed(offences: list[str]) -> str:
    return "\n".join(["", *offences])


def test_imports_point_the_right_way(program: Source) -> None:
    offences = rules.wrong_imports(program)
    assert not offences, listed(offences)


def test_the_core_neither_waits_nor_looks_at_a_clock(program: Source) -> None:
    offences = rules.impure_core(program)
    assert not offences, listed(offences)


def test_no_cycle_of_files_or_folders(everything: Source) -> None:
    offences = rules.cycles(everything)
    assert not offences, listed(offences)


def test_nothing_is_too_large(everything: Source) -> None:
    offences = rules.too_large(everything)
    assert not offences, listed(offences)
