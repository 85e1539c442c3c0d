"""Asking a provider what became of a message, for the channels whose provider can be asked.

A carrier that can be asked has a method `ask`, beside `open`. It is given the letter again, for providers keep their
lists by number and day. It never raises for what a provider does or fails to do: that is `Finding.NOTHING`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from services.notify.channels.carrier import Letter_contra
from services.notify.domain.doubt import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """About which attempt: when it was begun, and the provider's own name for the message, if it ever gave one."""

    started_at: datetime
    reference: str | None


@runtime_checkable
class Asked(Protocol[Letter_contra]):
    """A carrier whose provider can be asked."""

    async def ask(self, letter: Letter_contra, question: Question) -> Finding:
        """Return what the provider says about `letter`."""
        ...
