"""The tour as a client of the public API: it asks as somebody, shows what it asks and what is answered.

The law of this file: every write carries an Idempotency-Key, and whoever is told to come again later (429, 503) or gets
no answer at all comes again with the same key. So nothing is done twice, and nothing is given up that could be had.
"""

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote_plus, urlencode

from services.tour.narration import Narrator
from shared.contracts import Words
from shared.http import NEVER_SENT, Client, HttpError, Response
from shared.web.words import Language

TRIES: Final = 4
LONGEST_WAIT: Final = 95
"""Seconds: the longest Retry-After that the tour waits for. One password every 90 seconds is the slowest rule it meets,
after ten tours in a row."""

COME_AGAIN: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})

START_IT = Words(
    "先启动系统：make run，再在另一个终端里：make tour", "Start it with: make run, then in another terminal: make tour"
)
ASK_AGAIN = Words(
    "请看 make run 所在终端和数据目录 logs/ 里的日志，再运行：make tour",
    "Look at the terminal of make run and at the logs in its data folder, then: make tour",
)

TOO_OFTEN = Words(
    "导览运行得太频繁，系统限制了登录次数：几分钟后再运行 make tour",
    "Too many tours in a short time, and signing in is limited: in some minutes, again: make tour",
)


class Stopped(Exception):  # noqa: N818 - it says what became of the tour
    """The tour cannot go on: `what` failed, what to do about it, and what was answered."""

    def __init__(self, what: Words, to_do: Words = ASK_AGAIN, details: Sequence[str] = ()) -> None:
        super().__init__(what.en)
        self.what = what
        self.to_do = to_do
        self.details = tuple(details)


def must(holds: bool, what: Words, details: Sequence[str] = ()) -> None:
    """Go on only where the system did what it must.

    Raises:
        Stopped: with `what` was not so.
    """
    if not holds:
        raise Stopped(what, details=details)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, under which name the tour speaks of them, and in which language they want to be answered."""

    name: Words
    language: Language
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request. `body` is sent as JSON, and `shows` is shown in its place where it is long.

    `expect` is the status that the answer must have; `key` repeats an earlier request.
    """

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    query: Mapping[str, Any] = field(default_factory=dict)
    expect: int = 200
    key: str | None = None
    if_match: str | None = None
    shows: Mapping[str, Any] | None = None

    @property
    def address(self) -> str:
        """Path and query as they are sent."""
        return f"{self.path}?{urlencode(self.query, doseq=True)}" if self.query else self.path

    @property
    def readable(self) -> str:
        """Path and query as a person reads them."""
        return unquote_plus(self.address)

    @property
    def writes(self) -> bool:
        return self.method != "GET"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def said(self) -> str:
        """Status and its standard phrase, with a problem's code where it is one."""
        code = self.body.get("code") if isinstance(self.body, dict) and self.status >= 400 else None
        return f"{self.status} {HTTPStatus(self.status).phrase}" + (f" · {code}" if code else "")


Shown = Callable[[Any], Sequence[str]]
"""The lines that show an answer's body."""


class Api:
    """One service's API at `base_url`; each request is shown by `narrator` unless it is made quietly."""

    def __init__(self, http: Client, base_url: str, narrator: Narrator, pause: float) -> None:
        self.base_url = base_url
        self.http = http
        self._narrator = narrator
        self._pause = pause

    async def ask(self, caller: Caller, ask: Ask, shown: Shown | None = None) -> Answer:
        """Ask, show both sides, and return the answer.

        Raises:
            Stopped: the status is not the one expected, or there is no answer.
        """
        await asyncio.sleep(self._pause)
        narrator = self._narrator
        narrator.asks(narrator.pick(caller.name), ask.method, ask.readable, ask.shows or ask.body)
        answer = await self.quietly(caller, ask)
        lines = shown(answer.body) if shown is not None else ()
        if answer.status >= HTTPStatus.BAD_REQUEST:
            narrator.refuses(answer.said, lines)
        else:
            narrator.answers(answer.said, lines)
        return answer

    async def quietly(self, caller: Caller, ask: Ask) -> Answer:
        """Ask without showing it.

        Raises:
            Stopped: as `ask`.
        """
        answer = await self._answer(caller, ask, ask.key or new_key())
        if answer.status != ask.expect:
            raise Stopped(
                Words(
                    f"{ask.method} {ask.path} 应答复 {ask.expect}，实际是 {answer.said}",
                    f"{ask.method} {ask.path} was to be answered {ask.expect} and was answered {answer.said}",
                ),
                TOO_OFTEN if answer.status == HTTPStatus.TOO_MANY_REQUESTS else ASK_AGAIN,
                details=[str(answer.body)[:600]],
            )
        return answer

    async def _answer(self, caller: Caller, ask: Ask, key: str) -> Answer:
        for attempt in range(1, TRIES + 1):
            try:
                response = await self._send(caller, ask, key)
            except HttpError as error:
                if attempt == TRIES:
                    raise self._unreachable(error) from error
                await asyncio.sleep(attempt)
                continue
            wait = _wait(response) if response.status_code != ask.expect else None
            if wait is None or attempt == TRIES:
                return _read(response)
            self._narrator.note(
                Words(
                    f"{response.status_code}：{wait} 秒后用同一个键再试",
                    f"{response.status_code}: again in {wait} s, with the same key",
                )
            )
            await asyncio.sleep(wait)
        raise AssertionError("the last try returns or raises")

    async def _send(self, caller: Caller, ask: Ask, key: str) -> Response:
        headers = {"accept-language": caller.language.value}
        if caller.token is not None:
            headers["authorization"] = f"Bearer {caller.token}"
        if ask.writes:
            headers["idempotency-key"] = key
        if ask.if_match is not None:
            headers["if-match"] = ask.if_match
        options: dict[str, Any] = {"headers": headers} if ask.body is None else {"headers": headers, "json": ask.body}
        return await self.http.request(ask.method, self.base_url + ask.address, **options)

    def _unreachable(self, error: HttpError) -> Stopped:
        never = isinstance(error, NEVER_SENT)
        what = Words(f"{self.base_url} 没有答复", f"{self.base_url} does not answer")
        return Stopped(what, START_IT if never else ASK_AGAIN, [repr(error)])


def new_key() -> str:
    """Return a new Idempotency-Key: a structured string in double quotes."""
    return f'"{uuid.uuid4()}"'


def _wait(response: Response) -> int | None:
    """Return the seconds until the same request may come again, or None where it need not."""
    if response.status_code not in COME_AGAIN:
        return None
    seconds = response.headers.get("retry-after", "1")
    return int(seconds) if seconds.isdigit() and int(seconds) <= LONGEST_WAIT else None


def _read(response: Response) -> Answer:
    is_json = "json" in response.headers.get("content-type", "")
    return Answer(response.status_code, response.headers, response.json() if is_json else response.text)
