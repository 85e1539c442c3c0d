"""The outermost ring: one plain ASGI middleware, so that a request pays once for what every request needs.

In order: an identifier, who asks (from the token, if it is good), the rate limit, then the body: its size before it is
read, its media type, and characters that no text of ours may hold. A body is handed on whole and at once, with nothing
left to read. Whatever goes wrong inside is answered as a problem and logged under the request's identifier.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.ids import new_text_id
from shared.refusal import Refused
from shared.tokens import Principal
from shared.web.document import NameTwice, read_document
from shared.web.faults import fault
from shared.web.limits import Limits, Spent
from shared.web.problems import Answer, Problems
from shared.web.reason import EdgeReason
from shared.web.words import Language, negotiate

BODY_LIMIT = 64 * 1024
DEEPEST = 32
"""How deeply lists and objects in a body may be nested; ours need five."""

LINGER_SECONDS, LINGER_BYTES = 5.0, 16 * 1024 * 1024
"""How long, and how much of a body too large, is still read and thrown away once its refusal has been sent."""

_log = logging.getLogger(__name__)
_KEPT = frozenset(
    {
        b"authorization",
        b"accept-language",
        b"content-length",
        b"content-type",
        b"idempotency-key",
        b"if-match",
        b"if-none-match",
        b"transfer-encoding",
    }
)
_WITH_CONTENT = frozenset({"POST", "PUT", "PATCH"})
_JSON = "application/json"
_FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_XML = frozenset({"text/xml", "application/xml"})
_SECURITY: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-site"),
)
_UNLESS_SET: tuple[tuple[bytes, bytes], ...] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_HTTPS = (b"strict-transport-security", b"max-age=31536000")


NOT_JSON: Final = object()
"""The document of a body that is not JSON, or of none."""


@dataclass(slots=True)
class Visit:
    """What the edge knows of a request before anybody else reads it; it stands in the scope as `visit`.

    `document` is the body as JSON, read once for everybody.
    """

    request_id: str
    headers: Mapping[bytes, str]
    principal: Principal | None = None
    body: bytes = b""
    document: Any = NOT_JSON

    @property
    def language(self) -> Language:
        """The language that the request prefers."""
        return negotiate(self.headers.get(b"accept-language"))


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeOptions:
    """How an `Edge` stands.

    `identify` returns who a bearer token speaks for, or None where it is not good. `is_unavailable` tells an exception
    that means "not now" (503) from one that means "broken" (500). `unlimited` are paths without a rate limit. To a path
    that begins with `forms` a form may be sent instead of JSON; nobody reads it (a mail program's one-click POST). To one
    that begins with `xml`, XML: its endpoint reads that from `Visit.body`, and takes nothing in it on trust.
    """

    identify: Callable[[str], Awaitable[Principal | None]]
    limits: Limits
    body_limit: int = BODY_LIMIT
    https: bool = False
    unlimited: frozenset[str] = frozenset({"/healthz", "/readyz"})
    forms: str | None = None
    xml: str | None = None
    is_unavailable: Callable[[Exception], bool] = field(default=lambda _: False)


class Edge:
    """The middleware.

    Args:
        app: what is inside.
        problems: writes the answers to what is refused here.
        options: see `EdgeOptions`.
    """

    def __init__(self, app: ASGIApp, problems: Problems, options: EdgeOptions) -> None:
        self._app = app
        self._problems = problems
        self._options = options
        self._always = [*_SECURITY, *([_HTTPS] if options.https else [])]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = scope["visit"] = _visit(scope)
        upload = _Upload(receive)
        reply = _Reply(send, upload, [(b"x-request-id", visit.request_id.encode()), *self._always])
        try:
            visit.principal = await self._identify(visit)
            spent = self._spend(scope, visit)
            if spent is not None:
                reply.headers += spent.headers()
                _refuse_too_many(spent)
            inner = await self._take_body(scope, visit, upload)
            if inner is not None:
                await self._app(scope, inner, reply)
        except Exception as error:  # noqa: BLE001 - the outermost ring: nothing may get past it
            await self._explain(error, visit, scope, reply)

    async def _identify(self, visit: Visit) -> Principal | None:
        scheme, _, token = visit.headers.get(b"authorization", "").partition(" ")
        return await self._options.identify(token) if token and scheme.lower() == "bearer" else None

    def _spend(self, scope: Scope, visit: Visit) -> Spent | None:
        path = scope["path"]
        if path in self._options.unlimited:
            return None
        principal, client = visit.principal, scope.get("client")
        subject = None if principal is None else principal.subject
        return self._options.limits.spend(path, subject, client[0] if client else "")

    async def _take_body(self, scope: Scope, visit: Visit, receive: Receive) -> Receive | None:
        """Return a `receive` that hands on the body whole; None where the client went away meanwhile."""
        _refuse_nul_in_address(scope, visit)
        length = visit.headers.get(b"content-length", "0")
        if length == "0" and b"transfer-encoding" not in visit.headers:
            return receive
        limit = self._options.body_limit
        if length.isdecimal() and int(length[:18]) > limit:
            raise Refused(EdgeReason.BODY_TOO_LARGE, most_bytes=limit)
        body = await _read(receive, limit)
        if body is None:
            return None
        visit.body = body
        media_type = _media_type(visit)
        if body and (media_type == _JSON or not self._is_other_than_json(scope["path"], media_type)):
            if scope["method"] in _WITH_CONTENT:
                _refuse_other_media_type(media_type)
            _refuse_unreadable(visit)
        return _replay(body, receive)

    def _is_other_than_json(self, path: str, media_type: str) -> bool:
        others = ((self._options.forms, _FORMS), (self._options.xml, _XML))
        return any(prefix is not None and path.startswith(prefix) and media_type in kinds for prefix, kinds in others)

    async def _explain(self, error: Exception, visit: Visit, scope: Scope, reply: "_Reply") -> None:
        facts = {"request_id": visit.request_id, "method": scope["method"], "path": scope["path"]}
        if isinstance(error, Refused):
            refused = error
        elif self._options.is_unavailable(error):
            _log.warning("request_not_available", extra=facts, exc_info=error)
            refused = Refused(EdgeReason.BUSY, retry_after_seconds=1)
        else:
            _log.error("request_failed", extra=facts, exc_info=error)
            refused = Refused(EdgeReason.INTERNAL)
        if reply.started:
            raise error  # the answer is half sent: only breaking the connection says so
        await _send(self._problems.answer(refused, visit.language, visit.request_id), reply)


class _Upload:
    """The `receive` that knows whether the body has ended."""

    __slots__ = ("_receive", "ended")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.ended = False

    async def __call__(self) -> Message:
        message = await self._receive()
        self.ended = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def linger(self) -> None:
        """Read on and throw away, within bounds.

        Most clients send all before they read anything: closed at once, the connection would be reset under them, and
        the answer lost (RFC 9112, 9.6).
        """
        left = LINGER_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while left > 0 and not self.ended:
                    left -= len((await self()).get("body", b""))


class _Reply:
    """The `send` that adds the headers every answer has."""

    __slots__ = ("_send", "headers", "started", "upload")

    def __init__(self, send: Send, upload: _Upload, headers: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self.upload = upload
        self.headers = headers
        self.started = False

    def __call__(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.started = True
            headers = [*message.get("headers", ()), *self.headers]
            names = {name for name, _ in headers}
            headers += [one for one in _UNLESS_SET if one[0] not in names]
            message["headers"] = headers
        return self._send(message)


def _refuse_too_many(spent: Spent) -> None:
    if spent.wait:
        raise Refused(EdgeReason.TOO_MANY_REQUESTS, retry_after_seconds=spent.wait)


def _visit(scope: Scope) -> Visit:
    kept: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        if name in _KEPT:
            text = value.decode("latin-1")
            # a field that comes twice is one list (RFC 9110, 5.3), which none of these may be: it will not parse
            kept[name] = f"{kept[name]}, {text}" if name in kept else text
    return Visit(new_text_id(), kept)


async def _read(receive: Receive, limit: int) -> bytes | None:
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > limit:
            raise Refused(EdgeReason.BODY_TOO_LARGE, most_bytes=limit)
        if not message.get("more_body", False):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting = [body]

    async def replay() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replay


def _media_type(visit: Visit) -> str:
    return visit.headers.get(b"content-type", "").partition(";")[0].strip().lower()


def _refuse_other_media_type(media_type: str) -> None:
    if media_type != _JSON and not (media_type.startswith("application/") and media_type.endswith("+json")):
        raise Refused(EdgeReason.UNSUPPORTED_MEDIA_TYPE, media_type=media_type[:64] or None)


def _refuse_nul_in_address(scope: Scope, visit: Visit) -> None:
    if b"%00" in scope["query_string"] or "\0" in scope["path"]:
        raise _invalid("nul_character", visit)


def _refuse_unreadable(visit: Visit) -> None:
    """Refuse what is JSON and still nothing of ours: NUL characters, depth that no document has, a name given twice."""
    body = visit.body
    if (
        b"\0" in body
    ):  # not JSON; or JSON in UTF-16, which RFC 8259 does not allow and whose texts escape the look below
        raise _invalid("json_invalid", visit, field="")
    if body.count(b"[") + body.count(b"{") > DEEPEST and _depth(body) > DEEPEST:
        raise _invalid("json_invalid", visit, field="")
    try:
        document = visit.document = read_document(body)
    except NameTwice:
        raise _invalid("repeated_name", visit, field="") from None
    except ValueError:
        return  # not JSON: whoever parses it will say so
    if b"\\u0000" in body and _nul_in(document):
        raise _invalid("nul_character", visit, field="")


def _invalid(code: str, visit: Visit, **place: str) -> Refused:
    return Refused(EdgeReason.INVALID_REQUEST, **place, errors=[fault(code, place, visit.language, {})])


def _depth(body: bytes) -> int:
    """Return how deep brackets nest, counting those in texts too: nobody's name has 32 of them open."""
    deepest = depth = 0
    for byte in body:
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _nul_in(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, list):
        return any(_nul_in(one) for one in value)
    return isinstance(value, dict) and any("\0" in name or _nul_in(one) for name, one in value.items())


async def _send(answer: Answer, reply: _Reply) -> None:
    head = answer.head()
    too_large = answer.status == 413
    if too_large:
        head["headers"].append((b"connection", b"close"))
    await reply(head)
    await reply({"type": "http.response.body", "body": answer.body, "more_body": too_large})
    if too_large:
        await reply.upload.linger()
        await reply({"type": "http.response.body", "body": b""})
