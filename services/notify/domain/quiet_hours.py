"""When a message may be said, so that it wakes nobody for nothing and still never comes late. Pure: time is an argument.

The law. Quiet hours are a person's own, 21:00 to 08:00 in the venue's zone unless they chose others. A channel is loud
or silent: a text message rings beside the bed, an e-mail and a line in the in-app inbox lie there until somebody looks.
Silent channels go at their time, at any hour. A loud one whose time falls into the quiet hours is decided thus, and
the first line that applies wins:

1. It is of no use any more when it could leave: drop it.
2. Somebody waits for it at this very moment (a sign-in code): send it.
3. In the morning it is not late yet: hold it until the quiet hours end.
4. It was known beforehand (a reminder): bring it forward to the evening, before the quiet hours begin.
5. Late, it would cost a journey to a closed door, or a place: send it at night, because the harm outweighs the sleep.
6. A silent channel says the same: leave it to that one.
7. Drop it. It is never delivered late.

"Late" begins for each kind where its reader can do less with it than was meant: for a reminder when half its lead is
gone, for news about an appointment two hours before it, for an offer half an hour before its deadline. Every decision
has its reason, a code of the decision log, and the same decision is taken again when the message is about to leave: an
outage of ours must not turn a message for the evening into one at midnight.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import IntEnum, StrEnum
from types import MappingProxyType
from zoneinfo import ZoneInfo

from services.notify.domain.message import Kind, Why

VENUE_ZONE = ZoneInfo("Asia/Shanghai")
"""The zone of every venue; it has no summer time, so hours of the clock can be added and taken away."""

EVENING_MARGIN = timedelta(minutes=30)
"""How long before the quiet hours a message is due that is brought forward: room for a burst, and for another try."""

JOURNEY = timedelta(hours=2)
"""How long before an appointment its reader may already be on the way."""

LAST_CALL = timedelta(minutes=30)
"""What somebody needs to answer an offer: to read it, ask at home and decide."""

LONGEST_QUIET = timedelta(hours=16)
"""Quiet hours are at most so long: the rest of the day must hold what was held back and brought forward."""


class Harm(IntEnum):
    """What it costs the reader if the message comes late."""

    NONE = 0
    """Nothing: it confirms what they know."""
    FORGOTTEN = 1
    """They may forget the appointment."""
    JOURNEY = 2
    """They may go for nothing, or at the wrong time."""
    PLACE = 3
    """They lose a place that was theirs to take."""
    WAITING = 4
    """They sit and wait for it."""


HARM: Mapping[Kind, Harm] = MappingProxyType(
    {
        Kind.CONFIRMATION: Harm.NONE,
        Kind.REMINDER: Harm.FORGOTTEN,
        Kind.CHANGE: Harm.JOURNEY,
        Kind.CANCELLATION: Harm.JOURNEY,
        Kind.HOLD_LAPSED: Harm.NONE,
        Kind.SIGN_IN_CODE: Harm.WAITING,
        Kind.CONTACT_PROOF: Harm.WAITING,
        Kind.PREPARATION: Harm.FORGOTTEN,
        Kind.PARTY_CHANGED: Harm.NONE,
        Kind.CLOSURE: Harm.JOURNEY,
        Kind.WAITLIST_OFFER: Harm.PLACE,
        Kind.OFFER_LAPSED: Harm.NONE,
        Kind.CONSENT_REQUEST: Harm.PLACE,
        Kind.FEEDBACK: Harm.NONE,
        Kind.PENALTY_WARNING: Harm.NONE,
        Kind.PENALTY_BAR: Harm.NONE,
        Kind.PENALTY_END: Harm.NONE,
        Kind.QUEUE_NEAR: Harm.WAITING,
        Kind.CASE_STEP: Harm.NONE,
        Kind.RELEASE_REMINDER: Harm.FORGOTTEN,
        Kind.COPY_REQUEST: Harm.NONE,
        Kind.COPY: Harm.FORGOTTEN,
        Kind.DIGEST: Harm.FORGOTTEN,
    }
)
"""Every kind of message has its harm; a kind without one would be a fault at the first message of it."""


class Act(StrEnum):
    SEND = "send"
    HOLD = "hold"
    BRING_FORWARD = "bring_forward"
    LEAVE_TO_SILENT = "leave_to_silent"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """From `begins` (included) to `ends` (not), local time of the venue; past midnight where it begins after it ends."""

    begins: time = time(21)
    ends: time = time(8)

    def __post_init__(self) -> None:
        """Refuse what is no night.

        Raises:
            ValueError: it has no length, is longer than `LONGEST_QUIET`, or is finer than a minute.
        """
        if any(one.second or one.microsecond or one.tzinfo for one in (self.begins, self.ends)):
            raise ValueError("quiet hours are whole minutes of the venue's clock")
        if not timedelta() < self.length <= LONGEST_QUIET:
            raise ValueError("quiet hours last from one minute to 16 hours")

    @property
    def length(self) -> timedelta:
        """How long they last."""
        return (_since_midnight(self.ends) - _since_midnight(self.begins)) % timedelta(days=1)

    def around(self, moment: datetime) -> tuple[datetime, datetime] | None:
        """Return when the quiet hours that hold `moment` began and will end, or None where it lies in none."""
        local = moment.astimezone(VENUE_ZONE)
        into = (_since_midnight(local.time()) - _since_midnight(self.begins)) % timedelta(days=1)
        if into >= self.length:
            return None
        return local - into, local - into + self.length


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """A message as far as its time goes.

    It is due at `due_at`, late from `late_from`, and of no use from `useful_until`. `foreseen`: it could be said
    sooner. `silent_too`: a silent channel carries the same words.
    """

    due_at: datetime
    late_from: datetime
    useful_until: datetime
    harm: Harm
    loud: bool
    foreseen: bool = False
    silent_too: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do with a message, when (where it is sent at all), and why."""

    act: Act
    why: Why
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a message speaks of: which start, and the one that a move gave up, in the words of the venue's clock."""

    starts_at: datetime
    local_start_before: str | None = None
    lead_minutes: int = 0


def decide(timing: Timing, quiet: QuietHours | None, now: datetime) -> Decision:
    """Return when to say it, by the law above. `quiet` is None for somebody who wants no quiet hours."""
    at = max(timing.due_at, now)
    if at >= timing.useful_until:
        return Decision(act=Act.DROP, why=Why.NO_LONGER_USEFUL)
    night = quiet.around(at) if quiet is not None else None
    if night is None:
        return Decision(act=Act.SEND, why=Why.BY_DAY, at=at)
    if not timing.loud:
        return Decision(act=Act.SEND, why=Why.MAKES_NO_SOUND, at=at)
    return _aloud_at_night(timing, at, night, now)


def _aloud_at_night(timing: Timing, at: datetime, night: tuple[datetime, datetime], now: datetime) -> Decision:
    began, morning = night
    evening = began - EVENING_MARGIN
    in_time = morning <= timing.late_from and morning < timing.useful_until
    waiting, costly = timing.harm is Harm.WAITING, timing.harm >= Harm.JOURNEY
    law = (
        (waiting, Decision(act=Act.SEND, why=Why.WAITED_FOR, at=at)),
        (in_time, Decision(act=Act.HOLD, why=Why.HELD_UNTIL_MORNING, at=morning)),
        (
            timing.foreseen and now < evening,
            Decision(act=Act.BRING_FORWARD, why=Why.BROUGHT_FORWARD, at=evening),
        ),
        (costly, Decision(act=Act.SEND, why=Why.URGENT_AT_NIGHT, at=at)),
        (timing.silent_too, Decision(act=Act.LEAVE_TO_SILENT, why=Why.QUIET_HOURS_INBOX_HAS_IT)),
        (True, Decision(act=Act.DROP, why=Why.QUIET_HOURS_TOO_LATE)),
    )
    return next(decision for applies, decision in law if applies)


def late_from(kind: Kind, about: About, useful_until: datetime) -> datetime:
    """Return from when a message of `kind` is late: never later than the end of its use."""
    if kind is Kind.REMINDER:
        late = about.starts_at - timedelta(minutes=about.lead_minutes) / 2
    elif HARM[kind] is Harm.JOURNEY:
        late = _first_start(about) - JOURNEY
    elif HARM[kind] is Harm.WAITING:
        late = useful_until
    else:
        late = about.starts_at
    return min(late, useful_until)


def offer_late_from(deadline: datetime) -> datetime:
    """Return from when an offer that must be answered by `deadline` is late."""
    return deadline - LAST_CALL


def _first_start(about: About) -> datetime:
    """Return when somebody who has not heard of a move would stand at the door, if that is sooner."""
    if about.local_start_before is None:
        return about.starts_at
    before = datetime.strptime(about.local_start_before, "%Y-%m-%d %H:%M").replace(tzinfo=VENUE_ZONE)
    return min(about.starts_at, before)


def _since_midnight(moment: time) -> timedelta:
    return timedelta(hours=moment.hour, minutes=moment.minute, seconds=moment.second, microseconds=moment.microsecond)
