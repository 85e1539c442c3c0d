"""An answer leaves in one piece: the head waits for the body, so that each answer is one system call and one packet.

uvicorn writes the head as soon as the application starts to answer and the body when it comes, two writes for each
answer, which is a tenth of what a booking costs. A head that has no body by the end of the loop's turn, because the
answer is a stream, goes out alone.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_BEGINS, _HEAD_ENDS = b"HTTP/1.1 ", b"\r\n\r\n"


class OneWriteProtocol(HttpToolsProtocol):
    """uvicorn's protocol on a transport that joins head and body; for `uvicorn.Config(http=...)`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to serve a connection."""
        super().connection_made(_Joining(transport, self.loop))  # type: ignore[arg-type]


class _Joining:
    """A transport that keeps a head back until the next write, for one turn of the loop at most."""

    __slots__ = ("_head", "_loop", "_transport", "_waits")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""
        self._waits = False

    def write(self, data: bytes) -> None:
        """Write `data`, together with the head that waits; a head alone waits."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.endswith(_HEAD_ENDS) and data.startswith(_BEGINS):
            self._head = data
            if not self._waits:
                self._waits = True
                self._loop.call_soon(self._turn_ends)
            return
        self._transport.write(data)

    def close(self) -> None:
        """Write what waits, then close."""
        self._flush()
        self._transport.close()

    def _turn_ends(self) -> None:
        self._waits = False
        self._flush()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
