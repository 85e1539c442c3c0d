"""Copies of one's messages for a family member, who is asked first (`domain/family_copy.py`).

Somebody is named by telephone number. Whether that number has an account is nobody's business: the answer is the same.
Whoever has one is asked by a message; whoever signs in with it for the first time finds the request there. To a number
that nobody has signed in with nothing is ever sent.
"""

from dataclasses import dataclass, field, replace
from uuid import UUID

from services.booking.commands.proving import Proving, waiting_of
from services.booking.commands.sign_in import PHONE, Clear, contact_of, opened
from services.booking.domain.family_copy import (
    ASKED,
    ASKED_OF_ONE,
    MOST_GIVERS,
    MOST_READERS,
    Action,
    FamilyCopy,
    State,
    acted,
)
from services.booking.domain.masking import mask_name, mask_phone
from services.booking.domain.reason import Reason
from services.booking.store.accounts import Account, account_by_id, account_by_phone
from services.booking.store.database import Connection
from services.booking.store.events import add_event
from services.booking.store.family_copies import (
    Kept,
    add_copy,
    asked_by,
    asked_of,
    count_agreed,
    given_by,
    keep_copy,
    lock_copy,
    named,
)
from services.booking.store.sign_in import lock_fingerprint
from shared.contracts import CopyChanged, Event, EventType
from shared.ids import new_id
from shared.refusal import Refused
from shared.sealing import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCopy:
    """Who is to get copies, by telephone number in E.164 form, and of what."""

    phone: str = field(repr=False)
    kinds: tuple[str, ...]
    sensitive: bool


@dataclass(frozen=True, slots=True)
class Told:
    """An arrangement as one of its sides sees it: `other` is the other side, masked."""

    copy: FamilyCopy
    other: str


async def ask_for_copy(tx: Connection, by: Proving, account_id: UUID, new: NewCopy) -> Told:
    """Ask somebody whether they want copies of this account's messages.

    Raises:
        Refused: `copy_to_oneself`, `copy_already`, `copies_limit_reached`, `too_many_requests`.
    """
    account = await account_by_id(tx, account_id, lock=True)
    if account is None or account.phone_fingerprint is None:
        raise Refused(Reason.NOT_ALLOWED)
    reader = by.vault.fingerprint(new.phone, PHONE)
    if reader == account.phone_fingerprint:
        raise Refused(Reason.COPY_TO_ONESELF, field="/phone")
    await lock_fingerprint(tx, reader)
    live = [kept.copy for kept in await given_by(tx, account_id, live=True)]
    if any(copy.reader_fingerprint == reader for copy in live):
        raise Refused(Reason.COPY_ALREADY, field="/phone")
    if len(live) >= MOST_READERS:
        raise Refused(Reason.COPIES_LIMIT_REACHED, most=MOST_READERS)
    ASKED.refuse_too_many(await asked_by(tx, account_id, by.now), by.now)
    ASKED_OF_ONE.refuse_too_many(await asked_of(tx, reader, by.now), by.now)
    copy = FamilyCopy(
        id=new_id(),
        version=1,
        state=State.ASKED,
        account_id=account_id,
        reader_fingerprint=reader,
        reader_id=None,
        kinds=new.kinds,
        sensitive=new.sensitive,
        asked_at=by.now,
        changed_at=by.now,
    )
    await add_copy(tx, copy, by.vault.seal(new.phone, PHONE))
    await _tell(tx, by, copy, account)
    return Told(copy, mask_phone(new.phone))


async def act_on_copy(tx: Connection, by: Proving, who: UUID, copy_id: UUID, action: Action) -> Told:
    """Agree, refuse or withdraw; done again, it is as it was.

    Raises:
        Refused: `copy_unknown`, also to whoever is neither side; `copy_decided`; `copies_limit_reached` where the
            reader gets copies of too many.
    """
    account = await account_by_id(tx, who)
    kept = None if account is None else await lock_copy(tx, copy_id)
    if account is None or kept is None:
        raise Refused(Reason.COPY_UNKNOWN)
    copy = kept.copy
    is_reader = copy.reader_fingerprint == account.phone_fingerprint
    if not is_reader and copy.account_id != who:
        raise Refused(Reason.COPY_UNKNOWN)
    after = acted(copy, action, who, by.now)
    giver = account if not is_reader else await account_by_id(tx, copy.account_id)
    assert giver is not None, "accounts are not deleted while they have arrangements"
    if after != copy:
        if action is Action.AGREE:
            await lock_fingerprint(tx, copy.reader_fingerprint)
            if await count_agreed(tx, copy.reader_fingerprint) >= MOST_GIVERS:
                raise Refused(Reason.COPIES_LIMIT_REACHED, most=MOST_GIVERS)
        await keep_copy(tx, after)
        await _tell(tx, by, after, giver)
    return Told(after, _whose(by.vault, giver) if is_reader else _masked(by.vault, kept))


async def copies_of(tx: Connection, vault: Vault, account_id: UUID) -> tuple[list[Told], list[Told]]:
    """Return what an account has asked for, and what it is asked, the newest first."""
    account = await account_by_id(tx, account_id)
    if account is None or account.phone_fingerprint is None:
        return [], []
    given = [Told(kept.copy, _masked(vault, kept)) for kept in await given_by(tx, account_id)]
    received = []
    for kept in await named(tx, account.phone_fingerprint):
        giver = await account_by_id(tx, kept.copy.account_id)
        if giver is not None:
            received.append(Told(kept.copy, _whose(vault, giver)))
    return given, received


async def tell_copies_anew(tx: Connection, by: Proving, reader: Account) -> None:
    """Tell the notify service how somebody who gets copies is reached from now on."""
    if reader.phone_fingerprint is None:
        return
    for kept in await named(tx, reader.phone_fingerprint, live=True):
        if kept.copy.state is not State.AGREED:
            continue
        giver = await account_by_id(tx, kept.copy.account_id)
        locked = await lock_copy(tx, kept.copy.id)
        if giver is not None and locked is not None and locked.copy.state is State.AGREED:
            after = replace(locked.copy, version=locked.copy.version + 1)
            await keep_copy(tx, after)
            await _tell(tx, by, after, giver)


async def _tell(tx: Connection, by: Proving, copy: FamilyCopy, giver: Account) -> None:
    """Write the event, where somebody has signed in with the number: without, there is nobody to tell of."""
    reader = await account_by_phone(tx, copy.reader_fingerprint)
    if reader is None:
        return
    clear: Clear = opened(by.vault, reader)
    waits = await waiting_of(tx, by.vault, reader.id) is not None
    contact = contact_of(by.vault, clear, reader.language, unproved=waits, copy_of=_whose(by.vault, giver))
    data = CopyChanged(
        copy_id=copy.id,
        version=copy.version,
        state=copy.state.value,
        account_id=copy.account_id,
        reader_id=reader.id,
        contact=contact,
        kinds=copy.kinds,
        sensitive=copy.sensitive,
    )
    await add_event(tx, Event(id=new_id(), type=EventType.COPY_CHANGED, subject=copy.id, time=by.now, data=data))


def _whose(vault: Vault, giver: Account) -> str:
    clear = opened(vault, giver)
    return mask_name(clear.name) if clear.name else mask_phone(clear.phone or "")


def _masked(vault: Vault, kept: Kept) -> str:
    return mask_phone(vault.open(kept.reader_sealed, PHONE).decode())
