"""The people I book for: saved once, chosen with one tap ever after, shown masked."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path
from pydantic import ConfigDict, Field
from starlette.responses import Response

from services.booking.api.deps import SignedInDep, WriteDep, documented_signed_in, documented_write, remember
from services.booking.commands.people import PEOPLE_MOST, NewPerson, add_person, drop_person, list_people
from services.booking.domain.account import Relation
from services.booking.domain.policy import DocumentType
from services.booking.domain.reason import Reason
from services.booking.domain.zone import local
from services.booking.store.database import Connection
from services.booking.store.people import SavedPerson
from shared.refusal import Refused
from shared.web import Answer, Page, Shown, Strict, strict_router

router = strict_router(prefix="/api/v1", tags=["people"])

_SAVED: dict[str, Any] = {
    "id": "01936f2e-0000-7def-8a3b-000000000002",
    "name": "王*",
    "relation": "parent",
    "document": {"type": "resident_identity_card", "number": "210***********1234"},
    "created_at": "2026-11-20T09:00:00+08:00",
}
_NEW: dict[str, Any] = {
    "name": "王建国",
    "relation": "parent",
    "document": {"type": "resident_identity_card", "number": "210202195001011234"},
}
_NEW_PASSPORT: dict[str, Any] = {
    "name": "John Smith",
    "relation": "self",
    "document": {"type": "passport", "number": "L898902C3"},
    "birth_date": "1974-08-12",
}


class DocumentGiven(Strict):
    """An identity document as it was typed; spaces, hyphens and lower case do not matter."""

    type: DocumentType
    number: Annotated[str, Field(min_length=1, max_length=64, repr=False, examples=["210202195001011234"])]


class PersonToSave(Strict):
    """Somebody to book for."""

    name: Annotated[str, Field(min_length=1, max_length=60, repr=False, description="As on the document.")]
    relation: Annotated[Relation, Field(description="What they are to you.")]
    document: DocumentGiven
    birth_date: Annotated[
        date | None, Field(repr=False, description="Only where the document's number does not carry it (a passport).")
    ] = None

    model_config = ConfigDict(json_schema_extra={"examples": [_NEW, _NEW_PASSPORT]})


class DocumentShown(Shown):
    """A document, masked."""

    type: DocumentType
    number: Annotated[str, Field(description="Masked: neither the number nor the birth date in it can be told.")]


class SavedPersonShown(Shown):
    """A saved person. `id` is what a booking's `people` names."""

    id: UUID
    name: Annotated[str, Field(description="Masked: 王*.")]
    relation: Relation
    document: DocumentShown
    created_at: datetime

    model_config = ConfigDict(json_schema_extra={"examples": [_SAVED]})


@router.get(
    "/people",
    summary="我的常用人员 The people I book for",
    response_model=Page[SavedPersonShown],
    **documented_signed_in(),
)
async def read_people(asker: SignedInDep) -> Response:
    """Everybody you have saved, the oldest first; at most 20, so always one page."""
    saved = await list_people(asker.parts.engine, asker.principal.subject)
    page = Page[SavedPersonShown](items=[_shown(person) for person in saved], next=None)
    return Answer(200, {"content-type": "application/json"}, page.model_dump_json().encode()).response()


@router.post(
    "/people",
    summary="添加常用人员 Save a person",
    description=f"Saves somebody to book for, at most {PEOPLE_MOST}. The document's number is checked, kept sealed, and"
    " never shown again. 证件号码经校验后加密保存，不再完整显示。",
    status_code=201,
    response_model=SavedPersonShown,
    **documented_write(
        Reason.DOCUMENT_INVALID,
        Reason.BIRTH_DATE_NEEDED,
        Reason.BIRTH_DATE_CONTRADICTS,
        Reason.PERSON_SAVED_ALREADY,
        Reason.PEOPLE_LIMIT_REACHED,
    ),
)
async def save(body: PersonToSave, write: WriteDep) -> Response:
    """Save a person."""
    new = NewPerson(
        name=body.name,
        relation=body.relation,
        document_type=body.document.type,
        number=body.document.number,
        birth_date=body.birth_date,
    )

    async def work(tx: Connection) -> Answer:
        if new.birth_date is not None:
            spent = write.parts.birth_date_tries.spend(write.principal.subject)
            if spent.wait:
                raise Refused(Reason.TOO_MANY_REQUESTS, retry_after_seconds=spent.wait)
        saved = await add_person(tx, write.parts.vault, write.principal.subject, new, write.parts.clock())
        return Answer(201, {"content-type": "application/json"}, _shown(saved).model_dump_json().encode())

    return await remember(write, work)


@router.delete(
    "/people/{person_id}",
    summary="移除常用人员 Remove a person",
    status_code=204,
    **documented_write(Reason.PERSON_UNKNOWN),
)
async def remove(person_id: Annotated[UUID, Path(description="The person's id.")], write: WriteDep) -> Response:
    """Takes somebody out of your list. Bookings that name them stay as they are."""

    async def work(tx: Connection) -> Answer:
        await drop_person(tx, write.principal.subject, person_id, write.parts.clock())
        return Answer(204, {}, b"")

    return await remember(write, work)


def _shown(person: SavedPerson) -> SavedPersonShown:
    return SavedPersonShown(
        id=person.person_id,
        name=person.name_masked,
        relation=person.relation,
        document=DocumentShown(type=person.document_type, number=person.document_masked),
        created_at=local(person.created_at),
    )
