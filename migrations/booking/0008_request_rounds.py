"""Request rounds: seasons, the clubs' requests in them, and each hour of them.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables of request rounds."""
    _make_season_rounds()
    _make_season_requests()
    _make_season_occurrences()


def _make_season_rounds() -> None:
    op.create_table(
        "season_rounds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("venue_id", sa.Text(), nullable=False),
        sa.Column("service_ids", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=False),
        sa.Column("opens_at", _MOMENT, nullable=False),
        sa.Column("closes_at", _MOMENT, nullable=False),
        sa.Column("opened_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("committed_at", _MOMENT, nullable=True),
        sa.Column("committed_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "(committed_at IS NULL) = (committed_by IS NULL)", name=op.f("ck_season_rounds_committed_by_somebody")
        ),
        sa.CheckConstraint("first <= last", name=op.f("ck_season_rounds_season_has_days")),
        sa.CheckConstraint("opens_at < closes_at", name=op.f("ck_season_rounds_season_closes_after_opening")),
        sa.ForeignKeyConstraint(["committed_by"], ["accounts.id"], name=op.f("fk_season_rounds_committed_by_accounts")),
        sa.ForeignKeyConstraint(["opened_by"], ["accounts.id"], name=op.f("fk_season_rounds_opened_by_accounts")),
        sa.ForeignKeyConstraint(["venue_id"], ["venues.id"], name=op.f("fk_season_rounds_venue_id_venues")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_season_rounds")),
    )
    op.create_index("season_rounds_of_venue", "season_rounds", ["venue_id", "id"])


def _make_season_requests() -> None:
    op.create_table(
        "season_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("round_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False, comment="Who answers for the club."),
        sa.Column("service_id", sa.Text(), nullable=False),
        sa.Column("weekday", sa.SmallInteger(), nullable=False),
        sa.Column("at", sa.Time(), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=False),
        sa.Column("excluded", sa.ARRAY(sa.Date()), nullable=False),
        sa.Column("words", sa.Text(), nullable=False, comment="Who asks, and what for."),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.CheckConstraint("weekday BETWEEN 1 AND 7", name=op.f("ck_season_requests_season_weekday")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_season_requests_account_id_accounts")),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_season_requests_person_id_persons")),
        sa.ForeignKeyConstraint(
            ["round_id"], ["season_rounds.id"], name=op.f("fk_season_requests_round_id_season_rounds")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_season_requests")),
    )
    op.create_index("season_requests_of_account", "season_requests", ["account_id", "round_id"])
    op.create_index("season_requests_of_round", "season_requests", ["round_id", "id"])


def _make_season_occurrences() -> None:
    op.create_table(
        "season_occurrences",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("round_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Text(), nullable=False),
        sa.Column("starts_at", _MOMENT, nullable=False),
        sa.Column("asked_service_id", sa.Text(), nullable=False),
        sa.Column("asked_starts_at", _MOMENT, nullable=False),
        sa.Column("fate", sa.Text(), nullable=False),
        sa.Column(
            "reason",
            sa.Text(),
            nullable=True,
            comment="Why it was not given: a code of the house, or the staff's own words.",
        ),
        sa.Column("proposed_service_id", sa.Text(), nullable=True),
        sa.Column("proposed_starts_at", _MOMENT, nullable=True),
        sa.Column("booking_id", sa.Uuid(), nullable=False, comment="What its booking is called, if it gets one."),
        sa.Column("changed_at", _MOMENT, nullable=False),
        sa.Column("changed_by", sa.Uuid(), nullable=True),
        sa.Column("leased_until", _MOMENT, nullable=True, comment="Until when one worker has this hour to itself."),
        sa.CheckConstraint(
            "(fate = 'proposed') = (proposed_service_id IS NOT NULL) AND (fate = 'proposed') = (proposed_starts_at IS NOT NULL)",
            name=op.f("ck_season_occurrences_proposed_whole"),
        ),
        sa.CheckConstraint(
            "fate IN ('requested', 'proposed', 'accepted', 'rejected', 'withdrawn', 'booked', 'refused')",
            name=op.f("ck_season_occurrences_fate_known"),
        ),
        sa.ForeignKeyConstraint(
            ["request_id"], ["season_requests.id"], name=op.f("fk_season_occurrences_request_id_season_requests")
        ),
        sa.ForeignKeyConstraint(
            ["round_id"], ["season_rounds.id"], name=op.f("fk_season_occurrences_round_id_season_rounds")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_season_occurrences")),
        sa.UniqueConstraint("booking_id", name=op.f("uq_season_occurrences_booking_id")),
    )
    op.create_index(
        "season_occurrences_asked_once", "season_occurrences", ["request_id", "asked_starts_at"], unique=True
    )
    op.create_index(
        "season_occurrences_due", "season_occurrences", ["starts_at"], postgresql_where=sa.text("fate = 'accepted'")
    )
    op.create_index(
        "season_occurrences_given",
        "season_occurrences",
        ["service_id", "starts_at"],
        postgresql_where=sa.text("fate IN ('accepted', 'booked')"),
    )
    op.create_index("season_occurrences_of_round", "season_occurrences", ["round_id", "starts_at"])


def downgrade() -> None:
    """Take request rounds away."""
    op.drop_table("season_occurrences")
    op.drop_table("season_requests")
    op.drop_table("season_rounds")
