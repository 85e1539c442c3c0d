"""Who wants to be reminded when places of a service are released.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for wishes."""
    op.create_table(
        "release_watches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False, comment="Rises with each reminder."),
        sa.Column("told_for", sa.DateTime(timezone=True), nullable=True, comment="The release that was told of last."),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_release_watches_account_id_accounts")),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_release_watches_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release_watches")),
        sa.UniqueConstraint("account_id", "service_id", name="uq_release_watches_once"),
        comment="Who wants to be reminded when places of a service are released.",
    )
    op.create_index("release_watches_by_service", "release_watches", ["service_id"])


def downgrade() -> None:
    """Forget them: nobody is reminded of a release any more."""
    op.drop_table("release_watches")
