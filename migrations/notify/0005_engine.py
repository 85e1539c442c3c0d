"""Doubt that ends, and how each provider stands.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_BEFORE = "'planned', 'claimed', 'sending', 'sent', 'unknown', 'dead', 'superseded', 'expired', 'suppressed'"
_AFTER = "'planned', 'claimed', 'sending', 'sent', 'unknown', 'unproven', 'dead', 'superseded', 'expired', 'suppressed'"


def _moment() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    """Let doubt end as `unproven`, find it by its next question, and keep how each provider stands."""
    op.drop_constraint(op.f("ck_messages_state_known"), "messages", type_="check")
    op.create_check_constraint(op.f("ck_messages_state_known"), "messages", f"state IN ({_AFTER})")
    op.create_index(
        "messages_in_doubt",
        "messages",
        ["channel", "visible_at", "id"],
        postgresql_where=sa.text("state = 'unknown'"),
    )
    op.add_column(
        "attempts",
        sa.Column(
            "received_at", _moment(), nullable=True, comment="When we learned that it had reached its reader's device."
        ),
    )
    op.create_index("attempts_by_provider", "attempts", ["provider", "started_at"])
    op.create_table(
        "providers",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("breaker", sa.Text(), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("since", _moment(), nullable=False),
        sa.Column("pause_seconds", sa.Integer(), nullable=False),
        sa.Column(
            "probed_at",
            _moment(),
            nullable=True,
            comment="When the single message of a half-open breaker was begun.",
        ),
        sa.Column(
            "receipt_at",
            _moment(),
            nullable=True,
            comment="When it last sent a receipt: one that never does owes none.",
        ),
        sa.CheckConstraint("breaker IN ('closed', 'open', 'half_open')", name=op.f("ck_providers_breaker_known")),
        sa.CheckConstraint("weight BETWEEN 0 AND 1", name=op.f("ck_providers_weight_is_a_share")),
        sa.PrimaryKeyConstraint("channel", "provider", name=op.f("pk_providers")),
        comment="How each provider of a channel stands at present; one without a row is well.",
    )
    op.create_table(
        "provider_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", _moment(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("breaker_before", sa.Text(), nullable=False),
        sa.Column("breaker_after", sa.Text(), nullable=False),
        sa.Column("weight_before", sa.Double(), nullable=False),
        sa.Column("weight_after", sa.Double(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, comment="Judged in the window before the change."),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("slow", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_changes")),
        comment="Append-only: each change of a provider's share, its reason and the figures behind it.",
    )
    op.create_index("provider_changes_by_time", "provider_changes", ["channel", "at"])
    op.create_table(
        "provider_limits",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("tokens", sa.Double(), nullable=False),
        sa.Column("filled_at", _moment(), nullable=False),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_provider_limits")),
        comment="The token bucket of each provider that has a limit, shared by all workers.",
    )


def downgrade() -> None:
    """Go back: what ended unproven is in doubt again."""
    op.drop_table("provider_limits")
    op.drop_table("provider_changes")
    op.drop_table("providers")
    op.drop_index("attempts_by_provider", "attempts")
    op.drop_column("attempts", "received_at")
    op.drop_index("messages_in_doubt", "messages")
    op.execute("UPDATE messages SET state = 'unknown' WHERE state = 'unproven'")
    op.drop_constraint(op.f("ck_messages_state_known"), "messages", type_="check")
    op.create_check_constraint(op.f("ck_messages_state_known"), "messages", f"state IN ({_BEFORE})")
