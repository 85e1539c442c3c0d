"""Partner endpoints: administered by administrators, secrets shown once, addresses checked."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.notify.store import webhooks
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
