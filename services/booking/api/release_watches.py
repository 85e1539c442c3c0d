"""Reminders of releases: tell me before the places of this service open."""

from typing import Annotated

from fastapi import Path
from pydantic import ConfigDict, Field
from starlette.responses import Response

from services.booking.api.deps import SignedInDep, WriteDep, documented_signed_in, documented_write, remember
from services.booking.api.offered import catalogue_of, service_of
from services.booking.commands.release_watches import MOST_WATCHES, unwatch, watch
from services.booking.domain.reason import Reason
from services.booking.store.database import Connection
from services.booking.store.release_watches import watched_by
from shared.web import Answer, Shown, strict_router

router = strict_router(prefix="/api/v1", tags=["me"])

ServiceOfWatch = Annotated[
    str, Path(max_length=100, description="The service. 项目。", examples=["dalian-museum-evening-entry"])
]


class WatchesShown(Shown):
    """The services whose releases you are reminded of."""

    services: Annotated[list[str], Field(description="Their ids, the oldest wish first.")]
    most: int

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"services": ["dalian-museum-evening-entry"], "most": MOST_WATCHES}]}
    )


@router.get(
    "/me/release-reminders",
    summary="我的放号提醒 My release reminders",
    response_model=WatchesShown,
    **documented_signed_in(),
)
async def my_watches(asker: SignedInDep) -> Response:
    """The services of which you are told before places open."""
    async with asker.parts.engine.connect() as connection:
        found = await watched_by(connection, asker.principal.subject)
    shown = WatchesShown(services=list(found), most=MOST_WATCHES)
    return Answer(200, {"content-type": "application/json"}, shown.model_dump_json().encode()).response()


@router.put(
    "/me/release-reminders/{service_id}",
    summary="放号前提醒我 Remind me of releases",
    status_code=204,
    **documented_write(Reason.SERVICE_UNKNOWN, Reason.WATCHES_LIMIT_REACHED),
)
async def remind_me(service_id: ServiceOfWatch, write: WriteDep) -> Response:
    """A quarter of an hour before places of this service open, you are told; each time, until you end it."""
    service_of(await catalogue_of(write), service_id)

    async def work(tx: Connection) -> Answer:
        await watch(tx, write.principal.subject, service_id, write.parts.clock)
        return Answer(204, {}, b"")

    return await remember(write, work)


@router.delete(
    "/me/release-reminders/{service_id}",
    summary="取消放号提醒 End a release reminder",
    status_code=204,
    **documented_write(Reason.SERVICE_UNKNOWN),
)
async def remind_me_no_more(service_id: ServiceOfWatch, write: WriteDep) -> Response:
    """You are told no more of this service's releases. Where there is no such wish, nothing changes."""
    catalogue = await catalogue_of(write)
    service_of(catalogue, service_id)

    async def work(tx: Connection) -> Answer:
        await unwatch(tx, catalogue, (write.principal.subject, service_id), write.parts.clock)
        return Answer(204, {}, b"")

    return await remember(write, work)
