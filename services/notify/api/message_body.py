"""What a message looks like to its reader: one shape for the list, the stream and the answer to a read mark."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from services.notify.domain.message import NOTICES, Kind
from services.notify.views import InboxMessage
from shared.clock import SHANGHAI
from shared.contracts import Words
from shared.web import Shown

EXAMPLE: dict[str, Any] = {
    "id": "01936f2e-7c1a-7def-8a3b-5d4c3b2a1908",
    "sequence": 7,
    "kind": "reminder",
    "booking_id": "01936f2e-7c1a-7def-8a3b-5d4c3b2a1907",
    "subject_id": "01936f2e-7c1a-7def-8a3b-5d4c3b2a1907",
    "sensitive": False,
    "title": {"zh": "预约提醒：羽毛球1号场，11月28日 16:30", "en": "Reminder: Badminton court 1, 28 Nov 16:30"},
    "body": {
        "zh": "提醒您按时赴约。\n\n项目：羽毛球1号场\n时间：2026年11月28日 星期六 16:30\n预约号：7Q2M-K4ZD-C",
        "en": "This is a reminder of your booking.\n\nWhat: Badminton court 1\nWhen: Saturday 28 November 2026, 16:30\nReference: 7Q2M-K4ZD-C",
    },
    "created_at": "2026-11-27T16:30:00+08:00",
    "read_at": None,
}


class MessageShown(Shown):
    """A message in the in-app inbox. Times carry the venue's offset, +08:00."""

    id: UUID
    sequence: Annotated[int, Field(description="Its number in this inbox: 1, 2, 3 … without a gap.")]
    kind: Kind
    booking_id: Annotated[UUID | None, Field(description="The booking that it speaks of; null where it is about none.")]
    subject_id: Annotated[UUID, Field(description="What it speaks of: the booking, or a penalty, queue ticket, case …")]
    sensitive: Annotated[bool, Field(description="Its words name neither service nor venue, on purpose.")]
    title: Annotated[Words, Field(description="One line, in both languages.")]
    body: Annotated[Words, Field(description="Plain text in both languages; an empty line parts paragraphs.")]
    created_at: datetime
    read_at: Annotated[datetime | None, Field(description="When it was first marked as read; null while unread.")]

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})


def message_shown(message: InboxMessage) -> MessageShown:
    """Return `message` as its reader sees it."""
    return MessageShown(
        id=message.id,
        sequence=message.sequence,
        kind=message.kind,
        booking_id=None if message.kind in NOTICES else message.subject_id,
        subject_id=message.subject_id,
        sensitive=message.sensitive,
        title=message.title,
        body=message.body,
        created_at=message.created_at.astimezone(SHANGHAI),
        read_at=message.read_at.astimezone(SHANGHAI) if message.read_at else None,
    )
