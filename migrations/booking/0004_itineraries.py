"""Itineraries: what they are, and bookings with several steps, each in a slot of its own.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of definitions, and room for steps in bookings and claims."""
    op.create_table(
        "itineraries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_itineraries")),
    )
    op.add_column(
        "bookings",
        sa.Column(
            "itinerary_id",
            sa.Text(),
            nullable=True,
            comment="Where the booking has several steps, each in a slot of its own.",
        ),
    )
    op.add_column(
        "bookings",
        sa.Column(
            "itinerary_dates",
            postgresql.JSONB(),
            nullable=True,
            comment="What the days of the itinerary's steps are counted from.",
        ),
    )
    op.create_index(
        "itineraries_held",
        "bookings",
        ["hold_until"],
        postgresql_where=sa.text("state = 'held' AND itinerary_id IS NOT NULL"),
    )
    op.add_column("claims", sa.Column("step", sa.Text(), nullable=True))
    op.create_index("claims_of_steps", "claims", ["slot_id"], postgresql_where=sa.text("step IS NOT NULL"))


def downgrade() -> None:
    """Drop them; an itinerary becomes a booking whose claims are in other slots than it says."""
    op.drop_index("claims_of_steps", "claims")
    op.drop_column("claims", "step")
    op.drop_index("itineraries_held", "bookings")
    op.drop_column("bookings", "itinerary_dates")
    op.drop_column("bookings", "itinerary_id")
    op.drop_table("itineraries")
