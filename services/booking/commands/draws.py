"""Open a round of a draw, enter it, leave it. Each is the work of one transaction under one Idempotency-Key."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.booking.domain.catalogue import Catalogue
from services.booking.domain.draw import commitment_of, contents_of
from services.booking.domain.draw_entry import check_entry, check_wishes
from services.booking.domain.draw_round import DRAW, REQUESTS_MOST, Round, check_slots, check_window
from services.booking.domain.facts import Facts
from services.booking.domain.policy import PartyKind
from services.booking.domain.reason import Reason
from services.booking.domain.request import Book
from services.booking.store.database import Connection
from services.booking.store.draws import (
    DrawRequest,
    add_request,
    add_round,
    count_requests,
    lock_slots,
    read_round,
    read_slots,
    withdraw_request,
)
from services.booking.store.gathering import read_companions
from shared.refusal import Refused

_NO_REFERENCE = ""
"""A request that is only looked at books nothing, so it has no reference yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRound:
    """What a scheduler asks for, or a policy (then nobody opened it); the seed is `SEED_BYTES` of secure chance, told to nobody."""

    id: UUID
    service_id: str
    slot_ids: tuple[UUID, ...]
    opens_at: datetime
    closes_at: datetime
    seed: bytes
    opened_by: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """What an entrant asks for; the salt is `SALT_BYTES` of secure chance, told to the entrant alone."""

    id: UUID
    booking_id: UUID
    round_id: UUID
    account_id: UUID
    person_ids: tuple[UUID, ...]
    party_kind: PartyKind
    declarations: dict[str, str]
    slot_ids: tuple[UUID, ...]
    salt: bytes


async def open_round(tx: Connection, new: NewRound, now: datetime) -> Round:
    """Open a round: from now on nobody books its slots before the draw.

    Raises:
        Refused: `draw_invalid`.
    """
    check_window(new.opens_at, new.closes_at, now)
    check_slots(new.service_id, new.slot_ids, await lock_slots(tx, new.slot_ids), new.closes_at)
    made = Round(
        id=new.id,
        service_id=new.service_id,
        slot_ids=new.slot_ids,
        opens_at=new.opens_at,
        closes_at=new.closes_at,
        seed=new.seed,
        commitment=commitment_of(new.seed),
    )
    await add_round(tx, made, new.opened_by, now)
    return made


async def enter(tx: Connection, new: NewRequest, catalogue: Catalogue, now: datetime) -> DrawRequest:
    """Put a request into a round.

    Raises:
        Refused: `draw_unknown`, `draw_not_open`, `draw_full`; `draw_entered_already` with the first person who is in it;
            `slot_unknown`, and what a booking of this party would be refused for whatever the time.
    """
    found = await gathering_round(tx, new.round_id, now)
    check_wishes(found, new.slot_ids)
    check_entry(_looked_at(new), new.slot_ids, await _facts(tx, new, catalogue, now))
    if await count_requests(tx, found.id) >= REQUESTS_MOST:
        raise Refused(Reason.DRAW_FULL, most=REQUESTS_MOST)
    made = DrawRequest(
        id=new.id,
        round_id=new.round_id,
        account_id=new.account_id,
        person_ids=new.person_ids,
        party_kind=new.party_kind,
        declarations=new.declarations,
        slot_ids=new.slot_ids,
        salt=new.salt,
        contents=contents_of(new.salt, new.person_ids, new.declarations),
        booking_id=new.booking_id,
        created_at=now,
    )
    there_already = await add_request(tx, made)
    for position, person_id in enumerate(new.person_ids):
        if person_id in there_already:
            raise Refused(Reason.DRAW_ENTERED_ALREADY, field=f"/people/{position}")
    return made


async def withdraw(tx: Connection, round_id: UUID, request_id: UUID, account_id: UUID, now: datetime) -> None:
    """Take a request back, as long as the round gathers.

    Raises:
        Refused: `draw_unknown`, `draw_not_open`, `draw_request_unknown`.
    """
    await gathering_round(tx, round_id, now)
    if not await withdraw_request(tx, round_id, request_id, account_id, now):
        raise Refused(Reason.DRAW_REQUEST_UNKNOWN)


async def gathering_round(tx: Connection, round_id: UUID, now: datetime) -> Round:
    """Return a round that takes requests, held so that it is not drawn before the transaction ends.

    It is looked at before it is held: whoever comes late must not stand in the way of the draw.

    Raises:
        Refused: `draw_unknown`, `draw_not_open`.
    """
    await _gathering(tx, round_id, now)
    return await _gathering(tx, round_id, now, lock="shared")


async def _gathering(tx: Connection, round_id: UUID, now: datetime, lock: str | None = None) -> Round:
    found = await read_round(tx, round_id, lock=lock)
    if found is None:
        raise Refused(Reason.DRAW_UNKNOWN)
    found.must_gather(now)
    return found


async def _facts(tx: Connection, new: NewRequest, catalogue: Catalogue, now: datetime) -> Facts:
    slots = await read_slots(tx, new.slot_ids)
    companions = await read_companions(tx, {(new.account_id, person_id) for person_id in new.person_ids})
    return Facts(now=now, catalogue=catalogue, slots={slot.id: slot for slot in slots}, companions=companions)


def _looked_at(new: NewRequest) -> Book:
    return Book(
        actor=DRAW,
        key=None,
        booking_id=new.booking_id,
        reference=_NO_REFERENCE,
        account_id=new.account_id,
        slot_id=new.slot_ids[0],
        party_kind=new.party_kind,
        person_ids=new.person_ids,
        declarations=new.declarations,
        confirm=True,
    )
