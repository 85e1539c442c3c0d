"""Every table of the booking database. PostgreSQL keeps the invariants; Python explains them.

The law that matters most: `0 <= taken <= capacity` for every slot, and one live claim for each person and slot.
"""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB

from shared.db import metadata as new_metadata
from shared.outbox import outbox_table, relay_table

metadata = new_metadata()
_moment = DateTime(timezone=True)

# -- what the city offers -------------------------------------------------------------------------------------------

districts = Table(
    "districts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("name_zh", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("subdistricts", JSON, nullable=False, comment="JSON and not JSONB: it keeps the order of the file."),
)

venues = Table(
    "venues",
    metadata,
    Column("id", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("district_id", Text, ForeignKey("districts.id"), nullable=False),
    Column("name_zh", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("address_zh", Text, nullable=False),
    Column("address_en", Text, nullable=False),
    Column("step_free", Boolean, nullable=False),
    Column("sample", Boolean, nullable=False),
    Column("source", Text, nullable=False),
)

policies = Table(
    "policies",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
)

services = Table(
    "services",
    metadata,
    Column("id", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("venue_id", Text, ForeignKey("venues.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("policy_id", Text, ForeignKey("policies.id"), nullable=False),
    Column("name_zh", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("attributes", JSONB, nullable=False),
    Column("sample", Boolean, nullable=False),
    Column("source", Text, nullable=False),
    Index("services_by_venue", "venue_id"),
)

plans = Table(
    "plans",
    metadata,
    Column("service_id", Text, ForeignKey("services.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("document", JSONB, nullable=False),
    Column("published_by", Text, nullable=False),
    Column("published_at", _moment, nullable=False),
)

catalogue_version = Table(
    "catalogue_version",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
    comment="One row: rises whenever districts, venues, services or policies change, so that caches know.",
)

slots = Table(
    "slots",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("service_id", Text, ForeignKey("services.id"), nullable=False),
    Column("venue_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("district_id", Text, nullable=False),
    Column("starts_at", _moment, nullable=False),
    Column("ends_at", _moment, nullable=False),
    Column("bookable_from", _moment, nullable=False),
    Column("bookable_until", _moment, nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("taken", Integer, nullable=False, server_default="0"),
    Column("kept_counter", Integer, nullable=False, server_default="0"),
    Column("taken_counter", Integer, nullable=False, server_default="0"),
    Column("kept_walk_in", Integer, nullable=False, server_default="0"),
    Column("taken_walk_in", Integer, nullable=False, server_default="0"),
    Column("charge", Text, nullable=False),
    Column("label", JSONB, nullable=True),
    Column("closed", JSONB, nullable=True, comment="The reason in words where a closure stopped new bookings."),
    Column(
        "drawn_in", Uuid, nullable=True, comment="The round that gives these places away by lot, until it is settled."
    ),
    Column(
        "is_open",
        Boolean,
        # Generated, so that the search index changes only when the last place goes or the first one comes back:
        # an index predicate on `taken` itself would make every booking rewrite all indexes of the row.
        Computed(
            "closed IS NULL AND capacity - taken - greatest(0, kept_counter - taken_counter)"
            " - greatest(0, kept_walk_in - taken_walk_in) > 0",
            persisted=True,
        ),
        nullable=False,
    ),
    CheckConstraint("taken BETWEEN 0 AND capacity", name="never_above_capacity"),
    CheckConstraint(
        "taken_counter >= 0 AND taken_walk_in >= 0 AND taken_counter + taken_walk_in <= taken", name="channels_add_up"
    ),
    CheckConstraint(
        "kept_counter >= 0 AND kept_walk_in >= 0 AND kept_counter + kept_walk_in <= capacity", name="shares_fit"
    ),
    CheckConstraint("starts_at < ends_at", name="ends_after_start"),
    Index("slots_by_service", "service_id", "starts_at", unique=True),
    Index("slots_open", "kind", "district_id", "starts_at", "id", postgresql_where=text("is_open")),
    postgresql_with={"fillfactor": "75"},
)

# -- who ------------------------------------------------------------------------------------------------------------

accounts = Table(
    "accounts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("role", Text, nullable=False),
    Column("venues", ARRAY(Text), nullable=False, server_default="{}"),
    Column("phone_fingerprint", LargeBinary, unique=True, nullable=True),
    Column("phone_sealed", Text, nullable=True),
    Column("login", Text, unique=True, nullable=True),
    Column("password_hash", Text, nullable=True),
    Column("email_sealed", Text, nullable=True),
    Column("name_sealed", Text, nullable=True),
    Column("language", Text, nullable=False),
    Column("contact", Text, nullable=True, comment="Contact data, sealed for the notify service alone."),
    Column("created_at", _moment, nullable=False),
    Column("disabled_at", _moment, nullable=True),
    CheckConstraint("role IN ('resident', 'staff', 'scheduler', 'administrator')", name="role_known"),
    CheckConstraint("phone_fingerprint IS NOT NULL OR login IS NOT NULL", name="can_sign_in"),
)

sign_in_codes = Table(
    "sign_in_codes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("phone_fingerprint", LargeBinary, nullable=False),
    Column("phone_sealed", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("code_fingerprint", LargeBinary, nullable=False),
    Column("tries", SmallInteger, nullable=False, server_default="0"),
    Column("created_at", _moment, nullable=False),
    Column("expires_at", _moment, nullable=False),
    Column("used_at", _moment, nullable=True),
    Index("sign_in_codes_by_phone", "phone_fingerprint", "created_at"),
)

persons = Table(
    "persons",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("document_type", Text, nullable=False),
    Column("document_fingerprint", LargeBinary, unique=True, nullable=False),
    Column("document_sealed", Text, nullable=False),
    Column("birth_date", Date, nullable=False),
    Column("created_at", _moment, nullable=False),
    comment="One row for each identity document, whoever books for it: limits count people, not accounts.",
)

account_people = Table(
    "account_people",
    metadata,
    Column("account_id", Uuid, ForeignKey("accounts.id"), primary_key=True),
    Column("person_id", Uuid, ForeignKey("persons.id"), primary_key=True),
    Column("relation", Text, nullable=False),
    Column("name_sealed", Text, nullable=False),
    Column("name_masked", Text, nullable=False),
    Column("document_masked", Text, nullable=False),
    Column("created_at", _moment, nullable=False),
    Column("removed_at", _moment, nullable=True),
    comment="The people an account books for, under the name the account gave them.",
)

# -- bookings -------------------------------------------------------------------------------------------------------

# The desk's statement writes what it has just read under lock, so these tables check with foreign keys only what would
# strand a person or a place: a booking's slot, a claim's booking and its person. The rest repeats columns of those rows.

bookings = Table(
    "bookings",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("reference", Text, unique=True, nullable=False),
    Column("state", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("service_id", Text, nullable=False),
    Column("slot_id", Uuid, ForeignKey("slots.id"), nullable=False),
    Column("starts_at", _moment, nullable=False),
    Column("ends_at", _moment, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("channel", Text, nullable=False),
    Column("party_kind", Text, nullable=False),
    Column("declarations", JSONB, nullable=False),
    Column("hold_until", _moment, nullable=True),
    Column("extensions", SmallInteger, nullable=False),
    Column("reason", Text, nullable=True),
    Column("created_at", _moment, nullable=False),
    Column("changed_at", _moment, nullable=False),
    CheckConstraint("version >= 1", name="version_counts"),
    CheckConstraint("(state IN ('held', 'lapsed')) = (hold_until IS NOT NULL)", name="only_holds_run_out"),
    Index("bookings_by_slot", "slot_id"),
    Index("bookings_of_account", "account_id", "starts_at", "id"),
    Index("bookings_held", "slot_id", "hold_until", postgresql_where=text("state = 'held'")),
    Index("bookings_running_out", "hold_until", postgresql_where=text("state = 'held'")),
    Index("bookings_to_end", "ends_at", postgresql_where=text("state IN ('confirmed', 'checked_in')")),
)

# A claim's `position` is the member's place in the party as it was named: 0, 1, 2 … A member who leaves a party that goes
# on without them stays on record, with no place, at -1 - position; the history says when, who did it and why.

claims = Table(
    "claims",
    metadata,
    Column("booking_id", Uuid, ForeignKey("bookings.id"), primary_key=True),
    Column("slot_id", Uuid, primary_key=True),
    Column("person_id", Uuid, ForeignKey("persons.id"), primary_key=True),
    Column("position", SmallInteger, nullable=False),
    Column("seats", SmallInteger, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("service_id", Text, nullable=False),
    Column("venue_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("starts_at", _moment, nullable=False),
    Column("ends_at", _moment, nullable=False),
    CheckConstraint("seats IN (0, 1)", name="a_person_takes_one_place"),
    Index("claims_one_live_each", "slot_id", "person_id", unique=True, postgresql_where=text("live")),
    Index("claims_of_person", "person_id", "starts_at", postgresql_where=text("live")),
)

history = Table(
    "history",
    metadata,
    Column("booking_id", Uuid, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("at", _moment, nullable=False),
    Column("action", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("actor_id", Uuid, nullable=True),
    Column("actor_role", Text, nullable=False),
    Column("reason", Text, nullable=True),
    comment="Every change of every booking: who, when, why.",
)

walk_ins = Table(
    "walk_ins",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("slot_id", Uuid, ForeignKey("slots.id"), nullable=False),
    Column("people", SmallInteger, nullable=False),
    Column("admitted_at", _moment, nullable=False),
    Column("admitted_by", Uuid, nullable=False),
    CheckConstraint("people >= 1", name="somebody_came"),
    Index("walk_ins_by_slot", "slot_id"),
)

# -- draws ----------------------------------------------------------------------------------------------------------

draw_rounds = Table(
    "draw_rounds",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("service_id", Text, nullable=False),
    Column("slot_ids", ARRAY(Uuid), nullable=False),
    Column("opens_at", _moment, nullable=False),
    Column("closes_at", _moment, nullable=False),
    Column("opened_by", Uuid, nullable=False),
    Column("created_at", _moment, nullable=False),
    Column("seed", LargeBinary, nullable=False, comment="Told to nobody before the round is drawn."),
    Column("commitment", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("requests", Integer, nullable=True),
    Column("digest", Text, nullable=True),
    Column("drawn_at", _moment, nullable=True),
    Column("settled_at", _moment, nullable=True),
    Column("leased_until", _moment, nullable=True, comment="Until when one worker has this round to itself."),
    CheckConstraint("opens_at < closes_at", name="closes_after_opening"),
    CheckConstraint("state IN ('open', 'drawn', 'settled')", name="draw_state_known"),
    CheckConstraint("(state = 'open') = (digest IS NULL)", name="drawn_with_its_digest"),
    Index("draw_rounds_of_service", "service_id", "id"),
    Index("draw_rounds_due", "closes_at", postgresql_where=text("state <> 'settled'")),
)

draw_requests = Table(
    "draw_requests",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("round_id", Uuid, ForeignKey("draw_rounds.id"), nullable=False),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("person_ids", ARRAY(Uuid), nullable=False),
    Column("party_kind", Text, nullable=False),
    Column("declarations", JSONB, nullable=False),
    Column("slot_ids", ARRAY(Uuid), nullable=False, comment="In order of preference."),
    Column("salt", LargeBinary, nullable=False),
    Column("contents", Text, nullable=False),
    Column("booking_id", Uuid, nullable=False, unique=True, comment="What its booking is called, if it gets one."),
    Column("created_at", _moment, nullable=False),
    Column("withdrawn_at", _moment, nullable=True),
    Column("place", Integer, nullable=True),
    Column("passed", JSONB, nullable=False, server_default="[]", comment="Slots it did not get, and why."),
    Column("outcome", Text, nullable=True),
    Column("slot_id", Uuid, nullable=True),
    CheckConstraint("outcome IN ('booked', 'passed_over')", name="outcome_known"),
    CheckConstraint("(slot_id IS NOT NULL) = (outcome IS NOT NULL AND outcome = 'booked')", name="booked_somewhere"),
    Index("draw_requests_by_place", "round_id", "place", unique=True),
    Index("draw_requests_of_account", "account_id", "round_id"),
)

draw_people = Table(
    "draw_people",
    metadata,
    Column("round_id", Uuid, ForeignKey("draw_rounds.id"), primary_key=True),
    Column("person_id", Uuid, ForeignKey("persons.id"), primary_key=True),
    Column("request_id", Uuid, ForeignKey("draw_requests.id"), nullable=False),
    Index("draw_people_by_request", "request_id"),
    comment="One request a person and round, whichever account makes it; a withdrawn request gives the person back.",
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("account_id", Uuid, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", _moment, nullable=False),
    Index("idempotency_by_age", "created_at"),
)

outbox = outbox_table(metadata)
relay = relay_table(metadata)
