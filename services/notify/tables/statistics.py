"""What stays of messages when their rows are gone: how many there were; and who sent dead ones again."""

from sqlalchemy import BigInteger, Column, Date, Identity, PrimaryKeyConstraint, Table, Text, Uuid

from services.notify.tables.base import metadata, moment

message_statistics = Table(
    "message_statistics",
    metadata,
    Column("month", Date, nullable=False, comment="The first of the month, local time, in which they were due."),
    Column("kind", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("messages", BigInteger, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    PrimaryKeyConstraint("month", "kind", "channel", "state", "why"),
    comment="Counts of messages whose rows were deleted; nothing of anybody.",
)

replays = Table(
    "replays",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", moment, nullable=False),
    Column("message_id", Uuid, nullable=False),
    Column("why_dead", Text, nullable=False),
    Column("by", Text, nullable=False, comment="Who decided it, as they named themselves."),
    Column("reason", Text, nullable=False),
    comment="Append-only: dead messages that somebody sent again, and why.",
)
