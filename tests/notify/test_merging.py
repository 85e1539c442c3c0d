"""Several reminders of one person that are due together are one message, and nothing is lost by it."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.dispatch import Due
from services.notify.domain.lifecycle import State
from services.notify.domain.merging import MOST, all_of, gathered
from services.notify.domain.message import BusinessKey, Channel, Kind, Urgency
from services.notify.domain.planning import Rules
from services.notify.domain.rendering import appointment_of
from services.notify.store import messages
from shared.contracts import BookingChanged, EventType
from tests.notify.mailbox import Fault, words_of
from tests.notify.make import NEIGHBOUR, RESIDENT, STARTS_AT, booking, event
from tests.notify.town import Town

DAY = timedelta(days=1)


async def morning(town: Town, count: int = 3, email: str | None = "wang@example.test") -> list[BookingChanged]:
    """Bookings of one person at the same hour in several places, each to be reminded of a day before."""
    town.rules = Rules(sms_kinds=frozenset({Kind.REMINDER}))
    told = [
        booking(
            contact=town.keys.contact(email), reminders=(1440,), sensitive=number == 1, reference=f"7K3F-9Q2M-{number}"
        )
        for number in range(count)
    ]
    await town.hear(*(event(EventType.BOOKING_CONFIRMED, one) for one in told))
    await town.deliver()
    town.mailbox.seen.clear()
    town.gateway.seen.clear()
    town.clock.set(STARTS_AT - DAY)
    return told


async def reminders(town: Town, channel: str = "email") -> list[tuple[str, str, int]]:
    query = "SELECT state, why, attempt FROM messages WHERE kind = 'reminder' AND channel = :channel ORDER BY id"
    return [(row.state, row.why, row.attempt) for row in await town.rows(query, channel=channel)]


async def test_three_reminders_of_one_hour_are_one_mail_that_lists_them_and_tells_no_more_than_each_may(
    town: Town,
) -> None:
    await morning(town)
    await town.deliver()
    (mail,) = town.mailbox.seen
    assert mail["Subject"] == "预约提醒：您有3项预约，最早11月28日 16:30"
    body = words_of(mail)
    for number in range(3):
        assert f"7K3F-9Q2M-{number}" in body
    assert body.count("羽毛球1号场") == 2, "of the sensitive one it says that there is one, and no more"
    assert sorted(await reminders(town)) == [("sent", "accepted", 1)] + [("sent", "said_together", 1)] * 2
    attempts = await town.rows(
        "SELECT count(*) AS n FROM attempts a JOIN messages m ON m.id = a.message_id"
        " WHERE m.kind = 'reminder' AND m.channel = 'email' AND a.verdict = 'accepted'"
    )
    assert attempts[0].n == 3, "each has its own attempt and outcome"
    lines = [row for row in await town.inbox() if row.kind == "reminder"]
    assert len(lines) == 3, "the inbox is the record of each"


async def test_text_messages_are_merged_too_and_other_people_are_left_alone(town: Town) -> None:
    await morning(town, email=None)
    other = booking(contact=town.keys.contact(None), reminders=(1440,), account_id=NEIGHBOUR)
    town.clock.set(STARTS_AT - DAY - timedelta(minutes=1))
    await town.hear(event(EventType.BOOKING_CONFIRMED, other))
    town.clock.set(STARTS_AT - DAY)
    await town.deliver()
    assert len(town.gateway.seen) == 2
    parameters = [one["TemplateParam"] for one in town.gateway.seen]
    assert {"how_many": "3", "first": "11月28日 16:30"} in parameters


async def test_what_fails_for_a_time_is_tried_again_for_each_and_what_nobody_knows_is_in_doubt_for_each(
    town: Town,
) -> None:
    await morning(town)
    town.mailbox.faults.append(Fault.GREYLISTED)
    await town.deliver()
    assert {state for state, _, _ in await reminders(town)} == {"planned"}
    town.clock.advance(timedelta(minutes=20))
    town.mailbox.faults.append(Fault.DROPPED_AFTER_CONTENT)
    await town.deliver()
    assert {(state, attempt) for state, _, attempt in await reminders(town)} == {("unknown", 2)}


async def test_one_that_was_cancelled_between_claim_and_sending_is_in_no_message_and_takes_no_other_with_it(
    town: Town,
) -> None:
    told = await morning(town)
    delivery = town.delivery()
    _, claimed = await delivery._claim(Channel.EMAIL)
    await town.hear(event(EventType.BOOKING_CANCELLED, replace(told[0], version=2)))
    await delivery._send_together(delivery.routes[Channel.EMAIL], gathered(claimed))
    assert town.mailbox.seen == []
    assert sorted(state for state, _, _ in await reminders(town)) == ["planned", "planned", "superseded"]
    town.clock.advance(timedelta(minutes=10))
    await town.deliver()
    digest = next(mail for mail in town.mailbox.seen if "提醒" in str(mail["Subject"]))
    assert digest["Subject"] == "预约提醒：您有2项预约，最早11月28日 16:30"
    assert "7K3F-9Q2M-0" not in words_of(digest)


async def test_a_worker_that_dies_with_a_merged_message_leaves_each_of_them_to_the_next(town: Town) -> None:
    await morning(town)
    delivery = town.delivery()
    await delivery._claim(Channel.EMAIL)
    town.clock.advance(delivery.pace.lease)
    await town.deliver()
    assert len(town.mailbox.seen) == 1
    assert sorted(await reminders(town)) == [("sent", "accepted", 1)] + [("sent", "said_together", 1)] * 2
    async with town.engine.begin() as tx:
        assert await messages.due(tx, Channel.EMAIL, town.clock(), 10) == []


# -- properties

people = st.sampled_from([RESIDENT, NEIGHBOUR])


@st.composite
def dues(draw: st.DrawFn) -> Due:
    kind = draw(st.sampled_from([Kind.REMINDER, Kind.REMINDER, Kind.CONFIRMATION]))
    account: UUID = draw(people)
    told_of = booking(starts_at=STARTS_AT + timedelta(hours=draw(st.integers(0, 48))), account_id=account)
    key = BusinessKey(
        subject_id=told_of.booking_id,
        subject_version=1,
        kind=kind,
        lead_minutes=120,
        recipient_id=account,
        channel=draw(st.sampled_from([Channel.EMAIL, Channel.SMS])),
    )
    return Due(
        id=uuid4(),
        key=key,
        urgency=Urgency.ROUTINE,
        expires_at=told_of.starts_at,
        state=State.CLAIMED,
        lease_token=None,
        attempt=0,
        sealed=None,
        known_version=1,
        appointment=appointment_of(told_of),
        contact=None,
    )


@given(st.lists(dues(), max_size=30).map(lambda found: [one for one in found if one.key.channel is Channel.EMAIL]))
def test_whatever_is_due_everything_is_told_once_and_nobody_hears_of_anothers(claimed: list[Due]) -> None:
    letters = gathered(claimed)
    told = [one.id for letter in letters for one in all_of(letter)]
    assert sorted(told) == sorted(one.id for one in claimed)
    for letter in letters:
        parts = all_of(letter)
        assert len({one.key.recipient_id for one in parts}) == 1
        assert len(parts) <= MOST
        if len(parts) > 1:
            assert {one.key.kind for one in parts} == {Kind.REMINDER}
            starts = [one.appointment.starts_at for one in parts if one.appointment]
            assert starts == sorted(starts)
    assert [one for one in gathered(letters) if one.together] == [one for one in letters if one.together]
