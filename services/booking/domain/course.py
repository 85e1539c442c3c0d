"""Booking an itinerary: each of its steps admitted as a booking of its own would be, and all of them or none.

The law: the steps are asked in order of time, and each sees the places that the ones before it take. So limits, clashes
and room are those of every booking, also between the steps of one itinerary. The first "no" is the answer to the whole,
and it names the step. How long it is held, until when it can be cancelled and how it is checked in is the policy of the
first step.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from uuid import UUID

from services.booking.domain.admission import admit
from services.booking.domain.booking import Booking, Course, State, Step
from services.booking.domain.facts import Change, Facts
from services.booking.domain.itinerary import Itinerary, ItineraryStep, unfit_alone, unfit_together
from services.booking.domain.policy import PartyKind
from services.booking.domain.reason import Reason
from services.booking.domain.request import Book, CourseWish, StepWish
from services.booking.domain.slot import Slot
from shared.refusal import Refused

Placed = tuple[int, StepWish, ItineraryStep, Slot]
"""A step with its place in the request, what is wanted, its definition, and its slot."""


Admits = Callable[[Book, Facts], Change]
"""`admit`, or what stands for it while somebody only looks for times."""


def admit_course(book: Book, facts: Facts, admits: Admits = admit) -> Change:
    """Return the booking of a whole itinerary as a change that is not applied yet.

    Raises:
        Refused: `itinerary_unknown`, `itinerary_incomplete`, `step_unfit`, or what a step would be refused with as a
            booking of its own; `field` and `step` name the step.
    """
    assert book.course is not None
    itinerary = facts.catalogue.itineraries.get(book.course.itinerary_id)
    if itinerary is None:
        raise Refused(Reason.ITINERARY_UNKNOWN)
    placed = _placed(itinerary, book.course, facts)
    _nobody_twice(itinerary, book.course)
    _declares_what_is_asked(book, placed, facts)
    _fits(itinerary, placed, book.course)
    whole: Booking | None = None
    for one in sorted(placed, key=lambda one: (one[3].starts_at, one[0])):
        seen = facts if whole is None else facts.with_places(whole)
        try:
            admitted = admits(step_of(book, one[1], one[3], facts), seen).after
        except Refused as refused:
            raise _at_step(refused, one) from refused
        whole = _joined(whole, admitted, one[1].key, book.course)
    assert whole is not None
    whole = replace(whole, party_kind=book.party_kind.value, declarations=book.declarations)
    action = "confirm" if whole.state is State.CONFIRMED else "hold"
    return Change(before=None, after=whole, action=action, actor=book.actor)


def step_of(book: Book, wish: StepWish, slot: Slot, facts: Facts) -> Book:
    """Return the request that would book this one step by itself; of the declarations, what its policy asks."""
    _, _, policy = facts.offer(slot)
    asked = {declaration.name for declaration in policy.declarations}
    kind = book.party_kind
    if kind is PartyKind.COUPLE and len(wish.person_ids) == 1:
        kind = PartyKind.ONE_PERSON
    return replace(
        book,
        slot_id=slot.id,
        party_kind=kind,
        person_ids=wish.person_ids,
        declarations={name: answer for name, answer in book.declarations.items() if name in asked},
        course=None,
    )


def who_of(itinerary: Itinerary, steps: Sequence[StepWish] | Sequence[Step]) -> dict[str, UUID]:
    """Return who has which role, as the steps say."""
    roles: dict[str, UUID] = {}
    for step in steps:
        definition = itinerary.step(step.key)
        if definition is not None:
            roles |= dict(zip(definition.who, step.person_ids, strict=False))
    return roles


def _placed(itinerary: Itinerary, wish: CourseWish, facts: Facts) -> list[Placed]:
    """Return the steps with their definitions and slots.

    Raises:
        Refused: `itinerary_incomplete` where a step or a date is missing, or named twice, or not known; `slot_unknown`.
    """
    missing = {named.key for named in itinerary.dates} - set(wish.dates)
    if missing:
        raise Refused(Reason.ITINERARY_INCOMPLETE, field=f"/dates/{min(missing)}", missing=min(missing))
    named = [step.key for step in wish.steps]
    for asked in itinerary.steps:
        if asked.key not in named:
            raise Refused(Reason.ITINERARY_INCOMPLETE, field="/steps", missing=asked.key)
    placed: list[Placed] = []
    for position, step in enumerate(wish.steps):
        definition = itinerary.step(step.key)
        if definition is None or step.key in named[:position]:
            raise Refused(Reason.ITINERARY_INCOMPLETE, field=f"/steps/{position}/step")
        slot = facts.slots.get(step.slot_id)
        if slot is None:
            raise Refused(Reason.SLOT_UNKNOWN, field=f"/steps/{position}/slot_id")
        placed.append((position, step, definition, slot))
    return placed


def _nobody_twice(itinerary: Itinerary, wish: CourseWish) -> None:
    """Refuse one person in two roles."""
    seen: set[UUID] = set()
    for role, person_id in who_of(itinerary, wish.steps).items():
        if person_id in seen:
            raise Refused(Reason.PERSON_TWICE, field=f"/people/{role}")
        seen.add(person_id)


def _declares_what_is_asked(book: Book, placed: Sequence[Placed], facts: Facts) -> None:
    """Refuse an answer to what no step asks."""
    asked = {one.name for _, _, _, slot in placed for one in facts.offer(slot)[2].declarations}
    for name in book.declarations:
        if name not in asked:
            raise Refused(Reason.DECLARATION_INVALID, field=f"/declarations/{name}", options=", ".join(sorted(asked)))


def _fits(itinerary: Itinerary, placed: Sequence[Placed], wish: CourseWish) -> None:
    """Refuse a step at a time that its definition does not allow, by itself or beside another."""
    for position, _, step, slot in placed:
        misfit = unfit_alone(step, slot, wish.dates)
        if misfit is not None:
            raise Refused(
                Reason.STEP_UNFIT,
                field=f"/steps/{position}/slot_id",
                step=step.key,
                step_zh=step.name.zh,
                step_en=step.name.en,
                why=misfit.value,
            )
    in_time = sorted(placed, key=lambda one: (one[3].starts_at, one[0]))
    for (_, _, earlier, slot), (position, _, later, following) in combinations(in_time, 2):
        misfit = unfit_together(itinerary, (earlier, slot), (later, following))
        if misfit is not None:
            raise Refused(
                Reason.STEP_UNFIT,
                field=f"/steps/{position}/slot_id",
                step=later.key,
                step_zh=later.name.zh,
                step_en=later.name.en,
                why=misfit.value,
                beside=earlier.key,
            )


def _at_step(refused: Refused, one: Placed) -> Refused:
    """Return the refusal of one step as that of the whole: it names the step, and the field within the request."""
    position, _, step, _ = one
    field = refused.field
    if field == "/slot_id":
        field = f"/steps/{position}/slot_id"
    elif field is not None and field.startswith("/people/"):
        field = f"/people/{step.who[int(field.removeprefix('/people/'))]}"
    return Refused(refused.reason, field=field, **{**refused.facts, "step": step.key})


def _joined(whole: Booking | None, admitted: Booking, key: str, wish: CourseWish) -> Booking:
    """Return the itinerary so far with one more step, which begins no earlier than those it has."""
    step = Step(
        key=key,
        slot_id=admitted.slot_id,
        service_id=admitted.service_id,
        starts_at=admitted.starts_at,
        ends_at=admitted.ends_at,
        person_ids=admitted.person_ids,
    )
    if whole is None:
        return replace(admitted, course=Course(itinerary_id=wish.itinerary_id, dates=wish.dates, steps=(step,)))
    assert whole.course is not None
    held = admitted.state is State.HELD or whole.state is State.HELD
    return replace(
        whole,
        state=State.HELD if held else State.CONFIRMED,
        hold_until=whole.hold_until or admitted.hold_until,
        ends_at=max(whole.ends_at, admitted.ends_at),
        claims=whole.claims + admitted.claims,
        course=replace(whole.course, steps=(*whole.course.steps, step)),
    )
