"""A stand-in for WeChat's and WeCom's APIs that refuses what the real ones refuse.

The law of this file: nothing is taken on trust. There is one good stable token for each application at a time: asking by
force puts the one before it out, and a token asked for too often is refused (45009). The older way to ask (`token`) has
a token of its own, which each asking replaces; neither puts the other's out. A mini-program's message needs the
reader's consent, which this side counts by itself (43101 without); each field of a message is held to its kind
(47003); the official account answers a known `client_msg_id` without showing it twice, and WeCom a known content. It shares no code
with the sender. Sources: the error codes and limits in the documentation of both.
"""

import hashlib
import json
import re
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

TOKEN_LIFETIME = timedelta(hours=2)
FORCED_PER_DAY = 20
DUPLICATES_KNOWN = timedelta(minutes=10)
FIELDS: Mapping[str, str] = {
    "thing": r".{1,20}",
    "number": r"[\d.]{1,32}",
    "letter": r"[A-Za-z]{1,32}",
    "symbol": r"[^\w\s]{1,5}",
    "character_string": r"[\x20-\x7e]{1,32}",
    "time": r"(\d{4}年\d{1,2}月\d{1,2}日 ?)?\d{1,2}:\d{2}|\d{4}-\d\d-\d\d \d\d:\d\d",
    "date": r"\d{4}年\d{1,2}月\d{1,2}日( \d{1,2}:\d{2})?|\d{4}-\d\d-\d\d( \d\d:\d\d)?",
    "phrase": r"[一-鿿]{1,5}",
    "name": r".{1,20}",
    "const": r".{1,20}",
}


class Refused(Exception):  # noqa: N818 - an answer of the provider
    """The request is not served; `code` is the provider's errcode."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message that is taken. `fresh` is False where a repetition was known as one, and nothing was shown."""

    to: str
    key: str
    title: str
    text: str
    fresh: bool


@dataclass(slots=True, kw_only=True)
class Application:
    """One application (mini-program, official account or WeCom): its token, its people, what it sent."""

    app_id: str
    secret: str
    token: str = ""
    token_until: datetime | None = None
    older_token: str = ""
    older_until: datetime | None = None
    fetched: int = 0
    forced: int = 0
    quota: int | None = None
    people: set[str] = field(default_factory=set)
    codes: dict[str, str] = field(default_factory=dict)
    consents: Counter[tuple[str, str]] = field(default_factory=Counter)
    known: dict[str, datetime] = field(default_factory=dict)

    def give_token(self, app_id: str, secret: str, now: datetime, *, force: bool) -> dict[str, Any]:
        """Return the token: the same while it is good, another by force.

        Raises:
            Refused: wrong secret, or forced too often.
        """
        self._know(app_id, secret)
        if force:
            self.forced += 1
            if self.forced > FORCED_PER_DAY:
                raise Refused(45009, "reach max api daily quota limit")
        if force or self.token_until is None or self.token_until <= now:
            self.token, self.token_until = secrets.token_urlsafe(24), now + TOKEN_LIFETIME
        self.fetched += 1
        return {"access_token": self.token, "expires_in": int((self.token_until - now).total_seconds())}

    def replace_older_token(self, app_id: str, secret: str, now: datetime) -> dict[str, Any]:
        """Return a token as the older way gives it: another each time.

        Raises:
            Refused: wrong secret.
        """
        self._know(app_id, secret)
        self.older_token, self.older_until = secrets.token_urlsafe(24), now + TOKEN_LIFETIME
        return {"access_token": self.older_token, "expires_in": int(TOKEN_LIFETIME.total_seconds())}

    def _know(self, app_id: str, secret: str) -> None:
        if (app_id, secret) != (self.app_id, self.secret):
            raise Refused(40125, "invalid appsecret")

    def join(self, address: str) -> str:
        """Make somebody known here; return a code that stands for them once."""
        self.people.add(address)
        code = secrets.token_hex(8)
        self.codes[code] = address
        return code

    def person(self, code: str) -> str:
        """Return whose a code is, once.

        Raises:
            Refused: it is nobody's, or was used.
        """
        if code not in self.codes:
            raise Refused(40029, "invalid code")
        return self.codes.pop(code)

    def check(self, token: str, to: object, now: datetime) -> str:
        """Return the recipient of a call with a good token.

        Raises:
            Refused: 40001, 42001, 45009, 40003.
        """
        known = {self.older_token: self.older_until, self.token: self.token_until}
        if not token or token not in known:
            raise Refused(40001, "invalid credential, access_token is invalid or not latest")
        until = known[token]
        if until is None or until <= now:
            raise Refused(42001, "access_token expired")
        if self.quota is not None:
            if self.quota <= 0:
                raise Refused(45009, "reach max api daily quota limit")
            self.quota -= 1
        if not isinstance(to, str) or to not in self.people:
            raise Refused(40003, "invalid openid")
        return to

    def is_repetition(self, key: str, now: datetime, known_for: timedelta) -> bool:
        """Return whether `key` came before, not too long ago; remember it."""
        before = self.known.get(key)
        if before is not None and now - before < known_for:
            return True
        self.known[key] = now
        return False


def take_subscription(app: Application, token: str, body: Mapping[str, Any], now: datetime) -> Message:
    """Take a mini-program's subscription message.

    Raises:
        Refused: with the errcode.
    """
    to = app.check(token, body.get("touser"), now)
    template, data = body.get("template_id"), body.get("data")
    if not isinstance(template, str) or not template:
        raise Refused(40037, "invalid template_id")
    text = _checked(data)
    if app.consents[to, template] <= 0:
        raise Refused(43101, "user refuse to accept the msg")
    app.consents[to, template] -= 1
    return Message(to=to, key=_digest(to, template, text), title=template, text=text, fresh=True)


def take_template(app: Application, token: str, body: Mapping[str, Any], now: datetime) -> Message:
    """Take an official account's template message; one with a known `client_msg_id` is answered and not shown.

    Raises:
        Refused: with the errcode.
    """
    to = app.check(token, body.get("touser"), now)
    template, key = body.get("template_id"), body.get("client_msg_id")
    if not isinstance(template, str) or not template:
        raise Refused(40037, "invalid template_id")
    if key is not None and not (isinstance(key, str) and re.fullmatch(r"[\w-]{1,32}", key)):
        raise Refused(47001, "client_msg_id")
    text = _checked(body.get("data"))
    known = key is not None and app.is_repetition(f"{to}/{key}", now, DUPLICATES_KNOWN)
    return Message(to=to, key=key or _digest(to, template, text), title=template, text=text, fresh=not known)


def take_work(app: Application, token: str, body: Mapping[str, Any], now: datetime) -> Message:
    """Take a WeCom text; the same again within the asked interval is answered and not shown.

    Raises:
        Refused: with the errcode.
    """
    to = app.check(token, body.get("touser"), now)
    content = body.get("text", {}).get("content") if body.get("msgtype") == "text" else None
    if not isinstance(body.get("agentid"), int):
        raise Refused(40056, "invalid agentid")
    if not isinstance(content, str) or not 0 < len(content.encode()) <= 2048:
        raise Refused(45002, "content size out of limit")
    interval = body.get("duplicate_check_interval", 1800)
    if not isinstance(interval, int) or not 0 < interval <= 4 * 3600:
        raise Refused(40058, "duplicate_check_interval")
    known = bool(body.get("enable_duplicate_check")) and app.is_repetition(
        _digest(to, content), now, timedelta(seconds=interval)
    )
    return Message(to=to, key=_digest(to, content), title=content.partition("\n")[0], text=content, fresh=not known)


def _checked(data: object) -> str:
    if not isinstance(data, dict) or not data:
        raise Refused(47003, "argument invalid")
    lines = []
    for name, given in data.items():
        value = given.get("value") if isinstance(given, dict) else None
        kind = re.fullmatch(r"([a-z_]+?)\d+", name)
        form = FIELDS.get(kind[1]) if kind else None
        if form is None or not isinstance(value, str) or not re.fullmatch(form, value):
            raise Refused(47003, f"argument invalid! data.{name}.value invalid")
        lines.append(f"{name}：{value}")
    return "\n".join(lines)


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
