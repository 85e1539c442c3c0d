"""Problem answers (RFC 9457): a stable code, a status, and a sentence in each of the two languages.

The core gives a reason and its facts; a service's one table gives status and words. In a table's sentence `{fact}`
stands for a fact, and a part in square brackets is left out where a fact in it is missing:

    "该时段已约满。[最近的空闲时段：{nearest}。]"

What stands in a table is checked when the application is made, not when somebody is refused.
"""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_jsonable_python
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Message

from shared.clock import SHANGHAI
from shared.contracts import Words
from shared.refusal import Refused
from shared.value import value
from shared.web.faults import faults_of
from shared.web.reason import EdgeReason
from shared.web.words import Language, Vocabulary, negotiate, pick, spoken

MEDIA_TYPE = "application/problem+json"
UNAUTHORIZED, METHOD_NOT_ALLOWED = 401, 405
_log = logging.getLogger(__name__)
_PART = re.compile(r"\[([^\[\]]*)\]|([^\[\]]+)")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_REASON_OF_STATUS: Mapping[int, EdgeReason] = {
    401: EdgeReason.NOT_SIGNED_IN,
    403: EdgeReason.NOT_ALLOWED,
    404: EdgeReason.NOT_FOUND,
    405: EdgeReason.METHOD_NOT_ALLOWED,
    413: EdgeReason.BODY_TOO_LARGE,
    415: EdgeReason.UNSUPPORTED_MEDIA_TYPE,
    429: EdgeReason.TOO_MANY_REQUESTS,
    503: EdgeReason.BUSY,
}


@value(frozen=True, slots=True)
class ProblemText:
    """What a reason becomes at the edge: the HTTP status, a title, and a sentence that says what to do next."""

    status: int
    title: Words
    detail: Words


@value(frozen=True, slots=True)
class Fact:
    """What a `{fact}` is, and an example of it: for the documentation, and for the test that reads every sentence."""

    meaning: str
    example: Any


ProblemTable = Mapping[Any, ProblemText]
"""By reason: the members of a service's own enumeration, or their codes."""

_Part = tuple[bool, tuple[str, ...]]
"""Optional or not, and its pieces: text and the names of facts by turns."""


@value(frozen=True, slots=True)
class Answer:
    """A finished answer: what is sent, and what an idempotency key replays byte for byte."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def response(self) -> Response:
        """Return it as a response."""
        return Response(self.body, self.status, self.headers)

    def head(self) -> Message:
        """Return what ASGI calls the start of the response; the body is to follow whole."""
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()]
        headers.append((b"content-length", b"%d" % len(self.body)))
        return {"type": "http.response.start", "status": self.status, "headers": headers}


@value(frozen=True, slots=True)
class _Compiled:
    text: ProblemText
    detail: Mapping[Language, tuple[_Part, ...]] = field(default_factory=dict)


def placeholders(detail: str) -> frozenset[str]:
    """Return the names of the facts in a table's sentence."""
    return frozenset(_PLACEHOLDER.findall(detail))


def _compile(detail: str) -> tuple[_Part, ...]:
    parts = []
    for optional, plain in _PART.findall(detail):
        parts.append((bool(optional), tuple(_PLACEHOLDER.split(optional or plain))))
    return tuple(parts)


class Problems:
    """The problem answers of one service.

    Args:
        table: status and words of every reason.
        type_base: what a problem's `type` begins with; the code follows with hyphens. Documentation stands there.
        vocabulary: words of codes that may be facts.

    Raises:
        ValueError: if the table lacks a reason of the edge.
    """

    def __init__(self, table: ProblemTable, *, type_base: str, vocabulary: Vocabulary | None = None) -> None:
        missing = {reason.value for reason in EdgeReason} - {str(reason) for reason in table}
        if missing:
            raise ValueError(f"no words for {', '.join(sorted(missing))}")
        self.table = table
        self.vocabulary = vocabulary or {}
        self._type_base = type_base
        self._compiled: dict[str, _Compiled] = {
            str(reason): _Compiled(text, {language: _compile(pick(text.detail, language)) for language in Language})
            for reason, text in table.items()
        }

    def status(self, reason: StrEnum) -> int:
        """Return the status that `reason` has."""
        return self._compiled[reason.value].text.status

    def answer(self, refused: Refused, language: Language, request_id: str) -> Answer:
        """Return the whole answer to a refusal."""
        document = self.document(refused, language, request_id)
        headers = {"content-type": MEDIA_TYPE, "content-language": language.value, "vary": "accept-language"}
        retry = refused.facts.get("retry_after_seconds")
        if retry is not None:
            headers["retry-after"] = str(retry)
        if document["status"] == UNAUTHORIZED:
            headers["www-authenticate"] = 'Bearer realm="yuyue"'
        return Answer(document["status"], headers, to_json(document))

    def document(self, refused: Refused, language: Language, request_id: str) -> dict[str, Any]:
        """Return the members of the problem; `facts` never displace the standard ones."""
        code = refused.reason.value
        compiled = self._compiled[code]
        texts = {
            one: {"title": pick(compiled.text.title, one), "detail": self._detail(compiled, refused.facts, one)}
            for one in Language
        }
        document: dict[str, Any] = {
            "type": self._type_base + code.replace("_", "-"),
            "title": texts[language]["title"],
            "status": compiled.text.status,
            "detail": texts[language]["detail"],
            "instance": f"urn:uuid:{request_id}",
            "code": code,
        }
        if refused.field is not None:
            document["field"] = refused.field
        document |= {name: _plain(value) for name, value in refused.facts.items() if name not in document}
        document["translations"] = texts
        return document

    def _detail(self, compiled: _Compiled, facts: Mapping[str, Any], language: Language) -> str:
        sentence = []
        for optional, pieces in compiled.detail[language]:
            values = [facts.get(name) for name in pieces[1::2]]
            if any(_absent(value) for value in values):
                if optional:
                    continue
                _log.warning("fact_missing_in_words", extra={"title_en": compiled.text.title.en})
            words = [spoken(value, language, self.vocabulary) if not _absent(value) else "—" for value in values]
            sentence += [text for pair in zip(pieces[::2], [*words, ""], strict=True) for text in pair]
        return "".join(sentence)


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, list | tuple) and not value)


def _plain(value: Any) -> Any:
    """Return a fact as JSON: moments in ISO 8601 on the venue's clock (+08:00)."""
    if isinstance(value, datetime):
        return value.astimezone(SHANGHAI).isoformat()
    if isinstance(value, Words):
        return {"zh": value.zh, "en": value.en}
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    return to_jsonable_python(value)


def to_json(document: Any) -> bytes:
    """Write JSON in UTF-8, whatever text is in it: what is no Unicode text (a lone surrogate) becomes a question mark."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _reason_of(status: int) -> EdgeReason:
    """Return the reason for a status that the framework chose."""
    otherwise = EdgeReason.INTERNAL if status >= 500 else EdgeReason.INVALID_REQUEST
    return _REASON_OF_STATUS.get(status, otherwise)


def _methods_at(request: Request) -> set[str]:
    """Return every method that some route takes at this address; the framework names those of the first route only."""
    at_address = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in at_address if isinstance(route, Route) for method in route.methods or ()}


def install_problems(
    app: FastAPI, table: ProblemTable, *, type_base: str, vocabulary: Vocabulary | None = None
) -> Problems:
    """Answer every refusal and every fault of a request with a problem; return what writes them, for the `Edge`."""
    problems = Problems(table, type_base=type_base, vocabulary=vocabulary)

    async def on_refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return problems.answer(error, language_of(request), request_id_of(request)).response()

    async def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return invalid_request(problems, request, error.errors()).response()

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 400:  # the framework's word for a body it could not read
            return invalid_request(problems, request, [{"type": "json_invalid", "loc": ("body",)}]).response()
        refused = Refused(_reason_of(error.status_code))
        response = problems.answer(refused, language_of(request), request_id_of(request)).response()
        if error.status_code == METHOD_NOT_ALLOWED:
            response.headers["allow"] = ", ".join(sorted(_methods_at(request)))
        return response

    app.add_exception_handler(Refused, on_refused)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    return problems


def invalid_request(problems: Problems, request: Request, errors: Sequence[Any]) -> Answer:
    """Return the answer to a request with faults: the first one's place as `field`, every one under `errors`."""
    language = language_of(request)
    entries = faults_of(errors, language)
    refused = Refused(EdgeReason.INVALID_REQUEST, field=entries[0].get("field") if entries else None, errors=entries)
    return problems.answer(refused, language, request_id_of(request))


def language_of(request: Request) -> Language:
    """Return the language that the request prefers."""
    return negotiate(request.headers.get("accept-language"))


def request_id_of(request: Request) -> str:
    """Return the identifier that the `Edge` gave this request."""
    return str(request.scope["visit"].request_id)
