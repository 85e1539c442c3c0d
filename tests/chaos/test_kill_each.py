"""kill -9 of each process in turn under a light load of bookings; the broker's store deleted; the supervisor killed.

Promised: no acknowledged booking lost, no event missing, no message twice, all running again by itself.
"""

import asyncio
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from services.notify.deliver import Pace
from services.notify.settings import NotifySettings
from shared.ids import new_id
from tests import world
from tests.chaos.town import Town, town
from tests.running import running, start

pytestmark = pytest.mark.chaos

VICTIMS = ("booking-api", "booking-worker", "notify-api", "notify-worker", "postgres", "nats")
EVERY = 0.05
AFTER_EACH_SECONDS = 3.0
CLAIM_SECONDS = Pace().claim.total_seconds()
LEASE_SECONDS: float = NotifySettings.model_fields["lease_seconds"].default
NEXT_CLAIM_SECONDS = 15.0
"""For a worker to look again, which it does four times a second, and to send what it finds, on a machine that is busy."""
CLAIMED = "SELECT recipient_id, count(*) FROM messages WHERE channel = 'email' AND state = 'claimed' GROUP BY 1"
REMINDER_MINUTES = 120


@pytest.fixture
async def city() -> AsyncIterator[Town]:
    folder = Path(tempfile.mkdtemp(prefix="yuyue-chaos-"))
    folder.chmod(0o711)
    async with running(folder / "var") as system, town(system, people=1200) as residents:
        yield residents
    shutil.rmtree(folder)


async def assert_nothing_lost_or_doubled(city: Town, accounts: set[UUID], killed_at: float) -> None:
    """Compare what was acknowledged with what there is: bookings, events, messages in the inbox, mails.

    A mail that was cut off while it was sent is put down as such when its lease runs out, and not before: until then it is
    neither received nor unknown. So that is how long is waited for, from `killed_at`, when the last process was killed, and
    for the next claim. What was only claimed leaves long before.
    """
    assert set(city.acknowledged) == accounts, "somebody never had an answer"
    confirmed = "SELECT account_id, count(*) FROM bookings WHERE state = 'confirmed' GROUP BY 1"
    assert await city.counts(city.booking, confirmed) == dict.fromkeys(accounts, 1)
    assert await world.audit(city.booking) == {"oversold": 0, "miscounted": 0, "eventless": 0}
    await city.until_told("confirmation", accounts, seconds=60)
    async with city.booking.connect() as connection:
        numbers = (await connection.execute(text("SELECT number FROM outbox ORDER BY number"))).scalars().all()
    assert numbers == list(range(1, len(numbers) + 1)), "the feed has a gap"
    told = "SELECT account_id, count(*) FROM inbox_messages WHERE kind = 'confirmation' GROUP BY 1"
    assert await city.counts(city.notify, told) == dict.fromkeys(accounts, 1)
    settled_by = max(killed_at + LEASE_SECONDS, time.monotonic()) + NEXT_CLAIM_SECONDS
    received, unknown = await mails_once_settled(city, accounts, settled_by)
    print(
        f"\n  {len(accounts)} bookings, {len(received)} mails, {len(unknown)} of which nobody knows whether they arrived"
    )
    assert set(received.values()) == {1}, {who: count for who, count in received.items() if count != 1}
    assert len(received) >= len(accounts) - len(unknown)
    assert not accounts - set(received) - set(unknown), "a mail that arrived and is in doubt stands for no other"


async def mails_once_settled(city: Town, accounts: set[UUID], until: float) -> tuple[Counter[UUID], dict[UUID, int]]:
    """Count mails by their reader, and messages whose sending was cut off: when everybody has one or the other, or at `until`.

    The inbox holds a confirmation for certain, so what nobody knows of it is soon put down as unproven and not asked again.
    """
    query = "SELECT recipient_id, count(*) FROM messages WHERE state IN ('unknown', 'unproven') GROUP BY 1"
    while True:
        received = Counter(
            city.residents[int(who)].account_id
            for mail in city.mails()
            for who in re.findall(r"^To: .*?resident-(\d+)@", mail, flags=re.MULTILINE)
        )
        unknown = await city.counts(city.notify, query)
        if accounts <= {*received, *unknown} or time.monotonic() >= until:
            return received, unknown
        await asyncio.sleep(1)


async def test_each_process_is_killed_in_turn(city: Town) -> None:
    booking, killed_at = asyncio.create_task(city.keep_booking(city.residents, EVERY)), 0.0
    for name in VICTIMS:
        await asyncio.sleep(AFTER_EACH_SECONDS)
        killed_at = time.monotonic()
        await city.system.until_replaced(name, city.system.kill(name))
        print(f"\n  {name}: killed, all ready again after {time.monotonic() - killed_at:.1f} s", end="")
    await booking
    await assert_nothing_lost_or_doubled(city, {one.account_id for one in city.residents}, killed_at)


async def test_a_worker_killed_between_claim_and_attempt_holds_up_nobody(city: Town) -> None:
    """While nobody can write an attempt down, a worker gets as far as the claim, and is killed there.

    Nothing has left the house, so the next worker has it as soon as the claim ends, which is long before a lease does.
    """
    residents = city.residents[:20]
    accounts = {one.account_id for one in residents}
    async with city.notify.begin() as holding:
        await holding.execute(text("LOCK TABLE attempts IN EXCLUSIVE MODE"))
        await city.keep_booking(residents, EVERY)
        for _ in range(100):
            if len(await city.counts(city.notify, CLAIMED)) > 1:
                break
            await asyncio.sleep(0.05)
        pid, killed_at = city.system.kill("notify-worker"), time.monotonic()
    left = await city.counts(city.notify, CLAIMED)
    assert left, "it was killed too early, or too late"
    await city.system.until_replaced("notify-worker", pid)
    received, unknown = await mails_once_settled(city, accounts, killed_at + CLAIM_SECONDS + NEXT_CLAIM_SECONDS)
    after = time.monotonic() - killed_at
    print(f"\n  {len(left)} claimed by a killed worker; {len(received)} of {len(accounts)} mails {after:.1f} s later")
    assert (len(received), set(received.values()), unknown) == (len(accounts), {1}, {})


async def test_the_brokers_store_is_deleted(city: Town) -> None:
    """Reminders still arrive, once, and so does everything that is booked afterwards."""
    reminded, later = city.residents[:20], city.residents[20:60]
    city.slots = [await slot_with_reminder_due_in(city, seconds=25)]
    await city.keep_booking(reminded, EVERY)
    shutil.rmtree(city.system.data / "nats", ignore_errors=True)
    await city.system.until_replaced("nats", city.system.kill("nats"))
    await city.keep_booking(later, EVERY)
    accounts = {one.account_id for one in [*reminded, *later]}
    await city.until_told("confirmation", accounts, seconds=60)
    await city.until_told("reminder", accounts, seconds=60)
    await asyncio.sleep(3)
    told = "SELECT account_id, count(*) FROM inbox_messages WHERE kind = 'reminder' GROUP BY 1"
    assert await city.counts(city.notify, told) == dict.fromkeys(accounts, 1)


async def slot_with_reminder_due_in(city: Town, seconds: float) -> UUID:
    """Add a slot whose last reminder is due so soon."""
    starts_at = datetime.now(UTC) + timedelta(minutes=REMINDER_MINUTES, seconds=seconds)
    slot_id = new_id()
    async with city.booking.begin() as tx:
        await tx.execute(
            text(
                "INSERT INTO slots (id, service_id, venue_id, kind, district_id, starts_at, ends_at, bookable_from,"
                " bookable_until, capacity, charge) SELECT :id, service_id, venue_id, kind, district_id, :starts_at,"
                " :ends_at, :since, :until, 1000, charge FROM slots WHERE id = :like"
            ),
            {
                "id": slot_id,
                "starts_at": starts_at,
                "ends_at": starts_at + timedelta(minutes=30),
                "since": starts_at - timedelta(days=1),
                "until": starts_at,
                "like": city.slots[0],
            },
        )
    return slot_id


async def test_the_supervisor_is_killed_and_started_again(city: Town) -> None:
    """Its children end with it, and the next start on the same folder finds everything that was acknowledged."""
    residents = city.residents[:40]
    await city.keep_booking(residents, EVERY)
    children = list(city.system.run["processes"].values())
    city.system.process.kill()
    killed_at = time.monotonic()
    await city.system.process.wait()
    for _ in range(100):
        if not any(Path(f"/proc/{pid}").exists() for pid in children):
            break
        await asyncio.sleep(0.1)
    again = await start(city.system.data)
    city.system.process = again.process
    await city.system.until_ready()
    assert not any(Path(f"/proc/{pid}").exists() for pid in children), "a child outlived its supervisor"
    await assert_nothing_lost_or_doubled(city, {one.account_id for one in residents}, killed_at)
