"""For whoever runs the service: is it ready? The rest is what both services have."""

from pydantic import ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.notify.api.deps import Container
from services.notify.api.problems import DOCS, TABLE
from services.notify.store.database import DatabaseError, answers
from shared.web import Shown
from shared.web.operations import NOT_READY, operations_router

router = operations_router(TABLE, DOCS, "message-unknown")


class Readiness(Shown):
    """Whether requests can be served, and which part keeps them from it."""

    status: str
    database: bool

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok", "database": True}]})


@router.get(
    "/readyz",
    summary="就绪 Can requests be served?",
    response_model=Readiness,
    responses={NOT_READY: {"model": Readiness, "description": "Not now; the answer says which part is missing."}},
)
async def readyz(request: Request) -> Response:
    """Asks the database; 503 while it does not answer."""
    parts: Container = request.app.state.container
    try:
        await answers(parts.engine)
    except DatabaseError:
        return JSONResponse(Readiness(status="not_ready", database=False).model_dump(), NOT_READY)
    return JSONResponse(Readiness(status="ok", database=True).model_dump())
