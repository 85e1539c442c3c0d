"""Contacts are proved before use: the codes and links that were sent to addresses.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for addresses that wait to be proved. Those that are in use already stay in use."""
    op.create_table(
        "contact_proofs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("address_fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("address_sealed", sa.Text(), nullable=False),
        sa.Column("code_fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("link_fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("tries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "dropped_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Its holder took the address back, or gave another.",
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_contact_proofs_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_proofs")),
        sa.UniqueConstraint("link_fingerprint", name=op.f("uq_contact_proofs_link_fingerprint")),
        comment="Mail addresses that were given and are not used before they are proved; neither they nor codes in clear text.",
    )
    op.create_index("contact_proofs_by_account", "contact_proofs", ["account_id", "created_at"])
    op.create_index("contact_proofs_by_address", "contact_proofs", ["address_fingerprint", "created_at"])


def downgrade() -> None:
    """Forget what was asked; addresses that were proved stay."""
    op.drop_table("contact_proofs")
