"""A value is frozen for whoever checks types, and a dataclass in everything else."""

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

from shared.value import value

ASSIGNS = """
from shared.value import value

@value(frozen=True, slots=True)
class Point:
    x: int

point = Point(1)
point.x = 2
"""


@value(frozen=True, slots=True, kw_only=True)
class Point:
    x: int
    y: int = 0


def test_it_compares_hashes_and_is_replaced_as_a_frozen_dataclass_is() -> None:
    assert Point(x=1) == Point(x=1, y=0) != Point(x=1, y=2)
    assert len({Point(x=1), Point(x=1), Point(x=2)}) == 2
    assert replace(Point(x=1), y=3) == Point(x=1, y=3)
    assert [one.name for one in fields(Point)] == ["x", "y"]
    assert not hasattr(Point(x=1), "__dict__")


def test_the_type_checker_lets_nobody_assign_to_it(tmp_path: Path) -> None:
    file = tmp_path / "assigns.py"
    file.write_text(ASSIGNS)
    command = [sys.executable, "-m", "mypy", "--no-incremental", "--follow-imports=silent", str(file)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 'Property "x" defined in "Point" is read-only' in checked.stdout, checked.stdout + checked.stderr
