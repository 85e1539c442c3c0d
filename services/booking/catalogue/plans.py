"""The plans in `plans.yaml`, each checked as it would be before a scheduler publishes it.

The law of this file: a year without official calendar is never guessed. A plan without `valid_until` goes as far as the
calendar is known; one that names a later day is refused.
"""

from collections.abc import Iterator
from datetime import date

from services.booking.catalogue.documents import PlanEntry, PlansFile
from services.booking.catalogue.faults import Faults
from services.booking.catalogue.source import SourceFile
from services.booking.domain.opening import last_known_day
from services.booking.domain.plan import Plan
from services.booking.domain.reason import Reason
from services.booking.domain.schedule import validate_plan
from services.booking.store.plan_document import PlanDocument
from shared.refusal import Refused

YEARS_KEPT = 3
"""A plan holds this many calendar years: older ones drop out as new calendars are published."""

_INSTEAD = {
    "validity": "the period of validity is not right: valid_until must not come before valid_from, nor {most} days after it",
    "empty": "the plan has no hours at all: write windows",
    "too_many": "these are too many entries: {most} at most",
    "slot_minutes": "a slot lasts from {least} minutes to a day",
    "capacity": "the capacity must be from 1 to {most}",
    "every_and_starts": "write `every` or `starts`, not both",
    "slots_overlap": "the slots overlap: let them start further apart, or make them shorter",
    "time": "write a time of day to the minute, such as 16:30",
    "closes_before_opens": "it closes before it opens: exchange the two, or correct one",
    "last_entry_outside": "last_entry must lie between opens and closes",
    "no_slots": "no slot of {minutes} minutes fits into these hours: make them longer, or the slots shorter",
    "starts_outside": "these starts lie outside the hours: {starts}",
    "no_hours": "write at least one entry of hours",
    "no_days": "name at least one day: weekdays, festivals, official_holidays, dates, yearly or rule",
    "holidays_closed": "it names holidays and is closed on them: take out `on_holidays: closed`",
    "weekday": "weekdays are 1 (Monday) to 7 (Sunday)",
    "month_day": "there is no such day of the year",
    "rule": "write an RFC 5545 rule of FREQ=WEEKLY or MONTHLY with BYDAY or BYMONTHDAY, such as FREQ=MONTHLY;BYDAY=2SA",
    "outside_validity": "this lies outside the plan's validity",
    "twice": "this day has an exception already",
    "range_reversed": "last comes before first: exchange the two",
    "no_reason": "write the reason in both languages: residents read it",
    "closure_times": "until_time must come after from_time",
    "overlap": "on {date} these hours overlap with others of the plan: move one of them, or take the day out of one window",
}


def checked_plans(source: SourceFile, file: PlansFile, faults: Faults) -> Iterator[tuple[str, Plan]]:
    """Give each plan that may be published, by name, for a service still to be named; note what is wrong with others."""
    for name, entry in file.plans.items():
        plan = _plan_of(entry)
        try:
            validate_plan(plan)
        except Refused as refused:
            place = ["plans", name, *_steps(refused.field or "")]
            faults.add(source.name, source.line(place), f"{'.'.join(map(str, place))}: {_words(refused)}")
        else:
            yield name, plan


def _plan_of(entry: PlanEntry) -> Plan:
    until = entry.valid_until or last_known_day()
    oldest = date(last_known_day().year - YEARS_KEPT + 1, 1, 1)
    since = max(entry.valid_from, oldest) if entry.valid_until is None else entry.valid_from
    values = {name: getattr(entry, name) for name in PlanDocument.model_fields}
    return PlanDocument.model_construct(**(values | {"valid_from": since, "valid_until": until})).plan("", 1)


def _steps(pointer: str) -> list[str | int]:
    return [int(step) if step.isdecimal() else step for step in pointer.split("/")[1:]]


def _words(refused: Refused) -> str:
    if refused.reason is Reason.NO_OFFICIAL_CALENDAR:
        known = ", ".join(str(year) for year in refused.facts["known_years"])
        return (
            f"there is no official holiday calendar for {refused.facts['year']} (known: {known}): let the plan end before"
            " it, or leave valid_until out and update the packages chinesecalendar and holidays once it is published"
        )
    why = str(refused.facts["why"])
    return _INSTEAD.get(why, why).format_map(refused.facts)
