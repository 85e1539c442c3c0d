"""An event stands in the index of numbers once it has one: none is written, and left behind, before.

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

NUMBERED = "outbox_numbered"


def upgrade() -> None:
    """Index the numbered ones alone."""
    op.create_index(NUMBERED, "outbox", ["number"], unique=True, postgresql_where=sa.text("number IS NOT NULL"))
    op.drop_constraint("uq_outbox_number", "outbox", type_="unique")


def downgrade() -> None:
    """Put it back."""
    op.create_unique_constraint("uq_outbox_number", "outbox", ["number"])
    op.drop_index(NUMBERED, "outbox")
