"""Where the people of an account stand, and what is asked of a venue's staff, read for a screen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.booking.domain.penalty import LOOK_BACK, Strike
from services.booking.domain.penalty_news import Penalty
from services.booking.store.appeals import Appeal, appeals_of_penalties
from services.booking.store.penalties import Entry, read_ledger, read_penalties
from services.booking.store.people import SavedPerson, people_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonLedger:
    """One saved person: strikes, the newest last; where they stand; appeals by penalty and by the bar's last strike."""

    person: SavedPerson
    entries: Sequence[Entry]
    penalties: Sequence[Penalty]
    appeals: Mapping[tuple[UUID, UUID], Appeal]


async def read_ledgers(connection: AsyncConnection, account_id: UUID, now: datetime) -> list[PersonLedger]:
    """Return the ledgers of everybody whom an account has saved."""
    people = await people_of(connection, account_id)
    ids = [person.person_id for person in people]
    entries = await read_ledger(connection, ids, now - LOOK_BACK)
    penalties = await read_penalties(connection, ids)
    appeals = await appeals_of_penalties(connection, [penalty.id for penalty in penalties])
    by_bar = {(appeal.penalty_id, appeal.strike_id): appeal for appeal in appeals}
    return [
        PersonLedger(
            person=person,
            entries=[entry for entry in entries if entry.strike.person_id == person.person_id],
            penalties=[penalty for penalty in penalties if penalty.person_id == person.person_id],
            appeals=by_bar,
        )
        for person in people
    ]


async def read_standing_strikes(connection: AsyncConnection, person_ids: list[UUID], now: datetime) -> list[Strike]:
    """Return the strikes of these people that count."""
    entries = await read_ledger(connection, person_ids, now - LOOK_BACK)
    return [entry.strike for entry in entries if entry.stands]


async def read_strikes_at(connection: AsyncConnection, venue_id: str, person_id: UUID, now: datetime) -> list[Entry]:
    """Return what a person did at one venue, oldest first."""
    entries = await read_ledger(connection, [person_id], now - LOOK_BACK)
    return [entry for entry in entries if entry.strike.venue_id == venue_id]
