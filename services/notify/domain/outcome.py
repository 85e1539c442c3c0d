"""What became of one attempt to send: the one vocabulary that every channel translates its provider's words into."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from services.notify.domain.message import Evidence, Why


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    TEMPORARY = "temporary"
    """It surely did not leave, and may later."""
    PERMANENT = "permanent"
    """It surely did not leave, and never will."""
    UNKNOWN = "unknown"
    """It may have left: the connection went, or time ran out, after the content was handed over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of one attempt.

    `code` is the provider's own (an SMTP reply with its enhanced status, an API's error code) and `reference` the name
    under which the provider knows the message. Neither may hold an address, a number or any words of the message:
    providers like to quote addresses in their texts, so their texts are not kept.
    """

    verdict: Verdict
    why: Why
    code: str = ""
    reference: str | None = None
    retry_after: timedelta | None = None
    evidence: Evidence = Evidence.NONE


def accepted(code: str, reference: str | None = None) -> Outcome:
    return Outcome(
        verdict=Verdict.ACCEPTED, why=Why.ACCEPTED, code=code, reference=reference, evidence=Evidence.ACCEPTED
    )


def temporary(why: Why, code: str, retry_after: timedelta | None = None) -> Outcome:
    return Outcome(verdict=Verdict.TEMPORARY, why=why, code=code, retry_after=retry_after)


def permanent(why: Why, code: str) -> Outcome:
    return Outcome(verdict=Verdict.PERMANENT, why=why, code=code)


def unknown(code: str) -> Outcome:
    return Outcome(verdict=Verdict.UNKNOWN, why=Why.NO_ANSWER, code=code)
