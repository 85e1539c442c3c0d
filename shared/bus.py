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
import logging
from collections.abc import AsyncIterator, Sequence
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

from shared.broker import BrokerNotDurable, BusUnavailable, assert_syncs_always
from shared.codec import to_cloudevent
from shared.contracts import Event
from shared.ids import new_id
from shared.pull import ACKNOWLEDGE_SECONDS, REDELIVER_SECONDS, Handler, Pull, PullLost, deliver

logger = logging.getLogger(__name__)

ATOMIC_MOST: Final = 1000
"""The server takes no larger batches."""
ATOMIC_LEAST: Final = 32
"""Below this, flushing each event by itself is faster than the files that the server makes for a batch."""
STREAM_EXISTS_OTHERWISE: Final = 10058
HOLDS_DUPLICATE: Final = 10201


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
    max_bytes: int = 256 << 20
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
            allow_atomic=True,
        )


def _telling(faults: Sequence[Exception]) -> Exception:
    """Return the fault that says most: the last one, unless a broker refused us in words and then reset a connection."""
    refused = [fault for fault in faults if "authorization" in str(fault).lower()]
    return (refused or faults)[-1]


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
    _atomic: bool = field(default=False)

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
        faults: list[Exception] = [TimeoutError("no answer")]

        async def tell_disconnected() -> None:
            if not connection.is_closed:
                logger.warning("broker_disconnected")

        async def note(fault: Exception) -> None:
            faults.append(fault)
            logger.debug("broker_connection", extra={"cause": fault})

        attempt = connection.connect(
            servers=[server.strip() for server in url.split(",")],
            name=name,
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            connect_timeout=2,
            ping_interval=10,
            error_cb=note,
            disconnected_cb=tell_disconnected,
            reconnected_cb=_tell_reconnected,
        )
        try:
            await asyncio.wait_for(attempt, seconds)
        except (OSError, TimeoutError, nats.errors.Error) as error:
            with contextlib.suppress(Exception):
                await connection.close()
            raise BusUnavailable(f"NATS_URL leads to no broker within {seconds:g} s: {_telling(faults)}") from error
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
            made = await self._jetstream.add_stream(config)
        except nats.js.errors.APIError as error:
            if error.err_code != STREAM_EXISTS_OTHERWISE:
                raise
            made = await self._jetstream.update_stream(config)
        self._atomic = bool(made.config.allow_atomic)  # servers before 2.12 know no batches

    @property
    def _chosen(self) -> _Stream:
        if self._stream is None:
            raise RuntimeError("call ensure_stream first")
        return self._stream

    async def publish(self, events: Sequence[Event]) -> None:
        """Publish in order; return when the broker has stored and flushed every event.

        A repeat of an event id within the stream's duplicate window is dropped by the broker. A stream that is gone is
        made again.

        Raises:
            BusUnavailable: if not every event was acknowledged; publish all of them again.
        """
        if not events:
            return
        with _unavailable():
            if not self.is_connected:  # or the client would keep the events in memory and send them who knows when
                raise BusUnavailable("the connection to the broker is down")
            try:
                await self._store(events)
            except (nats.js.errors.NoStreamResponseError, nats.js.errors.NotFoundError):
                logger.warning("stream_missing: made again", extra={"stream": self._chosen.name})
                await self._make_stream()
                await self._store(events)

    async def _store(self, events: Sequence[Event]) -> None:
        """Store many events as atomic batches, which the server flushes once each, and few by themselves."""
        for start in range(0, len(events), ATOMIC_MOST):
            batch = events[start : start + ATOMIC_MOST]
            try:
                if self._atomic and len(batch) >= ATOMIC_LEAST:
                    await self._store_together(batch)
                    continue
            except nats.js.errors.BadRequestError as error:
                if error.err_code != HOLDS_DUPLICATE:
                    raise
            await self._store_each(batch)

    async def _store_together(self, events: Sequence[Event]) -> None:
        """Store all or none (ADR-50 of NATS); refused if the stream has one of the events already."""
        batch_id = new_id().hex
        for place, event in enumerate(events[:-1], start=1):
            batch = {"Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(place)}
            await self._connection.publish(
                event.type.value, to_cloudevent(event, self.source), headers={**self._headers(event), **batch}
            )
        last = events[-1]
        commit = {"Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(len(events)), "Nats-Batch-Commit": "1"}
        await self._jetstream.publish(
            last.type.value,
            to_cloudevent(last, self.source),
            timeout=ACKNOWLEDGE_SECONDS,
            headers={**self._headers(last), **commit},
        )

    async def _store_each(self, events: Sequence[Event]) -> None:
        acknowledgements = [
            await self._jetstream.publish_async(
                event.type.value, to_cloudevent(event, self.source), headers=self._headers(event)
            )
            for event in events
        ]
        async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
            answers = await asyncio.gather(*acknowledgements, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer

    def _headers(self, event: Event) -> dict[str, str]:
        return {Header.MSG_ID.value: str(event.id), Header.EXPECTED_STREAM.value: self._chosen.name}

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
                            await deliver(await pull.take(), handler)
                except (PullLost, OSError, TimeoutError, nats.errors.Error) as error:
                    logger.warning("consumer_lost: made again", extra={"durable": durable, "cause": repr(error)})
            _heed_cancellation()
            await asyncio.sleep(0.2)
        raise BusUnavailable("the connection was closed")

    @contextlib.asynccontextmanager
    async def _pulling(self, durable: str, batch: int) -> AsyncIterator[Pull]:
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
        address = f"$JS.API.CONSUMER.MSG.NEXT.{self._chosen.name}.{durable}"
        inbox, answers = self._connection.new_inbox(), asyncio.Queue[Msg]()
        subscription = await self._connection.subscribe(inbox, cb=answers.put)
        try:
            yield Pull(self._connection, address, inbox, answers, batch)
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


async def _tell_reconnected() -> None:
    logger.info("broker_reconnected")
