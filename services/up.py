"""`yuyue up`: everything on one machine, started in order, kept running, stopped in order.

The law of this file: one supervisor a data folder (a lock held for as long as it lives); every stop is a clean one; and
whatever was killed, the next start sets right.
"""

import asyncio
import contextlib
import fcntl
import ipaddress
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import click

from services.administration import load_city
from services.booking.catalogue import CatalogueInvalid
from services.booking.commands.catalogue import LoadRefused
from services.house import House, Listeners, PartlySetError, Servers, address, named_servers, write_private
from services.processes import listen
from services.samples import FILE as SAMPLES_FILE
from services.samples import Samples, ensure_samples
from services.supervisor import LAST_WORDS, Echo, Supervisor
from shared import migrate
from shared.embedded import servers as embedded
from shared.embedded.account import make_open_folder, server_account, server_folder
from shared.embedded.children import Children
from shared.embedded.nats_server import NatsFailedError
from shared.embedded.postgres import PostgresFailedError
from shared.http import Client, HttpError
from shared.sealing import generate_keys

READY_SECONDS = 60.0
HELD_ELSEWHERE = 3
"""Exit status when another supervisor has the folder."""


class StartFailedError(Exception):
    """The house did not come up; the message says which part did not, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    data: Path
    host: str
    port: int
    api_processes: int


@click.command()
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), default=Path("var"), show_default=True,
              help="Folder for everything that is kept.")  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the two APIs.")
@click.option("--port", default=8000, show_default=True, help="Booking API; notify, sink and SMTP take the next three.")
@click.option(
    "--api-processes", type=click.IntRange(1, 64), default=1, show_default=True, help="Booking API processes."
)
@click.option("--reset", is_flag=True, help="Delete the data folder's content first; asks.")
@click.option("--yes", is_flag=True, help="With --reset: do not ask.")
def up(*, reset: bool, yes: bool, **options: Any) -> None:
    """Start everything on this machine; Ctrl-C stops it all.

    PostgreSQL and NATS are started too, unless BOOKING_DATABASE_URL, NOTIFY_DATABASE_URL and NATS_URL are all set.
    """
    chosen = Options(**{**options, "data": options["data"].absolute()})
    try:
        external = named_servers(os.environ)
    except PartlySetError as refusal:
        raise click.UsageError(str(refusal)) from refusal
    make_open_folder(chosen.data)
    with _private_files(), _alone(chosen.data):
        if reset:
            _reset(chosen.data, yes=yes)
        try:
            asyncio.run(_Run(chosen, external).run())
        except (StartFailedError, PostgresFailedError, NatsFailedError) as refusal:
            raise click.ClickException(str(refusal)) from refusal


@contextlib.contextmanager
def _private_files() -> Iterator[None]:
    """Let whatever is made be readable by its owner alone: keys, passwords, messages and logs are nobody else's business."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextlib.contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Hold the folder's lock; where another process has it, say which and where it answers, and leave."""
    with (data / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _tell_who_runs(data)
            sys.exit(HELD_ELSEWHERE)
        yield
        _release(lock)


def _release(lock: TextIO) -> None:
    fcntl.flock(lock, fcntl.LOCK_UN)


def _tell_who_runs(data: Path) -> None:
    try:
        known = json.loads((data / "run.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        click.echo(f"Another yuyue is starting or stopping on {data}.", err=True)
        return
    click.echo(
        f"Yuyue already runs on {data}: process {known['pid']}, answering at {known['urls']['booking']}. "
        f"Stop it with `kill {known['pid']}`, or choose another folder and port: --data FOLDER --port NUMBER.",
        err=True,
    )


def _reset(data: Path, *, yes: bool) -> None:
    """Delete what the folder holds, but its lock, after asking."""
    beside = server_folder(server_account(), data)
    found = [path for path in data.iterdir() if path.name != "lock"]
    if not found and not (beside != data and beside.exists()):
        return
    if not yes:
        click.confirm(f"Delete everything in {data}: bookings, messages, keys and accounts?", abort=True)
    for path in [*found, *([beside] if beside != data and beside.exists() else [])]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


class _Run:
    """One life of the house, from the first step to the last."""

    def __init__(self, options: Options, external: Servers | None) -> None:
        self._options = options
        self._external = external
        self._began = time.monotonic()
        self._urls: dict[str, str] = {}
        self._pids: dict[str, int] = {}
        self._ended = asyncio.Event()
        self._echo = Echo(self._say)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._ended.set)
        data = self._options.data
        async with contextlib.AsyncExitStack() as stack:
            children = await stack.enter_async_context(Children(data, self._echo.heard))
            if children.ended_at_start:
                self._say(f"ended what a killed run had left: {', '.join(children.ended_at_start)}")
            listeners = self._listen(stack)
            supervisor = Supervisor(children, self._say, self._note)
            stack.callback((data / "run.json").unlink, missing_ok=True)
            stack.push_async_callback(self._stop, supervisor, listeners)
            starting = asyncio.create_task(self._start(supervisor, listeners))
            asked = asyncio.create_task(self._ended.wait())
            await asyncio.wait([starting, asked], return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                starting.cancel()
                await asyncio.wait([starting])
                return
            starting.result()
            await asked

    def _listen(self, stack: contextlib.ExitStack | contextlib.AsyncExitStack) -> Listeners:
        host, port = self._options.host, self._options.port
        here = "127.0.0.1"  # the sink shows messages to whoever asks: nobody else's business
        wanted = [(host, port), (host, port + 1), (here, port + 2), (here, port + 3)]
        return Listeners(*(stack.enter_context(contextlib.closing(listen(*one))) for one in wanted))

    async def _start(self, supervisor: Supervisor, listeners: Listeners) -> None:
        data = self._options.data
        servers = self._external or await self._start_servers(supervisor)
        house = House(
            data=data,
            servers=servers,
            listeners=listeners,
            environment=os.environ,
            api_processes=self._options.api_processes,
        )
        self._publish(house)
        generate_keys(house.key_folder)
        await migrate.upgrade("booking", servers.booking_database)
        await migrate.upgrade("notify", servers.notify_database)
        self._say("the databases have the newest schema")
        await self._load_city(servers)
        samples = await ensure_samples(servers.booking_database, data) if self._is_private() else None
        for program in [*([house.sink()] if house.needs_sink else []), *house.workers(), *house.apis()]:
            await supervisor.start(program)
        await self._until_ready(house)
        self._tell(house, samples)

    async def _load_city(self, servers: Servers) -> None:
        try:
            await load_city(servers.booking_database, self._say)
        except CatalogueInvalid as faults:
            raise StartFailedError(str(faults)) from faults
        except LoadRefused as refusal:  # what was loaded before stands, and those who are booked keep their places
            self._say(str(refusal))

    async def _start_servers(self, supervisor: Supervisor) -> Servers:
        made = await asyncio.to_thread(embedded.prepare, self._options.data)
        if made.folder != self._options.data:
            self._say(f"the servers keep their files in {made.folder}: their user cannot reach {self._options.data}")
        started = [await supervisor.start(made.postgres.program()), await supervisor.start(made.nats.program())]
        try:
            await made.postgres.ready()
            await made.nats.ready()
        except (PostgresFailedError, NatsFailedError) as refusal:
            words = [line for child in started for line in list(child.tail)[-LAST_WORDS:]]
            raise StartFailedError("\n    ".join([str(refusal), *words])) from refusal
        await made.postgres.ensure_databases()
        self._say("PostgreSQL and NATS answer")
        postgres, nats = made.postgres, made.nats
        return Servers(postgres.url("booking"), postgres.url("notify"), nats.url, nats.monitor_url)

    def _is_private(self) -> bool:
        """Tell whether only this machine can sign in: sample accounts are for nobody else."""
        host = self._options.host
        return host == "localhost" or ipaddress.ip_address(host).is_loopback

    def _publish(self, house: House) -> None:
        """Set where everything answers, for the tour and for tests."""
        self._urls = {
            "booking": house.booking_url,
            "notify": house.notify_url,
            "sink": house.sink_url,
            "smtp": address(house.listeners.smtp),
            "sms": os.environ.get("NOTIFY_SMS_URL") or house.sink_url,
            "booking_database": house.servers.booking_database,
            "notify_database": house.servers.notify_database,
            "nats": house.servers.nats,
            "nats_monitor": house.servers.nats_monitor,
        }
        self._note(self._pids)

    def _note(self, pids: dict[str, int]) -> None:
        self._pids = pids
        if self._urls:
            document = {"pid": os.getpid(), "urls": self._urls, "processes": pids}
            write_private(self._options.data / "run.json", json.dumps(document, indent=1))

    async def _until_ready(self, house: House) -> None:
        async with Client() as client:
            for name, base in (("booking-api", house.booking_url), ("notify-api", house.notify_url)):
                until = time.monotonic() + READY_SECONDS
                while not await _is_ready(client, f"{base}/readyz"):
                    if time.monotonic() > until:
                        raise StartFailedError(f"{name} is not ready after {READY_SECONDS:.0f} s: see log/{name}.log")
                    await asyncio.sleep(0.05)

    def _tell(self, house: House, samples: Samples | None) -> None:
        data = _short(self._options.data)
        lines = [
            "",
            f"Yuyue 预约 is ready after {time.monotonic() - self._began:.1f} s.",
            "",
            f"  Booking API        {house.booking_url}   documentation: {house.booking_url}/docs",
            f"  Notify API         {house.notify_url}   documentation: {house.notify_url}/docs",
            *([f"  Mail and SMS sink  {house.sink_url}   SMTP: {self._urls['smtp']}"] if house.needs_sink else []),
            f"  Data               {data}   logs: {data}/log",
            "",
            *(_sign_ins(samples, data) if samples else []),
            "  `make tour` books each of the five services. Ctrl-C stops everything.",
            "",
        ]
        click.echo("\n".join(lines))

    async def _stop(self, supervisor: Supervisor, listeners: Listeners) -> None:
        """Stop in order: nobody asks any more, nothing is due any more, nothing is sent any more, then the servers."""
        self._echo.quiet = True
        self._say("stopping")
        for listener in (listeners.booking, listeners.notify):
            listener.close()  # else whoever asks an API that has ended would wait for an answer
        names = [name for name in self._pids if name not in {"postgres", "nats"}]
        await supervisor.stop_together([name for name in names if "-api" in name])
        await supervisor.stop_together([name for name in names if name.endswith("-worker")])
        for name in ("sink", "nats", "postgres"):
            await supervisor.stop(name)
        self._say("stopped")

    def _say(self, line: str) -> None:
        click.echo(f"[{time.monotonic() - self._began:6.1f} s] {line}")


async def _is_ready(client: Client, url: str) -> bool:
    try:
        return (await client.get(url)).status_code == 200
    except HttpError:
        return False


def _sign_ins(samples: Samples, data: str) -> Iterator[str]:
    yield f"  Sample sign-ins (also in {data}/{SAMPLES_FILE}):"
    yield f"    resident       {samples.phones[0]}, the code comes to the sink"
    for role, password in samples.passwords.items():
        yield f"    {role.value:<14} {samples.login(role)}, password {password}"
    yield ""


def _short(path: Path) -> str:
    return f"./{path.relative_to(Path.cwd())}" if path.is_relative_to(Path.cwd()) else str(path)
