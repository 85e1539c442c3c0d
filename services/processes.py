"""One process each: the two APIs, the two workers, the sink. `yuyue booking-api`, or `python -m services.processes booking-api`.

What a process runs is named as text and loaded when it starts, so that no process holds the code of the others. A process
that cannot start says why in a sentence and ends with status 1.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import uvicorn
from pydantic import ValidationError
from uvicorn.importer import import_from_string

from shared import log
from shared.broker import BrokerNotDurable, BusUnavailable
from shared.db import NotDurable, NotReady
from shared.sealing import KeysMissing
from shared.web.whole import WholeProtocol

CANNOT_START = (BrokerNotDurable, BusUnavailable, NotDurable, NotReady, KeysMissing)
"""What a process refuses to start with; each says in a sentence what to change."""
GRACE_SECONDS = 10
BACKLOG = 2048
HEARTBEAT_SECONDS = 5.0
HEARTBEAT = "YUYUE_HEARTBEAT"
"""Environment variable: the file that a worker touches as long as its event loop turns (`services.healthy`)."""

_Event = MutableMapping[str, Any]
"""What an application and its server say to each other (ASGI)."""

logger = logging.getLogger("yuyue")


@click.group()
def processes() -> None:
    """What `python -m services.processes` answers to; `yuyue` has the same commands."""


def _configure_logs() -> None:
    log.configure(os.environ.get("YUYUE_LOG_LEVEL", "INFO"))
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def _listening(function: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--fd", type=int, help="Serve on this open listening socket instead of --host and --port."),
        click.option("--port", type=int, default=8000, show_default=True),
        click.option("--host", default="127.0.0.1", show_default=True),
    ):
        function = option(function)
    return function


@processes.command("booking-api")
@_listening
def booking_api(host: str, port: int, fd: int | None) -> None:
    """The booking service's API."""
    _serve("services.booking.main:create_app", lambda: _socket(host, port, fd))


@processes.command("notify-api")
@_listening
def notify_api(host: str, port: int, fd: int | None) -> None:
    """The notify service's API."""
    _serve("services.notify.main:create_app", lambda: _socket(host, port, fd))


@processes.command("booking-worker")
def booking_worker() -> None:
    """The booking service's worker: relay and sweeps."""
    _work("services.booking.worker:run", "services.booking.settings:BookingSettings")


@processes.command("notify-worker")
def notify_worker() -> None:
    """The notify service's worker: consumer and delivery."""
    _work("services.notify.worker:run", "services.notify.settings:NotifySettings")


@processes.command()
@_listening
@click.option("--smtp-port", type=int, default=8003, show_default=True)
@click.option("--smtp-fd", type=int, help="Take mail on this open listening socket instead of --host and --smtp-port.")
@click.option("--data", type=click.Path(path_type=Path), default=Path("var"), show_default=True)
def sink(host: str, port: int, fd: int | None, **options: Any) -> None:
    """The stand-in for the mail server and the SMS provider; its access key is in SINK_ACCESS_KEY_ID and _SECRET.

    The SmsSdkAppId that it knows where it is spoken to as Tencent is in SINK_SMS_APP_ID, or 1400000000. It posts receipts
    below SINK_REPORTS_URL, at addresses that end in SINK_SECRET, if that is set.
    """
    key = [os.environ.get(f"SINK_ACCESS_KEY_{part}", "") for part in ("ID", "SECRET")]
    if not all(key):
        raise click.ClickException("set SINK_ACCESS_KEY_ID and SINK_ACCESS_KEY_SECRET")
    make, run = (import_from_string(f"services.sink.main:{name}") for name in ("Sink.at", "run"))
    smtp = _socket(host, options["smtp_port"], options["smtp_fd"])
    app = [app_id] if (app_id := os.environ.get("SINK_SMS_APP_ID")) else []
    made = make(options["data"], *key, *app)
    made.reports.base, made.reports.secret = (os.environ.get(f"SINK_{part}", "") for part in ("REPORTS_URL", "SECRET"))
    asyncio.run(run(made, _socket(host, port, fd), smtp))


def _socket(host: str, port: int, fd: int | None) -> socket.socket:
    if fd is not None:
        return socket.socket(fileno=fd)
    return listen(host, port)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        click.ClickException: the address is in use, or is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as refusal:
        listener.close()
        raise click.ClickException(
            f"{host}:{port} cannot be used: {refusal.strerror}. Choose another port."
        ) from refusal
    listener.listen(BACKLOG)
    return listener


def _serve(factory: str, open_listener: Callable[[], socket.socket]) -> None:
    _configure_logs()
    with _said_in_a_sentence():
        config = uvicorn.Config(
            _Spoken(_loaded(factory)()),
            loop="uvloop",
            http=WholeProtocol,
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        with contextlib.closing(open_listener()) as listener:
            uvicorn.Server(config).run(sockets=[listener])


@dataclass(frozen=True, slots=True)
class _Spoken:
    """An application whose refusal to start is one sentence in the log, not the way that led there."""

    app: Any

    async def __call__(self, scope: _Event, receive: Any, send: Callable[[_Event], Awaitable[None]]) -> None:
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return
        held: list[_Event] = []

        async def hold(event: _Event) -> None:
            if event["type"] == "lifespan.startup.failed":
                held.append(event)
            else:
                await send(event)

        try:
            await self.app(scope, receive, hold)
        except CANNOT_START as refusal:
            await send({"type": "lifespan.startup.failed", "message": str(refusal)})
            raise
        except BaseException:
            for event in held:
                await send(event)
            raise


def _loaded(name: str) -> Any:
    """Return what has this name, loaded. Nothing of it is ever thrown away: until it is there, the collector rests."""
    gc.disable()
    try:
        return import_from_string(name)
    finally:
        gc.enable()


def _work(run: str, settings: str) -> None:
    _configure_logs()
    with _said_in_a_sentence():
        asyncio.run(_until_asked_to_end(_loaded(run), _loaded(settings)()))


async def _until_asked_to_end(run: Callable[[Any], Awaitable[None]], settings: Any) -> None:
    gc.freeze()  # whatever was loaded lives for ever: the collector need not walk it again and again
    loop = asyncio.get_running_loop()
    work = asyncio.ensure_future(run(settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    beating = asyncio.create_task(_beat())
    try:
        await work
    except asyncio.CancelledError:
        logger.info("ended as asked")
    finally:
        beating.cancel()


async def _beat() -> None:
    path = os.environ.get(HEARTBEAT)
    while path:
        await asyncio.to_thread(Path(path).touch)
        await asyncio.sleep(HEARTBEAT_SECONDS)


@contextlib.contextmanager
def _said_in_a_sentence() -> Iterator[None]:
    try:
        yield
    except ValidationError as invalid:
        faults = [f"{'.'.join(map(str, one['loc'])) or 'settings'}: {one['msg']}" for one in invalid.errors()]
        raise click.ClickException(f"the settings of {invalid.title} do not hold: {'; '.join(faults)}") from None
    except CANNOT_START as refusal:
        raise click.ClickException(str(refusal)) from None


if __name__ == "__main__":
    processes()
