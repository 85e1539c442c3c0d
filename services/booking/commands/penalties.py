"""What people do about penalties: residents appeal, staff of the venue decide, annul a strike, or exempt a person.

Each is one transaction that holds the person's ledger, ends with where the person stands now, and leaves on record who did
it, when, and why. What a venue's staff may touch is what happened at their venue.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.booking.commands.strikes import settle
from services.booking.domain.catalogue import Catalogue
from services.booking.domain.penalty import PenaltyState
from services.booking.domain.penalty_news import Penalty
from services.booking.domain.reason import Reason
from services.booking.domain.request import Actor
from services.booking.store.appeals import (
    Appeal,
    Exemption,
    add_appeal,
    add_exemption,
    end_exemption,
    hold_appeal,
    is_saved,
    person_exists,
    write_decision,
)
from services.booking.store.database import Connection
from services.booking.store.penalties import Annulment, add_annulment, lock_people, read_penalty, read_strike
from shared.refusal import Refused


async def appeal(tx: Connection, penalty_id: UUID, made: Appeal) -> Appeal:
    """Say something against a bar that runs; once for each bar. `made` says who, when and in which words.

    Raises:
        Refused: `penalty_unknown`, `not_barred`, `appealed_already`.
    """
    penalty = await _own(tx, penalty_id, made.account_id)
    await lock_people(tx, [penalty.person_id])
    penalty = await _own(tx, penalty_id, made.account_id)
    if penalty.state is not PenaltyState.BARRED or penalty.until is None or penalty.until <= made.made_at:
        raise Refused(Reason.NOT_BARRED)
    assert penalty.imposed_by is not None
    strike = await read_strike(tx, penalty.imposed_by)
    assert strike is not None
    written = replace(made, strike_id=strike.id, venue_id=strike.of)
    if not await add_appeal(tx, written):
        raise Refused(Reason.APPEALED_ALREADY)
    return written


async def decide(tx: Connection, decision: Appeal, actor: Actor, catalogue: Catalogue) -> Appeal:
    """Grant an appeal, which annuls the strike that imposed the bar, or turn it down; `decision` says how, when and why.

    Raises:
        Refused: `appeal_unknown`, also where it is another venue's; `appeal_decided`.
    """
    assert actor.account_id is not None
    assert decision.decided_at is not None
    found = await hold_appeal(tx, decision.id)
    if found is None or not actor.serves(found.venue_id):
        raise Refused(Reason.APPEAL_UNKNOWN)
    if found.granted is not None:
        raise Refused(Reason.APPEAL_DECIDED)
    decided = replace(found, granted=decision.granted, answer=decision.answer, decided_at=decision.decided_at)
    await write_decision(tx, decided, actor.account_id)
    if decided.granted:
        strike = await read_strike(tx, found.strike_id)
        assert strike is not None
        await lock_people(tx, [strike.person_id])
        await add_annulment(tx, _annulment(strike.id, "appeal", actor, decided.answer or "", decision.decided_at))
        await settle(tx, [strike.person_id], catalogue, decision.decided_at)
    return decided


async def annul(tx: Connection, strike_id: UUID, actor: Actor, reason: str, world: tuple[Catalogue, datetime]) -> None:
    """Make a strike not count.

    Raises:
        Refused: `strike_unknown`, also where it is another venue's; `strike_annulled`.
    """
    catalogue, now = world
    strike = await read_strike(tx, strike_id)
    if strike is None or not actor.serves(strike.of):
        raise Refused(Reason.STRIKE_UNKNOWN)
    await lock_people(tx, [strike.person_id])
    if not await add_annulment(tx, _annulment(strike.id, "staff", actor, reason, now)):
        raise Refused(Reason.STRIKE_ANNULLED)
    await settle(tx, [strike.person_id], catalogue, now)


async def exempt(tx: Connection, exemption: Exemption, made_by: UUID, catalogue: Catalogue) -> None:
    """Let nothing that a person does at a venue count, until it is ended.

    Raises:
        Refused: `person_unknown`, `exempt_already`.
    """
    if not await person_exists(tx, exemption.person_id):
        raise Refused(Reason.PERSON_UNKNOWN, field="/person_id")
    await lock_people(tx, [exemption.person_id])
    if not await add_exemption(tx, exemption, made_by):
        raise Refused(Reason.EXEMPT_ALREADY)
    await settle(tx, [exemption.person_id], catalogue, exemption.made_at)


async def exempt_no_longer(
    tx: Connection, venue_id: str, exemption_id: UUID, ended_by: UUID, world: tuple[Catalogue, datetime]
) -> None:
    """End an exemption: what happened until now stays uncounted.

    Raises:
        Refused: `exemption_unknown`.
    """
    catalogue, now = world
    person_id = await end_exemption(tx, venue_id, exemption_id, ended_by, now)
    if person_id is None:
        raise Refused(Reason.EXEMPTION_UNKNOWN)
    await lock_people(tx, [person_id])
    await settle(tx, [person_id], catalogue, now)


async def _own(tx: Connection, penalty_id: UUID, account_id: UUID) -> Penalty:
    penalty = await read_penalty(tx, penalty_id)
    if penalty is None or not await is_saved(tx, account_id, penalty.person_id):
        raise Refused(Reason.PENALTY_UNKNOWN)
    return penalty


def _annulment(strike_id: UUID, cause: str, actor: Actor, reason: str, now: datetime) -> Annulment:
    return Annulment(
        strike_id=strike_id, cause=cause, at=now, actor_id=actor.account_id, actor_role=actor.role, reason=reason
    )
