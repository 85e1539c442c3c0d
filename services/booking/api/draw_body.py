"""What a draw looks like: opened, entered, and published so that anybody can work its order out again."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from services.booking.api.party_body import PartyNamed
from services.booking.domain.draw import SLOTS_MOST
from services.booking.domain.draw_round import Round, Stage
from services.booking.domain.policy import PartyKind
from services.booking.domain.reason import Reason
from services.booking.domain.slot import Slot
from services.booking.domain.zone import in_words, local
from services.booking.store.draws import DrawRequest
from shared.web import Shown, Strict

_SLOT = "01936f2e-0000-7def-8a3b-000000000001"
_COMMITMENT = "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd"
_SEED = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
_DIGEST = "4be15c8ef2f6cfa8f5e26e4f4e1ce6f7f6aa7aaf3ac2c1c92c1ae2b2ba2d8d11"
_CONTENTS = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_REQUEST = "01936f2e-0000-7def-8a3b-00000000000a"

Hex = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class NewDraw(Strict):
    """A window in which requests come, and the slots that are drawn among them. The answer publishes the commitment."""

    opens_at: Annotated[AwareDatetime, Field(description="From when requests are taken.")]
    closes_at: Annotated[
        AwareDatetime, Field(description="Until when; the draw follows at once. At most 60 days later.")
    ]
    slots: Annotated[list[UUID], Field(min_length=1, max_length=200, description="Slots of the service to be drawn.")]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "opens_at": "2026-11-23T08:00:00+08:00",
                    "closes_at": "2026-11-24T20:00:00+08:00",
                    "slots": [_SLOT],
                }
            ]
        }
    )


class NewDrawRequest(PartyNamed):
    """A party that asks to be drawn, with up to three slots in the order in which it would like them."""

    slots: Annotated[list[UUID], Field(min_length=1, max_length=SLOTS_MOST, description="Best first.")]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"people": ["01936f2e-0000-7def-8a3b-000000000002"], "slots": [_SLOT], "party": "one_person"}]
        }
    )


class DrawnSlot(Shown):
    """A slot of a draw; times are null where it is no longer opened."""

    slot_id: UUID
    starts_at: datetime | None
    local_start: str | None


class PassedSlot(Shown):
    """A wish that was not granted, and why."""

    slot_id: UUID
    reason: Reason


Outcome = Annotated[Literal["booked", "passed_over"] | None, Field(description="Null until it is this request's turn.")]


class PublishedEntry(Shown):
    """A request, in its place in the order. It names nobody: `contents` commits to who they are.

    Its line is `<id> <party> <people> <slot>[,<slot>…] <contents>`.
    """

    place: int
    id: UUID
    party: PartyKind
    people: int
    slots: list[UUID]
    contents: Hex
    passed: list[PassedSlot]
    outcome: Outcome
    slot_id: UUID | None


_DRAW: dict[str, Any] = {
    "id": "01936f2e-0000-7def-8a3b-000000000009",
    "service_id": "dalian-museum-guided-tour",
    "stage": "settled",
    "opens_at": "2026-11-23T08:00:00+08:00",
    "closes_at": "2026-11-24T20:00:00+08:00",
    "slots": [{"slot_id": _SLOT, "starts_at": "2026-11-28T16:30:00+08:00", "local_start": "2026-11-28 16:30"}],
    "commitment": _COMMITMENT,
    "seed": _SEED,
    "digest": _DIGEST,
    "requests": 1,
}


class DrawShown(Shown):
    """A round. `seed` and `digest` are null until it is drawn; the commitment, SHA-256 of the seed, stands from the first."""

    id: UUID
    service_id: str
    stage: Annotated[Stage, Field(description="`closing` is the moment between the close and the draw.")]
    opens_at: datetime
    closes_at: datetime
    slots: list[DrawnSlot]
    commitment: Hex
    seed: Hex | None
    digest: Annotated[Hex | None, Field(description="SHA-256 of the heading and the requests' lines, sorted by id.")]
    requests: Annotated[int | None, Field(description="How many took part; null until it is drawn.")]

    model_config = ConfigDict(json_schema_extra={"examples": [_DRAW]})


class DrawPublished(DrawShown):
    """A round with its requests in the order that the seed gives them: by HMAC-SHA256(seed, line), the smallest first."""

    entries: list[PublishedEntry]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_DRAW,
                    "entries": [
                        {
                            "place": 1,
                            "id": _REQUEST,
                            "party": "one_person",
                            "people": 1,
                            "slots": [_SLOT],
                            "contents": _CONTENTS,
                            "passed": [],
                            "outcome": "booked",
                            "slot_id": _SLOT,
                        }
                    ],
                }
            ]
        }
    )


class DrawRequestShown(Shown):
    """A request, to whoever made it. Keep `line`: it must be among the published ones, letter for letter."""

    id: UUID
    draw_id: UUID
    people: list[UUID]
    party: PartyKind
    slots: list[UUID]
    declarations: dict[str, str]
    created_at: datetime
    withdrawn_at: datetime | None
    line: Annotated[str, Field(description="The request as it is published.")]
    salt: Annotated[str, Field(description="With it you can prove what `contents` stands for; nobody else has it.")]
    place: Annotated[int | None, Field(description="In the order; null until it is drawn.")]
    passed: list[PassedSlot]
    outcome: Outcome
    slot_id: UUID | None
    booking_id: Annotated[UUID | None, Field(description="The booking, where it got one.")]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": _REQUEST,
                    "draw_id": _DRAW["id"],
                    "people": ["01936f2e-0000-7def-8a3b-000000000002"],
                    "party": "one_person",
                    "slots": [_SLOT],
                    "declarations": {},
                    "created_at": "2026-11-23T10:00:00+08:00",
                    "withdrawn_at": None,
                    "line": f"{_REQUEST} one_person 1 {_SLOT} {_CONTENTS}",
                    "salt": "000102030405060708090a0b0c0d0e0f",
                    "place": 1,
                    "passed": [],
                    "outcome": "booked",
                    "slot_id": _SLOT,
                    "booking_id": "01936f2e-0000-7def-8a3b-00000000000b",
                }
            ]
        }
    )


def draw_shown(one: Round, slots: Mapping[UUID, Slot], now: datetime) -> DrawShown:
    """Return a round as anybody may see it: the seed only once it is drawn."""
    return DrawShown(**_round_fields(one, slots, now))


def draw_published(
    one: Round, slots: Mapping[UUID, Slot], requests: Sequence[DrawRequest], now: datetime
) -> DrawPublished:
    """Return a round with its requests; of one that is not drawn, none is shown."""
    entries = [_entry(request, request.place) for request in requests if request.place is not None]
    return DrawPublished(**_round_fields(one, slots, now), entries=entries)


def request_shown(one: DrawRequest) -> DrawRequestShown:
    """Return a request as its maker sees it."""
    return DrawRequestShown(
        id=one.id,
        draw_id=one.round_id,
        people=list(one.person_ids),
        party=one.party_kind,
        slots=list(one.slot_ids),
        declarations=dict(one.declarations),
        created_at=local(one.created_at),
        withdrawn_at=None if one.withdrawn_at is None else local(one.withdrawn_at),
        line=one.entry.line,
        salt=one.salt.hex(),
        place=one.place,
        passed=_passed(one),
        outcome=one.outcome,
        slot_id=one.slot_id,
        booking_id=one.booking_id if one.slot_id is not None else None,
    )


def _round_fields(one: Round, slots: Mapping[UUID, Slot], now: datetime) -> dict[str, Any]:
    stage = one.stage(now)
    public = stage in {Stage.DRAWN, Stage.SETTLED}
    return {
        "id": one.id,
        "service_id": one.service_id,
        "stage": stage,
        "opens_at": local(one.opens_at),
        "closes_at": local(one.closes_at),
        "slots": [_slot(slot_id, slots.get(slot_id)) for slot_id in one.slot_ids],
        "commitment": one.commitment,
        "seed": one.seed.hex() if public else None,
        "digest": one.digest,
        "requests": one.requests,
    }


def _slot(slot_id: UUID, slot: Slot | None) -> DrawnSlot:
    if slot is None:
        return DrawnSlot(slot_id=slot_id, starts_at=None, local_start=None)
    return DrawnSlot(slot_id=slot_id, starts_at=local(slot.starts_at), local_start=in_words(slot.starts_at))


def _entry(one: DrawRequest, place: int) -> PublishedEntry:
    return PublishedEntry(
        place=place,
        id=one.id,
        party=one.party_kind,
        people=len(one.person_ids),
        slots=list(one.slot_ids),
        contents=one.contents,
        passed=_passed(one),
        outcome=one.outcome,
        slot_id=one.slot_id,
    )


def _passed(one: DrawRequest) -> list[PassedSlot]:
    return [PassedSlot(slot_id=slot_id, reason=Reason(reason)) for slot_id, reason in one.passed]
