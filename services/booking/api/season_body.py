"""Request rounds as people see them: the round, a club's request with its hours, and the staff's view with rivals."""

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from services.booking.domain.season import Fate, Occurrence, SeasonRound, SeasonStage
from services.booking.domain.season_news import request_reference
from services.booking.domain.zone import local
from services.booking.store.plan_document import ClockTime
from services.booking.store.seasons import SeasonRequest
from shared.web import Shown, Strict

_COURT = "zhongshan-fitness-badminton-1"
_ROUND: dict[str, Any] = {
    "id": "01936f2e-0000-7def-8a3b-000000000030",
    "venue_id": "zhongshan-fitness",
    "services": [_COURT],
    "first": "2027-03-01",
    "last": "2027-06-30",
    "opens_at": "2027-01-04T09:00:00+08:00",
    "closes_at": "2027-01-31T18:00:00+08:00",
    "stage": "gathering",
}
_OCCURRENCE: dict[str, Any] = {
    "id": "01936f2e-0000-7def-8a3b-000000000032",
    "service_id": _COURT,
    "starts_at": "2027-03-03T18:00:00+08:00",
    "asked_service_id": _COURT,
    "asked_starts_at": "2027-03-03T18:00:00+08:00",
    "fate": "proposed",
    "reason": "该时间由校队使用",
    "proposed_service_id": _COURT,
    "proposed_starts_at": "2027-03-03T19:00:00+08:00",
    "booking_id": "01936f2e-0000-7def-8a3b-000000000033",
}
_REQUEST: dict[str, Any] = {
    "id": "01936f2e-0000-7def-8a3b-000000000031",
    "reference": "00000031",
    "service_id": _COURT,
    "weekday": 3,
    "at": "18:00",
    "first": "2027-03-01",
    "last": "2027-06-30",
    "excluded": ["2027-05-05"],
    "words": "青年羽毛球俱乐部训练",
    "created_at": "2027-01-05T10:00:00+08:00",
    "occurrences": [_OCCURRENCE],
}


class NewSeasonRound(Strict):
    """A season over courts of one venue: days `first` to `last`, asked for from `opens_at` to `closes_at`."""

    services: Annotated[list[Annotated[str, Field(max_length=80)]], Field(min_length=1, max_length=40)]
    first: date
    last: date
    opens_at: datetime
    closes_at: datetime

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{name: _ROUND[name] for name in ("services", "first", "last", "opens_at", "closes_at")}]
        }
    )


class NewSeasonRequest(Strict):
    """A series: every `weekday` (1 Monday to 7 Sunday) at `at`, from `first` to `last`, without the dates `excluded`."""

    service_id: Annotated[str, Field(max_length=80)]
    weekday: Annotated[int, Field(ge=1, le=7)]
    at: ClockTime
    first: date
    last: date
    excluded: Annotated[list[date], Field(default_factory=list, max_length=60)]
    person_id: Annotated[UUID, Field(description="The saved person who answers for the club.")]
    words: Annotated[str, Field(min_length=1, max_length=200, description="Who asks, and what for.")]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **{
                        name: _REQUEST[name]
                        for name in ("service_id", "weekday", "at", "first", "last", "excluded", "words")
                    },
                    "person_id": "01936f2e-0000-7def-8a3b-000000000002",
                }
            ]
        }
    )


class Hour(Strict):
    """A court at a time."""

    service_id: Annotated[str, Field(max_length=80)]
    starts_at: datetime


class Decision(Strict):
    """What becomes of one occurrence. A rejection says why; a proposal says what instead."""

    occurrence_id: UUID
    decision: Literal["accept", "reject", "propose"]
    reason: Annotated[str | None, Field(max_length=200)] = None
    instead: Hour | None = None


class Decisions(Strict):
    """Decisions in the order in which they are made: all or none."""

    decisions: Annotated[list[Decision], Field(min_length=1, max_length=200)]

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"decisions": [{"occurrence_id": _OCCURRENCE["id"], "decision": "accept"}]}]}
    )


class Reply(Strict):
    """What the club says: it agrees to what was proposed, declines it, or withdraws the hour."""

    reply: Literal["agree", "decline", "withdraw"]

    model_config = ConfigDict(json_schema_extra={"examples": [{"reply": "agree"}]})


class SeasonRoundShown(Shown):
    """A round and where it is."""

    id: UUID
    venue_id: str
    services: list[str]
    first: date
    last: date
    opens_at: datetime
    closes_at: datetime
    stage: SeasonStage

    model_config = ConfigDict(json_schema_extra={"examples": [_ROUND]})


class OccurrenceShown(Shown):
    """One hour: what was asked, what is given or proposed, and what became of it, with the reason where it is none."""

    id: UUID
    service_id: str
    starts_at: datetime
    asked_service_id: str
    asked_starts_at: datetime
    fate: Fate
    reason: Annotated[str | None, Field(description="The staff's own words, or the code of what refused it.")]
    proposed_service_id: str | None
    proposed_starts_at: datetime | None
    booking_id: Annotated[UUID | None, Field(description="Its booking, once it is booked.")]

    model_config = ConfigDict(json_schema_extra={"examples": [_OCCURRENCE]})


class SeasonRequestShown(Shown):
    """A club's request with every hour of it."""

    id: UUID
    reference: Annotated[str, Field(description="What it is called in messages about it. 受理号。")]
    service_id: str
    weekday: int
    at: ClockTime
    first: date
    last: date
    excluded: list[date]
    words: str
    created_at: datetime
    occurrences: list[OccurrenceShown]

    model_config = ConfigDict(json_schema_extra={"examples": [_REQUEST]})


class RivalsShown(Shown):
    """An hour that several occurrences want or have."""

    service_id: str
    starts_at: datetime
    occurrences: list[UUID]


class AllocationShown(Shown):
    """What staff decide on: requests in the fair order (fewest hours given first, then who asked first), and rivals."""

    round: SeasonRoundShown
    requests: list[SeasonRequestShown]
    hours_given: Annotated[dict[str, int], Field(description="Hours given to each request's account, by request.")]
    rivals: list[RivalsShown]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "round": _ROUND | {"stage": "allocating"},
                    "requests": [_REQUEST],
                    "hours_given": {_REQUEST["id"]: 0},
                    "rivals": [],
                }
            ]
        }
    )


def round_shown(one: SeasonRound, now: datetime) -> SeasonRoundShown:
    """Return a round."""
    return SeasonRoundShown(
        id=one.id,
        venue_id=one.venue_id,
        services=list(one.service_ids),
        first=one.first,
        last=one.last,
        opens_at=local(one.opens_at),
        closes_at=local(one.closes_at),
        stage=one.stage(now),
    )


def occurrence_shown(one: Occurrence) -> OccurrenceShown:
    """Return an occurrence; the id of a booking only once there is one."""
    return OccurrenceShown(
        id=one.id,
        service_id=one.service_id,
        starts_at=local(one.starts_at),
        asked_service_id=one.asked_service_id,
        asked_starts_at=local(one.asked_starts_at),
        fate=one.fate,
        reason=one.reason,
        proposed_service_id=one.proposed_service_id,
        proposed_starts_at=None if one.proposed_starts_at is None else local(one.proposed_starts_at),
        booking_id=one.booking_id if one.fate is Fate.BOOKED else None,
    )


def request_shown(request: SeasonRequest, occurrences: Sequence[Occurrence]) -> SeasonRequestShown:
    """Return a request with those of `occurrences` that are its own."""
    series = request.series
    at: time = series.at
    return SeasonRequestShown(
        id=request.id,
        reference=request_reference(request.id),
        service_id=series.service_id,
        weekday=series.weekday,
        at=at,
        first=series.first,
        last=series.last,
        excluded=list(series.excluded),
        words=request.words,
        created_at=local(request.created_at),
        occurrences=[occurrence_shown(one) for one in occurrences if one.request_id == request.id],
    )
