"""One kind of bad input: what is sent, and the answer that it must get."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from services.booking.domain.reason import Reason
from shared.http import Response
from tests.booking.api.caller import Caller
from tests.journeys.bad_input.stage import Stage

JSON = "application/json"


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A request. `content` are raw bytes in place of a JSON `body`; a header that is None is not sent.

    `facts` are what the answer must say beside the case's own, where they are known only now.
    """

    who: Caller
    method: str
    path: str
    body: Any = None
    content: bytes | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    async def send(self) -> Response:
        """Send it; writes carry a new Idempotency-Key unless `headers` say otherwise."""
        usual: dict[str, str | None] = {**self.who.headers, "idempotency-key": f'"{uuid4()}"'}
        if self.content is not None:
            usual["content-type"] = JSON
        headers = {name: value for name, value in {**usual, **self.headers}.items() if value is not None}
        return await self.who.client.request(
            self.method, self.path, json=self.body, content=self.content, headers=headers
        )


Arrange = Callable[[Stage], Awaitable[Ask]]


@dataclass(frozen=True)
class Case:
    """A kind of bad input. `place` is a JSON pointer into the body (`/people/0`), or `?name` for a query parameter.

    `facts` are members of the answer that say what to do next; `fault` is the code of the first of `errors`. `writes`
    are the tables that may change all the same; `idempotency` may always, for a refusal is kept under its key.
    """

    what: str
    status: int
    code: Reason
    arrange: Arrange
    place: str | None = None
    fault: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    writes: frozenset[str] = frozenset()


def ask(who: str, method: str, path: str, body: Any = None, **more: Any) -> Arrange:
    """Return the arranger of a request that needs nothing else to be there."""

    async def arrange(stage: Stage) -> Ask:
        return Ask(who=getattr(stage, who), method=method, path=path, body=body, **more)

    return arrange
