"""E-mail against a real SMTP server that misbehaves by plan; the oracle is its ledger, not our tables."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from services.notify.channels.carrier import Mail
from services.notify.channels.email import MAILS_A_CONNECTION, MailServer, Smtp, Stage, compose, outcome_of
from services.notify.domain.message import Language, Why
from services.notify.domain.outcome import Verdict
from services.notify.renderer import Rendered
from shared.contracts import EventType
from shared.ids import new_id
from tests.notify.mailbox import Fault, Mailbox
from tests.notify.make import NOW, STARTS_AT, booking, event
from tests.notify.town import SENDER, Town

SECOND = timedelta(seconds=1)
CONFIRMATION = ("confirmation", 1, 0)


async def confirm(town: Town) -> None:
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(contact=town.keys.contact(), reminders=())))
    await town.deliver()


async def attempts(town: Town) -> list[tuple[str, str]]:
    return [tuple(row) for row in await town.rows("SELECT verdict, code FROM attempts ORDER BY number")]


@pytest.mark.parametrize("fault", [Fault.DROPPED_AFTER_CONTENT, Fault.SILENT_AFTER_CONTENT])
async def test_a_mail_without_a_reply_is_unknown_and_nobody_sees_it_twice(town: Town, fault: Fault) -> None:
    town.mailbox.faults.append(fault)
    await confirm(town)
    assert (await town.states())[CONFIRMATION] == ("unknown", "no_answer")
    await town.live_until(STARTS_AT + timedelta(hours=2), step=timedelta(hours=2))
    assert len(town.mailbox.seen) == 1
    assert (await town.states())[CONFIRMATION] == ("unknown", "no_answer"), "and it is never called a success"
    assert len(await town.inbox()) == 1


async def test_a_connection_lost_before_the_content_is_no_doubt_and_the_mail_is_sent_again(town: Town) -> None:
    town.mailbox.faults.append(Fault.DROPPED_BEFORE_CONTENT)
    await confirm(town)
    assert (await town.states())[CONFIRMATION] == ("planned", "provider_unreachable")
    await town.live_until(NOW + timedelta(minutes=1))
    assert len(town.mailbox.seen) == 1
    assert (await town.states())[CONFIRMATION] == ("sent", "accepted")


async def test_a_greylisted_mail_comes_again_after_its_pause_and_not_before_under_the_same_message_id(
    town: Town,
) -> None:
    town.mailbox.faults += [Fault.GREYLISTED, Fault.GREYLISTED]
    await confirm(town)
    first_pause, second_pause = timedelta(seconds=7.5), timedelta(seconds=15)  # half of 15 s, half of 30 s
    await town.live_until(NOW + first_pause - SECOND)
    assert len(await attempts(town)) == 1
    await town.live_until(NOW + first_pause)
    assert len(await attempts(town)) == 2
    await town.live_until(NOW + first_pause + second_pause - SECOND)
    assert town.mailbox.seen == []
    await town.live_until(NOW + first_pause + second_pause)
    assert await attempts(town) == [("temporary", "450 4.2.0"), ("temporary", "450 4.2.0"), ("accepted", "250")]
    (message_id,) = [row.id for row in await town.rows("SELECT id FROM messages WHERE channel = 'email'")]
    assert [mail["Message-ID"] for mail in town.mailbox.seen] == [f"<{message_id}@dalian.test>"]


async def test_a_server_that_never_takes_it_is_asked_until_the_mail_is_of_no_use_and_not_once_longer(
    town: Town,
) -> None:
    town.mailbox.faults += [Fault.GREYLISTED] * 500
    starts_at = NOW + timedelta(hours=3)
    soon = booking(contact=town.keys.contact(), starts_at=starts_at, reminders=())
    await town.hear(event(EventType.BOOKING_CONFIRMED, soon))
    await town.live_until(soon.ends_at + timedelta(hours=1), step=timedelta(minutes=5))
    assert (await town.states())[CONFIRMATION] == ("expired", "provider_busy")
    (last,) = await town.rows("SELECT count(*), max(started_at) AS at FROM attempts")
    assert last.at < soon.ends_at
    assert 20 < last[0] < 80, "the pause grows to 10 minutes at most"


async def test_an_address_that_is_refused_is_the_end_and_is_written_down_nowhere(town: Town) -> None:
    town.mailbox.faults.append(Fault.NO_SUCH_MAILBOX)
    await confirm(town)
    assert (await town.states())[CONFIRMATION] == ("dead", "address_refused")
    assert await attempts(town) == [("permanent", "550 5.1.1")]
    await town.live_until(STARTS_AT, step=timedelta(days=1))
    assert town.mailbox.seen == []
    for table in ("messages", "attempts", "decisions", "known_bookings", "inbox_messages"):
        dump = await town.rows(f"SELECT t::text FROM {table} t")
        assert not [row for row in dump if "wang@" in row[0] or "13900000001" in row[0]], table


async def test_refused_content_is_the_end(town: Town) -> None:
    town.mailbox.faults.append(Fault.CONTENT_REFUSED)
    await confirm(town)
    assert (await town.states())[CONFIRMATION] == ("dead", "content_refused")
    assert await attempts(town) == [("permanent", "554 5.7.1")]


async def test_a_server_that_is_away_is_tried_again(town: Town) -> None:
    port, town.mailbox.port = town.mailbox.port, 1
    await confirm(town)
    assert (await town.states())[CONFIRMATION] == ("planned", "provider_unreachable")
    town.mailbox.port = port
    await town.live_until(NOW + timedelta(minutes=1))
    assert len(town.mailbox.seen) == 1


async def test_one_batch_shares_few_connections_and_one_bad_address_harms_no_other(town: Town) -> None:
    town.mailbox.faults.append(Fault.NO_SUCH_MAILBOX)
    contact = town.keys.contact()
    await town.hear(*(event(EventType.BOOKING_CONFIRMED, booking(contact=contact, reminders=())) for _ in range(30)))
    await town.deliver()
    assert len(town.mailbox.seen) == 29
    assert town.mailbox.connections <= 8


async def test_a_connection_that_the_server_closed_while_it_was_idle_costs_no_mail(town: Town) -> None:
    carrier = Smtp(replace(server(town.mailbox), seconds=1.0))
    async with carrier.open() as send:
        for expected in (1, 2):
            assert (await send(mail())).verdict is Verdict.ACCEPTED
            assert (await send(mail())).verdict is Verdict.ACCEPTED
            assert town.mailbox.connections == expected, "one serves for several mails"
            town.mailbox.hang_up()
            await asyncio.sleep(0.05)
    assert len(town.mailbox.seen) == 4


async def test_a_connection_carries_so_many_mails_and_no_more(town: Town) -> None:
    async with Smtp(server(town.mailbox)).open() as send:
        for _ in range(MAILS_A_CONNECTION + 1):
            await send(mail())
    assert (len(town.mailbox.seen), town.mailbox.connections) == (MAILS_A_CONNECTION + 1, 2)


# -- the carrier alone


def mail(to: str = "wang@example.test") -> Mail:
    words = Rendered(template="t", version=1, title="题", body="文", fingerprint=b"")
    return Mail(message_id=new_id(), to=to, language=Language.ZH_CN, words=words, html="<p>文</p>", at=NOW)


def server(mailbox: Mailbox | None = None) -> MailServer:
    return MailServer(host="127.0.0.1", port=mailbox.port if mailbox else 1, sender=SENDER, sender_name="预约")


@pytest.mark.parametrize(
    "address",
    ["", "a", "a@", "@b", "a b@c.d", "a@b\r\nBcc: x@y.z", "a@b, c@d", "<a@b>", "王@example.test", "a@例子.测试"],
)
async def test_what_is_no_address_is_refused_before_any_server_sees_it(address: str) -> None:
    async with Smtp(server()).open() as send:
        outcome = await send(mail(address))
    assert (outcome.verdict, outcome.why) == (Verdict.PERMANENT, Why.ADDRESS_REFUSED)


def test_composing_raises_one_kind_of_error_alone() -> None:
    for address in ("a@", "@b"):
        with pytest.raises(ValueError, match="address"):
            compose(mail(address), server())


def test_every_line_of_a_mail_fits_and_ends_as_smtp_wants() -> None:
    words = Rendered(template="t", version=1, title="长" * 300, body="文" * 5000, fingerprint=b"")
    content = compose(
        Mail(message_id=new_id(), to="a@b.test", language=Language.ZH_CN, words=words, html="<p>x</p>", at=NOW),
        server(),
    ).as_bytes()
    lines = content.split(b"\r\n")
    assert max(len(line) for line in lines) <= 998
    assert b"\n" not in b"".join(lines)


@pytest.mark.parametrize(
    ("stage", "code", "text", "verdict", "why", "kept"),
    [
        (Stage.GREETING, 421, "busy", Verdict.TEMPORARY, Why.PROVIDER_BUSY, "421"),
        (Stage.GREETING, 535, "5.7.8 bad password", Verdict.TEMPORARY, Why.PROVIDER_REFUSES_US, "535 5.7.8"),
        (Stage.SENDER, 550, "5.7.1 not you", Verdict.TEMPORARY, Why.PROVIDER_REFUSES_US, "550 5.7.1"),
        (Stage.RECIPIENT, 450, "4.2.1 <a@b> later", Verdict.TEMPORARY, Why.PROVIDER_BUSY, "450 4.2.1"),
        (Stage.RECIPIENT, 550, "<a@b> unknown", Verdict.PERMANENT, Why.ADDRESS_REFUSED, "550"),
        (Stage.CONTENT, 452, "4.3.1 full", Verdict.TEMPORARY, Why.PROVIDER_BUSY, "452 4.3.1"),
        (Stage.CONTENT, 554, "5.6.0 no", Verdict.PERMANENT, Why.CONTENT_REFUSED, "554 5.6.0"),
        (Stage.CONTENT, 999, "what", Verdict.UNKNOWN, Why.NO_ANSWER, "unreadable:999"),
    ],
)
def test_smtp_replies_as_outcomes(*, stage: Stage, code: int, text: str, verdict: Verdict, why: Why, kept: str) -> None:
    outcome = outcome_of(stage, code, text)
    assert (outcome.verdict, outcome.why, outcome.code) == (verdict, why, kept)
