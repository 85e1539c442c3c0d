"""A cancellation: the place is free again, the reminders are withdrawn, and whoever booked hears of it."""

from services.tour import hearing
from services.tour.client import Ask, must
from services.tour.guide import Booked, Guide
from shared.contracts import Words


async def tell(guide: Guide, court: Booked, service_id: str) -> Booked:
    """Cancel the court and look at everything that follows."""
    narrator = guide.narrator
    narrator.chapter(
        Words("取消：名额归还，提醒撤回", "A cancellation: the place is given back, the reminders are withdrawn")
    )
    narrator.tell(
        Words(f"林晓取消羽毛球场（{court.reference}）。", f"Lin Xiao cancels the badminton court ({court.reference}).")
    )
    slot_id = court.body["slot_id"]
    before = await guide.places_left(service_id, slot_id, court.starts_at)
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
    after = await guide.places_left(service_id, slot_id, court.starts_at)
    must(
        (before, after) == (0, 1), Words(f"取消后余 {after} 个名额", f"{after} places are left after the cancellation")
    )
    narrator.checked(Words("这块场地的这个时段又可以预约了", "that court is free again at that time"))
    await hearing.withdrawn(guide, cancelled, reminders)
    return cancelled
