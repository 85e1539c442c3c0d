"""A mail server that delivers to nobody: every message becomes a file in `mail/`, newest name last."""

import asyncio
import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

MESSAGE_BYTES = 10_000_000


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

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Store the message, whole or not at all, and only then say that it was taken."""
        now = datetime.now(UTC)
        name = f"{now:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}.eml"
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        recipients = ", ".join(envelope.rcpt_tos)
        await asyncio.to_thread(self._store, name, f"X-Envelope-To: {recipients}\r\n".encode() + content)
        print(f"mail to {recipients}: {name}", flush=True)  # noqa: T201 - this line is what the sink is for
        return "250 OK"

    def _store(self, name: str, content: bytes) -> None:
        unfinished = self._folder / f".{name}"
        unfinished.write_bytes(content)
        unfinished.replace(self._folder / name)

    def newest(self, count: int) -> list[Mail]:
        """Return the last `count` messages, newest first; one that cannot be read is shown as it is."""
        files = sorted(self._folder.glob("*.eml"), reverse=True)[:count]
        return [_read(path) for path in files]


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
