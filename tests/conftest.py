"""The real servers for all tests: one PostgreSQL and one NATS a session, a migrated database for whoever asks.

A test asks for `booking_url`, `notify_url` or `nats_url`. Each database is a copy of a template that was migrated once,
so it costs a tenth of a second and belongs to that test alone. Where the machine has a folder in memory the servers' data
stands there, which saves a quarter of the time; the lanes that measure and that kill keep theirs on the disk.
"""

import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from shared import migrate
from shared.embedded import servers
from shared.embedded.children import Children
from shared.embedded.postgres import Postgres, create_database

MEMORY = Path("/dev/shm")
ENOUGH = 2 << 30
LONG = (
    "tests/embedded/test_up.py",
    "tests/journeys/test_openapi.py",
    "tests/journeys/test_tour.py",
    "tests/journeys/test_bad_input.py",
    "tests/notify/api/test_promises.py",
    "tests/booking/catalogue/test_load.py",
    "tests/model/test_planted.py",
)
"""Where the tests are shared out among processes, whoever took one of these last would be waited for by the others."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Let the garbage collector pass by what lives to the end: walking modules and tests was a fifth of all work."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes long, the longest first."""
    if hasattr(config, "workerinput"):
        rank = {(config.rootpath / file): place for place, file in enumerate(LONG)}
        items.sort(key=lambda item: rank.get(item.path, len(LONG)))


@dataclass(slots=True)
class Databases:
    """Makes databases on the session's PostgreSQL."""

    server: Postgres
    _migrated: set[str] = field(default_factory=set)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def admin_url(self) -> str:
        """The superuser's URL, for what only a superuser may do."""
        return self.server.url("postgres")

    async def create(self, service: str) -> str:
        """Return the URL of a new database with `service`'s schema, owned by the service's own role."""
        template = f"{service}_template"
        if service not in self._migrated:
            await self.create_empty(service, template)
            await migrate.upgrade(service, self.server.url(template, user=service))
            self._migrated.add(service)
        return await self.create_empty(service, f"{service}_{next(self._numbers)}", template=template)

    async def create_empty(self, service: str, name: str, template: str = "template0") -> str:
        """Return the URL of a new database called `name`, a copy of `template`, owned by `service`'s role."""
        connection = await self.server.connect()
        try:
            await create_database(connection, name, owner=service, template=template)
        finally:
            await connection.close()
        return self.server.url(name, user=service)

    async def drop(self, url: str) -> None:
        """Remove a database, whoever is connected."""
        name = url.rpartition("/")[2] if "?" not in url else url.partition("?")[0].rpartition("/")[2]
        connection = await self.server.connect()
        try:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        finally:
            await connection.close()


def in_memory(lanes: str) -> Path | None:
    """Return where there is a folder in memory with room enough; None where there is none, or the lane needs a disk."""
    on_disk = any(lane in lanes and f"not {lane}" not in lanes for lane in ("bench", "chaos"))
    if on_disk or not os.access(MEMORY, os.R_OK | os.W_OK | os.X_OK) or shutil.disk_usage(MEMORY).free < ENOUGH:
        return None
    return MEMORY


@pytest.fixture(scope="session")
def data_folder(pytestconfig: pytest.Config) -> Iterator[Path]:
    """The data folder of the session's servers, not under pytest's own: that one lets no other user through."""
    folder = Path(tempfile.mkdtemp(prefix="yuyue-tests-", dir=in_memory(pytestconfig.getoption("markexpr"))))
    folder.chmod(0o711)  # started by root, the servers run as another user
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
async def embedded(data_folder: Path) -> AsyncIterator[servers.Servers]:
    """PostgreSQL and NATS, running."""
    prepared = servers.prepare(data_folder)
    async with Children(data_folder) as children:
        await servers.start(children, prepared)
        yield prepared
    if prepared.folder != data_folder:
        shutil.rmtree(prepared.folder)


@pytest.fixture(scope="session")
async def databases(embedded: servers.Servers) -> Databases:
    return Databases(embedded.postgres)


@pytest.fixture
async def booking_url(databases: Databases) -> AsyncIterator[str]:
    """A booking database of this test's own."""
    url = await databases.create("booking")
    yield url
    await databases.drop(url)


@pytest.fixture
async def notify_url(databases: Databases) -> AsyncIterator[str]:
    """A notify database of this test's own."""
    url = await databases.create("notify")
    yield url
    await databases.drop(url)


@pytest.fixture(scope="session")
def nats_url(embedded: servers.Servers) -> str:
    """The session's NATS: shared by all tests, so name your own stream, or wipe what you made."""
    return embedded.nats.url


@pytest.fixture(scope="session")
def nats_monitor_url(embedded: servers.Servers) -> str:
    return embedded.nats.monitor_url
