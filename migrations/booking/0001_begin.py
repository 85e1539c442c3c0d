"""The booking database as it begins.

Revision ID: 0001
Revises: nothing
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("venues", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("phone_fingerprint", sa.LargeBinary(), nullable=True),
        sa.Column("phone_sealed", sa.Text(), nullable=True),
        sa.Column("login", sa.Text(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("email_sealed", sa.Text(), nullable=True),
        sa.Column("name_sealed", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=True, comment="Contact data, sealed for the notify service alone."),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "role IN ('resident', 'staff', 'scheduler', 'administrator')", name=op.f("ck_accounts_role_known")
        ),
        sa.CheckConstraint("phone_fingerprint IS NOT NULL OR login IS NOT NULL", name=op.f("ck_accounts_can_sign_in")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("login", name=op.f("uq_accounts_login")),
        sa.UniqueConstraint("phone_fingerprint", name=op.f("uq_accounts_phone_fingerprint")),
    )
    op.create_table(
        "catalogue_version",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_catalogue_version_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalogue_version")),
        comment="One row: rises whenever districts, venues, services or policies change, so that caches know.",
    )
    op.create_table(
        "districts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name_zh", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column(
            "subdistricts",
            postgresql.JSON(),
            nullable=False,
            comment="JSON and not JSONB: it keeps the order of the file.",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_districts")),
    )
    op.create_table(
        "history",
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_role", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("booking_id", "version", name=op.f("pk_history")),
        comment="Every change of every booking: who, when, why.",
    )
    op.create_table(
        "idempotency",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("headers", postgresql.JSONB(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "key", name=op.f("pk_idempotency")),
    )
    op.create_index("idempotency_by_age", "idempotency", ["created_at"], unique=False)
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
        "persons",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("document_type", sa.Text(), nullable=False),
        sa.Column("document_fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("document_sealed", sa.Text(), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_persons")),
        sa.UniqueConstraint("document_fingerprint", name=op.f("uq_persons_document_fingerprint")),
        comment="One row for each identity document, whoever books for it: limits count people, not accounts.",
    )
    op.create_table(
        "policies",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policies")),
    )
    op.create_table(
        "relay",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("last_number", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_published", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("last_published <= last_number", name=op.f("ck_relay_published_is_numbered")),
        sa.CheckConstraint("id = 1", name=op.f("ck_relay_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_relay")),
    )
    op.create_table(
        "sign_in_codes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("phone_fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("phone_sealed", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("code_fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("tries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_codes")),
    )
    op.create_index("sign_in_codes_by_phone", "sign_in_codes", ["phone_fingerprint", "created_at"], unique=False)
    op.create_table(
        "account_people",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("relation", sa.Text(), nullable=False),
        sa.Column("name_sealed", sa.Text(), nullable=False),
        sa.Column("name_masked", sa.Text(), nullable=False),
        sa.Column("document_masked", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_account_people_account_id")),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_account_people_person_id")),
        sa.PrimaryKeyConstraint("account_id", "person_id", name=op.f("pk_account_people")),
        comment="The people an account books for, under the name the account gave them.",
    )
    op.create_table(
        "venues",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("district_id", sa.Text(), nullable=False),
        sa.Column("name_zh", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("address_zh", sa.Text(), nullable=False),
        sa.Column("address_en", sa.Text(), nullable=False),
        sa.Column("step_free", sa.Boolean(), nullable=False),
        sa.Column("sample", sa.Boolean(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["district_id"], ["districts.id"], name=op.f("fk_venues_district_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_venues")),
    )
    op.create_table(
        "services",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("venue_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("policy_id", sa.Text(), nullable=False),
        sa.Column("name_zh", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("attributes", postgresql.JSONB(), nullable=False),
        sa.Column("sample", sa.Boolean(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["policy_id"], ["policies.id"], name=op.f("fk_services_policy_id")),
        sa.ForeignKeyConstraint(["venue_id"], ["venues.id"], name=op.f("fk_services_venue_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_services")),
    )
    op.create_index("services_by_venue", "services", ["venue_id"], unique=False)
    op.create_table(
        "plans",
        sa.Column("service_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("published_by", sa.Text(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name=op.f("fk_plans_service_id")),
        sa.PrimaryKeyConstraint("service_id", "version", name=op.f("pk_plans")),
    )
    op.create_table(
        "slots",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Text(), nullable=False),
        sa.Column("venue_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("district_id", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bookable_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bookable_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("taken", sa.Integer(), server_default="0", nullable=False),
        sa.Column("kept_counter", sa.Integer(), server_default="0", nullable=False),
        sa.Column("taken_counter", sa.Integer(), server_default="0", nullable=False),
        sa.Column("kept_walk_in", sa.Integer(), server_default="0", nullable=False),
        sa.Column("taken_walk_in", sa.Integer(), server_default="0", nullable=False),
        sa.Column("charge", sa.Text(), nullable=False),
        sa.Column("label", postgresql.JSONB(), nullable=True),
        sa.Column(
            "closed",
            postgresql.JSONB(),
            nullable=True,
            comment="The reason in words where a closure stopped new bookings.",
        ),
        sa.Column(
            "is_open",
            sa.Boolean(),
            sa.Computed(
                "closed IS NULL AND capacity - taken - greatest(0, kept_counter - taken_counter) - greatest(0, kept_walk_in - taken_walk_in) > 0",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.CheckConstraint(
            "kept_counter >= 0 AND kept_walk_in >= 0 AND kept_counter + kept_walk_in <= capacity",
            name=op.f("ck_slots_shares_fit"),
        ),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_slots_ends_after_start")),
        sa.CheckConstraint("taken BETWEEN 0 AND capacity", name=op.f("ck_slots_never_above_capacity")),
        sa.CheckConstraint(
            "taken_counter >= 0 AND taken_walk_in >= 0 AND taken_counter + taken_walk_in <= taken",
            name=op.f("ck_slots_channels_add_up"),
        ),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name=op.f("fk_slots_service_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slots")),
        postgresql_with={"fillfactor": "75"},
    )
    op.create_index("slots_by_service", "slots", ["service_id", "starts_at"], unique=True)
    op.create_index(
        "slots_open",
        "slots",
        ["kind", "district_id", "starts_at", "id"],
        unique=False,
        postgresql_where=sa.text("is_open"),
    )
    op.create_table(
        "bookings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("service_id", sa.Text(), nullable=False),
        sa.Column("slot_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("party_kind", sa.Text(), nullable=False),
        sa.Column("declarations", postgresql.JSONB(), nullable=False),
        sa.Column("hold_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("extensions", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(state IN ('held', 'lapsed')) = (hold_until IS NOT NULL)", name=op.f("ck_bookings_only_holds_run_out")
        ),
        sa.CheckConstraint("version >= 1", name=op.f("ck_bookings_version_counts")),
        sa.ForeignKeyConstraint(["slot_id"], ["slots.id"], name=op.f("fk_bookings_slot_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bookings")),
        sa.UniqueConstraint("reference", name=op.f("uq_bookings_reference")),
    )
    op.create_index("bookings_by_slot", "bookings", ["slot_id"], unique=False)
    op.create_index(
        "bookings_held", "bookings", ["slot_id", "hold_until"], unique=False, postgresql_where=sa.text("state = 'held'")
    )
    op.create_index("bookings_of_account", "bookings", ["account_id", "starts_at", "id"], unique=False)
    op.create_index(
        "bookings_running_out", "bookings", ["hold_until"], unique=False, postgresql_where=sa.text("state = 'held'")
    )
    op.create_index(
        "bookings_to_end",
        "bookings",
        ["ends_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('confirmed', 'checked_in')"),
    )
    op.create_table(
        "walk_ins",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slot_id", sa.Uuid(), nullable=False),
        sa.Column("people", sa.SmallInteger(), nullable=False),
        sa.Column("admitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("admitted_by", sa.Uuid(), nullable=False),
        sa.CheckConstraint("people >= 1", name=op.f("ck_walk_ins_somebody_came")),
        sa.ForeignKeyConstraint(["slot_id"], ["slots.id"], name=op.f("fk_walk_ins_slot_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_walk_ins")),
    )
    op.create_index("walk_ins_by_slot", "walk_ins", ["slot_id"], unique=False)
    op.create_table(
        "claims",
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("slot_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("seats", sa.SmallInteger(), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("service_id", sa.Text(), nullable=False),
        sa.Column("venue_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("seats IN (0, 1)", name=op.f("ck_claims_a_person_takes_one_place")),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_claims_booking_id")),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_claims_person_id")),
        sa.PrimaryKeyConstraint("booking_id", "slot_id", "person_id", name=op.f("pk_claims")),
    )
    op.create_index(
        "claims_of_person", "claims", ["person_id", "starts_at"], unique=False, postgresql_where=sa.text("live")
    )
    op.create_index(
        "claims_one_live_each", "claims", ["slot_id", "person_id"], unique=True, postgresql_where=sa.text("live")
    )


def downgrade() -> None:
    """Drop every table."""
    op.drop_index("claims_one_live_each", table_name="claims", postgresql_where=sa.text("live"))
    op.drop_index("claims_of_person", table_name="claims", postgresql_where=sa.text("live"))
    op.drop_table("claims")
    op.drop_index("walk_ins_by_slot", table_name="walk_ins")
    op.drop_table("walk_ins")
    op.drop_index(
        "bookings_to_end", table_name="bookings", postgresql_where=sa.text("state IN ('confirmed', 'checked_in')")
    )
    op.drop_index("bookings_running_out", table_name="bookings", postgresql_where=sa.text("state = 'held'"))
    op.drop_index("bookings_of_account", table_name="bookings")
    op.drop_index("bookings_held", table_name="bookings", postgresql_where=sa.text("state = 'held'"))
    op.drop_index("bookings_by_slot", table_name="bookings")
    op.drop_table("bookings")
    op.drop_index("slots_open", table_name="slots", postgresql_where=sa.text("is_open"))
    op.drop_index("slots_by_service", table_name="slots")
    op.drop_table("slots")
    op.drop_table("plans")
    op.drop_index("services_by_venue", table_name="services")
    op.drop_table("services")
    op.drop_table("venues")
    op.drop_table("account_people")
    op.drop_index("sign_in_codes_by_phone", table_name="sign_in_codes")
    op.drop_table("sign_in_codes")
    op.drop_table("relay")
    op.drop_table("policies")
    op.drop_table("persons")
    op.drop_index("ix_outbox_unnumbered", table_name="outbox", postgresql_where=sa.text("number IS NULL"))
    op.drop_table("outbox")
    op.drop_index("idempotency_by_age", table_name="idempotency")
    op.drop_table("idempotency")
    op.drop_table("history")
    op.drop_table("districts")
    op.drop_table("catalogue_version")
    op.drop_table("accounts")
