"""What there is at the end: every booking of the tour as the system has it now."""

from collections import Counter

from services.tour import screen
from services.tour.client import Ask, must
from services.tour.guide import Guide
from shared.contracts import Words


async def tell(guide: Guide, seconds: float) -> None:
    """Read each booking once more, hold it against what the tour last saw, and list them."""
    narrator = guide.narrator
    narrator.chapter(Words("全部预约", "All bookings of this tour"))
    rows = []
    for booked in guide.bookings:
        ask = Ask(method="GET", path=f"/api/v1/bookings/{booked.id}")
        now = (await guide.booking.quietly(booked.by.caller, ask)).body
        must(
            (now["state"], now["version"]) == (booked.body["state"], booked.body["version"]),
            Words(f"{booked.reference} 与先前看到的不同", f"{booked.reference} is not what it was when last seen"),
            [str(now)],
        )
        state = narrator.pick(screen.STATES[now["state"]])
        what = f"{narrator.pick(now['service']['name'])} · {narrator.pick(now['venue']['name'])}"
        rows.append([f"{booked.reference}  {state}", what, screen.span(now, narrator)])
    narrator.table(rows)
    heard_once(guide)
    narrator.title(
        Words(
            f"导览结束，一切如约：{len(rows)} 项预约，{seconds:.0f} 秒。接口文档：{guide.place.booking}/docs；短信与邮件：{guide.place.sink}",
            f"The tour ends, and everything was as promised: {len(rows)} bookings in {seconds:.0f} s."
            f" The API's documentation is at {guide.place.booking}/docs, mail and SMS at {guide.place.sink}.",
        )
    )


def heard_once(guide: Guide) -> None:
    """Hold the inboxes against "once": no number is missing or comes twice, and no booking is told of twice."""
    inboxes = {id(booked.by): booked.by.inbox for booked in guide.bookings}.values()
    for inbox in inboxes:
        numbers = [heard.message["sequence"] for heard in inbox.heard]
        told = Counter((heard.message["booking_id"], heard.message["kind"]) for heard in inbox.heard)
        name = inbox.caller.name
        must(
            numbers == list(range(1, len(numbers) + 1)) and max(told.values()) == 1,
            Words(f"{name.zh}的站内信有缺漏或重复", f"a message of {name.en}'s inbox is missing or came twice"),
            [str(numbers), str(told)],
        )
    count = sum(len(inbox.heard) for inbox in inboxes)
    guide.narrator.checked(
        Words(f"{count} 条站内信，每条一次，编号不缺不重", f"{count} in-app messages, each once, no number missing")
    )
