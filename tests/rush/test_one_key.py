"""One key, fifty posts at once over two API processes: one booking, and one answer, byte for byte.

A thousand keys in `make chaos`, some dozens in `make test`. A refusal is an answer like any other.
"""

import time
from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest

from tests import world
from tests.rush import city as rush
from tests.rush.city import CLEAN, City
from tests.rush.pressing import Crowd, Heard

POSTS = 50
OF_THE_MOMENT = {"date", "x-request-id", "ratelimit", "ratelimit-policy"}
"""Header fields about this delivery and not about what was done."""


def told(heard: Heard) -> tuple[int, bytes, tuple[tuple[str, str], ...]]:
    """Return all of an answer that must be the same each time."""
    fields = sorted(one for one in heard.headers.items() if one[0] not in OF_THE_MOMENT)
    return heard.status, heard.body, tuple(fields)


async def compete(city: City, keys: int) -> None:
    """Send `keys` requests and some for which there is no place, each over all connections at once."""
    residents = city.residents[: keys + keys // 10]
    slot, other = await city.new_slot(keys), await city.new_slot(len(residents))
    crowd = Crowd.of(city.ports, POSTS)
    began = time.monotonic()
    names = [str(uuid4()) for _ in residents]
    for number, (resident, key) in enumerate(zip(residents, names, strict=True)):
        answers = {told(one) for one in await crowd.press_together(city.wish(resident, slot, key=key))}
        assert len(answers) == 1, answers
        [(status, _, _)] = answers
        assert status == (201 if number < keys else 409)
    seconds = time.monotonic() - began
    another = [city.wish(one, other, key=key) for one, key in zip(residents, names, strict=True)]
    statuses = [one.status for one in await crowd.press(another)]
    crowd.close()
    assert statuses == [422] * len(names)
    assert await city.accounts_in(slot) == Counter(one.account_id for one in residents[:keys])
    assert await city.accounts_in(other) == Counter()
    assert await world.audit(city.engine) == CLEAN
    print(
        f"\n  {len(names)} keys x {POSTS} posts in {seconds:.0f} s: one booking and one answer each; 422 for another body"
    )


async def test_some_keys_are_one_booking_and_one_answer_each(small_city: City) -> None:
    await compete(small_city, keys=30)


@pytest.mark.chaos
async def test_a_thousand_keys_are_one_booking_and_one_answer_each(booking_url: str, tmp_path: Path) -> None:
    async with rush.city(booking_url, tmp_path, people=1100, BOOKING_RATE_ACCOUNT="0") as city:
        await compete(city, keys=1000)
