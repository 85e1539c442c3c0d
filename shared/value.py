"""Values that every booking makes by the dozen: frozen to the type checker, plain when they are made.

A frozen dataclass sets its fields through `object.__setattr__`, which takes four times as long; a booking makes some
twenty values with two hundred fields, and that alone was a tenth of what it cost. mypy reads `value` as `dataclass`, so
whoever assigns to a field of a value that says `frozen=True` does not get past it. Everything else stays as with a
frozen dataclass: equality, hash, `replace`. For whatever is made less often, use `dataclass`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

__all__ = ["value"]

Value = TypeVar("Value")

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:

    def value(*, frozen: bool, slots: bool, kw_only: bool = False) -> Callable[[type[Value]], type[Value]]:
        """Make a dataclass that is frozen for the type checker only; the arguments are those of `dataclass`."""
        assert frozen
        return dataclass(slots=slots, kw_only=kw_only, unsafe_hash=True)
