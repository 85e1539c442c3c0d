"""Remember which letter carried what was told together.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Name, in the attempt of a message that went in another's letter, that other one."""
    op.add_column(
        "attempts",
        sa.Column(
            "told_in",
            sa.Uuid(),
            nullable=True,
            comment="The message whose letter carried it, where several were told as one; null: its own.",
        ),
    )
    op.create_index("attempts_told_in", "attempts", ["told_in"], postgresql_where=sa.text("told_in IS NOT NULL"))


def downgrade() -> None:
    """Forget it."""
    op.drop_index("attempts_told_in", "attempts", postgresql_where=sa.text("told_in IS NOT NULL"))
    op.drop_column("attempts", "told_in")
