"""A small request comes whole and its answer leaves whole: one read, one task, one write.

uvicorn starts the application with the head of a request and lets it wait for the body; the head and the body of the answer
are two writes. That serves uploads and streams, and a booking is neither: its body comes in the packet of its head, and its
answer is made at once. Here the application of a small request starts when its body is there, and the head of an answer
whose length is known is written with its body. Whatever is different, a long body or a stream, is served by uvicorn itself.
"""

import asyncio
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveEvent, ASGISendEvent, HTTPResponseStartEvent

_PLAIN: Final = re.compile(rb"(?:/[\w.~:-]+)+")
"""An address in which nothing is escaped, without a query."""

_LENGTH_DIGITS: Final = len(str(HIGH_WATER_LIMIT))
_READ_OTHERWISE: Final = frozenset({b"transfer-encoding", b"upgrade", b"expect"})
_SENT_OTHERWISE: Final = frozenset({b"transfer-encoding", b"connection"})
"""Headers of a request, and of an answer, that are uvicorn's matter."""

_CONTROLS: Final = bytes(range(0x20)) + b"\x7f"
"""In a head, only the ends of its lines are made of these: one more, and a header could pass for two."""


class WholeProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a short way for small requests; for `uvicorn.Config(http=...)`."""

    def on_headers_complete(self) -> None:
        """Let the application of a small request wait for its body; leave every other request to uvicorn."""
        path = _plain_path(self.url)
        if path is None or not self._comes_whole():
            super().on_headers_complete()
            return
        scope = self.scope
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["path"], scope["raw_path"], scope["query_string"] = path, self.url, b""
        self.cycle = _Whole(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=_NOBODY_WAITS,
            expect_100_continue=False,
            keep_alive=self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )

    def on_message_complete(self) -> None:
        """Start the application of a request that has come whole."""
        super().on_message_complete()
        if isinstance(self.cycle, _Whole):
            self._start_asgi_task(self.cycle, self.app)

    def _comes_whole(self) -> bool:
        """Say whether this is a small request, and the one before it on this connection is answered."""
        if self.cycle is not None and not self.cycle.response_complete:  # type: ignore[redundant-expr]
            return False
        if self.root_path or self.access_log or self.limit_concurrency is not None:
            return False
        length = b"0"
        for name, value in self.headers:
            if name == b"content-length":
                length = value
            elif name in _READ_OTHERWISE:
                return False
        small = len(length) <= _LENGTH_DIGITS and int(length) <= HIGH_WATER_LIMIT
        return small and self.parser.get_http_version() == "1.1"


@lru_cache(1024)
def _plain_path(url: bytes) -> str | None:
    return url.decode("ascii") if _PLAIN.fullmatch(url) else None


class _NobodyWaits(asyncio.Event):
    """The event of a cycle while its application does not wait for anything, as hardly any ever does."""

    def set(self) -> None:
        """Tell nobody."""


_NOBODY_WAITS: Final = _NobodyWaits()


class _Whole(RequestResponseCycle):
    """uvicorn's cycle of one request and its answer, with a short way in and out."""

    _is_read = False
    _start: "HTTPResponseStartEvent | None" = None
    _head = b""
    _length = 0

    async def receive(self) -> "ASGIReceiveEvent":
        """Return the body, which is there; after it, wait until the client goes away."""
        if not self._is_read and not self.disconnected:
            self._is_read = True
            return {"type": "http.request", "body": bytes(self.body), "more_body": False}
        if self.message_event is _NOBODY_WAITS:
            self.message_event = asyncio.Event()
        return await super().receive()

    async def send(self, message: "ASGISendEvent") -> None:
        """Send a message of the answer; a head that tells how long the body is waits for it."""
        if message["type"] == "http.response.start" and not self.response_started:
            self._start = message if self._write_head(message) else None
            if self._start is not None:
                return
        elif message["type"] == "http.response.body" and self._start is not None:
            start, self._start = self._start, None
            body = message.get("body", b"")
            if len(body) == self._length and not message.get("more_body") and self._may_write():
                self._write(self._head + body)
                return
            await super().send(start)
        await super().send(message)

    def _write_head(self, start: "HTTPResponseStartEvent") -> bool:
        """Put the head of the answer into bytes; return False where it is uvicorn that must do so.

        That is where the length of the body is not told, and where something stands in the head that does not belong there.
        """
        lines = [*self.default_headers, *start.get("headers", ())]
        length = None
        head = [STATUS_LINE[start["status"]]]
        for name, value in lines:
            if name == b"content-length":
                length = int(value)
            elif name in _SENT_OTHERWISE:
                return False
            head += (name, b": ", value, b"\r\n")
        if length is None:
            return False
        if not self.keep_alive:
            head.append(b"connection: close\r\n")
        head.append(b"\r\n")
        self._head, self._length = b"".join(head), length
        ends = len(lines) + (2 if self.keep_alive else 3)
        return len(self._head.translate(None, _CONTROLS)) == len(self._head) - 2 * ends

    def _may_write(self) -> bool:
        return not self.disconnected and not self.flow.write_paused and self.scope["method"] != "HEAD"

    def _write(self, answer: bytes) -> None:
        self.response_started = self.response_complete = True
        self.transport.write(answer)
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
