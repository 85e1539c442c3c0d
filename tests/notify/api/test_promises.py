"""The OpenAPI document against the running API: no answer that it does not promise, and no fault, whatever is asked."""

import asyncio
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.journeys.exploring import lasting_session
from tests.notify.api.conftest import Caller, deliver
from tests.notify.town import Town

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 30
MODESTLY = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def explore(address: str, headers: dict[str, str]) -> dict[str, list[int]]:
    """Ask every operation many things, some of them nonsense; return the statuses of each one's answers."""
    document = schemathesis.openapi.from_url(f"{address}/openapi.json")
    found: dict[str, list[int]] = {}
    with lasting_session() as session:
        call = {"base_url": address, "headers": headers, "checks": CHECKS, "session": session}
        for result in document.get_all_operations():
            assert isinstance(result, Ok), result
            operation = result.ok()
            found[operation.label] = ask(operation, call)
    return found


def ask(operation: Any, call: dict[str, Any]) -> list[int]:
    statuses: list[int] = []

    @MODESTLY
    @given(case=operation.as_strategy())
    def once(case: schemathesis.Case[Any]) -> None:
        statuses.append(case.call_and_validate(**call).status_code)

    once()
    return statuses


async def test_every_answer_is_one_that_the_document_promises(town: Town, api: Caller) -> None:
    await deliver(town, 3)
    api.parts.settings = api.parts.settings.model_copy(update={"stream_seconds": 0.01})
    address = str(api.client.base_url).rstrip("/")
    known = await asyncio.to_thread(explore, address, api.headers())
    assert len(known) >= 12
    assert 200 in known["GET /api/v1/messages"]
    assert 200 in known["GET /api/v1/messages/stream"]
    stranger = await asyncio.to_thread(explore, address, {})
    for label, statuses in stranger.items():
        if "/api/v1/" in label:
            assert set(statuses) <= {401, 422, 400, 404}, label
            assert 401 in statuses, label
