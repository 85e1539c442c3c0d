"""One thing to say to one person, spread over the channels that reach them: due when, of use until when, or why not.

What is to be said is decided in `planning` (bookings) and `noticing` (everything else); the order of channels in
`cascade`, the hour in `quiet_hours`, what the person wants in `preference`. Here the four meet. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from services.notify.domain.cascade import LOUD, RECORD, Step, steps
from services.notify.domain.lifecycle import State
from services.notify.domain.message import OPT_IN, BusinessKey, Channel, Kind, Planned, Reach, Urgency, Why
from services.notify.domain.preference import CHANNELS, DEFAULTS, Preferences
from services.notify.domain.quiet_hours import HARM, Decision, Timing, decide

WORTH_A_TEXT = frozenset(
    {Kind.SIGN_IN_CODE, Kind.WAITLIST_OFFER, Kind.CONSENT_REQUEST, Kind.COPY_REQUEST, Kind.CLOSURE}
)
"""Kinds that are worth the price of a text message, unless the operator decides otherwise."""

_FORESEEN = frozenset({Kind.REMINDER, Kind.PREPARATION, Kind.RELEASE_REMINDER})
"""Kinds that could be said sooner than at their time."""

_ONLY_ON_TIME = frozenset({Kind.REMINDER, Kind.PREPARATION})
"""Kinds that the confirmation has just said as well, where their time has passed when they are planned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the operator decides. `sms_kinds`: kinds worth the price of a text message."""

    sms_kinds: frozenset[Kind] = field(default_factory=lambda: WORTH_A_TEXT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Who is spoken to: how they can be reached, what they want, by which rules, and at what time it is decided."""

    reach: Reach
    rules: Rules
    now: datetime
    preferences: Preferences = DEFAULTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is spoken of: a thing at a version, and whose it is."""

    id: UUID
    version: int
    recipient_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """One thing to say, before channels: due when, late from when, of use until when in the inbox and elsewhere.

    `corrects`: channels that carried words which are no longer true; each of them carries this one too.
    """

    kind: Kind
    why: Why
    due_at: datetime
    late_from: datetime
    useful_until: datetime
    record_until: datetime
    urgency: Urgency
    lead_minutes: int = 0
    corrects: frozenset[Channel] = frozenset()

    def until(self, channel: Channel) -> datetime:
        """Return until when it is of use on `channel`."""
        return self.record_until if channel is RECORD else self.useful_until


def on_each_channel(saying: Saying, subject: Subject, to: Listener) -> Iterator[Planned]:
    """Return the message on every channel of its kind: planned, or suppressed with the reason."""
    wanted = [one for one in CHANNELS[saying.kind] if _worth_it(saying, one, to.rules) and _is_bound(one, to.reach)]
    obstacles = {one: _obstacle(saying, one, to) for one in wanted}
    open_to = [one for one in wanted if obstacles[one] is None]
    planned = {step.channel: step for step in steps(open_to, saying.due_at, saying.late_from, HARM[saying.kind])}
    for channel in wanted:
        obstacle, step = obstacles[channel], planned.get(channel)
        if obstacle is not None or step is None:
            yield _message(saying, subject, channel, State.SUPPRESSED, obstacle or Why.NOTHING_TO_SAY)
            continue
        unusual = step.only_without_evidence or not _pays(saying, channel, to.rules)
        corrects = channel in saying.corrects and unusual
        step = replace(step, due_at=saying.due_at, only_without_evidence=False) if corrects else step
        yield _timed(saying, subject, step, to, corrects=corrects)


def _timed(saying: Saying, subject: Subject, step: Step, to: Listener, *, corrects: bool) -> Planned:
    """Return the message at its hour: the quiet hours of its reader may hold it, bring it forward, or silence it."""
    decision = _decide(saying, step, to)
    if decision.at is None:
        return _message(saying, subject, step.channel, State.SUPPRESSED, decision.why)
    why = decision.why
    if why is Why.BY_DAY:
        why = saying.why
        if corrects:
            why = Why.CORRECTS_WHAT_WAS_SENT
        elif step.only_without_evidence:
            why = Why.IF_NOT_REACHED
    return replace(
        _message(saying, subject, step.channel, State.PLANNED, why),
        due_at=decision.at,
        only_without_evidence=step.only_without_evidence,
    )


def _decide(saying: Saying, step: Step, to: Listener) -> Decision:
    useful_until = saying.until(step.channel)
    timing = Timing(
        due_at=step.due_at,
        late_from=min(saying.late_from, useful_until),
        useful_until=useful_until,
        harm=HARM[saying.kind],
        loud=step.channel in LOUD,
        foreseen=saying.kind in _FORESEEN,
        silent_too=RECORD in CHANNELS[saying.kind],
    )
    return decide(timing, to.preferences.quiet_hours, to.now)


def _message(saying: Saying, subject: Subject, channel: Channel, state: State, why: Why) -> Planned:
    return Planned(
        key=BusinessKey(
            subject_id=subject.id,
            subject_version=subject.version,
            kind=saying.kind,
            lead_minutes=saying.lead_minutes,
            recipient_id=subject.recipient_id,
            channel=channel,
        ),
        due_at=saying.due_at,
        expires_at=saying.until(channel),
        urgency=saying.urgency,
        state=state,
        why=why,
        late_from=min(saying.late_from, saying.until(channel)),
    )


def _worth_it(saying: Saying, channel: Channel, rules: Rules) -> bool:
    return _pays(saying, channel, rules) or channel in saying.corrects


def _is_bound(channel: Channel, reach: Reach) -> bool:
    return channel not in OPT_IN or channel in reach.bound


def _pays(saying: Saying, channel: Channel, rules: Rules) -> bool:
    return channel is not Channel.SMS or saying.kind in rules.sms_kinds


def _obstacle(saying: Saying, channel: Channel, to: Listener) -> Why | None:
    """Return the first reason not to send, or None. Reasons of time come first: they hold on every channel."""
    elsewhere, reach, now = channel is not RECORD, to.reach, to.now
    unwanted = to.preferences.obstacle(saying.kind, channel, saying.lead_minutes)
    obstacles = (
        (saying.kind in _ONLY_ON_TIME and saying.due_at <= now, Why.DUE_TIME_PASSED),
        (saying.until(channel) <= now, Why.NO_LONGER_USEFUL),
        (unwanted is not None, unwanted),
        (elsewhere and not reach.readable, Why.CONTACT_UNREADABLE),
        (channel is Channel.EMAIL and not reach.email and reach.email_unproved, Why.CONTACT_UNPROVED),
        (channel is Channel.EMAIL and not reach.email, Why.NO_EMAIL_ADDRESS),
        (channel is Channel.SMS and not reach.phone, Why.NO_PHONE_NUMBER),
    )
    return next((why for stands, why in obstacles if stands), None)
