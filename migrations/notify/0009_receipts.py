"""What comes back: receipts, and whose number a reply comes from.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "receipts",
        sa.Column("key", sa.Text(), nullable=False, comment="Provider, message and what it says: each counts once."),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column(
            "message_id", sa.Uuid(), nullable=True, comment="Null while nobody knows which message it speaks of."
        ),
        sa.Column(
            "reference", sa.Text(), nullable=True, comment="The name under which the provider knows the message."
        ),
        sa.Column("evidence", sa.SmallInteger(), nullable=True, comment="Null: it could not be delivered."),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_receipts")),
        comment="Receipts of providers, as they came: early ones wait here for the outcome that names their message.",
    )
    op.create_index("receipts_by_age", "receipts", ["received_at"], unique=False)
    op.create_index(
        "receipts_by_message",
        "receipts",
        ["message_id"],
        unique=False,
        postgresql_where=sa.text("message_id IS NOT NULL"),
    )
    op.create_index(
        "receipts_early",
        "receipts",
        ["provider", "reference"],
        unique=False,
        postgresql_where=sa.text("message_id IS NULL"),
    )
    op.create_table(
        "phones",
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False, comment="Keyed, of the number in E.164 form."),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_phones")),
        comment="Whose number it is, so that a reply by text message finds its account; the number itself is not here.",
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("phones")
    op.drop_table("receipts")
