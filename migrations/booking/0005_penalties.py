"""Penalties: strikes, annulments, standings, exemptions and appeals.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables of penalties."""
    _make_penalty_exemptions()
    _make_strikes()
    _make_penalties()
    _make_strike_annulments()
    _make_penalty_appeals()


def _make_penalty_exemptions() -> None:
    op.create_table(
        "penalty_exemptions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("venue_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=False),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.Column("ended_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (ended_by IS NULL)", name=op.f("ck_penalty_exemptions_ended_by_somebody")
        ),
        sa.ForeignKeyConstraint(["ended_by"], ["accounts.id"], name=op.f("fk_penalty_exemptions_ended_by_accounts")),
        sa.ForeignKeyConstraint(["made_by"], ["accounts.id"], name=op.f("fk_penalty_exemptions_made_by_accounts")),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_penalty_exemptions_person_id_persons")),
        sa.ForeignKeyConstraint(["venue_id"], ["venues.id"], name=op.f("fk_penalty_exemptions_venue_id_venues")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_penalty_exemptions")),
        comment="People whose strikes at a venue do not count: by whom, and why.",
    )
    op.create_index("penalty_exemptions_of_person", "penalty_exemptions", ["person_id"])
    op.create_index("penalty_exemptions_of_venue", "penalty_exemptions", ["venue_id", "id"])
    op.create_index(
        "penalty_exemptions_once",
        "penalty_exemptions",
        ["person_id", "venue_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def _make_strikes() -> None:
    op.create_table(
        "strikes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("same_day", sa.Boolean(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("recorded_at", _MOMENT, nullable=False),
        sa.Column("service_id", sa.Text(), nullable=False),
        sa.Column("venue_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.CheckConstraint("act IN ('no_show', 'cancel')", name=op.f("ck_strikes_act_known")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_strikes_account_id_accounts")),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_strikes_booking_id_bookings")),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_strikes_person_id_persons")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_strikes")),
        comment="Who did not come or cancelled late: a row each, never changed.",
    )
    op.create_index("strikes_of_person", "strikes", ["person_id", "at"])
    op.create_index("strikes_one_each", "strikes", ["booking_id", "person_id"], unique=True)


def _make_penalties() -> None:
    op.create_table(
        "penalties",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("counted", sa.SmallInteger(), nullable=False),
        sa.Column("threshold", sa.SmallInteger(), nullable=False),
        sa.Column("barred_since", _MOMENT, nullable=True),
        sa.Column("barred_until", _MOMENT, nullable=True),
        sa.Column("imposed_by", sa.Uuid(), nullable=True),
        sa.Column(
            "because",
            postgresql.JSONB(),
            nullable=False,
            comment="The strikes of the bar, as they are told: when, and what.",
        ),
        sa.Column("account_id", sa.Uuid(), nullable=False, comment="Who is told."),
        sa.Column("changed_at", _MOMENT, nullable=False),
        sa.CheckConstraint(
            "(state = 'barred') = (barred_until IS NOT NULL) AND (state = 'barred') = (barred_since IS NOT NULL) AND (state = 'barred') = (imposed_by IS NOT NULL)",
            name=op.f("ck_penalties_a_bar_has_an_end"),
        ),
        sa.CheckConstraint(
            "state IN ('clear', 'warned', 'barred', 'lifted')", name=op.f("ck_penalties_penalty_state_known")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_penalties_account_id_accounts")),
        sa.ForeignKeyConstraint(["imposed_by"], ["strikes.id"], name=op.f("fk_penalties_imposed_by_strikes")),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_penalties_person_id_persons")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_penalties")),
        comment="Where a person stands under one rule in one scope, as they were last told.",
    )
    op.create_index(
        "penalties_barring", "penalties", ["person_id"], postgresql_where=sa.text("barred_until IS NOT NULL")
    )
    op.create_index(
        "penalties_ending", "penalties", ["barred_until"], postgresql_where=sa.text("barred_until IS NOT NULL")
    )
    op.create_index("penalties_of_person", "penalties", ["person_id"])


def _make_strike_annulments() -> None:
    op.create_table(
        "strike_annulments",
        sa.Column("strike_id", sa.Uuid(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_role", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "cause IN ('corrected', 'staff', 'appeal')", name=op.f("ck_strike_annulments_annulment_known")
        ),
        sa.ForeignKeyConstraint(["strike_id"], ["strikes.id"], name=op.f("fk_strike_annulments_strike_id_strikes")),
        sa.PrimaryKeyConstraint("strike_id", name=op.f("pk_strike_annulments")),
        comment="Strikes that do not count: by whom, when, and why.",
    )


def _make_penalty_appeals() -> None:
    op.create_table(
        "penalty_appeals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("penalty_id", sa.Uuid(), nullable=False),
        sa.Column("strike_id", sa.Uuid(), nullable=False, comment="The strike that imposed the bar."),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("venue_id", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.Column("granted", sa.Boolean(), nullable=True),
        sa.Column("decided_at", _MOMENT, nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(granted IS NULL) = (decided_at IS NULL) AND (granted IS NULL) = (decided_by IS NULL) AND (granted IS NULL) = (answer IS NULL)",
            name=op.f("ck_penalty_appeals_decided_whole"),
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_penalty_appeals_account_id_accounts")),
        sa.ForeignKeyConstraint(["decided_by"], ["accounts.id"], name=op.f("fk_penalty_appeals_decided_by_accounts")),
        sa.ForeignKeyConstraint(["penalty_id"], ["penalties.id"], name=op.f("fk_penalty_appeals_penalty_id_penalties")),
        sa.ForeignKeyConstraint(["strike_id"], ["strikes.id"], name=op.f("fk_penalty_appeals_strike_id_strikes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_penalty_appeals")),
    )
    op.create_index("penalty_appeals_of_venue", "penalty_appeals", ["venue_id", "id"])
    op.create_index("penalty_appeals_once", "penalty_appeals", ["penalty_id", "strike_id"], unique=True)


def downgrade() -> None:
    """Take penalties away."""
    op.drop_table("penalty_appeals")
    op.drop_table("strike_annulments")
    op.drop_table("penalties")
    op.drop_table("strikes")
    op.drop_table("penalty_exemptions")
