"""The reading half of the bus: asks a durable consumer for messages, and answers for each of them.

nats-py's own `fetch` is not used: with a batch above one it keeps what has arrived until the batch is full or the time
is over, it does not notice that the server forgot its request (nats.py#504), and on Python 3.11 it may swallow a
cancellation (through `asyncio.wait_for`), so that a service would not stop.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from shared.codec import MalformedEvent, Received, UnknownEvent, from_cloudevent

logger = logging.getLogger(__name__)

ACKNOWLEDGE_SECONDS: Final = 5.0
"""The server has this long to answer a request."""
LINGER_SECONDS: Final = 5.0
"""A request for the next message stays with the server for so long."""
HEARTBEAT_SECONDS: Final = 1.0
"""So often the server says that it still has the request; where it is silent, the request is lost."""
REDELIVER_SECONDS: Final = 30.0
"""What is not answered for by then is delivered again; also the longest pause after a failure."""

Handler = Callable[[Sequence[Received]], Awaitable[None]]
"""Takes a batch. Returning acknowledges it; raising has it delivered again later."""


class PullLost(Exception):  # noqa: N818 - a state of the broker
    """The consumer, or the request to it, is gone from the server."""


class Message(Protocol):
    """A message of JetStream, as `nats.aio.msg.Msg` is."""

    subject: str
    data: bytes
    headers: dict[str, str] | None

    @property
    def metadata(self) -> Any: ...
    async def ack(self) -> None: ...
    async def nak(self, delay: int | float | None = None) -> None: ...  # noqa: PYI041 - as nats-py has it
    async def term(self) -> None: ...


class Connection(Protocol):
    """What requests are sent through, as `nats.aio.client.Client` is."""

    async def publish(self, subject: str, payload: bytes = b"", reply: str = "") -> None: ...


@dataclass(slots=True)
class Pull:
    """Asks one consumer, at `address`, for messages; they and the server's remarks arrive at `inbox`, in `answers`."""

    connection: Connection
    address: str
    inbox: str
    answers: asyncio.Queue[Any]
    batch: int

    async def take(self) -> list[Message]:
        """Return what is there, at once; else wait for the next message, and return an empty list after a while.

        Raises:
            PullLost: if the server is silent, or the consumer is gone.
        """
        waiting = await self._ask({"batch": self.batch, "no_wait": True}, silence=ACKNOWLEDGE_SECONDS)
        if waiting:
            return waiting
        lingering = {
            "batch": 1,
            "expires": int(LINGER_SECONDS * 1e9),
            "idle_heartbeat": int(HEARTBEAT_SECONDS * 1e9),
        }
        return await self._ask(lingering, silence=HEARTBEAT_SECONDS * 2.5)

    async def _ask(self, request: Mapping[str, Any], silence: float) -> list[Message]:
        """Send one request and collect its messages until it is fulfilled or the server says that there are no more."""
        await self.connection.publish(self.address, json.dumps(request).encode(), reply=self.inbox)
        messages: list[Message] = []
        while len(messages) < request["batch"]:
            try:
                async with asyncio.timeout(silence):
                    message: Message = await self.answers.get()
            except TimeoutError as error:
                raise PullLost("the server is silent") from error
            headers = message.headers or {}
            match headers.get("Status"):
                case None:
                    messages.append(message)
                case "100":  # a heartbeat
                    continue
                case "404" | "408":  # no more, or the time is over
                    break
                case status:
                    raise PullLost(f"{status} {headers.get('Description', 'no consumer')}")
        return messages


async def deliver(messages: Sequence[Message], handler: Handler) -> None:
    """Hand `messages` to `handler` and answer for them: all are acknowledged, or all are to be delivered again."""
    received: list[Received] = []
    sound: list[Message] = []
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
        logger.warning("batch_failed: delivered again", extra={"cause": error, "pause_seconds": pause})
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
