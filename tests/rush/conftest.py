"""A city for the quick versions of the rushes: two API processes, started once."""

from collections.abc import AsyncIterator

import pytest

from tests.conftest import Databases
from tests.rush.city import City, city


@pytest.fixture(scope="session")
async def small_city(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[City]:
    url = await databases.create("booking")
    async with city(url, tmp_path_factory.mktemp("rush"), people=100, BOOKING_RATE_ACCOUNT="0") as built:
        yield built
    await databases.drop(url)
