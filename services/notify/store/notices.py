"""What is known of things that are no bookings: the newest version heard of, and never an older one again."""

from datetime import datetime
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.notice import Notice
from services.notify.tables import known_notices, outbox
from shared.contracts import ConsentAnswered, Event, EventType
from shared.ids import new_id
from shared.outbox import add_events

_notice: TypeAdapter[Notice] = TypeAdapter(Notice)


async def known(tx: AsyncConnection, subject_id: UUID) -> tuple[int | None, str | None]:
    """Return the newest version heard of and its sealed contact, locked until the commit."""
    table = known_notices.c
    query = select(table.version, table.contact).where(table.subject_id == subject_id).with_for_update()
    row = (await tx.execute(query)).one_or_none()
    return (None, None) if row is None else (row.version, row.contact)


async def keep(tx: AsyncConnection, notice: Notice, contact: str | None, now: datetime) -> bool:
    """Remember `notice` if it is newer than what is known; return whether it is."""
    row = insert(known_notices).values(
        subject_id=notice.subject_id,
        version=notice.version,
        account_id=notice.account_id,
        notice=_notice.dump_python(notice, mode="json"),
        contact=contact,
        heard_at=now,
    )
    new = row.excluded
    newer = row.on_conflict_do_update(
        index_elements=[known_notices.c.subject_id],
        set_={
            "version": new.version,
            "account_id": new.account_id,
            "notice": new.notice,
            "contact": func.coalesce(new.contact, known_notices.c.contact),
            "heard_at": new.heard_at,
            "agreed": None,
        },
        where=known_notices.c.version < new.version,
    )
    return (await tx.execute(newer)).rowcount > 0


async def answer(tx: AsyncConnection, given: ConsentAnswered) -> None:
    """Write down what somebody replied to the version that stands, and tell it, unless they had said so before."""
    table = known_notices.c
    news = (
        update(known_notices)
        .where(
            table.subject_id == given.consent_id,
            table.version == given.version,
            table.account_id == given.account_id,
            table.agreed.is_distinct_from(given.agrees),
        )
        .values(agreed=given.agrees)
    )
    if (await tx.execute(news)).rowcount:
        said = Event(id=new_id(), type=EventType.CONSENT_ANSWERED, subject=given.consent_id, time=given.at, data=given)
        await add_events(tx, outbox, [said])


def read_notice(document: object) -> Notice | None:
    """Return the notice in a row's `notice` column, as `keep` wrote it."""
    return None if document is None else _notice.validate_python(document)
