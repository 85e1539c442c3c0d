"""A copy of the city's files that a test may spoil, and a database to load them into."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.booking.catalogue import FOLDER, City, read, read_city, source
from services.booking.catalogue.faults import Faults
from services.booking.catalogue.source import SourceFile
from shared.db import create_engine


@dataclass(frozen=True)
class Files:
    """The city's files, to edit."""

    folder: Path

    def edit(self, file: str, old: str, new: str, count: int = 1) -> int:
        """Replace the first `count` places of `old`, and return the line of the first one's last line."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{file} no longer has {old!r}"
        path.write_text(text.replace(old, new, count), encoding="utf-8")
        return text[: text.index(old) + len(old.rstrip("\n"))].count("\n") + 1

    def keep(self, *kinds: str) -> None:
        """Remove the venues of all other kinds: reading them takes time that a test can do without."""
        for path in self.folder.glob("*.yaml"):
            if path.stem not in {"districts", "policies", "plans", "itineraries", *kinds}:
                path.unlink()
        if not {"fertility", "hospitals"} <= set(kinds):
            (self.folder / "itineraries.yaml").write_text("itineraries: {}\n", encoding="utf-8")


_READ: dict[tuple[str, bytes], SourceFile] = {}


def read_before(path: Path, faults: Faults) -> SourceFile | None:
    """Read a file, or take what was made of the same text before: of all of these files a test spoils one or two."""
    if not path.exists():
        return source.read_source(path, faults)
    known = (path.name, path.read_bytes())
    if known not in _READ:
        made = source.read_source(path, faults)
        if made is None:
            return None
        _READ[known] = made
    return _READ[known]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.setattr(read, "read_source", read_before)
    for path in FOLDER.glob("*.yaml"):
        shutil.copy(path, tmp_path)
    return Files(tmp_path)


@pytest.fixture(scope="session")
def city() -> City:
    """The city as its files have it."""
    return read_city()


@pytest.fixture
async def engine(booking_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(booking_url, application_name="catalogue-test")
    yield engine
    await engine.dispose()
