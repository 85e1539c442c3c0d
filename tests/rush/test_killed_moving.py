"""The API is killed (`kill -9`) at every round trip of a reschedule, before it and after it.

Promised: the booking has its old place or the new one, never both and never neither; the counters are right; and asking
again with the same key tells. In `make test` it is killed after each round trip only.
"""

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from services.booking.domain.slot import Slot
from tests import world
from tests.rush import city as rush
from tests.rush.border import Border, Moment, standing
from tests.rush.city import CLEAN, City
from tests.rush.pressing import Line
from tests.world import Resident

MOST_ROUND_TRIPS = 30
_PLACES = text(
    "SELECT b.slot_id, c.slot_id AS claimed FROM bookings b JOIN claims c ON c.booking_id = b.id AND c.live"
    " WHERE b.id = :id"
)
_SESSIONS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'booking-desk' AND datname = current_database()"
)


@pytest.fixture
def socket_folder() -> Iterator[Path]:
    """A folder whose name is short enough for a socket's path."""
    folder = Path(tempfile.mkdtemp(prefix="yuyue-"))
    yield folder
    shutil.rmtree(folder)


async def place_of(city: City, booking_id: UUID) -> UUID:
    """Return the one place that a booking has, once nothing that was killed is at work any more."""
    for _ in range(1000):
        async with city.engine.connect() as connection:  # a transaction sees one and the same list of sessions
            if not (await connection.execute(_SESSIONS)).scalar_one():
                break
        await asyncio.sleep(0.01)
    else:
        raise AssertionError("the killed process's session lives on")
    async with city.engine.connect() as connection:
        [row] = (await connection.execute(_PLACES, {"id": booking_id})).all()
    assert row.slot_id == row.claimed
    assert await world.audit(city.engine) == CLEAN
    place: UUID = row.slot_id
    return place


async def kill_at(
    city: City, border: Border, step: tuple[int, Moment], move: tuple[UUID, Slot, Resident]
) -> UUID | None:
    """Move a booking with a blow at one step; return the place that it had then, or None where no blow fell."""
    booking_id, to, resident = move
    [api] = city.apis
    line, fell = Line(city.ports), asyncio.Event()

    async def blow() -> None:
        await api.kill()
        fell.set()

    border.strike_at(*step, blow)
    path = f"/api/v1/bookings/{booking_id}/move"
    asking = asyncio.create_task(line.ask(city.request(resident.account_id, "POST", path, {"slot_id": str(to.id)})))
    falling = asyncio.create_task(fell.wait())
    await asyncio.wait([asking, falling], return_when=asyncio.FIRST_COMPLETED)
    falling.cancel()
    found = None
    if fell.is_set():
        found = await place_of(city, booking_id)
        await api.start()
    heard = await asking
    assert heard.status == 200, heard.body
    assert border.stand_down() == fell.is_set()
    line.close()
    return found


@pytest.mark.parametrize(
    "moments",
    [pytest.param([Moment.AFTER], id="quick"), pytest.param(list(Moment), id="whole", marks=pytest.mark.chaos)],
)
async def test_a_reschedule_killed_at_every_step(
    moments: list[Moment], booking_url: str, tmp_path: Path, socket_folder: Path
) -> None:
    async with (
        standing(booking_url, socket_folder) as (border, url),
        rush.city(booking_url, tmp_path, people=1, processes=1, BOOKING_DATABASE_URL=url) as city,
    ):
        [resident] = city.residents
        slots = [await city.new_slot(1), await city.new_slot(1)]
        line = Line(city.ports)
        assert (await line.ask(city.wish(resident, slots[0]))).status == 201
        line.close()
        [booking_id] = await city.kept(slots[0])
        ended: Counter[str] = Counter()
        old, new = slots
        for round_trip in range(1, MOST_ROUND_TRIPS):
            for moment in moments:
                place = await kill_at(city, border, (round_trip, moment), (booking_id, new, resident))
                assert await city.kept(new) == {booking_id}, "asked again with the same key, it has moved"
                assert await world.audit(city.engine) == CLEAN
                if place is None:
                    break
                assert place in {old.id, new.id}
                ended["old" if place == old.id else "new"] += 1
                print(
                    f"\n  killed {moment} round trip {round_trip}: the {'old' if place == old.id else 'new'} place",
                    end="",
                    flush=True,
                )
                old, new = new, old
            else:
                continue
            break
        print(f"\n  killed {' and '.join(moments)} each of {round_trip - 1} round trips: {dict(ended)}")
        assert round_trip > 4, "a move takes several round trips"
        assert ended["old"] > 0
        assert ended["new"] > 0
