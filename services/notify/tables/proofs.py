"""Proof of notice: a chain of records for each booking, and how far the notary is."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.notify.tables.base import metadata, moment

proofs = Table(
    "proofs",
    metadata,
    Column("booking_id", Uuid, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("at", moment, nullable=False),
    Column("facts", JSONB, nullable=False, comment="What was decided or done; no personal data."),
    Column("previous", Text, nullable=False),
    Column("digest", Text, nullable=False),
    PrimaryKeyConstraint("booking_id", "sequence"),
    comment="Append-only: each record holds the digest of the one before it.",
)

notary = Table(
    "notary",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("transaction_id", BigInteger, nullable=False),
    Column("decision_id", BigInteger, nullable=False),
    Column("evidence_number", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_notary"),
    comment="One row: up to which decision and which event of evidence everything is chained.",
)
