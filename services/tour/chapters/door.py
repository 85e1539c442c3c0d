"""The door: a scheduler publishes hours that begin within minutes, a resident books, a member of staff checks him in."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.tour import extra_hours, hearing, invented, screen
from services.tour.client import Ask, Caller, Stopped, must
from services.tour.extra_hours import Span, first_start, with_session
from services.tour.guide import Booked, Guide, Resident
from services.tour.narration import Narrator
from shared.clock import SHANGHAI
from shared.contracts import Words

SEARCH: Final = {"kind": "museum", "limit": 100}
SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Session:
    """A service, and when a slot of it can begin that is bookable and open for check-in now."""

    service: Mapping[str, Any]
    start: datetime


async def tell(guide: Guide, resident: Resident) -> Booked:
    """Publish, book, check in."""
    narrator = guide.narrator
    narrator.chapter(Words("排班员发布开放时间，工作人员签到", "A scheduler publishes hours, staff check a visitor in"))
    narrator.tell(
        Words(
            "签到只在开场前后办理。为了此刻就能签到，排班员给一家博物馆加开几分钟后的一场；林晓替父亲林国栋约上这一场。",
            "The door checks in only around the start. To see it now, a scheduler adds a session that begins within"
            " minutes, and Lin Xiao books it for her father, Lin Guodong.",
        )
    )
    scheduler = await guide.work_as("scheduler", Words("排班员", "scheduler"))
    session = await _find_session(guide)
    await _publish(guide, scheduler, session)
    booked = await _book(guide, resident, session)
    return await _check_in(guide, booked)


async def _find_session(guide: Guide) -> Session:
    """Return a museum's service with room in its plan for a session that begins within minutes."""
    found = await guide.booking.quietly(guide.anybody, Ask(method="GET", path="/api/v1/services", query=SEARCH))
    allowed = guide.place.worker("scheduler").venues & guide.place.worker("staff").venues
    for listed in guide.chance.sample(found.body["items"], len(found.body["items"])):
        if listed["venue"]["id"] in allowed:
            ask = Ask(method="GET", path=f"/api/v1/services/{listed['id']}")
            service = (await guide.booking.quietly(guide.anybody, ask)).body
            now = guide.clock().astimezone(SHANGHAI)
            start = first_start(now, service["policy"], await _planned(guide, service, now))
            if start is not None:
                return Session(service, start)
    raise Stopped(
        Words(
            "各博物馆此刻都排满了，没有加开一场的空隙",
            "every museum's hours are full just now; there is no gap for another session",
        ),
        Words("十分钟后再运行：make tour", "In ten minutes, again: make tour"),
    )


async def _planned(guide: Guide, service: Mapping[str, Any], now: datetime) -> list[Span]:
    """Return the hours that are planned today, and tomorrow where check-in may already be open for it."""
    last = now + extra_hours.MINUTE * service["policy"]["check_in"]["opens_minutes_before"]
    query = {"from": now.date().isoformat(), "to": last.date().isoformat()}
    ask = Ask(method="GET", path=f"/api/v1/services/{service['id']}/open-days", query=query)
    days = (await guide.booking.quietly(guide.anybody, ask)).body["days"]
    return [
        Span(*(datetime.fromisoformat(f"{day['date']}T{day[end]}:00+08:00") for end in ("opens", "closes")))
        for day in days
    ]


async def _publish(guide: Guide, scheduler: Caller, session: Session) -> None:
    narrator, path = guide.narrator, f"/api/v1/services/{session.service['id']}/hours"
    current = await guide.booking.quietly(scheduler, Ask(method="GET", path=path))
    plan = with_session(current.body["plan"], session.start)
    etag = current.headers["etag"]
    changes = await guide.booking.quietly(
        scheduler, Ask(method="POST", path=f"{path}/preview", body={"plan": plan}, if_match=etag)
    )
    must(
        changes.body["publishable"] and changes.body["added"] == 1,
        Words("预览与预想不符", "the preview is not what was to be expected"),
        [str(changes.body)[:600]],
    )
    narrator.checked(
        Words(
            f"预览：新增 {changes.body['added']} 个时段，取消 {changes.body['removed']} 个，无人受影响",
            f"preview: {changes.body['added']} time added, {changes.body['removed']} removed, nobody affected",
        )
    )
    shown = {"windows": f"… + {session.start:%m-%d %H:%M}", "exceptions": "…"}
    ask = Ask(method="PUT", path=path, body={"plan": plan}, shows={"plan": shown}, if_match=etag)
    published = await guide.booking.ask(scheduler, ask, lambda body: _published(body, session, narrator))
    must(
        published.body["version"] == current.body["version"] + 1,
        Words("开放计划没有成为新版本", "the plan did not become a new version"),
    )


def _published(body: Mapping[str, Any], session: Session, narrator: Narrator) -> list[str]:
    service = session.service
    version = narrator.pick(Words(f"开放计划第 {body['version']} 版", f"plan, version {body['version']}"))
    place = f"{narrator.pick(service['name'])} · {narrator.pick(service['venue']['name'])}"
    return [version, place, f"+ {narrator.spoken(session.start)} · {narrator.pick(extra_hours.LABEL)}"]


async def _book(guide: Guide, resident: Resident, session: Session) -> Booked:
    father = invented.resident(guide.chance, guide.narrator.pick(Words("林国栋", "Lin Guodong")), "parent", born=1958)
    father_id = await guide.save(resident, father)

    def fits(one: Mapping[str, Any]) -> bool:
        return screen.moment(one["starts_at"]) == session.start

    slot = await guide.free_time(resident.caller, session.service["id"], fits)
    wish = {"slot_id": slot["slot_id"], "people": [father_id], "confirm": True}
    booked = await guide.book(resident, Ask(method="POST", path="/api/v1/bookings", body=wish, expect=201))
    await hearing.hear(guide, booked, "confirmation")
    await hearing.reminders(guide, booked)
    return booked


async def _check_in(guide: Guide, booked: Booked) -> Booked:
    narrator = guide.narrator
    staff = await guide.work_as("staff", Words("工作人员", "staff"))
    venue_id = booked.body["venue"]["id"]
    day = {"day": booked.starts_at.date().isoformat()}
    ask = Ask(method="GET", path=f"/api/v1/venues/{venue_id}/expected", query=day)
    expected = await guide.booking.ask(staff, ask, lambda body: _expected(body, narrator))
    must(
        booked.id in {one["id"] for one in expected.body["items"]},
        Words(f"当日名单里没有 {booked.reference}", f"{booked.reference} is not among those expected that day"),
    )
    typed = booked.reference.replace("-", "").lower()
    ask = Ask(method="POST", path=f"/api/v1/venues/{venue_id}/check-ins", body={"reference": typed})
    answer = await guide.booking.ask(staff, ask, lambda body: screen.booking(body, narrator))
    must(answer.body["state"] == "checked_in", Words("没有签到", "nobody was checked in"))
    again = await guide.booking.ask(
        staff,
        Ask(method=ask.method, path=ask.path, body=ask.body, expect=409),
        lambda body: screen.problem(body, narrator),
    )
    must(
        again.body["code"] == "wrong_state",
        Words("第二次签到的拒绝理由不对", "the second check-in was refused for another reason"),
    )
    seen = await guide.reread(booked)
    must(seen.body["state"] == "checked_in", Words("居民看到的不是已签到", "the resident does not see the check-in"))
    narrator.checked(
        Words(
            "签到一次有效，第二次被拒绝；林晓的手机上显示已签到",
            "the first check-in counts, the second is refused; Lin Xiao's telephone shows it",
        )
    )
    return seen


def _expected(body: Mapping[str, Any], narrator: Narrator) -> list[str]:
    lines = [
        f"{screen.moment(one['starts_at']):%H:%M}  {one['reference']} · {narrator.pick(screen.STATES[one['state']])}"
        for one in body["items"]
    ]
    return lines[-SHOWN:]
