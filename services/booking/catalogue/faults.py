"""What is wrong with the city's files: the place, and what to write instead. All faults are told at once."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault: `line` counts from 1; 0 stands for the file as a whole."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"


class CatalogueInvalid(Exception):  # noqa: N818 - it says what the files are
    """The city's files cannot be used as they are; nothing was changed."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        count = len(self.faults)
        lines = "\n".join(f"  {fault}" for fault in self.faults)
        super().__init__(f"{count} fault{'' if count == 1 else 's'} in the city's files:\n{lines}")


class Faults:
    """Collects faults while the files are read."""

    def __init__(self) -> None:
        self._found: list[Fault] = []

    def add(self, file: str, line: int, message: str) -> None:
        """Note a fault."""
        self._found.append(Fault(file, line, message))

    def __bool__(self) -> bool:
        return bool(self._found)

    def raise_if_any(self) -> None:
        """End the reading where anything was found.

        Raises:
            CatalogueInvalid: with every fault found so far.
        """
        if self._found:
            raise CatalogueInvalid(self._found)
