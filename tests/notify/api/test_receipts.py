"""Receipts in every order they may come in, and replies by text message: each counts once, and only rises."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.notify import tables
from services.notify.domain.message import Channel, Evidence, Kind
from services.notify.domain.preference import DEFAULTS, Preferences
from services.notify.domain.receipt import Reply, meaning_of
from services.notify.main import create_app
from services.notify.store import preferences
from shared.contracts import ConsentAnswered, ConsentAsked, EventType
from shared.http import ASGITransport, Client, Response
from shared.outbox import Relay
from tests.notify.api.conftest import SECRET, Caller, Served
from tests.notify.gateway import Answer
from tests.notify.make import NEIGHBOUR, RESIDENT, booking, event, notice
from tests.notify.test_evidence import Heard, steps, told
from tests.notify.test_usefulness import CONSENT
from tests.notify.town import Town

PHONE = "13900000001"


async def post(api: Caller, path: str, body: object, secret: str = SECRET) -> Response:
    return await api.client.post(f"/receipts/{path.replace('*', secret)}", json=body)


async def text_sent(town: Town, *plan: Answer, **changes: Any) -> UUID:
    """Have a text message about a booking leave; return its id."""
    town.gateway.plan += plan
    about = booking(contact=town.keys.contact(email=None), reminders=(), **changes)
    await town.hear(event(EventType.BOOKING_CONFIRMED, about))
    await town.deliver()
    [row] = await town.rows("SELECT id FROM messages WHERE subject_id = :id AND channel = 'sms'", id=about.booking_id)
    await told(town)
    found: UUID = row.id
    return found


async def stands(town: Town, message_id: UUID) -> tuple[str, str, int]:
    [row] = await town.rows("SELECT state, why, evidence FROM messages WHERE id = :id", id=message_id)
    return row.state, row.why, row.evidence


def aliyun(message_id: UUID, *, success: bool = True) -> dict[str, Any]:
    return {
        "out_id": str(message_id),
        "biz_id": "9006^0",
        "success": success,
        "err_code": "DELIVERED",
        "phone_number": PHONE,
    }


async def test_a_receipt_raises_the_evidence_once(receiving: Caller, town: Town) -> None:
    message_id = await text_sent(town)
    for _ in range(3):
        answer = await post(receiving, "aliyun/*/reports", [aliyun(message_id)] * 2)
        assert answer.json() == {"code": 0, "msg": "成功"}
    assert await stands(town, message_id) == ("sent", "accepted", Evidence.DELIVERED)
    assert steps(await told(town)) == [("sms", "delivered")]
    [attempt] = await town.rows("SELECT received_at FROM attempts WHERE message_id = :id", id=message_id)
    assert attempt.received_at == town.clock()


async def test_a_receipt_ends_doubt(receiving: Caller, town: Town) -> None:
    message_id = await text_sent(town, Answer.SILENT_AFTER_TAKING)
    assert (await stands(town, message_id))[0] == "unknown"
    await post(receiving, "aliyun/*/reports", [aliyun(message_id)])
    assert await stands(town, message_id) == ("sent", "late_evidence", Evidence.DELIVERED)
    lost = await text_sent(town, Answer.SILENT_AFTER_TAKING)
    await post(receiving, "aliyun/*/reports", [aliyun(lost, success=False)])
    assert (await stands(town, lost))[:2] == ("dead", "not_delivered")


async def test_what_was_sent_and_did_not_arrive_is_told(receiving: Caller, town: Town) -> None:
    message_id = await text_sent(town)
    for _ in range(2):
        await post(receiving, "aliyun/*/reports", [aliyun(message_id, success=False)])
    assert await stands(town, message_id) == ("sent", "not_delivered", Evidence.ACCEPTED)
    assert steps(await told(town)) == [("sms", "failed")]
    await post(receiving, "aliyun/*/reports", [aliyun(message_id)])
    assert (await stands(town, message_id))[2] == Evidence.DELIVERED
    later = await text_sent(town)
    await post(receiving, "aliyun/*/reports", [aliyun(later), aliyun(later, success=False)])
    await post(receiving, "aliyun/*/reports", [aliyun(later, success=False)])
    assert (await stands(town, later))[1] == "accepted", "what is known to have arrived is not lost"


async def test_a_receipt_that_comes_before_the_outcome_waits_for_it(receiving: Caller, town: Town) -> None:
    """The provider's reference is known only with its answer; its receipt may be faster."""
    early = [{"sid": "biz-1", "report_status": "SUCCESS", "errmsg": "DELIVRD"}]
    assert (await post(receiving, "tencent/*/reports", early)).json() == {"result": 0, "errmsg": "OK"}
    [row] = await town.rows("SELECT provider, message_id FROM receipts")
    assert (row.provider, row.message_id) == ("tencent", None)
    async with town.engine.begin() as tx:
        await tx.exec_driver_sql("UPDATE receipts SET provider = 'aliyun'")  # whose references the gateway gives
    message_id = await text_sent(town)
    assert await stands(town, message_id) == ("sent", "accepted", Evidence.DELIVERED)


async def test_a_receipt_during_the_call_settles_what_the_call_leaves_in_doubt(receiving: Caller, town: Town) -> None:
    about = booking(contact=town.keys.contact(email=None), reminders=())
    await town.hear(event(EventType.BOOKING_CONFIRMED, about))
    [row] = await town.rows("SELECT id FROM messages WHERE channel = 'sms'")
    async with town.engine.begin() as tx:  # as it stands while the provider is being called
        await tx.exec_driver_sql(
            "INSERT INTO attempts (message_id, number, provider, started_at) SELECT id, 0, 'aliyun', now() FROM messages WHERE channel = 'sms'"
        )
    await post(receiving, "aliyun/*/reports", [aliyun(row.id)])
    async with town.engine.begin() as tx:
        await tx.exec_driver_sql("DELETE FROM attempts")
    town.gateway.plan = [Answer.SILENT_AFTER_TAKING]
    await town.delivery().drain(Channel.SMS)
    assert await stands(town, row.id) == ("sent", "late_evidence", Evidence.DELIVERED)


@pytest.mark.parametrize("order", list(permutations(["shown", "acted", "delivered"])), ids="-".join)
async def test_the_order_does_not_matter(receiving: Caller, town: Town, order: Sequence[str]) -> None:
    message_id = await text_sent(town)
    token = receiving.parts.links.sign("receipt", message_id.bytes)
    for one in [*order, *random.Random(1).sample(order, 3)]:
        if one == "delivered":
            await post(receiving, "aliyun/*/reports", [aliyun(message_id)])
        else:
            answer = await receiving.client.post(f"/receipts/push/{token}", json={"evidence": one})
            assert answer.status_code == 204
    assert (await stands(town, message_id))[2] == Evidence.ACTED
    heard = [Evidence[level.upper()] for _, level in steps(await told(town))]
    assert heard == sorted(set(heard))
    assert heard[-1] is Evidence.ACTED


async def test_a_bounce_is_read_from_its_notification(receiving: Caller, town: Town) -> None:
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(contact=town.keys.contact(), reminders=())))
    await town.deliver()
    await told(town)
    [row] = await town.rows("SELECT id FROM messages WHERE channel = 'email'")
    raw = DSN.format(message_id=town.mailbox.seen[0]["Message-ID"], action="failed")
    assert (await post(receiving, "email/*/bounces", {"raw": raw})).status_code == 204
    assert await stands(town, row.id) == ("sent", "not_delivered", Evidence.ACCEPTED)
    assert steps(await told(town)) == [("email", "failed")]
    for nonsense in ("", "x", DSN.format(message_id="<x@y>", action="failed"), raw.replace("failed", "delayed")):
        assert (await post(receiving, "email/*/bounces", {"raw": nonsense})).status_code == 204


DSN = """\
From: MAILER-DAEMON@mail.test
To: yuyue@dalian.test
Subject: Undelivered
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

It did not work.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.test

Final-Recipient: rfc822; wang@example.test
Action: {action}
Status: 5.1.1

--b
Content-Type: text/rfc822-headers

Message-ID: {message_id}
Subject: x

--b--
"""


async def test_who_does_not_know_the_secret_finds_nothing(receiving: Caller, town: Town) -> None:
    message_id = await text_sent(town)
    for path, body in (
        ("aliyun/*/reports", [aliyun(message_id)]),
        ("aliyun/*/replies", [{"phone_number": PHONE, "content": "R"}]),
        ("tencent/*/reports", [{"sid": "1", "report_status": "SUCCESS"}]),
        ("tencent/*/replies", {"mobile": PHONE, "text": "R"}),
        ("email/*/bounces", {"raw": ""}),
    ):
        assert (await post(receiving, path, body, secret="wrong")).status_code == 404
        assert (await post(receiving, path, body)).status_code in {200, 204}
    answer = await receiving.client.post("/receipts/push/forged", json={"evidence": "acted"})
    assert (answer.status_code, answer.json()["code"]) == (404, "link_invalid")
    receiving.parts.settings = receiving.parts.settings.model_copy(update={"receipt_secret": None})
    assert (await post(receiving, "aliyun/*/reports", [])).status_code == 404


async def test_what_speaks_of_no_message_of_ours_is_passed_over(receiving: Caller, town: Town) -> None:
    stranger = [aliyun(uuid4()), {"out_id": "x", "biz_id": "", "success": True}]
    assert (await post(receiving, "aliyun/*/reports", stranger)).status_code == 200
    assert await told(town) == []


async def test_reports_have_a_rate_of_their_own(receiving: Caller, served: Served) -> None:
    """A provider has one address and reports on everybody: in a storm, more than any one reader would ask."""
    app = create_app(served.settings.model_copy(update={"rate_address": 2, "rate_receipts": 5}))
    app.state.container = receiving.parts
    async with Client(transport=ASGITransport(app=app), base_url="http://notify.test") as client:
        reports = [await client.post(f"/receipts/aliyun/{SECRET}/reports", json=[]) for _ in range(6)]
        readers = [await client.get("/api/v1/push/key") for _ in range(3)]
    assert [one.status_code for one in reports] == [200] * 5 + [429]
    assert [one.status_code == 429 for one in readers] == [False, False, True]


# -- replies


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("R", Reply.REFUSE),
        (" r。", Reply.REFUSE),
        ("退订", Reply.REFUSE),
        ("Y", Reply.CONFIRM),
        ("确认！", Reply.CONFIRM),
        ("同意。", Reply.CONFIRM),
        ("不同意", Reply.DECLINE),
        ("No", Reply.DECLINE),
        ("你好", None),
        ("", None),
    ],
)
def test_what_a_reply_means(text: str, meaning: Reply | None) -> None:
    assert meaning_of(text) is meaning


async def wanted(town: Town, account_id: UUID = RESIDENT) -> Preferences:
    async with town.engine.connect() as connection:
        return await preferences.of_account(connection, account_id)


async def test_r_refuses_further_texts_of_that_kind(receiving: Caller, town: Town) -> None:
    await text_sent(town)
    reply = [{"phone_number": PHONE, "content": "R", "sequence_id": 7}]
    for _ in range(2):
        await post(receiving, "aliyun/*/replies", reply)
    found = await wanted(town)
    assert (found.off, found.version) == (frozenset({(Kind.CONFIRMATION, Channel.SMS)}), 2)
    about = booking(contact=town.keys.contact(email=None), reminders=())
    await town.hear(event(EventType.BOOKING_CONFIRMED, about))
    [row] = await town.rows("SELECT why FROM messages WHERE subject_id = :id AND channel = 'sms'", id=about.booking_id)
    assert row.why == "switched_off"


async def test_nobody_answers_for_somebody_else_and_nothing_old_is_answered(receiving: Caller, town: Town) -> None:
    await text_sent(town)
    await post(receiving, "aliyun/*/replies", [{"phone_number": "13900000009", "content": "R"}])
    await post(receiving, "tencent/*/replies", {"mobile": PHONE, "text": "hello"})
    async with town.engine.begin() as tx:
        await tx.exec_driver_sql("UPDATE messages SET changed_at = changed_at - interval '8 days'")
    await post(receiving, "tencent/*/replies", {"mobile": PHONE, "text": "R"})
    assert await wanted(town) == DEFAULTS


async def test_y_counts_only_where_a_yes_is_asked_for(receiving: Caller, town: Town) -> None:
    message_id = await text_sent(town)
    await post(receiving, "tencent/*/replies", {"mobile": PHONE, "text": "Y"})
    assert (await stands(town, message_id))[2] == Evidence.ACCEPTED
    async with town.engine.begin() as tx:
        await tx.exec_driver_sql("UPDATE messages SET kind = 'waitlist_offer' WHERE channel = 'sms'")
    await post(receiving, "tencent/*/replies", {"mobile": PHONE, "text": "Y"})
    assert (await stands(town, message_id))[2] == Evidence.ACTED
    [said] = await told(town)
    assert (said.channel, said.evidence, said.answer) == ("sms", "acted", "yes")


async def asked_to_agree(town: Town, **changes: Any) -> ConsentAsked:
    """Have the second of a couple, who has no booking here, asked by text message; return what they are asked."""
    until = town.clock() + timedelta(hours=1)
    asked = replace(CONSENT, consent_id=uuid4(), contact=town.keys.contact(email=None), hold_until=until, **changes)
    await town.hear(notice(EventType.CONSENT_ASKED, asked, asked.consent_id))
    await town.live_until(town.clock() + timedelta(minutes=20), step=timedelta(minutes=5))
    rows = await town.rows("SELECT state FROM messages WHERE channel = 'sms' AND subject_id = :id", id=asked.consent_id)
    assert [row.state for row in rows] == ["sent"]
    return asked


async def answers(town: Town) -> list[ConsentAnswered]:
    heard = Heard()
    await Relay(town.engine, tables.outbox, tables.relay, heard).drain()
    return [one.data for one in heard.events if isinstance(one.data, ConsentAnswered)]


async def say(api: Caller, word: str, key: int = 0) -> None:
    await post(api, "tencent/*/replies", {"mobile": PHONE, "text": word, "time": key})


@pytest.mark.parametrize(
    ("words", "agreed"),
    [
        (["Y"], [True]),
        (["Y", "y", "同意"], [True]),
        (["R"], [False]),
        (["N", "不同意"], [False]),
        (["Y", "N", "N", "Y"], [True, False, True]),
    ],
    ids=str,
)
async def test_a_request_for_consent_is_answered_by_text_and_each_change_of_mind_told_once(
    receiving: Caller, town: Town, words: list[str], agreed: list[bool]
) -> None:
    asked = await asked_to_agree(town)
    for place, word in enumerate(words):
        await say(receiving, word, place)
    heard = await answers(town)
    assert [one.agrees for one in heard] == agreed
    assert {(one.consent_id, one.version, one.account_id, one.channel) for one in heard} == {
        (asked.consent_id, 1, NEIGHBOUR, "sms")
    }
    assert await wanted(town, NEIGHBOUR) == DEFAULTS, "the kind cannot be switched off, and was not"


async def test_nobody_agrees_to_what_is_not_asked_any_more(receiving: Caller, town: Town) -> None:
    asked = await asked_to_agree(town)
    settled = replace(asked, version=2, state="withdrawn")
    await town.hear(notice(EventType.CONSENT_ASKED, settled, asked.consent_id))
    await say(receiving, "Y")
    late = await asked_to_agree(town)
    town.clock.set(late.hold_until)
    await say(receiving, "Y", 1)
    await say(receiving, "N", 2)
    assert await answers(town) == []


async def test_asked_anew_an_answer_is_news_again(receiving: Caller, town: Town) -> None:
    asked = await asked_to_agree(town)
    await say(receiving, "Y")
    again = replace(asked, version=2)
    await town.hear(notice(EventType.CONSENT_ASKED, again, asked.consent_id))
    await town.live_until(town.clock() + timedelta(minutes=20), step=timedelta(minutes=5))
    await say(receiving, "Y", 1)
    assert [(one.version, one.agrees) for one in await answers(town)] == [(1, True), (2, True)]


async def test_no_to_what_asks_for_nothing_is_no_answer(receiving: Caller, town: Town) -> None:
    await text_sent(town)
    await say(receiving, "不同意")
    assert await answers(town) == []
    assert await wanted(town) == DEFAULTS
