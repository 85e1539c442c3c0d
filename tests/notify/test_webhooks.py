"""Webhooks to partners, received by the `standardwebhooks` verifier; and what an attacker would have us call."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from services.notify.channels.webhook import WebhookCall
from services.notify.domain.partner_address import is_allowed
from services.notify.domain.webhook import (
    Reply,
    Secret,
    WebhookState,
    WebhookWhy,
    is_public,
    payload_of,
    rotated,
    signatures,
    verdict,
)
from services.notify.partners import Partners
from services.notify.store import webhooks
from shared.contracts import BOOKING_SOURCE, Event, EventType
from shared.http import Client, MockTransport, Request, Response
from shared.strongbox import Strongbox
from tests.notify.make import booking, event
from tests.notify.serving import serving
from tests.notify.town import Town

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


# -- the signature


def test_the_published_vector() -> None:
    """From the specification's own test: id, timestamp, body and secret give this signature."""
    at = datetime.fromtimestamp(1614265330, UTC)
    body = b'{"test": 2432232314}'
    secret = Secret(value=SECRET, until=None)
    event_id = "msg_p5jXN8AQM9LWM0D4loKWxJek"
    headers = signatures([secret], event_id, at, body)  # type: ignore[arg-type]  # ours are UUIDs, theirs is not
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_independent_verifier_accepts_it_by_every_secret_that_holds() -> None:
    now = datetime.now(UTC)
    secrets = rotated((Secret(value=SECRET, until=None),), OTHER, now, timedelta(hours=24))
    headers = signatures(secrets, uuid4(), now, b'{"a":"\xe4\xb8\xad"}')
    assert Webhook(SECRET).verify(b'{"a":"\xe4\xb8\xad"}', headers) == {"a": "中"}
    assert Webhook(OTHER).verify(b'{"a":"\xe4\xb8\xad"}', headers) == {"a": "中"}
    later = signatures(secrets, uuid4(), now + timedelta(hours=25), b"{}")
    assert len(later["webhook-signature"].split(" ")) == 1, "the old secret has ended"


@pytest.mark.parametrize("change", ["id", "body", "late", "early", "secret"])
def test_it_refuses_what_was_changed_and_a_clock_that_is_off(change: str) -> None:
    now = datetime.now(UTC) + {"late": -timedelta(minutes=6), "early": timedelta(minutes=6)}.get(change, timedelta())
    headers = signatures([Secret(value=SECRET, until=None)], uuid4(), now, b"{}")
    if change == "id":
        headers["webhook-id"] = str(uuid4())
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER if change == "secret" else SECRET).verify(b"[]" if change == "body" else b"{}", headers)


def test_three_secrets_at_most_and_no_end_is_put_off() -> None:
    secrets: tuple[Secret, ...] = ()
    for number in range(5):
        secrets = rotated(secrets, f"whsec_{number}", NOW + timedelta(hours=number), timedelta(hours=24))
    assert [one.value for one in secrets] == ["whsec_4", "whsec_3", "whsec_2"]
    assert secrets[2].until == NOW + timedelta(hours=3 + 24)


# -- what is told


def test_a_partner_is_told_ids_and_nothing_personal() -> None:
    about = booking(contact="sealed", account_id=UUID(int=99))
    told = payload_of(event(EventType.BOOKING_CONFIRMED, about), BOOKING_SOURCE)
    assert told is not None
    assert set(told["data"]) == {"booking_id", "version", "state", "service_id", "venue_id", "starts_at"}
    text = json.dumps(told)
    for personal in ("sealed", str(UUID(int=99)), about.reference):
        assert personal not in text
    hidden = payload_of(event(EventType.BOOKING_CONFIRMED, booking(sensitive=True)), BOOKING_SOURCE)
    assert hidden is not None
    assert set(hidden["data"]) == {"booking_id", "version", "state"}


# -- what follows an attempt


@pytest.mark.parametrize(
    ("reply", "state", "disable"),
    [
        (Reply(status=204, why=WebhookWhy.REFUSED), WebhookState.DELIVERED, False),
        (Reply(status=410, why=WebhookWhy.REFUSED), WebhookState.DEAD, True),
        (Reply(status=302, why=WebhookWhy.REDIRECTED), WebhookState.PENDING, False),
        (Reply(status=500, why=WebhookWhy.REFUSED), WebhookState.PENDING, False),
        (Reply(status=None, why=WebhookWhy.UNREACHABLE), WebhookState.PENDING, False),
    ],
)
def test_what_each_answer_leads_to(reply: Reply, state: WebhookState, disable: bool) -> None:
    found = verdict(reply, 1, (NOW, NOW + timedelta(days=3)), None, 0.5)
    assert (found.state, found.disable) == (state, disable)


def test_retries_spread_grow_and_end() -> None:
    failed = Reply(status=500, why=WebhookWhy.REFUSED)
    ends = NOW + timedelta(days=3)
    pauses = [verdict(failed, attempt, (NOW, ends), None, 1.0).visible_at for attempt in (1, 2, 3, 30)]
    assert [(one - NOW).total_seconds() for one in pauses if one] == [5, 10, 20, 3 * 3600]
    asked = Reply(status=429, why=WebhookWhy.REFUSED, retry_after=timedelta(minutes=10))
    assert verdict(asked, 1, (NOW, ends), None, 0.1).visible_at == NOW + timedelta(minutes=10)
    last = verdict(failed, 30, (ends - timedelta(seconds=1), ends), NOW, 1.0)
    assert (last.state, last.why, last.disable) == (WebhookState.DEAD, WebhookWhy.NO_SUCCESS, True)


# -- the guard


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("10.0.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("192.168.1.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:0a00:0001::1", False),
        ("64:ff9b::a00:1", False),
        ("nonsense", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://partner.example.org/hook?x=1", True),
        ("https://partner.example.org:8443/hook", True),
        ("http://partner.example.org/hook", False),
        ("https://user@partner.example.org/", False),
        ("https://partner.example.org/#x", False),
        ("https://localhost/", False),
        ("https://intranet/", False),
        ("ftp://partner.example.org/", False),
        ("https://partner.example.org\\@10.0.0.1/", False),
        ("https://[::1", False),
        ("https://例子.example/", False),
        ("http://trial.test:1/x", True),
    ],
)
def test_which_addresses_can_be_registered(url: str, allowed: bool) -> None:
    assert is_allowed(url, ["trial.test"]) is allowed


@dataclass(slots=True)
class Names:
    """A name server that changes its mind."""

    answers: list[list[str]]
    asked: int = 0

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


async def test_the_connection_is_made_to_the_address_that_was_checked() -> None:
    """DNS rebinding: a name that is public when it is checked and private a moment later changes nothing."""
    seen: list[Request] = []

    def answer(request: Request) -> Response:
        seen.append(request)
        return Response(200)

    names = Names([["93.184.216.34"], ["169.254.169.254"]])
    async with Client(transport=MockTransport(answer)) as client:
        call = WebhookCall(client, names)
        assert (await call.post("https://partner.example.org:8443/hook?x=1", {}, b"{}")).status == 200
        assert (await call.post("https://partner.example.org/hook", {}, b"{}")).why is WebhookWhy.ADDRESS_FORBIDDEN
    [request] = seen
    assert (request.url.host, request.url.port, request.url.path) == ("93.184.216.34", 8443, "/hook")
    assert request.headers["host"] == "partner.example.org:8443"
    assert request.extensions["sni_hostname"] == "partner.example.org"
    assert names.asked == 2, "resolved once for each call"


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["::ffff:127.0.0.1"], []])
async def test_a_name_with_any_private_address_is_not_called(addresses: list[str]) -> None:
    def answer(_: Request) -> Response:
        raise AssertionError("called")

    async with Client(transport=MockTransport(answer)) as client:
        reply = await WebhookCall(client, Names([addresses])).post("https://partner.example.org/", {}, b"{}")
    assert reply.why is WebhookWhy.ADDRESS_FORBIDDEN


# -- a partner that listens


@dataclass(slots=True)
class Partner:
    """A partner's server: verifies by the independent library, answers by plan, and may send us elsewhere."""

    secret: str = SECRET
    plan: list[int] = field(default_factory=list)
    location: str = ""
    seen: list[dict[str, Any]] = field(default_factory=list)
    refused: int = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        status = self.plan.pop(0) if self.plan else 204
        try:
            content = Webhook(self.secret).verify(body, headers)
        except WebhookVerificationError:
            self.refused, status = self.refused + 1, 401
        else:
            self.seen.append({"id": headers["webhook-id"], **content})
        more = [(b"location", self.location.encode())] if status == 302 else []
        await send({"type": "http.response.start", "status": status, "headers": more})
        await send({"type": "http.response.body", "body": b""})


@dataclass(slots=True)
class Stage:
    town: Town
    partner: Partner
    partners: Partners
    endpoint: webhooks.Endpoint
    box: Strongbox
    heard: list[Event] = field(default_factory=list)

    async def happen(self, count: int = 1) -> list[str]:
        found = await self.town.hear(*(event(EventType.BOOKING_CONFIRMED, booking(reminders=())) for _ in range(count)))
        return [str(one.id) for one in found]

    async def states(self) -> list[tuple[str, str, int]]:
        rows = await self.town.rows("SELECT state, why, attempt FROM webhook_deliveries ORDER BY created_at, id")
        return [(row.state, row.why, row.attempt) for row in rows]


@pytest.fixture
async def stage(town: Town, key_folder: Path) -> AsyncIterator[Stage]:
    partner, box = Partner(), Strongbox(key_folder)
    town.clock.set(datetime.now(UTC))  # the independent verifier looks at the clock of this machine
    async with serving(partner) as url, Client() as client:
        call = WebhookCall(client, trial_hosts=["127.0.0.1"])
        partners = Partners(town.engine, box, call, town.clock, lambda: 0.5)
        endpoint = webhooks.new_endpoint("p", f"{url}/hook", [EventType.BOOKING_CONFIRMED.value], town.clock())
        async with town.engine.begin() as tx:
            await webhooks.add(tx, box, endpoint, Secret(value=SECRET, until=None), b"digest")
        yield Stage(town, partner, partners, endpoint, box)


async def test_each_event_arrives_once_and_verified(stage: Stage) -> None:
    ids = await stage.happen(20)
    await stage.town.hear_again(*stage.heard)
    workers = (stage.partners.drain() for _ in range(3))
    assert sum(await asyncio.gather(*workers)) == 20
    assert sorted(one["id"] for one in stage.partner.seen) == sorted(ids)
    assert stage.partner.refused == 0
    assert await stage.partners.drain() == 0


async def test_a_type_that_was_not_asked_for_is_not_told(stage: Stage) -> None:
    await stage.town.hear(event(EventType.BOOKING_CANCELLED, booking(reminders=())))
    assert await stage.states() == []


async def test_a_failure_is_tried_again_under_the_same_id(stage: Stage) -> None:
    stage.partner.plan = [500, 503]
    [event_id] = await stage.happen()
    for _ in range(3):
        await stage.partners.drain()
        stage.town.clock.advance(timedelta(seconds=10))
    assert [one["id"] for one in stage.partner.seen] == [event_id] * 3
    assert await stage.states() == [("delivered", "taken", 3)]


async def test_410_ends_the_subscription(stage: Stage) -> None:
    stage.partner.plan = [410]
    await stage.happen(1)
    await stage.partners.drain()
    await stage.happen(1)
    assert await stage.partners.drain() == 0
    assert await stage.states() == [("dead", "gone", 1)]
    [row] = await stage.town.rows("SELECT active, why FROM webhook_endpoints")
    assert (row.active, row.why) == (False, "gone")


async def test_a_redirect_to_a_private_address_is_not_followed(stage: Stage) -> None:
    inside = Partner()
    async with serving(inside) as url:
        stage.partner.plan, stage.partner.location = [302], f"{url}/latest/meta-data"
        await stage.happen(1)
        await stage.partners.drain()
    assert (inside.seen, inside.refused) == ([], 0)
    assert await stage.states() == [("pending", "redirected", 1)]


async def test_no_call_is_refused_while_the_secret_changes(stage: Stage) -> None:
    async with stage.town.engine.begin() as tx:
        found = await webhooks.lock(tx, stage.box, stage.endpoint.id)
        assert found is not None
        kept = rotated(found[1], OTHER, stage.town.clock(), timedelta(hours=1))
        await webhooks.keep_secrets(tx, stage.box, stage.endpoint.id, kept)
    for secret in (SECRET, OTHER):
        stage.partner.secret = secret
        await stage.happen(1)
        await stage.partners.drain()
    assert (len(stage.partner.seen), stage.partner.refused) == (2, 0)


async def test_one_that_is_killed_leaves_its_work_to_the_next(stage: Stage) -> None:
    await stage.happen(1)
    now = stage.town.clock()
    async with stage.town.engine.begin() as tx:
        [held] = await webhooks.claim(tx, stage.box, uuid4(), now + timedelta(seconds=60), now)
    assert await stage.partners.drain() == 0, "it is leased"
    stage.town.clock.advance(timedelta(seconds=61))
    assert await stage.partners.drain() == 1
    late = verdict(Reply(status=500, why=WebhookWhy.REFUSED), 1, (now, held.expires_at), None, 0.5)
    async with stage.town.engine.begin() as tx:
        await webhooks.settle(tx, held, uuid4(), (Reply(status=500, why=WebhookWhy.REFUSED), late), now)
    assert await stage.states() == [("delivered", "taken", 2)], "who lost the lease has decided nothing"


async def test_secrets_are_sealed(stage: Stage) -> None:
    [row] = await stage.town.rows("SELECT * FROM webhook_endpoints")
    assert SECRET not in str(row)
