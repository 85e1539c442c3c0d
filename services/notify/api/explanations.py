"""Why did, or didn't, I get this? Everything that was decided about a person's messages; and how far a closure's news is."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query
from pydantic import ConfigDict, Field
from starlette.requests import Request

from services.notify import views
from services.notify.api.bookings import EXAMPLE, PlannedShown, planned_shown
from services.notify.api.deps import EmployedDep, SignedInDep, documented
from services.notify.domain.campaign import predicted_end
from services.notify.domain.reason import Reason
from services.notify.domain.scope import ADMINISTRATOR, venue_digest
from shared.clock import SHANGHAI
from shared.refusal import Refused
from shared.web import Page, Shown, decode_cursor, encode_cursor, next_link, strict_router

router = strict_router(prefix="/api/v1", tags=["explanations"])

SINCE = timedelta(days=7)
_OF_BOOKING = EXAMPLE
_EXPLAINED: dict[str, Any] = {
    "about": "01936f2e-7c1a-7def-8a3b-5d4c3b2a1907",
    "message": _OF_BOOKING,
}
_CAMPAIGN: dict[str, Any] = {
    "bookings": 20000,
    "planned": 12000,
    "sent": 27950,
    "given_up": 40,
    "in_doubt": 10,
    "first_at": "2026-11-25T05:00:00+08:00",
    "predicted_end": "2026-11-25T05:30:00+08:00",
}


class Explained(Shown):
    """A message to a person, what it is about (a booking, a penalty, a case …), and why it was sent or not."""

    about: UUID
    message: PlannedShown

    model_config = ConfigDict(json_schema_extra={"examples": [_EXPLAINED]})


class ExplainedPage(Page[Explained]):
    """One page of a person's messages, the last planned first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_EXPLAINED], "next": None}]})


class CampaignShown(Shown):
    """How far the news of what a venue cancelled has come. Messages: a booking has one on each of several channels."""

    bookings: int
    planned: Annotated[int, Field(description="Messages still to be sent.")]
    sent: int
    given_up: Annotated[int, Field(description="Not sent, each with its reason: no address, too late, refused.")]
    in_doubt: int
    first_at: datetime | None
    predicted_end: Annotated[
        datetime | None, Field(description="When the last will be sent: by its plan, or by the pace of late if slower.")
    ]

    model_config = ConfigDict(json_schema_extra={"examples": [_CAMPAIGN]})


@router.get(
    "/explanations",
    summary="为什么收到或没收到 Why did I get this, or not?",
    response_model=ExplainedPage,
    **documented(Reason.INVALID_CURSOR, Reason.NOT_ALLOWED),
)
async def explanations(
    request: Request,
    asker: SignedInDep,
    account_id: Annotated[UUID | None, Query(description="For those who work here: whose messages.")] = None,
    cursor: Annotated[str | None, Query(description="From `next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> ExplainedPage:
    """Every message to a person, sent or not, with every decision in words. 每条消息的全部决定及原因。

    Residents see their own; those who work at a venue what concerns its bookings.
    """
    scope = asker.scope
    person = asker.principal.subject if account_id is None else account_id
    if scope.account_id is not None and person != scope.account_id:
        raise Refused(Reason.NOT_ALLOWED)
    before = None if cursor is None else _before(cursor)
    async with asker.parts.engine.connect() as connection:
        found = await views.of_person(connection, scope, person, before=before, limit=limit + 1)
    shown = found[:limit]
    following = next_link(request, encode_cursor(str(shown[-1].id))) if len(found) > limit else None
    items = [Explained(about=message.subject_id, message=planned_shown(message)) for message in shown]
    return ExplainedPage(items=items, next=following)


@router.get(
    "/venues/{venue_id}/closure-news",
    summary="停办通知进度 How far the news of a closure is",
    response_model=CampaignShown,
    **documented(Reason.NOT_ALLOWED),
)
async def closure_news(
    asker: EmployedDep, venue_id: Annotated[str, Path(max_length=100, examples=["dalian-museum"])]
) -> CampaignShown:
    """How many were to be told within a week that the venue cancelled, how many are, and when all will be. 通知进度。"""
    if asker.principal.role != ADMINISTRATOR and venue_id not in asker.principal.venues:
        raise Refused(Reason.NOT_ALLOWED)
    now = asker.parts.clock()
    async with asker.parts.engine.connect() as connection:
        found = await views.campaign(connection, venue_digest(venue_id), now - SINCE, now)
    end = predicted_end(found.planned, found.last_due_at, found.sent_lately / views.LATELY.total_seconds(), now)
    return CampaignShown(
        bookings=found.bookings,
        planned=found.planned,
        sent=found.sent,
        given_up=found.given_up,
        in_doubt=found.in_doubt,
        first_at=found.first_at.astimezone(SHANGHAI) if found.first_at else None,
        predicted_end=end.astimezone(SHANGHAI) if end else None,
    )


def _before(cursor: str) -> UUID:
    try:
        return UUID(str(decode_cursor(cursor, str)[0]))
    except ValueError:
        raise Refused(Reason.INVALID_CURSOR, field="/cursor") from None
