"""A policy as a screen shows it before somebody books: the rules that will apply, none of them a surprise later."""

from dataclasses import asdict
from typing import Annotated

from pydantic import Field

from services.booking.domain.penalty_rule import Cause, CountedFrom, LateCancel, PenaltyRule, PenaltyScope, Span
from services.booking.domain.policy import (
    Declaration,
    DocumentType,
    LimitScope,
    LimitWindow,
    PartyKind,
    Policy,
    SeatUnit,
)
from services.booking.store.plan_document import ClockTime
from shared.contracts import Words
from shared.web import Shown


class PortionShown(Shown):
    """Percent of the places that open only then."""

    percent: int
    days_before: int
    at: ClockTime


class ReleaseShown(Shown):
    """A day's places open to the public `days_before` it, `at` that time, Asia/Shanghai; the portions `later` after it."""

    days_before: int
    at: ClockTime
    later: list[PortionShown]


class LimitShown(Shown):
    """At most `most` live bookings of one person within `scope` and `window`."""

    scope: LimitScope
    window: LimitWindow
    most: int


class CancelByShown(Shown):
    """Until when one may cancel: minutes before the start, or a time of day so many days before; the earlier holds."""

    minutes_before: int
    days_before: int | None
    at: ClockTime | None


class CheckInWindowShown(Shown):
    """When the door checks in, in minutes before and after the start."""

    opens_minutes_before: int
    closes_minutes_after: int


class SharesShown(Shown):
    """Percent of every time's places that are kept for walk-ins, and for the counter and telephone."""

    walk_in: int
    counter: int


class DeclarationShown(Shown):
    """A question that the booking's `declarations` must answer under this name."""

    name: str
    question: Words
    options: Annotated[list[str], Field(description="The answers that are taken; free text where there are none.")]


class WaitingShown(Shown):
    """An offer stands for `offer_minutes` from when its message arrived, `most_minutes` at most; see the waiting list."""

    offer_minutes: int
    most_minutes: int
    react_minutes: Annotated[int, Field(description="No offer is made that would leave less time to answer.")]
    lead_minutes: Annotated[int, Field(description="It ends so long before the start at the latest.")]
    collect_minutes: Annotated[int, Field(description="For so long places are collected for a large party, at most.")]


class CoolingShown(Shown):
    """The instant is drawn between these minutes, and not told."""

    least_minutes: int
    most_minutes: int


class DrawShown(Shown):
    """Requests are gathered for so long before each release; then they are drawn, and what is left is released."""

    gather_minutes: int


class PenaltyShown(Shown):
    """So many strikes within a window bar a person from booking online, within the scope and for the time stated."""

    counts: Annotated[list[Cause], Field(description="What is counted.")]
    threshold: Annotated[int, Field(description="So many bar.")]
    window: Annotated[Span, Field(description="Rolling days or months up to each strike, or the calendar's window.")]
    window_count: Annotated[int | None, Field(description="How many days or months, of a rolling window.")]
    bars_days: Annotated[list[int], Field(description="Days that it lasts; for the first, second … in the window.")]
    bars_months: int | None
    bars_rest_of_window: bool
    counted_from: CountedFrom
    scope: PenaltyScope


class PreparationShown(Shown):
    """What to do before coming; whoever has booked is told so many minutes before the start."""

    minutes_before: int
    words: Words


class PolicyShown(Shown):
    """Everything that a service allows. Minutes are minutes, ages are full years on the day of the visit."""

    id: str
    version: int
    parties: Annotated[list[PartyKind], Field(description="Who may book: alone, as a couple, a group, for another.")]
    party_most: Annotated[int, Field(description="People in one booking of a group or by a proxy, at most.")]
    seat_unit: Annotated[SeatUnit, Field(description="Whether each person takes a place, or the party one (a court).")]
    documents: Annotated[list[DocumentType], Field(description="Identity documents that are accepted.")]
    age_least: int | None
    age_most: int | None
    release: ReleaseShown
    horizon_days: Annotated[int, Field(description="How many days ahead times are listed.")]
    closes_minutes_before: Annotated[int, Field(description="Online booking closes so long before the start.")]
    hold_minutes: Annotated[int, Field(description="How long a place is held while the details are filled in.")]
    hold_extensions: Annotated[int, Field(description="How often that may be extended.")]
    approval: Annotated[bool, Field(description="Whether somebody must approve a booking before it is confirmed.")]
    cancel_by: CancelByShown
    check_in: CheckInWindowShown
    late_cancel: Annotated[
        LateCancel,
        Field(description="Whether cancelling after `cancel_by` is refused, or taken until the start and counted."),
    ]
    penalties: Annotated[
        list[PenaltyShown], Field(description="What bars from booking online; the counter still books.")
    ]
    limits: list[LimitShown]
    shares: SharesShown
    declarations: list[DeclarationShown]
    reminders: Annotated[list[int], Field(description="Minutes before the start at which a reminder is sent.")]
    preparations: Annotated[list[PreparationShown], Field(description="What to do before coming, and when it is told.")]
    waiting: Annotated[
        WaitingShown | None, Field(description="How places are offered to whoever waits; null: no list.")
    ]
    cooling: Annotated[
        CoolingShown | None, Field(description="When a place given back to a full time comes back; null: at once.")
    ]
    draw: Annotated[DrawShown | None, Field(description="How each release is drawn; null: first come, first served.")]
    sensitive: Annotated[bool, Field(description="Whether messages leave out what it is about.")]


def policy_shown(policy: Policy) -> PolicyShown:
    """Return `policy` as data for a screen; what is a set is sorted in the order of its enumeration."""
    return PolicyShown(
        id=policy.id,
        version=policy.version,
        parties=[kind for kind in PartyKind if kind in policy.parties],
        party_most=policy.party_most,
        seat_unit=policy.seat_unit,
        documents=[document for document in DocumentType if document in policy.documents],
        age_least=policy.age_least,
        age_most=policy.age_most,
        release=ReleaseShown(
            days_before=policy.release.days_before,
            at=policy.release.at,
            later=[PortionShown(**asdict(one)) for one in policy.release.later],
        ),
        horizon_days=policy.horizon_days,
        closes_minutes_before=policy.closes_minutes_before,
        hold_minutes=policy.hold_minutes,
        hold_extensions=policy.hold_extensions,
        approval=policy.approval,
        cancel_by=CancelByShown(
            minutes_before=policy.cancel_by.minutes_before,
            days_before=policy.cancel_by.days_before,
            at=policy.cancel_by.at,
        ),
        check_in=CheckInWindowShown(
            opens_minutes_before=policy.check_in.opens_minutes_before,
            closes_minutes_after=policy.check_in.closes_minutes_after,
        ),
        late_cancel=policy.late_cancel,
        penalties=[_penalty(rule) for rule in policy.penalties],
        limits=[LimitShown(scope=limit.scope, window=limit.window, most=limit.most) for limit in policy.limits],
        shares=SharesShown(walk_in=policy.shares.walk_in, counter=policy.shares.counter),
        declarations=[_declaration(declaration) for declaration in policy.declarations],
        reminders=list(policy.reminders),
        preparations=[
            PreparationShown(minutes_before=one.minutes_before, words=Words(one.words_zh, one.words_en))
            for one in policy.preparations
        ],
        waiting=None if policy.waiting is None else WaitingShown(**asdict(policy.waiting)),
        cooling=None if policy.cooling is None else CoolingShown(**asdict(policy.cooling)),
        draw=None if policy.draw is None else DrawShown(**asdict(policy.draw)),
        sensitive=policy.sensitive,
    )


def _penalty(rule: PenaltyRule) -> PenaltyShown:
    return PenaltyShown(
        counts=list(rule.counts),
        threshold=rule.threshold,
        window=rule.window.span,
        window_count=rule.window.count or None,
        bars_days=list(rule.length.days),
        bars_months=rule.length.months or None,
        bars_rest_of_window=not rule.length.days and not rule.length.months,
        counted_from=rule.counted_from,
        scope=rule.scope,
    )


def _declaration(declaration: Declaration) -> DeclarationShown:
    return DeclarationShown(
        name=declaration.name,
        question=Words(declaration.question_zh, declaration.question_en),
        options=list(declaration.options),
    )
