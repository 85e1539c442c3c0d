"""Draws: rounds, their requests, and who is in them; a slot knows the round that gives it away.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables of draws."""
    op.add_column(
        "slots",
        sa.Column(
            "drawn_in",
            sa.Uuid(),
            nullable=True,
            comment="The round that gives these places away by lot, until it is settled.",
        ),
    )
    _make_rounds()
    _make_requests()
    op.create_table(
        "draw_people",
        sa.Column("round_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_draw_people_person_id_persons")),
        sa.ForeignKeyConstraint(
            ["request_id"], ["draw_requests.id"], name=op.f("fk_draw_people_request_id_draw_requests")
        ),
        sa.ForeignKeyConstraint(["round_id"], ["draw_rounds.id"], name=op.f("fk_draw_people_round_id_draw_rounds")),
        sa.PrimaryKeyConstraint("round_id", "person_id", name=op.f("pk_draw_people")),
        comment="One request a person and round, whichever account makes it; a withdrawn request gives the person back.",
    )
    op.create_index("draw_people_by_request", "draw_people", ["request_id"])


def _make_rounds() -> None:
    op.create_table(
        "draw_rounds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Text(), nullable=False),
        sa.Column("slot_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("opens_at", _MOMENT, nullable=False),
        sa.Column("closes_at", _MOMENT, nullable=False),
        sa.Column("opened_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("seed", sa.LargeBinary(), nullable=False, comment="Told to nobody before the round is drawn."),
        sa.Column("commitment", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("drawn_at", _MOMENT, nullable=True),
        sa.Column("settled_at", _MOMENT, nullable=True),
        sa.Column("leased_until", _MOMENT, nullable=True, comment="Until when one worker has this round to itself."),
        sa.CheckConstraint("opens_at < closes_at", name=op.f("ck_draw_rounds_closes_after_opening")),
        sa.CheckConstraint("state IN ('open', 'drawn', 'settled')", name=op.f("ck_draw_rounds_draw_state_known")),
        sa.CheckConstraint("(state = 'open') = (digest IS NULL)", name=op.f("ck_draw_rounds_drawn_with_its_digest")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_draw_rounds")),
    )
    op.create_index("draw_rounds_of_service", "draw_rounds", ["service_id", "id"])
    op.create_index("draw_rounds_due", "draw_rounds", ["closes_at"], postgresql_where=sa.text("state <> 'settled'"))


def _make_requests() -> None:
    op.create_table(
        "draw_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("round_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("person_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("party_kind", sa.Text(), nullable=False),
        sa.Column("declarations", postgresql.JSONB(), nullable=False),
        sa.Column("slot_ids", sa.ARRAY(sa.Uuid()), nullable=False, comment="In order of preference."),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("contents", sa.Text(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False, comment="What its booking is called, if it gets one."),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("withdrawn_at", _MOMENT, nullable=True),
        sa.Column("place", sa.Integer(), nullable=True),
        sa.Column(
            "passed", postgresql.JSONB(), server_default="[]", nullable=False, comment="Slots it did not get, and why."
        ),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("slot_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("outcome IN ('booked', 'passed_over')", name=op.f("ck_draw_requests_outcome_known")),
        sa.CheckConstraint(
            "(slot_id IS NOT NULL) = (outcome IS NOT NULL AND outcome = 'booked')",
            name=op.f("ck_draw_requests_booked_somewhere"),
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_draw_requests_account_id_accounts")),
        sa.ForeignKeyConstraint(["round_id"], ["draw_rounds.id"], name=op.f("fk_draw_requests_round_id_draw_rounds")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_draw_requests")),
        sa.UniqueConstraint("booking_id", name=op.f("uq_draw_requests_booking_id")),
    )
    op.create_index("draw_requests_by_place", "draw_requests", ["round_id", "place"], unique=True)
    op.create_index("draw_requests_of_account", "draw_requests", ["account_id", "round_id"])


def downgrade() -> None:
    """Take draws away."""
    op.drop_table("draw_people")
    op.drop_table("draw_requests")
    op.drop_table("draw_rounds")
    op.drop_column("slots", "drawn_in")
