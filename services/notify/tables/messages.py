"""What is known of bookings, the messages about them, each attempt to send one, and why."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.notify.tables.base import metadata, moment

known_notices = Table(
    "known_notices",
    metadata,
    Column("subject_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("notice", JSONB, nullable=False, comment="What messages may say of it; no names where sensitive."),
    Column("contact", Text, nullable=True, comment="Contact data as the event brought it: sealed."),
    Column("heard_at", moment, nullable=False),
    Column(
        "agreed", Boolean, nullable=True, comment="What its person replied to this version, where it asks; the newest."
    ),
    Index("known_notices_by_account", "account_id"),
    comment="The newest version heard of whatever is no booking: penalties, consents, queues, cases, releases.",
)

known_bookings = Table(
    "known_bookings",
    metadata,
    Column("booking_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("appointment", JSONB, nullable=False, comment="What messages may say of it; no names where sensitive."),
    Column("contact", Text, nullable=True, comment="Contact data as the event brought it: sealed."),
    Column("heard_at", moment, nullable=False),
    Column(
        "venue_digest", LargeBinary, nullable=True, comment="Which venue it is at, for its staff; never in clear text."
    ),
    Index("known_bookings_by_account", "account_id"),
    Index("known_bookings_by_venue", "venue_digest", "heard_at"),
    comment="The newest version of each booking heard of: what a message must agree with to be allowed out.",
)

messages = Table(
    "messages",
    metadata,
    Column("id", Uuid, primary_key=True),
    # the business key: one cause, one message
    Column("subject_id", Uuid, nullable=False, comment="The booking, or the sign-in request, that it speaks of."),
    Column("subject_version", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("lead_minutes", Integer, nullable=False),
    Column("recipient_id", Uuid, nullable=False),
    Column("channel", Text, nullable=False),
    # schedule and queue
    Column("urgency", SmallInteger, nullable=False),
    Column("due_at", moment, nullable=False),
    Column("visible_at", moment, nullable=False),
    Column("expires_at", moment, nullable=False),
    Column("late_from", moment, nullable=True, comment="From then on it comes late; null: never before it expires."),
    Column(
        "only_without_evidence",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="A further step of a cascade: it goes only if no earlier channel is known to have reached the reader.",
    ),
    Column("state", Text, nullable=False),
    Column("why", Text, nullable=False, comment="The reason of its state: a code of the decision log."),
    Column("lease_token", Uuid, nullable=True),
    Column("attempt", SmallInteger, nullable=False, server_default="0"),
    Column("evidence", SmallInteger, nullable=False, server_default="0"),
    # what was said
    Column(
        "sealed", Text, nullable=True, comment="Sealed content that came with the event; gone when it is of no use."
    ),
    Column("template", Text, nullable=True),
    Column("template_version", SmallInteger, nullable=True),
    Column("fingerprint", LargeBinary, nullable=True, comment="SHA-256 of the words as rendered."),
    Column("created_at", moment, nullable=False),
    Column("changed_at", moment, nullable=False),
    UniqueConstraint(
        *("subject_id", "subject_version", "kind", "lead_minutes", "recipient_id", "channel"), name="uq_messages_cause"
    ),
    CheckConstraint(
        "state IN ('planned', 'claimed', 'sending', 'sent', 'unknown', 'unproven', 'dead', 'superseded', 'expired',"
        " 'suppressed')",
        name="state_known",
    ),
    CheckConstraint("(state IN ('claimed', 'sending')) = (lease_token IS NOT NULL)", name="leased_while_worked_on"),
    # The channel comes first, so that a provider that hangs holds up its own channel and no other.
    Index(
        "messages_due",
        *("channel", "urgency", "visible_at", "id"),
        postgresql_where=text("state IN ('planned', 'claimed')"),
    ),
    Index(
        "messages_texted",
        *("recipient_id", "changed_at"),
        postgresql_where=text("channel = 'sms' AND attempt > 0"),
    ),
    # Apart from what was not begun: what a dead worker left half sent never waits behind a wall of that.
    Index("messages_begun", "channel", "visible_at", "id", postgresql_where=text("state IN ('sending', 'unknown')")),
    # No update of a due row can stay on its page without new index entries, so dead entries are swept early.
    postgresql_with={"autovacuum_vacuum_scale_factor": "0.02", "autovacuum_analyze_scale_factor": "0.02"},
)

attempts = Table(
    "attempts",
    metadata,
    Column("message_id", Uuid, ForeignKey("messages.id"), primary_key=True),
    Column("number", SmallInteger, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("started_at", moment, nullable=False),
    Column("finished_at", moment, nullable=True),
    Column("verdict", Text, nullable=True),
    Column("why", Text, nullable=True),
    Column("code", Text, nullable=True, comment="The provider's own code, never its text: texts quote addresses."),
    Column("reference", Text, nullable=True, comment="The name under which the provider knows the message."),
    Column("received_at", moment, nullable=True, comment="When we learned that it had reached its reader's device."),
    Column(
        "told_in",
        Uuid,
        nullable=True,
        comment="The message whose letter carried it, where several were told as one; null: its own.",
    ),
    CheckConstraint("(finished_at IS NULL) = (verdict IS NULL)", name="finished_with_a_verdict"),
    Index("attempts_by_provider", "provider", "started_at"),
    Index("attempts_told_in", "told_in", postgresql_where=text("told_in IS NOT NULL")),
    comment="One row for each call of a provider, committed before the call; its outcome is written after it.",
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", BigInteger, Identity(always=True), nullable=False),
    Column("at", moment, nullable=False),
    Column("subject_id", Uuid, nullable=False),
    Column("subject_version", Integer, nullable=False),
    Column("message_id", Uuid, nullable=True),
    Column("state", Text, nullable=True, comment="The state the message was put in; null where there is no message."),
    Column("why", Text, nullable=False),
    Column("event_id", Uuid, nullable=True, comment="The event that caused it, where one did."),
    Column(
        "transaction_id",
        BigInteger,
        nullable=False,
        server_default=text("((pg_current_xact_id())::text)::bigint"),
        comment="Whoever reads on from a place reads only what is older than every transaction that runs.",
    ),
    PrimaryKeyConstraint("transaction_id", "id"),
    Index("decisions_by_subject", "subject_id", "id"),
    comment="Append-only: why each message was planned, dropped, superseded, sent or given up. No personal data.",
)
