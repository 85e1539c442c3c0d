"""What goes wrong, and for whom: one plan that every stand-in follows, the same again for the same seed.

The law: whether a request meets a fault hangs on the seed, the provider's name, the message's own key and how often that
key came before; never on the order of arrival or the time of day. So a run that went wrong can be run again.

Each stand-in names the message (`key`: our id, by which a person would recognise a repetition) and asks `Faults.next`.
An HTTP stand-in hands the rest to `behave`. Receipts follow `Faults.receipts`: when each is posted, none, one or two.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

KEYS_REMEMBERED = 1_000_000

Word = TypeVar("Word", bound=StrEnum)


class Fault(StrEnum):
    """One way in which a provider fails a request."""

    DROPPED_BEFORE = "dropped_before"
    """The connection goes, and nothing was taken."""
    DROPPED_AFTER = "dropped_after"
    """The message is taken, and the connection goes before the answer: the classic duplicate."""
    SILENT = "silent"
    """The message is taken, and no answer comes within anybody's patience."""
    BUSY = "busy"
    """429 with Retry-After; in SMTP 451. Nothing was taken."""
    AWAY = "away"
    """503; in SMTP 421. Nothing was taken."""
    BROKEN = "broken"
    """500; in SMTP 451. Nothing was taken."""
    MALFORMED = "malformed"
    """The message is taken, and the answer cannot be read."""


class ReceiptFault(StrEnum):
    """One way in which a receipt is not simply on time."""

    EARLY = "early"
    """It comes before the answer to the request."""
    LATE = "late"
    DOUBLE = "double"
    MISSING = "missing"


TAKES: frozenset[Fault | None] = frozenset({None, Fault.DROPPED_AFTER, Fault.SILENT, Fault.MALFORMED})
"""With these the message is taken all the same: a person sees it, whatever the sender learns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one provider behaves: of all requests, the share that meets each fault; the rest is served.

    `delay_seconds` passes before every answer: a provider that is slow but does not fail.
    """

    seed: int = 0
    shares: Mapping[Fault, float] = field(default_factory=dict)
    receipt_shares: Mapping[ReceiptFault, float] = field(default_factory=dict)
    delay_seconds: float = 0.0
    silent_seconds: float = 60.0
    retry_after_seconds: int = 2
    receipt_seconds: float = 1.0
    late_seconds: float = 60.0

    def __post_init__(self) -> None:
        """Check that it can be followed.

        Raises:
            ValueError: a share is no share, or a time is negative.
        """
        for shares in (self.shares, self.receipt_shares):
            given = list(shares.values())
            if any(share < 0 for share in given) or sum(given) > 1:
                raise ValueError("shares lie between 0 and 1, and add up to 1 at most")
        times = (self.delay_seconds, self.silent_seconds, self.retry_after_seconds, self.receipt_seconds)
        if any(seconds < 0 for seconds in (*times, self.late_seconds)):
            raise ValueError("a time is 0 or more seconds")

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Plan":
        """Return the plan in a JSON document: its fields by name, the shares by the fault's own word.

        Raises:
            ValueError: it is none.
        """
        try:
            given = dict(document)
            shares = {Fault(word): float(share) for word, share in given.pop("shares", {}).items()}
            receipts = {ReceiptFault(word): float(share) for word, share in given.pop("receipt_shares", {}).items()}
            return cls(shares=shares, receipt_shares=receipts, **given)
        except (TypeError, AttributeError) as error:
            raise ValueError(str(error)) from None


@dataclass(slots=True)
class Faults:
    """The plans of all providers by name, and how often each key came to each of them."""

    plans: dict[str, Plan] = field(default_factory=dict)
    _times: OrderedDict[tuple[str, str], int] = field(default_factory=OrderedDict)

    def plan(self, provider: str) -> Plan:
        """Return a provider's plan: one without faults unless told otherwise."""
        return self.plans.get(provider, Plan())

    def next(self, provider: str, key: str) -> Fault | None:
        """Return the fault that this request of `key` meets, counting it."""
        times = self._times.pop((provider, key), 0)
        self._times[provider, key] = times + 1
        if len(self._times) > KEYS_REMEMBERED:
            self._times.popitem(last=False)
        plan = self.plan(provider)
        return _drawn(plan.shares, _chance(plan.seed, provider, key, times))

    def receipts(self, provider: str, key: str) -> tuple[float, ...]:
        """Return after how many seconds each receipt of `key` is posted; 0 is before the answer."""
        plan = self.plan(provider)
        match _drawn(plan.receipt_shares, _chance(plan.seed, provider, key, "receipt")):
            case ReceiptFault.EARLY:
                return (0.0,)
            case ReceiptFault.LATE:
                return (plan.late_seconds,)
            case ReceiptFault.DOUBLE:
                return (plan.receipt_seconds, plan.receipt_seconds * 2)
            case ReceiptFault.MISSING:
                return ()
        return (plan.receipt_seconds,)


def _chance(*parts: object) -> float:
    """Return a number from 0 to below 1 that is the same for the same parts."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:6]) / (1 << 48)


def _drawn(shares: Mapping[Word, float], chance: float) -> Word | None:
    reached = 0.0
    for word in sorted(shares):
        reached += shares[word]
        if chance < reached:
            return word
    return None


async def behave(
    request: Request, faults: Faults, named: tuple[str, str], take: Callable[[], Awaitable[Response]]
) -> Response:
    """Answer `request` as the plan of its provider says; `named`: the provider and the message's key.

    `take` does what the provider does with a request, and is called at most once.
    """
    plan, fault = faults.plan(named[0]), faults.next(*named)
    if plan.delay_seconds:
        await asyncio.sleep(plan.delay_seconds)
    answer = await take() if fault in TAKES else None
    match fault:
        case Fault.DROPPED_BEFORE | Fault.DROPPED_AFTER:
            _cut(request)
        case Fault.SILENT:
            await asyncio.sleep(plan.silent_seconds)
            _cut(request)
        case Fault.BUSY:
            return Response(status_code=429, headers={"retry-after": str(plan.retry_after_seconds)})
        case Fault.AWAY:
            return Response(status_code=503)
        case Fault.BROKEN:
            return Response(status_code=500)
        case Fault.MALFORMED:
            return Response("<html>bad gateway", media_type="text/html")
    return answer or Response(status_code=500)


def _cut(request: Request) -> None:
    """Have the connection go without a word: uvicorn's own, where it is uvicorn that serves.

    Raises:
        ConnectionAbortedError: there is none: the client is in this process, and has it from here.
    """
    transport = getattr(getattr(request.receive, "__self__", None), "transport", None)
    abort = getattr(transport, "abort", None)
    if not callable(abort):
        raise ConnectionAbortedError("cut")
    abort()
