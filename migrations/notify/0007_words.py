"""Cascades, notices of what is no booking, plain words.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of notices, and add what a cascade and plain words need."""
    op.create_table(
        "known_notices",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column(
            "notice",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="What messages may say of it; no names where sensitive.",
        ),
        sa.Column("contact", sa.Text(), nullable=True, comment="Contact data as the event brought it: sealed."),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("pk_known_notices")),
        comment="The newest version heard of whatever is no booking: penalties, consents, queues, cases, releases.",
    )
    op.add_column(
        "messages",
        sa.Column(
            "late_from",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="From then on it comes late; null: never before it expires.",
        ),
    )
    op.add_column(
        "messages",
        sa.Column(
            "only_without_evidence",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
            comment="A further step of a cascade: it goes only if no earlier channel is known to have reached the reader.",
        ),
    )
    op.add_column(
        "preferences",
        sa.Column(
            "plain_words",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
            comment="Short sentences, large print.",
        ),
    )
    op.add_column(
        "preferences",
        sa.Column(
            "names_sensitive",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
            comment="Messages may say what and where also of sensitive services.",
        ),
    )


def downgrade() -> None:
    """Take them away."""
    op.drop_column("preferences", "names_sensitive")
    op.drop_column("preferences", "plain_words")
    op.drop_column("messages", "only_without_evidence")
    op.drop_column("messages", "late_from")
    op.drop_table("known_notices")
