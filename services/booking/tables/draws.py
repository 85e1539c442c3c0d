"""Draws: rounds, the requests in them, and who asked in which."""

from sqlalchemy import ARRAY, CheckConstraint, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from services.booking.tables.base import metadata, moment

draw_rounds = Table(
    "draw_rounds",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("service_id", Text, nullable=False),
    Column("slot_ids", ARRAY(Uuid), nullable=False),
    Column("opens_at", moment, nullable=False),
    Column("closes_at", moment, nullable=False),
    Column("opened_by", Uuid, nullable=True, comment="Who opened it; nobody, where the policy asks for it."),
    Column("created_at", moment, nullable=False),
    Column("seed", LargeBinary, nullable=False, comment="Told to nobody before the round is drawn."),
    Column("commitment", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("requests", Integer, nullable=True),
    Column("digest", Text, nullable=True),
    Column("drawn_at", moment, nullable=True),
    Column("settled_at", moment, nullable=True),
    Column("leased_until", moment, nullable=True, comment="Until when one worker has this round to itself."),
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
    Column("created_at", moment, nullable=False),
    Column("withdrawn_at", moment, nullable=True),
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
