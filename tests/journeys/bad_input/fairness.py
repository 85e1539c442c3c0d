"""What is fair by rules and not by haste, asked for wrongly: waiting, draws, itineraries, penalties, request rounds."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from services.booking.domain.reason import Reason
from tests import make
from tests.journeys.bad_input.case import Arrange, Ask, Case, ask
from tests.journeys.bad_input.stage import Stage, later, unknown_id

LINE, PENALTIES, ROUNDS = "/api/v1/waiting-list", "/api/v1/penalties", "/api/v1/request-rounds"
VISITS = "/api/v1/itineraries/museum-visit"
VENUE = f"/api/v1/venues/{make.VENUE}"
WAIT = {"services": ["evening-talk"], "first_day": "2026-11-25", "last_day": "2026-11-25"}


def waits(full: bool = True, who: int = 1, **wish: Any) -> Arrange:
    """Wang would wait for the talk on Wednesday, which has two places; `full` as it may be."""

    async def arrange(stage: Stage) -> Ask:
        slot = await stage.slot("evening-talk")
        if full:
            await stage.booked(slot, *await stage.people(2), party="group")
        body = WAIT | {"people": await stage.people(who)} | ({"party": "group"} if who > 1 else {}) | wish
        return Ask(who=stage.wang, method="POST", path=LINE, body=body)

    return arrange


async def not_released(stage: Stage) -> Ask:
    await stage.slot("evening-talk", bookable_from=make.NOW + timedelta(hours=1))
    return Ask(who=stage.wang, method="POST", path=LINE, body=WAIT | {"people": [await stage.person()]})


async def waits_already(stage: Stage) -> Ask:
    first = await waits()(stage)
    assert (await first.send()).status_code == 201
    return Ask(who=stage.wang, method="POST", path=LINE, body=first.body)


def of_somebody_else(method: str) -> Arrange:
    """Li looks at Wang's entry, or takes it out of the line."""

    async def arrange(stage: Stage) -> Ask:
        entry = (await (await waits()(stage)).send()).json()
        return Ask(who=stage.li, method=method, path=f"{LINE}/{entry['id']}")

    return arrange


def draw(who: str = "scheduler", service_id: str = "timed-entry", hours: int = 24, of: str = "timed-entry") -> Arrange:
    """Somebody opens a draw over one slot, to be closed so many hours from now."""

    async def arrange(stage: Stage) -> Ask:
        slot = await stage.slot(of)
        closes = make.NOW + timedelta(hours=hours)
        body = {"slots": [str(slot.id)], "opens_at": make.NOW.isoformat(), "closes_at": closes.isoformat()}
        return Ask(who=getattr(stage, who), method="POST", path=f"/api/v1/services/{service_id}/draws", body=body)

    return arrange


Change = Callable[[dict[str, Any]], Any]


def visit(change: Change, *, path: str = f"{VISITS}/bookings", who: str = "wang", minutes: int = 60) -> Arrange:
    """Wang books a visit: the entry on Wednesday at 16:30, the tour so many minutes after it begins; and something is wrong."""

    async def arrange(stage: Stage) -> Ask:
        entry = await stage.slot()
        tour = await stage.slot("guided-tour", **later(make.slot(), minutes=minutes))
        steps = [{"step": "entry", "slot_id": str(entry.id)}, {"step": "tour", "slot_id": str(tour.id)}]
        body: dict[str, Any] = {"people": {"guest": await stage.person()}, "steps": steps, "confirm": True}
        change(body)
        return Ask(who=getattr(stage, who), method="POST", path=path, body=body)

    return arrange


def nothing(_body: dict[str, Any]) -> None:
    """The wish is as it should be."""


def corrected(step: str = "entry", *, who: str = "staff", attended: bool | None = True, **body: Any) -> Arrange:
    """Somebody corrects a step of a visit that is still to come."""

    async def arrange(stage: Stage) -> Ask:
        made = await (await visit(nothing)(stage)).send()
        wish = {"attended": attended, "reason": "扫码枪故障"} | body
        path = f"/api/v1/bookings/{made.json()['id']}/steps/{step}/correction"
        return Ask(who=getattr(stage, who), method="POST", path=path, body=wish)

    return arrange


async def corrects_no_itinerary(stage: Stage) -> Ask:
    booked = await stage.booked(await stage.slot())
    path = f"/api/v1/bookings/{booked['id']}/steps/entry/correction"
    return Ask(who=stage.staff, method="POST", path=path, body={"attended": True, "reason": "扫码枪故障"})


def moved(whole: bool) -> Arrange:
    """Wang moves an ordinary booking as if it were a visit; or a visit as if it were an ordinary booking."""

    async def arrange(stage: Stage) -> Ask:
        if whole:
            slot = await stage.slot()
            booking = await stage.booked(slot)
            steps = [{"step": "entry", "slot_id": str(slot.id)}]
            return Ask(
                who=stage.wang, method="POST", path=f"/api/v1/bookings/{booking['id']}/plan", body={"steps": steps}
            )
        booked = await (await visit(nothing)(stage)).send()
        assert booked.status_code == 201, booked.text
        path = f"/api/v1/bookings/{booked.json()['id']}/move"
        other = await stage.slot(**later(make.slot(), days=1))
        return Ask(who=stage.wang, method="POST", path=path, body={"slot_id": str(other.id)})

    return arrange


def opening(**changes: Any) -> dict[str, Any]:
    """A round over a court, asked for from now until tomorrow."""
    days = {"first": "2026-12-01", "last": "2026-12-31"}
    window = {"opens_at": make.NOW.isoformat(), "closes_at": (make.NOW + timedelta(days=1)).isoformat()}
    return {"services": ["badminton"], **days, **window, **changes}


def asked(**changes: Any) -> Arrange:
    """A club asks for Wednesdays in a round that is open."""

    async def arrange(stage: Stage) -> Ask:
        made = await stage.scheduler.post(ROUNDS, opening())
        assert made.status_code == 201, made.text
        wish = {"service_id": "badminton", "weekday": 3, "at": "16:30", "first": "2026-12-01", "last": "2026-12-31"}
        body = wish | {"person_id": await stage.person(), "words": "训练"} | changes
        return Ask(who=stage.wang, method="POST", path=f"{ROUNDS}/{made.json()['id']}/requests", body=body)

    return arrange


async def decides_too_early(stage: Stage) -> Ask:
    made = await stage.scheduler.post(ROUNDS, opening())
    body = {"decisions": [{"occurrence_id": unknown_id(), "decision": "accept"}]}
    return Ask(who=stage.scheduler, method="POST", path=f"{ROUNDS}/{made.json()['id']}/decisions", body=body)


R = Reason
STRANGE = {"people": [unknown_id()]}
APPEAL, ANNULLING = {"words": "当天住院"}, {"reason": "地铁停运"}
DECISION = {"granted": True, "answer": "已核实"}
EXEMPTION = {"person_id": unknown_id(), "reason": "高龄"}
ENTRY_TWICE = [{"step": "entry", "slot_id": unknown_id()}, {"step": "entry", "slot_id": unknown_id()}]

CASES = [
    Case("waiting for an unknown service", 404, R.SERVICE_UNKNOWN, waits(services=["karaoke"]), "/services/0"),
    Case("waiting where there is no list", 409, R.WAITLIST_NONE, waits(services=["timed-entry"]), "/services/0"),
    Case("waiting for services of two kinds of terms", 422, R.WAITLIST_SERVICES_DIFFER, waits(services=["evening-talk", "timed-entry"]), "/services/1"),
    Case("waiting for no service", 422, R.INVALID_REQUEST, waits(services=[]), "/services", "too_short"),
    Case("waiting as nobody", 422, R.INVALID_REQUEST, waits(people=[]), "/people", "too_short"),
    Case("waiting for somebody unknown", 404, R.PERSON_UNKNOWN, waits(people=[unknown_id()]), "/people/0"),
    Case("waiting until before it begins", 422, R.INVALID_REQUEST, waits(last_day="2026-11-24"), "/last_day"),
    Case("waiting for hours that end before they begin", 422, R.INVALID_REQUEST, waits(since="20:00", until="10:00"), "/until"),
    Case("waiting for three months", 422, R.INVALID_REQUEST, waits(last_day="2027-02-25"), "/last_day"),
    Case("waiting on the eighth day of the week", 422, R.INVALID_REQUEST, waits(weekdays=[8]), "/weekdays/0", "less_than_equal"),
    Case("waiting on a day that is none", 422, R.INVALID_REQUEST, waits(first_day="2026-02-30"), "/first_day", "date_from_datetime_parsing"),
    Case("waiting where nothing is to come", 422, R.WAITLIST_NOTHING_THERE, waits(first_day="2026-12-24", last_day="2026-12-24"), "/first_day"),
    Case("waiting for what has room", 409, R.WAITLIST_NOT_NEEDED, waits(full=False)),
    Case("waiting for what is not released", 409, R.NOT_RELEASED, not_released, "/last_day"),
    Case("waiting as more than it ever takes", 422, R.PARTY_TOO_LARGE, waits(who=3), "/people", facts={"most": 2, "size": 3}),
    Case("waiting twice", 409, R.WAITING_ALREADY, waits_already, "/people/0"),
    Case("looking at somebody else's entry", 404, R.WAITLIST_ENTRY_UNKNOWN, of_somebody_else("GET")),
    Case("taking somebody else out of the line", 404, R.WAITLIST_ENTRY_UNKNOWN, of_somebody_else("DELETE")),
    Case("an entry that nobody made", 404, R.WAITLIST_ENTRY_UNKNOWN, ask("wang", "GET", f"{LINE}/{unknown_id()}")),
    Case("waiting without signing in", 401, R.NOT_SIGNED_IN, ask("nobody", "POST", LINE, WAIT)),
    Case("the line of an unknown service", 404, R.SERVICE_UNKNOWN, ask("nobody", "GET", "/api/v1/services/karaoke/waiting-list")),

    Case("a draw opened by a resident", 403, R.NOT_ALLOWED, draw(who="wang")),
    Case("a draw that is closed before it opens", 422, R.DRAW_INVALID, draw(hours=-1), "/closes_at"),
    Case("a draw of another service's times", 422, R.DRAW_INVALID, draw(of="guided-tour"), "/slots/0"),
    Case("a draw of another museum's times", 403, R.NOT_ALLOWED, draw(service_id="lushun-entry", of="lushun-entry")),
    Case("an unknown draw", 404, R.DRAW_UNKNOWN, ask("nobody", "GET", f"/api/v1/draws/{unknown_id()}")),
    Case("entering an unknown draw", 404, R.DRAW_UNKNOWN, ask("wang", "POST", f"/api/v1/draws/{unknown_id()}/requests", STRANGE | {"slots": [unknown_id()]})),

    Case("an unknown itinerary", 404, R.ITINERARY_UNKNOWN, ask("nobody", "GET", "/api/v1/itineraries/pilgrimage")),
    Case("booking an unknown itinerary", 404, R.ITINERARY_UNKNOWN, visit(nothing, path="/api/v1/itineraries/pilgrimage/bookings")),
    Case("an itinerary without its last step", 422, R.ITINERARY_INCOMPLETE, visit(lambda body: body["steps"].pop()), "/steps", facts={"missing": "tour"}),
    Case("an itinerary without anybody", 422, R.INVALID_REQUEST, visit(lambda body: body["people"].clear()), "/people", "too_short"),
    Case("an itinerary with one step twice", 422, R.ITINERARY_INCOMPLETE, visit(lambda body: body.update(steps=ENTRY_TWICE)), "/steps/1/step"),
    Case("an itinerary in an unknown slot", 404, R.SLOT_UNKNOWN, visit(lambda body: body["steps"][1].update(slot_id=unknown_id())), "/steps/1/slot_id"),
    Case("an itinerary in the wrong order", 409, R.STEP_UNFIT, visit(nothing, minutes=-60), "/steps/0/slot_id"),
    Case("an itinerary without time in between", 409, R.STEP_UNFIT, visit(nothing, minutes=30), "/steps/1/slot_id"),
    Case("an itinerary for somebody unknown", 404, R.PERSON_UNKNOWN, visit(lambda body: body["people"].update(guest=unknown_id())), "/people/guest"),
    Case("correcting a step whose door is still open", 409, R.STEP_NOT_OVER, corrected(), facts={"over_at": "2026-11-25T17:00:00+08:00"}),
    Case("taking a step back that nobody met", 409, R.STEP_NOT_MET, corrected(attended=False)),
    Case("correcting a step that there is not", 422, R.STEP_UNKNOWN, corrected("dinner"), facts={"steps": "entry, tour"}),
    Case("correcting a step that has no name", 422, R.INVALID_REQUEST, corrected("%E6%99%9A"), fault="string_pattern_mismatch"),
    Case("correcting a step of an ordinary booking", 422, R.STEP_UNKNOWN, corrects_no_itinerary),
    Case("correcting a step without a reason", 422, R.INVALID_REQUEST, corrected(reason=""), "/reason", "string_too_short"),
    Case("correcting a step without saying how it was", 422, R.INVALID_REQUEST, corrected(attended=None), "/attended", "bool_type"),
    Case("correcting a step as the booker", 403, R.NOT_ALLOWED, corrected(who="wang")),
    Case("correcting a step of another museum", 404, R.BOOKING_UNKNOWN, corrected(who="staff_elsewhere")),
    Case("an ordinary booking moved as an itinerary", 409, R.NO_ITINERARY, moved(whole=True)),
    Case("an itinerary moved as an ordinary booking", 409, R.ITINERARY_WHOLE, moved(whole=False)),

    Case("appealing against an unknown bar", 404, R.PENALTY_UNKNOWN, ask("wang", "POST", f"{PENALTIES}/{unknown_id()}/appeals", APPEAL)),
    Case("appealing without a word", 422, R.INVALID_REQUEST, ask("wang", "POST", f"{PENALTIES}/{unknown_id()}/appeals", {"words": ""}), "/words", "string_too_short"),
    Case("deciding an unknown appeal", 404, R.APPEAL_UNKNOWN, ask("staff", "POST", f"/api/v1/appeals/{unknown_id()}/decision", DECISION)),
    Case("deciding one's own appeal", 403, R.NOT_ALLOWED, ask("wang", "POST", f"/api/v1/appeals/{unknown_id()}/decision", DECISION)),
    Case("annulling an unknown strike", 404, R.STRIKE_UNKNOWN, ask("staff", "POST", f"/api/v1/strikes/{unknown_id()}/annulment", ANNULLING)),
    Case("annulling one's own strike", 403, R.NOT_ALLOWED, ask("wang", "POST", f"/api/v1/strikes/{unknown_id()}/annulment", ANNULLING)),
    Case("exempting somebody unknown", 404, R.PERSON_UNKNOWN, ask("staff", "POST", f"{VENUE}/exemptions", EXEMPTION), "/person_id"),
    Case("exempting at a museum that is not theirs", 403, R.NOT_ALLOWED, ask("staff_elsewhere", "POST", f"{VENUE}/exemptions", EXEMPTION)),
    Case("ending an unknown exemption", 404, R.EXEMPTION_UNKNOWN, ask("staff", "DELETE", f"{VENUE}/exemptions/{unknown_id()}")),

    Case("a request round opened by a resident", 403, R.NOT_ALLOWED, ask("wang", "POST", ROUNDS, opening())),
    Case("a season that ends before it begins", 422, R.SEASON_ROUND_INVALID, ask("scheduler", "POST", ROUNDS, opening(last="2026-11-30")), "/first"),
    Case("a season of an unknown court", 404, R.SERVICE_UNKNOWN, ask("scheduler", "POST", ROUNDS, opening(services=["karaoke"]))),
    Case("a request round that closes before it opens", 422, R.SEASON_ROUND_INVALID, ask("scheduler", "POST", ROUNDS, opening(closes_at=make.NOW.isoformat())), "/closes_at"),
    Case("an unknown request round", 404, R.SEASON_ROUND_UNKNOWN, ask("nobody", "GET", f"{ROUNDS}/{unknown_id()}")),
    Case("hours of a court that is not in the round", 422, R.SEASON_REQUEST_INVALID, asked(service_id="guided-tour"), "/service_id"),
    Case("hours beyond the season", 422, R.SEASON_REQUEST_INVALID, asked(last="2027-01-31"), "/first"),
    Case("hours that no day of the season has", 422, R.SEASON_REQUEST_INVALID, asked(first="2026-12-03", last="2026-12-04"), "/weekday"),
    Case("hours for somebody unknown", 404, R.PERSON_UNKNOWN, asked(person_id=unknown_id()), "/person_id"),
    Case("allocating before the round has closed", 409, R.SEASON_ROUND_NOT_OPEN, decides_too_early),
]  # fmt: skip
