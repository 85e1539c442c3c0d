"""The feed of evidence: for whoever has the installation's feed token, in order and without a gap."""

import json

from shared.codec import BATCH_MEDIA_TYPE, from_batch
from shared.contracts import EventType
from shared.sealing import FEED_TOKEN, load_secret
from tests.notify.api.conftest import Caller, deliver
from tests.notify.test_evidence import told
from tests.notify.town import Town


async def test_the_feed_has_what_was_told_in_order(api: Caller, town: Town) -> None:
    await deliver(town, 3)
    await told(town)
    headers = {"authorization": f"Bearer {api.parts.feed_token}"}
    answer = await api.client.get("/api/v1/events", params={"after": 1}, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == BATCH_MEDIA_TYPE
    events = from_batch(answer.content)
    assert [one.number for one in events] == list(range(2, 2 + len(events)))
    first = events[0]
    assert first.type is EventType.MESSAGE_EVIDENCE
    assert "wang" not in json.dumps(answer.json())
    rest = await api.client.get("/api/v1/events", params={"after": events[-1].number}, headers=headers)
    assert rest.json() == []


async def test_the_feed_is_for_the_holder_of_its_token(api: Caller) -> None:
    assert api.parts.feed_token == load_secret(api.parts.settings.key_folder, FEED_TOKEN)
    for headers in ({}, {"authorization": "Bearer wrong"}, api.headers()):
        answer = await api.client.get("/api/v1/events", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
