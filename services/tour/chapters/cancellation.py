"""A cancellation: whoever waits is offered the place, nobody cuts in, the reminders end, and the booker hears of it."""

from services.tour import hearing, invented, screen
from services.tour.client import Ask, must
from services.tour.guide import Booked, Guide, Resident
from shared.contracts import Words


async def tell(guide: Guide, court: Booked, service_id: str) -> Booked:
    """Cancel the court, for which somebody waits, and look at everything that follows; return what they were offered."""
    narrator = guide.narrator
    narrator.chapter(
        Words(
            "取消与候补：名额给候补者，提醒撤回",
            "A cancellation: whoever waits is offered the place, the reminders end",
        )
    )
    waiting, entry = await _wait(guide, court, service_id)
    narrator.tell(
        Words(f"林晓取消羽毛球场（{court.reference}）。", f"Lin Xiao cancels the badminton court ({court.reference}).")
    )
    reminders = await hearing.reminders(guide, court)
    reason = narrator.pick(Words("天气不好", "bad weather"))
    cancelled = await guide.book(
        court.by,
        Ask(
            method="POST",
            path=f"/api/v1/bookings/{court.id}/cancellation",
            body={"reason": reason},
            if_match=court.etag,
        ),
    )
    must(cancelled.body["state"] == "cancelled", Words("预约没有取消", "the booking is not cancelled"))
    await hearing.hear(guide, cancelled, "cancellation")
    left = await guide.places_left(service_id, court.body["slot_id"], court.starts_at)
    must(left == 0, Words(f"取消后公众可约 {left} 个名额", f"after the cancellation {left} places are free to anybody"))
    narrator.checked(
        Words("名额没有被抢走：先保留给候补者", "nobody can snatch the place: it is held for whoever waits")
    )
    await hearing.withdrawn(guide, cancelled, reminders)
    return await _accept(guide, waiting, entry)


async def _wait(guide: Guide, court: Booked, service_id: str) -> tuple[Resident, str]:
    """Let somebody join the waiting list for exactly this court and time; return who, and the entry's path."""
    narrator = guide.narrator
    narrator.tell(
        Words(
            "何静也想要这块场地，已约满，于是登记候补。",
            "He Jing would like this court too. It is taken, so she waits.",
        )
    )
    resident = await guide.sign_in(Words("何静", "He Jing"), "he.jing")
    person = invented.resident(guide.chance, narrator.pick(resident.caller.name), "self", born=1988)
    day, begins = court.body["starts_at"][:10], court.body["starts_at"][11:16]
    wish = {
        "services": [service_id],
        "first_day": day,
        "last_day": day,
        "since": begins,
        "until": begins,
        "people": [await guide.save(resident, person)],
    }
    ask = Ask(method="POST", path="/api/v1/waiting-list", body=wish, expect=201)
    answer = await guide.booking.ask(resident.caller, ask, lambda body: screen.entry(body, narrator))
    must(answer.body["position"] == 1, Words("候补顺序不是第一位", "she is not the first in line"), [str(answer.body)])
    return resident, f"/api/v1/waiting-list/{answer.body['id']}"


async def _accept(guide: Guide, resident: Resident, entry: str) -> Booked:
    narrator = guide.narrator
    answer = await guide.booking.ask(
        resident.caller, Ask(method="GET", path=entry), lambda body: screen.entry(body, narrator)
    )
    must(
        answer.body["state"] == "offered",
        Words("名额没有保留给候补者", "the place was not offered to whoever waits"),
        [str(answer.body)],
    )
    path = f"/api/v1/bookings/{answer.body['offers'][-1]['booking_id']}/confirmation"
    accepted = await guide.book(resident, Ask(method="POST", path=path))
    await hearing.hear(guide, accepted, "confirmation")
    return accepted
