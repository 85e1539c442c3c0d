"""Whoever leaves the official account is sent nothing there until they follow it again.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Remember who has left, and since when that is known."""
    op.add_column(
        "bindings",
        sa.Column(
            "left_at",
            MOMENT,
            nullable=True,
            comment="When its reader left the official account; null while they follow.",
        ),
    )
    op.add_column(
        "bindings",
        sa.Column("told_at", MOMENT, nullable=True, comment="The provider's time of the newest word on that."),
    )


def downgrade() -> None:
    """Know no more than the address."""
    op.drop_column("bindings", "told_at")
    op.drop_column("bindings", "left_at")
