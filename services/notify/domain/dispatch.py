"""A message on its way out: what a worker finds when it is due, and what it decides to do with it. Pure.

A decision is a `Move` from one state of the lifecycle to the next. The store applies it only to a row that is still
in the state, at the attempt and under the lease that the decision was made for; whoever lost the lease has decided
nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.notify.domain.cascade import LOUD, reached
from services.notify.domain.lifecycle import Action, State, next_state
from services.notify.domain.message import BusinessKey, Channel, Evidence, Urgency, Why
from services.notify.domain.notice import Notice
from services.notify.domain.outcome import Outcome
from services.notify.domain.preference import DEFAULTS, Preferences
from services.notify.domain.quiet_hours import HARM, Act, Timing, decide
from services.notify.domain.rendering import Appointment
from services.notify.domain.retry import Tried, after


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A message as its row stands, with what is now known of what it speaks of: a booking, a notice, or a code.

    `preferences` are those of its reader, as they are now. `elsewhere`: of a further step of a cascade, what is known of
    the same message on other channels; None where it goes in any case. `over_cap`: its reader has had enough for a day.
    """

    id: UUID
    key: BusinessKey
    urgency: Urgency
    expires_at: datetime
    state: State
    lease_token: UUID | None
    attempt: int
    sealed: str | None
    known_version: int | None
    appointment: Appointment | None
    contact: str | None
    preferences: Preferences = DEFAULTS
    notice: Notice | None = None
    late_from: datetime | None = None
    elsewhere: tuple[tuple[Channel, Evidence], ...] | None = None
    over_cap: bool = False
    copied: bool = False
    """It goes to a family member of whoever booked; `copy_stands`: both still want that."""
    copy_stands: bool = True
    together: "tuple[Due, ...]" = ()
    """Other messages to the same person that are told in the same words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Whoever holds `token` may work on the message until `until`."""

    token: UUID
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The words as they were sent, by template and fingerprint.

    A one-time code leaves no fingerprint: six digits can be guessed from one.
    """

    template: str
    version: int
    fingerprint: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What is to become of `due`: `lease` where it is taken, `visible_at` where somebody comes back to it later."""

    due: Due
    action: Action
    why: Why
    lease: Lease | None = None
    visible_at: datetime | None = None
    evidence: Evidence = Evidence.NONE
    said: Said | None = None

    @property
    def after(self) -> State:
        """The state that the message is put in."""
        return next_state(self.due.state, self.action)


def on_claim(due: Due, lease: Lease, now: datetime) -> Move:
    """Return what a worker does with a message whose time has come.

    A message found in `sending` had its lease run out there: a worker died between the record of the attempt and the
    record of its outcome, and nobody knows whether the message left. Preferences and quiet hours are looked at again:
    they may have changed since it was planned, and an outage or a pause may have carried it into the night. A further step
    of a cascade ends here if its reader is known to have been reached meanwhile.
    """
    if due.state is State.SENDING:
        return Move(due=due, action=Action.DOUBT, why=Why.LEASE_RAN_OUT, visible_at=now)
    if due.known_version is not None and due.known_version != due.key.subject_version:
        return Move(due=due, action=Action.SUPERSEDE, why=Why.NEWER_VERSION)
    if due.expires_at <= now:
        return Move(due=due, action=Action.EXPIRE, why=Why.NO_LONGER_USEFUL)
    key = due.key
    unwanted = due.preferences.obstacle(key.kind, key.channel, key.lead_minutes)
    if due.copied and not due.copy_stands:
        unwanted = Why.COPY_ENDED
    elif unwanted is None and due.over_cap:
        unwanted = Why.DAILY_CAP
    if unwanted is not None:
        return Move(due=due, action=Action.SUPPRESS, why=unwanted)
    if due.elsewhere is not None and reached(HARM[key.kind], due.elsewhere):
        return Move(due=due, action=Action.SUPPRESS, why=Why.REACHED_OTHERWISE)
    return _at_night(due, now) or Move(due=due, action=Action.CLAIM, why=Why.TAKEN, lease=lease)


def _at_night(due: Due, now: datetime) -> Move | None:
    """Return what becomes of a message that would ring in its reader's quiet hours; None where it may go."""
    if due.key.channel not in LOUD:
        return None
    timing = Timing(
        due_at=now,
        late_from=due.late_from or due.expires_at,
        useful_until=due.expires_at,
        harm=HARM[due.key.kind],
        loud=True,
    )
    decision = decide(timing, due.preferences.quiet_hours, now)
    if decision.act is Act.SEND:
        return None
    if decision.act is Act.HOLD:
        return Move(due=due, action=Action.HOLD, why=decision.why, visible_at=decision.at)
    return Move(due=due, action=Action.SUPPRESS, why=decision.why)


def on_outcome(due: Due, outcome: Outcome, said: Said | None, now: datetime, chance: float) -> Move:
    """Return what follows an attempt that was started on `due`, which counts it already. `chance`: from 0 to 1."""
    tried = Tried(attempt=due.attempt, urgency=due.urgency, expires_at=due.expires_at)
    following = after(tried, outcome, now, chance)
    return Move(
        due=due,
        action=following.action,
        why=following.why,
        visible_at=following.visible_at,
        evidence=following.evidence,
        said=said,
    )
