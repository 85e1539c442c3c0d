"""Takes in what comes back: receipts, and replies by text message. Each counts once, whatever order they come in."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from services.notify.domain.dispatch import Due
from services.notify.domain.evidence import FAILED, YES, told
from services.notify.domain.message import Channel, Evidence, Why
from services.notify.domain.outcome import Outcome, Verdict
from services.notify.domain.preference import change, locked_because, without_channel
from services.notify.domain.receipt import ASKS, LastText, Receipt, Reply, TextReply, effect, meaning_of
from services.notify.store import doubts, evidence, messages, notices, preferences, receipts
from services.notify.store.database import Connection
from shared.contracts import ConsentAnswered
from shared.strongbox import Strongbox

PHONE = "phone"
"""The context of a number's fingerprint."""

REPLY_WITHIN = timedelta(days=7)
"""A reply answers a text message that is no older."""


async def receive(tx: Connection, arrived: Iterable[Receipt], now: datetime) -> int:
    """Take in receipts; return how many were new. One for a message that cannot be told yet waits for its outcome."""
    fresh = 0
    for receipt in arrived:
        is_new, message_id = await receipts.keep(tx, receipt, now)
        fresh += is_new
        if is_new and message_id is not None:
            await _apply(tx, message_id, receipt, now)
    return fresh


async def match_early(tx: Connection, ended: Sequence[tuple[Due, Outcome]], now: datetime) -> None:
    """Apply what came before the outcome of its attempt: by the reference that is known only now, or to end doubt."""
    early = await receipts.name(tx, [(due.id, due.attempt) for due, one in ended if one.reference])
    doubtful = [due.id for due, one in ended if one.verdict is Verdict.UNKNOWN]
    early += await receipts.of_messages(tx, doubtful)
    for receipt in early:
        if receipt.message_id is not None:
            await _apply(tx, receipt.message_id, receipt, now)


async def _apply(tx: Connection, message_id: UUID, receipt: Receipt, now: datetime) -> None:
    """Have a receipt tell of every message that was in the letter it speaks of."""
    for told_of in await receipts.told_with(tx, message_id):
        await _apply_to_one(tx, told_of, receipt, now)


async def _apply_to_one(tx: Connection, message_id: UUID, receipt: Receipt, now: datetime) -> None:
    known = await receipts.lock(tx, message_id)
    due = await doubts.look(tx, message_id)
    if due is None:
        return
    found = effect(due, known, receipt)
    if receipt.evidence is not None and receipt.evidence >= Evidence.DELIVERED:
        await receipts.arrived(tx, message_id, now)
    if found.move is not None:
        await messages.move(tx, [found.move], now)
    elif found.evidence > Evidence.NONE:
        await evidence.raise_to(tx, message_id, found.evidence, now)
    elif found.lost and await receipts.lose(tx, message_id, Why.NOT_DELIVERED.value, now):
        failed = told(message_id, due.key, FAILED, now)
        await evidence.tell(tx, [failed] if due.appointment is not None and not due.copied else [])


async def reply(tx: Connection, box: Strongbox, given: TextReply, now: datetime) -> Reply | None:
    """Do what a reply asks for; return what that was, or None where it is no answer to a message of ours.

    The number must be one that a message went to lately, so nobody can answer for somebody else. A yes is to the newest
    message that asks; a no to the newest one of all, if that asks for consent. What refuses further messages of a kind
    refuses, in reply to a request for consent, the consent: that kind cannot be switched off.
    """
    asked = meaning_of(given.text)
    if asked is None:
        return None
    fingerprint = box.fingerprint(given.number, PHONE)
    asking = ASKS if asked is Reply.CONFIRM else frozenset()
    last = await receipts.last_text(tx, fingerprint, now - REPLY_WITHIN, now, asking)
    if last is None:
        return None
    if last.asks_for_consent(now):
        await _answer_consent(tx, last, now, agrees=asked is Reply.CONFIRM)
        return asked if asked is Reply.CONFIRM else Reply.DECLINE
    if asked is Reply.CONFIRM:
        await evidence.raise_to(tx, last.message_id, Evidence.ACTED, now, answer=YES)
        return asked
    if asked is Reply.DECLINE or locked_because(last.kind, Channel.SMS) is not None:
        return None
    await _switch_off(tx, last, f"reply/{given.provider}/{given.key}", now)
    return asked


async def _switch_off(tx: Connection, last: LastText, key: str, now: datetime) -> None:
    """Send no more text messages of that kind."""
    stored = await preferences.lock(tx, last.account_id, key, now)
    wanted = without_channel(stored.preferences, last.kind, Channel.SMS)
    changed = change(stored.preferences, wanted, expected=None, key_used=False)
    if changed is not stored.preferences:
        await preferences.keep(tx, last.account_id, changed, key, now)


async def _answer_consent(tx: Connection, last: LastText, now: datetime, *, agrees: bool) -> None:
    await evidence.raise_to(tx, last.message_id, Evidence.ACTED, now)
    consent_id, version = last.subject
    answered = ConsentAnswered(
        consent_id=consent_id,
        version=version,
        account_id=last.account_id,
        agrees=agrees,
        channel=Channel.SMS.value,
        at=now,
    )
    await notices.answer(tx, answered)
