"""A town with very many messages, made by SQL: bookings, what is due, and what waits behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notify.domain.rendering import appointment_of
from services.notify.store import bookings
from shared.contracts import Contact
from tests.notify.make import booking
from tests.notify.town import Keys

PENDING_DAYS = 300
SLICE = 100_000
PEOPLE = 20_000

_PENDING = text("""
    INSERT INTO messages (id, subject_id, subject_version, kind, lead_minutes, recipient_id, channel, urgency, due_at,
                          visible_at, expires_at, state, why, created_at, changed_at)
    SELECT uuidv7(), uuidv7(), 1, 'reminder', 1440, uuidv7(), (ARRAY['sms', 'email'])[1 + n % 2], 2, at, at,
           at + interval '1 day', 'planned', 'due_before_start', :now, :now
    FROM (SELECT n, CAST(:now AS timestamptz) + interval '2 days' + n * CAST(:step AS interval) AS at
          FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) n) planned
""")

_BOOKINGS = text("""
    INSERT INTO known_bookings (booking_id, version, state, account_id, appointment, contact, heard_at)
    SELECT uuidv7(), 1, 'confirmed', uuidv7(), k.appointment, c.contact, :now
    FROM generate_series(1, :count) g
    JOIN unnest(CAST(:contacts AS text[])) WITH ORDINALITY AS c(contact, n)
      ON c.n = 1 + g % cardinality(CAST(:contacts AS text[])), known_bookings k
    WHERE k.booking_id = :sample
    RETURNING booking_id
""")

_KEYS = text("""
    INSERT INTO recipient_keys (account_id, wrapped, made_at)
    SELECT k.account_id, v.wrapped, :now
    FROM known_bookings k
    JOIN unnest(CAST(:wrapped AS text[]), CAST(:sealed AS text[])) AS v(wrapped, sealed) ON v.sealed = k.contact
    WHERE k.booking_id = ANY(CAST(:ids AS uuid[]))
""")
"""Addresses as they are kept: under the reader's own key."""

_AWAKE = text("""
    INSERT INTO preferences (account_id, version, switched_off, reminders_off, key_digest, changed_at)
    SELECT account_id, 2, '{}', '{}', '', :now FROM known_bookings WHERE booking_id = ANY(CAST(:ids AS uuid[]))
    ON CONFLICT DO NOTHING
""")
"""Nobody has quiet hours: the storm is the same at any time of the day."""

_DUE = text("""
    INSERT INTO messages (id, subject_id, subject_version, kind, lead_minutes, recipient_id, channel, urgency, due_at,
                          visible_at, expires_at, state, why, created_at, changed_at)
    SELECT uuidv7(), k.booking_id, 1, :kind, :lead, k.account_id, :channel, 2, d.at, d.at,
           :expires, 'planned', 'due_before_start', :now, :now
    FROM (SELECT booking_id, account_id, row_number() OVER () AS n FROM known_bookings
          WHERE booking_id = ANY(CAST(:ids AS uuid[]))) k,
         LATERAL (SELECT CAST(:at AS timestamptz) + (k.n % 1000) * interval '1 millisecond' AS at) d
""")


@dataclass(frozen=True, slots=True)
class Storm:
    """Fills a notify database."""

    engine: AsyncEngine
    keys: Keys
    contacts: Sequence[tuple[str, str]]
    """Of each person: the wrapped key, and what is sealed with it."""

    @classmethod
    def over(cls, engine: AsyncEngine, keys: Keys, people: int = PEOPLE) -> "Storm":
        """Return a storm over `people` persons, each with a phone and a mailbox of their own."""
        contacts = []
        for number in range(people):
            wrapped = keys.opener.new_recipient_key()
            contact = Contact(
                phone=f"+86139{number:08}", email=f"r{number}@example.test", name="王一", language="zh-CN"
            )
            contacts.append((wrapped, keys.opener.seal_contact(wrapped, contact)))
        return cls(engine, keys, contacts)

    async def pending(self, count: int, now: datetime) -> None:
        """Plan `count` messages for the days to come, of which none is due now."""
        step = timedelta(days=PENDING_DAYS) / count
        for first in range(1, count + 1, SLICE):
            async with self.engine.begin() as tx:
                last = min(first + SLICE - 1, count)
                await tx.execute(_PENDING, {"now": now, "first": first, "last": last, "step": step})
        await self.settle()

    async def due(self, count: int, at: datetime, what: tuple[str, int, str], now: datetime) -> list[UUID]:
        """Plan `count` messages for the second that begins with `at`, each about a booking; return those bookings.

        `what`: kind, lead time in minutes, channel.
        """
        kind, lead, channel = what
        starts_at = at + timedelta(days=1)
        sealed = [contact for _, contact in self.contacts]
        sample = booking(contact=sealed[0], starts_at=starts_at)
        async with self.engine.begin() as tx:
            await bookings.keep(tx, appointment_of(sample), sealed[0], now)
            made = {"contacts": sealed, "count": count, "sample": sample.booking_id, "now": now}
            ids = [row.booking_id for row in await tx.execute(_BOOKINGS, made)]
            await tx.execute(
                _KEYS, {"ids": ids, "wrapped": [key for key, _ in self.contacts], "sealed": sealed, "now": now}
            )
            await tx.execute(_AWAKE, {"ids": ids, "now": now})
            facts = {"kind": kind, "lead": lead, "channel": channel, "at": at, "expires": at + timedelta(hours=3)}
            await tx.execute(_DUE, {**facts, "ids": ids, "now": now})
        return ids

    async def settle(self) -> None:
        """Let statistics be as they would be after a quiet hour."""
        async with self.engine.connect() as connection:
            autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await autocommit.execute(text("SET statement_timeout = 0"))
            await autocommit.execute(text("VACUUM (ANALYZE) messages"))
            await autocommit.execute(text("RESET statement_timeout"))
