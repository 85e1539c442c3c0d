"""Asks an API everything that its OpenAPI document allows, and much that it does not; and checks each answer against it.

The examples are schemathesis', with a fixed seed. Ids made up at random find nothing, so that only "unknown" would ever
be answered: in a part of the requests what is asked about exists.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.transport.requests import ManagedCookiesSession

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
KEY = "Idempotency-Key"
MEANT = 0.75
"""The share of what has a known name that is replaced by what exists."""

Found = dict[str, Counter[int]]
"""By operation (`GET /api/v1/me`): how often each status was answered."""


def lasting_session() -> ManagedCookiesSession:
    """Return a session that keeps its connection: a new one for each request is a tenth of the time. It keeps no cookies."""
    session = ManagedCookiesSession()
    session.trust_env = False  # whoever is asked is on this machine
    return session


@dataclass(frozen=True)
class Explorer:
    """Somebody who asks, with a token or without one.

    `known` are values that exist, by the name of the path parameter or body member: each request takes one of them, or
    makes one up. `examples` are asked of each operation as its document says, and `nonsense` against what it says.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, list[str]] = field(default_factory=dict)
    examples: int = 20
    nonsense: int = 0

    def explore(self, address: str) -> Found:
        """Ask every operation.

        Raises:
            FailureGroup: an answer that the document does not promise, or a fault of the server; it names the request.
        """
        document = schemathesis.openapi.from_url(f"{address}/openapi.json")
        found: Found = {}
        with lasting_session() as session:
            call = {"base_url": address, "headers": dict(self.headers), "checks": CHECKS, "session": session}
            for result in document.get_all_operations():
                assert isinstance(result, Ok), result
                operation = result.ok()
                found[operation.label] = self._ask(operation, call, GenerationMode.POSITIVE, self.examples)
                if self.nonsense and (operation.body or operation.query):
                    found[operation.label] += self._ask(operation, call, GenerationMode.NEGATIVE, self.nonsense)
        return found

    def _ask(self, operation: Any, call: Mapping[str, Any], mode: GenerationMode, examples: int) -> Counter[int]:
        statuses: Counter[int] = Counter()

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(mode), choices=st.randoms(use_true_random=False))
        def once(case: schemathesis.Case[Any], choices: Any) -> None:
            case.path_parameters = self._meant(case.path_parameters, choices)
            case.body = self._meant(case.body, choices)
            if KEY in case.headers and choices.random() < MEANT:  # those made up come again in every operation
                case.headers[KEY] = f'"{uuid4()}"'
            answer = case.call_and_validate(**call)
            statuses[answer.status_code] += 1

        once()
        return statuses

    def _meant(self, given: Any, choices: Any) -> Any:
        """Return what was made up, with most of what has a known name replaced by what exists."""
        if not isinstance(given, dict):
            return given
        return {name: self._one(name, value, choices) for name, value in given.items()}

    def _one(self, name: str, value: Any, choices: Any) -> Any:
        if name not in self.known or not isinstance(value, str | list) or choices.random() >= MEANT:
            return value
        one = choices.choice(self.known[name])
        return [one] if isinstance(value, list) else one
