"""Logs: one JSON object a line on standard error, and no personal data in any of them.

Facts go into `extra`, each under its own key, so that a line can be searched and, above all, cleaned:

    logger.info("booking_kept", extra={"booking_id": booking.id, "state": booking.state})

Two sieves work on every line. Values under keys that speak of a person (`phone`, `document_number`, `token`, …) are
replaced whatever they hold. What is left is searched for the shapes of telephone numbers, identity numbers, e-mail
addresses and signed tokens, wherever they hide: in a message, a nested value or an exception. The sieves are the last
guard and no licence: do not log personal data.
"""

import json
import logging
import math
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, Final, TextIO
from uuid import UUID

REDACTED: Final = "[redacted]"
DEPTH_MOST: Final = 8

PERSONAL: Final = frozenset(
    {
        "address", "authorization", "birth", "body", "code", "contact", "cookie", "credential", "credentials",
        "document", "documents", "email", "key", "mail", "name", "names", "number", "numbers", "otp", "password",
        "pepper", "phone", "phones", "recipient", "sealed", "secret", "signature", "telephone", "token", "tokens",
    }
)  # fmt: skip
"""Words that make a key personal; `contact_phone` has one, and so has `phoneNumber`."""

HARMLESS: Final = frozenset(
    {"city_name", "error_code", "event_number", "exit_code", "file_name", "host_name", "kind_name", "reason_code",
     "service_name", "status_code", "table_name", "tick_name", "venue_name"}
)  # fmt: skip
"""Keys that have such a word and yet speak of no person."""

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_SHAPES: Final = re.compile(
    r"eyJ[\w-]{5,}(?:\.[\w-]*){2,4}"  # signed or sealed JOSE object
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"  # e-mail address
    r"|(?<![\w-])\d{17}[\dXx](?![\w-])"  # resident identity number, GB 11643
    r"|(?<![\w-])(?:\+?86[ -]?)?1[3-9]\d{9}(?![\w-])"  # mainland mobile number
    r"|(?<![\w-])\+\d{8,15}(?![\w-])"  # any other number in E.164 form
)
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

_context: ContextVar[Mapping[str, Any]] = ContextVar("log_context", default=MappingProxyType({}))


@contextmanager
def log_context(**facts: Any) -> Iterator[None]:
    """Add `facts` (a `request_id`, a `tick_name`) to every line that is logged inside, in this task and its children."""
    token = _context.set({**_context.get(), **facts})
    try:
        yield
    finally:
        _context.reset(token)


def redact(value: Any, key: str = "", depth: int = 0) -> Any:
    """Return `value` as JSON with everything personal replaced; `key` is what it stands under.

    Objects are not trusted to print themselves: dataclasses are taken apart, so that their fields are sieved like keys,
    and of anything else unknown only the class is told. Whatever is given, a value comes out.
    """
    if key and _is_personal(key):
        return REDACTED
    if depth > DEPTH_MOST:
        return "…"
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): redact(member, str(name), depth + 1) for name, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(member, depth=depth + 1) for member in value]
    return _redact_scalar(value)


def _redact_scalar(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str | UUID | date | time | timedelta | Decimal | PurePath):
        return redact_text(str(value))
    if isinstance(value, BaseException):
        return redact_text(repr(value))
    return f"<{type(value).__name__}>"


def redact_text(value: str) -> str:
    """Return `value` with every telephone number, identity number, e-mail address and token replaced."""
    return _SHAPES.sub(REDACTED, value)


def _is_personal(key: str) -> bool:
    return key not in HARMLESS and any(word.lower() in PERSONAL for word in _WORD.findall(key))


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON: `time` (UTC), `level`, `logger`, `message`, the context, the extras."""

    def format(self, record: logging.LogRecord) -> str:
        extras = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        facts = {**_context.get(), **extras}
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact_text(record.getMessage()),
            **{
                f"{key}_" if key in {"time", "level", "logger", "message"} else key: redact(value, key)
                for key, value in facts.items()
            },
        }
        if record.exc_info:
            line["error"] = redact_text(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, separators=(",", ":"))


def configure(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send all logs of this process to standard error (or `stream`) as JSON lines, from `level` on."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    for noisy in ("httpx", "httpcore", "nats"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # That a tick is skipped while the last one still runs is the metronome's promise, not a warning.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
