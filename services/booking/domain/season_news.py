"""What a club is told when staff commit a round: how many hours of a series it was given, which not, and why not.

One piece of news for each series. It counts all of them, and names the first few that were not given with their reasons; the
whole list stands in the request itself.
"""

from collections.abc import Sequence
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from services.booking.domain.catalogue import Service
from services.booking.domain.season import DECLINED, GIVEN, NOT_ALLOCATED, NOT_IN_PLAN, Fate, Occurrence
from services.booking.domain.zone import local
from shared.contracts import CaseMoved, Event, EventType, Words

NAMED_MOST = 10
"""Hours that were not given, and are named."""

_WHY = MappingProxyType(
    {
        NOT_IN_PLAN: Words("开放计划中没有", "not in the plan"),
        NOT_ALLOCATED: Words("未分到", "not allocated"),
        DECLINED: Words("您未同意", "you declined"),
    }
)
"""The reasons that the house gives by itself; staff's own are words already, in whichever language they wrote."""

_SETTLED = frozenset({Fate.REJECTED, Fate.REFUSED})


def request_reference(request_id: UUID) -> str:
    """Return what a request is called when people speak of it: the end of its id, which is chance."""
    return request_id.hex[-8:].upper()


def season_event(
    occurrences: Sequence[Occurrence], service: Service, contact: str | None, now: datetime, event_id: UUID
) -> Event:
    """Return the news of one series, whose hours these are, in order of time."""
    request_id, account_id = occurrences[0].request_id, occurrences[0].account_id
    return Event(
        id=event_id,
        type=EventType.CASE_MOVED,
        subject=request_id,
        time=now,
        data=CaseMoved(
            case_id=request_id,
            version=1,
            account_id=account_id,
            contact=contact,
            reference=request_reference(request_id),
            step=_given(occurrences, service),
            next_step=_not_given(occurrences),
            sensitive=False,
        ),
    )


def _given(occurrences: Sequence[Occurrence], service: Service) -> Words:
    given = sum(one.fate in GIVEN for one in occurrences)
    asked = sum(one.fate is not Fate.WITHDRAWN for one in occurrences)
    return Words(
        f"{service.name.zh}：申请{asked}场，分得{given}场",
        f"{service.name.en}: {given} of the {asked} hours asked for",
    )


def _not_given(occurrences: Sequence[Occurrence]) -> Words:
    """Say what was not given and why, what still waits for the club's answer, and how the rest is booked."""
    zh, en = ["分得的场次一开放就为您预约"], ["the hours given are booked for you as soon as they open"]
    proposed = sum(one.fate is Fate.PROPOSED for one in occurrences)
    if proposed:
        zh.append(f"另有{proposed}场建议改期，等您答复")
        en.append(f"{proposed} at another time wait for your answer")
    settled = [one for one in occurrences if one.fate in _SETTLED]
    if settled:
        named = settled[:NAMED_MOST]
        more = len(settled) - len(named)
        zh.append("未分得：" + "、".join(_named(one).zh for one in named) + (f"等{len(settled)}场" if more else ""))
        en.append("not given: " + ", ".join(_named(one).en for one in named) + (f" and {more} more" if more else ""))
    return Words("；".join(zh), "; ".join(en))


def _named(one: Occurrence) -> Words:
    at = local(one.asked_starts_at)
    why = _WHY.get(one.reason or NOT_ALLOCATED, Words(one.reason or "", one.reason or ""))
    return Words(f"{at.month}月{at.day}日（{why.zh}）", f"{at.day} {at:%b} ({why.en})")
