"""What this service tells the world: how well its messages are known to have arrived."""

from services.notify.tables.base import metadata
from shared.outbox import outbox_table, relay_table

outbox = outbox_table(metadata)
relay = relay_table(metadata)
