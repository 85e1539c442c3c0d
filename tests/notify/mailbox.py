"""A real SMTP server in this process that misbehaves by plan, and keeps a ledger of what a person would have seen."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from enum import StrEnum

from aiosmtpd.smtp import SMTP, Envelope, Session


class Fault(StrEnum):
    GREYLISTED = "greylisted"
    """450 to the recipient."""
    NO_SUCH_MAILBOX = "no_such_mailbox"
    """550 to the recipient, quoting the address as servers do."""
    CONTENT_REFUSED = "content_refused"
    """554 to the content."""
    DROPPED_BEFORE_CONTENT = "dropped_before_content"
    """The connection goes after RCPT: the mail is surely not taken."""
    DROPPED_AFTER_CONTENT = "dropped_after_content"
    """The mail is taken, and the connection goes before the reply: the classic duplicate."""
    SILENT_AFTER_CONTENT = "silent_after_content"
    """The mail is taken, and no reply ever comes."""


def words_of(mail: EmailMessage, part: str = "plain") -> str:
    """Return what a part of a mail says, with plain line ends."""
    body = mail.get_body((part,))
    assert body is not None
    content = body.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")


def cut(server: SMTP) -> None:
    """Have the connection go without a word."""
    if isinstance(server.transport, asyncio.Transport):
        server.transport.abort()


@dataclass(slots=True)
class Mailbox:
    """What arrived, in order, and how the next mails are to be treated (in order; then all is well)."""

    faults: list[Fault] = field(default_factory=list)
    seen: list[EmailMessage] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    on_content: Callable[[], None] | None = None
    sessions: list[SMTP] = field(default_factory=list)
    _silences: list[asyncio.Event] = field(default_factory=list)

    def to(self, address: str) -> list[EmailMessage]:
        return [mail for mail in self.seen if mail["To"] == address]

    # -- hooks of aiosmtpd

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        fault = self.faults[0] if self.faults else None
        match fault:
            case Fault.GREYLISTED:
                self.faults.pop(0)
                return "450 4.2.0 greylisted, come again"
            case Fault.NO_SUCH_MAILBOX:
                self.faults.pop(0)
                return f"550 5.1.1 <{address}>: no such mailbox"
            case Fault.DROPPED_BEFORE_CONTENT:
                self.faults.pop(0)
                cut(server)
                return "250 too late"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        fault = self.faults.pop(0) if self.faults else None
        if fault is Fault.CONTENT_REFUSED:
            return "554 5.7.1 this looks like spam"
        mail = message_from_bytes(envelope.content if isinstance(envelope.content, bytes) else b"", policy=default)
        assert isinstance(mail, EmailMessage)
        self.seen.append(mail)
        if self.on_content is not None:
            self.on_content()
        if fault is Fault.DROPPED_AFTER_CONTENT:
            cut(server)
        if fault is Fault.SILENT_AFTER_CONTENT:
            silence = asyncio.Event()
            self._silences.append(silence)
            await silence.wait()
        return "250 2.0.0 taken"

    def hang_up(self) -> None:
        """Close every connection, as servers do with idle ones."""
        for one in self.sessions:
            cut(one)
        self.sessions.clear()

    def end_silences(self) -> None:
        for silence in self._silences:
            silence.set()


@asynccontextmanager
async def running_mailbox() -> AsyncIterator[Mailbox]:
    mailbox = Mailbox()
    loop = asyncio.get_running_loop()

    def session() -> SMTP:
        server = SMTP(mailbox, hostname="mailbox.test", loop=loop)
        mailbox.sessions.append(server)
        return server

    listening = await loop.create_server(session, "127.0.0.1", 0)
    mailbox.port = listening.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        mailbox.end_silences()
        listening.close()
        mailbox.hang_up()
        await asyncio.sleep(0)
        await listening.wait_closed()
