"""Recipients that exist to try things: what is sent to them takes the whole way through this house, and leaves it not.

The law: planned, claimed, rendered, recorded, limited and retried as for anybody; only the call to the provider is left
out, and its answer is the one that the address names. So an operator can see in production what a resident would see
when a provider is slow or an address is wrong, without a message to anybody and without a cost.

    delivered@rehearsal.test    +8615400000001   taken at once
    temporary@rehearsal.test    +8615400000002   refused for now: tried again until it is of no use
    permanent@rehearsal.test    +8615400000003   refused for good
    timeout@rehearsal.test      +8615400000004   no answer: in doubt, and found when the provider is asked

`.test` is nobody's (RFC 2606), and no number of a mainland phone begins with 154.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

from services.notify.channels.carrier import Carrier, Letter, Send
from services.notify.channels.enquiry import Asked, Question
from services.notify.domain.doubt import Finding
from services.notify.domain.message import Why
from services.notify.domain.outcome import Outcome, accepted, permanent, temporary, unknown

CODE = "rehearsal"


class Part(StrEnum):
    """What a recipient plays."""

    DELIVERED = "delivered"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"
    TIMEOUT = "timeout"


RECIPIENTS: Mapping[str, Part] = MappingProxyType(
    {f"{part.value}@rehearsal.test": part for part in Part}
    | {f"+861540000000{place}": part for place, part in enumerate(Part, start=1)}
)


class Addressed(Letter, Protocol):
    """A letter with one address."""

    @property
    def to(self) -> str:
        """Where it goes."""
        ...


AnyAddressed = TypeVar("AnyAddressed", bound=Addressed)


@dataclass(frozen=True, slots=True)
class Rehearsing(Generic[AnyAddressed]):
    """A carrier that plays the provider for the recipients above, and passes everything else on to the real one."""

    real: Carrier[AnyAddressed]

    @property
    def provider(self) -> str:
        """The real one's name: limits, shares and health are its own."""
        return self.real.provider

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Send[AnyAddressed]]:
        """Open the real carrier for a batch."""
        async with self.real.open() as pass_on:

            async def send(letter: AnyAddressed) -> Outcome:
                part = RECIPIENTS.get(letter.to.lower())
                return await pass_on(letter) if part is None else _played(part)

            yield send

    async def ask(self, letter: AnyAddressed, question: Question) -> Finding:
        """Return what the provider says about a letter: of a rehearsal, that it arrived."""
        if letter.to.lower() in RECIPIENTS:
            return Finding.ARRIVED
        real: object = self.real
        return await real.ask(letter, question) if isinstance(real, Asked) else Finding.MUTE


def _played(part: Part) -> Outcome:
    match part:
        case Part.DELIVERED:
            return accepted(CODE, CODE)
        case Part.TEMPORARY:
            return temporary(Why.PROVIDER_BUSY, CODE)
        case Part.PERMANENT:
            return permanent(Why.ADDRESS_REFUSED, CODE)
        case Part.TIMEOUT:
            return unknown(CODE)
