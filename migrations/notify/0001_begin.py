"""The notify database as it begins.

Revision ID: 0001
Revises: nothing
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "dead_event",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("died_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_dead_event")),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("subject_version", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column(
            "state",
            sa.Text(),
            nullable=True,
            comment="The state the message was put in; null where there is no message.",
        ),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=True, comment="The event that caused it, where one did."),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        comment="Append-only: why each message was planned, dropped, superseded, sent or given up. No personal data.",
    )
    op.create_index("decisions_by_subject", "decisions", ["subject_id", "id"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_inbox")),
    )
    op.create_table(
        "inbox_heads",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_inbox_heads")),
        comment="The last number given in each account's inbox; its row lock makes numbers appear in order of commit.",
    )
    op.create_table(
        "known_bookings",
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column(
            "appointment",
            postgresql.JSONB(),
            nullable=False,
            comment="What messages may say of it; no names where sensitive.",
        ),
        sa.Column("contact", sa.Text(), nullable=True, comment="Contact data as the event brought it: sealed."),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("booking_id", name=op.f("pk_known_bookings")),
        comment="The newest version of each booking heard of: what a message must agree with to be allowed out.",
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "subject_id", sa.Uuid(), nullable=False, comment="The booking, or the sign-in request, that it speaks of."
        ),
        sa.Column("subject_version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("lead_minutes", sa.Integer(), nullable=False),
        sa.Column("recipient_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("urgency", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("visible_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False, comment="The reason of its state: a code of the decision log."),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("attempt", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("evidence", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column(
            "sealed",
            sa.Text(),
            nullable=True,
            comment="Sealed content that came with the event; gone when it is of no use.",
        ),
        sa.Column("template", sa.Text(), nullable=True),
        sa.Column("template_version", sa.SmallInteger(), nullable=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=True, comment="SHA-256 of the words as rendered."),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(state IN ('claimed', 'sending')) = (lease_token IS NOT NULL)",
            name=op.f("ck_messages_leased_while_worked_on"),
        ),
        sa.CheckConstraint(
            "state IN ('planned', 'claimed', 'sending', 'sent', 'unknown', 'dead', 'superseded', 'expired', 'suppressed')",
            name=op.f("ck_messages_state_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint(
            "subject_id", "subject_version", "kind", "lead_minutes", "recipient_id", "channel", name="uq_messages_cause"
        ),
        postgresql_with={"autovacuum_vacuum_scale_factor": "0.02", "autovacuum_analyze_scale_factor": "0.02"},
    )
    op.create_index(
        "messages_due",
        "messages",
        ["channel", "urgency", "visible_at", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('planned', 'claimed', 'sending')"),
    )
    op.create_table(
        "position",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_position")),
    )
    op.create_table(
        "attempts",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column(
            "code", sa.Text(), nullable=True, comment="The provider's own code, never its text: texts quote addresses."
        ),
        sa.Column(
            "reference", sa.Text(), nullable=True, comment="The name under which the provider knows the message."
        ),
        sa.CheckConstraint(
            "(finished_at IS NULL) = (verdict IS NULL)", name=op.f("ck_attempts_finished_with_a_verdict")
        ),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_attempts_message_id")),
        sa.PrimaryKeyConstraint("message_id", "number", name=op.f("pk_attempts")),
        comment="One row for each call of a provider, committed before the call; its outcome is written after it.",
    )
    op.create_table(
        "inbox_messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("sensitive", sa.Boolean(), nullable=False),
        sa.Column("title_zh", sa.Text(), nullable=False),
        sa.Column("title_en", sa.Text(), nullable=False),
        sa.Column("body_zh", sa.Text(), nullable=False),
        sa.Column("body_en", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["id"], ["messages.id"], name=op.f("fk_inbox_messages_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox_messages")),
        sa.UniqueConstraint("account_id", "sequence", name=op.f("uq_inbox_messages_account_id_sequence")),
        comment="What a resident sees in the app, numbered 1, 2, 3 … without a gap for each account.",
    )
    op.create_index(
        "inbox_messages_unread",
        "inbox_messages",
        ["account_id", "sequence"],
        unique=False,
        postgresql_where=sa.text("read_at IS NULL"),
    )


def downgrade() -> None:
    """Drop every table."""
    op.drop_index("inbox_messages_unread", table_name="inbox_messages", postgresql_where=sa.text("read_at IS NULL"))
    op.drop_table("inbox_messages")
    op.drop_table("attempts")
    op.drop_table("position")
    op.drop_index(
        "messages_due", table_name="messages", postgresql_where=sa.text("state IN ('planned', 'claimed', 'sending')")
    )
    op.drop_table("messages")
    op.drop_table("known_bookings")
    op.drop_table("inbox_heads")
    op.drop_table("inbox")
    op.drop_index("decisions_by_subject", table_name="decisions")
    op.drop_table("decisions")
    op.drop_table("dead_event")
