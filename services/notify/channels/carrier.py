"""What a channel is to the delivery: something that is opened for a batch and hands over one letter at a time.

A carrier never raises for what a provider does or fails to do: that is an `Outcome`. It keeps no state between
batches, retries nothing and decides nothing.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from services.notify.channels.calendar import Entry
from services.notify.domain.message import Language
from services.notify.domain.outcome import Outcome
from services.notify.renderer import Rendered, RenderedSms


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """An e-mail to one person. `message_id` is the message's own: every attempt carries the same.

    `calendar` is the booking's entry, where the mail changes what stands in a calendar. `unsubscribe` is the address of RFC 8058's one-click POST, for a kind of mail that can be switched off.
    """

    message_id: UUID
    to: str
    language: Language
    words: Rendered
    html: str
    at: datetime
    unsubscribe: str | None = None
    calendar: Entry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextMessage:
    """A text message to one person, `to` a number in E.164 form."""

    message_id: UUID
    to: str
    words: RenderedSms


class Letter(Protocol):
    """What any channel carries: its content is the channel's own business."""

    @property
    def message_id(self) -> UUID:
        """The message that it carries."""
        ...


Letter_contra = TypeVar("Letter_contra", bound=Letter, contravariant=True)

Send = Callable[[Letter_contra], Awaitable[Outcome]]
"""Hands over one letter; may be called concurrently while its carrier is open."""


class Carrier(Protocol[Letter_contra]):
    """A provider of one channel."""

    @property
    def provider(self) -> str:
        """The name under which attempts are recorded."""
        ...

    def open(self) -> AbstractAsyncContextManager[Send[Letter_contra]]:
        """Return what to send a batch with; connections live no longer than the batch."""
        ...
