"""Every table of the booking database. PostgreSQL keeps the invariants; Python explains them.

The law that matters most: `0 <= taken <= capacity` for every slot, and one live claim for each person and slot.
"""

from services.booking.tables.base import metadata
from services.booking.tables.bookings import bookings, claims, history, idempotency, walk_ins
from services.booking.tables.draws import draw_people, draw_requests, draw_rounds
from services.booking.tables.offers import (
    catalogue_version,
    districts,
    itineraries,
    plans,
    policies,
    services,
    slots,
    venues,
)
from services.booking.tables.penalties import penalties, penalty_appeals, penalty_exemptions, strike_annulments, strikes
from services.booking.tables.people import (
    account_people,
    accounts,
    contact_proofs,
    family_copies,
    persons,
    release_watches,
    sign_in_codes,
)
from services.booking.tables.seasons import season_occurrences, season_requests, season_rounds
from services.booking.tables.waitlist import (
    waitlist_entries,
    waitlist_numbers,
    waitlist_offers,
    waitlist_people,
    waitlist_skips,
    waitlist_wishes,
)
from shared.inbox import dead_event_table, inbox_table, position_table
from shared.outbox import outbox_table, relay_table

outbox = outbox_table(metadata)
relay = relay_table(metadata)
inbox = inbox_table(metadata)
position = position_table(metadata)
dead_events = dead_event_table(metadata)

__all__ = [
    "account_people",
    "accounts",
    "bookings",
    "catalogue_version",
    "claims",
    "contact_proofs",
    "dead_events",
    "districts",
    "draw_people",
    "draw_requests",
    "draw_rounds",
    "family_copies",
    "history",
    "idempotency",
    "inbox",
    "itineraries",
    "metadata",
    "outbox",
    "penalties",
    "penalty_appeals",
    "penalty_exemptions",
    "persons",
    "plans",
    "policies",
    "position",
    "relay",
    "release_watches",
    "season_occurrences",
    "season_requests",
    "season_rounds",
    "services",
    "sign_in_codes",
    "slots",
    "strike_annulments",
    "strikes",
    "venues",
    "waitlist_entries",
    "waitlist_numbers",
    "waitlist_offers",
    "waitlist_people",
    "waitlist_skips",
    "waitlist_wishes",
    "walk_ins",
]
