"""A mail server that delivers to nobody: every message becomes a file in `mail/`, newest name last.

It fails as its plan says (`faults.py`, provider `smtp`); the ledger knows each mail by its Message-ID.
"""

import asyncio
import contextlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from services.sink.faults import TAKES, Fault, Faults
from services.sink.ledger import Ledger

MESSAGE_BYTES = 10_000_000
PROVIDER = "smtp"
_MESSAGE_ID = re.compile(rb"^message-id:\s*<([^@>\s]+)", re.IGNORECASE | re.MULTILINE)
_REFUSALS = {
    Fault.BUSY: "451 4.7.1 too many messages, come again",
    Fault.AWAY: "421 4.3.2 closing",
    Fault.BROKEN: "451 4.3.0 something broke",
    Fault.MALFORMED: "what was that",
}


@dataclass(frozen=True, slots=True)
class Mail:
    """One message as it lies in the folder."""

    at: datetime
    to: Sequence[str]
    subject: str
    text: str
    file: str


class MailFolder:
    """Keeps messages; `handle_DATA` is the name that aiosmtpd calls."""

    def __init__(self, folder: Path, faults: Faults | None = None, ledger: Ledger | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._faults = faults or Faults()
        self._ledger = Ledger() if ledger is None else ledger

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Store the message, whole or not at all, and only then say that it was taken; or fail as the plan says."""
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        found = _MESSAGE_ID.search(content)
        key = found[1].decode("ascii", "replace") if found else secrets.token_hex(8)
        plan, fault = self._faults.plan(PROVIDER), self._faults.next(PROVIDER, key)
        await asyncio.sleep(plan.delay_seconds)
        if fault in TAKES:
            await self._take(key, envelope.rcpt_tos, content)
        if fault is Fault.SILENT:
            await asyncio.sleep(plan.silent_seconds)
        if fault in {Fault.DROPPED_BEFORE, Fault.DROPPED_AFTER, Fault.SILENT}:
            _cut(server)
        return "250 OK" if fault is None else _REFUSALS.get(fault, "421 4.3.2 gone")

    async def _take(self, key: str, to: Sequence[str], content: bytes) -> None:
        now = datetime.now(UTC)
        name = f"{now:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}.eml"
        recipients = ", ".join(to)
        await asyncio.to_thread(self._store, name, f"X-Envelope-To: {recipients}\r\n".encode() + content)
        for recipient in to:
            self._ledger.add(now, ("mail", PROVIDER), key, recipient)
        print(f"mail to {recipients}: {name}", flush=True)  # noqa: T201 - this line is what the sink is for

    def _store(self, name: str, content: bytes) -> None:
        unfinished = self._folder / f".{name}.part"  # "*.eml" finds hidden files, too
        unfinished.write_bytes(content)
        unfinished.replace(self._folder / name)

    def newest(self, count: int) -> list[Mail]:
        """Return the last `count` messages, newest first; one that cannot be read is shown as it is."""
        files = sorted(self._folder.glob("*.eml"), reverse=True)[:count]
        return [_read(path) for path in files]


def _cut(server: SMTP) -> None:
    """Have the connection go without a word."""
    if isinstance(server.transport, asyncio.Transport):
        server.transport.abort()


def _read(path: Path) -> Mail:
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    stamp = path.name.partition("Z-")[0]
    return Mail(
        at=datetime.strptime(stamp, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC),
        to=[address.strip() for address in str(message["X-Envelope-To"] or "").split(",")],
        subject=str(message["Subject"] or ""),
        text=_text(message),
        file=path.name,
    )


def _text(message: EmailMessage) -> str:
    body = message.get_body(preferencelist=("plain", "html"))
    with contextlib.suppress(LookupError, UnicodeDecodeError, AttributeError):
        return str(body.get_content()).strip() if body is not None else ""
    return "(unreadable)"


def smtp_protocol(folder: MailFolder) -> SMTP:
    """Return the protocol for one connection: RFC 5321 with SMTPUTF8, no sign-in, at most `MESSAGE_BYTES` a message."""
    return SMTP(
        folder, enable_SMTPUTF8=True, data_size_limit=MESSAGE_BYTES, hostname="sink.yuyue.test", ident="Yuyue sink"
    )
