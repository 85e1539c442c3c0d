"""The mail that proves an address carries a code and a link, leaves at once, and leaves no trace of either."""

from datetime import timedelta
from uuid import uuid4

import pytest

from shared.contracts import Contact, ContactProof, ContactProofRequested, Event, EventType
from tests.notify.mailbox import Fault, words_of
from tests.notify.make import NOW, booking, event
from tests.notify.town import Town

LINK = "https://booking.example/contact-proofs/3q2-7wEjRWeJCrze8SNFZ4kAE1hYz0"
HALF_AN_HOUR = timedelta(minutes=30)


def asked(town: Town, language: str = "zh-CN") -> Event:
    proof = ContactProof(email="new@example.test", code="493027", link=LINK, language=language)
    data = ContactProofRequested(
        proof_id=uuid4(), sealed=town.keys.vault.seal_for_notify(proof), expires_at=NOW + HALF_AN_HOUR
    )
    return Event(id=uuid4(), type=EventType.CONTACT_PROOF_REQUESTED, subject=data.proof_id, time=NOW, data=data)


@pytest.mark.parametrize(
    ("language", "title"), [("zh-CN", "请验证您的邮箱"), ("en", "Please confirm your e-mail address")]
)
async def test_it_goes_to_the_address_itself_with_code_and_link(town: Town, language: str, title: str) -> None:
    await town.hear(asked(town, language))
    await town.deliver()
    [mail] = town.mailbox.to("new@example.test")
    assert mail["Subject"] == title
    assert "493027" in words_of(mail)
    assert LINK in words_of(mail)
    assert mail["List-Unsubscribe"] is None
    [row] = await town.rows("SELECT state, sealed, fingerprint, template FROM messages")
    assert (row.state, row.sealed, row.fingerprint) == ("sent", None, None)
    assert row.template == f"contact_proof/{language}/neutral"


async def test_it_is_of_no_use_when_the_code_has_ended(town: Town) -> None:
    await town.hear(asked(town))
    town.clock.advance(HALF_AN_HOUR)
    await town.deliver()
    assert town.mailbox.seen == []
    [row] = await town.rows("SELECT state, why FROM messages")
    assert (row.state, row.why) == ("expired", "no_longer_useful")


async def test_a_mail_in_doubt_is_not_sent_twice_for_another_can_be_asked(town: Town) -> None:
    town.mailbox.faults.append(Fault.DROPPED_AFTER_CONTENT)
    await town.hear(asked(town))
    await town.deliver()
    town.clock.advance(HALF_AN_HOUR * 2 / 3)
    await town.resolve()
    assert len(town.mailbox.seen) == 1
    [row] = await town.rows("SELECT state, why FROM messages")
    assert (row.state, row.why) == ("unproven", "code_can_be_asked_again")


async def test_an_address_that_is_not_proved_is_not_used_and_the_reader_is_told_why(town: Town) -> None:
    unproved = Contact(phone="+8613900000001", email=None, name=None, language="zh-CN", email_unproved=True)
    contact = town.keys.vault.seal_for_notify(unproved)
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(contact=contact, reminders=())))
    await town.deliver()
    assert town.mailbox.seen == []
    assert (await town.states())["confirmation", 1, 0] == ("suppressed", "contact_unproved")
    assert len(await town.inbox()) == 1
