"""Strikes follow from what the desk decides, in its transaction; penalties follow from strikes, in the same one.

There is no other way to a penalty: whatever changes a ledger ends with `settle`, which works out anew where its people
stand and writes the news of it into the outbox.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.domain.catalogue import Catalogue
from services.booking.domain.facts import Change, Facts
from services.booking.domain.penalty import LOOK_BACK, PenaltyState, regime_of, standings_of
from services.booking.domain.penalty_news import Penalty, penalties_after, penalty_event
from services.booking.domain.striking import corrected_by, may_strike, strikes_of
from services.booking.store.database import Connection, Engine
from services.booking.store.events import add_event
from services.booking.store.penalties import (
    Annulment,
    absences_of_bookings,
    add_annulment,
    add_strikes,
    contacts_of,
    lock_people,
    people_with_ended_bars,
    read_ledger,
    read_penalties,
    write_penalties,
)
from shared.clock import Clock
from shared.ids import new_id

PAGE = 100
"""People whose ended bars are told in one transaction."""

_CORRECTED = "corrected"


def bring_strikes(changes: Sequence[Change]) -> bool:
    """Say whether `record` has anything to look at."""
    return any(may_strike(change) for change in changes) or bool(corrected_by(changes))


async def record(tx: Connection, changes: Sequence[Change], facts: Facts) -> None:
    """Write the strikes that a batch's kept `changes` bring or take away, and what follows from them.

    The desk has locked the people of every booking that it alters.

    A bar imposed here is met by the next batch: a request in this one was made before it.
    """
    striking = [change for change in changes if may_strike(change)]
    corrected = {change.after.id: change for change in corrected_by(changes)}
    if not striking and not corrected:
        return
    regime = regime_of(facts.catalogue)
    made = [strike for change in striking for strike in strikes_of(change, facts.catalogue, regime, new_id)]
    annulled = await absences_of_bookings(tx, corrected) if corrected else []
    people = {strike.person_id for strike in made} | {strike.person_id for strike in annulled}
    if not people:
        return
    if made:
        await add_strikes(tx, made, facts.now)
    for strike in annulled:
        change = corrected[strike.of]
        await add_annulment(
            tx,
            Annulment(
                strike_id=strike.id,
                cause=_CORRECTED,
                at=facts.now,
                actor_id=change.actor.account_id,
                actor_role=change.actor.role,
                reason=change.after.reason or "",
            ),
        )
    await settle(tx, people, facts.catalogue, facts.now)


async def settle(tx: Connection, people: Collection[UUID], catalogue: Catalogue, now: datetime) -> None:
    """Work out anew where these people, whom the caller has locked, stand; write what changed, and the news of it."""
    regime = regime_of(catalogue)
    entries = await read_ledger(tx, people, now - LOOK_BACK)
    before = await read_penalties(tx, people)
    changed: list[Penalty] = []
    for person_id in sorted(people):
        strikes = [entry.strike for entry in entries if entry.strike.person_id == person_id and entry.stands]
        told = {penalty.id: penalty for penalty in before if penalty.person_id == person_id}
        changed += penalties_after(told, person_id, standings_of(strikes, catalogue, regime), now)
    if not changed:
        return
    await write_penalties(tx, changed, now)
    contacts = await contacts_of(tx, {penalty.account_id for penalty in changed})
    for penalty in changed:
        if penalty.state is not PenaltyState.CLEAR:
            await add_event(tx, penalty_event(penalty, catalogue, contacts[penalty.account_id], now, new_id()))


async def tell_of_ended_bars(engine: Engine, cache: CatalogueCache, clock: Clock) -> int:
    """Tell whoever was barred that they no longer are; return how many people. Nobody waits for it to book again."""
    told = 0
    while True:
        catalogue = await cache.fresh(engine)
        async with engine.begin() as tx:
            now = clock()
            people = await people_with_ended_bars(tx, now, PAGE)
            if people:
                await lock_people(tx, people)
                await settle(tx, people, catalogue, now)
        told += len(people)
        if len(people) < PAGE:
            return told
