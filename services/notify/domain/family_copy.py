"""Copies to a family member: which messages, by which channels, and in which words. Pure.

The law: a copy is a message of its own, to its own reader, whose language, preferences and quiet hours hold for it. It
is planned from the same event as the original, speaks of the same version, and ends with it. It says whose booking it
is, what happened, when and under which reference, and no more; of a sensitive service it is made only where its holder
chose so, and says only that there is a booking, whatever holder or reader prefer. Channels whose providers approve the
words of each message beforehand (WeChat) carry none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from uuid import UUID

from services.notify.domain.message import Channel, Kind, Language, Planned
from services.notify.domain.planning import Circumstances, plan_booking
from shared.contracts import BookingChanged, EventType, Words

CARRY = frozenset({Channel.IN_APP, Channel.EMAIL, Channel.SMS, Channel.WEB_PUSH})

NEWS: Mapping[Kind, Words] = MappingProxyType(
    {
        Kind.CONFIRMATION: Words("已预约成功", "booked"),
        Kind.REMINDER: Words("即将到时间", "coming up"),
        Kind.PREPARATION: Words("来前有需要准备的事", "there is something to prepare"),
        Kind.CHANGE: Words("时间已更改", "moved to another time"),
        Kind.CANCELLATION: Words("已取消", "cancelled"),
        Kind.CLOSURE: Words("被取消，请勿前往", "cancelled by the venue, do not go there"),
    }
)
"""What happened, of each kind that is copied."""

SOMEBODY = Words("您的家人", "somebody in your family")
"""Whose it is, where that cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyCopy:
    """What `reader_id` has agreed to get copies of."""

    reader_id: UUID
    kinds: frozenset[Kind]
    sensitive: bool


def copies(kind_of_event: EventType, booking: BookingChanged, to: FamilyCopy, at: Circumstances) -> tuple[Planned, ...]:
    """Return the copies that an event makes; `at` is how things stand with their reader."""
    if booking.sensitive and not to.sensitive:
        return ()
    planned = plan_booking(kind_of_event, replace(booking, account_id=to.reader_id), at).messages
    return tuple(one for one in planned if one.key.kind in to.kinds and one.key.channel in CARRY)


def news_of(kind: Kind, whose: str | None, language: Language) -> dict[str, str]:
    """Return the variables that only copies have, and requests for them."""
    english = language is Language.EN
    news = NEWS.get(kind, Words("", ""))
    somebody = SOMEBODY.en if english else SOMEBODY.zh
    return {"whose": whose or somebody, "news": news.en if english else news.zh}
