"""From the event to what a person sees: once, on time, in the right words and local time; and not when it is over."""

from datetime import timedelta

import pytest

from services.notify.domain.message import Channel
from shared.contracts import EventType, Words
from tests.notify.mailbox import words_of
from tests.notify.make import NEIGHBOUR, NOW, STARTS_AT, booking, event
from tests.notify.town import SENDER, Town

DAY_BEFORE = STARTS_AT - timedelta(hours=24)
TWO_HOURS_BEFORE = STARTS_AT - timedelta(hours=2)
SECOND = timedelta(seconds=1)


async def test_confirmation_now_and_reminders_24_h_and_2_h_before_each_once_and_on_time(town: Town) -> None:
    told_of = booking(contact=town.keys.contact())
    await town.hear(event(EventType.BOOKING_CONFIRMED, told_of))
    await town.deliver()
    assert [mail["Subject"] for mail in town.mailbox.seen] == ["预约成功：羽毛球1号场，11月28日 16:30"]
    await town.live_until(DAY_BEFORE - SECOND, step=timedelta(hours=6))
    assert len(town.mailbox.seen) == 1, "none is early"
    await town.live_until(DAY_BEFORE)
    assert len(town.mailbox.seen) == 2
    await town.live_until(TWO_HOURS_BEFORE - SECOND, step=timedelta(hours=1))
    assert len(town.mailbox.seen) == 2
    await town.live_until(TWO_HOURS_BEFORE)
    assert [mail["Subject"] for mail in town.mailbox.seen[1:]] == ["预约提醒：羽毛球1号场，11月28日 16:30"] * 2
    await town.live_until(STARTS_AT + timedelta(days=1), step=timedelta(hours=1))
    assert len(town.mailbox.seen) == 3
    assert {state for state, _ in (await town.states()).values()} == {"sent"}
    assert [row.title_zh[:4] for row in await town.inbox()] == ["预约成功", "预约提醒", "预约提醒"]


async def test_the_chinese_mail_whole(town: Town) -> None:
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(contact=town.keys.contact(), reminders=())))
    await town.deliver()
    (mail,) = town.mailbox.seen
    (message_id,) = [row.id for row in await town.rows("SELECT id FROM messages WHERE channel = 'email'")]
    assert mail["To"] == "wang@example.test"
    assert mail["From"] == f"预约平台 <{SENDER}>"
    assert mail["Message-ID"] == f"<{message_id}@dalian.test>"
    assert mail["Date"] == "Fri, 20 Nov 2026 10:00:00 +0800"
    assert mail["Content-Language"] == "zh-CN"
    assert mail["Auto-Submitted"] == "auto-generated"
    words = words_of(mail)
    assert words == (
        "您的预约已确认。\n\n项目：羽毛球1号场\n时间：2026年11月28日 星期六 16:30\n"
        "地点：大连市民健身中心（示例路1号）\n预约号：7K3F-9Q2M-A\n\n请按时赴约，并备好预约时登记的证件原件。\n"
        "如需取消或更改，请登录预约平台，在“我的预约”中找到这个预约号办理。\n"
    )
    page = words_of(mail, "html")
    assert 'lang="zh-CN"' in page
    for line in words.split("\n"):
        assert line in page, "both parts say the same"
    assert "http" not in page, "nothing to load, nothing to click: a scanner that opens it changes nothing"


async def test_the_english_mail_and_reminder(town: Town) -> None:
    contact = town.keys.contact("smith@example.test", "en")
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(contact=contact)))
    await town.live_until(DAY_BEFORE, step=timedelta(days=1))
    subjects = [mail["Subject"] for mail in town.mailbox.to("smith@example.test")]
    assert subjects == ["Booked: Badminton court 1, 28 Nov 16:30", "Reminder: Badminton court 1, 28 Nov 16:30"]
    plain = words_of(town.mailbox.seen[1])
    assert "When: Saturday 28 November 2026, 16:30\n" in plain
    assert "Where: Dalian Citizens' Fitness Centre (1 Sample Road)\n" in plain
    assert town.mailbox.seen[1]["Content-Language"] == "en"


async def test_what_a_name_holds_cannot_become_markup(town: Town) -> None:
    named = booking(contact=town.keys.contact(), service_name=Words("<b>{{ 7*7 }}</b>", "x"), reminders=())
    await town.hear(event(EventType.BOOKING_CONFIRMED, named))
    await town.deliver()
    assert "&lt;b&gt;{{ 7*7 }}&lt;/b&gt;" in words_of(town.mailbox.seen[0], "html")


@pytest.mark.parametrize("before_due", [timedelta(days=7), SECOND])
async def test_a_booking_cancelled_before_its_reminder_is_due_gets_none(town: Town, before_due: timedelta) -> None:
    told_of = booking(contact=town.keys.contact())
    await town.hear(event(EventType.BOOKING_CONFIRMED, told_of))
    await town.live_until(DAY_BEFORE - before_due, step=timedelta(days=1))
    await town.hear(event(EventType.BOOKING_CANCELLED, booking(booking_id=told_of.booking_id, version=2)))
    await town.live_until(STARTS_AT + timedelta(hours=1), step=timedelta(hours=1))
    subjects = [mail["Subject"][:5] for mail in town.mailbox.seen]
    assert subjects == ["预约成功：", "预约已取消"]
    states = await town.states()
    for lead in (1440, 120):
        assert states["reminder", 1, lead] == ("superseded", "booking_cancelled")
        assert (await town.states(Channel.IN_APP))["reminder", 1, lead] == ("superseded", "booking_cancelled")


async def test_a_moved_booking_is_told_with_both_times_and_reminded_at_the_new_one_alone(town: Town) -> None:
    told_of = booking(contact=town.keys.contact())
    later = STARTS_AT + timedelta(days=2)
    moved = booking(
        booking_id=told_of.booking_id, version=2, starts_at=later, local_start_before=told_of.local_start, contact=None
    )
    await town.hear(event(EventType.BOOKING_CONFIRMED, told_of))
    await town.deliver()
    await town.hear(event(EventType.BOOKING_MOVED, moved))
    await town.live_until(later + timedelta(hours=1), step=timedelta(hours=1))
    assert [mail["Subject"][:5] for mail in town.mailbox.seen] == [
        "预约成功：",
        "预约已改期",
        "预约提醒：",
        "预约提醒：",
    ]
    change = words_of(town.mailbox.seen[1])
    assert "新时间：2026年11月30日 星期一 16:30" in change
    assert "原时间：2026年11月28日 星期六 16:30" in change
    assert all("2026年11月30日" in words_of(mail) for mail in town.mailbox.seen[2:])
    assert (await town.states())["reminder", 1, 1440] == ("superseded", "newer_version")


async def test_whoever_has_checked_in_is_reminded_no_more(town: Town) -> None:
    told_of = booking(contact=None)
    await town.hear(
        event(EventType.BOOKING_CONFIRMED, told_of),
        event(EventType.BOOKING_CHECKED_IN, booking(booking_id=told_of.booking_id, version=2)),
    )
    await town.live_until(STARTS_AT, step=timedelta(days=1))
    assert await town.inbox() == [], "who stands at the desk needs no confirmation either"
    assert (await town.states(Channel.IN_APP))["reminder", 1, 120] == ("superseded", "booking_checked_in")


async def test_events_that_come_twice_and_late_change_nothing(town: Town) -> None:
    told_of = booking(contact=town.keys.contact())
    confirmed = event(EventType.BOOKING_CONFIRMED, told_of)
    cancelled = event(EventType.BOOKING_CANCELLED, booking(booking_id=told_of.booking_id, version=2))
    repeated = await town.hear(cancelled, confirmed)  # the older version comes last
    await town.hear_again(*repeated)
    await town.hear_again(*reversed(repeated))
    await town.live_until(STARTS_AT, step=timedelta(hours=12))
    assert town.mailbox.seen == [], "the cancellation came without contact data"
    assert [row.kind for row in await town.inbox()] == ["cancellation"]
    silences = await town.rows("SELECT why FROM decisions WHERE message_id IS NULL")
    assert [row.why for row in silences] == ["stale_event"]


async def test_the_same_fact_under_another_event_id_is_told_once(town: Town) -> None:
    told_of = booking(contact=town.keys.contact())
    await town.hear(event(EventType.BOOKING_CONFIRMED, told_of), event(EventType.BOOKING_CONFIRMED, told_of))
    await town.deliver()
    assert len(town.mailbox.seen) == 1
    assert len(await town.inbox()) == 1


async def test_an_event_that_the_bus_lost_comes_by_the_feed(town: Town) -> None:
    lost = event(EventType.BOOKING_CONFIRMED, booking(contact=town.keys.contact()), number=1)
    town.feed.append(lost)
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(account_id=NEIGHBOUR)))
    await town.deliver()
    assert len(await town.inbox()) == 2
    assert len(town.mailbox.seen) == 1


async def test_an_outage_of_ours_delays_a_reminder_only_while_it_is_of_use(town: Town) -> None:
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(contact=town.keys.contact())))
    await town.deliver()
    town.clock.set(DAY_BEFORE + timedelta(hours=1))
    await town.deliver()
    assert len(town.mailbox.seen) == 2, "an hour late is still of use"
    town.clock.set(STARTS_AT + timedelta(minutes=1))
    await town.deliver()
    assert len(town.mailbox.seen) == 2, "after the start it is not"
    assert (await town.states())["reminder", 1, 120] == ("expired", "no_longer_useful")


async def test_a_clock_that_steps_back_sends_nothing_twice(town: Town) -> None:
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(contact=town.keys.contact())))
    await town.live_until(DAY_BEFORE, step=timedelta(days=1))
    town.clock.set(NOW)
    await town.live_until(DAY_BEFORE, step=timedelta(days=1))
    assert len(town.mailbox.seen) == 2
    assert len(await town.inbox()) == 2


async def test_four_hundred_days_ahead_is_kept(town: Town) -> None:
    starts_at = STARTS_AT + timedelta(days=400)
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(starts_at=starts_at, contact=town.keys.contact())))
    for lead in (timedelta(days=1), timedelta(hours=2)):
        await town.live_until(starts_at - lead, step=timedelta(days=5))
    assert [mail["Subject"][:5] for mail in town.mailbox.seen] == ["预约成功：", "预约提醒：", "预约提醒："]
