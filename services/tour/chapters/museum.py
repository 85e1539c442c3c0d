"""A timed entry on the next extended evening [001]: held while one fills in, extended, confirmed, and told."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from services.tour import hearing, screen
from services.tour.client import Ask, must
from services.tour.guide import Booked, Guide, Resident
from shared.contracts import Words

SERVICE: Final = "dalian-museum-evening-entry"
LEAST_AHEAD: Final = timedelta(hours=3)
"""So that the shorter reminder, two hours before, still lies ahead."""

A_DAY: Final = timedelta(hours=24)
ABOUT_DUE: Final = timedelta(minutes=10)
"""A reminder that is due during the tour would be planned in one answer and sent in the next."""

FILLING_IN: Final = 1.1
"""Seconds between hold and extension, so that the later end of the hold can be seen."""


async def tell(guide: Guide, resident: Resident, person_id: str) -> Booked:
    """Hold, extend, confirm; hear of it; look at the reminders."""
    narrator = guide.narrator
    narrator.chapter(Words("市级博物馆延时开放：分时入场", "A museum's extended evening: a timed entry"))
    narrator.tell(
        Words(
            "博物馆免预约；林晓想要个准时间，就查下一个延时开放日的傍晚。",
            "Museums need no reservation; Lin Xiao wants to be certain of a time, and looks for the next extended evening.",
        )
    )
    slot = await _next_evening(guide, resident)
    wish = {"slot_id": slot["slot_id"], "people": [person_id]}
    held = await guide.book(resident, Ask(method="POST", path="/api/v1/bookings", body=wish, expect=201))
    await guide.one_less(SERVICE, slot)
    await asyncio.sleep(FILLING_IN)
    narrator.tell(
        Words(
            "名额已经占住；她还在找证件，就延长一次。",
            "The place is hers for now; she looks for her card and asks for more time.",
        )
    )
    extended = await guide.book(
        resident, Ask(method="POST", path=f"/api/v1/bookings/{held.id}/extension", if_match=held.etag)
    )
    must(
        extended.body["hold_until"] > held.body["hold_until"],
        Words("延长后，保留时间没有变长", "the hold lasts no longer after its extension"),
    )
    confirmed = await guide.book(
        resident, Ask(method="POST", path=f"/api/v1/bookings/{held.id}/confirmation", if_match=extended.etag)
    )
    must(confirmed.body["state"] == "confirmed", Words("预约没有确认", "the booking is not confirmed"))
    narrator.tell(
        Words(
            "确认这件事经消息总线到了通知服务，通知服务给她发站内信和邮件，并排好提醒。",
            "That it is confirmed reaches the notify service over the bus, which tells her and plans the reminders.",
        )
    )
    await hearing.hear(guide, confirmed, "confirmation")
    await hearing.reminders(guide, confirmed)
    return confirmed


async def _next_evening(guide: Guide, resident: Resident) -> Mapping[str, Any]:
    """Return a time on the first extended evening that still lies far enough ahead."""
    now = guide.clock()
    days: list[str] = []

    def on_the_first_day(one: Mapping[str, Any]) -> bool:
        ahead = screen.moment(one["starts_at"]) - now
        if ahead < LEAST_AHEAD or abs(ahead - A_DAY) < ABOUT_DUE:
            return False
        days.append(one["starts_at"][:10])
        return bool(one["starts_at"].startswith(days[0]))

    return await guide.free_time(resident.caller, SERVICE, on_the_first_day)
