"""Staff put the record of one step right: its people had come and nobody noted it, or it was noted and they had not.

The laws:
- What a door can still do is done at the door. A step is put down as met only once it is missed; it then counts as met at
  the time for which it was booked. One that was taken back can be met again while its door is open.
- The whole follows from its steps. Where nobody had come to any, whoever was at one has come: the visit is checked in, and a
  strike for it goes away (`striking`). Where the only step that was met is taken back, nobody has come: the visit is
  confirmed again, and is checked in or found a no-show like any other, with the strike that this brings.
"""

from dataclasses import replace
from datetime import datetime

from services.booking.domain.attendance import is_missed, step_named, step_window, with_step
from services.booking.domain.booking import Action, Booking, State
from services.booking.domain.catalogue import Catalogue
from services.booking.domain.reason import Reason
from shared.refusal import Refused

CORRECTIONS = frozenset({Action.CORRECT_STEP, Action.TAKE_BACK_STEP})
"""What staff ask for; what it is to the whole visit is `correction_of`."""

_NOBODY_CAME = frozenset({State.CONFIRMED, State.NO_SHOW})


def correction_of(booking: Booking, key: str | None, action: Action) -> Action:
    """Return what correcting one step is to the whole visit.

    Raises:
        Refused: `step_unknown`, `step_not_met`.
    """
    step = step_named(booking, key)
    if action is Action.TAKE_BACK_STEP:
        if step.met_at is None:
            raise Refused(Reason.STEP_NOT_MET, step=step.key)
        assert booking.course is not None
        met = [one.key for one in booking.course.steps if one.met_at is not None]
        return Action.TAKE_BACK if met == [step.key] else action
    return Action.CORRECT if booking.state in _NOBODY_CAME else action


def attended(booking: Booking, key: str | None, catalogue: Catalogue, now: datetime) -> Booking:
    """Return the visit with a step met that had been missed.

    Raises:
        Refused: `step_unknown`, `step_met`, `step_not_over`.
    """
    step = step_named(booking, key)
    if step.met_at is not None:
        raise Refused(Reason.STEP_MET, step=step.key, met_at=step.met_at)
    if not is_missed(step, catalogue, now):
        raise Refused(Reason.STEP_NOT_OVER, step=step.key, over_at=step_window(step, catalogue)[1])
    return with_step(booking, replace(step, met_at=step.starts_at))


def taken_back(booking: Booking, key: str | None) -> Booking:
    """Return the visit with a step not met that had been.

    Raises:
        Refused: `step_unknown`.
    """
    return with_step(booking, replace(step_named(booking, key), met_at=None))
