"""Addresses are proved before use: by a code, or by a link, sent to the address itself.

The law: what somebody types in is not theirs until they have read there what we sent. Until then the address that was
proved before stays in use, or none is. The newest code or link counts and no other; each is used once. Whoever has the
link has the mailbox, so it needs no sign-in; opening it changes nothing, for mail scanners open every link. How many are
sent is bounded for the account and for the address (`domain/one_time_code.py`).
"""

import secrets
from dataclasses import replace
from typing import Final
from uuid import UUID

from services.booking.commands.family_copies import tell_copies_anew
from services.booking.commands.proving import Proving, Waiting, waiting_of
from services.booking.commands.sign_in import EMAIL, Clear, contact_of, opened
from services.booking.domain.one_time_code import PROOF, PROOF_TO_ONE_ADDRESS, TRIES
from services.booking.domain.reason import Reason
from services.booking.store.accounts import Account, account_by_id, change_account
from services.booking.store.contact_proofs import (
    ContactProof,
    add_proof,
    count_proof_try,
    drop_proofs,
    newest_proof,
    proof_by_link,
    sent_to_account,
    sent_to_address,
    use_proof,
)
from services.booking.store.database import Connection, Engine
from services.booking.store.events import add_event
from services.booking.store.sign_in import lock_fingerprint
from shared import contracts
from shared.contracts import ContactProofRequested, Event, EventType
from shared.ids import new_id
from shared.refusal import Refused
from shared.sealing import Vault

PATH: Final = "/contact-proofs/"
"""Where the links lead, below the public address."""

_LINK_BYTES: Final = 24


async def ask_for_proof(tx: Connection, by: Proving, account: Account, email: str, language: str) -> Waiting:
    """Send a code and a link to `email`; the account is locked. What was sent before is worth nothing from now on.

    Raises:
        Refused: `too_many_requests` where the account, or the address, has had too many.
    """
    vault, now = by.vault, by.now
    address = vault.fingerprint(email.casefold(), EMAIL)
    await lock_fingerprint(tx, address)
    PROOF.refuse_too_many(await sent_to_account(tx, account.id, now), now)
    PROOF_TO_ONE_ADDRESS.refuse_too_many(await sent_to_address(tx, address, now), now)
    await drop_proofs(tx, account.id, now)
    proof_id, code, link = new_id(), f"{secrets.randbelow(1_000_000):06d}", secrets.token_urlsafe(_LINK_BYTES)
    proof = ContactProof(
        id=proof_id,
        account_id=account.id,
        address_fingerprint=address,
        address_sealed=vault.seal(email, EMAIL),
        code_fingerprint=_code_fingerprint(vault, proof_id, code),
        link_fingerprint=_link_fingerprint(vault, link),
        created_at=now,
        expires_at=now + PROOF.lifetime,
    )
    await add_proof(tx, proof)
    content = contracts.ContactProof(email=email, code=code, link=f"{by.public_url}{PATH}{link}", language=language)
    data = ContactProofRequested(proof_id=proof_id, sealed=vault.seal_for_notify(content), expires_at=proof.expires_at)
    await add_event(
        tx, Event(id=new_id(), type=EventType.CONTACT_PROOF_REQUESTED, subject=proof_id, time=now, data=data)
    )
    return Waiting(email, proof.expires_at)


async def send_proof_again(tx: Connection, by: Proving, account_id: UUID) -> Waiting:
    """Send another code and link to the address that waits.

    Raises:
        Refused: `nothing_to_prove`; `too_many_requests`.
    """
    account = await account_by_id(tx, account_id, lock=True)
    waiting = await waiting_of(tx, by.vault, account_id)
    if account is None or waiting is None:
        raise Refused(Reason.NOTHING_TO_PROVE)
    return await ask_for_proof(tx, by, account, waiting.email, account.language)


async def prove_by_code(tx: Connection, by: Proving, account_id: UUID, code: str) -> tuple[Account, Clear] | Refused:
    """Take the address that waits into use, or return why not: a refusal is not raised, for the try must be kept."""
    account = await account_by_id(tx, account_id, lock=True)
    proof = None if account is None else await newest_proof(tx, account_id)
    if account is None or proof is None:
        return Refused(Reason.NOTHING_TO_PROVE)
    if proof.tries >= TRIES:
        return Refused(Reason.PROOF_TOO_MANY_TRIES, field="/code")
    if proof.expires_at <= by.now:
        return Refused(Reason.PROOF_CODE_WRONG, field="/code")
    if not secrets.compare_digest(_code_fingerprint(by.vault, proof.id, code), proof.code_fingerprint):
        await count_proof_try(tx, proof.id)
        left = TRIES - proof.tries - 1
        if left == 0:
            return Refused(Reason.PROOF_TOO_MANY_TRIES, field="/code")
        return Refused(Reason.PROOF_CODE_WRONG, field="/code", tries_left=left)
    return await _take_into_use(tx, by, account, proof)


async def prove_by_link(tx: Connection, by: Proving, token: str) -> str:
    """Take the address that a link was sent to into use and return it; doing so again changes nothing.

    Raises:
        Refused: `proof_link_invalid`.
    """
    proof = await _by_link(tx, by, token)
    account = await account_by_id(tx, proof.account_id, lock=True)
    proof = await _by_link(tx, by, token)  # as it is now that nobody else can change it
    if account is None:
        raise Refused(Reason.PROOF_LINK_INVALID)
    if proof.waits:
        await _take_into_use(tx, by, account, proof)
    return _address(by.vault, proof)


async def address_of_link(engine: Engine, by: Proving, token: str) -> str:
    """Return the address that a link would prove; it changes nothing.

    Raises:
        Refused: `proof_link_invalid`.
    """
    async with engine.connect() as connection:
        return _address(by.vault, await _by_link(connection, by, token))


async def _by_link(tx: Connection, by: Proving, token: str) -> ContactProof:
    proof = await proof_by_link(tx, _link_fingerprint(by.vault, token))
    over = proof is None or proof.dropped_at is not None or (proof.used_at is None and proof.expires_at <= by.now)
    if proof is None or over:
        raise Refused(Reason.PROOF_LINK_INVALID)
    return proof


async def _take_into_use(tx: Connection, by: Proving, account: Account, proof: ContactProof) -> tuple[Account, Clear]:
    clear = replace(opened(by.vault, account), email=_address(by.vault, proof))
    await use_proof(tx, proof.id, by.now)
    values = {"email_sealed": proof.address_sealed, "contact": contact_of(by.vault, clear, account.language)}
    await change_account(tx, account.id, values)
    await tell_copies_anew(tx, by, account)
    return account, clear


def _address(vault: Vault, proof: ContactProof) -> str:
    return vault.open(proof.address_sealed, EMAIL).decode()


def _code_fingerprint(vault: Vault, proof_id: UUID, code: str) -> bytes:
    return vault.fingerprint(f"{proof_id.hex}:{code}", "contact_proof.code")


def _link_fingerprint(vault: Vault, link: str) -> bytes:
    return vault.fingerprint(link, "contact_proof.link")
