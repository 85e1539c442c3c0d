"""What an event about a booking makes us say, to whom it cannot be said, and what we no longer say. Pure.

The law: a message speaks of one version of one thing. An event that is not newer than what is known plans nothing;
one that is newer puts an end to every message of an older version that can still be stopped.

A reminder that would have been due by the time its booking is confirmed is dropped with its reason and never sent
late: the confirmation, which goes at that very moment, says the same. A hold gets no message, for its holder is
looking at it; moving a hold is no news either. A booking that moves ends the reminders of its old time, plans those of
the new one, and is told with both times: whoever reads only one of two messages must know which to keep. A party that
gets smaller is told how many are left, and reminded as before. A hold that ran out gets a line in the in-app inbox
alone: whoever believes that a place is booked must be able to find out that it is not, and nobody wants mail for a page
they closed. A place offered from the waiting list is a hold that its holder does not look at: it is told at once, with
its deadline, and so is its end.

What went out and became wrong is corrected where it went: a move or cancellation is also told on every channel that
carried a message of an older version whose use is not over, whatever that channel costs. When the house cancels, not
the resident, it says sorry and names other times; those who would leave home first hear of it first.

When a message goes and by which channels is decided in `saying`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from uuid import UUID

from services.notify.domain.lifecycle import State
from services.notify.domain.message import BusinessKey, Channel, Kind, Planned, Urgency, Why
from services.notify.domain.quiet_hours import About, late_from, offer_late_from
from services.notify.domain.reminder import reminders
from services.notify.domain.saying import Listener, Rules, Saying, Subject, on_each_channel
from shared.contracts import BookingChanged, ContactProofRequested, EventType, SignInCodeRequested

RECORD_KEPT = timedelta(days=30)
"""The in-app inbox is also the record of what happened: there, news stays of use this long after the appointment."""

HELD = "held"
"""The state of a booking whose holder has not confirmed it yet, as the booking service's events name it."""

RESIDENT = "resident"
"""The role of whoever books for themselves, as the booking service's events name it."""

FEEDBACK_AFTER = timedelta(hours=2)
"""How long after it is over somebody is asked how it was."""

FEEDBACK_USEFUL = timedelta(days=7)

STORM_RATE = timedelta(minutes=1)
STORM_MOST = timedelta(minutes=30)
"""News that the house cancelled waits a minute for each day that lies before the appointment, at most half an hour.

So when a closure cancels thousands of bookings in one second, those who would leave home first hear of it first, and
the rest follow at a pace that providers can carry.
"""

__all__ = ["Circumstances", "Known", "Plan", "Rules", "plan_booking", "plan_proof", "plan_sign_in"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The newest version of a booking heard of so far, and its state then.

    `offered`: it was a place offered from the waiting list. `said`: channels that carried a message of it which would
    mislead its reader if it had changed.
    """

    version: int
    state: str
    offered: bool = False
    said: frozenset[Channel] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do about an event.

    `messages` are to be kept. `supersede` says why open messages of older versions end; it is None where the event is
    stale. `silence` says why nothing is said, where nothing is.
    """

    messages: tuple[Planned, ...] = ()
    supersede: Why | None = None
    silence: Why | None = None


_ENDS_OLDER: Mapping[EventType, Why] = MappingProxyType(
    {
        EventType.BOOKING_HELD: Why.NEWER_VERSION,
        EventType.BOOKING_CONFIRMED: Why.NEWER_VERSION,
        EventType.BOOKING_MOVED: Why.NEWER_VERSION,
        EventType.BOOKING_PARTY_CHANGED: Why.NEWER_VERSION,
        EventType.BOOKING_CANCELLED: Why.BOOKING_CANCELLED,
        EventType.BOOKING_CHECKED_IN: Why.BOOKING_CHECKED_IN,
        EventType.BOOKING_STEP_MET: Why.BOOKING_CHECKED_IN,
        EventType.BOOKING_STEP_CORRECTED: Why.NEWER_VERSION,
        EventType.BOOKING_COMPLETED: Why.BOOKING_OVER,
        EventType.BOOKING_NO_SHOW: Why.BOOKING_OVER,
        EventType.BOOKING_LAPSED: Why.BOOKING_OVER,
        EventType.WAITLIST_OFFERED: Why.NEWER_VERSION,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances(Listener):
    """What planning must know besides the event: its listener, and what was known of the booking."""

    known: Known | None


def plan_booking(kind_of_event: EventType, booking: BookingChanged, at: Circumstances) -> Plan:
    """Return what `booking`, as an event of `kind_of_event` tells it, makes us say and no longer say."""
    if at.known is not None and booking.version <= at.known.version:
        return Plan(silence=Why.STALE_EVENT)
    subject = Subject(id=booking.booking_id, version=booking.version, recipient_id=booking.account_id)
    sayings = tuple(_sayings(kind_of_event, booking, at))
    messages = tuple(message for saying in sayings for message in on_each_channel(saying, subject, at))
    silence = None
    if not messages:
        silence = Why.ONLY_A_HOLD if booking.state == HELD or _leaves_a_hold(booking, at.known) else Why.NOTHING_TO_SAY
    return Plan(messages=messages, supersede=_ENDS_OLDER[kind_of_event], silence=silence)


def plan_sign_in(request: SignInCodeRequested, now: datetime) -> Plan:
    """Return the text message that carries a one-time code. It is of use exactly as long as the code."""
    key = _code_key(request.request_id, Kind.SIGN_IN_CODE, Channel.SMS)
    return _plan_code(key, Why.CODE_REQUESTED, request.expires_at, now)


def plan_proof(request: ContactProofRequested, now: datetime) -> Plan:
    """Return the mail by which somebody proves that its address is theirs; of use as long as what it carries."""
    key = _code_key(request.proof_id, Kind.CONTACT_PROOF, Channel.EMAIL)
    return _plan_code(key, Why.PROOF_REQUESTED, request.expires_at, now)


def _code_key(request_id: UUID, kind: Kind, channel: Channel) -> BusinessKey:
    return BusinessKey(
        subject_id=request_id,
        subject_version=1,
        kind=kind,
        lead_minutes=0,
        recipient_id=request_id,
        channel=channel,
    )


def _plan_code(key: BusinessKey, why: Why, expires_at: datetime, now: datetime) -> Plan:
    useful = now < expires_at
    message = Planned(
        key=key,
        due_at=now,
        expires_at=expires_at,
        urgency=Urgency.NOW,
        state=State.PLANNED if useful else State.SUPPRESSED,
        why=why if useful else Why.NO_LONGER_USEFUL,
    )
    return Plan(messages=(message,))


def _sayings(kind_of_event: EventType, booking: BookingChanged, at: Circumstances) -> Iterator[Saying]:
    match kind_of_event:
        case EventType.BOOKING_CONFIRMED:
            yield _news(Kind.CONFIRMATION, Why.CONFIRMED, booking, at)
            yield from _ahead(booking)
        case EventType.BOOKING_MOVED if booking.state != HELD:
            yield _news(Kind.CHANGE, Why.MOVED, booking, at)
            yield from _ahead(booking)
        case EventType.BOOKING_PARTY_CHANGED if booking.state != HELD:
            yield _news(Kind.PARTY_CHANGED, Why.PARTY_SMALLER, booking, at)
            yield from _ahead(booking)
        case EventType.BOOKING_CANCELLED if not _leaves_a_hold(booking, at.known):
            by_the_house = booking.by is not None and booking.by != RESIDENT
            kind, why = (Kind.CLOSURE, Why.CLOSED) if by_the_house else (Kind.CANCELLATION, Why.CANCELLED)
            yield _news(kind, why, booking, at)
        case EventType.WAITLIST_OFFERED if booking.hold_until is not None:
            yield _offer(booking.hold_until, at.now)
        case EventType.BOOKING_LAPSED if at.known is not None and at.known.offered:
            yield _news(Kind.OFFER_LAPSED, Why.OFFER_RAN_OUT, booking, at)
        case EventType.BOOKING_LAPSED:
            yield _news(Kind.HOLD_LAPSED, Why.HOLD_RAN_OUT, booking, at)
        case EventType.BOOKING_COMPLETED:
            yield _feedback(at.now)
        case _:
            return


def _leaves_a_hold(booking: BookingChanged, known: Known | None) -> bool:
    """Whether somebody gave up a hold, a thing they were never told of. Sure only where no version is missing between."""
    return known is not None and known.state == HELD and booking.version == known.version + 1


_CORRECTS = frozenset({Kind.CHANGE, Kind.CANCELLATION, Kind.CLOSURE, Kind.OFFER_LAPSED})
"""Kinds that make what was said before untrue."""


def _news(kind: Kind, why: Why, booking: BookingChanged, at: Circumstances) -> Saying:
    about = About(starts_at=booking.starts_at, local_start_before=booking.local_start_before)
    due_at = at.now
    if kind is Kind.CLOSURE:
        due_at += min(STORM_MOST, max(timedelta(), STORM_RATE * ((booking.starts_at - at.now) / timedelta(days=1))))
    return Saying(
        kind=kind,
        why=why,
        due_at=due_at,
        late_from=late_from(kind, about, booking.ends_at),
        useful_until=booking.ends_at,
        record_until=booking.ends_at + RECORD_KEPT,
        urgency=Urgency.SOON,
        corrects=at.known.said if at.known is not None and kind in _CORRECTS else frozenset(),
    )


def _offer(deadline: datetime, now: datetime) -> Saying:
    return Saying(
        kind=Kind.WAITLIST_OFFER,
        why=Why.OFFERED,
        due_at=now,
        late_from=offer_late_from(deadline),
        useful_until=deadline,
        record_until=deadline,
        urgency=Urgency.NOW,
    )


def _feedback(now: datetime) -> Saying:
    until = now + FEEDBACK_AFTER + FEEDBACK_USEFUL
    return Saying(
        kind=Kind.FEEDBACK,
        why=Why.COMPLETED,
        due_at=now + FEEDBACK_AFTER,
        late_from=until,
        useful_until=until,
        record_until=until,
        urgency=Urgency.ROUTINE,
    )


def _ahead(booking: BookingChanged) -> Iterator[Saying]:
    """Return what is told before the appointment: reminders, and what to prepare."""
    for reminder in reminders(booking.starts_at, booking.reminders):
        about = About(starts_at=booking.starts_at, lead_minutes=reminder.lead_minutes)
        yield Saying(
            kind=Kind.REMINDER,
            why=Why.DUE_BEFORE_START,
            due_at=reminder.due_at,
            late_from=late_from(Kind.REMINDER, about, reminder.useful_until),
            useful_until=reminder.useful_until,
            record_until=reminder.useful_until,
            urgency=Urgency.ROUTINE,
            lead_minutes=reminder.lead_minutes,
        )
    for minutes in sorted({one.lead_minutes for one in booking.preparations if one.lead_minutes > 0}):
        lead = timedelta(minutes=minutes)
        due_at = booking.starts_at - lead
        yield Saying(
            kind=Kind.PREPARATION,
            why=Why.DUE_BEFORE_START,
            due_at=due_at,
            late_from=due_at + lead / 4,
            useful_until=due_at + lead / 2,
            record_until=booking.starts_at,
            urgency=Urgency.ROUTINE,
            lead_minutes=minutes,
        )
