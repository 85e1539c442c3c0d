"""Health, readiness, the feed, and how the application starts and stops."""

import gc
import json
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import make_url, text

from services.booking import tables
from services.booking.main import create_app
from services.booking.settings import BookingSettings
from shared.codec import BATCH_MEDIA_TYPE, from_batch
from shared.contracts import BOOKING_SOURCE, Event, EventType
from shared.db import NotDurable, create_engine
from shared.feed import feed_reader
from shared.http import ASGITransport, Client
from shared.outbox import Relay
from shared.sealing import FEED_TOKEN, KeysMissing, load_secret
from tests.booking.api.caller import Caller, problem

FEED = "/api/v1/events"


class Nobody:
    """A bus without listeners: what is published is numbered, and that is all."""

    async def publish(self, events: object) -> None:
        return


async def number_events(api: Caller) -> None:
    await Relay(api.engine, tables.outbox, tables.relay, Nobody()).drain()


@pytest.fixture
def feed_token(settings: BookingSettings) -> str:
    return load_secret(settings.key_folder, FEED_TOKEN)


async def test_alive_and_ready(api: Caller) -> None:
    alive = await api.get("/healthz")
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    ready = await api.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ok", "database": True, "catalogue": True})
    assert "ratelimit" not in alive.headers


async def test_not_ready_without_its_database_and_alive_all_the_same(api: Caller) -> None:
    nowhere = create_engine("postgresql://nobody@127.0.0.1:1/nothing", application_name="test")
    api.parts.engine, there = nowhere, api.parts.engine
    ready = await api.get("/readyz")
    assert (ready.status_code, ready.json()) == (503, {"status": "not_ready", "database": False, "catalogue": True})
    assert (await api.get("/healthz")).status_code == 200
    answer = await api.get(FEED, authorization=f"Bearer {api.parts.feed_token}")
    problem(answer, 503, "busy")
    assert answer.headers["retry-after"] == "1"
    problem(await api.post("/api/v1/sign-in/codes", {"phone": "13900001234"}), 503, "busy")
    api.parts.engine = there
    assert (await api.get("/readyz")).status_code == 200
    await nowhere.dispose()


async def test_the_feed_is_a_batch_of_numbered_events(api: Caller, feed_token: str) -> None:
    await api.new_code("13900001234")
    await api.new_code("13900005678")
    await number_events(api)
    answer = await api.get(FEED, authorization=f"Bearer {feed_token}")
    assert answer.headers["content-type"] == BATCH_MEDIA_TYPE
    events = from_batch(answer.content)
    assert [event.number for event in events if isinstance(event, Event)] == [1, 2]
    assert {one["source"] for one in json.loads(answer.content)} == {BOOKING_SOURCE}
    rest = await api.get(f"{FEED}?after=1&limit=1", authorization=f"Bearer {feed_token}")
    [event] = from_batch(rest.content)
    assert isinstance(event, Event)
    assert (event.number, event.type) == (2, EventType.SIGN_IN_CODE_REQUESTED)
    assert (await api.get(f"{FEED}?after=2", authorization=f"Bearer {feed_token}")).content == b"[]"


async def test_what_is_not_numbered_yet_is_not_in_the_feed(api: Caller, feed_token: str) -> None:
    await api.new_code()
    assert (await api.get(FEED, authorization=f"Bearer {feed_token}")).content == b"[]"


async def test_the_consumer_s_own_reader_reads_it(api: Caller, feed_token: str) -> None:
    await api.new_code()
    await number_events(api)
    catch_up = feed_reader(api.client, f"https://booking.example{FEED}", feed_token)
    assert [event.number for event in await catch_up(0) if isinstance(event, Event)] == [1]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token} "])
async def test_the_feed_is_for_whoever_has_its_token(api: Caller, feed_token: str, header: str) -> None:
    problem(await api.get(FEED, authorization=header.format(token=feed_token + "x")), 401, "not_signed_in")


async def test_an_account_s_token_does_not_open_the_feed(api: Caller) -> None:
    problem(await (await api.sign_in()).get(FEED), 401, "not_signed_in")


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=9223372036854775808", "limit=0", "limit=1001", "before=1"]
)
async def test_a_wrong_page_is_refused(api: Caller, feed_token: str, query: str) -> None:
    problem(await api.get(f"{FEED}?{query}", authorization=f"Bearer {feed_token}"), 422, "invalid_request")


async def test_a_database_that_does_not_flush_is_refused_at_start(settings: BookingSettings, api: Caller) -> None:
    database = make_url(settings.database_url).database
    async with api.engine.begin() as tx:
        await tx.execute(text(f'ALTER DATABASE "{database}" SET synchronous_commit = off'))
    app = create_app(settings)
    with pytest.raises(NotDurable, match="synchronous_commit is off: ALTER DATABASE"):
        async with app.router.lifespan_context(app):
            pass


async def test_missing_keys_are_said_at_start(settings: BookingSettings, api: Caller, tmp_path: Path) -> None:
    app = create_app(settings.model_copy(update={"key_folder": tmp_path}))
    with pytest.raises(KeysMissing):
        async with app.router.lifespan_context(app):
            pass


async def test_what_lives_at_start_is_left_alone_by_the_collector(api: Caller) -> None:
    assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold()[0] == 20_000


async def test_limits_are_set_from_outside(settings: BookingSettings, api: Caller) -> None:
    app = create_app(settings.model_copy(update={"rate_sign_in": 2, "rate_address": 5, "body_limit": 100}), api.clock)
    async with (
        app.router.lifespan_context(app),
        Client(transport=ASGITransport(app), base_url="https://booking.example") as client,
    ):
        caller = Caller(client=client, engine=api.engine, clock=api.clock, parts=app.state.container, opener=api.opener)
        answers = [await caller.post("/api/v1/sign-in/codes", {"phone": "1"}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [422, 422, 429]
        assert answers[0].headers["ratelimit-policy"] == '"sign-in";q=2;w=60'
        assert (await caller.get("/api/v1/me")).headers["ratelimit-policy"] == '"address";q=5;w=60'
        problem(await caller.post("/api/v1/people", {"name": "x" * 200}), 413, "body_too_large")


async def test_an_account_s_own_limit_counts_the_account(settings: BookingSettings, api: Caller) -> None:
    wang = await api.sign_in()
    app = create_app(settings.model_copy(update={"rate_account": 1}), api.clock)
    async with (
        app.router.lifespan_context(app),
        Client(transport=ASGITransport(app), base_url="https://booking.example") as client,
    ):
        assert (await client.get("/api/v1/me", headers=wang.headers)).status_code == 200
        problem(await client.get("/api/v1/me", headers=wang.headers), 429, "too_many_requests")
        api.clock.advance(timedelta(hours=2))  # an expired token is nobody's, and nobody has another limit
        problem(await client.get("/api/v1/me", headers=wang.headers), 401, "not_signed_in")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("public_url", "booking.example"),
        ("public_url", "https://booking.example/"),
        ("token_minutes", "0"),
        ("rate_account", "-1"),
        ("desk_deadline_seconds", "0"),
        ("log_level", "loud"),
    ],
)
def test_a_wrong_setting_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    variable = "YUYUE_LOG_LEVEL" if name == "log_level" else f"BOOKING_{name.upper()}"
    monkeypatch.setenv("BOOKING_DATABASE_URL", "postgresql://booking@/booking")
    assert BookingSettings().rate_account == 600
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError, match=name.upper() if name == "log_level" else name):
        BookingSettings()


def test_the_database_s_address_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKING_DATABASE_URL", "postgresql://booking:secret@/booking")
    assert "secret" not in repr(BookingSettings())
