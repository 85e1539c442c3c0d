"""Four hundred days on the test's own clock: nothing planned is dropped by a clean-up, and a clock that steps back sends
nothing twice. `make chaos` lives all of them, and five weeks more, in which the rows of the first days are forgotten;
`make test` lives twenty-five with everything forgotten fifty times as soon.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random

import pytest

from services.notify.store.retention import Keep
from services.notify.sweeps import Retention
from shared.contracts import BookingChanged, EventType
from shared.ids import new_id
from tests.notify.make import booking, event
from tests.notify.town import Town

HOURS = 12
SHORT = Keep(contacts=timedelta(days=2), words=timedelta(days=4), rows=timedelta(days=8))
"""In twenty-five days more is forgotten than in four hundred by the city's own rule."""


@dataclass(slots=True)
class Year:
    """A town that books, moves and cancels, day by day, the same in each run."""

    town: Town
    keep: Keep
    random: Random = field(default_factory=lambda: Random(400))
    standing: list[BookingChanged] = field(default_factory=list)

    async def day(self, number: int) -> None:
        await self._book()
        if number % 3 == 0:
            await self._change()
        for _ in range(24 // HOURS):
            self.town.clock.advance(timedelta(hours=HOURS))
            await self.town.deliver()
        if number % 5 == 0:
            back = timedelta(minutes=self.random.randint(1, 180))
            self.town.clock.advance(-back)
            await self.town.deliver()
            self.town.clock.advance(back)
        await Retention(self.town.engine, self.town.clock, self.keep).sweep()

    async def _book(self) -> None:
        ahead = timedelta(days=self.random.choice((1, 2, 3, 8, 30, 300)), hours=self.random.randint(0, 9))
        starts_at = self.town.clock().replace(hour=1, minute=0) + ahead
        # each person books once, so that no two reminders go in one letter and mails can be counted against rows
        one = booking(
            account_id=new_id(),
            contact=self.town.keys.contact(),
            starts_at=starts_at,
            reminders=(10080, 1440, 120),
        )
        self.standing.append(one)
        await self.town.hear(event(EventType.BOOKING_CONFIRMED, one))

    async def _change(self) -> None:
        at = self.random.randrange(len(self.standing))
        one = self.standing[at]
        if one.starts_at <= self.town.clock():
            return
        if self.random.random() < 0.5:
            gone = self.standing.pop(at)
            await self.town.hear(event(EventType.BOOKING_CANCELLED, replace(gone, version=gone.version + 1)))
            return
        moved = replace(
            one,
            version=one.version + 1,
            starts_at=one.starts_at + timedelta(days=1),
            ends_at=one.ends_at + timedelta(days=1),
            local_start_before=one.local_start,
        )
        self.standing[at] = moved
        await self.town.hear(event(EventType.BOOKING_MOVED, moved))

    async def planned(self) -> dict[str, object]:
        rows = await self.town.rows("SELECT id, due_at FROM messages WHERE state = 'planned'")
        return {str(row.id): row.due_at for row in rows}


async def live(town: Town, days: int, keep: Keep) -> None:
    year = Year(town, keep)
    waiting: dict[str, object] = {}
    for number in range(1, days + 1):
        await year.day(number)
        now = await year.planned()
        (gone,) = await town.rows(
            "SELECT count(*) FROM unnest(CAST(:ids AS uuid[])) AS w(id)"
            " WHERE NOT EXISTS (SELECT FROM messages m WHERE m.id = w.id)",
            ids=list(waiting),
        )
        assert gone[0] == 0, "what was planned yesterday was forgotten overnight"
        waiting = now
    by_id = Counter(str(mail["Message-ID"]) for mail in town.mailbox.seen)
    assert max(by_id.values()) == 1, "sent twice"
    (left,) = await town.rows("SELECT count(*) FROM messages")
    (counted,) = await town.rows("SELECT coalesce(sum(messages), 0) FROM message_statistics")
    made = await town.rows("SELECT count(*) FROM messages WHERE due_at < :now AND state = 'planned'", now=town.clock())
    assert made[0][0] == 0, "everything whose time had come was worked on"
    # of each day's booking at least the confirmation, on three channels, was told, and is forgotten but for its count
    told_and_over = (days - keep.rows.days) * 3
    assert counted[0] >= told_and_over > 0, "what was of use is forgotten, but for its count"
    sent = await town.rows("SELECT sum(messages) FROM message_statistics WHERE channel = 'email' AND state = 'sent'")
    still = await town.rows("SELECT count(*) FROM messages WHERE channel = 'email' AND state = 'sent'")
    assert sent[0][0] + still[0][0] == len(town.mailbox.seen), "every mail is in the rows or in the counts"
    print(
        f"\n  {days} days: {len(town.mailbox.seen):,} mails, none twice; {counted[0]:,} messages forgotten but for"
        f" their count, {left[0]:,} kept, {len(waiting):,} of them still to come"
    )


async def test_twenty_five_days(town: Town) -> None:
    await live(town, 25, SHORT)


@pytest.mark.chaos
async def test_four_hundred_days(town: Town) -> None:
    await live(town, 435, Keep())
