"""Partner systems: where they listen, and what each of them is to be told."""

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
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from services.notify.tables.base import metadata, moment

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("types", ARRAY(Text), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("why", Text, nullable=True, comment="Why it is switched off."),
    Column("secrets", Text, nullable=False, comment="Sealed: each secret and until when it signs."),
    Column("failing_since", moment, nullable=True),
    Column("key_digest", LargeBinary, nullable=False, unique=True, comment="SHA-256 of who made it, under which key."),
    Column("created_at", moment, nullable=False),
    comment="Partner systems that are told of events.",
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("endpoint_id", Uuid, ForeignKey("webhook_endpoints.id", ondelete="CASCADE"), nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("body", Text, nullable=False, comment="The very bytes that are signed; ids, no personal data."),
    Column("visible_at", moment, nullable=False),
    Column("expires_at", moment, nullable=False),
    Column("state", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("lease_token", Uuid, nullable=True),
    Column("attempt", SmallInteger, nullable=False, server_default="0"),
    Column("status", SmallInteger, nullable=True, comment="HTTP status of the last attempt."),
    Column("created_at", moment, nullable=False),
    Column("changed_at", moment, nullable=False),
    UniqueConstraint("endpoint_id", "event_id", name="uq_webhook_deliveries_once"),
    CheckConstraint("state IN ('pending', 'delivered', 'dead')", name="state_known"),
    Index("webhook_deliveries_by_age", "changed_at", postgresql_where=text("state <> 'pending'")),
    Index(
        "webhook_deliveries_due",
        *("endpoint_id", "visible_at", "id"),
        postgresql_where=text("state = 'pending'"),
    ),
    comment="Schedule and queue of what partners are told: one row for an event and an endpoint.",
)
