"""Plans that somebody could book: the best ways through an itinerary, of slots that every rule of a booking lets pass.

The law: a plan is shown only if claiming it now would be granted. Each step's slots are sieved by the rules that book
it, and each whole plan by the very decision that books it (`course.admit_course`), so limits, clashes and room count.
Only what is asked of who really books, answers and the number of holds, is left for then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from services.booking.domain.admission import admit_in_principle
from services.booking.domain.course import admit_course, step_of
from services.booking.domain.facts import Facts
from services.booking.domain.itinerary import Itinerary, ItineraryStep, unfit_alone
from services.booking.domain.itinerary_search import WORK, Found, Ways, search
from services.booking.domain.policy import PartyKind
from services.booking.domain.reason import Reason
from services.booking.domain.request import Actor, Book, CourseWish, StepWish
from services.booking.domain.slot import Slot
from shared.refusal import Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Traveller:
    """Who wants to go through an itinerary: the person in each role, and the dates that it is counted from."""

    actor: Actor
    account_id: UUID
    itinerary: Itinerary
    people: Mapping[str, UUID]
    party_kind: PartyKind
    dates: Mapping[str, date]

    def course(self, slots: Mapping[str, UUID]) -> CourseWish:
        """Return the wish to go this way."""
        steps = []
        for key, slot_id in slots.items():
            step = self.itinerary.step(key)
            who = () if step is None else step.who
            steps.append(StepWish(key=key, slot_id=slot_id, person_ids=tuple(self.people[role] for role in who)))
        return CourseWish(itinerary_id=self.itinerary.id, dates=self.dates, steps=tuple(steps))

    @property
    def person_ids(self) -> tuple[UUID, ...]:
        """Everybody, in the order of the roles."""
        return tuple(self.people[role.key] for role in self.itinerary.roles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """A step without any slot that could be had, and what the first of its slots is refused for; None where it has none."""

    step: str
    refused: Refused | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What was found, and what is in the way where nothing was."""

    found: Found
    obstacles: tuple[Obstacle, ...]


def check_traveller(itinerary: Itinerary, people: Mapping[str, UUID], dates: Mapping[str, date]) -> None:
    """Refuse a role or a date that is missing, or that the itinerary does not know.

    Raises:
        Refused: `itinerary_incomplete`.
    """
    for place, asked, given in (("people", itinerary.roles, people), ("dates", itinerary.dates, dates)):
        known = [named.key for named in asked]
        for key in known:
            if key not in given:
                raise Refused(Reason.ITINERARY_INCOMPLETE, field=f"/{place}", missing=key)
        for key in given:
            if key not in known:
                raise Refused(Reason.ITINERARY_INCOMPLETE, field=f"/{place}/{key}")


def propose(traveller: Traveller, facts: Facts, work: int = WORK) -> Proposal:
    """Return the best plans among the slots of `facts`, as they stand."""
    book = _in_principle(traveller)
    itinerary = traveller.itinerary
    options: dict[str, list[Slot]] = {}
    obstacles = []
    for step in itinerary.steps:
        options[step.key], refused = _options(step, traveller, book, facts)
        if not options[step.key]:
            obstacles.append(Obstacle(step=step.key, refused=refused))

    def may_have(ways: Ways) -> bool:
        course = traveller.course({key: slot.id for key, slot in ways.items()})
        try:
            admit_course(replace(book, course=course), facts, admit_in_principle)
        except Refused:
            return False
        return True

    return Proposal(found=search(itinerary, options, may_have, work), obstacles=tuple(obstacles))


def _options(step: ItineraryStep, traveller: Traveller, book: Book, facts: Facts) -> tuple[list[Slot], Refused | None]:
    """Return the slots that the step could have by itself, and what the first other one is refused for."""
    who = tuple(traveller.people[role] for role in step.who)
    options: list[Slot] = []
    first: Refused | None = None
    for slot in _of(step.services, facts):
        asked = step_of(book, StepWish(key=step.key, slot_id=slot.id, person_ids=who), slot, facts)
        refused = _why_not(step, asked, traveller.dates, facts)
        if refused is None:
            options.append(slot)
        first = first or refused
    return options, first


def _why_not(step: ItineraryStep, asked: Book, dates: Mapping[str, date], facts: Facts) -> Refused | None:
    """Return what the step would be refused with in this slot, if it stood alone."""
    misfit = unfit_alone(step, facts.slots[asked.slot_id], dates)
    if misfit is not None:
        return Refused(Reason.STEP_UNFIT, why=misfit.value, step_zh=step.name.zh, step_en=step.name.en)
    try:
        admit_in_principle(asked, facts)
    except Refused as refused:
        return refused
    return None


def _of(service_ids: Sequence[str], facts: Facts) -> list[Slot]:
    return [slot for slot in facts.slots.values() if slot.service_id in service_ids]


def _in_principle(traveller: Traveller) -> Book:
    """Return a request that stands for one that may come: it is never kept."""
    nobody = UUID(int=0)
    return Book(
        actor=traveller.actor,
        key=None,
        booking_id=nobody,
        reference="",
        account_id=traveller.account_id,
        slot_id=nobody,
        party_kind=traveller.party_kind,
        person_ids=traveller.person_ids,
        declarations={},
        confirm=True,
    )
