"""An offer may be taken by answering its text message.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def _moment() -> sa.TIMESTAMP:
    return sa.TIMESTAMP(timezone=True)


def upgrade() -> None:
    """Remember who said yes, and whether that was acted on."""
    op.add_column(
        "waitlist_offers",
        sa.Column("agreed_at", _moment(), nullable=True, comment="When its reader answered yes."),
    )
    op.add_column(
        "waitlist_offers",
        sa.Column("agreement_taken_at", _moment(), nullable=True, comment="When the desk was asked because of it."),
    )
    op.create_index(
        "waitlist_offers_agreed",
        "waitlist_offers",
        ["agreed_at"],
        postgresql_where=sa.text("outcome IS NULL AND agreed_at IS NOT NULL AND agreement_taken_at IS NULL"),
    )


def downgrade() -> None:
    """Forget it."""
    op.drop_index(
        "waitlist_offers_agreed",
        "waitlist_offers",
        postgresql_where=sa.text("outcome IS NULL AND agreed_at IS NOT NULL AND agreement_taken_at IS NULL"),
    )
    op.drop_column("waitlist_offers", "agreement_taken_at")
    op.drop_column("waitlist_offers", "agreed_at")
