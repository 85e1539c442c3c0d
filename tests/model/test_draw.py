"""Draws over PostgreSQL, played at random: who enters, thinks better of it, or comes late; then the round is drawn.

Who should have been given which place is worked out here anew: the order from the published seed and lines as decision 0013
writes it down, with nothing of the engine; and each place by the model that plays the rest of the town.
"""

import asyncio
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from sqlalchemy import text

from services.booking.commands.drawing import Drawing
from services.booking.commands.draws import NewRequest, NewRound, enter, open_round, withdraw
from services.booking.domain.policy import PartyKind
from services.booking.store.draws import DrawRequest, requests_of_round
from shared.db import create_engine
from shared.refusal import Refused
from tests import make
from tests.model import town
from tests.model.database import Database
from tests.model.intent import FAMILIES, Wish
from tests.model.model import Model
from tests.model.playing import games

SERVICE = [number for number, slot in enumerate(town.slots()) if slot.service_id == town.ENTRY and number < 4]
MINUTE = timedelta(minutes=1)
ROUND = UUID(int=7000)
_PARTIES: list[tuple[int, tuple[int, ...]]] = [
    (account, (person,)) for account, family in enumerate(FAMILIES) for person in sorted(family)
]
_PARTIES += [(2, (2, 3)), (2, (2, 3, 4)), (3, (1, 4))]
_WISHES = st.lists(st.sampled_from(SERVICE), min_size=1, max_size=3, unique=True)
_COMES = st.tuples(st.sampled_from(_PARTIES), _WISHES, st.sampled_from([False, False, False, True]))


def line_of(request: DrawRequest) -> str:
    """Return the line of a request, as anybody writes it who has read the decision."""
    slots = ",".join(str(one) for one in request.slot_ids)
    return f"{request.id} {request.party_kind.value} {len(request.person_ids)} {slots} {request.contents}"


def expected(seed: bytes, requests: list[DrawRequest], model: Model) -> dict[UUID, int | None]:
    """Return which slot each request should have been given."""
    ids = [slot.id for slot in town.slots()]
    number_of = {town.person_id(person): person for person in range(5)}
    given: dict[UUID, int | None] = {}
    in_order = sorted(requests, key=lambda one: hmac.new(seed, line_of(one).encode(), sha256).digest())
    for request in in_order:
        account = next(n for n in range(len(FAMILIES)) if town.account_id(n) == request.account_id)
        people = tuple(number_of[one] for one in request.person_ids)
        model.begin([])
        wishes = (Wish(account, people, ids.index(one), confirm=True, counter=False) for one in request.slot_ids)
        given[request.id] = next((wish.slot for wish in wishes if model.expect(wish)), None)
    return given


class Urn:
    """One round after another, each in a game of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def play(self, coming: list[tuple[tuple[int, tuple[int, ...]], list[int], bool]], seed: bytes) -> None:
        base, model = self.database, Model.of_the_town()
        slots = town.slots()
        async with base.engine.begin() as tx:
            for table in ("draw_people", "draw_requests", "draw_rounds"):
                await tx.execute(text(f"DELETE FROM {table}"))
            new = NewRound(
                id=ROUND,
                service_id=town.ENTRY,
                slot_ids=tuple(slots[number].id for number in SERVICE),
                opens_at=make.NOW,
                closes_at=make.NOW + 10 * MINUTE,
                seed=seed,
                opened_by=None,
            )
            await open_round(tx, new, make.NOW)
        for number, (party, wishes, leaves) in enumerate(coming):
            await self._come(number, party, wishes, leaves=leaves)
        base.clock.set(make.NOW + 10 * MINUTE)
        await Drawing(base.engine, base.desk, base.clock).settle_due()
        async with base.engine.connect() as connection:
            requests = await requests_of_round(connection, ROUND)
        model.now = make.NOW + 10 * MINUTE
        ids = [slot.id for slot in slots]
        given = {one.id: None if one.slot_id is None else ids.index(one.slot_id) for one in requests}
        assert given == expected(seed, requests, model)
        booked = [
            one for one in (await base.look_now()).bookings.values() if one.id in {r.booking_id for r in requests}
        ]
        assert len(booked) == sum(slot is not None for slot in given.values())
        for slot in (await base.look_now()).slots.values():
            assert not slot.drawn
            assert slot.taken == sum(one.seats for one in booked if one.slot_id == slot.id) <= slot.capacity

    async def _come(self, number: int, party: tuple[int, tuple[int, ...]], wishes: list[int], *, leaves: bool) -> None:
        account, people = party
        new = NewRequest(
            id=UUID(int=8000 + number),
            booking_id=UUID(int=9000 + number),
            round_id=ROUND,
            account_id=town.account_id(account),
            person_ids=tuple(town.person_id(person) for person in people),
            party_kind=PartyKind.ONE_PERSON if len(people) == 1 else PartyKind.GROUP,
            declarations={},
            slot_ids=tuple(town.slots()[slot].id for slot in wishes),
            salt=b"salt",
        )
        try:
            async with self.database.engine.begin() as tx:
                await enter(tx, new, self.database.catalogue, make.NOW)
            if leaves:
                async with self.database.engine.begin() as tx:
                    await withdraw(tx, ROUND, new.id, new.account_id, make.NOW)
        except Refused as refused:  # somebody of them is in it already
            note(f"{party} {wishes}: {refused.reason}")


@contextmanager
def urn_on(url: str) -> Iterator[Database]:
    with asyncio.Runner() as runner:
        database = Database(runner, create_engine(url, application_name="test"))
        database.settle_in()
        try:
            yield database
        finally:
            runner.run(database.engine.dispose())


def play(database: Database, count: int) -> None:
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(_COMES, min_size=3, max_size=12), st.binary(min_size=32, max_size=32))
    def one_round(coming: list[tuple[tuple[int, tuple[int, ...]], list[int], bool]], seed: bytes) -> None:
        database.begin()
        database.clock.set(make.NOW)
        database.runner.run(Urn(database).play(coming, seed))

    one_round()


@games(quick=4, whole=200, parts=2)
def test_everybody_is_given_what_anybody_works_out(games: int, booking_url: str) -> None:
    with urn_on(booking_url) as database:
        play(database, games)


def test_an_order_that_is_not_the_seed_s_is_found(booking_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault planted: whoever asked first is drawn first."""
    monkeypatch.setattr(
        "services.booking.commands.drawing.order_of", lambda _seed, entries: [one.id for one in entries]
    )
    with urn_on(booking_url) as database, pytest.raises(AssertionError):
        play(database, 100)
