"""The law of a draw: anybody gets the same order, nobody gets a better chance, and nothing published can be changed unseen."""

import hashlib
import hmac
import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.booking.domain.admission import admit
from services.booking.domain.booking import Channel, State
from services.booking.domain.draw import Entry, commitment_of, contents_of, digest_of, first_difference, order_of
from services.booking.domain.draw_entry import check_entry, check_wishes
from services.booking.domain.draw_round import DRAW, Round, Stage, Stored, check_slots, check_window
from services.booking.domain.policy import PartyKind
from services.booking.domain.reason import Reason
from services.booking.domain.slot import why_not
from shared.refusal import Refused
from tests import make

ROUND = UUID("01930000-0000-7000-8000-00000000d4a3")
SLOTS = [uuid5(ROUND, f"slot {number}") for number in range(3)]

seeds = st.binary(min_size=32, max_size=32)
entries_of = st.builds(
    Entry,
    id=st.uuids(),
    party=st.sampled_from([kind.value for kind in PartyKind]),
    people=st.integers(1, 20),
    slot_ids=st.lists(st.sampled_from(SLOTS), min_size=1, max_size=3, unique=True).map(tuple),
    contents=st.binary(min_size=32, max_size=32).map(bytes.hex),
)
sets = st.lists(entries_of, max_size=30, unique_by=lambda entry: entry.id)


def entry(number: int) -> Entry:
    return Entry(
        id=uuid5(ROUND, f"request {number}"),
        party="one_person",
        people=1,
        slot_ids=(SLOTS[number % 3],),
        contents=contents_of(b"salt", [uuid5(ROUND, f"person {number}")], {}),
    )


@given(seeds, sets)
def test_the_order_is_a_permutation(seed: bytes, entries: list[Entry]) -> None:
    assert sorted(order_of(seed, entries)) == sorted(one.id for one in entries)


@given(seeds, sets, st.randoms())
def test_in_whatever_order_requests_are_given_the_draw_is_the_same(
    seed: bytes, entries: list[Entry], chance: Any
) -> None:
    shuffled = chance.sample(entries, len(entries))
    assert order_of(seed, shuffled) == order_of(seed, entries)
    assert digest_of(ROUND, "c", shuffled) == digest_of(ROUND, "c", entries)


@given(sets.filter(bool), st.data())
def test_changing_one_request_changes_the_digest(entries: list[Entry], data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(entries) - 1))
    changed = data.draw(entries_of.filter(lambda one: one != entries[position]))
    others = entries[:position] + entries[position + 1 :]
    digest = digest_of(ROUND, "c", entries)
    assert digest_of(ROUND, "c", [*others, changed]) != digest
    assert digest_of(ROUND, "c", others) != digest
    assert digest_of(ROUND, "d", entries) != digest
    assert digest_of(SLOTS[0], "c", entries) != digest


@given(st.lists(st.uuids(), min_size=1, max_size=3, unique=True), st.dictionaries(st.text(), st.text(), max_size=3))
def test_contents_bind_the_people_and_what_they_declared(people: list[UUID], declared: dict[str, str]) -> None:
    contents = contents_of(b"salt", people, declared)
    assert contents == contents_of(b"salt", people, dict(reversed(declared.items())))
    assert contents != contents_of(b"other", people, declared)
    assert contents != contents_of(b"salt", [*people, ROUND], declared)
    assert contents != contents_of(b"salt", people, declared | {"more": "yes"})


def test_the_law_in_a_dozen_lines_of_somebody_else_s() -> None:
    """Worked out again without our code, as a newspaper would."""
    seed, entries = bytes(range(32)), [entry(number) for number in range(50)]
    lines = [f"{one.id} {one.party} {one.people} {','.join(map(str, one.slot_ids))} {one.contents}" for one in entries]
    lots = {line: hmac.new(seed, line.encode(), "sha256").hexdigest() for line in lines}
    assert [str(one) for one in order_of(seed, entries)] == [line[:36] for line in sorted(lines, key=lots.__getitem__)]
    commitment = hashlib.sha256(seed).hexdigest()
    assert commitment_of(seed) == commitment
    heading = ["yuyue draw 1", str(ROUND), commitment]
    assert (
        digest_of(ROUND, commitment, entries) == hashlib.sha256("\n".join(heading + sorted(lines)).encode()).hexdigest()
    )


def test_every_request_is_as_likely_to_be_first() -> None:
    """Chi-square over 4,000 seeds and 10 requests: 9 degrees of freedom, 27.88 is exceeded once in a thousand."""
    entries, draws = [entry(number) for number in range(10)], 4000
    for place in (0, 4, 9):
        seen = Counter(order_of(hashlib.sha256(b"%d" % number).digest(), entries)[place] for number in range(draws))
        expected = draws / len(entries)
        chi_square = sum((seen[one.id] - expected) ** 2 / expected for one in entries)
        assert chi_square < 27.88, (place, seen)


def test_a_seed_has_its_size() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        commitment_of(b"short")


# -- the published document -----------------------------------------------------------------------------------------


def document(requests: int = 4) -> dict[str, Any]:
    """A round as it is published: the first two in the order are booked, the others passed over."""
    seed, entries = bytes(range(32)), {entry(number).id: entry(number) for number in range(requests)}
    commitment = commitment_of(seed)
    rows = []
    for place, request_id in enumerate(order_of(seed, entries.values()), start=1):
        one, booked = entries[request_id], place <= 2
        rows.append(
            {
                "place": place,
                "id": str(one.id),
                "party": one.party,
                "people": one.people,
                "slots": [str(slot_id) for slot_id in one.slot_ids],
                "contents": one.contents,
                "passed": [] if booked else [{"slot_id": str(one.slot_ids[0]), "reason": "slot_full"}],
                "outcome": "booked" if booked else "passed_over",
                "slot_id": str(one.slot_ids[0]) if booked else None,
            }
        )
    return {
        "id": str(ROUND),
        "commitment": commitment,
        "seed": seed.hex(),
        "digest": digest_of(ROUND, commitment, entries.values()),
        "requests": requests,
        "slots": [{"slot_id": str(slot_id)} for slot_id in SLOTS],
        "entries": rows,
    }


def test_what_is_published_verifies() -> None:
    assert first_difference(document()) is None
    assert first_difference(document(0)) is None


def _swapped(of: dict[str, Any]) -> None:
    of["entries"][0], of["entries"][3] = of["entries"][3] | {"place": 1}, of["entries"][0] | {"place": 4}


TAMPERED = [
    ("commitment", lambda of: of.update(seed=bytes(32).hex())),
    ("requests", lambda of: of.update(requests=5)),
    ("requests", lambda of: of["entries"].pop()),
    ("digest", lambda of: of["entries"][2].update(people=2)),
    ("digest", lambda of: of["entries"][2].update(contents="0" * 64)),
    ("digest", lambda of: of["entries"][2].update(slots=of["entries"][2]["slots"] + [str(ROUND)])),
    ("digest", lambda of: of.update(id=str(SLOTS[0]))),
    ("place 1", _swapped),
    ("place", lambda of: of["entries"][1].update(place=7)),
    ("not its next wish", lambda of: of["entries"][0].update(slot_id=str(ROUND))),
    ("not every slot", lambda of: of["entries"][3].update(passed=[])),
    ("in the order", lambda of: of["entries"][3].update(passed=[{"slot_id": str(ROUND), "reason": "slot_full"}])),
    ("not in this round", lambda of: of.update(slots=[])),
]


@pytest.mark.parametrize(("named", "tamper"), TAMPERED)
def test_whatever_is_tampered_with_is_named(named: str, tamper: Any) -> None:
    forged = json.loads(json.dumps(document()))
    tamper(forged)
    difference = first_difference(forged)
    assert difference is not None
    assert named in difference


@pytest.mark.parametrize(
    "change", [{"seed": None}, {"entries": None}, {"digest": "xyz"}, {"id": "no"}, {"requests": "4"}]
)
def test_what_is_no_drawn_round_is_said_to_be_none(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not the document of a round that was drawn"):
        first_difference(document() | change)


@pytest.mark.parametrize("left_out", list(document()["entries"][0]))
def test_an_entry_that_lacks_something_is_no_entry(left_out: str) -> None:
    of = document()
    del of["entries"][1][left_out]
    if left_out == "contents":
        of["entries"][1]["contents"] = "unknown"
    with pytest.raises(ValueError, match="not the document of a round that was drawn"):
        first_difference(of)


def test_a_party_cannot_smuggle_words_into_its_line() -> None:
    of = document()
    of["entries"][1]["party"] = "one_person 1"
    with pytest.raises(ValueError, match="not a request"):
        first_difference(of)


# -- rounds and requests --------------------------------------------------------------------------------------------


def a_round(**changes: Any) -> Round:
    made = Round(
        id=ROUND,
        service_id="timed-entry",
        slot_ids=tuple(SLOTS),
        opens_at=make.NOW,
        closes_at=make.NOW + timedelta(hours=1),
        seed=bytes(32),
        commitment=commitment_of(bytes(32)),
    )
    return replace(made, **changes)


def test_time_moves_a_round_until_it_is_drawn() -> None:
    one, hour = a_round(), timedelta(hours=1)
    stages = [one.stage(make.NOW + hour * passed) for passed in (-1, 0, 0.99, 1, 9)]
    assert stages == [Stage.ANNOUNCED, Stage.GATHERING, Stage.GATHERING, Stage.CLOSING, Stage.CLOSING]
    assert replace(one, stored=Stored.DRAWN).stage(make.NOW) is Stage.DRAWN
    for passed in (-1, 1):
        with pytest.raises(Refused) as refused:
            one.must_gather(make.NOW + hour * passed)
        assert refused.value.reason is Reason.DRAW_NOT_OPEN
    one.must_gather(make.NOW)


@pytest.mark.parametrize(
    ("opens", "closes"),
    [(0, 9), (-60, 9), (-120, -60), (60, 30), (0, 61 * 24 * 60)],
    ids=["short", "late", "past", "back", "long"],
)
def test_a_window_gives_time_to_hear_of_it(opens: int, closes: int) -> None:
    with pytest.raises(Refused) as refused:
        check_window(make.NOW + timedelta(minutes=opens), make.NOW + timedelta(minutes=closes), make.NOW)
    assert refused.value.reason is Reason.DRAW_INVALID
    check_window(make.NOW, make.NOW + timedelta(minutes=10), make.NOW)


def test_only_open_slots_of_the_service_are_drawn() -> None:
    slot = make.slot()
    late = slot.bookable_until - timedelta(hours=1)
    check_slots("timed-entry", [slot.id], [slot], late)
    for found, closes_at, why in [
        ([], late, "draw_slot"),
        ([replace(slot, service_id="another")], late, "draw_slot"),
        ([replace(slot, closed=True)], late, "draw_slot"),
        ([replace(slot, drawn=True)], late, "draw_slot_taken"),
        ([slot], late + timedelta(seconds=1), "draw_slot_too_early"),
    ]:
        with pytest.raises(Refused) as refused:
            check_slots("timed-entry", [slot.id], found, closes_at)
        assert (refused.value.field, refused.value.facts["why"]) == ("/slots/0", why)
    with pytest.raises(Refused) as refused:
        check_slots("timed-entry", [slot.id, slot.id], [slot], late)
    assert refused.value.field == "/slots/1"


@pytest.mark.parametrize("channel", list(Channel))
def test_what_is_drawn_is_nobody_s_but_the_draw_s(channel: Channel) -> None:
    slot = make.slot(drawn=True, bookable_from=make.NOW + timedelta(days=1))
    assert why_not(slot, channel, make.NOW) is Reason.SLOT_DRAWN
    facts = make.facts(slot)
    person = make.companion(facts)
    with pytest.raises(Refused) as refused:
        admit(make.book(slot, person), facts)
    assert refused.value.reason is Reason.SLOT_DRAWN
    assert admit(make.book(slot, person, actor=DRAW), facts).after.state is State.CONFIRMED
    facts.slots[slot.id] = replace(slot, closed=True)
    with pytest.raises(Refused) as refused:
        admit(make.book(slot, person, actor=DRAW), facts)
    assert refused.value.reason is Reason.SLOT_CLOSED


def test_a_request_is_looked_at_when_it_comes() -> None:
    slot = make.slot(drawn=True, capacity=0)
    facts = make.facts(slot, of_policy=make.policy(age_least=60))
    old, young = make.companion(facts), make.companion(facts)
    facts.companions[make.RESIDENT, old] = replace(
        facts.companions[make.RESIDENT, old], birth_date=make.NOW.date().replace(year=1950)
    )
    check_entry(make.book(slot, old), [slot.id], facts)
    for book, slot_ids, reason in [
        (make.book(slot, young), [slot.id], Reason.TOO_YOUNG),
        (make.book(slot, ROUND), [slot.id], Reason.PERSON_UNKNOWN),
        (make.book(slot, old, declarations={"more": "yes"}), [slot.id], Reason.DECLARATION_INVALID),
        (make.book(slot, old), [slot.id, ROUND], Reason.SLOT_UNKNOWN),
    ]:
        with pytest.raises(Refused) as refused:
            check_entry(book, slot_ids, facts)
        assert refused.value.reason is reason


def test_a_request_names_slots_of_the_round_each_once() -> None:
    check_wishes(a_round(), SLOTS)
    for wishes, field in [([ROUND], "/slots/0"), ([SLOTS[0], SLOTS[0]], "/slots/1")]:
        with pytest.raises(Refused) as refused:
            check_wishes(a_round(), wishes)
        assert (refused.value.reason, refused.value.field) == (Reason.SLOT_UNKNOWN, field)
