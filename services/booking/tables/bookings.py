"""Bookings, their claims on places, their history, walk-ins, and the answers given under idempotency keys."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB

from services.booking.tables.base import metadata, moment

# The desk's statement writes what it has just read under lock: a booking is written only where its slot is found, a claim
# only with its booking, and `store.keeping` counts both. A foreign key would look all of that up once more, row by row, and
# took a quarter of the statement. So the other half of one stands alone: triggers keep a slot, a booking or a person from
# being deleted while a booking or a claim names it (`refuse_to_strand`, migration 0016).

bookings = Table(
    "bookings",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("reference", Text, unique=True, nullable=False),
    Column("state", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("service_id", Text, nullable=False),
    Column("slot_id", Uuid, nullable=False),
    Column("starts_at", moment, nullable=False),
    Column("ends_at", moment, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("channel", Text, nullable=False),
    Column("party_kind", Text, nullable=False),
    Column("declarations", JSONB, nullable=False),
    Column("hold_until", moment, nullable=True),
    Column("extensions", SmallInteger, nullable=False),
    Column("reason", Text, nullable=True),
    Column("created_at", moment, nullable=False),
    Column("changed_at", moment, nullable=False),
    Column(
        "itinerary_id", Text, nullable=True, comment="Where the booking has several steps, each in a slot of its own."
    ),
    Column("itinerary_dates", JSONB, nullable=True, comment="What the days of the itinerary's steps are counted from."),
    CheckConstraint("version >= 1", name="version_counts"),
    CheckConstraint("(state IN ('held', 'lapsed')) = (hold_until IS NOT NULL)", name="only_holds_run_out"),
    Index("bookings_by_slot", "slot_id"),
    Index("bookings_of_account", "account_id", "starts_at", "id"),
    Index("bookings_held_of_account", "account_id", postgresql_where=text("state = 'held'")),
    Index("bookings_held", "slot_id", "hold_until", postgresql_where=text("state = 'held'")),
    Index("itineraries_held", "hold_until", postgresql_where=text("state = 'held' AND itinerary_id IS NOT NULL")),
    Index("bookings_running_out", "hold_until", postgresql_where=text("state = 'held'")),
    Index("bookings_to_end", "ends_at", postgresql_where=text("state IN ('confirmed', 'checked_in')")),
)

# A claim's `position` is the member's place in the party as it was named: 0, 1, 2 … A member who leaves a party that goes
# on without them stays on record, with no place, at -1 - position; the history says when, who did it and why.
# The claims of an itinerary name their `step`; their positions count through all steps, in order of time.

claims = Table(
    "claims",
    metadata,
    Column("booking_id", Uuid, primary_key=True),
    Column("slot_id", Uuid, primary_key=True),
    Column("person_id", Uuid, primary_key=True),
    Column("position", SmallInteger, nullable=False),
    Column("seats", SmallInteger, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("service_id", Text, nullable=False),
    Column("venue_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("starts_at", moment, nullable=False),
    Column("ends_at", moment, nullable=False),
    Column("step", Text, nullable=True),
    Column("met_at", moment, nullable=True, comment="When its person was checked in to this step of an itinerary."),
    CheckConstraint("seats IN (0, 1)", name="a_person_takes_one_place"),
    Index("claims_one_live_each", "slot_id", "person_id", unique=True, postgresql_where=text("live")),
    Index("claims_of_steps", "slot_id", postgresql_where=text("step IS NOT NULL")),
    Index("claims_of_person", "person_id", "starts_at", postgresql_where=text("live")),
)

history = Table(
    "history",
    metadata,
    Column("booking_id", Uuid, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("at", moment, nullable=False),
    Column("action", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("actor_id", Uuid, nullable=True),
    Column("actor_role", Text, nullable=False),
    Column("reason", Text, nullable=True),
    Column("step", Text, nullable=True, comment="Which step of an itinerary was checked in, or corrected."),
    comment="Every change of every booking: who, when, why.",
)

walk_ins = Table(
    "walk_ins",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("slot_id", Uuid, ForeignKey("slots.id"), nullable=False),
    Column("people", SmallInteger, nullable=False),
    Column("admitted_at", moment, nullable=False),
    Column("admitted_by", Uuid, nullable=False),
    CheckConstraint("people >= 1", name="somebody_came"),
    Index("walk_ins_by_slot", "slot_id"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("account_id", Uuid, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", moment, nullable=False),
    Index("idempotency_by_age", "created_at", postgresql_using="brin"),
)
