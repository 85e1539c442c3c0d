"""Admission: may this party have this place? `admit` walks the rules in order and makes the booking, or raises.

What differs between the five services stands in their policies; `RULES_OF` adds the rules that only one kind has.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType

from services.booking.domain.admission import assessment
from services.booking.domain.admission.rules import SHARED_RULES, Case, declarations_answered, holds_within_cap
from services.booking.domain.booking import Booking, Claim, State
from services.booking.domain.catalogue import ServiceKind
from services.booking.domain.facts import Change, Facts
from services.booking.domain.party import Party, Person, seats_of
from services.booking.domain.reason import Reason
from services.booking.domain.request import Book
from shared.refusal import Refused

Rule = Callable[[Case], None]

RULES_OF: Mapping[ServiceKind, tuple[Rule, ...]] = MappingProxyType(
    {ServiceKind.ASSESSMENT: (assessment.registered_in_district,)}
)
"""Rules that only one kind of service has; they come before the shared ones' last question, whether there is room."""

_RULES: Mapping[ServiceKind, tuple[Rule, ...]] = MappingProxyType(
    {kind: (*SHARED_RULES[:-1], *RULES_OF.get(kind, ()), SHARED_RULES[-1]) for kind in ServiceKind}
)

ASKED_WHEN_BOOKING = frozenset[Rule]({declarations_answered, holds_within_cap})
"""Rules about how somebody books, and not about the time: whoever only looks for times is not asked yet."""


def admit(book: Book, facts: Facts) -> Change:
    """Return the new booking as a change that is not applied yet.

    Raises:
        Refused: with the reason of the first rule that says no.
    """
    case = _case(book, facts)
    for rule in _RULES[case.service.kind]:
        rule(case)
    return _made(case)


def admit_in_principle(book: Book, facts: Facts) -> Change:
    """Return what `admit` would, with all that is asked only of who really books left aside.

    Raises:
        Refused: as `admit`.
    """
    case = _case(book, facts)
    for rule in _RULES[case.service.kind]:
        if rule not in ASKED_WHEN_BOOKING:
            rule(case)
    return _made(case)


def _case(book: Book, facts: Facts) -> Case:
    slot = facts.slots.get(book.slot_id)
    if slot is None:
        raise Refused(Reason.SLOT_UNKNOWN, field="/slot_id")
    service, venue, policy = facts.offer(slot)
    return Case(book, slot, service, venue, policy, party_of(book, facts), facts)


def _made(case: Case) -> Change:
    booking = _booking(case)
    action = "confirm" if booking.state is State.CONFIRMED else "hold"
    return Change(before=None, after=booking, action=action, actor=case.book.actor)


def party_of(book: Book, facts: Facts) -> Party:
    """Return who comes, as `facts` know them.

    Raises:
        Refused: `person_unknown`, with the first person whom the account has not saved.
    """
    people = []
    for position, person_id in enumerate(book.person_ids):
        companion = facts.companions.get((book.account_id, person_id))
        if companion is None:
            raise Refused(Reason.PERSON_UNKNOWN, field=f"/people/{position}")
        people.append(
            Person(
                id=person_id,
                document_type=companion.document_type,
                birth_date=companion.birth_date,
                relation=companion.relation,
                bars=companion.bars,
            )
        )
    return Party(kind=book.party_kind, people=tuple(people))


def _booking(case: Case) -> Booking:
    book, slot, now = case.book, case.slot, case.facts.now
    confirmed = book.confirm and not case.policy.approval
    hold = None if confirmed else now + timedelta(minutes=case.policy.hold_minutes)
    seats = seats_of(case.party, case.policy)
    return Booking(
        id=book.booking_id,
        reference=book.reference,
        state=State.CONFIRMED if confirmed else State.HELD,
        version=1,
        service_id=slot.service_id,
        slot_id=slot.id,
        starts_at=slot.starts_at,
        ends_at=slot.ends_at,
        account_id=book.account_id,
        channel=book.channel,
        party_kind=book.party_kind.value,
        claims=tuple(
            Claim(slot_id=slot.id, person_id=person.id, seats=places)
            for person, places in zip(case.party.people, seats, strict=True)
        ),
        declarations=book.declarations,
        hold_until=hold,
        extensions=0,
        created_at=now,
        changed_at=now,
    )
