"""A penalty rule as a document, as `catalogue/policies.yaml` writes it down; what it means stands in `domain.penalty_rule`."""

from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from services.booking.domain.penalty_rule import (
    ROLLING,
    Cause,
    CountedFrom,
    Length,
    PenaltyRule,
    PenaltyScope,
    Span,
    Window,
)
from services.booking.store.plan_document import Document

Days = Annotated[int, Field(ge=1, le=366)]
Months = Annotated[int, Field(ge=1, le=12)]


class WithinDocument(Document):
    """The window: so many days or months back, or the calendar's day, week, month or year."""

    days: Days | None = None
    months: Months | None = None
    calendar: Span | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "WithinDocument":
        given = [one for one in (self.days, self.months, self.calendar) if one is not None]
        if len(given) != 1 or self.calendar in ROLLING:
            raise PydanticCustomError("within", "write one of days, months, and calendar: day, week, month or year")
        return self

    def window(self) -> Window:
        """Return the window that it writes down."""
        if self.calendar is not None:
            return Window(span=self.calendar)
        if self.days is not None:
            return Window(span=Span.ROLLING_DAYS, count=self.days)
        return Window(span=Span.ROLLING_MONTHS, count=self.months or 0)


class BarsDocument(Document):
    """The length: days (several of them rise from bar to bar), months, or the rest of the window."""

    days: Annotated[list[Days], Field(max_length=5)] = Field(default_factory=list)
    months: Months | None = None
    rest_of_window: bool = False

    @model_validator(mode="after")
    def _one_of_them(self) -> "BarsDocument":
        if sum((bool(self.days), self.months is not None, self.rest_of_window)) != 1:
            raise PydanticCustomError("bars_for", "write one of days, months, and rest_of_window: true")
        return self


class PenaltyDocument(Document):
    """One rule; a policy's rules bar each on its own."""

    counts: Annotated[list[Cause], Field(min_length=1)]
    threshold: Annotated[int, Field(ge=1, le=50)]
    within: WithinDocument
    bars_for: BarsDocument
    scope: PenaltyScope
    counted_from: CountedFrom = CountedFrom.ACT

    @model_validator(mode="after")
    def _a_window_that_ends(self) -> "PenaltyDocument":
        if self.bars_for.rest_of_window and self.within.calendar is None:
            raise PydanticCustomError("bars_for", "rest_of_window needs a window that ends: within: {calendar: …}")
        return self

    def rule(self) -> PenaltyRule:
        """Return the rule that it writes down."""
        return PenaltyRule(
            counts=tuple(cause for cause in Cause if cause in self.counts),
            threshold=self.threshold,
            window=self.within.window(),
            length=Length(days=tuple(self.bars_for.days), months=self.bars_for.months or 0),
            scope=self.scope,
            counted_from=self.counted_from,
        )
