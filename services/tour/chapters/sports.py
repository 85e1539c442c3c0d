"""A court at a sports venue [004]: booked at once, asked for twice, and refused to whoever comes second."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from services.tour import hearing, invented, screen
from services.tour.client import Ask, must, new_key
from services.tour.guide import Booked, Guide, Resident
from shared.contracts import Words

BADMINTON: Final = Words("activity:羽毛球", "activity:badminton")
LEAST_AHEAD: Final = timedelta(hours=25)
"""So that both reminders lie ahead, and there is something to withdraw when it is cancelled."""


async def tell(guide: Guide, resident: Resident, person_id: str, museum: Booked) -> tuple[Booked, str]:
    """Book a court; return the booking and the service it is of."""
    narrator = guide.narrator
    narrator.chapter(Words("公共体育场馆惠民开放：一块羽毛球场", "A sports venue: a badminton court"))
    narrator.tell(
        Words(
            "林晓再订一块羽毛球场，不必先暂留，一次请求就订好。",
            "Lin Xiao books a badminton court as well, at once and without a hold.",
        )
    )
    service_id, slot = await _free_court(guide, resident, museum)
    wish = {"slot_id": slot["slot_id"], "people": [person_id], "confirm": True}
    ask = Ask(method="POST", path="/api/v1/bookings", body=wish, expect=201, key=new_key())
    court = await guide.book(resident, ask)
    again = await guide.booking.quietly(resident.caller, ask)
    must(
        again.body == court.body,
        Words("同一个键得到了另一个答复", "the same key was answered differently"),
        [str(again.body)],
    )
    narrator.checked(
        Words(
            "手机网络不好，同一请求（同一 Idempotency-Key）又发了一次：答复相同，没有多订",
            "the telephone's network is poor and the same request goes out twice, under one Idempotency-Key: the same"
            " answer, and no second booking",
        )
    )
    await hearing.hear(guide, court, "confirmation")
    await hearing.reminders(guide, court)
    return court, service_id


async def refuse(guide: Guide, court: Booked) -> tuple[Resident, str]:
    """Let somebody else ask for the same court at the same time; return who it was, and their saved person's id.

    The refusal comes in two languages and with the nearest free times.
    """
    narrator = guide.narrator
    narrator.tell(Words("周航也想要同一块场地、同一个时间。", "Zhou Hang wants the same court at the same time."))
    other = await guide.sign_in(Words("周航", "Zhou Hang"), "zhou.hang")
    person = invented.resident(guide.chance, narrator.pick(other.caller.name), "self", born=1991)
    person_id = await guide.save(other, person)
    wish = {"slot_id": court.body["slot_id"], "people": [person_id], "confirm": True}
    ask = Ask(method="POST", path="/api/v1/bookings", body=wish, expect=409)
    answer = await guide.booking.ask(other.caller, ask, lambda body: screen.problem(body, narrator))
    must(
        answer.body["code"] == "slot_full",
        Words("拒绝的理由不是“已约满”", "it was not refused as full"),
        [str(answer.body)],
    )
    free = screen.alternatives(answer.body)
    must(bool(free), Words("拒绝里没有最近的空闲时段", "the refusal names no free times"), [str(answer.body)])
    narrator.checked(
        Words(
            f"没有重复占用；答复给出最近的空闲时段：{narrator.spoken(free)}",
            f"the court is not given twice, and the refusal names the nearest free times: {narrator.spoken(free)}",
        )
    )
    return other, person_id


async def _free_court(guide: Guide, resident: Resident, museum: Booked) -> tuple[str, Mapping[str, Any]]:
    narrator = guide.narrator
    ask = Ask(method="GET", path="/api/v1/services", query={"kind": "sports", "attribute": narrator.pick(BADMINTON)})
    found = await guide.booking.ask(resident.caller, ask, lambda body: screen.services(body, narrator))
    fits = guide.ahead(LEAST_AHEAD)

    def beside_the_museum(one: Mapping[str, Any]) -> bool:
        begins, ends = screen.moment(one["starts_at"]), screen.moment(one["ends_at"])
        return fits(one) and (ends <= museum.starts_at or museum.ends_at <= begins)

    court = guide.chance.choice(found.body["items"])
    return court["id"], await guide.free_time(resident.caller, court["id"], beside_the_museum)
