"""What is known of a message's arrival, told through an outbox; what readers bind to further channels.

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
    """Make the outbox, and room for `shown` below `read`."""
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("number", name=op.f("uq_outbox_number")),
    )
    op.create_index(
        "ix_outbox_unnumbered", "outbox", ["sequence"], unique=False, postgresql_where=sa.text("number IS NULL")
    )
    op.create_table(
        "relay",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("last_number", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_published", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_relay_one_row")),
        sa.CheckConstraint("last_published <= last_number", name=op.f("ck_relay_published_is_numbered")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_relay")),
    )
    op.execute("UPDATE messages SET evidence = 4 WHERE evidence = 3")
    op.create_table(
        "push_subscriptions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False, comment="Keyed, of the endpoint."),
        sa.Column(
            "sealed", sa.Text(), nullable=False, comment="Endpoint and keys: whoever has them can write to the device."
        ),
        sa.Column(
            "host", sa.Text(), nullable=False, comment="The push service's name, for its reader to tell devices apart."
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push_subscriptions")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_push_subscriptions_fingerprint")),
        comment="Browsers that take Web Push for an account.",
    )
    op.create_index("push_subscriptions_by_account", "push_subscriptions", ["account_id", "id"], unique=False)
    op.create_table(
        "bindings",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False, comment="Keyed, of the address."),
        sa.Column("sealed", sa.Text(), nullable=False, comment="The address there: an openid, a WeCom user id."),
        sa.Column("bound_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "channel", name=op.f("pk_bindings")),
        sa.UniqueConstraint("channel", "fingerprint", name=op.f("uq_bindings_address")),
        comment="One address for each account and channel; an address belongs to one account at a time.",
    )
    _consents()
    op.create_table(
        "provider_tokens",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=True, comment="The access token."),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_provider_tokens")),
        comment="Access tokens that all workers share; whoever holds the lease asks for the next one.",
    )


def _consents() -> None:
    op.create_table(
        "consents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column(
            "template", sa.Text(), nullable=False, comment="The provider's template id that the reader agreed to."
        ),
        sa.Column("lasting", sa.Boolean(), nullable=False, comment="Good for any number of messages, not for one."),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spent_by", sa.Uuid(), nullable=True, comment="The message that used it up."),
        sa.Column(
            "void_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the provider said that it does not hold (any more).",
        ),
        sa.CheckConstraint("NOT lasting OR spent_by IS NULL", name=op.f("ck_consents_lasting_is_never_spent")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
        comment="The ledger of consents: one for each message, unless it is lasting.",
    )
    op.create_index(
        "consents_open",
        "consents",
        ["account_id", "channel", "template", "given_at"],
        unique=False,
        postgresql_where=sa.text("spent_by IS NULL AND void_at IS NULL"),
    )
    op.create_index(
        "consents_by_message",
        "consents",
        ["spent_by"],
        unique=False,
        postgresql_where=sa.text("spent_by IS NOT NULL"),
    )


def downgrade() -> None:
    """Drop it; what was shown falls back to delivered."""
    for table in ("provider_tokens", "consents", "bindings", "push_subscriptions"):
        op.drop_table(table)
    op.execute("UPDATE messages SET evidence = CASE WHEN evidence >= 4 THEN 3 ELSE 2 END WHERE evidence >= 3")
    op.drop_table("relay")
    op.drop_index("ix_outbox_unnumbered", table_name="outbox", postgresql_where=sa.text("number IS NULL"))
    op.drop_table("outbox")
