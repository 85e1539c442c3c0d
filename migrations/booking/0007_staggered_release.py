"""Staggered release: a slot knows the portions of its places that open later.

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
    """Let a slot know its later portions."""
    op.add_column(
        "slots",
        sa.Column(
            "later", postgresql.JSONB(), nullable=True, comment="Portions released later: [[instant, places], …]."
        ),
    )


def downgrade() -> None:
    """Take them away: every place opens with the release."""
    op.drop_column("slots", "later")
