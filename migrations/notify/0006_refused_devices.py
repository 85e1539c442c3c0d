"""A device whose push service forbids us to write to it is forgotten the second time.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for the first time."""
    op.add_column(
        "push_subscriptions",
        sa.Column(
            "refused_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When its push service first forbade us to write to it.",
        ),
    )


def downgrade() -> None:
    """Forget it."""
    op.drop_column("push_subscriptions", "refused_at")
