"""What was begun is found apart from what was not: a half-sent message never waits behind a wall of others.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

DUE = ["channel", "urgency", "visible_at", "id"]
BEGUN = ["channel", "visible_at", "id"]


def _index(name: str, columns: list[str], states: str) -> None:
    op.create_index(name, "messages", columns, postgresql_where=sa.text(f"state IN ({states})"))


def upgrade() -> None:
    """Move what is being sent from the index of what is due to that of what is in doubt."""
    _index("messages_begun", BEGUN, "'sending', 'unknown'")
    op.drop_index("messages_in_doubt", "messages")
    op.drop_index("messages_due", "messages")
    _index("messages_due", DUE, "'planned', 'claimed'")


def downgrade() -> None:
    """Put it back."""
    op.drop_index("messages_due", "messages")
    _index("messages_due", DUE, "'planned', 'claimed', 'sending'")
    op.create_index("messages_in_doubt", "messages", BEGUN, postgresql_where=sa.text("state = 'unknown'"))
    op.drop_index("messages_begun", "messages")
