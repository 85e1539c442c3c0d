"""For whoever runs the service or writes against it: is it alive, is it ready, what can it do, what does a code mean."""

from html import escape
from typing import Annotated, Any

from fastapi import Path
from pydantic import ConfigDict
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from services.booking.api.deps import Container, ReaderDep
from services.booking.api.problems import TABLE, problems
from services.booking.domain.reason import Reason
from services.booking.store.database import DatabaseError, answers
from shared.refusal import Refused
from shared.web import Shown, page, strict_router

router = strict_router(tags=["operations"])
_HTML: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}
_NOT_READY = 503


class Health(Shown):
    """The process runs."""

    status: str

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok"}]})


class Readiness(Shown):
    """Whether requests can be served, and which part keeps them from it."""

    status: str
    database: bool
    catalogue: bool

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok", "database": True, "catalogue": True}]})


@router.get("/healthz", summary="存活 Is the process alive?")
async def healthz() -> Health:
    """Answers as long as the process runs; it asks nobody else."""
    return Health(status="ok")


@router.get(
    "/readyz",
    summary="就绪 Can requests be served?",
    response_model=Readiness,
    responses={_NOT_READY: {"model": Readiness, "description": "Not now; the answer says which part is missing."}},
)
async def readyz(reader: ReaderDep) -> Response:
    """Asks the database and looks whether the catalogue is loaded; 503 until both are so."""
    database = await _answers(reader.parts)
    if database:
        await reader.parts.catalogue.fresh(reader.parts.engine)  # it may have been loaded since the process began
    catalogue = bool(reader.parts.catalogue.current.services)
    ready = database and catalogue
    shown = Readiness(status="ok" if ready else "not_ready", database=database, catalogue=catalogue)
    return JSONResponse(shown.model_dump(), 200 if ready else _NOT_READY)


async def _answers(parts: Container) -> bool:
    try:
        await answers(parts.engine)
    except DatabaseError:
        return False
    return True


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    """The documentation page, written from the OpenAPI document; it fetches nothing from elsewhere."""
    state = request.app.state
    if not hasattr(state, "docs_page"):
        state.docs_page = page.render(request.app.openapi())
    return HTMLResponse(state.docs_page, headers={"content-security-policy": page.CONTENT_POLICY})


@router.get(
    "/problems/{code}",
    summary="错误代码说明 What a problem code means",
    responses={**_HTML, **problems(Reason.NOT_FOUND)},
)
async def problem(code: Annotated[str, Path(max_length=64, examples=["slot-full"])]) -> Response:
    """The page that the `type` of a problem answer leads to: its status, its words, and the facts in them."""
    text = TABLE.get(code.replace("-", "_"))
    if text is None:
        raise Refused(Reason.NOT_FOUND)
    body = "".join(
        f"<h1>{escape(title)}</h1><p>{escape(detail)}</p>"
        for title, detail in ((text.title.zh, text.detail.zh), (text.title.en, text.detail.en))
    )
    html = f'<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>{escape(code)}</title><p><code>{escape(code)}</code> · {text.status}</p>{body}'
    return HTMLResponse(html, headers={"content-security-policy": page.CONTENT_POLICY})
