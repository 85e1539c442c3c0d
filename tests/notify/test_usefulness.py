"""Offers, notices, cascades and corrections as they are lived through: events in, clock forward, ledgers read."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from services.notify.domain.message import Channel, Kind
from services.notify.domain.planning import Rules
from services.notify.domain.preference import Preferences
from services.notify.store import inbox, preferences
from shared.contracts import BookingChanged, CaseMoved, ConsentAsked, EventType, QueueMoved, ReleaseNearing, Words
from tests.notify.mailbox import Fault, words_of
from tests.notify.make import NEIGHBOUR, NOW, RESIDENT, STARTS_AT, booking, event, notice, penalty
from tests.notify.town import Town

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
TEXTS = Rules(sms_kinds=frozenset(Kind))
SERVICE, VENUE = Words("羽毛球1号场", "Badminton court 1"), Words("大连市民健身中心", "Dalian Citizens' Fitness Centre")


CONSENT = ConsentAsked(
    consent_id=uuid4(),
    version=1,
    state="asked",
    account_id=NEIGHBOUR,
    contact=None,
    reference="7K3F-9Q2M-A",
    service_name=SERVICE,
    venue_name=VENUE,
    sensitive=True,
    local_start="2026-11-28 16:30",
    hold_until=NOW + HOUR,
    local_hold_until="2026-11-20 11:00",
)
QUEUE = QueueMoved(
    ticket_id=uuid4(),
    version=1,
    state="waiting",
    account_id=RESIDENT,
    contact=None,
    ticket="A017",
    ahead=5,
    service_name=SERVICE,
    venue_name=VENUE,
    sensitive=False,
    useful_until=NOW + HOUR,
)
CASE = CaseMoved(
    case_id=uuid4(),
    version=1,
    account_id=RESIDENT,
    contact=None,
    reference="8M2R4T6W",
    step=Words("已受理", "Accepted"),
    next_step=Words("", ""),
    sensitive=False,
)


def offer(town: Town, minutes: int = 240, **changes: Any) -> BookingChanged:
    until = NOW + minutes * MINUTE
    words = (until + 8 * HOUR).strftime("%Y-%m-%d %H:%M")
    return booking(contact=town.keys.contact(), hold_until=until, local_hold_until=words, **changes)


async def read_everything(town: Town) -> None:
    async with town.engine.begin() as tx:
        for row in await town.inbox():
            assert await inbox.mark_read(tx, row.id, row.account_id, town.clock())


async def texts(town: Town) -> list[str]:
    return [str(one["TemplateCode"]) for one in town.gateway.seen]


async def why(town: Town, channel: Channel, kind: Kind) -> list[tuple[str, str]]:
    query = "SELECT state, why FROM messages WHERE channel = :channel AND kind = :kind ORDER BY subject_version, due_at"
    return [(row.state, row.why) for row in await town.rows(query, channel=channel.value, kind=kind.value)]


# -- cascade


async def test_an_offer_not_read_in_five_minutes_rings(town: Town) -> None:
    await town.hear(event(EventType.WAITLIST_OFFERED, offer(town)))
    await town.deliver()
    assert (len(town.mailbox.seen), len(town.gateway.seen)) == (1, 0)
    assert "2026年11月20日 星期五 14:00" in words_of(town.mailbox.seen[0])
    await town.live_until(NOW + 5 * MINUTE, step=MINUTE)
    assert len(town.gateway.seen) == 1, "a mail in the mailbox has reached somebody who need not hurry; this must"
    assert town.gateway.seen[0]["TemplateParam"]["until"] == "2026年11月20日 星期五 14:00"


async def test_an_offer_read_in_the_inbox_does_not_ring_and_says_why(town: Town) -> None:
    await town.hear(event(EventType.WAITLIST_OFFERED, offer(town)))
    await town.deliver()
    await read_everything(town)
    await town.live_until(NOW + HOUR, step=MINUTE * 5)
    assert town.gateway.seen == []
    assert await why(town, Channel.SMS, Kind.WAITLIST_OFFER) == [("suppressed", "reached_otherwise")]


async def test_a_reminder_whose_mail_was_taken_costs_no_text_message(town: Town) -> None:
    town.rules = TEXTS
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(contact=town.keys.contact(), reminders=(120,))))
    await town.live_until(STARTS_AT, step=HOUR)
    assert len(town.mailbox.seen) == 2
    assert town.gateway.seen == []
    assert await why(town, Channel.SMS, Kind.REMINDER) == [("suppressed", "reached_otherwise")]


async def test_a_reminder_whose_mail_is_refused_goes_as_a_text_message_in_time(town: Town) -> None:
    town.rules = TEXTS
    town.mailbox.faults += [Fault.CONTENT_REFUSED] * 2
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(contact=town.keys.contact(), reminders=(120,))))
    await town.live_until(STARTS_AT - 3 * HOUR, step=HOUR)
    await town.live_until(STARTS_AT - HOUR, step=MINUTE * 30)
    assert town.mailbox.seen == []
    assert await why(town, Channel.SMS, Kind.REMINDER) == [("sent", "accepted")]


async def test_an_offer_that_lapsed_is_told_and_one_that_was_confirmed_is_not(town: Town) -> None:
    told_of = offer(town, minutes=30)
    await town.hear(event(EventType.WAITLIST_OFFERED, told_of))
    await town.deliver()
    await town.hear(event(EventType.BOOKING_LAPSED, replace(told_of, version=2)))
    await town.deliver()
    kept = offer(town, minutes=30, account_id=NEIGHBOUR, reminders=())
    await town.hear(
        event(EventType.WAITLIST_OFFERED, kept), event(EventType.BOOKING_CONFIRMED, replace(kept, version=2))
    )
    await town.deliver()
    kinds: dict[Any, list[str]] = {row.account_id: [] for row in await town.inbox()}
    for row in await town.inbox():
        kinds[row.account_id].append(row.kind)
    assert kinds == {RESIDENT: ["waitlist_offer", "offer_lapsed"], NEIGHBOUR: ["confirmation"]}


# -- corrections


async def test_a_reminder_that_became_wrong_after_it_rang_is_corrected_where_it_rang(town: Town) -> None:
    town.rules = Rules(sms_kinds=frozenset({Kind.REMINDER}))
    told_of = booking(contact=town.keys.contact(None), reminders=(120,))
    await town.hear(event(EventType.BOOKING_CONFIRMED, told_of))
    await town.live_until(STARTS_AT - 2 * HOUR, step=HOUR)
    assert len(town.gateway.seen) == 1
    moved = replace(
        told_of,
        version=2,
        starts_at=STARTS_AT + 24 * HOUR,
        local_start="2026-11-29 16:30",
        local_start_before="2026-11-28 16:30",
    )
    await town.hear(event(EventType.BOOKING_MOVED, moved))
    await town.deliver()
    assert len(town.gateway.seen) == 2
    assert town.gateway.seen[1]["TemplateParam"]["when_before"] == "2026年11月28日 星期六 16:30"
    assert await why(town, Channel.SMS, Kind.CHANGE) == [("sent", "accepted")]
    log = await town.rows("SELECT why FROM decisions WHERE why = 'corrects_what_was_sent'")
    assert len(log) == 1


async def test_what_nobody_was_told_by_text_message_is_not_corrected_by_one(town: Town) -> None:
    town.rules = Rules(sms_kinds=frozenset({Kind.REMINDER}))
    told_of = booking(contact=town.keys.contact(None), reminders=(120,))
    await town.hear(
        event(EventType.BOOKING_CONFIRMED, told_of), event(EventType.BOOKING_CANCELLED, replace(told_of, version=2))
    )
    await town.deliver()
    assert town.gateway.seen == []


# -- notices


async def test_a_penalty_is_warned_of_told_and_lifted_and_a_stale_word_of_it_changes_nothing(town: Town) -> None:
    one = penalty(contact=town.keys.contact())
    until: dict[str, Any] = {"until": NOW + 90 * 24 * HOUR, "local_until": "2027-02-18 10:00"}
    story = [one, replace(one, version=2, state="barred", count=3, **until), replace(one, version=3, state="lifted")]
    events = [notice(EventType.PENALTY_CHANGED, data, one.penalty_id) for data in story]
    for told in events:
        await town.hear(told)
        await town.deliver()
    await town.hear(notice(EventType.PENALTY_CHANGED, story[1], one.penalty_id))
    await town.deliver()
    assert [mail["Subject"] for mail in town.mailbox.seen] == [
        "违约记录提醒：体育场地",
        "网上预约已暂停：体育场地",
        "网上预约已恢复：体育场地",
    ]
    assert "2027年2月18日 星期四 10:00" in words_of(town.mailbox.seen[1])
    assert {row.why for row in await town.rows("SELECT why FROM decisions WHERE message_id IS NULL")} == {"stale_event"}


async def test_a_newer_version_of_a_notice_ends_what_an_older_one_left_unsaid(town: Town) -> None:
    watch = ReleaseNearing(
        watch_id=uuid4(),
        version=1,
        account_id=RESIDENT,
        contact=town.keys.contact(),
        service_name=SERVICE,
        venue_name=VENUE,
        sensitive=False,
        opens_at=NOW + 3 * HOUR,
        local_opens="2026-11-20 13:00",
    )
    later = replace(watch, version=2, opens_at=NOW + 5 * HOUR, local_opens="2026-11-20 15:00")
    await town.hear(*(notice(EventType.RELEASE_NEARING, data, watch.watch_id) for data in (watch, later)))
    await town.live_until(NOW + 4 * HOUR)
    assert town.mailbox.seen == []
    await town.live_until(later.opens_at - 15 * MINUTE)
    assert [mail["Subject"] for mail in town.mailbox.seen] == ["即将放号：羽毛球1号场，11月20日 15:00"]


async def test_consent_queue_and_case_are_told_to_whom_they_concern(town: Town) -> None:
    contact = town.keys.contact()
    consent, queue = replace(CONSENT, contact=contact), replace(QUEUE, contact=contact)
    case = replace(CASE, contact=contact)
    await town.hear(
        notice(EventType.CONSENT_ASKED, consent, consent.consent_id),
        notice(EventType.QUEUE_MOVED, queue, queue.ticket_id),
        notice(EventType.QUEUE_MOVED, replace(queue, version=2, ahead=3), queue.ticket_id),
        notice(EventType.CASE_MOVED, case, case.case_id),
    )
    await town.deliver()
    told = {(row.account_id, row.title_zh) for row in await town.inbox()}
    assert told == {
        (NEIGHBOUR, "您有一项预约等您同意"),
        (RESIDENT, "快到您了：A017号，前面还有3位"),
        (RESIDENT, "办理进度：已受理"),
    }
    await town.hear(notice(EventType.CONSENT_ASKED, replace(consent, version=2, state="given"), consent.consent_id))
    assert await why(town, Channel.SMS, Kind.CONSENT_REQUEST) == [("superseded", "not_asked_any_more")]


async def test_whoever_wants_plain_words_gets_them_large_with_a_number_to_call(town: Town) -> None:
    async with town.engine.begin() as tx:
        await preferences.lock(tx, RESIDENT, "key", town.clock())
        await preferences.keep(tx, RESIDENT, Preferences(version=2, plain_words=True), "key", town.clock())
    told_of = booking(contact=town.keys.contact(), reminders=())
    await town.hear(
        event(EventType.BOOKING_CONFIRMED, told_of),
        event(EventType.BOOKING_PARTY_CHANGED, replace(told_of, version=2, reminders=())),
    )
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(contact=town.keys.contact(), reminders=())))
    await town.deliver()
    (party, booked) = sorted(town.mailbox.seen, key=lambda mail: str(mail["Subject"]))
    for mail in (party, booked):
        assert "12345" in words_of(mail)
        assert "font-size:27px" in words_of(mail, "html")
    assert {party["Subject"], booked["Subject"]} == {"约好了：羽毛球1号场", "同行人已变动：羽毛球1号场，11月28日 16:30"}


async def test_names_of_a_sensitive_service_are_kept_and_told_only_to_whoever_chose_it(town: Town) -> None:
    async with town.engine.begin() as tx:
        await preferences.lock(tx, NEIGHBOUR, "key", town.clock())
        await preferences.keep(tx, NEIGHBOUR, Preferences(version=2, names_sensitive=True), "key", town.clock())
    for account in (RESIDENT, NEIGHBOUR):
        told_of = booking(account_id=account, sensitive=True, reminders=(), contact=town.keys.contact())
        await town.hear(event(EventType.BOOKING_CONFIRMED, told_of))
    await town.deliver()
    titles = {row.account_id: row.title_zh for row in await town.inbox()}
    assert titles == {RESIDENT: "您有一项预约", NEIGHBOUR: "预约成功：羽毛球1号场，11月28日 16:30"}
