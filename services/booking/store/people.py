"""Saved persons. One row for each identity document, whoever books for it; a name belongs to the account that gave it."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert

from services.booking.domain.account import Relation
from services.booking.domain.policy import DocumentType
from services.booking.store.database import Connection
from services.booking.tables import account_people, persons


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRow:
    """A person as `persons` keeps them: found by the fingerprint of their document."""

    id: UUID
    document_type: DocumentType
    document_fingerprint: bytes
    document_sealed: str
    birth_date: date
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPerson:
    """A person as one account knows them; masked as it is shown."""

    person_id: UUID
    document_type: DocumentType
    relation: Relation
    name_masked: str
    document_masked: str
    created_at: datetime


async def find_or_add_person(tx: Connection, person: PersonRow) -> tuple[UUID, date]:
    """Return the id and the birth date of whoever holds this document, written now or before.

    Who was let go of, and still known, is somebody again.
    """
    row = insert(persons).values(
        id=person.id,
        document_type=person.document_type.value,
        document_fingerprint=person.document_fingerprint,
        document_sealed=person.document_sealed,
        birth_date=person.birth_date,
        created_at=person.created_at,
    )
    known = persons.c.document_fingerprint == person.document_fingerprint
    again = update(persons).where(known, persons.c.let_go_at.is_not(None))
    while True:
        made = await tx.execute(row.on_conflict_do_nothing().returning(persons.c.id))
        if made.first() is not None:
            return person.id, person.birth_date
        await tx.execute(again.values(document_sealed=person.document_sealed, let_go_at=None))
        found = (await tx.execute(select(persons.c.id, persons.c.birth_date).where(known))).first()
        if found is not None:  # else they were forgotten in between, and are written anew
            return found.id, found.birth_date


async def count_people(tx: Connection, account_id: UUID) -> int:
    """Return how many people an account has saved."""
    query = select(func.count()).select_from(account_people)
    return (await tx.execute(query.where(*_saved_by(account_id)))).scalar_one()


async def save_person(tx: Connection, account_id: UUID, person: SavedPerson, name_sealed: str) -> bool:
    """Add a person to an account, or bring back one that was removed; return False where they are there already."""
    values = {
        "relation": person.relation.value,
        "name_sealed": name_sealed,
        "name_masked": person.name_masked,
        "document_masked": person.document_masked,
        "created_at": person.created_at,
    }
    row = insert(account_people).values(account_id=account_id, person_id=person.person_id, **values)
    again = row.on_conflict_do_update(
        index_elements=[account_people.c.account_id, account_people.c.person_id],
        set_={**values, "removed_at": None},
        where=account_people.c.removed_at.is_not(None),
    )
    return (await tx.execute(again.returning(account_people.c.person_id))).first() is not None


async def people_of(tx: Connection, account_id: UUID) -> list[SavedPerson]:
    """Return the people an account has saved, the oldest first."""
    query = (
        select(account_people, persons.c.document_type)
        .join(persons, persons.c.id == account_people.c.person_id)
        .where(*_saved_by(account_id))
        .order_by(account_people.c.created_at, account_people.c.person_id)
    )
    return [_saved(row) for row in await tx.execute(query)]


async def remove_person(tx: Connection, account_id: UUID, person_id: UUID, now: datetime) -> bool:
    """Take a person out of an account's list; bookings keep them. Return False where they are not in it."""
    gone = (
        update(account_people)
        .where(*_saved_by(account_id), account_people.c.person_id == person_id)
        .values(removed_at=now)
    )
    return (await tx.execute(gone)).rowcount == 1


def _saved_by(account_id: UUID) -> tuple[Any, ...]:
    return account_people.c.account_id == account_id, account_people.c.removed_at.is_(None)


def _saved(row: Row[Any]) -> SavedPerson:
    return SavedPerson(
        person_id=row.person_id,
        document_type=DocumentType(row.document_type),
        relation=Relation(row.relation),
        name_masked=row.name_masked,
        document_masked=row.document_masked,
        created_at=row.created_at,
    )
