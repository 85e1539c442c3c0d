"""The waiting list: entries in their order, what each waits for and who is in it, the offers made, and who was passed over."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Time,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.booking.tables.base import metadata, moment

waitlist_numbers = Table(
    "waitlist_numbers",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("last", BigInteger, nullable=False),
    comment="The last number given in each kind of service. Its row is held until the entry is there: no gaps, no overtaking.",
)

waitlist_entries = Table(
    "waitlist_entries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("service_ids", ARRAY(Text), nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    Column("weekdays", ARRAY(SmallInteger), nullable=False),
    Column("since", Time, nullable=False),
    Column("until", Time, nullable=False),
    Column("party_kind", Text, nullable=False),
    Column("person_ids", ARRAY(Uuid), nullable=False),
    Column("declarations", JSONB, nullable=False),
    Column("places", SmallInteger, nullable=False),
    Column("joined_at", moment, nullable=False),
    Column("over_at", moment, nullable=False, comment="From here on nothing that it waits for is still to come."),
    Column("state", Text, nullable=False),
    Column("passed_over", Integer, nullable=False, server_default="0"),
    Column("missed", SmallInteger, nullable=False, server_default="0"),
    Column("collecting_slot", Uuid, nullable=True),
    Column("collecting_until", moment, nullable=True),
    Column("ended_at", moment, nullable=True),
    Column("ended_because", Text, nullable=True),
    CheckConstraint("state IN ('waiting', 'offered', 'served', 'left', 'ended')", name="entry_state_known"),
    CheckConstraint("(state IN ('waiting', 'offered')) = (ended_at IS NULL)", name="ended_once"),
    CheckConstraint("(collecting_slot IS NULL) = (collecting_until IS NULL)", name="collects_until"),
    CheckConstraint("places >= 1 AND first_day <= last_day AND since <= until", name="waits_for_something"),
    Index("waitlist_entries_in_order", "kind", "number", unique=True),
    Index("waitlist_entries_of_account", "account_id", "id"),
    Index("waitlist_entries_over", "over_at", postgresql_where=text("state IN ('waiting', 'offered')")),
    Index("waitlist_entries_collecting", "collecting_slot", postgresql_where=text("collecting_slot IS NOT NULL")),
)

waitlist_wishes = Table(
    "waitlist_wishes",
    metadata,
    Column("service_id", Text, ForeignKey("services.id"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("entry_id", Uuid, ForeignKey("waitlist_entries.id"), nullable=False),
    Index("waitlist_wishes_of_entry", "entry_id"),
    comment="The line of each service, in order: live entries only.",
)

waitlist_people = Table(
    "waitlist_people",
    metadata,
    Column("service_id", Text, primary_key=True),
    Column("person_id", Uuid, ForeignKey("persons.id"), primary_key=True),
    Column("entry_id", Uuid, ForeignKey("waitlist_entries.id"), nullable=False),
    Index("waitlist_people_of_entry", "entry_id"),
    comment="A person waits once for a service, whichever account waits for them; whoever leaves gives the person back.",
)

waitlist_offers = Table(
    "waitlist_offers",
    metadata,
    Column("booking_id", Uuid, primary_key=True),
    Column("entry_id", Uuid, ForeignKey("waitlist_entries.id"), nullable=False),
    Column("slot_id", Uuid, nullable=False),
    Column("made_at", moment, nullable=False),
    Column("until", moment, nullable=False, comment="As it was promised when it was made."),
    Column("delivered_at", moment, nullable=True, comment="When its message is first known to have arrived."),
    Column("heard", moment, nullable=True, comment="When that was taken into account."),
    Column("outcome", Text, nullable=True),
    Column("ended_at", moment, nullable=True),
    Column("agreed_at", moment, nullable=True, comment="When its reader answered yes."),
    Column("agreement_taken_at", moment, nullable=True, comment="When the desk was asked because of it."),
    CheckConstraint("outcome IN ('accepted', 'declined', 'lapsed', 'withdrawn')", name="offer_outcome_known"),
    CheckConstraint("(outcome IS NULL) = (ended_at IS NULL)", name="offer_ends_once"),
    Index("waitlist_offers_of_entry", "entry_id", "made_at"),
    Index("waitlist_offers_open", "entry_id", unique=True, postgresql_where=text("outcome IS NULL")),
    Index(
        "waitlist_offers_to_hear",
        "delivered_at",
        postgresql_where=text("outcome IS NULL AND delivered_at IS NOT NULL AND heard IS NULL"),
    ),
    Index(
        "waitlist_offers_agreed",
        "agreed_at",
        postgresql_where=text("outcome IS NULL AND agreed_at IS NOT NULL AND agreement_taken_at IS NULL"),
    ),
)

waitlist_skips = Table(
    "waitlist_skips",
    metadata,
    Column("entry_id", Uuid, ForeignKey("waitlist_entries.id"), primary_key=True),
    Column("slot_id", Uuid, primary_key=True),
    Column("reason", Text, primary_key=True),
    Column("first_at", moment, nullable=False),
    Column("last_at", moment, nullable=False),
    Column("times", Integer, nullable=False, server_default="1"),
    comment="Why an entry was not offered a slot, and when first and last; one row for each reason, however often.",
)
