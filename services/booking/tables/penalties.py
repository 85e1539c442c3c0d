"""Penalties: strikes and what took them away again, where each person stands, appeals and exemptions.

The law: strikes and annulments are only ever added. `penalties` follows from them, in the transaction that adds one.
"""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.booking.tables.base import metadata, moment

strikes = Table(
    "strikes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("person_id", Uuid, ForeignKey("persons.id"), nullable=False),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("booking_id", Uuid, ForeignKey("bookings.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("act", Text, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("same_day", Boolean, nullable=False),
    Column("at", moment, nullable=False),
    Column("recorded_at", moment, nullable=False),
    Column("service_id", Text, nullable=False),
    Column("venue_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    CheckConstraint("act IN ('no_show', 'cancel')", name="act_known"),
    Index("strikes_one_each", "booking_id", "person_id", "version", unique=True),
    Index("strikes_of_person", "person_id", "at"),
    comment="Who did not come or cancelled late: a row each, never changed.",
)

strike_annulments = Table(
    "strike_annulments",
    metadata,
    Column("strike_id", Uuid, ForeignKey("strikes.id"), primary_key=True),
    Column("cause", Text, nullable=False),
    Column("at", moment, nullable=False),
    Column("actor_id", Uuid, nullable=True),
    Column("actor_role", Text, nullable=False),
    Column("reason", Text, nullable=False),
    CheckConstraint("cause IN ('corrected', 'staff', 'appeal')", name="annulment_known"),
    comment="Strikes that do not count: by whom, when, and why.",
)

penalties = Table(
    "penalties",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("person_id", Uuid, ForeignKey("persons.id"), nullable=False),
    Column("scope", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("counted", SmallInteger, nullable=False),
    Column("threshold", SmallInteger, nullable=False),
    Column("barred_since", moment, nullable=True),
    Column("barred_until", moment, nullable=True),
    Column("imposed_by", Uuid, ForeignKey("strikes.id"), nullable=True),
    Column("because", JSONB, nullable=False, comment="The strikes of the bar, as they are told: when, and what."),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False, comment="Who is told."),
    Column("changed_at", moment, nullable=False),
    CheckConstraint("state IN ('clear', 'warned', 'barred', 'lifted')", name="penalty_state_known"),
    CheckConstraint(
        "(state = 'barred') = (barred_until IS NOT NULL) AND (state = 'barred') = (barred_since IS NOT NULL)"
        " AND (state = 'barred') = (imposed_by IS NOT NULL)",
        name="a_bar_has_an_end",
    ),
    Index("penalties_of_person", "person_id"),
    Index("penalties_barring", "person_id", postgresql_where=text("barred_until IS NOT NULL")),
    Index("penalties_ending", "barred_until", postgresql_where=text("barred_until IS NOT NULL")),
    comment="Where a person stands under one rule in one scope, as they were last told.",
)

penalty_exemptions = Table(
    "penalty_exemptions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("person_id", Uuid, ForeignKey("persons.id"), nullable=False),
    Column("venue_id", Text, ForeignKey("venues.id"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("made_at", moment, nullable=False),
    Column("made_by", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("ended_at", moment, nullable=True),
    Column("ended_by", Uuid, ForeignKey("accounts.id"), nullable=True),
    CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name="ended_by_somebody"),
    Index("penalty_exemptions_of_person", "person_id"),
    Index("penalty_exemptions_of_venue", "venue_id", "id"),
    Index("penalty_exemptions_once", "person_id", "venue_id", unique=True, postgresql_where=text("ended_at IS NULL")),
    comment="People whose strikes at a venue do not count: by whom, and why.",
)

penalty_appeals = Table(
    "penalty_appeals",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("penalty_id", Uuid, ForeignKey("penalties.id"), nullable=False),
    Column("strike_id", Uuid, ForeignKey("strikes.id"), nullable=False, comment="The strike that imposed the bar."),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("venue_id", Text, nullable=False),
    Column("words", Text, nullable=False),
    Column("made_at", moment, nullable=False),
    Column("granted", Boolean, nullable=True),
    Column("decided_at", moment, nullable=True),
    Column("decided_by", Uuid, ForeignKey("accounts.id"), nullable=True),
    Column("answer", Text, nullable=True),
    CheckConstraint(
        "(granted IS NULL) = (decided_at IS NULL) AND (granted IS NULL) = (decided_by IS NULL)"
        " AND (granted IS NULL) = (answer IS NULL)",
        name="decided_whole",
    ),
    Index("penalty_appeals_once", "penalty_id", "strike_id", unique=True),
    Index("penalty_appeals_of_venue", "venue_id", "id"),
)
