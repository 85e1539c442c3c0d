"""What partners were told is forgotten: found by its age.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Find what is over by its age."""
    op.create_index(
        "webhook_deliveries_by_age",
        "webhook_deliveries",
        ["changed_at"],
        postgresql_where=sa.text("state <> 'pending'"),
    )


def downgrade() -> None:
    """Find it no more."""
    op.drop_index("webhook_deliveries_by_age", "webhook_deliveries")
