"""Devices for Web Push: registered once, shown without what is secret, and only at push services that are known."""

from typing import Any
from uuid import uuid4

import pytest

from services.sink.push import Browser
from shared.http import Response
from tests.notify.api.conftest import Caller
from tests.notify.make import NEIGHBOUR, RESIDENT


@pytest.fixture
def open_api(api: Caller) -> Caller:
    api.parts.settings = api.parts.settings.model_copy(update={"web_push_subject": "ops@dalian.test"})
    return api


def subscription(name: str = "a") -> dict[str, Any]:
    keys = Browser(id="x", application_server_key="").subscription("")["keys"]
    return {"endpoint": f"https://fcm.googleapis.com/fcm/send/{name}", "keys": keys, "expirationTime": None}


async def register(api: Caller, body: dict[str, Any], account: Any = RESIDENT) -> Response:
    headers = api.headers(account, key=f'"{uuid4()}"')
    return await api.client.post("/api/v1/push/devices", json=body, headers=headers)


async def test_a_device_is_registered_once_shown_and_removed(open_api: Caller) -> None:
    body = subscription()
    first, again = await register(open_api, body), await register(open_api, body)
    assert (first.status_code, first.json()["id"]) == (201, again.json()["id"])
    listed = (await open_api.get("/api/v1/push/devices")).json()["items"]
    assert [one["host"] for one in listed] == ["fcm.googleapis.com"]
    assert body["keys"]["auth"] not in str(listed)
    path = f"/api/v1/push/devices/{listed[0]['id']}"
    stranger = await open_api.client.delete(path, headers=open_api.headers(NEIGHBOUR, key='"1"'))
    assert (stranger.status_code, stranger.json()["code"]) == (404, "device_unknown")
    assert (await open_api.client.delete(path, headers=open_api.headers(key='"2"'))).status_code == 204
    assert (await open_api.get("/api/v1/push/devices")).json()["items"] == []


async def test_a_shared_browser_is_of_whoever_signed_in_last(open_api: Caller) -> None:
    body = subscription()
    await register(open_api, body)
    await register(open_api, body, NEIGHBOUR)
    assert (await open_api.get("/api/v1/push/devices")).json()["items"] == []
    assert len((await open_api.get("/api/v1/push/devices", NEIGHBOUR)).json()["items"]) == 1


async def test_an_eleventh_device_takes_the_place_of_the_oldest(open_api: Caller) -> None:
    ids = [(await register(open_api, subscription(str(number)))).json()["id"] for number in range(11)]
    listed = [one["id"] for one in (await open_api.get("/api/v1/push/devices")).json()["items"]]
    assert listed == ids[:0:-1]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"endpoint": "https://10.0.0.1/x"}, "push_endpoint_not_allowed"),
        ({"endpoint": "http://fcm.googleapis.com/x"}, "push_endpoint_not_allowed"),
        ({"keys": {"p256dh": "AAAA", "auth": "tBHItJI5svbpez7KI4CCXg"}}, "push_keys_invalid"),
        ({"keys": {"p256dh": subscription()["keys"]["p256dh"], "auth": "AAAA"}}, "push_keys_invalid"),
        ({"keys": {}}, "invalid_request"),
    ],
)
async def test_what_cannot_be_pushed_to_is_refused(open_api: Caller, change: dict[str, Any], code: str) -> None:
    answer = await register(open_api, subscription() | change)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_where_no_pushes_are_sent_nobody_can_subscribe(api: Caller) -> None:
    for answer in (await api.get("/api/v1/push/key"), await register(api, subscription())):
        assert (answer.status_code, answer.json()["code"]) == (404, "push_not_set_up")


async def test_the_key_to_subscribe_with_is_ours(open_api: Caller) -> None:
    answer = await open_api.get("/api/v1/push/key")
    assert answer.json() == {"application_server_key": open_api.parts.application_server_key}
