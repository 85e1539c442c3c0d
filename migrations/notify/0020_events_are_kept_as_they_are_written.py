"""Events are only written and read again, and are kept as they are written: JSONB would be taken apart to be stored.

Revision ID: 0020
Revises: 0019
"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Store text."""
    op.execute("ALTER TABLE outbox ALTER data TYPE json")
    op.execute("COMMENT ON COLUMN outbox.data IS 'As it was written; JSONB would be taken apart to be stored.'")


def downgrade() -> None:
    """Take it apart again."""
    op.execute("ALTER TABLE outbox ALTER data TYPE jsonb")
    op.execute("COMMENT ON COLUMN outbox.data IS NULL")
