"""What a booking makes the notify service say: heard where its reader hears it, and compared with the booking.

The event itself is for services; what a resident sees of it is its message. So the proof that an event went out, was
heard and acted upon is the message that arrived.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from services.tour import screen
from services.tour.client import Ask, Stopped, must
from services.tour.guide import ARRIVES_WITHIN, Booked, Guide
from services.tour.narration import EMAIL, IN_APP
from services.tour.sink import Arrived
from shared.contracts import Words
from shared.web.words import pick

WITHDRAWN: Final = "superseded"
NAME_OF: Final = {
    "confirmation": Words("确认", "confirmation"),
    "cancellation": Words("取消", "cancellation"),
}


async def hear(guide: Guide, booked: Booked, kind: str) -> None:
    """Wait for the message of `kind` about a booking in the app and by mail; show both and hold them against it.

    Raises:
        Stopped: one does not arrive, or says what it must not.
    """
    resident, narrator = booked.by, guide.narrator
    heard = await resident.inbox.find(
        lambda message: message["kind"] == kind and message["booking_id"] == booked.id, ARRIVES_WITHIN
    )
    if heard is None:
        raise _missing(kind, booked, "站内信", "in the app")
    title = pick(Words(**heard.message["title"]), resident.caller.language)
    narrator.arrives(IN_APP, heard.at - booked.at, title)
    mail = await guide.sink.find(
        "mail", resident.email, lambda text: booked.reference in text and title in text, ARRIVES_WITHIN
    )
    if mail is None:
        raise _missing(kind, booked, "邮件", "by mail")
    narrator.arrives(EMAIL, mail.at - booked.at, mail.title, _quoted(mail))
    _check(booked, heard.message, mail)
    if await _is_sensitive(guide, booked):
        _tells_nothing(guide, booked, heard.message, mail)
    else:
        _names_the_service(guide, booked, heard.message, mail)


async def _is_sensitive(guide: Guide, booked: Booked) -> bool:
    """Ask the booking service, whose policy decides it, and not the message that follows from it."""
    ask = Ask(method="GET", path=f"/api/v1/services/{booked.body['service']['id']}")
    return bool((await guide.booking.quietly(guide.anybody, ask)).body["policy"]["sensitive"])


def _check(booked: Booked, message: Mapping[str, Any], mail: Arrived) -> None:
    texts = [*message["title"].values(), *message["body"].values(), mail.title, mail.text]
    must(
        all(booked.reference in text for text in message["body"].values()),
        Words(f"站内信里没有预约号 {booked.reference}", f"the in-app message lacks the reference {booked.reference}"),
    )
    clock = f"{booked.starts_at:%H:%M}"
    must(
        all(clock in text for text in (*message["body"].values(), mail.text)),
        Words(f"消息里没有当地时间 {clock}", f"a message lacks the local time {clock}"),
        texts,
    )


def _tells_nothing(guide: Guide, booked: Booked, message: Mapping[str, Any], mail: Arrived) -> None:
    texts = [*message["title"].values(), *message["body"].values(), mail.title, mail.text]
    names = [*booked.body["service"]["name"].values(), *booked.body["venue"]["name"].values()]
    told = [name for name in names if any(name in text for text in texts)]
    must(not told, Words(f"敏感预约的消息透露了 {told}", f"a message about a sensitive booking tells {told}"), texts)
    must(
        message["sensitive"],
        Words("敏感预约的消息没有标明敏感", "a message about a sensitive booking is not marked so"),
    )
    guide.narrator.checked(
        Words(
            "两条消息的预约号和当地时间一致；因属敏感服务，都没有写项目和地点",
            "both messages agree on reference and local time; the service is sensitive, so neither names it or the place",
        )
    )


def _names_the_service(guide: Guide, booked: Booked, message: Mapping[str, Any], mail: Arrived) -> None:
    texts = (mail.text, *message["body"].values())
    must(
        all(any(name in text for name in booked.body["service"]["name"].values()) for text in texts),
        Words("消息里没有项目名称", "a message lacks the service's name"),
        texts,
    )
    guide.narrator.checked(
        Words(
            "两条消息的预约号、项目和当地时间都与预约一致",
            "both messages agree with the booking: reference, service, local time",
        )
    )


def _quoted(mail: Arrived) -> str:
    """Return the lines of a mail that carry facts."""
    facts = [line.strip() for line in mail.text.splitlines() if "：" in line or ": " in line]
    return " / ".join(facts[:4])


def _missing(kind: str, booked: Booked, where_zh: str, where_en: str) -> Stopped:
    name, wait = NAME_OF[kind], f"{ARRIVES_WITHIN:.0f}"
    return Stopped(
        Words(
            f"{booked.reference} 的{name.zh}消息 {wait} 秒内没有到达：{where_zh}",
            f"the {name.en} of {booked.reference} did not arrive {where_en} within {wait} s",
        )
    )


async def reminders(guide: Guide, booked: Booked) -> list[Mapping[str, Any]]:
    """Show the reminders of a confirmed booking and hold them against its policy: each lead time, each at its moment.

    Raises:
        Stopped: one is missing or due at another time, or one in the future is not planned.
    """
    items = await messages_of(guide, booked, "reminder")
    leads = {lead: booked.starts_at - timedelta(minutes=lead) for lead in booked.body["reminders"]}
    due = {one["lead_minutes"]: screen.moment(one["due_at"]) for one in items}
    must(due == leads, Words(f"提醒时间不符：{due}", f"reminders are due at other times than the policy says: {due}"))
    now = guide.clock()
    wrong = [
        one
        for one in items
        if one["channel"] == "in_app" and (one["state"] == "planned") != (screen.moment(one["due_at"]) > now)
    ]
    must(
        not wrong, Words("有提醒没有按计划安排", "a reminder is not planned as it must be"), [str(one) for one in wrong]
    )
    hours = [f"{lead / 60:g}" for lead in sorted(leads, reverse=True)]
    guide.narrator.checked(
        Words(
            f"提醒时间与规则一致：提前 {'、'.join(hours)} 小时",
            f"the reminders are due as the policy says: {' and '.join(hours)} hours before",
        )
    )
    return items


async def withdrawn(guide: Guide, booked: Booked, before: Sequence[Mapping[str, Any]]) -> None:
    """Show that every reminder that was planned `before` is withdrawn now.

    Raises:
        Stopped: one is not.
    """
    after = {one["id"]: one for one in await messages_of(guide, booked, "reminder")}
    planned = [one["id"] for one in before if one["state"] == "planned"]
    left = [after[one] for one in planned if after[one]["state"] != WITHDRAWN]
    must(bool(planned), Words("取消之前没有待发的提醒", "no reminder was planned before the cancellation"))
    must(
        not left,
        Words("取消之后仍有提醒待发", "a reminder is still planned after the cancellation"),
        [str(one) for one in left],
    )
    guide.narrator.checked(
        Words(f"{len(planned)} 条待发提醒全部撤回", f"all {len(planned)} reminders that were planned are withdrawn")
    )


async def messages_of(guide: Guide, booked: Booked, kind: str) -> list[Mapping[str, Any]]:
    """Ask notify for what it plans or has done about a booking, show those of `kind`, and return them."""

    def shown(body: Mapping[str, Any]) -> list[str]:
        return screen.messages([one for one in body["items"] if one["kind"] == kind], guide.narrator)

    ask = Ask(method="GET", path=f"/api/v1/bookings/{booked.id}/messages")
    answer = await guide.notify.ask(booked.by.caller, ask, shown)
    return [one for one in answer.body["items"] if one["kind"] == kind]
