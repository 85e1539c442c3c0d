"""What is only written and read again is kept as it is written: PostgreSQL takes JSON apart to store it as JSONB.

Revision ID: 0019
Revises: 0018
"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Store text; the age of answers grows with their place in the table, which a block range index is for."""
    op.execute("ALTER TABLE outbox ALTER data TYPE json")
    op.execute("ALTER TABLE idempotency ALTER headers TYPE json")
    op.execute("COMMENT ON COLUMN outbox.data IS 'As it was written; JSONB would be taken apart to be stored.'")
    op.drop_index("idempotency_by_age", "idempotency")
    op.create_index("idempotency_by_age", "idempotency", ["created_at"], postgresql_using="brin")


def downgrade() -> None:
    """Take it apart again."""
    op.drop_index("idempotency_by_age", "idempotency")
    op.create_index("idempotency_by_age", "idempotency", ["created_at"])
    op.execute("ALTER TABLE idempotency ALTER headers TYPE jsonb")
    op.execute("ALTER TABLE outbox ALTER data TYPE jsonb")
    op.execute("COMMENT ON COLUMN outbox.data IS NULL")
