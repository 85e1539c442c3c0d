"""A city to search in: 400 venues with a service each, 60 days, and as many slots as are asked for, most of them taken."""

from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.booking.domain.catalogue import Catalogue
from tests import make, world

VENUES, DAYS = 400, 60
FULL_OF_TEN = 7
"""Of ten slots so many are full, as in a city where places are scarce."""

_SLOTS = text(
    """
    INSERT INTO slots (id, service_id, venue_id, kind, district_id, starts_at, ends_at, bookable_from, bookable_until,
        capacity, taken, charge)
    SELECT uuidv7(), s.id, s.venue_id, s.kind, v.district_id, times.at, times.at + interval '10 minutes',
        CAST(:now AS timestamptz) - interval '1 day', times.at, 5,
        CASE WHEN (n + s.position) % 10 < :full THEN 5 ELSE (n + s.position) % 5 END, 'free'
    FROM services s JOIN venues v ON v.id = s.venue_id
    CROSS JOIN generate_series(0, CAST(:days AS integer) - 1) AS day
    CROSS JOIN generate_series(0, CAST(:a_day AS integer) - 1) AS n
    CROSS JOIN LATERAL (SELECT CAST(:midnight AS timestamptz) + day * interval '1 day'
        + interval '8 hours' + n * interval '15 minutes' AS at) AS times
    WHERE (day * 7 + s.position) % 24 < CAST(:of_24 AS integer)
    ORDER BY s.position, times.at -- as opening ahead writes them
    """
)
_VENUES = text(
    "INSERT INTO venues (id, position, kind, district_id, name_zh, name_en, address_zh, address_en, step_free, sample, source)"
    " SELECT 'venue-' || n, 1000 + n, kind, district_id, name_zh, name_en, address_zh, address_en, step_free, sample, source"
    " FROM venues, generate_series(1, CAST(:count AS integer)) AS n WHERE position = 0"
)
_SERVICES = text(
    "INSERT INTO services (id, position, venue_id, kind, policy_id, name_zh, name_en, attributes, sample, source)"
    " SELECT 'service-' || n, n, 'venue-' || n, kind, policy_id, name_zh, name_en, attributes, sample, source"
    " FROM services, generate_series(1, CAST(:count AS integer)) AS n WHERE position = 0"
)


async def build_city(engine: AsyncEngine, slots: int) -> int:
    """Fill the database; return how many slots there are.

    In a small city each venue has fewer times, down to one a day, and then fewer days.
    """
    catalogue: Catalogue = make.catalogue()
    await world.put_catalogue(engine, catalogue)
    a_day = max(1, round(slots / (VENUES * DAYS)))
    of_24 = min(24, round(slots * 24 / (VENUES * DAYS)))
    midnight = make.NOW - timedelta(hours=make.NOW.hour + 8) + timedelta(days=2)
    async with engine.begin() as tx:
        await tx.execute(text("SET LOCAL statement_timeout = '300s'"))
        await tx.execute(_VENUES, {"count": VENUES - 1})
        await tx.execute(_SERVICES, {"count": VENUES - 1})
        binds = {"now": make.NOW, "midnight": midnight, "days": DAYS, "a_day": a_day, "of_24": of_24}
        await tx.execute(_SLOTS, binds | {"full": FULL_OF_TEN})
        count: int = (await tx.execute(text("SELECT count(*) FROM slots"))).scalar_one()
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("SET statement_timeout = '300s'"))
        await connection.execute(text("VACUUM ANALYZE"))
    return count
