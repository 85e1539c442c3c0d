"""Partner endpoints: administered by administrators, secrets shown once, addresses checked."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.notify.domain.webhook import USEFUL, Reply, Verdict, WebhookState, WebhookWhy
from services.notify.store import webhooks
from services.notify.sweeps import Retention
from shared.http import Response
from shared.tokens import Principal
from tests.notify.api.conftest import HOUR, Caller, deliver
from tests.notify.make import RESIDENT
from tests.notify.town import Town

ADMINISTRATOR = UUID(int=77)
PATH = "/api/v1/webhooks"
BODY: dict[str, Any] = {
    "name": "示例",
    "url": "https://partner.example.org/hook",
    "types": ["yuyue.booking.confirmed.v1"],
}


async def ask(api: Caller, method: str, path: str, body: object = None, key: str = "") -> Response:
    token = api.signer.issue(Principal(subject=ADMINISTRATOR, role="administrator"), api.clock(), HOUR)
    headers = {"authorization": f"Bearer {token}", "idempotency-key": f'"{key or uuid4()}"'}
    return await api.client.request(method, path, json=body, headers=headers)


async def test_an_endpoint_is_added_once_for_its_key_and_its_secret_shown_there_alone(api: Caller) -> None:
    first = await ask(api, "POST", PATH, BODY, key="k")
    again = await ask(api, "POST", PATH, BODY, key="k")
    assert first.status_code == 201
    assert again.json() == first.json()
    assert first.json()["secret"].startswith("whsec_")
    other = await ask(api, "POST", PATH, BODY | {"name": "另一"}, key="k")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    listed = (await ask(api, "GET", PATH)).json()["items"]
    assert [one["id"] for one in listed] == [first.json()["id"]]
    assert "secret" not in str(listed)


async def test_secrets_change_and_the_endpoint_goes_off_and_on_and_away(api: Caller, town: Town) -> None:
    made = (await ask(api, "POST", PATH, BODY)).json()
    path = f"{PATH}/{made['id']}"
    fresh = (await ask(api, "POST", f"{path}/secrets", {"overlap_hours": 1})).json()["secret"]
    assert fresh != made["secret"]
    async with town.engine.begin() as tx:
        found = await webhooks.lock(tx, api.parts.box, UUID(made["id"]))
    assert found is not None
    assert [(one.value, one.until) for one in found[1]] == [
        (fresh, None),
        (made["secret"], town.clock() + timedelta(hours=1)),
    ]
    await deliver(town, 2)
    shown = (await ask(api, "GET", f"{path}/deliveries")).json()["items"]
    assert [(one["state"], one["attempts"]) for one in shown] == [("pending", 0)] * 2
    assert (await ask(api, "POST", f"{path}/disable")).status_code == 204
    shown = (await ask(api, "GET", f"{path}/deliveries")).json()["items"]
    assert [(one["state"], one["why"]) for one in shown] == [("dead", "switched_off")] * 2
    assert (await ask(api, "POST", f"{path}/enable")).status_code == 204
    assert (await ask(api, "GET", PATH)).json()["items"][0]["active"] is True
    assert (await ask(api, "DELETE", path)).status_code == 204
    for method, rest in (("DELETE", ""), ("POST", "/enable"), ("POST", "/disable"), ("GET", "/deliveries")):
        answer = await ask(api, method, path + rest)
        assert (answer.status_code, answer.json()["code"]) == (404, "webhook_unknown")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"url": "http://partner.example.org/"}, "webhook_address_not_allowed"),
        ({"url": "https://localhost/"}, "webhook_address_not_allowed"),
        ({"types": ["yuyue.sign_in.code_requested.v1"]}, "webhook_type_unknown"),
        ({"types": []}, "invalid_request"),
        ({"name": ""}, "invalid_request"),
    ],
)
async def test_what_cannot_be_called_is_refused(api: Caller, change: dict[str, Any], code: str) -> None:
    answer = await ask(api, "POST", PATH, BODY | change)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_it_is_for_administrators_alone(api: Caller) -> None:
    for answer in (
        await api.get(PATH),
        await api.client.post(PATH, json=BODY, headers=api.headers(RESIDENT, key='"1"')),
        await api.get(f"{PATH}/{uuid4()}/deliveries"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


async def test_an_endpoint_changes_and_what_waits_follows_it(api: Caller, town: Town) -> None:
    made = (await ask(api, "POST", PATH, BODY)).json()
    path = f"{PATH}/{made['id']}"
    await deliver(town, 1)
    wanted = BODY | {"url": "https://other.example.org/hook", "name": "改名"}
    changed = await ask(api, "PUT", path, wanted)
    assert (changed.status_code, changed.json()["version"], changed.headers["etag"]) == (200, 2, '"2"')
    assert (await ask(api, "PUT", path, wanted)).json() == changed.json(), "again is harmless"
    async with town.engine.begin() as tx:
        [claimed] = await webhooks.claim(tx, api.parts.box, uuid4(), town.clock() + HOUR, town.clock())
    assert claimed.url == wanted["url"]
    assert claimed.secrets[0].value == made["secret"]
    other_types = BODY | {"types": ["yuyue.booking.cancelled.v1"]}
    assert (await ask(api, "PUT", path, other_types)).status_code == 200
    [shown] = (await ask(api, "GET", f"{path}/deliveries")).json()["items"]
    assert (shown["state"], shown["why"]) == ("dead", "not_wanted")


async def test_a_change_over_a_newer_version_or_to_what_cannot_be_called_is_refused(api: Caller) -> None:
    made = (await ask(api, "POST", PATH, BODY)).json()
    path = f"{PATH}/{made['id']}"
    await ask(api, "PUT", path, BODY | {"name": "二"})
    token = api.signer.issue(Principal(subject=ADMINISTRATOR, role="administrator"), api.clock(), HOUR)
    headers = {"authorization": f"Bearer {token}", "idempotency-key": '"1"', "if-match": '"1"'}
    stale = await api.client.request("PUT", path, json=BODY | {"name": "三"}, headers=headers)
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    for change, code in (
        ({"url": "https://localhost/"}, "webhook_address_not_allowed"),
        ({"types": ["x"]}, "webhook_type_unknown"),
    ):
        answer = await ask(api, "PUT", path, BODY | change)
        assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert (await ask(api, "PUT", f"{PATH}/{uuid4()}", BODY)).json()["code"] == "webhook_unknown"


async def test_a_partner_that_was_away_is_told_again(api: Caller, town: Town) -> None:
    made = (await ask(api, "POST", PATH, BODY)).json()
    path = f"{PATH}/{made['id']}"
    await deliver(town, 1)
    await ask(api, "POST", f"{path}/disable")
    [dead] = (await ask(api, "GET", f"{path}/deliveries")).json()["items"]
    replay = f"{path}/deliveries/{dead['event_id']}/replay"
    assert (await ask(api, "POST", replay)).json()["code"] == "webhook_off"
    await ask(api, "POST", f"{path}/enable")
    town.clock.advance(timedelta(days=9))
    again = await ask(api, "POST", replay)
    assert (again.status_code, again.json()["state"], again.json()["why"]) == (200, "pending", "replayed")
    assert (await ask(api, "POST", replay)).json() == again.json(), "again is harmless"
    token = uuid4()
    async with town.engine.begin() as tx:
        [claimed] = await webhooks.claim(tx, api.parts.box, token, town.clock() + HOUR, town.clock())
        assert claimed.expires_at == town.clock() + USEFUL
        taken = Verdict(state=WebhookState.DELIVERED, why=WebhookWhy.TAKEN)
        await webhooks.settle(tx, claimed, token, (Reply(status=204, why=WebhookWhy.TAKEN), taken), town.clock())
    assert (await ask(api, "POST", replay)).json()["code"] == "delivery_not_dead"
    unknown = await ask(api, "POST", f"{path}/deliveries/{uuid4()}/replay")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "delivery_unknown")


async def test_what_partners_were_told_is_forgotten_and_what_waits_is_not(api: Caller, town: Town) -> None:
    made = (await ask(api, "POST", PATH, BODY)).json()
    path = f"{PATH}/{made['id']}"
    await deliver(town, 1)
    await ask(api, "POST", f"{path}/disable")
    await ask(api, "POST", f"{path}/enable")
    await deliver(town, 1)
    town.clock.advance(timedelta(days=29))
    await Retention(town.engine, town.clock).sweep()
    assert len((await ask(api, "GET", f"{path}/deliveries")).json()["items"]) == 2
    town.clock.advance(timedelta(days=2))
    await Retention(town.engine, town.clock).sweep()
    assert [one["state"] for one in (await ask(api, "GET", f"{path}/deliveries")).json()["items"]] == ["pending"]
