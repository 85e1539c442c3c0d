"""Cooling off: for each place that was given back to a full slot, when it is the public's again.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let a slot know its places that cool off."""
    op.add_column(
        "slots",
        sa.Column(
            "cooling",
            sa.ARRAY(sa.DateTime(timezone=True)),
            nullable=True,
            comment="For each place that cools off, when it comes back to the public; null where none does.",
        ),
    )


def downgrade() -> None:
    """Take it away; such places are the public's at once."""
    op.drop_column("slots", "cooling")
