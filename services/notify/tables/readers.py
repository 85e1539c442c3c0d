"""What readers have: their in-app inbox and their preferences."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Time,
    UniqueConstraint,
    Uuid,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from services.notify.tables.base import metadata, moment

inbox_heads = Table(
    "inbox_heads",
    metadata,
    Column("account_id", Uuid, primary_key=True),
    Column("last", BigInteger, nullable=False),
    comment="The last number given in each account's inbox; its row lock makes numbers appear in order of commit.",
)

inbox_messages = Table(
    "inbox_messages",
    metadata,
    Column("id", Uuid, ForeignKey("messages.id"), primary_key=True),
    Column("account_id", Uuid, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject_id", Uuid, nullable=False),
    Column("sensitive", Boolean, nullable=False),
    Column("title_zh", Text, nullable=False),
    Column("title_en", Text, nullable=False),
    Column("body_zh", Text, nullable=False),
    Column("body_en", Text, nullable=False),
    Column("created_at", moment, nullable=False),
    Column("read_at", moment, nullable=True),
    UniqueConstraint("account_id", "sequence"),
    Index("inbox_messages_unread", "account_id", "sequence", postgresql_where=text("read_at IS NULL")),
    comment="What a resident sees in the app, numbered 1, 2, 3 … without a gap for each account.",
)

preferences = Table(
    "preferences",
    metadata,
    Column("account_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("language", Text, nullable=True, comment="Null: the one that the account names."),
    Column("quiet_begins", Time, nullable=True, comment="Local time of the venue; null: no quiet hours."),
    Column("quiet_ends", Time, nullable=True),
    Column("switched_off", ARRAY(Text), nullable=False, comment="What is not wanted, as kind/channel."),
    Column("reminders_off", ARRAY(Integer), nullable=False, comment="Lead times not wanted, in minutes."),
    Column("plain_words", Boolean, nullable=False, server_default=false(), comment="Short sentences, large print."),
    Column(
        "names_sensitive",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="Messages may say what and where also of sensitive services.",
    ),
    Column("key_digest", LargeBinary, nullable=False, comment="SHA-256 of the last change's Idempotency-Key."),
    Column("changed_at", moment, nullable=False),
    CheckConstraint("(quiet_begins IS NULL) = (quiet_ends IS NULL)", name="quiet_hours_whole"),
    comment="What each account wants to hear; one without a row has the city's own preferences.",
)
