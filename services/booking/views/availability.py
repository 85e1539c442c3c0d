"""What is free, read without a lock: the short road from the slots' rows to a list.

The law of this file: what is shown is what the desk would find. So a hold that has run out takes no place from the
instant it does, whether or not anybody has swept it up: its seats are given back here as the desk gives them back before
it decides. Whether a time can be had is not said here but by `domain.slot.why_not`, the rule that claiming asks too.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.booking.domain.cooling import cool_off
from services.booking.domain.plan import Charge, Plan
from services.booking.domain.slot import Slot
from services.booking.domain.zone import VENUE_ZONE, local_day
from services.booking.store.gathering import ONLINE_FREE, SLOT_COLUMNS, WARM, slot_of
from services.booking.store.plans import plan_of
from shared.contracts import Words

MOST_RAN_OUT: Final = 5000
"""Holds that have run out and that nobody has swept up yet, counted in one answer: sweeping takes a second."""

ZONE = f"'{VENUE_ZONE.key}'"
_RAN_OUT = (
    "ran_out AS MATERIALIZED (SELECT c.slot_id, sum(c.seats) AS seats,"  # noqa: S608 - constants
    " sum(c.seats) FILTER (WHERE b.channel = 'counter') AS counter,"
    " bool_or(jsonb_typeof(p.document -> 'cooling') = 'object'"
    "  OR EXISTS (SELECT FROM waitlist_wishes w WHERE w.service_id = c.service_id)) AS cools"
    " FROM (SELECT id, channel FROM bookings WHERE state = 'held' AND hold_until <= :now"
    f" AND ({{services}} OR itinerary_id IS NOT NULL) ORDER BY hold_until DESC LIMIT {MOST_RAN_OUT}) b"
    " JOIN claims c ON c.booking_id = b.id AND c.live AND c.{services}"
    " JOIN services v ON v.id = c.service_id JOIN policies p ON p.id = v.policy_id GROUP BY c.slot_id)"
)
_OF_SERVICE = _RAN_OUT.format(services="service_id = :service_id")
OF_SERVICES = _RAN_OUT.format(services="service_id = ANY(CAST(:service_ids AS text[]))")
"""The seats that holds which have run out by `:now` no longer take, by slot; read once, not for each slot."""

_NOT_YET: Final = datetime.max.replace(tzinfo=UTC)
"""When seats come back that have not been told their instant."""

GIVING_BACK = "slots s LEFT JOIN ran_out ON ran_out.slot_id = s.id"

FREE_NOW = (
    "drawn_in IS NULL AND starts_at > :now AND bookable_from <= :now AND bookable_until > :now"
    f" AND {ONLINE_FREE} >= :places AND {WARM.format(places=':places')}"
)
"""A sieve that keeps whatever `why_not` may let pass online, so that not every row is carried over to be asked."""

COLUMNS = f"{SLOT_COLUMNS}, ran_out.seats AS given_back, ran_out.counter AS given_back_counter, ran_out.cools"

BOUNDS = text(
    "SELECT CAST(plan.document ->> 'valid_until' AS date) AS published_until,"
    " CASE WHEN jsonb_array_length(plan.document -> 'closures') > 0 THEN plan.document END AS closing,"
    " (SELECT max(starts_at) FROM slots WHERE service_id = :service_id AND starts_at > :now) AS last"
    " FROM (SELECT 1) AS always LEFT JOIN LATERAL"
    " (SELECT document FROM plans WHERE service_id = :service_id ORDER BY version DESC LIMIT 1) plan ON true"
)
DAYS = text(
    f"WITH RECURSIVE {_OF_SERVICE}, days(n, day) AS ("  # noqa: S608 - constants
    f" (SELECT 1, CAST(timezone({ZONE}, starts_at) AS date) FROM slots WHERE service_id = :service_id"
    "  AND starts_at >= :since AND starts_at > :now ORDER BY starts_at LIMIT 1)"
    " UNION ALL"
    f" SELECT n + 1, (SELECT CAST(timezone({ZONE}, f.starts_at) AS date) FROM slots f WHERE f.service_id = :service_id"
    f"  AND f.starts_at >= timezone({ZONE}, CAST(day + 1 AS timestamp)) ORDER BY f.starts_at LIMIT 1)"
    "  FROM days WHERE n < :dates AND day IS NOT NULL)"
    f" SELECT {COLUMNS}, charge, label, closed AS closed_words FROM {GIVING_BACK}"
    " WHERE s.service_id = :service_id"
    f" AND s.starts_at >= (SELECT timezone({ZONE}, CAST(min(day) AS timestamp)) FROM days)"
    f" AND s.starts_at < (SELECT timezone({ZONE}, CAST(max(day) + 1 AS timestamp)) FROM days)"
    " ORDER BY s.starts_at"
)
FIRST_FREE = text(
    f"WITH {_OF_SERVICE} SELECT {COLUMNS} FROM {GIVING_BACK} WHERE s.id IN ("  # noqa: S608 - constants
    f" (SELECT id FROM slots WHERE service_id = :service_id AND is_open AND starts_at >= :since AND {FREE_NOW}"
    "   ORDER BY starts_at LIMIT 1)"
    " UNION ALL"
    "  (SELECT slot_id FROM ran_out))"
    " AND s.starts_at >= :since ORDER BY s.starts_at"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotSeen:
    """A slot with the words that stand beside it. `closed` is the closure's reason, where one stops new bookings."""

    slot: Slot
    charge: Charge
    label: Words | None
    closed: Words | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How far a service's hours reach: the plan's last day, the day of the last slot to come; None where there is none.

    `closing` is the plan in force where it has closures: times that were closed before their slots were opened have no
    row, and are told from it.
    """

    published_until: date | None
    listed_until: date | None
    closing: Plan | None


async def read_bounds(connection: AsyncConnection, service_id: str, now: datetime) -> Bounds:
    """Return how far a service's hours reach."""
    row = (await connection.execute(BOUNDS, {"service_id": service_id, "now": now})).one()
    return Bounds(
        published_until=row.published_until,
        listed_until=None if row.last is None else local_day(row.last),
        closing=None if row.closing is None else plan_of(row.closing),
    )


async def read_days(
    connection: AsyncConnection, service_id: str, since: datetime, dates: int, now: datetime
) -> list[SlotSeen]:
    """Return the slots of the first `dates` days on which one starts at or after `since` and after `now`, in order.

    Each day is whole: times that are past stand among the others.
    """
    rows = await connection.execute(DAYS, {"service_id": service_id, "since": since, "dates": dates, "now": now})
    return [
        SlotSeen(
            slot=slot_as_of(row, now),
            charge=Charge(row.charge),
            label=_words(row.label),
            closed=_words(row.closed_words),
        )
        for row in rows
    ]


async def read_free(
    connection: AsyncConnection, service_id: str, since: datetime, places: int, now: datetime
) -> list[Slot]:
    """Return slots from `since` on, in order of time, among which the first with `places` free online is.

    They are the first such one by its row, and all that have holds which ran out: ask the rule about each.
    """
    asked = {"service_id": service_id, "since": since, "places": places, "now": now}
    return [slot_as_of(row, now) for row in await connection.execute(FIRST_FREE, asked)]


def slot_as_of(row: Row[Any], now: datetime) -> Slot:
    """Make a slot of a row that has `COLUMNS`, with the seats of holds that ran out given back.

    Where they will cool off once the desk gives them back, or somebody waits who is asked first, they do so already.
    """
    slot = slot_of(row)
    if not row.given_back:
        return slot
    given_back = replace(
        slot, taken=slot.taken - row.given_back, taken_counter=slot.taken_counter - (row.given_back_counter or 0)
    )
    return cool_off(slot, given_back, now, _NOT_YET) if row.cools else given_back


def _words(document: dict[str, str] | None) -> Words | None:
    return None if document is None else Words(document["zh"], document["en"])


# -- the search over services ---------------------------------------------------------------------------------------

_OF_PAGE = (
    "kind = :kind AND district_id = ANY(CAST(:district_ids AS text[])) AND service_id = ANY(CAST(:service_ids AS text[]))"
    " AND starts_at >= :since AND starts_at < :until"
)
FREE_DAYS = text(
    f"WITH {OF_SERVICES} SELECT {COLUMNS} FROM {GIVING_BACK} WHERE s.id IN ("  # noqa: S608 - constants
    # the first of each service and day is one look into the index, however many times a day has
    " (SELECT first.id FROM unnest(CAST(:service_ids AS text[])) AS asked(service_id)"
    "   CROSS JOIN generate_series(CAST(:since AS timestamptz), CAST(:until AS timestamptz) - interval '1 hour',"
    "   interval '24 hours') AS midnight CROSS JOIN LATERAL (SELECT id FROM slots WHERE service_id = asked.service_id"
    "   AND starts_at >= midnight AND starts_at < midnight + interval '24 hours' AND is_open"
    f"  AND {FREE_NOW} ORDER BY starts_at LIMIT 1) first)"
    " UNION ALL"
    "  (SELECT slot_id FROM ran_out))"
    " AND s.starts_at >= :since AND s.starts_at < :until ORDER BY s.starts_at"
)
OBSTACLES = text(
    "SELECT DISTINCT ON (service_id, closed IS NOT NULL, drawn_in IS NOT NULL, cooling IS NULL, later IS NULL, bookable_from > :now, bookable_until <= :now)"  # noqa: S608
    f" {SLOT_COLUMNS} FROM slots WHERE {_OF_PAGE} AND starts_at > :now"
    " ORDER BY service_id, closed IS NOT NULL, drawn_in IS NOT NULL, cooling IS NULL, later IS NULL, bookable_from > :now, bookable_until <= :now,"
    " bookable_from, starts_at"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Slots of these services (one kind, in these districts) that start from `since` and before `until`."""

    kind: str
    district_ids: list[str]
    service_ids: list[str]
    since: datetime
    until: datetime
    places: int

    def asked(self, now: datetime) -> dict[str, Any]:
        """Return the parameters of a statement."""
        return {
            "kind": self.kind,
            "district_ids": self.district_ids,
            "service_ids": self.service_ids,
            "since": self.since,
            "until": self.until,
            "places": self.places,
            "now": now,
        }


async def read_free_days(connection: AsyncConnection, search: Search, now: datetime) -> list[Slot]:
    """Return slots in order of time, among which the first free one of every service and day is: ask the rule of each."""
    return [slot_as_of(row, now) for row in await connection.execute(FREE_DAYS, search.asked(now))]


async def read_obstacles(
    connection: AsyncConnection, search: Search, service_ids: list[str], now: datetime
) -> list[Slot]:
    """Return, for each of these services, one slot to come of each kind of obstacle: of these the rule says what it is.

    Made for services that have nothing free; of those without any slot nothing is returned.
    """
    asked = {**search.asked(now), "service_ids": service_ids}
    del asked["places"]
    return [slot_of(row) for row in await connection.execute(OBSTACLES, asked)]
