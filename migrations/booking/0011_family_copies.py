"""Copies of messages for a family member who has agreed.

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
    """Make room for arrangements."""
    op.create_table(
        "family_copies",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column(
            "reader_fingerprint", sa.LargeBinary(), nullable=False, comment="Of the telephone number that was named."
        ),
        sa.Column("reader_sealed", sa.Text(), nullable=False),
        sa.Column("kinds", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("sensitive", sa.Boolean(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('asked', 'agreed', 'refused', 'withdrawn')", name=op.f("ck_family_copies_state_known")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_family_copies_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_family_copies")),
        comment="Who has asked whom to get copies of their messages, and what became of it.",
    )
    op.create_index("family_copies_by_account", "family_copies", ["account_id", "asked_at"])
    op.create_index("family_copies_by_reader", "family_copies", ["reader_fingerprint", "asked_at"])
    op.create_index(
        "family_copies_live",
        "family_copies",
        ["account_id", "reader_fingerprint"],
        unique=True,
        postgresql_where=sa.text("state IN ('asked', 'agreed')"),
    )


def downgrade() -> None:
    """Forget them: nobody gets a copy any more."""
    op.drop_table("family_copies")
