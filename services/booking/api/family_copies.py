"""Copies of my messages for a family member who agrees; and what others ask of me."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path
from pydantic import ConfigDict, Field
from starlette.responses import Response

from services.booking.api.deps import SignedInDep, Write, WriteDep, documented_signed_in, documented_write, remember
from services.booking.commands.family_copies import NewCopy, Told, act_on_copy, ask_for_copy, copies_of
from services.booking.commands.proving import Proving
from services.booking.commands.sign_in import LONGEST_PHONE, parse_phone
from services.booking.domain.family_copy import Action, State
from services.booking.domain.reason import Reason
from services.booking.domain.zone import local
from services.booking.store.database import Connection
from shared.contracts import CopiedKind
from shared.web import Answer, Shown, Strict, strict_router

router = strict_router(prefix="/api/v1/me/copies", tags=["me"])

_JSON = {"content-type": "application/json"}
_EXAMPLE: dict[str, Any] = {
    "id": "01936f2e-7c1a-7def-8a3b-5d4c3b2a1911",
    "version": 1,
    "state": "asked",
    "other": "138****5678",
    "kinds": ["reminder", "change", "cancellation", "closure"],
    "sensitive": False,
    "asked_at": "2026-11-20T09:00:00+08:00",
    "changed_at": "2026-11-20T09:00:00+08:00",
}
CopyId = Annotated[UUID, Path(description="The arrangement. 约定。", examples=[_EXAMPLE["id"]])]


class CopyWanted(Strict):
    """Who is to get copies, and of what."""

    phone: Annotated[
        str,
        Field(min_length=3, max_length=LONGEST_PHONE, description="家人登录用的手机号。Their number for signing in."),
    ]
    kinds: Annotated[
        tuple[CopiedKind, ...], Field(min_length=1, max_length=len(CopiedKind), description="Which messages.")
    ] = tuple(CopiedKind)
    sensitive: Annotated[
        bool,
        Field(
            description="Of sensitive services too; such copies say only that there is a booking, when, and its reference."
        ),
    ] = False

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"phone": "13800005678", "kinds": _EXAMPLE["kinds"], "sensitive": False}]}
    )


class CopyShown(Shown):
    """An arrangement, as one of its sides sees it."""

    id: UUID
    version: int
    state: Annotated[State, Field(description="`agreed`: copies are sent.")]
    other: Annotated[str, Field(description="The other side, masked: who gets the copies, or whose messages they are.")]
    kinds: list[CopiedKind]
    sensitive: bool
    asked_at: datetime
    changed_at: datetime

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})


class CopiesShown(Shown):
    """Arrangements of mine, the newest first; those that are over stay in the list."""

    given: Annotated[list[CopyShown], Field(description="Who gets copies of my messages, or is asked.")]
    received: Annotated[list[CopyShown], Field(description="Whose messages I get copies of, or am asked about.")]

    model_config = ConfigDict(json_schema_extra={"examples": [{"given": [_EXAMPLE], "received": []}]})


_DECIDES = documented_write(Reason.COPY_UNKNOWN, Reason.COPY_DECIDED, Reason.COPIES_LIMIT_REACHED)


@router.get("", summary="家人通知 My family copies", response_model=CopiesShown, **documented_signed_in())
async def my_copies(asker: SignedInDep) -> Response:
    """Whom you have asked, who has asked you, and what became of it."""
    parts = asker.parts
    async with parts.engine.connect() as connection:
        given, received = await copies_of(connection, parts.vault, asker.principal.subject)
    shown = CopiesShown(given=[_shown(one) for one in given], received=[_shown(one) for one in received])
    return Answer(200, _JSON, shown.model_dump_json().encode()).response()


@router.post(
    "",
    summary="请家人接收副本 Ask somebody to get copies",
    status_code=201,
    response_model=CopyShown,
    **documented_write(
        *(Reason.PHONE_INVALID, Reason.COPY_TO_ONESELF, Reason.COPY_ALREADY, Reason.COPIES_LIMIT_REACHED)
    ),
)
async def ask(body: CopyWanted, write: WriteDep) -> Response:
    """Asks a family member, by the number they sign in with. Nothing is copied before they agree.

    Whoever uses the booking service already is told by a message; anybody else finds the request when they first sign
    in. Three people at most; five requests a day.
    """
    kinds = tuple(kind.value for kind in CopiedKind if kind in body.kinds)
    new = NewCopy(phone=parse_phone(body.phone), kinds=kinds, sensitive=body.sensitive)

    async def work(tx: Connection) -> Answer:
        told = await ask_for_copy(tx, _proving(write), write.principal.subject, new)
        return Answer(201, _JSON, _shown(told).model_dump_json().encode())

    return await remember(write, work)


@router.post("/{copy_id}/consent", summary="同意接收副本 Agree to get copies", response_model=CopyShown, **_DECIDES)
async def agree(copy_id: CopyId, write: WriteDep) -> Response:
    """From now on copies come to you, by your own language, preferences and quiet hours. End it whenever you like."""
    return await _act(write, copy_id, Action.AGREE)


@router.post("/{copy_id}/refusal", summary="拒绝接收副本 Refuse copies", response_model=CopyShown, **_DECIDES)
async def refuse(copy_id: CopyId, write: WriteDep) -> Response:
    """No copy comes to you. No reason is needed."""
    return await _act(write, copy_id, Action.REFUSE)


@router.post("/{copy_id}/withdrawal", summary="停止副本 End the copies", response_model=CopyShown, **_DECIDES)
async def withdraw(copy_id: CopyId, write: WriteDep) -> Response:
    """Ends it, for either side, at any time; what was planned is not sent any more."""
    return await _act(write, copy_id, Action.WITHDRAW)


async def _act(write: Write, copy_id: UUID, action: Action) -> Response:
    async def work(tx: Connection) -> Answer:
        told = await act_on_copy(tx, _proving(write), write.principal.subject, copy_id, action)
        return Answer(200, _JSON, _shown(told).model_dump_json().encode())

    return await remember(write, work)


def _proving(write: Write) -> Proving:
    parts = write.parts
    return Proving(parts.vault, parts.settings.public_url, parts.clock())


def _shown(told: Told) -> CopyShown:
    copy = told.copy
    return CopyShown(
        id=copy.id,
        version=copy.version,
        state=copy.state,
        other=told.other,
        kinds=[CopiedKind(kind) for kind in copy.kinds],
        sensitive=copy.sensitive,
        asked_at=local(copy.asked_at),
        changed_at=local(copy.changed_at),
    )
