"""For whoever runs a service or writes against it: is it alive, what can it do, what does a code of its problems mean.

Whether it is ready differs by service and is added by each.
"""

from html import escape
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import ConfigDict
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from shared.refusal import Refused
from shared.web import page
from shared.web.models import Shown
from shared.web.openapi import ProblemDocs
from shared.web.problems import ProblemTable, ProblemText
from shared.web.reason import EdgeReason
from shared.web.routes import strict_router

NOT_READY = 503
_HTML: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}


class Health(Shown):
    """The process runs."""

    status: str

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok"}]})


def operations_router(table: ProblemTable, problem_docs: ProblemDocs, sample: str) -> APIRouter:
    """Return the router of what both services have; `sample` is a code of `table` as it stands in an address."""
    router = strict_router(tags=["operations"])

    @router.get("/healthz", summary="存活 Is the process alive?")
    async def healthz() -> Health:
        """Answers as long as the process runs; it asks nobody else."""
        return Health(status="ok")

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
        responses={**_HTML, **problem_docs.responses(EdgeReason.NOT_FOUND)},
    )
    async def problem(code: Annotated[str, Path(max_length=64, examples=[sample])]) -> Response:
        """The page that the `type` of a problem answer leads to: its status, its words, and the facts in them."""
        by_code: dict[str, ProblemText] = {reason.value: text for reason, text in table.items()}
        text = by_code.get(code.replace("-", "_"))
        if text is None:
            raise Refused(EdgeReason.NOT_FOUND)
        return _explained(code, text)

    return router


def _explained(code: str, text: ProblemText) -> HTMLResponse:
    body = "".join(
        f"<h1>{escape(title)}</h1><p>{escape(detail)}</p>"
        for title, detail in ((text.title.zh, text.detail.zh), (text.title.en, text.detail.en))
    )
    html = (
        f'<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>{escape(code)}</title>'
        f"<p><code>{escape(code)}</code> · {text.status}</p>{body}"
    )
    return HTMLResponse(html, headers={"content-security-policy": page.CONTENT_POLICY})
