"""How each provider stands, every change of that, and what it may still be given."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
)

from services.notify.tables.base import metadata, moment

providers = Table(
    "providers",
    metadata,
    Column("channel", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("breaker", Text, nullable=False),
    Column("weight", Double, nullable=False),
    Column("since", moment, nullable=False),
    Column("pause_seconds", Integer, nullable=False),
    Column("probed_at", moment, nullable=True, comment="When the trial of a half-open breaker was begun."),
    Column("trial", SmallInteger, nullable=False, server_default="1", comment="How many messages its trial has."),
    Column("given", SmallInteger, nullable=False, server_default="0", comment="How many of those it was given."),
    Column("receipt_at", moment, nullable=True, comment="When it last sent a receipt: one that never does owes none."),
    PrimaryKeyConstraint("channel", "provider"),
    CheckConstraint("breaker IN ('closed', 'open', 'half_open')", name="breaker_known"),
    CheckConstraint("weight BETWEEN 0 AND 1", name="weight_is_a_share"),
    comment="How each provider of a channel stands at present; one without a row is well.",
)

provider_changes = Table(
    "provider_changes",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", moment, nullable=False),
    Column("channel", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("breaker_before", Text, nullable=False),
    Column("breaker_after", Text, nullable=False),
    Column("weight_before", Double, nullable=False),
    Column("weight_after", Double, nullable=False),
    Column("why", Text, nullable=False),
    Column("attempts", Integer, nullable=False, comment="Judged in the window before the change."),
    Column("failed", Integer, nullable=False),
    Column("slow", Integer, nullable=False),
    Index("provider_changes_by_time", "channel", "at"),
    comment="Append-only: each change of a provider's share, its reason and the figures behind it.",
)

provider_limits = Table(
    "provider_limits",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("tokens", Double, nullable=False),
    Column("filled_at", moment, nullable=False),
    comment="The token bucket of each provider that has a limit, shared by all workers.",
)
