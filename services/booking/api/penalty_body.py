"""Penalties as people see them: their own ledger, an appeal, what staff decide on."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from services.booking.domain.catalogue import Catalogue
from services.booking.domain.penalty import PenaltyState, scope_words
from services.booking.domain.penalty_news import Penalty
from services.booking.domain.penalty_rule import Cause
from services.booking.domain.zone import in_words, local
from services.booking.store.appeals import Appeal, Exemption
from services.booking.store.penalties import Entry
from services.booking.views.penalties import PersonLedger
from shared.contracts import Words
from shared.web import Shown, Strict

_APPEAL: dict[str, Any] = {
    "id": "01936f2e-0000-7def-8a3b-000000000021",
    "penalty_id": "01936f2e-7c1a-5def-8a3b-5d4c3b2a1910",
    "strike_id": "01936f2e-0000-7def-8a3b-000000000020",
    "words": "当天住院，无法取消。",
    "made_at": "2026-11-26T10:00:00+08:00",
    "granted": True,
    "decided_at": "2026-11-27T09:30:00+08:00",
    "answer": "已核实住院证明。",
}
_STRIKE: dict[str, Any] = {
    "id": "01936f2e-0000-7def-8a3b-000000000020",
    "at": "2026-11-25T16:30:00+08:00",
    "cause": "no_show",
    "counts": False,
    "annulled_for": "corrected",
    "annulled_because": "闸机故障，未能扫码",
    "exempt": False,
    "booking_id": "01936f2e-7c1a-7def-8a3b-5d4c3b2a1908",
    "reference": "7Q2M-K4ZD-C",
    "what": {"zh": "大连博物馆 延时开放分时入场", "en": "Dalian Museum, Evening timed entry"},
}
_PENALTY: dict[str, Any] = {
    "id": "01936f2e-7c1a-5def-8a3b-5d4c3b2a1910",
    "version": 3,
    "scope": {"zh": "博物馆预约", "en": "museum bookings"},
    "state": "barred",
    "count": 3,
    "threshold": 3,
    "barred_since": "2026-11-25T16:30:00+08:00",
    "barred_until": "2026-12-25T16:30:00+08:00",
    "local_until": "2026-12-25 16:30",
    "can_appeal": False,
    "appeal": _APPEAL,
}
_EXEMPTION: dict[str, Any] = {
    "id": "01936f2e-0000-7def-8a3b-000000000022",
    "person_id": "01936f2e-0000-7def-8a3b-000000000002",
    "reason": "高龄老人，行动不便",
    "made_at": "2026-11-26T10:00:00+08:00",
    "ended_at": "2027-11-26T10:00:00+08:00",
}


class NewAppeal(Strict):
    """What there is to say against the bar."""

    words: Annotated[str, Field(min_length=1, max_length=1000)]

    model_config = ConfigDict(json_schema_extra={"examples": [{"words": "当天住院，无法取消。"}]})


class AppealDecision(Strict):
    """Granted, and the strike that imposed the bar does not count any more; or not. The answer is read by the resident."""

    granted: bool
    answer: Annotated[str, Field(min_length=1, max_length=1000)]

    model_config = ConfigDict(json_schema_extra={"examples": [{"granted": True, "answer": "已核实住院证明。"}]})


class Annulling(Strict):
    """Why the strike does not count: it stays on record."""

    reason: Annotated[str, Field(min_length=1, max_length=200)]

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "地铁停运"}]})


class NewExemption(Strict):
    """Whose strikes at this venue shall not count, and why."""

    person_id: Annotated[UUID, Field(description="As the venue's bookings name their people.")]
    reason: Annotated[str, Field(min_length=1, max_length=200)]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"person_id": "01936f2e-0000-7def-8a3b-000000000002", "reason": "高龄老人，行动不便"}]
        }
    )


class AppealShown(Shown):
    """An appeal against a bar; `granted` is null until staff decide."""

    id: UUID
    penalty_id: UUID
    strike_id: Annotated[UUID, Field(description="The strike that imposed the bar.")]
    words: str
    made_at: datetime
    granted: bool | None
    decided_at: datetime | None
    answer: str | None

    model_config = ConfigDict(json_schema_extra={"examples": [_APPEAL]})


class StrikeShown(Shown):
    """Something that counts, or does not and why. What another account booked is told without its details."""

    id: UUID
    at: Annotated[datetime, Field(description="When it was cancelled; of an absence, the time of the visit.")]
    cause: Cause
    counts: bool
    annulled_for: Annotated[str | None, Field(description="`corrected`, `staff` or `appeal`, where it does not count.")]
    annulled_because: str | None
    exempt: Annotated[bool, Field(description="Whether the person is exempt at its venue.")]
    booking_id: UUID | None
    reference: str | None
    what: Words | None

    model_config = ConfigDict(json_schema_extra={"examples": [_STRIKE]})


class PenaltyStandingShown(Shown):
    """Where a person stands under one rule: `count` of `threshold` strikes, and the bar while it runs."""

    id: UUID
    version: int
    scope: Words
    state: PenaltyState
    count: int
    threshold: int
    barred_since: datetime | None
    barred_until: datetime | None
    local_until: Annotated[str | None, Field(description="The venue's local time, ready to show.")]
    can_appeal: bool
    appeal: AppealShown | None

    model_config = ConfigDict(json_schema_extra={"examples": [_PENALTY]})


class LedgerShown(Shown):
    """One saved person: their strikes of the last two years, and where they stand."""

    person_id: UUID
    name: str
    penalties: list[PenaltyStandingShown]
    strikes: list[StrikeShown]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "person_id": "01936f2e-0000-7def-8a3b-000000000002",
                    "name": "王*",
                    "penalties": [_PENALTY],
                    "strikes": [_STRIKE],
                }
            ]
        }
    )


class ExemptionShown(Shown):
    """A person whose strikes at this venue do not count; `ended_at` is null while it lasts."""

    id: UUID
    person_id: UUID
    reason: str
    made_at: datetime
    ended_at: datetime | None

    model_config = ConfigDict(json_schema_extra={"examples": [_EXEMPTION]})


def ledger_shown(ledger: PersonLedger, account_id: UUID, catalogue: Catalogue, now: datetime) -> LedgerShown:
    """Return one person's ledger for the account that asks."""
    return LedgerShown(
        person_id=ledger.person.person_id,
        name=ledger.person.name_masked,
        penalties=[_standing(one, ledger, catalogue, now) for one in ledger.penalties],
        strikes=[
            strike_shown(entry, catalogue, whole=entry.strike.account_id == account_id) for entry in ledger.entries
        ],
    )


def strike_shown(entry: Entry, catalogue: Catalogue, *, whole: bool) -> StrikeShown:
    """Return a strike; `whole` with the booking that it came from."""
    strike = entry.strike
    return StrikeShown(
        id=strike.id,
        at=local(strike.at),
        cause=strike.cause,
        counts=entry.stands,
        annulled_for=entry.annulled_for,
        annulled_because=entry.annulled_because if whole else None,
        exempt=entry.exempt,
        booking_id=strike.booking_id if whole else None,
        reference=entry.reference if whole else None,
        what=scope_words(f"service:{strike.service_id}", catalogue)[0] if whole else None,
    )


def appeal_shown(appeal: Appeal) -> AppealShown:
    """Return an appeal."""
    return AppealShown(
        id=appeal.id,
        penalty_id=appeal.penalty_id,
        strike_id=appeal.strike_id,
        words=appeal.words,
        made_at=local(appeal.made_at),
        granted=appeal.granted,
        decided_at=None if appeal.decided_at is None else local(appeal.decided_at),
        answer=appeal.answer,
    )


def exemption_shown(exemption: Exemption) -> ExemptionShown:
    """Return an exemption."""
    return ExemptionShown(
        id=exemption.id,
        person_id=exemption.person_id,
        reason=exemption.reason,
        made_at=local(exemption.made_at),
        ended_at=None if exemption.ended_at is None else local(exemption.ended_at),
    )


def _standing(penalty: Penalty, ledger: PersonLedger, catalogue: Catalogue, now: datetime) -> PenaltyStandingShown:
    """A bar that has ended is over the instant it does, whoever has been told."""
    running = penalty.until is not None and now < penalty.until
    over = penalty.state is PenaltyState.BARRED and not running
    appeal = ledger.appeals.get((penalty.id, penalty.imposed_by)) if running and penalty.imposed_by else None
    until = penalty.until if running else None
    return PenaltyStandingShown(
        id=penalty.id,
        version=penalty.version,
        scope=scope_words(penalty.scope, catalogue)[0],
        state=PenaltyState.LIFTED if over else penalty.state,
        count=0 if over else penalty.count,
        threshold=penalty.threshold,
        barred_since=local(penalty.since) if running and penalty.since else None,
        barred_until=None if until is None else local(until),
        local_until=None if until is None else in_words(until),
        can_appeal=running and appeal is None,
        appeal=None if appeal is None else appeal_shown(appeal),
    )
