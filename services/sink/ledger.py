"""What a person would have seen: the judge of every delivery test, for it knows nothing of our tables.

A message is known by the key that it carries on its way (our id: the OutId of a text message, the Message-ID of a mail).
The same key seen twice on one channel is a visible duplicate, whichever providers brought the two.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

KEYS_REMEMBERED = 1_000_000


@dataclass(slots=True, kw_only=True)
class Seen:
    """One message as its reader saw it: how often, when first and when last, and by which providers."""

    channel: str
    key: str
    to: str
    first_at: datetime
    last_at: datetime
    times: int = 1
    providers: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Ledger:
    """Everything seen, in the order first seen."""

    _seen: OrderedDict[tuple[str, str, str], Seen] = field(default_factory=OrderedDict)

    def add(self, at: datetime, via: tuple[str, str], key: str, to: str) -> Seen:
        """Write down that `to` saw `key`, `via` a channel and a provider; return all that is known of it."""
        channel, provider = via
        found = self._seen.get((channel, key, to))
        if found is None:
            found = self._seen[channel, key, to] = Seen(channel=channel, key=key, to=to, first_at=at, last_at=at)
            if len(self._seen) > KEYS_REMEMBERED:
                self._seen.popitem(last=False)
        else:
            found.times += 1
            found.last_at = at
        found.providers.append(provider)
        return found

    def __iter__(self) -> Iterator[Seen]:
        return iter(list(self._seen.values()))

    def __len__(self) -> int:
        return len(self._seen)

    @property
    def duplicates(self) -> int:
        """How many times somebody saw what they had seen before."""
        return sum(seen.times - 1 for seen in self._seen.values())
