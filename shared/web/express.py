"""The express road: an application whose busiest endpoint is reached before anything of the framework is.

On the general road a request passes eight layers of middleware and routing before its endpoint sees it, and its answer
passes them again: a fifth of what a booking costs, and none of it does anything for this endpoint. On the express road
there is the `Edge`, with the same identity, the same limits and the same answers to what goes wrong, and then the
`LeanRoute` itself. For documentation, and for every other method at the address, the route is one like any other.
"""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.web.edge import Edge, EdgeOptions
from shared.web.lean import Answering, LeanRoute
from shared.web.problems import Problems, invalid_request


class Application(FastAPI):
    """A FastAPI with an `Edge` around it, and lean routes that are reached without the framework."""

    _express: Mapping[tuple[str, str], ASGIApp] = MappingProxyType({})

    def stand_at(self, problems: Problems, options: EdgeOptions) -> None:
        """Put the edge around everything; call it when the routes are in place."""
        self.add_middleware(Edge, problems=problems, options=options)
        self._express = {
            (method, route.path): Edge(_straight(self, route.answering(), problems), problems, options)
            for route in self.router.routes
            if isinstance(route, LeanRoute)
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or the application's lifespan."""
        express = self._express.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        await (express or super().__call__)(scope, receive, send)


def _straight(app: FastAPI, handle: Answering, problems: Problems) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    async def straight(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = app
        request = Request(scope, receive)
        try:
            answer = await handle(request)
        except RequestValidationError as error:
            answer = invalid_request(problems, request, error.errors())
        await send(answer.head())
        await send({"type": "http.response.body", "body": answer.body})

    return straight
