"""A round may be opened by a policy, and then by nobody.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_BY_WHOM = "Who opened it; nobody, where the policy asks for it."
_NOBODY = "00000000-0000-0000-0000-000000000000"


def upgrade() -> None:
    """Let nobody have opened it."""
    op.alter_column("draw_rounds", "opened_by", existing_type=sa.Uuid(), nullable=True, comment=_BY_WHOM)


def downgrade() -> None:
    """Name nobody by a number."""
    op.execute(f"UPDATE draw_rounds SET opened_by = '{_NOBODY}' WHERE opened_by IS NULL")  # noqa: S608 - a constant
    op.alter_column(
        "draw_rounds", "opened_by", existing_type=sa.Uuid(), nullable=False, comment=None, existing_comment=_BY_WHOM
    )
