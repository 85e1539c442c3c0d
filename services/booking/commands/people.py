"""The people an account books for. Limits count people and not accounts, so one document is one person everywhere."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final
from uuid import UUID

from services.booking.domain.account import Relation
from services.booking.domain.identity import BIRTH_DATE, Identity, check_document
from services.booking.domain.masking import mask_document, mask_name
from services.booking.domain.policy import DocumentType
from services.booking.domain.reason import Reason
from services.booking.domain.zone import local_day
from services.booking.store.accounts import account_by_id
from services.booking.store.database import Connection, Engine
from services.booking.store.people import (
    PersonRow,
    SavedPerson,
    count_people,
    find_or_add_person,
    people_of,
    remove_person,
    save_person,
)
from shared.ids import new_id
from shared.refusal import Refused
from shared.sealing import Vault

PEOPLE_MOST: Final = 20
DOCUMENT, NAME = "person.document_number", "person.name"
"""What sealed values and fingerprints are bound to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPerson:
    """Somebody as they were typed; neither the name nor the number is printed."""

    name: str = field(repr=False)
    relation: Relation
    document_type: DocumentType
    number: str = field(repr=False)
    birth_date: date | None = field(repr=False, default=None)


async def add_person(tx: Connection, vault: Vault, account_id: UUID, new: NewPerson, now: datetime) -> SavedPerson:
    """Save a person for an account, and return them as they are shown.

    Whoever holds the document may be known from another account already: then it is the same person, and where the
    document carries no birth date, the one given must agree with the one that was given first.

    Raises:
        Refused: `document_invalid`, `birth_date_needed`, `birth_date_contradicts`, `person_saved_already`,
            `people_limit_reached`; `not_signed_in` where the account was erased meanwhile.
    """
    identity = check_document(new.document_type, new.number, birth_date=new.birth_date, today=local_day(now))
    account = await account_by_id(tx, account_id, lock=True)  # so that two at once cannot both be the twentieth
    if account is None or account.erased_at is not None:
        raise Refused(Reason.NOT_SIGNED_IN)
    if await count_people(tx, account_id) >= PEOPLE_MOST:
        raise Refused(Reason.PEOPLE_LIMIT_REACHED, most=PEOPLE_MOST)
    person_id, birth_date = await find_or_add_person(tx, _row(vault, identity, now))
    if birth_date != identity.birth_date:
        raise Refused(Reason.BIRTH_DATE_CONTRADICTS, field=BIRTH_DATE, document_type=identity.document_type.value)
    saved = SavedPerson(
        person_id=person_id,
        document_type=identity.document_type,
        relation=new.relation,
        name_masked=mask_name(new.name),
        document_masked=mask_document(identity.number),
        created_at=now,
    )
    if not await save_person(tx, account_id, saved, vault.seal(new.name, NAME)):
        raise Refused(Reason.PERSON_SAVED_ALREADY, field="/document/number", person_id=person_id)
    return saved


async def list_people(engine: Engine, account_id: UUID) -> list[SavedPerson]:
    """Return the people of an account, the oldest first."""
    async with engine.connect() as connection:
        return await people_of(connection, account_id)


async def drop_person(tx: Connection, account_id: UUID, person_id: UUID, now: datetime) -> None:
    """Take a person out of an account's list; bookings that name them stay.

    Raises:
        Refused: `person_unknown`.
    """
    if not await remove_person(tx, account_id, person_id, now):
        raise Refused(Reason.PERSON_UNKNOWN)


def _row(vault: Vault, identity: Identity, now: datetime) -> PersonRow:
    found_by = f"{identity.document_type.value}:{identity.lasting_number}"
    return PersonRow(
        id=new_id(),
        document_type=identity.document_type,
        document_fingerprint=vault.fingerprint(found_by, DOCUMENT),
        document_sealed=vault.seal(identity.number, DOCUMENT),
        birth_date=identity.birth_date,
        created_at=now,
    )
