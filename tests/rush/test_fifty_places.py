"""Ten thousand press for fifty places, round after round, while one of two API processes is killed every two seconds.

Promised: nobody oversold, no acknowledged booking lost, every place sold. Some hundreds press in `make test`; the
whole crowd in `make chaos`. The control has neither the lock nor the constraint behind it, and must oversell; a quick one
is in `tests/journeys/test_last_seat.py`.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from tests import world
from tests.rush import city as rush
from tests.rush.apis import UNLOCKED, keep_killing
from tests.rush.city import CLEAN, City
from tests.rush.pressing import Crowd, Heard

PLACES = 50
PRESSES_OF_EACH = 4
KILL_EVERY = 2.0
NOT_FOR_THEM = {"slot_full", "already_booked"}


@dataclass(frozen=True, slots=True)
class Size:
    """How many press, over how many connections, in how many rounds with killing and without."""

    attempts: int
    connections: int
    under_fire: int
    in_peace: int


QUICK = Size(attempts=600, connections=64, under_fire=1, in_peace=1)
WHOLE = Size(attempts=10_000, connections=256, under_fire=20, in_peace=5)


@asynccontextmanager
async def killing(city: City, every: float) -> AsyncIterator[None]:
    """Kill one process after the other as long as the block lasts; then have both ready."""
    over = asyncio.Event()
    killer = asyncio.create_task(keep_killing(city.apis, every, over))
    try:
        yield
    finally:
        over.set()
        await killer


async def play(city: City, crowd: Crowd, attempts: int) -> list[Heard]:
    """One round: everybody presses for one slot. What was acknowledged must stand, and nothing beside it."""
    began, slot = time.monotonic(), await city.new_slot(PLACES)
    wishes = [city.wish(city.residents[n % len(city.residents)], slot) for n in range(attempts)]
    answers = await crowd.press(wishes)
    acknowledged = {UUID(json.loads(one.body)["id"]) for one in answers if one.status == 201}
    kept = await city.kept(slot)
    assert acknowledged - kept == set(), "acknowledged, and lost"
    assert kept - acknowledged == set(), "everybody asked until they knew"
    assert len(kept) == PLACES, "sold out, and not one place more"
    refused = Counter(json.loads(one.body)["code"] for one in answers if one.status != 201)
    assert set(refused) <= NOT_FOR_THEM
    assert len(answers) == attempts
    seconds = time.monotonic() - began
    print(f"\n  {len(kept)} sold to {attempts} attempts in {seconds:.1f} s", end="", flush=True)
    return answers


async def compete(city: City, size: Size, kill_every: float) -> float:
    """Play all rounds, and say how it went; return how many seconds there were to a kill."""
    crowd = Crowd.of(city.ports, size.connections)
    began, answered = time.monotonic(), 0
    async with killing(city, kill_every):
        for _ in range(size.under_fire):
            answered += len(await play(city, crowd, size.attempts))
    kills, broken, under_fire = sum(api.deaths for api in city.apis), crowd.broken, time.monotonic() - began
    for _ in range(size.in_peace):
        answered += len(await play(city, crowd, size.attempts))
    crowd.close()
    assert await world.audit(city.engine) == CLEAN
    seconds = time.monotonic() - began
    print(
        f"\n  {size.under_fire} rounds under fire and {size.in_peace} in peace, {answered} attempts in {seconds:.0f} s:"
        f" {kills} kills, one in {under_fire / max(kills, 1):.1f} s, {broken} connections broken;"
        f" 0 oversold, 0 acknowledged lost, {PLACES} sold in each round"
    )
    assert kills >= size.under_fire
    assert broken > 0, "nobody was connected to what was killed"
    return under_fire / kills


async def test_some_hundreds_press_for_fifty_places(small_city: City) -> None:
    await compete(small_city, QUICK, kill_every=1.0)


@pytest.mark.chaos
async def test_ten_thousand_press_for_fifty_places(booking_url: str, tmp_path: Path) -> None:
    async with rush.city(booking_url, tmp_path, people=WHOLE.attempts // PRESSES_OF_EACH) as city:
        assert await compete(city, WHOLE, KILL_EVERY) < 1.5 * KILL_EVERY


@pytest.mark.chaos
async def test_the_control_oversells(booking_url: str, tmp_path: Path) -> None:
    """The same rush without lock and constraint: it must go wrong, else the test above proves nothing."""
    async with rush.city(booking_url, tmp_path, people=1000, which=UNLOCKED) as city:
        async with city.engine.begin() as tx:
            await tx.execute(text("ALTER TABLE slots DROP CONSTRAINT ck_slots_never_above_capacity"))
        crowd = Crowd.of(city.ports, WHOLE.connections)
        sold = []
        for _ in range(10):
            slot = await city.new_slot(PLACES)
            await crowd.press(city.wish(one, slot) for one in city.residents)
            sold.append(len(await city.kept(slot)))
        crowd.close()
        print(f"\n  without lock and constraint, of {PLACES} places were sold: {sold}")
        assert max(sold) > PLACES
