"""Proof of notice, and a key for each person.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let decisions be read on from a place, chain them, and give each person a key."""
    op.add_column(
        "decisions",
        sa.Column(
            "transaction_id",
            sa.BigInteger(),
            nullable=False,
            server_default=sa.text("((pg_current_xact_id())::text)::bigint"),
            comment="Whoever reads on from a place reads only what is older than every transaction that runs.",
        ),
    )
    op.create_index("decisions_by_transaction", "decisions", ["transaction_id", "id"])
    op.create_index(
        "messages_texted",
        "messages",
        ["recipient_id", "changed_at"],
        postgresql_where=sa.text("channel = 'sms' AND attempt > 0"),
    )
    op.create_table(
        "replays",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("why_dead", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False, comment="Who decided it, as they named themselves."),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replays")),
        comment="Append-only: dead messages that somebody sent again, and why.",
    )
    op.create_table(
        "proofs",
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "facts",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="What was decided or done; no personal data.",
        ),
        sa.Column("previous", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("booking_id", "sequence", name=op.f("pk_proofs")),
        comment="Append-only: each record holds the digest of the one before it.",
    )
    op.create_table(
        "notary",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("decision_id", sa.BigInteger(), nullable=False),
        sa.Column("evidence_number", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_notary_one_notary")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notary")),
        comment="One row: up to which decision and which event of evidence everything is chained.",
    )
    op.create_table(
        "recipient_keys",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column(
            "wrapped",
            sa.Text(),
            nullable=True,
            comment="The key, sealed with this service's own; null once erased.",
        ),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(wrapped IS NULL) = (erased_at IS NOT NULL)", name=op.f("ck_recipient_keys_erased_for_good")
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_recipient_keys")),
        comment="An erased person's row stays without its key, so that a late event brings nothing back.",
    )


def downgrade() -> None:
    """Drop them; contacts kept under a person's key can then be read no more."""
    op.drop_table("recipient_keys")
    op.drop_table("notary")
    op.drop_table("proofs")
    op.drop_table("replays")
    op.drop_index("messages_texted", "messages")
    op.drop_index("decisions_by_transaction", "decisions")
    op.drop_column("decisions", "transaction_id")
