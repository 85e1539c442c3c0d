from dataclasses import replace
from datetime import date, time, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.booking.domain.party import Party, Person, age_on, check_party, seats_of
from services.booking.domain.policy import (
    CancelBy,
    CheckInWindow,
    DocumentType,
    PartyKind,
    Policy,
    Release,
    SeatUnit,
)
from services.booking.domain.reason import Reason
from shared.refusal import Refused

VISIT = date(2026, 12, 5)

POLICY = Policy(
    id="all",
    version=1,
    documents=frozenset({DocumentType.RESIDENT_IDENTITY_CARD, DocumentType.PASSPORT}),
    parties=frozenset(PartyKind),
    party_most=4,
    seat_unit=SeatUnit.PERSON,
    release=Release(days_before=7, at=time(7)),
    horizon_days=14,
    hold_minutes=10,
    hold_extensions=1,
    closes_minutes_before=0,
    cancel_by=CancelBy(),
    check_in=CheckInWindow(opens_minutes_before=30, closes_minutes_after=15),
    reminders=(),
)


def person(
    number: int, *, born: date = date(1990, 1, 1), document: DocumentType = DocumentType.RESIDENT_IDENTITY_CARD
) -> Person:
    return Person(id=UUID(int=number), document_type=document, birth_date=born, relation="other")


def party(kind: PartyKind, *people: Person) -> Party:
    return Party(kind=kind, people=people)


def of_size(kind: PartyKind, size: int) -> Party:
    return party(kind, *(person(number) for number in range(size)))


def refusal(checked: Party, policy: Policy = POLICY, visit: date = VISIT) -> Refused:
    with pytest.raises(Refused) as caught:
        check_party(checked, policy, visit)
    return caught.value


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        (PartyKind.ONE_PERSON, {1}),
        (PartyKind.COUPLE, {2}),
        (PartyKind.GROUP, {2, 3, 4}),
        (PartyKind.PROXY, {1, 2, 3, 4}),
    ],
)
def test_sizes(kind: PartyKind, sizes: set[int]) -> None:
    for size in range(7):
        if size in sizes:
            check_party(of_size(kind, size), POLICY, VISIT)
            continue
        refused = refusal(of_size(kind, size))
        too_large = size > 4 and kind in {PartyKind.GROUP, PartyKind.PROXY}
        assert refused.reason is (Reason.PARTY_TOO_LARGE if too_large else Reason.PARTY_WRONG_SIZE)
        assert refused.field == "/people"
        assert refused.facts["size"] == size
        if too_large:
            assert refused.facts["most"] == 4


def test_wrong_size_says_what_would_be_right() -> None:
    assert refusal(of_size(PartyKind.COUPLE, 1)).facts["exactly"] == 2
    assert refusal(of_size(PartyKind.GROUP, 1)).facts["least"] == 2


def test_a_couple_is_two_even_where_groups_are_not_taken() -> None:
    check_party(of_size(PartyKind.COUPLE, 2), replace(POLICY, party_most=1), VISIT)


def test_kind_not_accepted_names_what_is() -> None:
    policy = replace(POLICY, parties=frozenset({PartyKind.ONE_PERSON, PartyKind.COUPLE}))
    refused = refusal(of_size(PartyKind.GROUP, 3), policy)
    assert refused.reason is Reason.PARTY_KIND_NOT_ACCEPTED
    assert refused.facts == {"kind": "group", "accepted": "couple, one_person"}


def test_the_second_naming_of_one_person_is_at_fault() -> None:
    refused = refusal(party(PartyKind.GROUP, person(1), person(2), person(1)))
    assert (refused.reason, refused.field) == (Reason.PERSON_TWICE, "/people/2")


def test_documents_not_accepted() -> None:
    refused = refusal(party(PartyKind.COUPLE, person(1), person(2, document=DocumentType.TAIWAN_TRAVEL_PERMIT)))
    assert (refused.reason, refused.field) == (Reason.DOCUMENT_NOT_ACCEPTED, "/people/1")
    assert refused.facts["accepted"] == "passport, resident_identity_card"
    assert refused.facts["document_type"] == "taiwan_travel_permit"


def test_ages_count_on_the_day_of_the_visit() -> None:
    policy = replace(POLICY, age_least=60, age_most=80)
    sixty_that_day = person(1, born=date(1966, 12, 5))
    check_party(party(PartyKind.PROXY, sixty_that_day), policy, VISIT)
    refused = refusal(
        party(PartyKind.PROXY, person(2, born=date(1950, 1, 1)), sixty_that_day), policy, date(2026, 12, 4)
    )
    assert (refused.reason, refused.field) == (Reason.TOO_YOUNG, "/people/1")
    assert refused.facts == {"least": 60, "on": date(2026, 12, 4)}
    still_eighty = person(3, born=date(1945, 12, 6))
    check_party(party(PartyKind.PROXY, still_eighty), policy, VISIT)
    refused = refusal(party(PartyKind.PROXY, still_eighty), policy, date(2026, 12, 6))
    assert (refused.reason, refused.field, refused.facts["most"]) == (Reason.TOO_OLD, "/people/0", 80)


def test_rules_come_in_order() -> None:
    """A party at fault in every way hears of the kind first, then of the size, then of its people."""
    stranger = person(1, born=date(2020, 1, 1), document=DocumentType.TAIWAN_TRAVEL_PERMIT)
    policy = replace(POLICY, parties=frozenset({PartyKind.COUPLE}), age_least=18)
    assert refusal(party(PartyKind.GROUP, *[stranger] * 5), policy).reason is Reason.PARTY_KIND_NOT_ACCEPTED
    assert refusal(party(PartyKind.COUPLE, *[stranger] * 5), policy).reason is Reason.PARTY_WRONG_SIZE
    assert refusal(party(PartyKind.COUPLE, stranger, stranger), policy).reason is Reason.PERSON_TWICE
    assert refusal(party(PartyKind.COUPLE, stranger, person(2)), policy).reason is Reason.DOCUMENT_NOT_ACCEPTED
    child = person(1, born=date(2020, 1, 1))
    assert refusal(party(PartyKind.COUPLE, child, person(2)), policy).reason is Reason.TOO_YOUNG


@pytest.mark.parametrize(
    ("born", "day", "age"),
    [
        (date(2000, 2, 29), date(2018, 2, 27), 17),
        (date(2000, 2, 29), date(2018, 2, 28), 18),  # Civil Code, Article 202: the month's last day
        (date(2000, 2, 29), date(2018, 3, 1), 18),
        (date(2000, 2, 29), date(2020, 2, 28), 19),
        (date(2000, 2, 29), date(2020, 2, 29), 20),
        (date(2000, 2, 29), date(2100, 2, 28), 100),  # 2100 is no leap year
        (date(2000, 2, 28), date(2018, 2, 28), 18),
        (date(2000, 3, 1), date(2018, 2, 28), 17),
        (date(1990, 12, 31), date(2026, 12, 30), 35),
        (date(1990, 12, 31), date(2026, 12, 31), 36),
        (date(2026, 12, 5), date(2026, 12, 5), 0),
    ],
)
def test_age_on(born: date, day: date, age: int) -> None:
    assert age_on(born, day) == age


@given(st.dates(date(1900, 1, 1), date(2026, 1, 1)), st.integers(0, 45_000))
def test_age_never_falls_and_rises_once_a_year(born: date, days: int) -> None:
    day = born + timedelta(days=days)
    step = age_on(born, day + timedelta(days=1)) - age_on(born, day)
    assert step in {0, 1}
    assert age_on(born, date(day.year, 12, 31)) == day.year - born.year


@given(st.sampled_from(SeatUnit), st.integers(1, 10))
def test_seats(unit: SeatUnit, size: int) -> None:
    seats = seats_of(of_size(PartyKind.GROUP, size), replace(POLICY, seat_unit=unit))
    assert seats == ((1,) * size if unit is SeatUnit.PERSON else (1, *[0] * (size - 1)))
