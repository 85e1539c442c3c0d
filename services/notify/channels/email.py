"""E-mail over SMTP (RFC 5321).

What is known after an attempt depends on how far it came. Before the content was handed over, whatever goes wrong, the
message surely did not leave. A reply to the content is a fact. If the connection goes, or time runs out, between the
content and its reply, the server may have taken it: the outcome is unknown, and the message is not sent again. Should
one leave twice all the same, both copies bear the same Message-ID, by which mail stores recognise a repetition.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.errors import MessageError
from email.header import Header
from email.headerregistry import Address
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, formataddr
from enum import StrEnum
from functools import cache
from types import MappingProxyType

from aiosmtplib import SMTP, SMTPException, SMTPResponseException, SMTPServerDisconnected, SMTPTimeoutError

from services.notify.channels import calendar
from services.notify.channels.calendar import Entry
from services.notify.channels.carrier import Mail, Send
from services.notify.domain.message import Why
from services.notify.domain.outcome import Outcome, accepted, permanent, temporary, unknown
from shared.clock import SHANGHAI

CRLF = compat32.clone(linesep="\r\n", max_line_length=900)
"""A header is not folded before it must be (RFC 5322, 2.1.1): a long address in one, `List-Unsubscribe` above all, stays in
its first line, where every mail program looks for it."""
MAILS_A_CONNECTION = 100
"""After so many a new one is made: many servers want no more."""

_ENHANCED = re.compile(r"^([245]\.\d{1,3}\.\d{1,3})\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mail goes and from whom. `seconds` bounds each reply; `connections` are opened for a batch, at most."""

    host: str
    port: int
    sender: str
    sender_name: str
    starttls: bool = False
    user: str | None = None
    password: str | None = None
    seconds: float = 15.0
    connections: int = 8


class Stage(StrEnum):
    """How far an attempt has come; the same reply means different things at different stages."""

    GREETING = "greeting"
    SENDER = "sender"
    RECIPIENT = "recipient"
    CONTENT = "content"


_OUTCOMES: Mapping[tuple[Stage, int], tuple[bool, Why]] = MappingProxyType(
    {
        # whoever is refused before the recipient is named is we ourselves: that passes when somebody puts it right
        (Stage.GREETING, 4): (True, Why.PROVIDER_BUSY),
        (Stage.GREETING, 5): (True, Why.PROVIDER_REFUSES_US),
        (Stage.SENDER, 4): (True, Why.PROVIDER_BUSY),
        (Stage.SENDER, 5): (True, Why.PROVIDER_REFUSES_US),
        (Stage.RECIPIENT, 4): (True, Why.PROVIDER_BUSY),
        (Stage.RECIPIENT, 5): (False, Why.ADDRESS_REFUSED),
        (Stage.CONTENT, 4): (True, Why.PROVIDER_BUSY),
        (Stage.CONTENT, 5): (False, Why.CONTENT_REFUSED),
    }
)
"""By stage and first digit of the reply: whether it may pass, and why."""


def outcome_of(stage: Stage, code: int, text: str) -> Outcome:
    """Return what an SMTP reply means; of its text only the enhanced status code (RFC 3463) is kept."""
    enhanced = _ENHANCED.match(text)
    words = f"{code} {enhanced[1]}" if enhanced else str(code)
    if stage is Stage.CONTENT and code // 100 not in {4, 5}:
        return unknown(f"unreadable:{words}")  # an answer to the content that is none: it may have been taken
    passes, why = _OUTCOMES.get((stage, code // 100), (True, Why.PROVIDER_REFUSES_US))
    return temporary(why, words) if passes else permanent(why, words)


def compose(mail: Mail, server: MailServer) -> MIMEMultipart:
    """Return the mail: plain text and HTML with the same words, a stable Message-ID, marked as sent by a machine.

    Made by the older half of the standard library, which writes headers and does not parse them first: a third of the cost.

    Raises:
        ValueError: the address is none that SMTP could carry (RFC 5321 without SMTPUTF8).
    """
    message = MIMEMultipart("alternative", policy=CRLF)
    message["From"] = _sender(server.sender_name, server.sender)
    message["To"] = _address(mail.to)
    message["Subject"] = _encoded(mail.words.title)
    message["Date"] = format_datetime(mail.at.astimezone(SHANGHAI))
    message["Message-ID"] = f"<{mail.message_id}@{server.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office reply to this
    message["Content-Language"] = mail.language.value
    if mail.unsubscribe is not None:
        message["List-Unsubscribe"] = f"<{mail.unsubscribe}>"  # RFC 2369
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    message.attach(_part(mail.words.body + "\n", "plain"))
    message.attach(_part(mail.html, "html"))
    if mail.calendar is not None:
        message.attach(_calendar(mail.calendar, mail, server))
    return message


def _part(content: str, subtype: str) -> MIMEText:
    """Return a part in base64, its lines ended as mail wants them."""
    return MIMEText("\r\n".join(content.splitlines()) + "\r\n", subtype, "utf-8", policy=CRLF)


def _calendar(entry: Entry, mail: Mail, server: MailServer) -> MIMEText:
    """Return the booking's entry as mail programs look for it: one more way to say the same (RFC 6047, 2.4)."""
    content = calendar.render(
        entry, organizer=server.sender, organizer_name=server.sender_name, attendee=mail.to, at=mail.at
    )
    part = _part(content.decode(), "calendar")
    part.set_param("method", calendar.CANCEL if entry.cancelled else calendar.REQUEST)
    part.set_param("name", calendar.FILE_NAME)
    return part


def _encoded(title: str) -> str:
    return title if title.isascii() else Header(title, "utf-8", header_name="Subject").encode(linesep=CRLF.linesep)


@cache
def _sender(name: str, address: str) -> str:
    return formataddr((name, address))


def _address(given: str) -> str:
    if not given.isascii():
        raise ValueError("an address outside ASCII")
    try:
        return str(Address(addr_spec=given))
    except (MessageError, IndexError):  # the parser's other ways to say that it is no address
        raise ValueError("not an address") from None


@dataclass(frozen=True, slots=True)
class Smtp:
    """The carrier of e-mail."""

    server: MailServer
    provider: str = "smtp"
    _places: asyncio.Semaphore = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Count connections over all batches: the server is promised no more than so many."""
        object.__setattr__(self, "_places", asyncio.Semaphore(self.server.connections))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Send[Mail]]:
        """Open: connections are made as they are needed, shared by all that is sent, and closed at the end."""
        post = _Post(self.server, self._places)
        try:
            yield post.send
        finally:
            await post.close()


@dataclass(slots=True)
class _Line:
    """A connection, how many mails it has carried, and whether the last one was refused midway."""

    client: SMTP
    carried: int = 0
    refused: bool = False


class _Post:
    """The connections of one flow of mails."""

    def __init__(self, server: MailServer, places: asyncio.Semaphore) -> None:
        self._server = server
        self._idle: list[_Line] = []
        self._places = places

    async def send(self, mail: Mail) -> Outcome:
        async with self._places:
            # written only now, and not for all of a batch at once: the others' replies are waited for meanwhile
            try:
                content = compose(mail, self._server).as_bytes()
            except ValueError:
                return permanent(Why.ADDRESS_REFUSED, "not_an_address")
            stage = Stage.SENDER
            try:
                line = await self._begun()
                if line is None:
                    stage = Stage.GREETING
                    greeted = await self._connect()
                    stage = Stage.SENDER
                    line = await self._begin(greeted)
            except SMTPResponseException as reply:
                return outcome_of(stage, reply.code, reply.message)
            except (SMTPException, OSError) as error:
                return temporary(Why.PROVIDER_UNREACHABLE, type(error).__name__)
            return await self._hand_over(line, mail.to, content)

    async def close(self) -> None:
        """Say goodbye; whatever was sent is already settled, so no failure here matters."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(_leave(line.client) for line in idle))

    async def _begun(self) -> _Line | None:
        """Return a kept connection on which a mail was begun. A server may have closed one at any time while it was idle."""
        while self._idle:
            with suppress(SMTPServerDisconnected, SMTPTimeoutError, OSError):
                return await self._begin(self._idle.pop())
        return None

    async def _begin(self, line: _Line) -> _Line:
        try:
            if line.refused:
                await line.client.rset()
                line.refused = False
            await line.client.mail(self._server.sender)
        except BaseException:
            line.client.close()
            raise
        return line

    async def _connect(self) -> _Line:
        server = self._server
        client = SMTP(
            hostname=server.host,
            port=server.port,
            start_tls=server.starttls,
            username=server.user,
            password=server.password,
            timeout=server.seconds,
            local_hostname=server.sender.rpartition("@")[2],
        )
        await client.connect()
        return _Line(client)

    async def _hand_over(self, line: _Line, to: str, content: bytes) -> Outcome:
        client, stage = line.client, Stage.RECIPIENT
        try:
            await client.rcpt(to)
            stage = Stage.CONTENT
            reply = await client.data(content)
        except SMTPResponseException as refusal:
            line.refused = True
            self._put_back(line)
            return outcome_of(stage, refusal.code, refusal.message)
        except (SMTPException, OSError) as error:
            client.close()
            code = f"{stage.value}:{type(error).__name__}"
            return unknown(code) if stage is Stage.CONTENT else temporary(Why.PROVIDER_UNREACHABLE, code)
        self._put_back(line)
        return accepted(str(reply.code))

    def _put_back(self, line: _Line) -> None:
        """Keep the connection for the next mail."""
        line.carried += 1
        if line.carried < MAILS_A_CONNECTION:
            self._idle.append(line)
        else:
            line.client.close()


async def _leave(client: SMTP) -> None:
    with suppress(SMTPException, OSError):
        await client.quit()
    client.close()
