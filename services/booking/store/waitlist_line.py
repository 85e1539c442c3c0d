"""The line in its rows, as the desk serves it: who comes next for a slot, and what a batch did to the line.

The law of this file: entries are locked after slots and after the people of the batch, in id order. The people of entries are
locked last and never waited for: an entry of which another process has somebody at this moment is `busy`. So nobody waits
in a circle, and nobody is passed over because of a lock.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from services.booking.domain.waitlist import LOOK_AGAIN, Line
from services.booking.domain.waitlist_entry import MISSED_MOST, EntryState, OfferOutcome
from services.booking.domain.zone import VENUE_ZONE
from services.booking.store.database import Connection
from services.booking.store.gathering import ONLINE_FREE, RELEASED_LATER

CANDIDATES_MOST = 100
"""Entries that are looked at for one slot in one batch; whoever stands behind them is reached by the sweep."""

_LOCAL = f"timezone('{VENUE_ZONE.key}', s.starts_at)"
LOCAL_TIME = (
    f"CROSS JOIN LATERAL (SELECT CAST({_LOCAL} AS date) AS day,"  # noqa: S608 - constants
    f" CAST(extract(isodow FROM {_LOCAL}) AS smallint) AS weekday,"
    f" CAST({_LOCAL} AS time) AS clock OFFSET 0) here"
)
"""What the venue's calendar and clock show when a slot `s` begins: worked out once for a slot, not for each who waits."""

COVERS = (
    "here.day BETWEEN e.first_day AND e.last_day AND here.weekday = ANY(e.weekdays)"
    " AND here.clock BETWEEN e.since AND e.until"
)
"""The same as `Band.covers`, for an entry `e` and the `here` of a slot."""

NOT_ANSWERED_BEFORE = (
    "NOT EXISTS (SELECT FROM waitlist_offers o WHERE o.entry_id = e.id AND o.slot_id = s.id"
    " AND o.outcome IN ('declined', 'lapsed'))"
)

_RETURNS = (
    f"e.state = 'offered' AND e.missed + 1 < {MISSED_MOST} AND EXISTS (SELECT FROM waitlist_offers o"
    " WHERE o.entry_id = e.id AND o.outcome IS NULL AND o.slot_id <> s.id"
    " AND o.booking_id = ANY(CAST(:ran_out AS uuid[])))"
)
"""Whose offer has run out waits again from that instant, whether or not that is written down: for every other time."""

_CANDIDATES = text(
    f"""
    SELECT s.id AS slot_id, next.entry_id, next.returns
    FROM unnest(CAST(:slot_ids AS uuid[]), CAST(:afters AS bigint[])) AS asked(slot_id, after)
    JOIN slots s ON s.id = asked.slot_id {LOCAL_TIME}
    CROSS JOIN LATERAL (
        SELECT e.id AS entry_id, e.number, e.state = 'offered' AS returns
        FROM waitlist_wishes w JOIN waitlist_entries e ON e.id = w.entry_id
        WHERE w.service_id = s.service_id AND (e.state = 'waiting' OR {_RETURNS}) AND {COVERS} AND {NOT_ANSWERED_BEFORE}
            AND w.number > least(asked.after, (
                SELECT min(c.number) - 1 FROM waitlist_entries c
                WHERE c.collecting_slot = s.id AND c.collecting_until > :now AND c.state = 'waiting'
            ))
        ORDER BY w.number LIMIT {CANDIDATES_MOST}
    ) next
    ORDER BY s.id, next.number
    """  # noqa: S608 - constants
)
"""Nobody behind a party for which seats are collected is reached without it."""

ENTRY_COLUMNS = (
    "id, kind, number, account_id, service_ids, first_day, last_day, weekdays, since, until, party_kind, person_ids,"
    " declarations, places, joined_at, over_at, state, passed_over, missed, collecting_slot, collecting_until, ended_at,"
    " ended_because"
)
_LOCK_ENTRIES = text(
    f"SELECT {ENTRY_COLUMNS} FROM waitlist_entries WHERE id = ANY(ARRAY(SELECT unnest(CAST(:ids AS uuid[]))"  # noqa: S608
    " UNION SELECT entry_id FROM waitlist_offers WHERE booking_id = ANY(CAST(:offer_ids AS uuid[]))))"
    " ORDER BY id FOR NO KEY UPDATE"
)
"""Those whose offers this batch may end among them: they are written to, so they are locked in the same order."""

_LOCK_PEOPLE = text(
    "SELECT id FROM persons WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"
)

_ADD_OFFERS = text(
    "WITH given AS (SELECT * FROM unnest(CAST(:booking_ids AS uuid[]), CAST(:entry_ids AS uuid[]), CAST(:slot_ids AS uuid[]),"
    " CAST(:untils AS timestamptz[])) AS given(booking_id, entry_id, slot_id, until)),"
    " made AS (INSERT INTO waitlist_offers (booking_id, entry_id, slot_id, made_at, until)"
    " SELECT booking_id, entry_id, slot_id, CAST(:now AS timestamptz), until FROM given)"
    " UPDATE waitlist_entries e SET state = 'offered', collecting_slot = NULL, collecting_until = NULL,"
    " passed_over = 0 FROM given WHERE e.id = given.entry_id"
)
_SETTLE = text(
    f"""
    WITH ended AS (
        UPDATE waitlist_offers o SET outcome = given.outcome, ended_at = :now
        FROM unnest(CAST(:booking_ids AS uuid[]), CAST(:outcomes AS text[])) AS given(booking_id, outcome)
        WHERE o.booking_id = given.booking_id AND o.outcome IS NULL RETURNING o.entry_id, o.outcome
    ),
    became AS (
        SELECT e.id, CAST(ended.outcome = 'lapsed' AS integer) AS missed,
            CASE WHEN ended.outcome = 'accepted' THEN 'served'
                WHEN ended.outcome = 'lapsed' AND e.missed + 1 >= {MISSED_MOST} THEN 'ended'
                ELSE 'waiting' END AS state
        FROM ended JOIN waitlist_entries e ON e.id = ended.entry_id WHERE e.state = 'offered'
    )
    UPDATE waitlist_entries e
    SET state = became.state, missed = e.missed + became.missed,
        ended_at = CASE WHEN became.state <> 'waiting' THEN CAST(:now AS timestamptz) END,
        ended_because = CASE WHEN became.state = 'ended' THEN 'unanswered' END
    FROM became WHERE e.id = became.id
    RETURNING e.id, e.state
    """  # noqa: S608 - constants
)
_LEAVE_LINE = text(
    "WITH wishes AS (DELETE FROM waitlist_wishes WHERE entry_id = ANY(CAST(:ids AS uuid[])))"
    " DELETE FROM waitlist_people WHERE entry_id = ANY(CAST(:ids AS uuid[]))"
)
_SKIP = text(
    "INSERT INTO waitlist_skips (entry_id, slot_id, reason, first_at, last_at)"
    " SELECT entry_id, slot_id, reason, :now, :now"
    " FROM unnest(CAST(:entry_ids AS uuid[]), CAST(:slot_ids AS uuid[]), CAST(:reasons AS text[]))"
    " AS given(entry_id, slot_id, reason)"
    " ON CONFLICT (entry_id, slot_id, reason) DO UPDATE SET last_at = :now, times = waitlist_skips.times + 1"
)
_COUNT = text(
    "UPDATE waitlist_entries e SET passed_over = given.passed_over"
    " FROM unnest(CAST(:ids AS uuid[]), CAST(:passed_over AS integer[])) AS given(id, passed_over) WHERE e.id = given.id"
)
_COLLECT = text(
    "UPDATE waitlist_entries e SET collecting_slot = given.slot_id, collecting_until = given.until"
    " FROM unnest(CAST(:ids AS uuid[]), CAST(:slot_ids AS uuid[]), CAST(:untils AS timestamptz[]))"
    " AS given(id, slot_id, until) WHERE e.id = given.id AND e.state = 'waiting'"
)

_TO_SERVE = text(
    f"""
    SELECT s.id AS slot_id, first.number - 1 AS after
    FROM slots s {LOCAL_TIME} CROSS JOIN LATERAL (
        SELECT w.number FROM waitlist_wishes w JOIN waitlist_entries e ON e.id = w.entry_id
        WHERE w.service_id = s.service_id AND e.state = 'waiting' AND {COVERS} AND {NOT_ANSWERED_BEFORE}
            AND NOT EXISTS (
                SELECT FROM waitlist_skips k WHERE k.entry_id = e.id AND k.slot_id = s.id AND k.last_at > :again
            )
        ORDER BY w.number LIMIT 1
    ) first
    WHERE s.service_id = ANY(CAST(:service_ids AS text[])) AND s.starts_at > :now AND s.is_open
        AND s.drawn_in IS NULL AND s.bookable_from <= :now AND s.bookable_until > :now
        AND (s.later IS NULL OR {ONLINE_FREE} > {RELEASED_LATER})
    LIMIT :limit
    """  # noqa: S608 - constants
)
_WAITED_SERVICES = text(
    "SELECT DISTINCT service_id FROM waitlist_wishes WHERE service_id > :after ORDER BY service_id LIMIT :limit"
)
_KEPT_FOR_NOBODY = text(
    "SELECT DISTINCT collecting_slot FROM waitlist_entries"
    " WHERE collecting_slot IS NOT NULL AND state <> 'waiting' LIMIT :limit"
)
_FORGET_KEPT = text(
    "UPDATE waitlist_entries SET collecting_slot = NULL, collecting_until = NULL"
    " WHERE collecting_slot = ANY(CAST(:slot_ids AS uuid[])) AND state <> 'waiting'"
)


@dataclass(frozen=True, slots=True)
class Offers:
    """The offers of a batch, by their bookings: all that are gathered, whose entries are locked; and those that ran out."""

    gathered: Collection[UUID] = ()
    ran_out: Collection[UUID] = ()


async def read_candidates(
    tx: Connection, after: Mapping[UUID, int], offers: Offers, now: datetime
) -> tuple[dict[UUID, list[UUID]], dict[UUID, Row[Any]]]:
    """Return the line of each of these slots (which are locked), behind a number; and the entries in it, now locked."""
    line: dict[UUID, list[UUID]] = {slot_id: [] for slot_id in after}
    state_of: dict[UUID, EntryState] = {}
    binds = {"slot_ids": list(after), "afters": list(after.values()), "now": now, "ran_out": list(offers.ran_out)}
    for slot_id, entry_id, returns in await tx.execute(_CANDIDATES, binds):
        line[slot_id].append(entry_id)
        state_of[entry_id] = EntryState.OFFERED if returns else EntryState.WAITING
    locked = {"ids": list({one for entries in line.values() for one in entries}), "offer_ids": list(offers.gathered)}
    entries = {row.id: row for row in await tx.execute(_LOCK_ENTRIES, locked)}
    return line, {entry_id: row for entry_id, row in entries.items() if row.state == state_of.get(entry_id)}


async def lock_people(tx: Connection, person_ids: Collection[UUID]) -> frozenset[UUID]:
    """Lock whoever of these no other process has at this moment; return them."""
    if not person_ids:
        return frozenset()
    return frozenset((await tx.execute(_LOCK_PEOPLE, {"ids": sorted(person_ids)})).scalars())


async def keep_line(tx: Connection, line: Line, now: datetime) -> None:
    """Write down what a batch did to the line."""
    if line.settled:
        await _settle(tx, line.settled, now)
    if line.passed_over:
        await tx.execute(_COUNT, {"ids": list(line.passed_over), "passed_over": list(line.passed_over.values())})
    if line.collecting:
        collecting = list(line.collecting.values())
        await tx.execute(
            _COLLECT,
            {
                "ids": list(line.collecting),
                "slot_ids": [None if one is None else one.slot_id for one in collecting],
                "untils": [None if one is None else one.until for one in collecting],
            },
        )
    if line.offered:
        offered = list(line.offered.values())
        await tx.execute(
            _ADD_OFFERS,
            {
                "booking_ids": [one.booking_id for one in offered],
                "entry_ids": [one.entry_id for one in offered],
                "slot_ids": [one.slot_id for one in offered],
                "untils": [one.until for one in offered],
                "now": now,
            },
        )
    if line.skipped:
        skipped = list(line.skipped.values())
        await tx.execute(
            _SKIP,
            {
                "entry_ids": [one.entry_id for one in skipped],
                "slot_ids": [one.slot_id for one in skipped],
                "reasons": [one.reason for one in skipped],
                "now": now,
            },
        )


async def leave_line(tx: Connection, entry_ids: Sequence[UUID]) -> None:
    """Take entries that are over out of every line, and give their people back."""
    await tx.execute(_LEAVE_LINE, {"ids": list(entry_ids)})


async def services_waited_for(connection: Connection, after: str, limit: int) -> list[str]:
    """Return services that somebody waits for, in order, from behind the one called `after`."""
    return list((await connection.execute(_WAITED_SERVICES, {"after": after, "limit": limit})).scalars())


async def slots_to_serve(
    connection: Connection, service_ids: Sequence[str], now: datetime, limit: int
) -> dict[UUID, int]:
    """Return slots of services that may have seats for somebody who waits, and behind which number to begin.

    Whoever was passed over for a slot a moment ago is not looked at again before the next one.
    """
    asked = {"service_ids": list(service_ids), "now": now, "again": now - LOOK_AGAIN, "limit": limit}
    return {row.slot_id: row.after for row in await connection.execute(_TO_SERVE, asked)}


async def slots_kept_for_nobody(connection: Connection, limit: int) -> list[UUID]:
    """Return slots in which seats were collected for an entry that does not wait any more."""
    return list((await connection.execute(_KEPT_FOR_NOBODY, {"limit": limit})).scalars())


async def forget_kept(tx: Connection, slot_ids: Sequence[UUID]) -> None:
    """Write down that nothing is kept in these slots for entries that do not wait any more."""
    await tx.execute(_FORGET_KEPT, {"slot_ids": list(slot_ids)})


async def _settle(tx: Connection, settled: Sequence[tuple[UUID, OfferOutcome]], now: datetime) -> None:
    binds = {
        "booking_ids": [booking_id for booking_id, _ in settled],
        "outcomes": [outcome.value for _, outcome in settled],
        "now": now,
    }
    over = [row.id for row in await tx.execute(_SETTLE, binds) if row.state != EntryState.WAITING]
    if over:
        await leave_line(tx, over)
