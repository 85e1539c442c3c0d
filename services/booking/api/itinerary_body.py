"""What itineraries and plans look like, and how a wish for one is written."""

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from services.booking.domain.booking import Channel
from services.booking.domain.catalogue import Catalogue
from services.booking.domain.itinerary import Itinerary, ItineraryStep
from services.booking.domain.itinerary_plans import Traveller
from services.booking.domain.itinerary_search import Aim, Plan
from services.booking.domain.policy import PartyKind
from services.booking.domain.reason import Reason
from services.booking.domain.zone import in_words, local
from shared.contracts import Words
from shared.web import Shown, Strict

MOST_DAYS = 31
_TOO_FAR = date(2100, 1, 1)
_CONSULTATION = "01936f2e-0000-7def-8a3b-000000000011"
_HER_SLOT = "01936f2e-0000-7def-8a3b-000000000012"
_HIS_SLOT = "01936f2e-0000-7def-8a3b-000000000013"
_WOMAN, _MAN = "01936f2e-0000-7def-8a3b-000000000002", "01936f2e-0000-7def-8a3b-000000000003"
_VENUE: dict[str, Any] = {
    "id": "zhongshan-hospital-fertility",
    "name": {"zh": "大连大学附属中山医院生育评估门诊", "en": "Fertility Evaluation Clinic, Zhongshan Hospital"},
}

PEOPLE_EXAMPLE: dict[str, Any] = {"woman": _WOMAN, "man": _MAN}
DATES_EXAMPLE: dict[str, Any] = {"period_began": "2026-11-24"}
STEPS_EXAMPLE: list[Any] = [
    {"step": "gynaecology", "slot_id": _HER_SLOT},
    {"step": "andrology", "slot_id": _HIS_SLOT},
    {"step": "consultation", "slot_id": _CONSULTATION},
]

Key = Annotated[str, Field(min_length=1, max_length=80)]
People = Annotated[
    dict[Key, UUID],
    Field(min_length=1, max_length=5, description="The saved person in each role. 每个角色由谁担任。"),
]
Dates = Annotated[
    dict[Key, Annotated[date, Field(lt=_TOO_FAR)]],
    Field(
        default_factory=dict,
        max_length=5,
        description="The dates that the itinerary counts days from. 行程所需的日期。",
    ),
]
Party = Annotated[
    PartyKind | None,
    Field(description="The kind of party, where it is not the itinerary's own: `proxy` for somebody else."),
]


class NamedShown(Shown):
    """A role that somebody has, or a date that is to be given."""

    key: str
    name: Words


class AfterShown(Shown):
    """The step begins so many minutes, at least and at most, after another has ended."""

    step: str
    least: int
    most: int | None


class DaysShown(Shown):
    """From which to which day, counted from a date that is day 1."""

    counted_from: str
    first: int
    last: int


class StepShown(Shown):
    """One step of an itinerary."""

    key: str
    name: Words
    who: Annotated[list[str], Field(description="The roles that take part.")]
    services: Annotated[list[str], Field(description="Any of these services will do.")]
    after: list[AfterShown]
    fasting: Annotated[bool, Field(description="To be done before eating. 空腹。")]
    earliest: Annotated[time | None, Field(description="It begins no earlier than this on the venue's clock.")]
    latest: Annotated[time | None, Field(description="It begins no later.")]
    days: DaysShown | None
    preparation: Annotated[Words | None, Field(description="What to prepare. 准备事项。")]


class ItineraryShown(Shown):
    """Several things done by one party in one booking: who takes part in what, and what comes after what."""

    id: str
    name: Words
    venue_id: str
    party: PartyKind
    roles: list[NamedShown]
    dates: list[NamedShown]
    steps: list[StepShown]
    within_days: Annotated[int, Field(description="All steps lie within so many calendar days.")]
    meal_minutes: Annotated[int, Field(description="Minutes to eat between what needs fasting and what follows.")]
    sample: Annotated[bool, Field(description="Whether no announcement states these rules.")]
    source: str

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "zhongshan-hospital-fertility-couple-evaluation",
                    "name": {"zh": "夫妇生育评估", "en": "Fertility evaluation for couples"},
                    "venue_id": "zhongshan-hospital-fertility",
                    "party": "couple",
                    "roles": [{"key": "woman", "name": {"zh": "女方", "en": "the woman"}}],
                    "dates": [
                        {
                            "key": "period_began",
                            "name": {"zh": "最近一次月经第一天", "en": "first day of the last period"},
                        }
                    ],
                    "steps": [
                        {
                            "key": "gynaecology",
                            "name": {"zh": "妇科检查", "en": "Gynaecology"},
                            "who": ["woman"],
                            "services": ["zhongshan-hospital-fertility-gynaecology"],
                            "after": [],
                            "fasting": False,
                            "earliest": None,
                            "latest": None,
                            "days": {"counted_from": "period_began", "first": 2, "last": 5},
                            "preparation": None,
                        }
                    ],
                    "within_days": 1,
                    "meal_minutes": 30,
                    "sample": True,
                    "source": "[001]",
                }
            ]
        }
    )


class PlansWanted(Strict):
    """Who goes, and in which days; `booking_id` where it is to take the place of an itinerary that is booked."""

    people: People
    party: Party = None
    dates: Dates
    since: Annotated[date | None, Field(lt=_TOO_FAR, description="The first day; today where not given.")] = None
    days: Annotated[int, Field(ge=1, le=MOST_DAYS, description="How many days to look at.")] = 28
    booking_id: Annotated[UUID | None, Field(description="Its places are not counted against the new plan.")] = None

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"people": PEOPLE_EXAMPLE, "dates": DATES_EXAMPLE, "days": 14}]}
    )


class StepSlot(Strict):
    """The slot for one step."""

    step: Key
    slot_id: UUID


Steps = Annotated[
    list[StepSlot], Field(min_length=1, max_length=10, description="A slot for every step, as a plan names them.")
]


class NewCourse(Strict):
    """A plan to be booked, all of it or nothing. Without `confirm` it is held for the policy's minutes."""

    people: People
    party: Party = None
    dates: Dates
    steps: Steps
    declarations: Annotated[
        dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(min_length=1, max_length=200)]],
        Field(default_factory=dict, max_length=20, description="Answers to what the steps' policies ask."),
    ]
    confirm: Annotated[bool, Field(description="Book at once, where nothing more is asked.")] = False
    channel: Annotated[
        Literal[Channel.ONLINE, Channel.COUNTER], Field(description="`counter` is for staff at their counter.")
    ] = Channel.ONLINE

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"people": PEOPLE_EXAMPLE, "dates": DATES_EXAMPLE, "steps": STEPS_EXAMPLE, "confirm": True}]
        }
    )


class OtherPlan(Strict):
    """The plan to move to, with a slot for every step. Dates that are not given stay as they are."""

    steps: Steps
    dates: Annotated[
        dict[Key, Annotated[date, Field(lt=_TOO_FAR)]] | None,
        Field(max_length=5, description="New dates to count from."),
    ] = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"steps": STEPS_EXAMPLE}]})


class PlanVenue(Shown):
    """Where a step is."""

    id: str
    name: Words


class PlanStep(Shown):
    """One step of a plan: what, where, when, for whom."""

    step: str
    name: Words
    slot_id: UUID
    service_id: str
    service: Words
    venue: PlanVenue
    starts_at: datetime
    ends_at: datetime
    local_start: Annotated[str, Field(description="The venue's local time, ready to show.")]
    people: list[UUID]
    preparation: Words | None


class PlanShown(Shown):
    """One way through an itinerary, its steps in order of time."""

    best_for: Annotated[Aim, Field(description="What it is the best for: the stay, the end, or the waiting.")]
    starts_at: datetime
    ends_at: datetime
    stay_minutes: int
    waiting_minutes: Annotated[int, Field(description="What all of the party wait between their steps, together.")]
    steps: list[PlanStep]


class ObstacleShown(Shown):
    """A step for which nothing is free in these days, and what stands in the way of its first time."""

    step: str
    name: Words
    code: Annotated[
        Reason | None, Field(description="What its first time would be refused with; null: no time at all.")
    ]
    why: Words


class PlansShown(Shown):
    """Up to three plans, no two alike: the shortest stay, the earliest, the least waiting."""

    plans: list[PlanShown]
    whole: Annotated[bool, Field(description="Whether everything was looked at: if not, there may be better plans.")]
    obstacles: list[ObstacleShown]
    since: date
    until: Annotated[date, Field(description="The last day that was looked at.")]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "plans": [
                        {
                            "best_for": "shortest_stay",
                            "starts_at": "2026-11-26T09:00:00+08:00",
                            "ends_at": "2026-11-26T10:30:00+08:00",
                            "stay_minutes": 90,
                            "waiting_minutes": 60,
                            "steps": [
                                {
                                    "step": "gynaecology",
                                    "name": {"zh": "妇科检查", "en": "Gynaecology"},
                                    "slot_id": _HER_SLOT,
                                    "service_id": "zhongshan-hospital-fertility-gynaecology",
                                    "service": {"zh": "妇科", "en": "Gynaecology"},
                                    "venue": _VENUE,
                                    "starts_at": "2026-11-26T09:00:00+08:00",
                                    "ends_at": "2026-11-26T09:30:00+08:00",
                                    "local_start": "2026-11-26 09:00",
                                    "people": [_WOMAN],
                                    "preparation": None,
                                }
                            ],
                        }
                    ],
                    "whole": True,
                    "obstacles": [],
                    "since": "2026-11-24",
                    "until": "2026-12-07",
                }
            ]
        }
    )


def itinerary_shown(itinerary: Itinerary) -> ItineraryShown:
    """Return the definition as the API shows it."""
    return ItineraryShown(
        id=itinerary.id,
        name=itinerary.name,
        venue_id=itinerary.venue_id,
        party=itinerary.party,
        roles=[NamedShown(key=one.key, name=one.name) for one in itinerary.roles],
        dates=[NamedShown(key=one.key, name=one.name) for one in itinerary.dates],
        steps=[_step(step) for step in itinerary.steps],
        within_days=itinerary.within_days,
        meal_minutes=itinerary.meal_minutes,
        sample=itinerary.sample,
        source=itinerary.source,
    )


def plan_shown(plan: Plan, traveller: Traveller, catalogue: Catalogue) -> PlanShown:
    """Return a plan as the API shows it."""
    course = traveller.course({key: slot.id for key, slot in plan.slots.items()})
    steps = []
    for (key, slot), wish in zip(plan.slots.items(), course.steps, strict=True):
        step = traveller.itinerary.step(key)
        assert step is not None
        service = catalogue.services[slot.service_id]
        venue = catalogue.venues[service.venue_id]
        steps.append(
            PlanStep(
                step=key,
                name=step.name,
                slot_id=slot.id,
                service_id=service.id,
                service=service.name,
                venue=PlanVenue(id=venue.id, name=venue.name),
                starts_at=local(slot.starts_at),
                ends_at=local(slot.ends_at),
                local_start=in_words(slot.starts_at),
                people=list(wish.person_ids),
                preparation=step.preparation,
            )
        )
    return PlanShown(
        best_for=plan.best_for,
        starts_at=local(plan.starts_at),
        ends_at=local(plan.ends_at),
        stay_minutes=int((plan.ends_at - plan.starts_at).total_seconds()) // 60,
        waiting_minutes=plan.waiting_minutes,
        steps=steps,
    )


def slots_by_step(steps: list[StepSlot]) -> Mapping[str, UUID]:
    """Return the slot of each step, as they were named."""
    return {one.step: one.slot_id for one in steps}


def _step(step: ItineraryStep) -> StepShown:
    days = step.days
    return StepShown(
        key=step.key,
        name=step.name,
        who=list(step.who),
        services=list(step.services),
        after=[AfterShown(step=one.step, least=one.least, most=one.most) for one in step.after],
        fasting=step.fasting,
        earliest=step.earliest,
        latest=step.latest,
        days=None if days is None else DaysShown(counted_from=days.counted_from, first=days.first, last=days.last),
        preparation=step.preparation,
    )
