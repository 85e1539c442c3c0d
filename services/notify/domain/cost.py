"""What messages cost, and what they are worth: reach, delay and money by channel and provider. Pure.

Cost is data: what a channel commonly costs stands in `cascade.WAYS`, in hundredths of a fen, and the operator's own
prices by provider go before it. A message is paid for when the provider has taken it, or may have.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from services.notify.domain.cascade import WAYS
from services.notify.domain.message import Channel, Evidence

HUNDREDTHS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """How messages of one channel, by one provider, fared. Delays are seconds, None where nothing is known.

    `proved` counts messages by the evidence that was reached at least. `delay_*`: from when a message was due until the
    provider had it; `arrival_*`: from then until it is known to have arrived.
    """

    channel: Channel
    provider: str
    messages: int
    sent: int
    doubtful: int
    failed: int
    proved: Mapping[Evidence, int]
    delay_median: float | None
    delay_p99: float | None
    arrival_median: float | None


def price_of(channel: Channel, provider: str, prices: Mapping[str, Decimal]) -> Decimal:
    """Return what one message costs, in fen."""
    if provider in prices:
        return prices[provider]
    way = WAYS.get(channel)
    return Decimal(way.cost if way is not None else 0) / HUNDREDTHS


def cost_of(reached: Reached, prices: Mapping[str, Decimal]) -> Decimal:
    """Return what these messages cost, in fen."""
    return (reached.sent + reached.doubtful) * price_of(reached.channel, reached.provider, prices)
