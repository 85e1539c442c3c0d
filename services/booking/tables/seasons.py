"""Request rounds: seasons, the clubs' requests in them, and each hour of them on its own."""

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    SmallInteger,
    Table,
    Text,
    Time,
    Uuid,
    text,
)

from services.booking.tables.base import metadata, moment

season_rounds = Table(
    "season_rounds",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("venue_id", Text, ForeignKey("venues.id"), nullable=False),
    Column("service_ids", ARRAY(Text), nullable=False),
    Column("first", Date, nullable=False),
    Column("last", Date, nullable=False),
    Column("opens_at", moment, nullable=False),
    Column("closes_at", moment, nullable=False),
    Column("opened_by", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("created_at", moment, nullable=False),
    Column("committed_at", moment, nullable=True),
    Column("committed_by", Uuid, ForeignKey("accounts.id"), nullable=True),
    CheckConstraint("opens_at < closes_at", name="season_closes_after_opening"),
    CheckConstraint("first <= last", name="season_has_days"),
    CheckConstraint("(committed_at IS NULL) = (committed_by IS NULL)", name="committed_by_somebody"),
    Index("season_rounds_of_venue", "venue_id", "id"),
)

season_requests = Table(
    "season_requests",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("round_id", Uuid, ForeignKey("season_rounds.id"), nullable=False),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("person_id", Uuid, ForeignKey("persons.id"), nullable=False, comment="Who answers for the club."),
    Column("service_id", Text, nullable=False),
    Column("weekday", SmallInteger, nullable=False),
    Column("at", Time, nullable=False),
    Column("first", Date, nullable=False),
    Column("last", Date, nullable=False),
    Column("excluded", ARRAY(Date), nullable=False),
    Column("words", Text, nullable=False, comment="Who asks, and what for."),
    Column("created_at", moment, nullable=False),
    CheckConstraint("weekday BETWEEN 1 AND 7", name="season_weekday"),
    Index("season_requests_of_round", "round_id", "id"),
    Index("season_requests_of_account", "account_id", "round_id"),
)

season_occurrences = Table(
    "season_occurrences",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("round_id", Uuid, ForeignKey("season_rounds.id"), nullable=False),
    Column("request_id", Uuid, ForeignKey("season_requests.id"), nullable=False),
    Column("service_id", Text, nullable=False),
    Column("starts_at", moment, nullable=False),
    Column("asked_service_id", Text, nullable=False),
    Column("asked_starts_at", moment, nullable=False),
    Column("fate", Text, nullable=False),
    Column(
        "reason", Text, nullable=True, comment="Why it was not given: a code of the house, or the staff's own words."
    ),
    Column("proposed_service_id", Text, nullable=True),
    Column("proposed_starts_at", moment, nullable=True),
    Column("booking_id", Uuid, nullable=False, unique=True, comment="What its booking is called, if it gets one."),
    Column("changed_at", moment, nullable=False),
    Column("changed_by", Uuid, nullable=True),
    Column("leased_until", moment, nullable=True, comment="Until when one worker has this hour to itself."),
    CheckConstraint(
        "fate IN ('requested', 'proposed', 'accepted', 'rejected', 'withdrawn', 'booked', 'refused')",
        name="fate_known",
    ),
    CheckConstraint(
        "(fate = 'proposed') = (proposed_service_id IS NOT NULL) AND (fate = 'proposed') = (proposed_starts_at IS NOT NULL)",
        name="proposed_whole",
    ),
    Index("season_occurrences_asked_once", "request_id", "asked_starts_at", unique=True),
    Index("season_occurrences_of_round", "round_id", "starts_at"),
    Index(
        "season_occurrences_given", "service_id", "starts_at", postgresql_where=text("fate IN ('accepted', 'booked')")
    ),
    Index("season_occurrences_due", "starts_at", postgresql_where=text("fate = 'accepted'")),
)
