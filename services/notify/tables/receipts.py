"""What came back: receipts, and whose number a reply comes from."""

from sqlalchemy import Column, Index, LargeBinary, SmallInteger, Table, Text, Uuid, text

from services.notify.tables.base import metadata, moment

receipts = Table(
    "receipts",
    metadata,
    Column("key", Text, primary_key=True, comment="Provider, message and what it says: each counts once."),
    Column("provider", Text, nullable=False),
    Column("message_id", Uuid, nullable=True, comment="Null while nobody knows which message it speaks of."),
    Column("reference", Text, nullable=True, comment="The name under which the provider knows the message."),
    Column("evidence", SmallInteger, nullable=True, comment="Null: it could not be delivered."),
    Column("code", Text, nullable=False),
    Column("received_at", moment, nullable=False),
    Index("receipts_early", "provider", "reference", postgresql_where=text("message_id IS NULL")),
    Index("receipts_by_message", "message_id", postgresql_where=text("message_id IS NOT NULL")),
    Index("receipts_by_age", "received_at"),
    comment="Receipts of providers, as they came: early ones wait here for the outcome that names their message.",
)

phones = Table(
    "phones",
    metadata,
    Column("fingerprint", LargeBinary, primary_key=True, comment="Keyed, of the number in E.164 form."),
    Column("account_id", Uuid, nullable=False),
    Column("heard_at", moment, nullable=False),
    comment="Whose number it is, so that a reply by text message finds its account; the number itself is not here.",
)
