"""An itinerary is checked in step by step: when each was met, and which change of the booking that was.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Have a place for it; what was checked in before says nothing of its steps."""
    op.add_column(
        "claims",
        sa.Column(
            "met_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When its person was checked in to this step of an itinerary.",
        ),
    )
    op.add_column(
        "history",
        sa.Column("step", sa.Text(), nullable=True, comment="Which step of an itinerary was checked in."),
    )


def downgrade() -> None:
    """Know only that the party came."""
    op.drop_column("history", "step")
    op.drop_column("claims", "met_at")
