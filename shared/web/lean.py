"""A route for the one endpoint that a release rush presses: the same promises without the framework's general road.

FastAPI solves any tree of dependencies for each request, which costs more than everything else that a booking does. A
`LeanRoute` serves an endpoint with one JSON body and one dependency that takes the request, and calls both itself. For
documentation, validation faults and exception handling it is the same route as any other.
"""

import inspect
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from fastapi.exceptions import RequestValidationError
from fastapi.params import Depends
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from shared.web.edge import NOT_JSON
from shared.web.problems import Answer
from shared.web.routes import Handler, StrictRoute, refuse_any_query, visit_of

Dependency = Callable[[Request], Awaitable[Any]]
Answering = Callable[[Request], Awaitable[Answer]]


class LeanRoute(StrictRoute):
    """Serves `endpoint(body_model, dependency) -> Answer`; refuses any query parameter."""

    def get_route_handler(self) -> Handler:
        answering = self.answering()

        async def lean(request: Request) -> Response:
            return (await answering(request)).response()

        return lean

    def answering(self) -> Answering:
        """Return what gives the finished answer to a request, for a road on which nobody needs a response object."""
        endpoint = self.endpoint
        body_name, model, asker_name, dependency = _parts(endpoint)
        validate = model.__pydantic_validator__.validate_python

        async def answering(request: Request) -> Answer:
            refuse_any_query(request)
            document = visit_of(request).document
            if document is NOT_JSON:  # first, as the general road does: dependencies read the body too
                raise RequestValidationError([{"type": "json_invalid", "loc": ("body",)}])
            asker = await dependency(request)
            try:
                wish = validate(document)
            except ValidationError as error:
                faults = error.errors(include_url=False, include_input=False)
                raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults]) from error
            answer: Answer = await endpoint(**{body_name: wish, asker_name: asker})
            return answer

        return answering


def _parts(endpoint: Callable[..., Any]) -> tuple[str, type[BaseModel], str, Dependency]:
    """Return the names of the endpoint's two parameters, the model of the one and the dependency of the other.

    Raises:
        TypeError: if the endpoint is of another form; when the application is made, not when it is asked.
    """
    hints = get_type_hints(endpoint, include_extras=True)
    names = list(inspect.signature(endpoint).parameters)
    if len(names) == 2:
        model, asker = (hints[name] for name in names)
        given = (
            [one for one in get_args(asker)[1:] if isinstance(one, Depends)] if get_origin(asker) is Annotated else []
        )
        if isinstance(model, type) and issubclass(model, BaseModel) and given and given[0].dependency is not None:
            return names[0], model, names[1], given[0].dependency
    raise TypeError(f"{endpoint.__name__} is not of the form endpoint(body, dependency)")
