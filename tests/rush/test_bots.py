"""Bots against people: four accounts for each of the bots' identities, pressing from before the opening without a pause,
against residents who press once or twice, seconds after it, as people do. Over HTTP, with the rate limits on.

First come, first served, the bots get all that their identities can hold: that is the control. In a draw they get what
their identities are worth, however many accounts they have and however fast they are: one request an identity, and
chance decides. Then anybody works the draw out again from where it is published.

One draw is one throw of the dice: what is asserted of the share is its mean over a thousand seeds on the very requests
that came in; what this one draw gave is printed beside it.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from random import Random
from statistics import mean
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import insert, text

from services.__main__ import main
from services.booking import tables
from services.booking.api.deps import Container
from services.booking.commands.drawing import Drawing
from services.booking.commands.draws import NewRound, open_round
from services.booking.domain.draw import Entry, digest_of, order_of
from services.booking.domain.slot import Slot
from services.booking.main import create_app
from services.booking.settings import BookingSettings
from shared.clock import SettableClock
from shared.db import create_engine
from shared.http import Client
from shared.ids import new_id
from shared.sealing import generate_keys
from shared.tokens import Principal
from tests import make, world
from tests.rush.city import City
from tests.rush.pressing import Line
from tests.serving import serving
from tests.world import Resident

ACCOUNTS_OF_A_BOT = 4
FAIR = 1.2
SEEDS = 1000
HUMAN_SECONDS = 3.0
BOTS_PRESS_EVERY = 0.1
"""As often as the rate limit of an account lets them, in the end."""
SPEED = 20.0
"""So many times faster than life do people press."""


@dataclass(frozen=True, slots=True)
class Size:
    """How many identities the bots have, how many residents come, and how many places there are."""

    identities: int
    residents: int
    places: int

    @property
    def share(self) -> float:
        """The bots' share of the identities."""
        return self.identities / (self.identities + self.residents)


SIZES = [
    pytest.param(Size(identities=5, residents=120, places=30), id="quick"),
    pytest.param(Size(identities=50, residents=2000, places=500), id="whole", marks=pytest.mark.chaos),
]


@dataclass(slots=True)
class Opening:
    """A city before an opening; `clock` is the server's."""

    city: City
    bots: list[Resident]
    people: list[Resident]
    parts: Container
    clock: SettableClock
    url: str
    size: Size

    @property
    def identities(self) -> set[UUID]:
        return {bot.person_id for bot in self.bots}

    async def rush(self, press: Callable[[Resident], bytes], open_at: Callable[[], None]) -> Counter[int]:
        """Let the bots hammer, open, let the people come; return the statuses that the bots heard."""
        chance, done, heard = Random(8), asyncio.Event(), Counter[int]()
        port = int(self.url.rpartition(":")[2])

        async def hammer(bot: Resident) -> None:
            line = Line([port])
            while not done.is_set():
                heard[(await line.ask(press(bot))).status] += 1
                await asyncio.sleep(BOTS_PRESS_EVERY)
            line.close()

        async def come(resident: Resident) -> None:
            for _ in range(chance.choice([1, 1, 2])):
                await asyncio.sleep(min(30.0, chance.lognormvariate(0, 0.6) * HUMAN_SECONDS) / SPEED)
                async with slots_for_people:
                    line = Line([port])
                    await line.ask(press(resident))
                    line.close()

        slots_for_people = asyncio.Semaphore(100)
        bots = [asyncio.create_task(hammer(bot)) for bot in self.bots]
        await asyncio.sleep(0.3)
        open_at()
        await asyncio.gather(*map(come, self.people))
        done.set()
        await asyncio.gather(*bots)
        return heard

    def share_of(self, people: list[UUID]) -> float:
        return sum(one in self.identities for one in people) / len(people)


@asynccontextmanager
async def opening(url: str, folder: Path, size: Size) -> AsyncIterator[Opening]:
    """Build it, with the rate limits as they are by default."""
    generate_keys(folder)
    clock = SettableClock(make.NOW)
    engine = create_engine(url, application_name="test")
    await world.put_catalogue(engine, make.catalogue())
    owners = await world.put_residents(engine, size.identities)
    others = await world.put_residents(engine, size.identities * (ACCOUNTS_OF_A_BOT - 1))
    people = await world.put_residents(engine, size.residents)
    bots = [*owners, *(replace(one, person_id=owners[n % len(owners)].person_id) for n, one in enumerate(others))]
    async with engine.begin() as tx:
        rows = (
            await tx.execute(
                text("SELECT * FROM account_people WHERE account_id = :one"), {"one": owners[0].account_id}
            )
        ).mappings()
        saved = dict(rows.one())
        await tx.execute(
            insert(tables.account_people),
            [saved | {"account_id": one.account_id, "person_id": one.person_id} for one in bots[len(owners) :]],
        )
    app = create_app(BookingSettings(database_url=url, key_folder=folder), clock)
    async with serving(app) as address:
        parts: Container = app.state.container
        tokens = {
            one.account_id: parts.signer.issue(
                Principal(subject=one.account_id, role="resident"), make.NOW, timedelta(hours=12)
            )
            for one in [*bots, *people]
        }
        yield Opening(City(engine, [], people, tokens), bots, people, parts, clock, address, size)
    await engine.dispose()


def released_in_an_hour(places: int) -> Slot:
    return make.slot(capacity=places, bookable_from=make.NOW + timedelta(hours=1))


@pytest.mark.parametrize("size", SIZES)
async def test_first_come_first_served_is_the_bots(size: Size, booking_url: str, tmp_path: Path) -> None:
    """The control: as many places as the bots' identities can hold are theirs before anybody else has pressed."""
    async with opening(booking_url, tmp_path, size) as scene:
        slot = released_in_an_hour(size.places)
        await world.put_slots(scene.city.engine, slot)
        heard = await scene.rush(lambda one: scene.city.wish(one, slot), lambda: scene.clock.set(slot.bookable_from))
        async with scene.city.engine.connect() as connection:
            people = list((await connection.execute(text("SELECT person_id FROM claims WHERE live"))).scalars())
        share = scene.share_of(people)
        print(
            f"\n  first come, first served: bots {share:.1%} of {len(people)} places, with {size.share:.2%} of the identities; they heard {dict(heard)}"
        )
        assert len(people) == size.places
        assert share > 2 * FAIR * size.share


@pytest.mark.parametrize("size", SIZES)
async def test_in_a_draw_bots_get_what_their_identities_are_worth(size: Size, booking_url: str, tmp_path: Path) -> None:
    async with opening(booking_url, tmp_path, size) as scene:
        path, slot = await open_draw(scene)

        def entry_of(one: Resident) -> bytes:
            body = {"people": [str(one.person_id)], "slots": [str(slot.id)]}
            return scene.city.request(one.account_id, "POST", f"{path}/requests", body)

        heard = await scene.rush(entry_of, lambda: scene.clock.set(make.NOW + timedelta(hours=1)))
        scene.clock.set(make.NOW + timedelta(hours=2))
        assert await Drawing(scene.city.engine, scene.parts.desk, scene.clock).settle_due() == 1
        document = await published(scene, path)
        person_of = await entrants(scene)
        assert Counter(person_of.values()) == Counter([*scene.identities, *(one.person_id for one in scene.people)])
        booked = [person_of[UUID(row["id"])] for row in document["entries"] if row["outcome"] == "booked"]
        assert len(booked) == size.places
        entries = entries_of(document)
        means = mean(
            scene.share_of([person_of[one] for one in order_of(sha256(b"%d" % seed).digest(), entries)[: size.places]])
            for seed in range(SEEDS)
        )
        print(
            f"\n  in a draw: bots {means:.2%} of {size.places} places in the mean of {SEEDS} seeds ({scene.share_of(booked):.2%} in"
            f" this draw), with {size.share:.2%} of the identities; they heard {dict(heard)}"
        )
        assert means <= FAIR * size.share
        await anybody_works_it_out_again(scene, path, document, tmp_path)


async def open_draw(scene: Opening) -> tuple[str, Slot]:
    """Open a round over one slot, from in an hour to in two; return its path."""
    slot = make.slot(capacity=scene.size.places)
    await world.put_slots(scene.city.engine, slot)
    new = NewRound(
        id=new_id(),
        service_id=slot.service_id,
        slot_ids=(slot.id,),
        opens_at=make.NOW + timedelta(hours=1),
        closes_at=make.NOW + timedelta(hours=2),
        seed=sha256(b"the seed of the rush").digest(),
        opened_by=new_id(),
    )
    async with scene.city.engine.begin() as tx:
        await open_round(tx, new, make.NOW)
    return f"/api/v1/draws/{new.id}", slot


async def published(scene: Opening, path: str) -> dict[str, Any]:
    async with Client(base_url=scene.url) as client:
        document: dict[str, Any] = (await client.get(path)).json()
    return document


async def entrants(scene: Opening) -> dict[UUID, UUID]:
    """Return who is behind each request: this is not published."""
    query = text("SELECT id, person_ids[1] AS person_id FROM draw_requests")
    async with scene.city.engine.connect() as connection:
        return {row.id: row.person_id for row in await connection.execute(query)}


def entries_of(document: dict[str, Any]) -> list[Entry]:
    return [
        Entry(
            id=UUID(row["id"]),
            party=row["party"],
            people=row["people"],
            slot_ids=tuple(UUID(one) for one in row["slots"]),
            contents=row["contents"],
        )
        for row in document["entries"]
    ]


async def verified(source: str) -> Result:
    """Run `yuyue verify-draw`, while the system goes on running."""
    return await asyncio.to_thread(CliRunner().invoke, main, ["verify-draw", source])


async def anybody_works_it_out_again(scene: Opening, path: str, document: dict[str, Any], folder: Path) -> None:
    """From the address where it is published; and one request changed changes the digest, and is found."""
    equal = await verified(scene.url + path)
    assert (equal.exit_code, equal.output.partition(":")[0]) == (0, "equal"), equal.output
    [first, *others] = entries_of(document)
    changed = [replace(first, contents=sha256(b"somebody else").hexdigest()), *others]
    digest = digest_of(UUID(document["id"]), document["commitment"], changed)
    assert digest != document["digest"]
    tampered = folder / "tampered.json"
    row = document["entries"][0] | {"contents": changed[0].contents}
    tampered.write_text(json.dumps(document | {"entries": [row, *document["entries"][1:]]}))
    different = await verified(str(tampered))
    assert different.exit_code == 1
    assert f"DIFFERENT: digest: published {document['digest']}, the requests give {digest}" in different.output
