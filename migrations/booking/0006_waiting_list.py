"""The waiting list: entries, lines, people, offers and skips; and an inbox for what the notify service says.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables of the waiting list and of the inbox."""
    op.create_table(
        "waitlist_numbers",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_waitlist_numbers")),
        comment=(
            "The last number given in each kind of service. Its row is held until the entry is there: no gaps, no overtaking."
        ),
    )
    _make_entries()
    _make_lines()
    _make_offers()
    _make_inbox()


def _make_entries() -> None:
    op.create_table(
        "waitlist_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("service_ids", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("weekdays", sa.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("since", sa.Time(), nullable=False),
        sa.Column("until", sa.Time(), nullable=False),
        sa.Column("party_kind", sa.Text(), nullable=False),
        sa.Column("person_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("declarations", postgresql.JSONB(), nullable=False),
        sa.Column("places", sa.SmallInteger(), nullable=False),
        sa.Column("joined_at", _MOMENT, nullable=False),
        sa.Column(
            "over_at", _MOMENT, nullable=False, comment="From here on nothing that it waits for is still to come."
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("passed_over", sa.Integer(), server_default="0", nullable=False),
        sa.Column("missed", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("collecting_slot", sa.Uuid(), nullable=True),
        sa.Column("collecting_until", _MOMENT, nullable=True),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.Column("ended_because", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'offered', 'served', 'left', 'ended')",
            name=op.f("ck_waitlist_entries_entry_state_known"),
        ),
        sa.CheckConstraint(
            "(state IN ('waiting', 'offered')) = (ended_at IS NULL)", name=op.f("ck_waitlist_entries_ended_once")
        ),
        sa.CheckConstraint(
            "(collecting_slot IS NULL) = (collecting_until IS NULL)", name=op.f("ck_waitlist_entries_collects_until")
        ),
        sa.CheckConstraint(
            "places >= 1 AND first_day <= last_day AND since <= until",
            name=op.f("ck_waitlist_entries_waits_for_something"),
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_waitlist_entries_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waitlist_entries")),
    )
    live = sa.text("state IN ('waiting', 'offered')")
    collecting = sa.text("collecting_slot IS NOT NULL")
    op.create_index("waitlist_entries_in_order", "waitlist_entries", ["kind", "number"], unique=True)
    op.create_index("waitlist_entries_of_account", "waitlist_entries", ["account_id", "id"])
    op.create_index("waitlist_entries_over", "waitlist_entries", ["over_at"], postgresql_where=live)
    op.create_index("waitlist_entries_collecting", "waitlist_entries", ["collecting_slot"], postgresql_where=collecting)


def _make_lines() -> None:
    op.create_table(
        "waitlist_wishes",
        sa.Column("service_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["waitlist_entries.id"], name=op.f("fk_waitlist_wishes_entry_id_waitlist_entries")
        ),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name=op.f("fk_waitlist_wishes_service_id_services")),
        sa.PrimaryKeyConstraint("service_id", "number", name=op.f("pk_waitlist_wishes")),
        comment="The line of each service, in order: live entries only.",
    )
    op.create_index("waitlist_wishes_of_entry", "waitlist_wishes", ["entry_id"])
    op.create_table(
        "waitlist_people",
        sa.Column("service_id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["waitlist_entries.id"], name=op.f("fk_waitlist_people_entry_id_waitlist_entries")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_waitlist_people_person_id_persons")),
        sa.PrimaryKeyConstraint("service_id", "person_id", name=op.f("pk_waitlist_people")),
        comment="A person waits once for a service, whichever account waits for them; whoever leaves gives the person back.",
    )
    op.create_index("waitlist_people_of_entry", "waitlist_people", ["entry_id"])
    op.create_table(
        "waitlist_skips",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("slot_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("first_at", _MOMENT, nullable=False),
        sa.Column("last_at", _MOMENT, nullable=False),
        sa.Column("times", sa.Integer(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["waitlist_entries.id"], name=op.f("fk_waitlist_skips_entry_id_waitlist_entries")
        ),
        sa.PrimaryKeyConstraint("entry_id", "slot_id", "reason", name=op.f("pk_waitlist_skips")),
        comment="Why an entry was not offered a slot, and when first and last; one row for each reason, however often.",
    )


def _make_offers() -> None:
    op.create_table(
        "waitlist_offers",
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("slot_id", sa.Uuid(), nullable=False),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.Column("until", _MOMENT, nullable=False, comment="As it was promised when it was made."),
        sa.Column("delivered_at", _MOMENT, nullable=True, comment="When its message is first known to have arrived."),
        sa.Column("heard", _MOMENT, nullable=True, comment="When that was taken into account."),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.CheckConstraint(
            "outcome IN ('accepted', 'declined', 'lapsed', 'withdrawn')",
            name=op.f("ck_waitlist_offers_offer_outcome_known"),
        ),
        sa.CheckConstraint("(outcome IS NULL) = (ended_at IS NULL)", name=op.f("ck_waitlist_offers_offer_ends_once")),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["waitlist_entries.id"], name=op.f("fk_waitlist_offers_entry_id_waitlist_entries")
        ),
        sa.PrimaryKeyConstraint("booking_id", name=op.f("pk_waitlist_offers")),
    )
    open_ = sa.text("outcome IS NULL")
    to_hear = sa.text("outcome IS NULL AND delivered_at IS NOT NULL AND heard IS NULL")
    op.create_index("waitlist_offers_of_entry", "waitlist_offers", ["entry_id", "made_at"])
    op.create_index("waitlist_offers_open", "waitlist_offers", ["entry_id"], unique=True, postgresql_where=open_)
    op.create_index("waitlist_offers_to_hear", "waitlist_offers", ["delivered_at"], postgresql_where=to_hear)


def _make_inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("received_at", _MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_inbox")),
    )
    op.create_table(
        "position",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_position")),
    )
    op.create_table(
        "dead_event",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("occurred_at", _MOMENT, nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failed_at", _MOMENT, nullable=False),
        sa.Column("retry_at", _MOMENT, nullable=False),
        sa.Column("died_at", _MOMENT, nullable=True),
        sa.Column("resolved_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_dead_event")),
    )


def downgrade() -> None:
    """Take the waiting list and the inbox away."""
    for table in ("dead_event", "position", "inbox", "waitlist_offers", "waitlist_skips", "waitlist_people"):
        op.drop_table(table)
    for table in ("waitlist_wishes", "waitlist_entries", "waitlist_numbers"):
        op.drop_table(table)
