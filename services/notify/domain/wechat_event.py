"""What WeChat tells of a reader and of what was sent to them: an event of the mini-program or the official account. Pure.

The law: an event comes as XML or as JSON, both read into the same mapping before they come here; nothing in it is taken
on trust, and what cannot be told is passed over. WeChat writes a list of one as that one, and puts what its reader
manages under the popup's name at times: both are read.

- `subscribe_msg_popup_event`: what was chosen when consent was asked for. Scene 0 is a page of the mini-program, which
  hands in the choice by itself: that is not counted twice.
- `subscribe_msg_change_event`: the reader refuses a template from now on.
- `subscribe_msg_sent_event`, `TEMPLATESENDJOBFINISH`: what became of a message.
- `subscribe`, `unsubscribe`: whoever does not follow the official account can be sent nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from services.notify.domain.message import Channel, Evidence
from services.notify.domain.receipt import LONGEST_CODE, Receipt

MOST_ITEMS = 500
_LONGEST_ID = 64
_LAST_SECOND = 4_102_444_800  # 2100
_LISTS = ("SubscribeMsgPopupEvent", "SubscribeMsgChangeEvent", "SubscribeMsgSentEvent")
_FROM_ITS_OWN_PAGE = "0"
_FOLLOWING = {"subscribe": True, "unsubscribe": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class WechatEvent:
    """An event, read. `at` is the second in which it happened, None where it does not say."""

    name: str
    openid: str
    at: datetime | None
    fields: Mapping[str, str]
    items: Sequence[Mapping[str, str]] = ()

    @property
    def follows(self) -> bool | None:
        """Whether the reader follows the official account now; None where it tells nothing of that."""
        return _FOLLOWING.get(self.name)


@dataclass(frozen=True, slots=True)
class Choice:
    """A reader's word on one template: they take one message, or none any more."""

    template: str
    accepted: bool


def read_event(document: Mapping[str, Any]) -> WechatEvent | None:
    """Return the event that a document is; None where it is another kind of message, or nothing at all."""
    fields = _texts(document)
    name = fields.get("Event", "")
    if not name or fields.get("MsgType", "event") != "event":
        return None
    return WechatEvent(
        name=name,
        openid=fields.get("FromUserName", ""),
        at=_moment(fields.get("CreateTime", "")),
        fields=fields,
        items=tuple(_texts(one) for one in _items(document))[:MOST_ITEMS],
    )


def choices_of(event: WechatEvent) -> list[Choice]:
    """Return what the reader chose, template by template."""
    found = []
    for one in event.items:
        template, word = one.get("TemplateId", ""), one.get("SubscribeStatusString", "")
        if event.name == "subscribe_msg_change_event" and word == "reject":
            found.append(Choice(template, accepted=False))
        elif (event.name, word) == ("subscribe_msg_popup_event", "accept") and not _is_from_its_own_page(one):
            found.append(Choice(template, accepted=True))
    return found


def receipts_of(event: WechatEvent, channel: Channel) -> list[Receipt]:
    """Return what became of messages."""
    if event.name == "subscribe_msg_sent_event":
        return [
            _receipt(channel, one["MsgID"], one.get("ErrorCode", "0"), "0") for one in event.items if one.get("MsgID")
        ]
    if event.name == "TEMPLATESENDJOBFINISH" and event.fields.get("MsgID"):
        return [_receipt(channel, event.fields["MsgID"], event.fields.get("Status", ""), "success")]
    return []


def _receipt(channel: Channel, reference: str, word: str, good: str) -> Receipt:
    return Receipt(
        provider=channel.value,
        message_id=None,
        reference=reference,
        evidence=Evidence.DELIVERED if word == good else None,
        code=word[:LONGEST_CODE],
    )


def _is_from_its_own_page(one: Mapping[str, str]) -> bool:
    return one.get("PopupScene") == _FROM_ITS_OWN_PAGE


def _items(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the members of its lists, wherever they stand and whether or not they are alone."""
    for place in (document, *(found for name in _LISTS for found in _each(document.get(name)))):
        listed = list(_each(place.get("List")))
        yield from listed
        if not listed and place is not document:
            yield place


def _each(found: Any) -> Iterator[Mapping[str, Any]]:
    for one in found if isinstance(found, list) else [found]:
        if isinstance(one, Mapping):
            yield one


def _texts(document: Mapping[str, Any]) -> dict[str, str]:
    """Return what is a short text or a whole number, as text."""
    return {
        name: str(value).strip()
        for name, value in document.items()
        if isinstance(value, str | int) and not isinstance(value, bool) and len(str(value)) <= _LONGEST_ID
    }


def _moment(seconds: str) -> datetime | None:
    if not (seconds.isascii() and seconds.isdecimal() and int(seconds) < _LAST_SECOND):
        return None
    return datetime.fromtimestamp(int(seconds), UTC)
