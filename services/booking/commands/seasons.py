"""Open a round for a season, ask in it, decide hour by hour, commit. Each is one transaction that holds the round."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from services.booking.domain.catalogue import Catalogue
from services.booking.domain.policy import PartyKind, SeatUnit
from services.booking.domain.reason import Reason
from services.booking.domain.request import Actor
from services.booking.domain.schedule import slots_of
from services.booking.domain.season import (
    Fate,
    Hour,
    Occurrence,
    Ruling,
    SeasonRound,
    Step,
    asked_for,
    at_commitment,
    check_round,
    check_series,
    must_have_room,
    ruled,
)
from services.booking.domain.season_news import season_event
from services.booking.domain.zone import local_day
from services.booking.store.appeals import is_saved
from services.booking.store.database import Connection
from services.booking.store.events import add_event
from services.booking.store.penalties import contacts_of
from services.booking.store.plans import read_plans
from services.booking.store.seasons import (
    SeasonRequest,
    add_request,
    add_round,
    count_given,
    occurrences_of_round,
    read_round,
    write_commitment,
    write_ruling,
)
from shared.ids import new_id
from shared.refusal import Refused

REQUESTS_MOST = 20
"""Of one account in one round."""


@dataclass(frozen=True, slots=True)
class By:
    """Who decides, and when."""

    actor: Actor
    account_id: UUID
    now: datetime


async def open_round(tx: Connection, wanted: SeasonRound, by: By, catalogue: Catalogue) -> SeasonRound:
    """Open a round over courts of one venue, where the party shares one place and one person can answer for it.

    Raises:
        Refused: `service_unknown`, `not_allowed`, `season_round_invalid`.
    """
    for position, service_id in enumerate(wanted.service_ids):
        service = catalogue.services.get(service_id)
        if service is None:
            raise Refused(Reason.SERVICE_UNKNOWN, field=f"/services/{position}")
        if not by.actor.serves(service.venue_id):
            raise Refused(Reason.NOT_ALLOWED)
        policy = catalogue.policies[service.policy_id]
        takes_clubs = policy.seat_unit is SeatUnit.PARTY and PartyKind.ONE_PERSON in policy.parties
        if service.venue_id != wanted.venue_id or not takes_clubs or policy.declarations:
            raise Refused(Reason.SEASON_ROUND_INVALID, field=f"/services/{position}", why="season_court")
    check_round(wanted, by.now)
    await add_round(tx, wanted, by.account_id, by.now)
    return wanted


async def ask(tx: Connection, made: SeasonRequest, now: datetime) -> list[Occurrence]:
    """Put a club's series into a round, taken apart into occurrences; those the plan has no time for are rejected at once.

    Raises:
        Refused: `season_round_unknown`, `season_round_not_open`, `season_request_invalid`, `person_unknown`,
            `limit_reached`, `no_official_calendar`.
    """
    found = await _held(tx, made.round_id)
    found.must_gather(now)
    if not await is_saved(tx, made.account_id, made.person_id):
        raise Refused(Reason.PERSON_UNKNOWN, field="/person_id")
    starts = check_series(made.series, found)
    mine = {one.request_id for one in await occurrences_of_round(tx, found.id, made.account_id)}
    if len(mine) >= REQUESTS_MOST:
        raise Refused(Reason.SEASON_REQUEST_INVALID, why="too_many")
    places = await _planned(tx, [made.series.service_id], made.series.first, made.series.last)
    hours = [(made.series.service_id, starts_at) for starts_at in starts]
    occurrences = [asked_for(hour, made.id, made.account_id, new_id, is_planned=hour in places) for hour in hours]
    await add_request(tx, made, occurrences)
    return occurrences


async def rule(tx: Connection, round_id: UUID, rulings: Mapping[UUID, Ruling], by: By) -> list[Occurrence]:
    """Decide occurrences as the venue's staff, in the order given, all or none.

    Raises:
        Refused: `season_round_unknown`, `season_round_not_open`, `occurrence_unknown`, `occurrence_fixed`;
            `occurrence_taken` where an hour has no place left, or the plan no such hour.
    """
    found = await _held(tx, round_id)
    if not by.actor.serves(found.venue_id):
        raise Refused(Reason.NOT_ALLOWED)
    found.must_be_closed(by.now)
    occurrences = {one.id: one for one in await occurrences_of_round(tx, round_id)}
    done = []
    for position, (occurrence_id, ruling) in enumerate(rulings.items()):
        before = occurrences.get(occurrence_id)
        if before is None:
            raise Refused(Reason.OCCURRENCE_UNKNOWN, field=f"/decisions/{position}")
        after = ruled(before, ruling, by.now)
        await _has_room(tx, found, after, f"/decisions/{position}")
        await write_ruling(tx, after, by.account_id, by.now)
        done.append(after)
    return done


async def reply(tx: Connection, round_id: UUID, occurrence_id: UUID, step: Step, by: By) -> Occurrence:
    """Agree to what was proposed, decline it, or withdraw an occurrence, as the club that asked.

    Raises:
        Refused: `season_round_unknown`, `occurrence_unknown`, `occurrence_fixed`, `occurrence_taken`.
    """
    found = await _held(tx, round_id)
    mine = {one.id: one for one in await occurrences_of_round(tx, round_id, by.account_id)}
    before = mine.get(occurrence_id)
    if before is None:
        raise Refused(Reason.OCCURRENCE_UNKNOWN)
    after = ruled(before, Ruling(step=step, reason="proposal_declined" if step is Step.DECLINE else None), by.now)
    await _has_room(tx, found, after, None)
    await write_ruling(tx, after, by.account_id, by.now)
    return after


async def commit(tx: Connection, round_id: UUID, by: By, catalogue: Catalogue) -> SeasonRound:
    """Commit a round: what is accepted is booked from now on; what nobody decided is rejected, and says so.

    Each club is told, once, what it was given of each series, and what not.

    Raises:
        Refused: `season_round_unknown`, `season_round_not_open`.
    """
    found = await _held(tx, round_id)
    if not by.actor.serves(found.venue_id):
        raise Refused(Reason.NOT_ALLOWED)
    found.must_be_closed(by.now)
    if found.committed_at is not None:
        return found
    decided: dict[UUID, list[Occurrence]] = {}
    for one in await occurrences_of_round(tx, round_id):
        after = at_commitment(one)
        if after is not one:
            await write_ruling(tx, after, by.account_id, by.now)
        decided.setdefault(one.request_id, []).append(after)
    await write_commitment(tx, round_id, by.account_id, by.now)
    await _tell(tx, decided.values(), by.now, catalogue)
    return replace(found, committed_at=by.now)


async def _tell(tx: Connection, decided: Iterable[Sequence[Occurrence]], now: datetime, catalogue: Catalogue) -> None:
    """Write the news of every series; one that was withdrawn whole is none."""
    told = [hours for hours in decided if any(one.fate is not Fate.WITHDRAWN for one in hours)]
    contacts = await contacts_of(tx, {hours[0].account_id for hours in told}) if told else {}
    for hours in told:
        in_time = sorted(hours, key=lambda one: one.asked_starts_at)
        service = catalogue.services[hours[0].asked_service_id]
        await add_event(tx, season_event(in_time, service, contacts.get(hours[0].account_id), now, new_id()))


async def _held(tx: Connection, round_id: UUID) -> SeasonRound:
    found = await read_round(tx, round_id, hold=True)
    if found is None:
        raise Refused(Reason.SEASON_ROUND_UNKNOWN)
    return found


async def _has_room(tx: Connection, of_round: SeasonRound, after: Occurrence, field: str | None) -> None:
    """Refuse an hour that is given or proposed where the plan has none, and one that is given and has no place left."""
    if after.fate not in {Fate.ACCEPTED, Fate.PROPOSED}:
        return
    service_id, starts_at = after.hour
    day = local_day(starts_at)
    places = await _planned(tx, [service_id], day, day) if service_id in of_round.service_ids else {}
    must_have_room(after, places.get(after.hour, 0), await count_given(tx, after.hour, after.id), field)


async def _planned(tx: Connection, service_ids: Iterable[str], first: date, last: date) -> dict[Hour, int]:
    """Return the hours that the plans in force have, with their places."""
    plans = await read_plans(tx, list(service_ids))
    return {
        (service_id, slot.starts_at): slot.capacity
        for service_id, published in plans.items()
        for slot in slots_of(published.plan, first, last)
    }
