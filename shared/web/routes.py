"""Routes that refuse query parameters they do not know, and how they are put into an application.

The check costs nothing where there is no query, and needs no dependency.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from shared.refusal import Refused
from shared.web.edge import Visit
from shared.web.faults import fault, readable
from shared.web.reason import EdgeReason

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class StrictRoute(APIRoute):
    """A route that refuses an unknown query parameter, and one that is repeated though it is no list."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        known, lists = _query_names(self)

        async def strict(request: Request) -> Response:
            if request.scope["query_string"]:
                _refuse_unknown(request, known, lists)
            return await handle(request)

        return strict


def strict_router(**options: Any) -> APIRouter:
    """Return a router of strict routes; options are FastAPI's (`prefix`, `tags`, …)."""
    return APIRouter(route_class=StrictRoute, **options)


def add_routes(app: FastAPI, *routers: APIRouter) -> None:
    """Put the routes of `routers` straight into the application, in order.

    `include_router` would match every request twice, once for the router and once for the route; these routes need
    nothing of what it adds.
    """
    for one in routers:
        app.router.routes.extend(one.routes)


def _query_names(route: APIRoute) -> tuple[frozenset[str], frozenset[str]]:
    fields = [one for one in get_flat_params(route.dependant) if isinstance(one.field_info, Query)]
    lists = [one.alias for one in fields if "list" in str(one.field_info.annotation).lower()]
    return frozenset(one.alias for one in fields), frozenset(lists)


def _refuse_unknown(request: Request, known: frozenset[str], lists: frozenset[str]) -> None:
    seen: set[str] = set()
    entries = []
    language = visit_of(request).language
    for name, _ in request.query_params.multi_items():
        if name not in known:
            entries.append(fault("unknown_parameter", {"parameter": readable(name)}, language, {}))
        elif name in seen and name not in lists:
            entries.append(fault("repeated_parameter", {"parameter": name}, language, {}))
        seen.add(name)
    if entries:
        raise Refused(EdgeReason.INVALID_REQUEST, errors=entries[:20])


def refuse_any_query(request: Request) -> None:
    """Refuse query parameters where none is known."""
    if request.scope["query_string"]:
        _refuse_unknown(request, frozenset(), frozenset())


def visit_of(request: Request) -> Visit:
    """Return what the `Edge` knows of this request."""
    visit = request.scope["visit"]
    assert isinstance(visit, Visit)
    return visit
