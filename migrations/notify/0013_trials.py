"""Let a provider's trial have more than one message.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_SINGLE = "When the single message of a half-open breaker was begun."
_TRIAL = "When the trial of a half-open breaker was begun."


def _moment() -> sa.TIMESTAMP:
    return sa.TIMESTAMP(timezone=True)


def upgrade() -> None:
    """Count the messages of a trial, and begin anew those that were waited for."""
    for name, first, comment in (
        ("trial", "1", "How many messages its trial has."),
        ("given", "0", "How many of those it was given."),
    ):
        op.add_column(
            "providers",
            sa.Column(name, sa.SmallInteger(), nullable=False, server_default=first, comment=comment),
        )
    op.alter_column("providers", "probed_at", existing_type=_moment(), comment=_TRIAL, existing_comment=_SINGLE)
    op.execute("UPDATE providers SET probed_at = NULL WHERE breaker = 'half_open'")


def downgrade() -> None:
    """Let a trial have one message."""
    op.alter_column("providers", "probed_at", existing_type=_moment(), comment=_SINGLE, existing_comment=_TRIAL)
    op.drop_column("providers", "given")
    op.drop_column("providers", "trial")
