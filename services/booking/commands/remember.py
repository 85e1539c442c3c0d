"""Do a write once, however often it is asked: the work and its answer are committed together, under one key.

For writes that do not go through the desk; the desk keeps its answers in the same table, in its own statement.
"""

from collections.abc import Awaitable, Callable

from services.booking.domain.reason import Reason
from services.booking.domain.request import Key
from services.booking.store.database import Connection, DatabaseError, Engine
from services.booking.store.idempotency import StillAtWork, claim_key, finish_key
from services.booking.store.keeping import Answered
from shared.clock import Clock
from shared.refusal import Refused
from shared.web import Answer

Work = Callable[[Connection], Awaitable[Answer]]
"""Does the work in the given transaction. An answer that says no is returned, if what was done is to stay done (a try
that counts), and raised as `Refused`, if nothing is to stay."""

Explain = Callable[[Refused], Answer]
"""Turns a refusal into the answer that is kept, and sent again to whoever repeats the request."""


_NOT_NOW = frozenset({Reason.TOO_MANY_REQUESTS, Reason.BUSY})
"""Refusals that say "later" and not "no": they are forgotten, or a repeat would hear them for ever."""


async def remembered(engine: Engine, key: Key, clock: Clock, work: Work, explain: Explain) -> Answer:
    """Return the answer of `work`, done now or when `key` first came: the same bytes either way.

    Whoever repeats a request while the first one is still being worked on waits for it, and gets its answer.

    Raises:
        Refused: `too_many_requests` or `busy` where `work` says so; nothing is kept, and the key is free again.
            `idempotency_key_in_use` where the first has not ended within the time that a lock is waited for.
            `idempotency_key_reused` where the key came with another request; `uncertain` where the database was lost
            around the commit, so that nobody knows: asking again with the same key is safe and tells.
    """
    async with engine.connect() as tx:
        try:
            answered = await claim_key(tx, key, clock())
        except StillAtWork as error:
            raise Refused(Reason.IDEMPOTENCY_KEY_IN_USE, retry_after_seconds=1) from error
        if answered is not None:
            return _replayed(answered, key)
        savepoint = await tx.begin_nested()
        try:
            answer = await work(tx)
        except Refused as refused:
            if refused.reason in _NOT_NOW:
                raise
            await savepoint.rollback()
            answer = explain(refused)
        else:
            await savepoint.commit()
        await finish_key(tx, Answered(key, answer.status, answer.headers, answer.body))
        try:
            await tx.commit()
        except DatabaseError as error:
            raise Refused(Reason.UNCERTAIN, retry_after_seconds=1) from error
        return answer


def _replayed(answered: Answered, key: Key) -> Answer:
    if answered.key.fingerprint != key.fingerprint:
        raise Refused(Reason.IDEMPOTENCY_KEY_REUSED)
    return Answer(answered.status, answered.headers, answered.body)
