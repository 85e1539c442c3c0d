"""Erase a person who asks for it: all that is personal, in one transaction, and tell the notify service to do the same."""

from datetime import timedelta

from services.booking.domain.account import Role
from services.booking.domain.erasure import STRIKES_COUNT_FOR
from services.booking.domain.reason import Reason
from services.booking.domain.request import Key
from services.booking.store.accounts import account_by_id
from services.booking.store.database import Connection, Engine
from services.booking.store.erasure import blank, forget_documents, unfinished, untell
from services.booking.store.events import add_event
from shared.clock import Clock
from shared.contracts import AccountErased, Event, EventType
from shared.ids import new_id
from shared.refusal import Refused

LATELY = timedelta(days=2)
"""Accounts that were erased since then are looked for in the feed, every hour."""


async def erase(tx: Connection, under: Key, clock: Clock) -> None:
    """Erase the account that asks.

    Raises:
        Refused: `erasure_waits`, naming what is still to come; `not_signed_in` where it is erased already.
    """
    account = await account_by_id(tx, under.account_id, lock=True)
    if account is None or account.erased_at is not None:
        raise Refused(Reason.NOT_SIGNED_IN)
    if account.role is not Role.RESIDENT:
        raise Refused(Reason.NOT_ALLOWED)
    now = clock()
    (await unfinished(tx, account.id, now)).must_be_over()
    await blank(tx, under, now)
    await forget_documents(tx, now, now - STRIKES_COUNT_FOR)
    data = AccountErased(account_id=account.id)
    await add_event(tx, Event(id=new_id(), type=EventType.ACCOUNT_ERASED, subject=account.id, time=now, data=data))


async def forget_what_is_left(engine: Engine, clock: Clock) -> None:
    """Forget what could not go at once: documents whose strikes are over, and contacts in events that were published."""
    now = clock()
    async with engine.begin() as tx:
        await forget_documents(tx, now, now - STRIKES_COUNT_FOR)
    async with engine.begin() as tx:
        await untell(tx, now - LATELY)
