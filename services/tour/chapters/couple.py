"""A couple at a fertility evaluation clinic [001]: two named people in one booking, and messages that tell nobody what for."""

from datetime import timedelta
from typing import Final

from services.tour import hearing, invented, screen
from services.tour.client import Ask, must
from services.tour.guide import Booked, Guide, Resident
from shared.contracts import Words

LEAST_AHEAD: Final = timedelta(hours=25)
DISCIPLINE: Final = Words("discipline:生殖", "discipline:reproductive medicine")


async def tell(guide: Guide, resident: Resident, self_id: str) -> Booked:
    """Book for the account's holder and his wife."""
    narrator = guide.narrator
    narrator.chapter(Words("生育评估门诊：夫妇两人，一次预约", "A fertility clinic: a couple in one booking"))
    narrator.tell(
        Words(
            "周航和妻子沈雨要一起去生育评估门诊。",
            "Zhou Hang and his wife Shen Yu go to a fertility evaluation clinic together.",
        )
    )
    wife = invented.resident(guide.chance, narrator.pick(Words("沈雨", "Shen Yu")), "spouse", born=1993)
    wife_id = await guide.save(resident, wife)
    ask = Ask(
        method="GET", path="/api/v1/services", query={"kind": "fertility", "attribute": narrator.pick(DISCIPLINE)}
    )
    found = await guide.booking.ask(resident.caller, ask, lambda body: screen.services(body, narrator))
    service = found.body["items"][0]
    slot = await guide.free_time(resident.caller, service["id"], guide.ahead(LEAST_AHEAD))
    wish = {"slot_id": slot["slot_id"], "people": [self_id, wife_id], "party": "couple", "confirm": True}
    booked = await guide.book(resident, Ask(method="POST", path="/api/v1/bookings", body=wish, expect=201))
    must(
        [one["person_id"] for one in booked.body["people"]] == [self_id, wife_id],
        Words("预约里不是这两个人", "the booking does not name the two"),
    )
    must(booked.body["seats"] == 1, Words("一对夫妇没有只占一个号", "the couple does not take one consultation"))
    await guide.one_less(service["id"], slot)
    await hearing.hear(guide, booked, "confirmation")
    await hearing.reminders(guide, booked)
    return booked
