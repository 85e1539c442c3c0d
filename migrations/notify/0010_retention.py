"""What stays of messages when their rows are gone.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of counts."""
    op.create_table(
        "message_statistics",
        sa.Column(
            "month", sa.Date(), nullable=False, comment="The first of the month, local time, in which they were due."
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("month", "kind", "channel", "state", "why", name=op.f("pk_message_statistics")),
        comment="Counts of messages whose rows were deleted; nothing of anybody.",
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("message_statistics")
