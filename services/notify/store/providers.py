"""How the providers of a channel stand: read before each start, judged from the attempts themselves, every change kept."""

from datetime import datetime, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.provider import Breaker, Change, Health, Measured, Measures
from services.notify.tables import provider_changes, providers

RECEIPTS_OWED = timedelta(days=1)
"""A provider whose last receipt is older sends none, and is not measured by them."""

_TRIAL = text("""
    WITH room AS (
      SELECT channel, provider, least(trial - given, :wanted) AS more FROM providers
      WHERE channel = :channel AND provider = :provider AND breaker = 'half_open' AND given < trial
      FOR UPDATE
    )
    UPDATE providers p SET given = p.given + room.more, probed_at = coalesce(p.probed_at, :now)
    FROM room WHERE p.channel = room.channel AND p.provider = room.provider
    RETURNING room.more
""")

_MEASURE = text("""
    SELECT count(*) FILTER (WHERE judged) AS attempts, count(*) FILTER (WHERE failed) AS failed,
           count(*) FILTER (WHERE slow AND NOT failed) AS slow, count(*) FILTER (WHERE taken AND NOT judged) AS pending,
           -- what was learned by asking about an attempt without an answer is no receipt, and owes none
           max(received_at) FILTER (WHERE taken AND received_at >= finished_at) AS receipt_at
    FROM (
      SELECT received_at, finished_at, taken, failed, slow,
             failed OR slow OR received_at IS NOT NULL OR NOT (taken AND :receipts) AS judged
      FROM (
        SELECT a.received_at, a.finished_at, a.verdict = 'accepted' AS taken,
               coalesce(a.verdict = 'unknown' OR (a.verdict = 'temporary' AND a.why LIKE 'provider!_%' ESCAPE '!'), false)
                 AS failed,
               a.finished_at - a.started_at >= :slow_answer
                 OR (:receipts AND a.verdict = 'accepted'
                     AND coalesce(a.received_at, :now) - a.finished_at >= :slow_receipt) AS slow
        FROM attempts a
        WHERE a.provider = :provider AND a.started_at >= :since AND a.started_at <= :now
          AND a.finished_at IS NOT NULL AND a.code NOT IN ('lease_ran_out', 'rehearsal')
      ) each_one
    ) judged_ones
""")

_TAKE_TOKENS = text("""
    INSERT INTO provider_limits AS t (provider, tokens, filled_at) VALUES (:provider, :burst, :now)
    ON CONFLICT (provider) DO UPDATE
      SET tokens = least(:burst, t.tokens + :per_second * greatest(0, extract(epoch FROM :now - t.filled_at))),
          filled_at = greatest(t.filled_at, :now)
    RETURNING tokens
""")

_SPEND = text("UPDATE provider_limits SET tokens = tokens - :spent WHERE provider = :provider")


async def standing(tx: AsyncConnection, channel: str) -> dict[str, Health]:
    """Return how the providers of a channel stand, those of which anything is known."""
    rows = await tx.execute(select(providers).where(providers.c.channel == channel))
    return {
        row.provider: Health(
            provider=row.provider,
            channel=row.channel,
            breaker=Breaker(row.breaker),
            weight=row.weight,
            since=row.since,
            pause=timedelta(seconds=row.pause_seconds),
            probed_at=row.probed_at,
            trial=row.trial,
            given=row.given,
        )
        for row in rows
    }


async def take_trial(tx: AsyncConnection, health: Health, wanted: int, now: datetime) -> int:
    """Return how many of `wanted` messages of a provider's trial are now this caller's to give."""
    facts = {"channel": health.channel, "provider": health.provider, "wanted": wanted, "now": now}
    return (await tx.execute(_TRIAL, facts)).scalar_one_or_none() or 0


async def lock(tx: AsyncConnection, channel: str) -> bool:
    """Let one worker judge a channel at a time: return whether it is this one, until the commit."""
    query = select(func.pg_try_advisory_xact_lock(func.hashtext(f"notify.providers.{channel}")))
    return bool((await tx.execute(query)).scalar_one())


async def measure(tx: AsyncConnection, health: Health, since: datetime, now: datetime, measures: Measures) -> Measured:
    """Return what a provider did from `since` on, as far as it can be judged at `now`."""
    row = providers.c
    at = select(row.receipt_at).where(row.channel == health.channel, row.provider == health.provider)
    receipt_at = (await tx.execute(at)).scalar_one_or_none()
    facts = {
        "provider": health.provider,
        "since": since,
        "now": now,
        "receipts": receipt_at is not None and now - receipt_at <= RECEIPTS_OWED,
        "slow_answer": measures.slow_answer,
        "slow_receipt": measures.slow_receipt,
    }
    found = (await tx.execute(_MEASURE, facts)).one()
    if found.receipt_at is not None:
        await _note_receipt(tx, health, found.receipt_at)
    return Measured(attempts=found.attempts, failed=found.failed, slow=found.slow, pending=found.pending)


async def _note_receipt(tx: AsyncConnection, health: Health, at: datetime) -> None:
    row = insert(providers).values(receipt_at=at, **_columns(health))
    newer = func.greatest(providers.c.receipt_at, row.excluded.receipt_at)
    await tx.execute(row.on_conflict_do_update(index_elements=["channel", "provider"], set_={"receipt_at": newer}))


async def keep(tx: AsyncConnection, change: Change, now: datetime) -> None:
    """Store how a provider stands from now on, and the change with its reason."""
    before, after, measured = change.before, change.after, change.measured
    row = insert(providers).values(**_columns(after))
    columns = {name: value for name, value in _columns(after).items() if name not in {"channel", "provider"}}
    await tx.execute(row.on_conflict_do_update(index_elements=["channel", "provider"], set_=columns))
    await tx.execute(
        provider_changes.insert().values(
            at=now,
            channel=after.channel,
            provider=after.provider,
            breaker_before=before.breaker.value,
            breaker_after=after.breaker.value,
            weight_before=before.weight,
            weight_after=after.weight,
            why=change.why.value,
            attempts=measured.attempts,
            failed=measured.failed,
            slow=measured.slow,
        )
    )


async def take_tokens(
    tx: AsyncConnection, provider: str, limit: tuple[float, float, float], wanted: tuple[int, int], now: datetime
) -> tuple[int, int]:
    """Return how many of the `wanted` urgent and other messages `provider` may be given now; those are spent.

    `limit`: tokens per second, the most that gather, and how many of them are kept for urgent messages.
    """
    per_second, burst, reserve = limit
    facts = {"provider": provider, "burst": burst, "per_second": per_second, "now": now}
    tokens = (await tx.execute(_TAKE_TOKENS, facts)).scalar_one()
    urgent = min(wanted[0], int(tokens))
    other = max(0, min(wanted[1], int(tokens - urgent - reserve)))
    if urgent or other:
        await tx.execute(_SPEND, {"provider": provider, "spent": urgent + other})
    return urgent, other


def _columns(health: Health) -> dict[str, object]:
    return {
        "channel": health.channel,
        "provider": health.provider,
        "breaker": health.breaker.value,
        "weight": health.weight,
        "since": health.since,
        "pause_seconds": round(health.pause.total_seconds()),
        "probed_at": health.probed_at,
        "trial": health.trial,
        "given": health.given,
    }
