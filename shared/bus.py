"""The bus: NATS JetStream, and the one place that imports nats.

The broker is the doorbell and not the truth. Publishing returns when every event is stored and flushed; receiving
survives a broker that restarts, is killed, or comes back with nothing (streams and consumers are made again), and what
a broker loses the feed still has.

The server must flush before it acknowledges: with its default, every two minutes, a power cut loses what was
acknowledged since. A client cannot see that setting over its own connection (only the system account and the monitoring
port show it), so `assert_durable` asks the monitoring port, and refuses where it cannot.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client as Connection
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    Header,
    PersistMode,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)

from shared.broker import BrokerNotDurable, assert_syncs_always
from shared.codec import MalformedEvent, Received, UnknownEvent, from_cloudevent, to_cloudevent
from shared.contracts import Event

logger = logging.getLogger(__name__)

Handler = Callable[[Sequence[Received]], Awaitable[None]]
"""Takes a batch. Returning acknowledges it; raising has it delivered again later."""

ACKNOWLEDGE_SECONDS: Final = 5.0
LINGER_SECONDS: Final = 5.0
HEARTBEAT_SECONDS: Final = 1.0
REDELIVER_SECONDS: Final = 30.0
STREAM_EXISTS_OTHERWISE: Final = 10058


class BusUnavailable(Exception):  # noqa: N818 - a state of the broker
    """The broker did not answer, or not in time. What was being published may or may not be stored: publish it again."""


class _PullLost(Exception):  # noqa: N818 - a state of the broker
    """The consumer or its pull request is gone from the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """How much a stream keeps. Readers further behind than this use the feed.

    Attributes:
        max_age_seconds: events older than this are dropped.
        max_bytes: beyond this the oldest are dropped.
        duplicate_seconds: for so long a repeated event id is recognised by the broker.
        replicas: copies in a cluster.
    """

    max_age_seconds: float = 7 * 86_400.0
    max_bytes: int = 1 << 30
    duplicate_seconds: float = 600.0
    replicas: int = 1


@dataclass(slots=True)
class _Stream:
    name: str
    subjects: tuple[str, ...]
    limits: StreamLimits

    def config(self) -> StreamConfig:
        return StreamConfig(
            name=self.name,
            subjects=list(self.subjects),
            retention=RetentionPolicy.LIMITS,
            discard=DiscardPolicy.OLD,
            storage=StorageType.FILE,
            max_age=self.limits.max_age_seconds,
            max_bytes=self.limits.max_bytes,
            duplicate_window=self.limits.duplicate_seconds,
            num_replicas=self.limits.replicas,
        )


@dataclass(slots=True)
class Bus:
    """One connection to the broker, to publish to and consume from one stream. Made by `Bus.connect`.

    Attributes:
        source: the publisher's URI reference in its events (`/yuyue/booking`); a reader needs none.
        monitor_url: base addresses of the servers' monitoring ports, separated by commas; for `assert_durable`.
    """

    _connection: Connection
    _jetstream: JetStreamContext
    source: str
    monitor_url: str | None
    _stream: _Stream | None = field(default=None)

    @classmethod
    async def connect(
        cls, url: str, *, name: str, source: str = "", monitor_url: str | None = None, seconds: float = 10.0
    ) -> Self:
        """Connect to the broker; afterwards the connection restores itself for ever.

        Args:
            url: `nats://[user:password@]host:port`, several separated by commas.
            name: what the server's monitoring shows, for example `booking-worker`.
            source: see `Bus`.
            monitor_url: see `Bus`.
            seconds: time for the first connection.

        Raises:
            BusUnavailable: if there is no connection after `seconds`.
        """
        connection = Connection()
        attempt = connection.connect(
            servers=[server.strip() for server in url.split(",")],
            name=name,
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            connect_timeout=2,
            ping_interval=10,
            error_cb=_log_error,
        )
        try:
            await asyncio.wait_for(attempt, seconds)
        except (OSError, TimeoutError, nats.errors.Error) as error:
            with contextlib.suppress(Exception):
                await connection.close()
            raise BusUnavailable(f"no broker answered within {seconds:g} s") from error
        return cls(connection, connection.jetstream(timeout=ACKNOWLEDGE_SECONDS), source, monitor_url)

    @property
    def is_connected(self) -> bool:
        """Tell whether there is a connection at this moment."""
        return bool(self._connection.is_connected)

    async def close(self) -> None:
        """Close the connection; what is not acknowledged will be delivered again."""
        if not self.is_connected:  # or the client stops half way, at what it cannot send any more
            self._connection._pending, self._connection._pending_data_size = [], 0  # noqa: SLF001
        with contextlib.suppress(OSError):
            await self._connection.close()

    async def ensure_stream(self, name: str, subjects: Sequence[str], limits: StreamLimits | None = None) -> None:
        """Make the stream, or bring its settings up to date; `publish` and `consume` use it from now on.

        Raises:
            BusUnavailable: if the broker does not answer.
        """
        self._stream = _Stream(name, tuple(subjects), limits or StreamLimits())
        with _unavailable():
            await self._make_stream()

    async def _make_stream(self) -> None:
        config = self._chosen.config()
        try:
            await self._jetstream.add_stream(config)
        except nats.js.errors.APIError as error:
            if error.err_code != STREAM_EXISTS_OTHERWISE:
                raise
            await self._jetstream.update_stream(config)

    @property
    def _chosen(self) -> _Stream:
        if self._stream is None:
            raise RuntimeError("call ensure_stream first")
        return self._stream

    async def publish(self, events: Sequence[Event]) -> None:
        """Publish in order; return when the broker has stored every event.

        A repeat of an event id within the stream's duplicate window is dropped by the broker. A stream that is gone is
        made again.

        Raises:
            BusUnavailable: if not every event was acknowledged; publish all of them again.
        """
        if not events:
            return
        with _unavailable():
            try:
                await self._publish(events)
            except (nats.js.errors.NoStreamResponseError, nats.js.errors.NotFoundError):
                logger.warning("stream_missing: made again", extra={"stream": self._chosen.name})
                await self._make_stream()
                await self._publish(events)

    async def _publish(self, events: Sequence[Event]) -> None:
        if not self.is_connected:  # or the client would keep the events in memory and send them who knows when
            raise BusUnavailable("the connection to the broker is down")
        acknowledgements = []
        for event in events:
            headers = {Header.MSG_ID.value: str(event.id), Header.EXPECTED_STREAM.value: self._chosen.name}
            body = to_cloudevent(event, self.source)
            acknowledgements.append(await self._jetstream.publish_async(event.type.value, body, headers=headers))
        async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
            answers = await asyncio.gather(*acknowledgements, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer

    async def consume(self, durable: str, batch: int, handler: Handler) -> None:
        """Hand events to `handler` in batches of up to `batch`, until cancelled.

        The durable name remembers what was acknowledged, across restarts and for all processes that share it; at most
        one batch is under way among them. A batch is acknowledged when the handler has returned, and delivered again,
        after a pause that grows to 30 s, when it has raised. What is delivered again may come in pieces and out of order:
        the handler goes by the events' numbers (`shared.inbox`). Whatever happens to the broker, this goes on.
        """
        while not self._connection.is_closed:
            if self.is_connected:
                try:
                    async with self._pulling(durable, batch) as pull:
                        while True:
                            _heed_cancellation()
                            await _deliver(await pull.take(), handler)
                except (_PullLost, OSError, TimeoutError, nats.errors.Error) as error:
                    logger.warning("consumer_lost: made again", extra={"durable": durable, "cause": repr(error)})
            _heed_cancellation()
            await asyncio.sleep(0.2)
        raise BusUnavailable("the connection was closed")

    @contextlib.asynccontextmanager
    async def _pulling(self, durable: str, batch: int) -> AsyncIterator["_Pull"]:
        """Make stream and consumer if they are missing, and a fresh place for answers: old requests are forgotten."""
        await self._make_stream()
        config = ConsumerConfig(
            name=durable,
            durable_name=durable,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=REDELIVER_SECONDS,
            max_deliver=-1,
            max_ack_pending=batch,
        )
        await self._jetstream.add_consumer(self._chosen.name, config)
        inbox, answers = self._connection.new_inbox(), asyncio.Queue[Msg]()
        subscription = await self._connection.subscribe(inbox, cb=answers.put)
        try:
            yield _Pull(
                self._connection, inbox, answers, f"$JS.API.CONSUMER.MSG.NEXT.{self._chosen.name}.{durable}", batch
            )
        finally:
            with contextlib.suppress(nats.errors.Error):
                await subscription.unsubscribe()

    async def assert_durable(self) -> None:
        """Refuse a broker that does not flush every message before it acknowledges it.

        Raises:
            BrokerNotDurable: naming the server and what to change, also where the servers cannot be asked.
        """
        info: dict[str, Any] = self._connection._server_info  # noqa: SLF001 - nats-py has no public name for it
        await assert_syncs_always(self.monitor_url, info["server_id"])
        await self._assert_stream_syncs()

    async def _assert_stream_syncs(self) -> None:
        if self._stream is None:
            return
        with _unavailable():
            stream = await self._jetstream.stream_info(self._stream.name)
        if stream.config.storage != StorageType.FILE or stream.config.persist_mode == PersistMode.ASYNC:
            raise BrokerNotDurable(
                f"the stream {self._stream.name} is not written through to files: delete it, and it is made again"
            )


@dataclass(slots=True)
class _Pull:
    """Asks a durable consumer for messages.

    nats-py's own `fetch` is not used: with a batch above one it keeps what has arrived until the batch is full or the
    time is over, it does not notice that the server forgot its request (nats.py#504), and on Python 3.11 it may swallow
    a cancellation (through `asyncio.wait_for`), so that a service would not stop.
    """

    connection: Connection
    inbox: str
    answers: asyncio.Queue[Msg]
    address: str
    batch: int

    async def take(self) -> list[Msg]:
        """Return what is there, at once; else wait for the next message, and return an empty list after a while."""
        waiting = await self._ask({"batch": self.batch, "no_wait": True}, silence=ACKNOWLEDGE_SECONDS)
        if waiting:
            return waiting
        lingering = {
            "batch": 1,
            "expires": int(LINGER_SECONDS * 1e9),
            "idle_heartbeat": int(HEARTBEAT_SECONDS * 1e9),
        }
        return await self._ask(lingering, silence=HEARTBEAT_SECONDS * 2.5)

    async def _ask(self, request: dict[str, Any], silence: float) -> list[Msg]:
        """Send one request and collect its messages until it is fulfilled or the server says that there are no more.

        Raises:
            _PullLost: if the server is silent for longer than `silence` seconds, or the consumer is gone.
        """
        await self.connection.publish(self.address, json.dumps(request).encode(), reply=self.inbox)
        messages: list[Msg] = []
        while len(messages) < request["batch"]:
            try:
                async with asyncio.timeout(silence):
                    message = await self.answers.get()
            except TimeoutError as error:
                raise _PullLost("the server is silent") from error
            match (message.headers or {}).get(Header.STATUS):
                case None:
                    messages.append(message)
                case "100":  # a heartbeat
                    continue
                case "404" | "408":  # no more, or the time is over
                    break
                case status:
                    reason = (message.headers or {}).get(Header.DESCRIPTION, "no consumer")
                    raise _PullLost(f"{status} {reason}")
        return messages


async def _deliver(messages: Sequence[Msg], handler: Handler) -> None:
    received: list[Received] = []
    sound: list[Msg] = []
    for message in messages:
        try:
            received.append(_read(message.data))
        except MalformedEvent:  # it can never be read; the feed has the event that belongs here
            logger.exception("event_malformed", extra={"subject": message.subject})
            await message.term()
        else:
            sound.append(message)
    if not sound:
        return
    try:
        await handler(received)
    except Exception as error:  # noqa: BLE001 - whatever it was, the batch is delivered again
        tries = max(message.metadata.num_delivered for message in sound)
        pause = min(0.5 * 2.0 ** min(tries - 1, 10), REDELIVER_SECONDS)
        logger.warning("batch_failed: delivered again", extra={"cause": repr(error), "pause_seconds": pause})
        for message in sound:
            await message.nak(delay=pause)
    else:
        for message in sound:
            await message.ack()


def _read(payload: bytes) -> Received:
    try:
        return from_cloudevent(payload)
    except UnknownEvent as unknown:
        return unknown


def _heed_cancellation() -> None:
    """Stop even where a library has swallowed the cancellation: `asyncio.wait_for` of Python 3.11 may."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


@contextlib.contextmanager
def _unavailable() -> Any:
    """Turn what nats raises into `BusUnavailable`."""
    try:
        yield
    except (OSError, TimeoutError, nats.errors.Error) as error:
        raise BusUnavailable(f"the broker did not do it: {error!r}") from error


async def _log_error(error: Exception) -> None:
    logger.warning("broker_connection", extra={"cause": repr(error)})
