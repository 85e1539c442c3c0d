"""What is said of things that are no bookings: penalties, consents, queues, cases and releases. Pure.

The law is that of bookings: a notice speaks of one version of one thing, a newer version ends what an older one left
unsaid, and what a sensitive service is called is never kept, so it cannot leak. A notice carries its words with it,
in both languages, because the thing it speaks of is not otherwise known here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from uuid import UUID

from services.notify.domain.local_time import in_brief, in_words
from services.notify.domain.message import Kind, Language, Urgency, Why
from services.notify.domain.planning import RECORD_KEPT, Plan
from services.notify.domain.quiet_hours import offer_late_from
from services.notify.domain.saying import Listener, Saying, Subject, on_each_channel
from shared.contracts import (
    CaseMoved,
    ConsentAsked,
    CopyChanged,
    NoticeData,
    PenaltyChanged,
    QueueMoved,
    ReleaseNearing,
    Words,
)

Form = Callable[[str, Language], str]

NEARLY = 3
"""Whoever has at most so many before them in a queue is told to come."""

RELEASE_AHEAD = timedelta(minutes=15)
"""How long before places open somebody is told who asked to be."""

NEWS_USEFUL = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A thing at a version, and the words that its messages may use; `names` say what and where, and may be empty."""

    subject_id: UUID
    version: int
    account_id: UUID
    sensitive: bool
    values: Mapping[str, Words] = field(default_factory=dict)
    names: Mapping[str, Words] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """What an event is about, in one form: the notice, its sealed contact, and what to say, if anything."""

    notice: Notice
    contact: str | None
    saying: Saying | None


def noticed(data: NoticeData, now: datetime) -> Noticed:
    """Return what `data` is about and what it makes us say at `now`."""
    match data:
        case PenaltyChanged():
            return _penalty(data, now)
        case ConsentAsked():
            return _consent(data, now)
        case QueueMoved():
            return _queue(data, now)
        case CaseMoved():
            return _case(data, now)
        case ReleaseNearing():
            return _release(data)
        case CopyChanged():
            return _copy(data, now)


def plan_notice(found: Noticed, known_version: int | None, to: Listener) -> Plan:
    """Return what is said of `found`, if it is newer than `known_version`."""
    notice = found.notice
    if known_version is not None and notice.version <= known_version:
        return Plan(silence=Why.STALE_EVENT)
    if found.saying is None:
        return Plan(supersede=Why.NOT_ASKED_ANY_MORE, silence=Why.NOTHING_TO_SAY)
    subject = Subject(id=notice.subject_id, version=notice.version, recipient_id=notice.account_id)
    return Plan(messages=tuple(on_each_channel(found.saying, subject, to)), supersede=Why.NEWER_VERSION)


_OF_PENALTY: Mapping[str, tuple[Kind, Why]] = MappingProxyType(
    {
        "warned": (Kind.PENALTY_WARNING, Why.STRIKE_COUNTED),
        "barred": (Kind.PENALTY_BAR, Why.BARRED),
        "lifted": (Kind.PENALTY_END, Why.BAR_ENDED),
    }
)


def _penalty(data: PenaltyChanged, now: datetime) -> Noticed:
    known = _OF_PENALTY.get(data.state)
    values = {"count": _same(data.count), "threshold": _same(data.threshold), "until": _time(data.local_until)}
    notice = Notice(
        subject_id=data.penalty_id,
        version=data.version,
        account_id=data.account_id,
        sensitive=data.sensitive,
        values=values,
        names={} if data.sensitive else {"scope": data.scope},
    )
    saying = None if known is None else _news(*known, now, max(data.until or now, now + NEWS_USEFUL))
    return Noticed(notice=notice, contact=data.contact, saying=saying)


def _consent(data: ConsentAsked, now: datetime) -> Noticed:
    notice = Notice(
        subject_id=data.consent_id,
        version=data.version,
        account_id=data.account_id,
        sensitive=data.sensitive,
        values={
            "reference": _same(data.reference),
            "when": _time(data.local_start),
            "when_brief": _brief(data.local_start),
            "until": _time(data.local_hold_until),
        },
        names={} if data.sensitive else {"service": data.service_name, "venue": data.venue_name},
    )
    saying = Saying(
        kind=Kind.CONSENT_REQUEST,
        why=Why.CONSENT_NEEDED,
        due_at=now,
        late_from=offer_late_from(data.hold_until),
        useful_until=data.hold_until,
        record_until=data.hold_until,
        urgency=Urgency.NOW,
    )
    return Noticed(notice=notice, contact=data.contact, saying=saying if data.state == "asked" else None)


def _queue(data: QueueMoved, now: datetime) -> Noticed:
    notice = Notice(
        subject_id=data.ticket_id,
        version=data.version,
        account_id=data.account_id,
        sensitive=data.sensitive,
        values={"ticket": _same(data.ticket), "ahead": _same(data.ahead)},
        names={} if data.sensitive else {"service": data.service_name, "venue": data.venue_name},
    )
    near = data.state == "waiting" and data.ahead <= NEARLY
    saying = Saying(
        kind=Kind.QUEUE_NEAR,
        why=Why.TURN_NEAR,
        due_at=now,
        late_from=data.useful_until,
        useful_until=data.useful_until,
        record_until=data.useful_until,
        urgency=Urgency.NOW,
    )
    return Noticed(notice=notice, contact=data.contact, saying=saying if near else None)


def _case(data: CaseMoved, now: datetime) -> Noticed:
    notice = Notice(
        subject_id=data.case_id,
        version=data.version,
        account_id=data.account_id,
        sensitive=data.sensitive,
        values={"reference": _same(data.reference)},
        names={} if data.sensitive else {"step": data.step, "next_step": data.next_step},
    )
    return Noticed(
        notice=notice,
        contact=data.contact,
        saying=_news(Kind.CASE_STEP, Why.STEP_REACHED, now, now + NEWS_USEFUL),
    )


def _release(data: ReleaseNearing) -> Noticed:
    notice = Notice(
        subject_id=data.watch_id,
        version=data.version,
        account_id=data.account_id,
        sensitive=data.sensitive,
        values={"opens": _time(data.local_opens), "opens_brief": _brief(data.local_opens)},
        names={} if data.sensitive else {"service": data.service_name, "venue": data.venue_name},
    )
    saying = Saying(
        kind=Kind.RELEASE_REMINDER,
        why=Why.OPENS_SOON,
        due_at=data.opens_at - RELEASE_AHEAD,
        late_from=data.opens_at,
        useful_until=data.opens_at,
        record_until=data.opens_at,
        urgency=Urgency.SOON,
    )
    return Noticed(notice=notice, contact=data.contact, saying=saying if data.state == "nearing" else None)


def _copy(data: CopyChanged, now: datetime) -> Noticed:
    """Whose messages it is about stands in the contact alone, sealed; nothing of it is kept here."""
    notice = Notice(subject_id=data.copy_id, version=data.version, account_id=data.reader_id, sensitive=True)
    saying = _news(Kind.COPY_REQUEST, Why.COPY_ASKED, now, now + NEWS_USEFUL) if data.state == "asked" else None
    return Noticed(notice=notice, contact=data.contact, saying=saying)


def _news(kind: Kind, why: Why, now: datetime, useful_until: datetime) -> Saying:
    return Saying(
        kind=kind,
        why=why,
        due_at=now,
        late_from=useful_until,
        useful_until=useful_until,
        record_until=useful_until + RECORD_KEPT,
        urgency=Urgency.SOON,
    )


def _same(value: object) -> Words:
    return Words(zh=str(value), en=str(value))


def _time(local: str | None) -> Words:
    return _same("") if local is None else _both(local, in_words)


def _brief(local: str) -> Words:
    return _both(local, in_brief)


def _both(local: str, form: Form) -> Words:
    return Words(zh=form(local, Language.ZH_CN), en=form(local, Language.EN))
