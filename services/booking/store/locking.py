"""Locks: what a batch may change is locked before anything is read that depends on it.

The law: slots are locked first, in id order; then people, in id order; and only then is anything read that depends on
them, in a later statement (`store.gathering`). So no two processes can wait for each other in a circle.

A slot's lock guards its places: all changes of a booking go through the locks of all its slots, bookings themselves need
none. A booking that is moved goes through the locks of its old slots and its new ones.

A person's lock guards what is counted over slots: clashes and limits. Nobody takes a place for a person, by a booking or
by a move, without it; without it two processes would book one person into two slots at one time, each under the lock of
its own slot. Only giving a place back (a hold that runs out) does without: it makes room and takes none.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.booking.domain.request import Key
from services.booking.store.courses import slots_of_itineraries_run_out
from services.booking.store.database import Call
from shared.db import Prepared, array_literal, prepared

_TOUCHED = (
    "ARRAY(SELECT unnest(CAST(:slot_ids AS uuid[]))"  # noqa: S608 - constants
    " UNION SELECT slot_id FROM claims WHERE booking_id = ANY(CAST(:booking_ids AS uuid[])) AND position >= 0"
    f" UNION {slots_of_itineraries_run_out('CAST(:slot_ids AS uuid[])')})"
)
_SLOTS = f"SELECT id FROM slots WHERE id = ANY({_TOUCHED}) ORDER BY id"  # noqa: S608 - constants
_PEOPLE = (
    "SELECT id FROM persons WHERE id = ANY(ARRAY(SELECT unnest(CAST(:person_ids AS uuid[]))"
    " UNION SELECT person_id FROM claims WHERE booking_id = ANY(CAST(:booking_ids AS uuid[]))))"
    # a condition on all of the slots holds back the first person until the last slot is locked
    " AND (SELECT count(*) FROM slot) > 0 ORDER BY id"
)
_REMEMBER = "set_config('yuyue.locked', coalesce((SELECT CAST(array_agg(id) AS text) FROM slot), '{}'), true)"
LOCKED: Final = "CAST(current_setting('yuyue.locked') AS uuid[])"
"""Which slots are locked is kept with the transaction: whatever reads them later reads these, and no others."""

Lock = Prepared
"""A statement that locks, and leaves with the transaction which slots it locked."""

LOCK: Final[Lock] = prepared(
    f"WITH slot AS MATERIALIZED ({_SLOTS} FOR NO KEY UPDATE), person AS MATERIALIZED ({_PEOPLE} FOR NO KEY UPDATE)"  # noqa: S608 - constants
    f" SELECT {_REMEMBER} WHERE (SELECT count(*) FROM person) >= 0"
)
"""Rows are locked, not numbers (`pg_advisory_xact_lock`): of those PostgreSQL holds so many and no more."""

LOCK_SLOTS_ALONE = prepared(f"WITH slot AS MATERIALIZED ({_SLOTS} FOR NO KEY UPDATE) SELECT {_REMEMBER}")
LOCK_NOTHING = prepared(f"WITH slot AS MATERIALIZED ({_SLOTS}) SELECT {_REMEMBER}")
"""Only for the controls of the race tests: they show what happens when a lock is taken out."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a batch names: slots to claim, bookings to alter, the people whom accounts want to bring, idempotency keys.

    `moving_ids` are those of the bookings to alter whose people take new places: what else they have is asked, too.
    """

    slot_ids: Collection[UUID]
    booking_ids: Collection[UUID]
    people: Collection[tuple[UUID, UUID]]
    now: datetime
    moving_ids: Collection[UUID] = ()
    keys: Sequence[Key] = ()


def locking(wanted: Wanted, lock: Lock = LOCK) -> Call:
    """Return what locks whatever `wanted` names: its slots and those of the bookings, then all the people, each in id order."""
    return lock, {
        "slot_ids": array_literal(list(wanted.slot_ids)),
        "booking_ids": array_literal(list(wanted.booking_ids)),
        "person_ids": array_literal([person_id for _, person_id in wanted.people]),
        "now": wanted.now,
    }
