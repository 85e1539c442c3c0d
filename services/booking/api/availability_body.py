"""What availability looks like: days, times, places left, and for whatever cannot be had the reason, as code and in words."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from services.booking.api.problems import TABLE
from services.booking.api.services import ServicePlace
from services.booking.domain import calendar
from services.booking.domain.booking import Channel
from services.booking.domain.catalogue import ServiceKind
from services.booking.domain.plan import Charge
from services.booking.domain.policy import SeatUnit
from services.booking.domain.reason import Reason
from services.booking.domain.schedule import OpenDay
from services.booking.domain.slot import Slot, free_places
from services.booking.domain.zone import in_words, local
from services.booking.store.plan_document import ClockTime
from services.booking.views.days import DaySeen, Fullness, Summary, TimeSeen, fullness_of
from shared.contracts import Words
from shared.web import Shown

_TIME: dict[str, Any] = {
    "slot_id": "01936f2e-0000-7def-8a3b-000000000001",
    "starts_at": "2026-11-28T16:30:00+08:00",
    "ends_at": "2026-11-28T17:00:00+08:00",
    "time": "16:30",
    "label": {"zh": "延时开放", "en": "Extended hours"},
    "charge": "free",
    "capacity": 40,
    "places_left": 12,
    "bookable": True,
    "reason": None,
    "words": None,
    "bookable_from": "2026-11-21T07:00:00+08:00",
    "releases": [{"at": "2026-11-27T15:00:00+08:00", "places": 40}],
    "bookable_until": "2026-11-28T16:30:00+08:00",
}
_FULL: dict[str, Any] = {
    **_TIME,
    "slot_id": "01936f2e-0000-7def-8a3b-000000000004",
    "starts_at": "2026-11-28T17:00:00+08:00",
    "ends_at": "2026-11-28T17:30:00+08:00",
    "time": "17:00",
    "places_left": 0,
    "bookable": False,
    "reason": "slot_full",
    "words": {"zh": "已约满", "en": "Full"},
}
_FREE: dict[str, Any] = {
    "slot_id": _TIME["slot_id"],
    "starts_at": _TIME["starts_at"],
    "ends_at": _TIME["ends_at"],
    "local_start": "2026-11-28 16:30",
    "places_left": 12,
}
_SERVICE: dict[str, Any] = {
    "id": "dalian-museum-evening-entry",
    "kind": "museum",
    "name": {"zh": "延时开放分时入场", "en": "Evening timed entry"},
    "seat_unit": "person",
}
_ONE: dict[str, Any] = {
    "service": _SERVICE,
    "as_of": "2026-11-23T10:00:00+08:00",
    "places": 1,
    "earliest": _FREE,
    "days": [
        {
            "date": "2026-11-28",
            "weekday": 6,
            "holiday": None,
            "summary": {
                "bookable": True,
                "times": 1,
                "places_left": 12,
                "reason": None,
                "words": None,
                "opens_at": None,
            },
            "times": [_TIME, _FULL],
            "closed": [],
            "fullness": [
                {"hour": "16:00", "taken": 28, "capacity": 40},
                {"hour": "17:00", "taken": 40, "capacity": 40},
            ],
        }
    ],
    "nothing": None,
    "listed_until": "2026-12-14",
    "published_until": "2026-12-31",
    "next": None,
}
_LISTED: dict[str, Any] = {
    "service": _SERVICE,
    "attributes": {},
    "venue": {
        "id": "dalian-museum",
        "name": {"zh": "大连博物馆", "en": "Dalian Museum"},
        "address": {"zh": "示例地址", "en": "Sample address"},
        "district_id": "shahekou",
        "district": {"zh": "沙河口区", "en": "Shahekou District"},
        "step_free": True,
    },
    "earliest": _FREE,
    "free_dates": 2,
    "reason": None,
    "words": None,
    "opens_at": None,
}


class ServiceNamed(Shown):
    """The service that is asked about."""

    id: str
    kind: ServiceKind
    name: Words
    seat_unit: Annotated[SeatUnit, Field(description="Whether a place is for one person, or for the whole party.")]


class FreeTime(Shown):
    """A time that can be booked now."""

    slot_id: UUID
    starts_at: datetime
    ends_at: datetime
    local_start: Annotated[str, Field(description="The venue's local time, ready to show.")]
    places_left: int


class PortionSeen(Shown):
    """So many places are released at that instant."""

    at: datetime
    places: int


class TimeShown(Shown):
    """One time of a day. What cannot be had says why, by the same rule that booking it would be refused by."""

    slot_id: UUID
    starts_at: datetime
    ends_at: datetime
    time: Annotated[str, Field(description="When it begins, on the venue's clock.")]
    label: Words | None
    charge: Charge
    capacity: int
    places_left: Annotated[
        int, Field(description="Places that can be booked online; holds that ran out count as free.")
    ]
    bookable: bool
    reason: Annotated[Reason | None, Field(description="Why it cannot be booked online now.")]
    words: Annotated[Words | None, Field(description="The reason, ready to show; of a closure its own words.")]
    bookable_from: Annotated[datetime, Field(description="When its places are released.")]
    releases: Annotated[
        list[PortionSeen], Field(description="Places that are released later, and when; still to come.")
    ]
    bookable_until: Annotated[datetime, Field(description="When online booking for it closes.")]


class DaySummary(Shown):
    """A day in one line."""

    bookable: bool
    times: Annotated[int, Field(description="How many times can be booked now.")]
    places_left: Annotated[int, Field(description="Places that are left in them.")]
    reason: Annotated[Reason | None, Field(description="Why none can be booked now.")]
    words: Words | None
    opens_at: Annotated[datetime | None, Field(description="When its first places are released, where that is why.")]


class ClosedHours(Shown):
    """Hours in which it is closed, and why."""

    opens: ClockTime
    closes: ClockTime
    words: Words


class FullnessShown(Shown):
    """How full an hour is, walk-ins included: taken of capacity."""

    hour: str
    taken: int
    capacity: int


class DayShown(Shown):
    """One day on the venue's calendar."""

    date: date
    weekday: Annotated[int, Field(description="1 Monday to 7 Sunday.")]
    holiday: Annotated[Words | None, Field(description="The official holiday that it is off for, or worked for.")]
    summary: DaySummary
    times: list[TimeShown]
    closed: Annotated[list[ClosedHours], Field(description="Hours that are closed and have no times.")]
    fullness: Annotated[
        list[FullnessShown] | None, Field(description="Museums: how full each hour is; null for other kinds.")
    ]


class NothingShown(Shown):
    """Why there is nothing to show, and until when hours are published."""

    code: str
    words: Words


class AvailabilityShown(Shown):
    """One service: its days with their times, whatever one needs to choose, in one answer."""

    service: ServiceNamed
    as_of: datetime
    places: Annotated[int, Field(description="For how many places at one time the reasons hold.")]
    earliest: Annotated[FreeTime | None, Field(description="The first time from `from` on that can be booked now.")]
    days: list[DayShown]
    nothing: Annotated[NothingShown | None, Field(description="Only where no day is shown.")]
    listed_until: Annotated[date | None, Field(description="The last day for which there are times by now.")]
    published_until: Annotated[date | None, Field(description="The last day of the published hours.")]
    next: Annotated[
        str | None, Field(description="Where later days are, relative to this address; also Link rel=next.")
    ]

    model_config = ConfigDict(json_schema_extra={"examples": [_ONE]})


class ServiceFree(Shown):
    """A service in a search: its earliest free time, or why it has none within the days asked for."""

    service: ServiceNamed
    attributes: dict[str, Words]
    venue: ServicePlace
    earliest: FreeTime | None
    free_dates: Annotated[int, Field(description="On how many of the days asked for something is free.")]
    reason: Annotated[Reason | None, Field(description="Why nothing is free; null where no time is listed at all.")]
    words: Words | None
    opens_at: Annotated[datetime | None, Field(description="When its first places are released, where that is why.")]

    model_config = ConfigDict(json_schema_extra={"examples": [_LISTED]})


def words_of(reason: Reason | None) -> Words | None:
    """Return the words of a reason: the title that its refusal would have."""
    return None if reason is None else TABLE[reason].title


def free_time(slot: Slot, now: datetime) -> FreeTime:
    """Return a slot that can be booked at `now`."""
    return FreeTime(
        slot_id=slot.id,
        starts_at=local(slot.starts_at),
        ends_at=local(slot.ends_at),
        local_start=in_words(slot.starts_at),
        places_left=free_places(slot, Channel.ONLINE, now),
    )


def day_shown(day: DaySeen, kind: ServiceKind) -> DayShown:
    """Return one day; only a museum says how full its hours are (减少观众排队等候时间 [001])."""
    return DayShown(
        date=day.date,
        weekday=day.date.isoweekday(),
        holiday=calendar.day(day.date).name if calendar.is_known(day.date.year) else None,
        summary=_summary(day.summary),
        times=[_time(one) for one in day.times],
        closed=[_closed(piece) for piece in day.closed],
        fullness=[_fullness(one) for one in fullness_of(day.times)] if kind is ServiceKind.MUSEUM else None,
    )


def _summary(summary: Summary) -> DaySummary:
    return DaySummary(
        bookable=summary.why is None,
        times=summary.times,
        places_left=summary.places_left,
        reason=summary.why,
        words=words_of(summary.why),
        opens_at=local(summary.bookable_from) if summary.bookable_from else None,
    )


def _time(one: TimeSeen) -> TimeShown:
    seen, slot = one.seen, one.seen.slot
    starts_at = local(slot.starts_at)
    return TimeShown(
        slot_id=slot.id,
        starts_at=starts_at,
        ends_at=local(slot.ends_at),
        time=f"{starts_at:%H:%M}",
        label=seen.label,
        charge=seen.charge,
        capacity=slot.capacity,
        places_left=one.places_left,
        bookable=one.why is None,
        reason=one.why,
        words=seen.closed if one.why is Reason.SLOT_CLOSED and seen.closed else words_of(one.why),
        bookable_from=local(slot.bookable_from),
        releases=[PortionSeen(at=local(at), places=places) for at, places in one.to_come],
        bookable_until=local(slot.bookable_until),
    )


def _closed(piece: OpenDay) -> ClosedHours:
    assert piece.closure is not None
    return ClosedHours(opens=piece.opens, closes=piece.closes, words=piece.closure.reason)


def _fullness(one: Fullness) -> FullnessShown:
    return FullnessShown(hour=f"{local(one.hour):%H:%M}", taken=one.taken, capacity=one.capacity)
