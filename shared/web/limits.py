"""How often one account, or one address that is not signed in, may ask: a bucket of tokens for each, in this process.

The bucket holds `quota` tokens and fills evenly over `window` seconds; it is kept as one number, the moment at which
it will be full again (the generic cell rate algorithm). With several API processes each one counts for itself.
Header fields follow draft-ietf-httpapi-ratelimit-headers.
"""

import ipaddress
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from math import ceil
from time import monotonic

MOST_BUCKETS = 200_000


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `quota` requests in any burst, refilled evenly over `window` seconds; a quota of 0 means no limit."""

    name: str
    quota: int
    window: int = 60


@dataclass(frozen=True, slots=True)
class Spent:
    """What a request found in its bucket: `wait` is 0 where it may go on, else seconds until it may come again."""

    rate: Rate
    remaining: int
    reset: int
    wait: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return RateLimit-Policy and RateLimit; `t` is the seconds until the quota is whole again, or at least one."""
        rate = self.rate
        return [
            (b"ratelimit-policy", f'"{rate.name}";q={rate.quota};w={rate.window}'.encode()),
            (b"ratelimit", f'"{rate.name}";r={self.remaining};t={self.wait or self.reset}'.encode()),
        ]


class Buckets:
    """The buckets of one rate. Bounded: past `most` keys those that are full again are dropped, then the oldest."""

    def __init__(self, rate: Rate, *, clock: Callable[[], float] = monotonic, most: int = MOST_BUCKETS) -> None:
        self.rate = rate
        self._clock = clock
        self._most = most
        self._full_at: dict[Hashable, float] = {}
        self._interval = rate.window / rate.quota if rate.quota else 0.0

    def spend(self, key: Hashable) -> Spent:
        """Take one token out of the bucket of `key`, where it has one."""
        now = self._clock()
        rate = self.rate
        full_at = max(self._full_at.get(key, now), now)
        after = full_at + self._interval
        if after - now > rate.window + 1e-9:
            return Spent(rate, 0, ceil(full_at - now), max(1, ceil(after - now - rate.window)))
        if key not in self._full_at and len(self._full_at) >= self._most:
            self._make_room(now)
        self._full_at[key] = after
        remaining = int((rate.window - (after - now)) / self._interval + 1e-9) if self._interval else 0
        return Spent(rate, remaining, ceil(after - now), 0)

    def _make_room(self, now: float) -> None:
        self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
        while len(self._full_at) >= self._most:
            del self._full_at[next(iter(self._full_at))]


def address_key(host: str) -> str:
    """Return what counts as one address: an IPv4 address, or the /64 network that one IPv6 subscriber has."""
    if ":" not in host:
        return host
    try:
        return str(ipaddress.ip_network(f"{host.partition('%')[0]}/64", strict=False))
    except ValueError:
        return host


class Limits:
    """Which bucket a request draws on: a stricter one by path, else its account's, else its address's."""

    def __init__(
        self,
        *,
        account: Rate,
        address: Rate,
        strict: dict[str, Rate] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._account = Buckets(account, clock=clock)
        self._address = Buckets(address, clock=clock)
        self._strict = [(prefix, Buckets(rate, clock=clock)) for prefix, rate in (strict or {}).items()]

    def spend(self, path: str, subject: Hashable | None, host: str) -> Spent | None:
        """Count one request; None where nothing limits it."""
        buckets: Buckets = self._account
        key = subject
        for prefix, strict in self._strict:
            if path.startswith(prefix):
                buckets, key = strict, None
        if key is None:
            buckets = self._address if buckets is self._account else buckets
            key = address_key(host)
        return buckets.spend(key) if buckets.rate.quota else None
