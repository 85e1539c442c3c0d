"""Who came after all, and then did not, is struck again: one strike for each change of a booking, not for each booking.

Revision ID: 0017
Revises: 0016
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_STEP = "Which step of an itinerary was checked in{}."


def _one_each(*columns: str) -> None:
    op.drop_index("strikes_one_each", table_name="strikes")
    op.create_index("strikes_one_each", "strikes", list(columns), unique=True)


def upgrade() -> None:
    """Count the version in; and say that the history names corrected steps, too."""
    _one_each("booking_id", "person_id", "version")
    op.alter_column("history", "step", comment=_STEP.format(", or corrected"), existing_comment=_STEP.format(""))


def downgrade() -> None:
    """Go back to one for each person of a booking. Fails where somebody has two: nothing is deleted from the ledger."""
    _one_each("booking_id", "person_id")
    op.alter_column("history", "step", comment=_STEP.format(""), existing_comment=_STEP.format(", or corrected"))
