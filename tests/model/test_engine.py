"""The whole engine against the model: thousands of games in memory, hundreds over PostgreSQL; fewer in `make test`."""

import asyncio

from hypothesis import Phase

from shared.db import create_engine
from tests.model.database import Database
from tests.model.engine import Memory
from tests.model.playing import games, play


@games(quick=60, whole=3000, parts=6)
def test_the_core_plays_as_the_model_does(games: int) -> None:
    play(Memory, games)


@games(quick=6, whole=300, parts=6)
def test_the_desk_over_postgresql_plays_as_the_model_does(games: int, booking_url: str) -> None:
    with asyncio.Runner() as runner:
        engine = create_engine(booking_url, application_name="test")
        database = Database(runner, engine)
        database.settle_in()
        try:
            play(database.begin, games, [Phase.generate])  # to shorten a lost game here would take too long
        finally:
            runner.run(engine.dispose())
