"""Every table of the notify database.

The law: one row of `messages` is a message's place in the schedule and in the queue at once, so there is no second
store that could disagree with it. `visible_at` is when a worker may next touch the row, whatever the reason: it is
due, its pause is over, or the claim or the lease of a worker that died has run out. A row whose state is final is in no
index that a worker reads.
"""

from services.notify.tables.base import metadata
from services.notify.tables.bindings import bindings, consents, provider_tokens, push_subscriptions
from services.notify.tables.copies import copies
from services.notify.tables.events import outbox, relay
from services.notify.tables.messages import attempts, decisions, known_bookings, known_notices, messages
from services.notify.tables.proofs import notary, proofs
from services.notify.tables.providers import provider_changes, provider_limits, providers
from services.notify.tables.readers import inbox_heads, inbox_messages, preferences
from services.notify.tables.receipts import phones, receipts
from services.notify.tables.recipients import recipient_keys
from services.notify.tables.statistics import message_statistics, replays
from services.notify.tables.webhooks import webhook_deliveries, webhook_endpoints
from shared.inbox import dead_event_table, inbox_table, position_table

inbox = inbox_table(metadata)
position = position_table(metadata)
dead_events = dead_event_table(metadata)

__all__ = [
    "attempts",
    "bindings",
    "consents",
    "copies",
    "dead_events",
    "decisions",
    "inbox",
    "inbox_heads",
    "inbox_messages",
    "known_bookings",
    "known_notices",
    "message_statistics",
    "messages",
    "metadata",
    "notary",
    "outbox",
    "phones",
    "position",
    "preferences",
    "proofs",
    "provider_changes",
    "provider_limits",
    "provider_tokens",
    "providers",
    "push_subscriptions",
    "receipts",
    "recipient_keys",
    "relay",
    "replays",
    "webhook_deliveries",
    "webhook_endpoints",
]
