"""A town around the one museum of `make`: a second district, more venues and services; and plans to publish there."""

import math
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.booking import tables
from services.booking.domain.slot import Slot
from shared.ids import new_id
from tests import make
from tests.booking.api.caller import IDENTITY_CARD, Caller

GYM = "zhongshan-fitness"
COURTS = ("badminton-1", "badminton-2", "table-tennis-1")
_INDOOR = {"zh": "室内", "en": "Indoor"}
_ACTIVITY = {
    "badminton-1": {"zh": "羽毛球", "en": "Badminton"},
    "badminton-2": {"zh": "羽毛球", "en": "Badminton"},
    "table-tennis-1": {"zh": "乒乓球", "en": "Table tennis"},
}


async def build(api: Caller) -> None:
    """Write the rest of the town, as a load would while the API runs, and let the API look at once."""
    async with api.engine.begin() as tx:
        district = {"id": "shahekou", "position": 1, "name_zh": "沙河口区", "name_en": "Shahekou", "subdistricts": {}}
        await tx.execute(insert(tables.districts).values(district))
        await tx.execute(insert(tables.venues), [_venue("lushun-museum", "museum", 1), _venue(GYM, "sports", 2)])
        await tx.execute(insert(tables.services), [_court(name, place) for place, name in enumerate(COURTS, start=1)])
        await tx.execute(text("UPDATE catalogue_version SET version = version + 1"))
    look(api)


def look(api: Caller) -> None:
    """Have the API's next reader look whether the catalogue changed, as a second's passing would."""
    api.parts.catalogue._looked = -math.inf


def _venue(venue_id: str, kind: str, position: int) -> dict[str, Any]:
    names = {"lushun-museum": ("旅顺博物馆", "Lushun Museum"), GYM: ("中山区市民健身中心", "Zhongshan Fitness Centre")}
    return {
        "id": venue_id,
        "position": position,
        "kind": kind,
        "district_id": "shahekou" if kind == "museum" else "zhongshan",
        "name_zh": names[venue_id][0],
        "name_en": names[venue_id][1],
        "address_zh": "示例路2号",
        "address_en": "2 Sample Road",
        "step_free": False,
        "sample": True,
        "source": "[004]",
    }


def _court(name: str, position: int) -> dict[str, Any]:
    activity = _ACTIVITY[name]
    return {
        "id": name,
        "position": position,
        "venue_id": GYM,
        "kind": "sports",
        "policy_id": "open",
        "name_zh": f"{activity['zh']}场",
        "name_en": f"{activity['en']} court",
        "attributes": {"zone": _INDOOR, "activity": activity},
        "sample": True,
        "source": "[004]",
    }


def court_slot(name: str, **changes: Any) -> Slot:
    """A slot of a court: Wednesday, 16:30, two places."""
    return make.slot(service_id=name, venue_id=GYM, kind="sports", **changes)


def at(of_slot: Slot, *, days: int = 0, minutes: int = 0) -> Slot:
    """The same slot, later: another one, with all its times moved."""
    by = timedelta(days=days, minutes=minutes)
    moved = {name: getattr(of_slot, name) + by for name in ("starts_at", "ends_at", "bookable_from", "bookable_until")}
    return replace(of_slot, id=new_id(), **moved)


async def close(engine: AsyncEngine, slot_id: UUID, zh: str, en: str) -> None:
    """Close a slot, as a closure in its plan does."""
    async with engine.begin() as tx:
        closing = text(
            "UPDATE slots SET closed = jsonb_build_object('zh', CAST(:zh AS text), 'en', CAST(:en AS text)) WHERE id = :id"
        )
        await tx.execute(closing, {"zh": zh, "en": en, "id": slot_id})


def plan(**changes: Any) -> dict[str, Any]:
    """A plan as a scheduler sends it: every day of November and December 2026, 16:30 to 18:30, three half hours of two."""
    return {
        "valid_from": "2026-11-01",
        "valid_until": "2026-12-31",
        "timed": {"minutes": 30, "capacity": 2, "starts": ["16:30", "17:00", "17:30"]},
        "windows": [window()],
    } | changes


def window(**changes: Any) -> dict[str, Any]:
    """The same hours on all days of the week."""
    hours = {
        "opens": "16:30",
        "closes": "18:30",
        "last_entry": "18:00",
        "charge": "free",
        "label": {"zh": "延时开放", "en": "Extended hours"},
    }
    return {"days": [{"weekdays": [1, 2, 3, 4, 5, 6, 7]}], "hours": [hours]} | changes


def closure(first: date, last: date, **changes: Any) -> dict[str, Any]:
    """Closed for works, from the first to the last day."""
    return {
        "first": first.isoformat(),
        "last": last.isoformat(),
        "reason": {"zh": "设备检修", "en": "Maintenance"},
    } | changes


async def book(resident: Caller, person_id: str, slot_id: str, **changes: Any) -> Any:
    """Book a slot for a saved person; return the answer."""
    wish = {"slot_id": slot_id, "people": [person_id], "confirm": True} | changes
    return await resident.post("/api/v1/bookings", wish)


async def person(resident: Caller, number: str = IDENTITY_CARD) -> str:
    """Save a person for a resident and return the id."""
    answer = await resident.post(
        "/api/v1/people",
        {"name": "王建国", "relation": "self", "document": {"type": "resident_identity_card", "number": number}},
    )
    assert answer.status_code == 201, answer.text
    saved: str = answer.json()["id"]
    return saved


def read(model: type[Any], answer: Any) -> Any:
    """Check that an answer is what its model says, and return it."""
    assert answer.status_code == 200, answer.text
    return TypeAdapter(model).validate_json(answer.content)


def local_times(shown: Any) -> dict[str, list[str]]:
    """Return what an availability answer shows: the times of every day."""
    return {day.date.isoformat(): [one.time for one in day.times] for day in shown.days}
