"""Web Push against a push service that verifies and decrypts by itself, and against `http_ece`, which knows neither."""

import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import http_ece
import pytest
from joserfc import jwt

from services.notify.channels.web_push import (
    MOST_CONTENT,
    Device,
    Push,
    Vapid,
    WebPush,
    content_of,
    summary,
    topic_of,
)
from services.notify.compose_apps import push as compose_push
from services.notify.deliver import Route
from services.notify.domain.endpoint import is_allowed
from services.notify.domain.message import Channel, Urgency, Why
from services.notify.domain.outcome import Outcome, Verdict, accepted, permanent, temporary
from services.notify.reach import PushDevices
from services.notify.store import devices
from services.sink.main import Sink
from services.sink.push import Browser, RefusedPush
from shared.clock import system_clock
from shared.contracts import EventType
from shared.http import ASGITransport, Client, MockTransport, Request, Response, Timeout
from shared.strongbox import Strongbox, vapid_key
from tests.notify.make import RESIDENT, booking, event
from tests.notify.town import Town

ORIGIN = "http://push.test"


@dataclass(slots=True)
class Known:
    """Devices in memory, and what was said of them."""

    devices: list[Device]
    forgotten: list[UUID]
    refusals: list[UUID]

    async def of_account(self, account_id: UUID) -> list[Device]:
        return self.devices

    async def forget(self, device_id: UUID) -> None:
        self.forgotten.append(device_id)

    async def refused(self, device_id: UUID) -> None:
        self.refusals.append(device_id)


@dataclass(slots=True)
class Stage:
    sink: Sink
    client: Client
    carrier: WebPush
    known: Known

    def browser(self) -> Browser:
        """A browser that has subscribed, and is registered with us."""
        browser = self.sink.apps.push.subscribe(self.carrier.vapid.application_server_key)
        found = browser.subscription(ORIGIN)
        keys = found["keys"]
        device = Device(id=uuid4(), endpoint=found["endpoint"], p256dh=keys["p256dh"], auth=keys["auth"])
        self.known.devices.append(device)
        return browser

    async def send(self, **changes: Any) -> Outcome:
        async with self.carrier.open() as send:
            return await send(replace(letter(), **changes))


def letter() -> Push:
    return Push(
        message_id=uuid4(),
        account_id=RESIDENT,
        about=UUID(int=7),
        urgency=Urgency.ROUTINE,
        expires_at=datetime.now(UTC) + timedelta(hours=2),
        content=content_of("预约提醒", "羽毛球1号场", tag="7", message_id="m1"),
    )


@pytest.fixture
async def stage(tmp_path: Path, key_folder: Path, keys: object) -> AsyncIterator[Stage]:
    sink = Sink.at(tmp_path, "id", "secret")
    known = Known([], [], [])
    async with Client(transport=ASGITransport(app=sink.app())) as client:
        vapid = Vapid(vapid_key(key_folder), "ops@dalian.test")
        yield Stage(sink, client, WebPush(vapid, known, client, system_clock), known)


async def test_an_independent_implementation_decrypts_what_is_sent(stage: Stage) -> None:
    browser = stage.browser()
    outcome = await stage.send()
    assert outcome.verdict is Verdict.ACCEPTED
    [body] = browser.bodies
    assert len(body) <= 4096
    plain = http_ece.decrypt(body, private_key=browser.key, auth_secret=browser.auth, version="aes128gcm")
    assert plain == letter().content
    assert json.loads(plain)["title"] == "预约提醒"
    assert [shown["body"] for shown in browser.shown.values()] == ["羽毛球1号场"]


async def test_each_push_has_a_ttl_and_an_urgency_of_its_own(stage: Stage) -> None:
    browser = stage.browser()
    browser.online = False
    now = datetime.now(UTC)
    await stage.send(about=uuid4(), expires_at=now + timedelta(minutes=5), urgency=Urgency.NOW)
    await stage.send(about=uuid4(), expires_at=now + timedelta(days=400))
    await stage.send(about=uuid4(), expires_at=now - timedelta(minutes=5))
    first, second, third = browser.waiting
    assert (first.until - now).total_seconds() == pytest.approx(300, abs=5)
    assert (second.until - now).days in {27, 28}
    assert (third.until - now).total_seconds() == pytest.approx(0, abs=5)
    assert [one.urgency for one in browser.waiting] == ["high", "normal", "normal"]


async def test_a_newer_message_about_a_booking_replaces_one_that_waits(stage: Stage) -> None:
    browser = stage.browser()
    browser.online = False
    await stage.send(content=content_of("旧", "", tag="7"))
    await stage.send(content=content_of("新", "", tag="7"))
    await stage.send(content=content_of("别的", "", tag="8"), about=UUID(int=8))
    assert [one["title"] for one in browser.come_online(datetime.now(UTC))] == ["新", "别的"]


async def test_a_repetition_takes_the_place_of_the_first(stage: Stage) -> None:
    browser = stage.browser()
    same = letter()
    for _ in range(2):
        await stage.send(message_id=same.message_id)
    assert len(browser.bodies) == 2
    assert len(browser.shown) == 1
    assert stage.sink.ledger.duplicates == 0


@pytest.mark.parametrize(
    ("status", "verdict", "forgotten", "refused"),
    [
        (404, Verdict.PERMANENT, 1, 0),
        (410, Verdict.PERMANENT, 1, 0),
        (403, Verdict.PERMANENT, 0, 1),
        (413, Verdict.PERMANENT, 0, 0),
        (429, Verdict.TEMPORARY, 0, 0),
        (503, Verdict.TEMPORARY, 0, 0),
        (400, Verdict.TEMPORARY, 0, 0),
    ],
)
async def test_what_each_answer_means(
    stage: Stage, status: int, verdict: Verdict, forgotten: int, refused: int
) -> None:
    stage.browser().answer = status
    outcome = await stage.send()
    assert outcome.verdict is verdict
    assert (len(stage.known.forgotten), len(stage.known.refusals)) == (forgotten, refused)


async def test_one_device_that_takes_it_is_enough(stage: Stage) -> None:
    stage.browser().answer = 410
    good = stage.browser()
    stage.browser().answer = 503
    assert (await stage.send()).verdict is Verdict.ACCEPTED
    assert len(good.bodies) == 1
    assert len(stage.known.forgotten) == 1


def test_of_several_answers_the_best_counts() -> None:
    busy = temporary(Why.PROVIDER_BUSY, "503", timedelta(seconds=9))
    gone = permanent(Why.NO_DEVICE, "410")
    assert summary([gone, busy, temporary(Why.PROVIDER_BUSY, "429")]) == busy
    assert summary([gone, busy, accepted("201")]).verdict is Verdict.ACCEPTED
    assert summary([gone]) == gone


async def test_without_an_answer_it_is_sent_again(key_folder: Path, keys: object) -> None:
    def silent(request: Request) -> Response:
        raise Timeout("no answer", request=request)

    vapid = Vapid(vapid_key(key_folder), "ops@dalian.test")
    a_point = vapid.application_server_key
    device = Device(id=uuid4(), endpoint=f"{ORIGIN}/x", p256dh=a_point, auth="tBHItJI5svbpez7KI4CCXg")
    known = Known([device], [], [])
    async with Client(transport=MockTransport(silent)) as client, WebPush(vapid, known, client).open() as send:
        assert (await send(letter())).verdict is Verdict.TEMPORARY
    known.devices = [replace(known.devices[0], p256dh="AAAA")]
    async with Client(transport=MockTransport(silent)) as client, WebPush(vapid, known, client).open() as send:
        assert (await send(letter())).why is Why.ADDRESS_REFUSED
    assert known.forgotten == [known.devices[0].id]


@pytest.mark.parametrize(
    ("claim", "value"),
    [("aud", "https://elsewhere.test"), ("exp", 0), ("exp", 10**10), ("sub", "me")],
)
async def test_the_push_service_refuses_a_wrong_token(stage: Stage, claim: str, value: object) -> None:
    """The stand-in is strict: a check that refuses nothing proves nothing."""
    browser = stage.browser()
    vapid = stage.carrier.vapid
    header = vapid.authorization(f"{ORIGIN}/push/to/x", datetime.now(UTC))
    good = {"authorization": header, "content-encoding": "aes128gcm", "ttl": "60"}
    body = stage.carrier._encrypted(stage.known.devices[0], letter())
    stage.sink.apps.push.take(browser, ORIGIN, good, body)
    token = header.split("t=")[1].split(",")[0]
    claims = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
    signed = _signed(vapid, {**claims, claim: value})
    with pytest.raises(RefusedPush) as refused:
        stage.sink.apps.push.take(browser, ORIGIN, {**good, "authorization": signed}, body)
    assert refused.value.status == 403
    for broken in (body[:-1], body[:90], body + b"\0" * 4096):
        with pytest.raises(RefusedPush):
            stage.sink.apps.push.take(browser, ORIGIN, good, broken)
    stranger = stage.sink.apps.push.subscribe("another key")
    with pytest.raises(RefusedPush):
        stage.sink.apps.push.take(stranger, ORIGIN, good, body)


def _signed(vapid: Vapid, claims: dict[str, object]) -> str:
    return f"vapid t={jwt.encode({'alg': 'ES256'}, claims, vapid._key)}, k={vapid.application_server_key}"


def test_content_is_cut_until_it_fits() -> None:
    content = content_of("标题", "长" * 5000, tag="7")
    assert len(content) <= MOST_CONTENT
    assert json.loads(content)["body"].endswith("…")
    assert len(topic_of(uuid4())) == 32


@pytest.mark.parametrize(
    ("endpoint", "allowed"),
    [
        ("https://fcm.googleapis.com/fcm/send/x", True),
        ("https://db5p.notify.windows.com/w/?token=x", True),
        ("https://fcm.googleapis.com:443/x", True),
        ("http://fcm.googleapis.com/x", False),
        ("https://fcm.googleapis.com:8443/x", False),
        ("https://fcm.googleapis.com.evil.test/x", False),
        ("https://evilnotify.windows.com/x", False),
        ("https://fcm.googleapis.com@10.0.0.1/x", False),
        ("https://10.0.0.1/x", False),
        ("https://169.254.169.254/latest/meta-data", False),
        ("https://[::1]/x", False),
        ("https://fcm.googleapis.com\\@10.0.0.1/x", False),
        ("https://fcm.googleapis.com/a b", False),
        ("https://fcm.googleapis.com:99999/x", False),
        ("http://127.0.0.1:8002/push/to/x", False),
        ("https://fcm.googleapis.com/" + "x" * 3000, False),
    ],
)
def test_only_known_push_services_may_be_named(endpoint: str, allowed: bool) -> None:
    assert is_allowed(endpoint, ["fcm.googleapis.com", ".notify.windows.com"]) is allowed


def test_a_loopback_host_has_to_be_listed() -> None:
    assert is_allowed("http://127.0.0.1:8002/push/to/x", ["127.0.0.1"])


# -- through the queue


async def register(town: Town, stage: Stage, key_folder: Path) -> tuple[Browser, UUID]:
    browser = stage.sink.apps.push.subscribe(stage.carrier.vapid.application_server_key)
    found = browser.subscription(ORIGIN)
    endpoint = devices.Endpoint(url=found["endpoint"], **found["keys"])
    async with town.engine.begin() as tx:
        registered = await devices.register(tx, Strongbox(key_folder), RESIDENT, endpoint, town.clock())
    return browser, registered.id


async def drain(town: Town, stage: Stage, key_folder: Path) -> None:
    stored = PushDevices(town.engine, Strongbox(key_folder), town.clock)
    delivery = town.delivery()
    carrier = WebPush(stage.carrier.vapid, stored, stage.client, system_clock)
    composer = delivery.composer
    route = Route(lambda due, now: compose_push(composer, due, now), carrier)
    await town.delivery(routes={Channel.WEB_PUSH: route}).drain(Channel.WEB_PUSH)


async def test_who_has_a_device_gets_a_push_and_who_has_none_no_row(town: Town, stage: Stage, key_folder: Path) -> None:
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(reminders=())))
    assert await town.states(Channel.WEB_PUSH) == {}
    browser, _ = await register(town, stage, key_folder)
    about = booking(reminders=(), sensitive=True)
    await town.hear(event(EventType.BOOKING_CONFIRMED, about))
    await drain(town, stage, key_folder)
    assert await town.states(Channel.WEB_PUSH) == {("confirmation", 1, 0): ("sent", "accepted")}
    [shown] = browser.shown.values()
    assert shown["title"] == "您有一项预约"
    assert "羽毛球" not in json.dumps(shown, ensure_ascii=False)
    assert shown["booking_id"] == str(about.booking_id)


async def test_a_device_that_is_gone_is_forgotten_and_no_longer_planned_for(
    town: Town, stage: Stage, key_folder: Path
) -> None:
    browser, _ = await register(town, stage, key_folder)
    browser.answer = 410
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(reminders=())))
    await drain(town, stage, key_folder)
    assert await town.states(Channel.WEB_PUSH) == {("confirmation", 1, 0): ("dead", "no_device")}
    assert await town.rows("SELECT id FROM push_subscriptions") == []


async def test_a_403_is_believed_the_second_time(town: Town, stage: Stage, key_folder: Path) -> None:
    browser, _ = await register(town, stage, key_folder)
    browser.answer = 403
    for hours, left in ((0, 1), (0.5, 1), (1, 0)):
        town.clock.advance(timedelta(hours=hours))
        await town.hear(event(EventType.BOOKING_CONFIRMED, booking(reminders=())))
        await drain(town, stage, key_folder)
        assert len(await town.rows("SELECT id FROM push_subscriptions")) == left


async def test_where_a_browser_listens_is_sealed(town: Town, stage: Stage, key_folder: Path) -> None:
    await register(town, stage, key_folder)
    [row] = await town.rows("SELECT * FROM push_subscriptions")
    assert "push/to" not in str(row)
