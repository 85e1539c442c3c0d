"""What the city offers: districts, venues, policies, services, their plans, and the slots opened from them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB

from services.booking.tables.base import metadata, moment

districts = Table(
    "districts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("name_zh", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("subdistricts", JSON, nullable=False, comment="JSON and not JSONB: it keeps the order of the file."),
)

venues = Table(
    "venues",
    metadata,
    Column("id", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("district_id", Text, ForeignKey("districts.id"), nullable=False),
    Column("name_zh", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("address_zh", Text, nullable=False),
    Column("address_en", Text, nullable=False),
    Column("step_free", Boolean, nullable=False),
    Column("sample", Boolean, nullable=False),
    Column("source", Text, nullable=False),
)

policies = Table(
    "policies",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
)

services = Table(
    "services",
    metadata,
    Column("id", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("venue_id", Text, ForeignKey("venues.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("policy_id", Text, ForeignKey("policies.id"), nullable=False),
    Column("name_zh", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("attributes", JSONB, nullable=False),
    Column("sample", Boolean, nullable=False),
    Column("source", Text, nullable=False),
    Index("services_by_venue", "venue_id"),
)

plans = Table(
    "plans",
    metadata,
    Column("service_id", Text, ForeignKey("services.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("document", JSONB, nullable=False),
    Column("published_by", Text, nullable=False),
    Column("published_at", moment, nullable=False),
)

itineraries = Table(
    "itineraries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
)

catalogue_version = Table(
    "catalogue_version",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
    comment="One row: rises whenever districts, venues, services or policies change, so that caches know.",
)

slots = Table(
    "slots",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("service_id", Text, ForeignKey("services.id"), nullable=False),
    Column("venue_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("district_id", Text, nullable=False),
    Column("starts_at", moment, nullable=False),
    Column("ends_at", moment, nullable=False),
    Column("bookable_from", moment, nullable=False),
    Column("bookable_until", moment, nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("taken", Integer, nullable=False, server_default="0"),
    Column("kept_counter", Integer, nullable=False, server_default="0"),
    Column("taken_counter", Integer, nullable=False, server_default="0"),
    Column("kept_walk_in", Integer, nullable=False, server_default="0"),
    Column("taken_walk_in", Integer, nullable=False, server_default="0"),
    Column("charge", Text, nullable=False),
    Column("label", JSONB, nullable=True),
    Column("closed", JSONB, nullable=True, comment="The reason in words where a closure stopped new bookings."),
    Column(
        "drawn_in", Uuid, nullable=True, comment="The round that gives these places away by lot, until it is settled."
    ),
    Column(
        "cooling",
        ARRAY(moment),
        nullable=True,
        comment="For each place that cools off, when it comes back to the public; null where none does.",
    ),
    Column(
        "later", JSONB(none_as_null=True), nullable=True, comment="Portions released later: [[instant, places], …]."
    ),
    Column(
        "is_open",
        Boolean,
        # Generated, so that the search index changes only when the last place goes or the first one comes back:
        # an index predicate on `taken` itself would make every booking rewrite all indexes of the row.
        Computed(
            "closed IS NULL AND capacity - taken - greatest(0, kept_counter - taken_counter)"
            " - greatest(0, kept_walk_in - taken_walk_in) > 0",
            persisted=True,
        ),
        nullable=False,
    ),
    CheckConstraint("taken BETWEEN 0 AND capacity", name="never_above_capacity"),
    CheckConstraint(
        "taken_counter >= 0 AND taken_walk_in >= 0 AND taken_counter + taken_walk_in <= taken", name="channels_add_up"
    ),
    CheckConstraint(
        "kept_counter >= 0 AND kept_walk_in >= 0 AND kept_counter + kept_walk_in <= capacity", name="shares_fit"
    ),
    CheckConstraint("starts_at < ends_at", name="ends_after_start"),
    Index("slots_by_service", "service_id", "starts_at", unique=True),
    Index("slots_open", "kind", "district_id", "starts_at", "id", postgresql_where=text("is_open")),
    postgresql_with={"fillfactor": "75"},
)
