"""Fewer indexes to write: events have no place in that of numbers before they are numbered, decisions are kept in one order.

Revision ID: 0021
Revises: 0020
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

NUMBERED = "outbox_numbered"


def upgrade() -> None:
    """Index the numbered ones alone; make the order in which decisions are read on from a place their key."""
    op.create_index(NUMBERED, "outbox", ["number"], unique=True, postgresql_where=sa.text("number IS NOT NULL"))
    op.drop_constraint("uq_outbox_number", "outbox", type_="unique")
    op.drop_constraint("pk_decisions", "decisions", type_="primary")
    op.create_primary_key("pk_decisions", "decisions", ["transaction_id", "id"])
    op.drop_index("decisions_by_transaction", "decisions")


def downgrade() -> None:
    """Put it back."""
    op.create_unique_constraint("uq_outbox_number", "outbox", ["number"])
    op.drop_index(NUMBERED, "outbox")
    op.create_index("decisions_by_transaction", "decisions", ["transaction_id", "id"])
    op.drop_constraint("pk_decisions", "decisions", type_="primary")
    op.create_primary_key("pk_decisions", "decisions", ["id"])
