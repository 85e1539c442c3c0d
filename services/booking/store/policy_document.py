"""A policy as a document, as `catalogue/policies.yaml` writes it down.

Minutes are minutes, times of day are Asia/Shanghai, shares are percent. What the numbers mean stands in
`domain.policy`; here they get their bounds.
"""

from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from services.booking.domain.penalty_rule import LateCancel
from services.booking.domain.policy import (
    CancelBy,
    CheckInWindow,
    Cooling,
    Declaration,
    DocumentType,
    Draw,
    Limit,
    LimitScope,
    LimitWindow,
    PartyKind,
    Policy,
    Portion,
    Preparation,
    Release,
    SeatUnit,
    Shares,
    Waiting,
)
from services.booking.store.penalty_document import PenaltyDocument
from services.booking.store.plan_document import ClockTime, Document, Text

Minutes = Annotated[int, Field(ge=0, le=14 * 24 * 60)]
Percent = Annotated[int, Field(ge=0, le=100)]
Age = Annotated[int, Field(ge=0, le=130)]
MOST_HORIZON_DAYS = 180


class PortionDocument(Document):
    percent: Annotated[int, Field(ge=1, le=99)]
    days_before: Annotated[int, Field(ge=0, le=MOST_HORIZON_DAYS)]
    at: ClockTime


class ReleaseDocument(Document):
    days_before: Annotated[int, Field(ge=0, le=MOST_HORIZON_DAYS)]
    at: ClockTime
    later: Annotated[list[PortionDocument], Field(max_length=5)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _something_first(self) -> "ReleaseDocument":
        if sum(one.percent for one in self.later) >= 100:
            raise PydanticCustomError("release", "the portions in later must stay below 100 percent together")
        if any((-one.days_before, one.at) <= (-self.days_before, self.at) for one in self.later):
            raise PydanticCustomError("release", "each portion in later must open after the release itself")
        return self

    def release(self) -> Release:
        """Return the release that it writes down."""
        portions = (Portion(percent=one.percent, days_before=one.days_before, at=one.at) for one in self.later)
        return Release(days_before=self.days_before, at=self.at, later=tuple(portions))


class CancelByDocument(Document):
    minutes_before: Minutes = 0
    days_before: Annotated[int | None, Field(ge=0, le=60)] = None
    at: ClockTime | None = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> "CancelByDocument":
        if (self.days_before is None) != (self.at is None):
            raise PydanticCustomError("cancel_by", "write both days_before and at, or neither of them")
        return self


class CheckInDocument(Document):
    opens_minutes_before: Minutes
    closes_minutes_after: Minutes


class SharesDocument(Document):
    walk_in: Percent = 0
    counter: Percent = 0

    @model_validator(mode="after")
    def _leave_something(self) -> "SharesDocument":
        if self.walk_in + self.counter >= 100:
            raise PydanticCustomError("shares", "walk_in and counter together must stay below 100 percent")
        return self


class LimitDocument(Document):
    scope: LimitScope
    window: LimitWindow
    most: Annotated[int, Field(ge=1, le=100)]


class DeclarationDocument(Document):
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    question_zh: Text
    question_en: Text
    options: Annotated[list[Text], Field(max_length=30)] = Field(default_factory=list)


class WaitingDocument(Document):
    offer_minutes: Annotated[int, Field(ge=5, le=24 * 60)]
    most_minutes: Annotated[int, Field(ge=5, le=48 * 60)]
    react_minutes: Annotated[int, Field(ge=5, le=24 * 60)]
    lead_minutes: Minutes
    collect_minutes: Annotated[int, Field(ge=0, le=14 * 24 * 60)] = 1440

    @model_validator(mode="after")
    def _in_order(self) -> "WaitingDocument":
        if not self.react_minutes <= self.offer_minutes <= self.most_minutes:
            raise PydanticCustomError("waiting", "react_minutes <= offer_minutes <= most_minutes must hold")
        return self


class CoolingDocument(Document):
    least_minutes: Annotated[int, Field(ge=1, le=24 * 60)]
    most_minutes: Annotated[int, Field(ge=1, le=48 * 60)]

    @model_validator(mode="after")
    def _a_window(self) -> "CoolingDocument":
        if self.least_minutes >= self.most_minutes:
            raise PydanticCustomError("cooling", "least_minutes must be below most_minutes")
        return self


class DrawDocument(Document):
    gather_minutes: Annotated[int, Field(ge=10, le=30 * 24 * 60)]


class PreparationDocument(Document):
    minutes_before: Annotated[int, Field(ge=1, le=14 * 24 * 60)]
    words_zh: Text
    words_en: Text


class PolicyDocument(Document):
    """Everything that a service allows."""

    documents: Annotated[list[DocumentType], Field(min_length=1)]
    parties: Annotated[list[PartyKind], Field(min_length=1)]
    party_most: Annotated[int, Field(ge=1, le=20)]
    seat_unit: SeatUnit
    release: ReleaseDocument
    horizon_days: Annotated[int, Field(ge=1, le=MOST_HORIZON_DAYS)]
    hold_minutes: Annotated[int, Field(ge=1, le=60)]
    hold_extensions: Annotated[int, Field(ge=0, le=5)]
    closes_minutes_before: Minutes
    cancel_by: CancelByDocument
    check_in: CheckInDocument
    reminders: Annotated[list[Annotated[int, Field(ge=1, le=14 * 24 * 60)]], Field(max_length=5)]
    preparations: Annotated[list[PreparationDocument], Field(max_length=5)] = Field(default_factory=list)
    limits: Annotated[list[LimitDocument], Field(max_length=10)] = Field(default_factory=list)
    shares: Annotated[SharesDocument, Field(default_factory=SharesDocument)]
    age_least: Age | None = None
    age_most: Age | None = None
    declarations: Annotated[list[DeclarationDocument], Field(max_length=10)] = Field(default_factory=list)
    approval: bool = False
    sensitive: bool = False
    waiting: WaitingDocument | None = None
    cooling: CoolingDocument | None = None
    draw: DrawDocument | None = None
    late_cancel: LateCancel = LateCancel.REFUSE
    penalties: Annotated[list[PenaltyDocument], Field(max_length=10)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _approved_or_waited(self) -> "PolicyDocument":
        if self.approval and self.waiting is not None:
            raise PydanticCustomError(
                "waiting", "an offer is accepted at once: approval and waiting exclude each other"
            )
        return self

    @model_validator(mode="after")
    def _released_within_horizon(self) -> "PolicyDocument":
        if self.release.days_before > self.horizon_days:
            raise PydanticCustomError("horizon", "horizon_days must be at least release.days_before")
        return self

    def policy(self, policy_id: str, version: int) -> Policy:
        """Return the policy that the document writes down."""
        return Policy(
            id=policy_id,
            version=version,
            documents=frozenset(self.documents),
            parties=frozenset(self.parties),
            party_most=self.party_most,
            seat_unit=self.seat_unit,
            release=self.release.release(),
            horizon_days=self.horizon_days,
            hold_minutes=self.hold_minutes,
            hold_extensions=self.hold_extensions,
            closes_minutes_before=self.closes_minutes_before,
            cancel_by=CancelBy(
                minutes_before=self.cancel_by.minutes_before,
                days_before=self.cancel_by.days_before,
                at=self.cancel_by.at,
            ),
            check_in=CheckInWindow(
                opens_minutes_before=self.check_in.opens_minutes_before,
                closes_minutes_after=self.check_in.closes_minutes_after,
            ),
            reminders=tuple(self.reminders),
            preparations=tuple(
                Preparation(minutes_before=one.minutes_before, words_zh=one.words_zh, words_en=one.words_en)
                for one in self.preparations
            ),
            limits=tuple(Limit(scope=one.scope, window=one.window, most=one.most) for one in self.limits),
            shares=Shares(walk_in=self.shares.walk_in, counter=self.shares.counter),
            age_least=self.age_least,
            age_most=self.age_most,
            declarations=tuple(
                Declaration(
                    name=one.name,
                    question_zh=one.question_zh,
                    question_en=one.question_en,
                    options=tuple(one.options),
                )
                for one in self.declarations
            ),
            approval=self.approval,
            sensitive=self.sensitive,
            waiting=None if self.waiting is None else Waiting(**self.waiting.model_dump()),
            cooling=None if self.cooling is None else Cooling(**self.cooling.model_dump()),
            draw=None if self.draw is None else Draw(**self.draw.model_dump()),
            late_cancel=self.late_cancel,
            penalties=tuple(one.rule() for one in self.penalties),
        )
