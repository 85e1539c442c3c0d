"""The stream: every message exactly once and in order, wherever one takes it up again."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from services.notify import views
from services.notify.domain.message import Channel
from services.notify.store import inbox, messages
from shared.contracts import EventType
from tests.notify.api.conftest import Caller, deliver, everybody_has_left
from tests.notify.api.test_messages import problem
from tests.notify.make import NEIGHBOUR, booking, event
from tests.notify.serving import Events, listening
from tests.notify.town import Town

STREAM = "/api/v1/messages/stream"


async def sequences(events: Events, count: int) -> list[int]:
    return [int((await events.next())["id"]) for _ in range(count)]


async def test_what_is_new_arrives_as_it_is_written(town: Town, api: Caller) -> None:
    await deliver(town, 2)
    async with listening(api.client, STREAM, api.headers()) as events:
        await deliver(town, account_id=NEIGHBOUR)
        await deliver(town)
        received = await events.next()
    assert received["event"] == "message"
    assert received["id"] == "3", "what was there before is not new"
    listed = (await api.get("/api/v1/messages")).json()["items"][0]
    assert json.loads(received["data"]) == listed, "the same shape as in the list"
    assert (events.comments[0], events.retry) == ("open", "3000")


async def test_a_stream_that_waits_asks_the_database_for_nothing(town: Town, api: Caller) -> None:
    looks = 0
    look = views.after

    async def counted(*given: Any, **named: Any) -> list[views.InboxMessage]:
        nonlocal looks
        looks += 1
        return await look(*given, **named)

    with patch.object(views, "after", counted):
        async with listening(api.client, STREAM, api.headers()) as events:
            await deliver(town)
            await events.next()
            await asyncio.sleep(0.2)
    assert looks <= 4


async def test_a_stream_begins_where_the_list_ended(town: Town, api: Caller) -> None:
    await deliver(town, 2)
    last = (await api.get("/api/v1/messages")).json()["last"]
    await deliver(town, 2)  # between the list and the stream
    async with listening(api.client, f"{STREAM}?after={last}", api.headers()) as events:
        assert await sequences(events, 2) == [3, 4]


async def test_last_event_id_resumes_and_outranks_the_address(town: Town, api: Caller) -> None:
    await deliver(town, 5)
    headers = api.headers(last="3")
    async with listening(api.client, f"{STREAM}?after=0", headers) as events:
        assert await sequences(events, 2) == [4, 5]


async def test_breaking_off_again_and_again_loses_nothing_and_repeats_nothing(town: Town, api: Caller) -> None:
    received: list[int] = []

    async def write() -> None:
        for _ in range(30):
            await deliver(town)
            await asyncio.sleep(0)

    writing = asyncio.create_task(write())
    while len(received) < 30:
        headers = api.headers(last=str(received[-1] if received else 0))
        async with listening(api.client, STREAM, headers) as events:
            received += await sequences(events, min(4, 30 - len(received)))
    await writing
    assert received == list(range(1, 31))


async def test_more_than_a_page_is_sent_at_once(town: Town, api: Caller) -> None:
    await deliver(town, 250)
    async with listening(api.client, f"{STREAM}?after=0", api.headers()) as events:
        assert await sequences(events, 250) == list(range(1, 251))


async def test_numbers_appear_in_the_order_of_commit_so_a_reader_never_passes_one_by(town: Town) -> None:
    """Two writers of one inbox: the later number must not be seen before the earlier one, or a stream would skip it."""
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(reminders=())))
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(reminders=())))
    delivery = town.delivery()
    async with town.engine.connect() as connection:
        dues = await messages.due(connection, Channel.IN_APP, town.clock(), 10)
    entries = [delivery.composer.entry(due)[0] for due in dues]
    slow = await town.engine.connect()
    await inbox.write(slow, entries[:1], town.clock())

    async def write_second() -> None:
        async with town.engine.begin() as tx:
            await inbox.write(tx, entries[1:], town.clock())

    second = asyncio.create_task(write_second())
    done, _ = await asyncio.wait({second}, timeout=0.2)
    assert not done, "the second writer waits for the first one's commit"
    assert await town.inbox() == []
    await slow.commit()
    await second
    await slow.close()
    assert [(row.sequence, row.id) for row in await town.inbox()] == [(1, dues[0].id), (2, dues[1].id)]


async def test_a_stream_ends_after_its_time(town: Town, api: Caller) -> None:
    api.parts.settings = api.parts.settings.model_copy(update={"stream_seconds": 0.1})
    await deliver(town, 2)
    async with listening(api.client, f"{STREAM}?after=0", api.headers()) as events:
        assert [one["id"] for one in await events.rest()] == ["1", "2"]


async def test_a_stream_ends_with_the_token_that_opened_it(api: Caller) -> None:
    short = {"authorization": f"Bearer {api.token(lifetime=timedelta(seconds=1))}"}
    async with listening(api.client, STREAM, short) as events:
        assert await events.rest(seconds=3) == []


async def test_an_account_may_open_only_so_many_and_whoever_leaves_makes_room(town: Town, api: Caller) -> None:
    async with (
        listening(api.client, STREAM, api.headers()),
        listening(api.client, STREAM, api.headers()),
        listening(api.client, STREAM, api.headers()),
    ):
        refused = await api.get(STREAM)
        problem(refused, 429, "too_many_streams")
        assert refused.headers["retry-after"] == "30"
        async with listening(api.client, STREAM, api.headers(NEIGHBOUR)):
            assert api.parts.doorbell.listening == 4
    await everybody_has_left(api.parts.doorbell)
    async with listening(api.client, STREAM, api.headers()) as events:
        await deliver(town)
        assert (await events.next())["id"] == "1"


@pytest.mark.parametrize(
    ("query", "header"), [("?after=-1", ""), ("?after=x", ""), ("", "x"), ("", "-1"), ("", "9" * 30)]
)
async def test_a_place_that_is_no_number_is_refused(api: Caller, query: str, header: str) -> None:
    headers = api.headers(last=header or None)
    problem(await api.client.get(f"{STREAM}{query}", headers=headers), 422, "invalid_request")


async def test_the_doorbell_survives_a_database_that_is_away_for_a_while(
    town: Town, api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    doorbell = api.parts.doorbell

    def refuse() -> None:
        raise ConnectionRefusedError

    async with listening(api.client, STREAM, api.headers()) as events:
        with monkeypatch.context() as away:
            away.setattr(doorbell, "engine", type("Away", (), {"connect": staticmethod(refuse)}))
            await asyncio.sleep(0.1)
            await deliver(town)
        assert (await events.next())["id"] == "1"
