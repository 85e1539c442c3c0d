"""One key for each person: with it, all that is kept of their addresses is readable, and without it nothing."""

from sqlalchemy import CheckConstraint, Column, Table, Text, Uuid

from services.notify.tables.base import metadata, moment

recipient_keys = Table(
    "recipient_keys",
    metadata,
    Column("account_id", Uuid, primary_key=True),
    Column("wrapped", Text, nullable=True, comment="The key, sealed with this service's own; null once erased."),
    Column("made_at", moment, nullable=False),
    Column("erased_at", moment, nullable=True),
    CheckConstraint("(wrapped IS NULL) = (erased_at IS NOT NULL)", name="erased_for_good"),
    comment="An erased person's row stays without its key, so that a late event brings nothing back.",
)
