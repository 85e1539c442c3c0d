"""What each account wants to hear, by which channel, and when not.

Revision ID: 0003
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of preferences: empty, for the city's own hold until somebody stores theirs."""
    op.create_table(
        "preferences",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("language", sa.Text(), nullable=True, comment="Null: the one that the account names."),
        sa.Column("quiet_begins", sa.Time(), nullable=True, comment="Local time of the venue; null: no quiet hours."),
        sa.Column("quiet_ends", sa.Time(), nullable=True),
        sa.Column(
            "switched_off",
            postgresql.ARRAY(sa.Text()),
            nullable=False,
            comment="What is not wanted, as kind/channel.",
        ),
        sa.Column(
            "reminders_off",
            postgresql.ARRAY(sa.Integer()),
            nullable=False,
            comment="Lead times not wanted, in minutes.",
        ),
        sa.Column(
            "key_digest",
            sa.LargeBinary(),
            nullable=False,
            comment="SHA-256 of the last change's Idempotency-Key.",
        ),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(quiet_begins IS NULL) = (quiet_ends IS NULL)", name=op.f("ck_preferences_quiet_hours_whole")
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_preferences")),
        comment="What each account wants to hear; one without a row has the city's own preferences.",
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("preferences")
