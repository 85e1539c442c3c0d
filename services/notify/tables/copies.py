"""Who has agreed to get copies of whose messages."""

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY

from services.notify.tables.base import metadata, moment

copies = Table(
    "copies",
    metadata,
    Column("copy_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("account_id", Uuid, nullable=False, comment="Whose messages."),
    Column("reader_id", Uuid, nullable=False, comment="Who gets copies of them."),
    Column("kinds", ARRAY(Text), nullable=False),
    Column("sensitive", Boolean, nullable=False),
    Column("contact", Text, nullable=True, comment="The reader's, under their own key; gone when it is over."),
    Column("heard_at", moment, nullable=False),
    Index("copies_by_reader", "reader_id"),
    Index(
        "copies_agreed",
        *("account_id", "reader_id"),
        unique=True,
        postgresql_where=text("state = 'agreed'"),
    ),
    comment="The newest version heard of each arrangement; what is over stays, so that past copies can be explained.",
)
