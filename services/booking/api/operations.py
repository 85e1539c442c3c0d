"""For whoever runs the service: is it ready? The rest is what both services have."""

from pydantic import ConfigDict
from starlette.responses import JSONResponse, Response

from services.booking.api.deps import Container, ReaderDep
from services.booking.api.problems import DOCS, TABLE
from services.booking.store.database import DatabaseError, answers
from shared.web import Shown
from shared.web.operations import NOT_READY, operations_router

router = operations_router(TABLE, DOCS, "slot-full")


class Readiness(Shown):
    """Whether requests can be served, and which part keeps them from it."""

    status: str
    database: bool
    catalogue: bool

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok", "database": True, "catalogue": True}]})


@router.get(
    "/readyz",
    summary="就绪 Can requests be served?",
    response_model=Readiness,
    responses={NOT_READY: {"model": Readiness, "description": "Not now; the answer says which part is missing."}},
)
async def readyz(reader: ReaderDep) -> Response:
    """Asks the database and looks whether the catalogue is loaded; 503 until both are so."""
    database = await _answers(reader.parts)
    if database:
        await reader.parts.catalogue.fresh(reader.parts.engine)  # it may have been loaded since the process began
    catalogue = bool(reader.parts.catalogue.current.services)
    ready = database and catalogue
    shown = Readiness(status="ok" if ready else "not_ready", database=database, catalogue=catalogue)
    return JSONResponse(shown.model_dump(), 200 if ready else NOT_READY)


async def _answers(parts: Container) -> bool:
    try:
        await answers(parts.engine)
    except DatabaseError:
        return False
    return True
