"""Who comes together: the rules of a party that need no other facts than the policy and the day of the visit.

The order of the rules is the order in which a person would want to hear of them: first what kind of party, then how
many, then who.
"""

from calendar import isleap
from datetime import date
from uuid import UUID

from services.booking.domain.penalty import Barred
from services.booking.domain.policy import DocumentType, PartyKind, Policy, SeatUnit
from services.booking.domain.reason import Reason
from shared.refusal import Refused
from shared.value import value

_FIXED_SIZE = {PartyKind.ONE_PERSON: 1, PartyKind.COUPLE: 2}
_LEAST = {PartyKind.GROUP: 2, PartyKind.PROXY: 1}


@value(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who comes. `relation` says what they are to the account that books ("self", "parent" …).

    `bars` are those that have not ended, whichever they are.
    """

    id: UUID
    document_type: DocumentType
    birth_date: date
    relation: str
    bars: tuple[Barred, ...] = ()


@value(frozen=True, slots=True, kw_only=True)
class Party:
    """The people of one booking, in the order in which they were named."""

    kind: PartyKind
    people: tuple[Person, ...]


def check_party(party: Party, policy: Policy, visit_day: date) -> None:
    """Say no to a party that `policy` does not accept on `visit_day` (the venue's calendar day).

    Raises:
        Refused: the reason of the first rule that says no, with the person at fault as `/people/<position>`.
    """
    kind_accepted(party, policy)
    right_size(party)
    not_too_large(party, policy)
    nobody_twice(party)
    documents_accepted(party, policy)
    old_enough(party, policy, visit_day)
    young_enough(party, policy, visit_day)


def kind_accepted(party: Party, policy: Policy) -> None:
    """Refuse a kind of party that the policy does not name."""
    if party.kind not in policy.parties:
        raise Refused(
            Reason.PARTY_KIND_NOT_ACCEPTED, field="/party", kind=party.kind.value, accepted=_listed(policy.parties)
        )


def right_size(party: Party) -> None:
    """Refuse one person who are two, a couple who are not two, a group of one, and a party of nobody."""
    size = len(party.people)
    exactly = _FIXED_SIZE.get(party.kind)
    if exactly is not None and size != exactly:
        raise Refused(Reason.PARTY_WRONG_SIZE, field="/people", kind=party.kind.value, exactly=exactly, size=size)
    least = _LEAST.get(party.kind, 1)
    if size < least:
        raise Refused(Reason.PARTY_WRONG_SIZE, field="/people", kind=party.kind.value, least=least, size=size)


def not_too_large(party: Party, policy: Policy) -> None:
    """Refuse more people than the policy takes in one booking; one person and a couple have their size by kind."""
    if party.kind not in _FIXED_SIZE and len(party.people) > policy.party_most:
        raise Refused(Reason.PARTY_TOO_LARGE, field="/people", most=policy.party_most, size=len(party.people))


def nobody_twice(party: Party) -> None:
    """Refuse the second naming of one person."""
    seen: set[UUID] = set()
    for position, person in enumerate(party.people):
        if person.id in seen:
            raise Refused(Reason.PERSON_TWICE, field=f"/people/{position}")
        seen.add(person.id)


def documents_accepted(party: Party, policy: Policy) -> None:
    """Refuse a document that the policy does not name."""
    for position, person in enumerate(party.people):
        if person.document_type not in policy.documents:
            raise Refused(
                Reason.DOCUMENT_NOT_ACCEPTED,
                field=f"/people/{position}",
                document_type=person.document_type.value,
                accepted=_listed(policy.documents),
            )


def old_enough(party: Party, policy: Policy, visit_day: date) -> None:
    """Refuse who is below the policy's least age on the day of the visit."""
    least = policy.age_least
    if least is None:
        return
    for position, person in enumerate(party.people):
        if age_on(person.birth_date, visit_day) < least:
            raise Refused(Reason.TOO_YOUNG, field=f"/people/{position}", least=least, on=visit_day)


def young_enough(party: Party, policy: Policy, visit_day: date) -> None:
    """Refuse who is above the policy's greatest age on the day of the visit."""
    most = policy.age_most
    if most is None:
        return
    for position, person in enumerate(party.people):
        if age_on(person.birth_date, visit_day) > most:
            raise Refused(Reason.TOO_OLD, field=f"/people/{position}", most=most, on=visit_day)


def age_on(birth_date: date, day: date) -> int:
    """Return the full years (周岁) reached on `day`; a year is reached on the birthday itself.

    Who was born on 29 February reaches it on 28 February of a common year: where the month has no corresponding day,
    its last day stands for it (Civil Code of China, Article 202).
    """
    month, month_day = birth_date.month, birth_date.day
    if (month, month_day) == (2, 29) and not isleap(day.year):
        month_day = 28
    return day.year - birth_date.year - ((day.month, day.day) < (month, month_day))


def seats_of(party: Party, policy: Policy) -> tuple[int, ...]:
    """Return the places that each person takes, in order.

    Where the unit is a person each takes one; where it is the party (a court, a visit) the first person's place stands
    for all of them: 1, 0, 0 …
    """
    if policy.seat_unit is SeatUnit.PERSON:
        return (1,) * len(party.people)
    return tuple(int(position == 0) for position in range(len(party.people)))


def _listed(members: frozenset[PartyKind] | frozenset[DocumentType]) -> str:
    return ", ".join(sorted(members))
