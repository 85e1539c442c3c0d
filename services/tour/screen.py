"""What matters in each kind of answer, as lines that a person reads."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from services.tour.narration import Narrator
from shared.contracts import Words
from shared.web.words import Language

DAYS_SHOWN: Final = 3
TIMES_SHOWN: Final = 4

STATES: Final[Mapping[str, Words]] = {
    "held": Words("名额暂留", "held"),
    "confirmed": Words("已确认", "confirmed"),
    "checked_in": Words("已签到", "checked in"),
    "completed": Words("已完成", "completed"),
    "cancelled": Words("已取消", "cancelled"),
    "no_show": Words("未到场", "no-show"),
    "lapsed": Words("暂留到期", "lapsed"),
}
WAITS: Final[Mapping[str, Words]] = {
    "waiting": Words("候补中", "waiting"),
    "offered": Words("名额已为您保留", "a place is offered"),
    "served": Words("已接受名额", "served"),
    "left": Words("已退出候补", "left"),
    "ended": Words("候补已结束", "ended"),
}
MESSAGE_STATES: Final[Mapping[str, Words]] = {
    "planned": Words("待发", "planned"),
    "claimed": Words("发送中", "being sent"),
    "sending": Words("发送中", "being sent"),
    "sent": Words("已发", "sent"),
    "unknown": Words("不确定", "unknown"),
    "dead": Words("失败", "failed"),
    "superseded": Words("已撤回", "withdrawn"),
    "expired": Words("已过期", "expired"),
    "suppressed": Words("不发", "not sent"),
}
CHANNELS: Final[Mapping[str, Words]] = {
    "in_app": Words("站内信", "in-app"),
    "email": Words("邮件", "e-mail"),
    "sms": Words("短信", "SMS"),
}
CALENDAR: Final = Words(
    "如果缺的是新一年的官方放假安排：更新日历软件包（chinesecalendar、holidays；在项目里是 make lock），再运行 make run，开放时间会自动延续",
    "If what is missing is the official calendar of a new year: update the packages chinesecalendar and holidays (in the"
    " project: make lock), then make run; the hours go on by themselves",
)


def moment(written: str) -> datetime:
    """Return a moment of the API, aware, with the venue's offset."""
    return datetime.fromisoformat(written)


def span(body: Mapping[str, Any], narrator: Narrator) -> str:
    """Return from when to when something is, in the venue's local time."""
    return f"{narrator.spoken(moment(body['starts_at']))}–{moment(body['ends_at']):%H:%M}"


def booking(body: Mapping[str, Any], narrator: Narrator) -> list[str]:
    """Show a booking, or the problem that stood in its way."""
    if "reference" not in body:
        return problem(body, narrator)
    state = narrator.pick(STATES[body["state"]])
    version = narrator.pick(Words(f"第 {body['version']} 版", f"version {body['version']}"))
    names = ", ".join(person["name"] for person in body["people"])
    lines = [
        f"{body['reference']} · {state} · {version} · {names}",
        f"{narrator.pick(body['service']['name'])} · {narrator.pick(body['venue']['name'])}",
        span(body, narrator),
    ]
    if body["hold_until"] is not None:
        until = f"{moment(body['hold_until']):%H:%M:%S}"
        lines.append(narrator.pick(Words(f"名额保留到 {until}", f"the place is held until {until}")))
    return lines


def problem(body: Mapping[str, Any], narrator: Narrator) -> list[str]:
    """Show a problem in both of its languages, the tour's own first."""
    first, second = (Language.EN, Language.ZH) if narrator.language is Language.EN else (Language.ZH, Language.EN)
    texts = [body["translations"][language.value] for language in (first, second)]
    return [f"{text['title']} — {text['detail']}" for text in texts]


def alternatives(body: Mapping[str, Any]) -> list[datetime]:
    """Return the nearest free times that a refusal names."""
    return [moment(one["starts_at"]) for one in body.get("alternatives", ())]


def token(body: Mapping[str, Any], narrator: Narrator) -> list[str]:
    """Show what a sign-in gave, without the token itself."""
    minutes = body["expires_in"] // 60
    return [
        narrator.pick(
            Words(
                f"{body['account']['role']} · 令牌 {minutes} 分钟有效",
                f"{body['account']['role']} · a token for {minutes} minutes",
            )
        )
    ]


def account(body: Mapping[str, Any]) -> list[str]:
    """Show how somebody is reached."""
    waits = body["email_pending"]
    email = body["email"] if waits is None else f"{waits['email']} (?)"
    return [f"{body['name']} · {body['phone']} · {email} · {body['language']}"]


def person(body: Mapping[str, Any]) -> list[str]:
    """Show a saved person as the system shows them ever after: masked."""
    return [f"{body['name']} · {body['document']['number']}"]


def entry(body: Mapping[str, Any], narrator: Narrator) -> list[str]:
    """Show an entry in the waiting list: its number, its place in the line, and until when it is offered a place."""
    number, state = body["number"], body["state"]
    lines = [narrator.pick(Words(f"候补第 {number} 号 · {WAITS[state].zh}", f"number {number} · {WAITS[state].en}"))]
    if state == "waiting":
        place = body["position"]
        lines.append(narrator.pick(Words(f"前面还有 {place - 1} 组", f"{place - 1} parties are before this one")))
    for offer in body.get("offers", ()):
        until = f"{moment(offer['until']):%m-%d %H:%M}"
        lines.append(narrator.pick(Words(f"名额保留到 {until}", f"a place is held until {until}")))
    return lines


def availability(body: Mapping[str, Any], narrator: Narrator) -> list[str]:
    """Show the first days of a service: what can be booked and how many places are left, or why nothing can."""
    lines = [_day(day, narrator) for day in body["days"][:DAYS_SHOWN]]
    more = len(body["days"]) - len(lines)
    if more > 0:
        lines.append(narrator.pick(Words(f"…另有 {more} 天", f"… and {more} more days")))
    if body["nothing"] is not None:
        lines.append(narrator.pick(body["nothing"]["words"]))
    return lines


def _day(day: Mapping[str, Any], narrator: Narrator) -> str:
    name = narrator.spoken(date.fromisoformat(day["date"]))
    free = [one for one in day["times"] if one["bookable"]]
    if not free:
        words = day["summary"]["words"]
        return f"{name}  {narrator.pick(words)}" if words else name
    left = narrator.pick(Words("余", "left "))
    times = [f"{one['time']}({left}{one['places_left']})" for one in free[:TIMES_SHOWN]]
    return f"{name}  {' '.join(times)}{' …' if len(free) > TIMES_SHOWN else ''}"


def nothing_free(service_id: str, body: Mapping[str, Any]) -> tuple[Words, Words]:
    """Return what is missing where no time can be booked, in the system's own words, and what to do."""
    nothing = body["nothing"]
    why = nothing["words"] if nothing else {"zh": "列出的时段都不合适", "en": "none of the times listed will do"}
    return Words(
        f"{service_id} 没有可约的时段：{why['zh']}", f"nothing can be booked at {service_id}: {why['en']}"
    ), CALENDAR


def services(body: Mapping[str, Any], narrator: Narrator) -> list[str]:
    """Show the first services of a list."""
    shown = body["items"][:DAYS_SHOWN]
    return [f"{narrator.pick(one['name'])} · {narrator.pick(one['venue']['name'])}" for one in shown] + (
        ["…"] if body["next"] or len(body["items"]) > len(shown) else []
    )


def messages(items: Sequence[Mapping[str, Any]], narrator: Narrator) -> list[str]:
    """Show what is planned, sent or withdrawn for a booking: when due, over which channels, and, unless planned, why."""
    channels: dict[tuple[str, str], list[str]] = {}
    for one in items:
        due, state = narrator.spoken(moment(one["due_at"])), narrator.pick(MESSAGE_STATES[one["state"]])
        why = "" if one["state"] == "planned" else f" · {narrator.pick(one['explanation'])}"
        channels.setdefault((due, state + why), []).append(narrator.pick(CHANNELS[one["channel"]]))
    return [f"{due} · {' + '.join(sorted(over))} · {what}" for (due, what), over in channels.items()]
