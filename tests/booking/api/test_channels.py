"""What was kept for the counter and for walk-ins, and used: for the venue's own people."""

from sqlalchemy import text

from services.booking.api.channels import ChannelReport
from services.booking.domain.account import Role
from tests import make, world
from tests.booking.api.caller import Caller, problem
from tests.booking.api.town import at, read

PATH = "/api/v1/services/timed-entry/channels"


async def test_kept_and_used_day_by_day(api: Caller) -> None:
    first = make.slot(capacity=10, kept_counter=2, kept_walk_in=3)
    await world.put_slots(api.engine, first, at(first, minutes=30), at(first, days=1))
    async with api.engine.begin() as tx:
        taken = text("UPDATE slots SET taken = 9, taken_counter = 4, taken_walk_in = 2 WHERE id = :id")
        await tx.execute(taken, {"id": first.id})
    staff = await api.at_work(Role.SCHEDULER, "scheduler")
    report = read(ChannelReport, await staff.get(f"{PATH}?first=2026-11-25&last=2026-11-26"))
    assert [(one.day.isoformat(), one.capacity, one.kept_counter) for one in report.days] == [
        ("2026-11-25", 20, 4),
        ("2026-11-26", 10, 2),
    ]
    total = report.total
    assert (total.kept_counter, total.taken_counter, total.used_counter) == (6, 4, 2), (
        "two of four were beyond what is kept"
    )
    assert (total.kept_walk_in, total.taken_walk_in, total.used_walk_in, total.taken) == (9, 2, 2, 9)
    assert read(ChannelReport, await staff.get(PATH)).days == [], "until today, where nothing else is asked"


async def test_it_is_the_venue_s_own_and_bounded(api: Caller) -> None:
    problem(await (await api.sign_in()).get(PATH), 403, "not_allowed")
    staff = await api.at_work(Role.STAFF, "door")
    problem(await staff.get("/api/v1/services/none/channels"), 404, "service_unknown")
    problem(await staff.get(f"{PATH}?first=2026-11-02&last=2026-11-01"), 422, "invalid_request")
    problem(await staff.get(f"{PATH}?first=2026-01-01&last=2026-12-31"), 422, "invalid_request")
