"""People can be erased: an account without an address, a person whom no account has any more.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
_ADDRESSED = "phone_fingerprint IS NOT NULL OR login IS NOT NULL"


def upgrade() -> None:
    """Let an account stand without an address once it is erased."""
    op.add_column("accounts", sa.Column("erased_at", MOMENT, nullable=True))
    op.add_column(
        "persons",
        sa.Column(
            "let_go_at",
            MOMENT,
            nullable=True,
            comment="No account has them any more: the document is known only until their strikes are over.",
        ),
    )
    op.create_index("persons_let_go", "persons", ["let_go_at"], postgresql_where=sa.text("let_go_at IS NOT NULL"))
    op.drop_constraint(op.f("ck_accounts_can_sign_in"), "accounts", type_="check")
    op.create_check_constraint(op.f("ck_accounts_can_sign_in"), "accounts", f"{_ADDRESSED} OR erased_at IS NOT NULL")


def downgrade() -> None:
    """Erased accounts get a login that nobody has a password for."""
    op.execute("UPDATE accounts SET login = 'erased-' || id WHERE phone_fingerprint IS NULL AND login IS NULL")
    op.drop_constraint(op.f("ck_accounts_can_sign_in"), "accounts", type_="check")
    op.create_check_constraint(op.f("ck_accounts_can_sign_in"), "accounts", _ADDRESSED)
    op.drop_index("persons_let_go", "persons")
    op.drop_column("persons", "let_go_at")
    op.drop_column("accounts", "erased_at")
