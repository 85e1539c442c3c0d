"""Find what was said to a person, and at a venue.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Remember of each booking which venue it is at, without its name."""
    op.add_column(
        "known_bookings",
        sa.Column(
            "venue_digest",
            sa.LargeBinary(),
            nullable=True,
            comment="Which venue it is at, for its staff; never in clear text.",
        ),
    )
    op.create_index("known_bookings_by_account", "known_bookings", ["account_id"])
    op.create_index("known_bookings_by_venue", "known_bookings", ["venue_digest", "heard_at"])
    op.create_index("known_notices_by_account", "known_notices", ["account_id"])


def downgrade() -> None:
    """Forget it."""
    op.drop_index("known_notices_by_account", "known_notices")
    op.drop_index("known_bookings_by_venue", "known_bookings")
    op.drop_index("known_bookings_by_account", "known_bookings")
    op.drop_column("known_bookings", "venue_digest")
