"""What an event makes us say, to whom it cannot be said, and what we no longer say. Pure: time is an argument.

The law: a message speaks of one version of one thing. An event that is not newer than what is known plans nothing;
one that is newer puts an end to every message of an older version that can still be stopped.

A reminder that would have been due by the time its booking is confirmed is dropped with its reason and never sent
late: the confirmation, which goes at that very moment, says the same. A hold gets no message, for its holder is
looking at it; moving a hold is no news either. A booking that moves ends the reminders of its old time, plans those of
the new one, and is told with both times: whoever reads only one of two messages must know which to keep. A party that
gets smaller is reminded as before: whoever took a member out has seen it done. A hold that ran out gets a line in the
in-app inbox alone: whoever believes that a place is booked must be able to find out that it is not, and nobody wants
mail for a page they closed.

What its reader has switched off is suppressed and says so; when a message goes is decided in `quiet_hours`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from services.notify.domain.lifecycle import State
from services.notify.domain.message import OPT_IN, BusinessKey, Channel, Kind, Planned, Reach, Urgency, Why
from services.notify.domain.preference import CHANNELS, DEFAULTS, Preferences
from services.notify.domain.quiet_hours import HARM, LOUD, About, Decision, Timing, decide, late_from
from services.notify.domain.reminder import reminders
from shared.contracts import BookingChanged, EventType, SignInCodeRequested

RECORD_KEPT = timedelta(days=30)
"""The in-app inbox is also the record of what happened: there, news stays of use this long after the appointment."""

HELD = "held"
"""The state of a booking whose holder has not confirmed it yet, as the booking service's events name it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the operator decides. `sms_kinds`: kinds worth the price of a text message."""

    sms_kinds: frozenset[Kind] = field(default_factory=lambda: frozenset({Kind.SIGN_IN_CODE}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The newest version of a booking heard of so far, and its state then."""

    version: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do about an event.

    `messages` are to be kept. `supersede` says why open messages of older versions end; it is None where the event is
    stale. `silence` says why nothing is said, where nothing is.
    """

    messages: tuple[Planned, ...] = ()
    supersede: Why | None = None
    silence: Why | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Saying:
    """One thing to say, before channels: due when, of use until when in the inbox and elsewhere."""

    kind: Kind
    why: Why
    due_at: datetime
    useful_until: datetime
    record_until: datetime
    urgency: Urgency
    lead_minutes: int = 0


_ENDS_OLDER: Mapping[EventType, Why] = MappingProxyType(
    {
        EventType.BOOKING_HELD: Why.NEWER_VERSION,
        EventType.BOOKING_CONFIRMED: Why.NEWER_VERSION,
        EventType.BOOKING_MOVED: Why.NEWER_VERSION,
        EventType.BOOKING_PARTY_CHANGED: Why.NEWER_VERSION,
        EventType.BOOKING_CANCELLED: Why.BOOKING_CANCELLED,
        EventType.BOOKING_CHECKED_IN: Why.BOOKING_CHECKED_IN,
        EventType.BOOKING_COMPLETED: Why.BOOKING_OVER,
        EventType.BOOKING_NO_SHOW: Why.BOOKING_OVER,
        EventType.BOOKING_LAPSED: Why.BOOKING_OVER,
        EventType.WAITLIST_OFFERED: Why.NEWER_VERSION,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What planning must know besides the event.

    That is: what was known of the booking, who can be reached, the operator's rules, the time, what the reader wants.
    """

    known: Known | None
    reach: Reach
    rules: Rules
    now: datetime
    preferences: Preferences = DEFAULTS


def plan_booking(kind_of_event: EventType, booking: BookingChanged, at: Circumstances) -> Plan:
    """Return what `booking`, as an event of `kind_of_event` tells it, makes us say and no longer say."""
    if at.known is not None and booking.version <= at.known.version:
        return Plan(silence=Why.STALE_EVENT)
    sayings = tuple(_sayings(kind_of_event, booking, at))
    messages = tuple(message for saying in sayings for message in _on_each_channel(saying, booking, at))
    silence = None
    if not messages:
        silence = Why.ONLY_A_HOLD if booking.state == HELD or _leaves_a_hold(booking, at.known) else Why.NOTHING_TO_SAY
    return Plan(messages=messages, supersede=_ENDS_OLDER[kind_of_event], silence=silence)


def plan_sign_in(request: SignInCodeRequested, now: datetime) -> Plan:
    """Return the text message that carries a one-time code. It is of use exactly as long as the code."""
    key = BusinessKey(
        subject_id=request.request_id,
        subject_version=1,
        kind=Kind.SIGN_IN_CODE,
        lead_minutes=0,
        recipient_id=request.request_id,
        channel=Channel.SMS,
    )
    useful = now < request.expires_at
    message = Planned(
        key=key,
        due_at=now,
        expires_at=request.expires_at,
        urgency=Urgency.NOW,
        state=State.PLANNED if useful else State.SUPPRESSED,
        why=Why.CODE_REQUESTED if useful else Why.NO_LONGER_USEFUL,
    )
    return Plan(messages=(message,))


def _sayings(kind_of_event: EventType, booking: BookingChanged, at: Circumstances) -> Iterator[_Saying]:
    match kind_of_event:
        case EventType.BOOKING_CONFIRMED:
            yield _news(Kind.CONFIRMATION, Why.CONFIRMED, booking, at.now)
            yield from _reminders(booking)
        case EventType.BOOKING_MOVED if booking.state != HELD:
            yield _news(Kind.CHANGE, Why.MOVED, booking, at.now)
            yield from _reminders(booking)
        case EventType.BOOKING_PARTY_CHANGED if booking.state != HELD:
            yield from _reminders(booking)
        case EventType.BOOKING_CANCELLED if not _leaves_a_hold(booking, at.known):
            yield _news(Kind.CANCELLATION, Why.CANCELLED, booking, at.now)
        case EventType.BOOKING_LAPSED:
            yield _news(Kind.HOLD_LAPSED, Why.HOLD_RAN_OUT, booking, at.now)
        case _:
            return


def _leaves_a_hold(booking: BookingChanged, known: Known | None) -> bool:
    """Whether somebody gave up a hold, a thing they were never told of. Sure only where no version is missing between."""
    return known is not None and known.state == HELD and booking.version == known.version + 1


def _news(kind: Kind, why: Why, booking: BookingChanged, now: datetime) -> _Saying:
    return _Saying(
        kind=kind,
        why=why,
        due_at=now,
        useful_until=booking.ends_at,
        record_until=booking.ends_at + RECORD_KEPT,
        urgency=Urgency.SOON,
    )


def _reminders(booking: BookingChanged) -> Iterator[_Saying]:
    for reminder in reminders(booking.starts_at, booking.reminders):
        yield _Saying(
            kind=Kind.REMINDER,
            why=Why.DUE_BEFORE_START,
            due_at=reminder.due_at,
            useful_until=reminder.useful_until,
            record_until=reminder.useful_until,
            urgency=Urgency.ROUTINE,
            lead_minutes=reminder.lead_minutes,
        )


def _on_each_channel(saying: _Saying, booking: BookingChanged, at: Circumstances) -> Iterable[Planned]:
    for channel in CHANNELS[saying.kind]:
        if channel in OPT_IN and channel not in at.reach.bound:
            continue
        if channel is Channel.SMS and saying.kind not in at.rules.sms_kinds:
            continue
        expires_at = saying.record_until if channel is Channel.IN_APP else saying.useful_until
        obstacle = _obstacle(saying, channel, at, expires_at)
        timed = _timed(saying, channel, booking, at, expires_at)
        if obstacle is None and timed.at is None:
            obstacle = timed.why
        due_at = saying.due_at if obstacle or timed.at is None else timed.at
        yield Planned(
            key=BusinessKey(
                subject_id=booking.booking_id,
                subject_version=booking.version,
                kind=saying.kind,
                lead_minutes=saying.lead_minutes,
                recipient_id=booking.account_id,
                channel=channel,
            ),
            due_at=due_at,
            expires_at=expires_at,
            urgency=saying.urgency,
            state=State.SUPPRESSED if obstacle else State.PLANNED,
            why=obstacle or (saying.why if timed.why is Why.BY_DAY else timed.why),
        )


def _timed(
    saying: _Saying, channel: Channel, booking: BookingChanged, at: Circumstances, useful_until: datetime
) -> Decision:
    """Return when it goes by `channel`: the quiet hours of its reader may hold it, bring it forward, or silence it."""
    about = About(
        starts_at=booking.starts_at,
        local_start_before=booking.local_start_before,
        lead_minutes=saying.lead_minutes,
    )
    timing = Timing(
        due_at=saying.due_at,
        late_from=late_from(saying.kind, about, useful_until),
        useful_until=useful_until,
        harm=HARM[saying.kind],
        loud=channel in LOUD,
        foreseen=saying.kind is Kind.REMINDER,
    )
    return decide(timing, at.preferences.quiet_hours, at.now)


def _obstacle(saying: _Saying, channel: Channel, at: Circumstances, expires_at: datetime) -> Why | None:
    """Return the first reason not to send, or None. Reasons of time come first: they hold on every channel."""
    elsewhere, reach, now = channel is not Channel.IN_APP, at.reach, at.now
    unwanted = at.preferences.obstacle(saying.kind, channel, saying.lead_minutes)
    obstacles = (
        (saying.kind is Kind.REMINDER and saying.due_at <= now, Why.DUE_TIME_PASSED),
        (expires_at <= now, Why.NO_LONGER_USEFUL),
        (unwanted is not None, unwanted),
        (elsewhere and not reach.readable, Why.CONTACT_UNREADABLE),
        (channel is Channel.EMAIL and not reach.email, Why.NO_EMAIL_ADDRESS),
        (channel is Channel.SMS and not reach.phone, Why.NO_PHONE_NUMBER),
    )
    return next((why for stands, why in obstacles if stands), None)
