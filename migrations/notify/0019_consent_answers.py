"""What somebody replied to a request for consent.

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Remember the newest word."""
    op.add_column(
        "known_notices",
        sa.Column(
            "agreed",
            sa.Boolean(),
            nullable=True,
            comment="What its person replied to this version, where it asks; the newest.",
        ),
    )


def downgrade() -> None:
    """Remember none."""
    op.drop_column("known_notices", "agreed")
