"""The messages: planned, superseded, claimed, started, finished. Every write is guarded by the state it was decided for.

Statements work on whole batches through arrays, so that a batch of 200 costs little more than one. Each transition but
taking a lease and starting an attempt (which the attempts themselves record) leaves a row in the decision log, written
by the same statement.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.dispatch import Due, Lease, Move
from services.notify.domain.lifecycle import KEEPS_SEALED, RECALLABLE, Action, State
from services.notify.domain.merging import all_of
from services.notify.domain.message import BusinessKey, Channel, Evidence, Kind, Planned, Urgency, Why
from services.notify.domain.outcome import Outcome
from services.notify.domain.preference import DEFAULTS
from services.notify.domain.pressure import MOST_A_DAY
from services.notify.store import evidence
from services.notify.store.bookings import read_appointment
from services.notify.store.notices import read_notice
from services.notify.store.preferences import read as read_preferences
from shared.clock import SHANGHAI
from shared.db import fetch, prepared
from shared.ids import new_id

_PLAN = text("""
    WITH made AS (
      INSERT INTO messages (id, subject_id, subject_version, kind, lead_minutes, recipient_id, channel, urgency,
                            due_at, visible_at, expires_at, late_from, only_without_evidence, state, why, sealed,
                            created_at, changed_at)
      SELECT id, subject_id, subject_version, kind, lead_minutes, recipient_id, channel, urgency,
             due_at, visible_at, expires_at, late_from, only_without_evidence, state, why,
             CASE WHEN state = 'planned' THEN :sealed END, :now, :now
      FROM unnest(CAST(:ids AS uuid[]), CAST(:subject_ids AS uuid[]), CAST(:subject_versions AS integer[]),
                  CAST(:kinds AS text[]), CAST(:lead_minutes AS integer[]), CAST(:recipient_ids AS uuid[]),
                  CAST(:channels AS text[]), CAST(:urgencies AS smallint[]), CAST(:due_ats AS timestamptz[]),
                  CAST(:visible_ats AS timestamptz[]), CAST(:expires_ats AS timestamptz[]), CAST(:late_froms AS timestamptz[]),
                  CAST(:onlys AS boolean[]), CAST(:states AS text[]), CAST(:whys AS text[]))
        AS given(id, subject_id, subject_version, kind, lead_minutes, recipient_id, channel, urgency,
                 due_at, visible_at, expires_at, late_from, only_without_evidence, state, why)
      ON CONFLICT ON CONSTRAINT uq_messages_cause DO NOTHING
      RETURNING id, subject_id, subject_version, state, why
    )
    INSERT INTO decisions (at, subject_id, subject_version, message_id, state, why, event_id)
    SELECT :now, subject_id, subject_version, id, state, why, :event_id FROM made ORDER BY id
    RETURNING message_id
""")

_SUPERSEDE = text("""
    WITH gone AS (
      UPDATE messages SET state = :superseded, why = :why, lease_token = NULL, sealed = NULL, changed_at = :now
      WHERE subject_id = :subject_id AND subject_version < :version AND state = ANY(CAST(:recallable AS text[]))
      RETURNING id, subject_id, subject_version, state, why
    )
    INSERT INTO decisions (at, subject_id, subject_version, message_id, state, why, event_id)
    SELECT :now, subject_id, subject_version, id, state, why, :event_id FROM gone ORDER BY id
    RETURNING message_id
""")

_SAID = text("""
    SELECT DISTINCT channel FROM messages
    WHERE subject_id = :subject_id AND subject_version < :version AND state IN ('sending', 'sent', 'unknown', 'unproven')
      AND expires_at > :now AND recipient_id = :recipient_id
""")

_SILENCE = text("""
    INSERT INTO decisions (at, subject_id, subject_version, why, event_id)
    VALUES (:now, :subject_id, :version, :why, :event_id)
""")

_KNOWN = """
    coalesce(k.version, n.version) AS known_version, k.appointment, n.notice,
    CASE WHEN w.contact LIKE 'c1.%' THEN r.wrapped || '~' || w.contact ELSE w.contact END AS contact,
    coalesce(k.account_id <> m.recipient_id, false) AS copied, c.copy_id IS NOT NULL AS copy_stands,
    p.version, p.language, p.quiet_begins, p.quiet_ends, p.switched_off, p.reminders_off, p.plain_words, p.names_sensitive,
    CASE WHEN m.only_without_evidence THEN (
      SELECT coalesce(jsonb_agg(jsonb_build_array(o.channel, o.evidence)), '[]') FROM messages o
      WHERE o.subject_id = m.subject_id AND o.subject_version = m.subject_version AND o.kind = m.kind
        AND o.lead_minutes = m.lead_minutes AND o.recipient_id = m.recipient_id AND o.channel <> m.channel
    ) END AS elsewhere,
    m.channel = 'sms' AND m.urgency > 0 AND (
      SELECT count(*) FROM messages o
      WHERE o.recipient_id = m.recipient_id AND o.channel = 'sms' AND o.attempt > 0 AND o.changed_at >= :today
        AND o.id <> m.id
    ) >= :most AS over_cap
"""
"""What is known of the subject and the reader of a message `m`; `_OF_IT` joins it."""

_OF_IT = """
    LEFT JOIN known_bookings k ON k.booking_id = m.subject_id
    LEFT JOIN known_notices n ON n.subject_id = m.subject_id
    LEFT JOIN preferences p ON p.account_id = m.recipient_id
    LEFT JOIN recipient_keys r ON r.account_id = m.recipient_id
    LEFT JOIN copies c ON c.account_id = k.account_id AND c.reader_id = m.recipient_id AND c.state = 'agreed'
    CROSS JOIN LATERAL (
      SELECT CASE WHEN k.account_id <> m.recipient_id THEN c.contact ELSE coalesce(k.contact, n.contact) END AS contact
    ) w
"""

_IN_LINE = """
    SELECT {columns} FROM messages
    WHERE channel = :channel AND urgency = ANY(CAST(:lanes AS smallint[])) AND visible_at <= :now
      AND state IN ('planned', 'claimed')
    ORDER BY urgency, visible_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
"""
"""One walk along the index, lane by lane, that ends at the limit."""

_COLUMNS = (
    "id, subject_id, subject_version, kind, lead_minutes, recipient_id, channel, urgency, expires_at, state, lease_token,"
    " attempt, sealed, visible_at, late_from, only_without_evidence"
)

_DUE = text(f"""
    SELECT m.*, {_KNOWN} FROM ({_IN_LINE.format(columns=_COLUMNS)}) m {_OF_IT} ORDER BY m.urgency, m.visible_at, m.id
""")  # noqa: S608 - of constants alone

# ANY(ARRAY(…)): however many rows are waiting, the plan is a look at the index for each of these. What another worker has
# taken meanwhile is no longer as it was found; IS TRUE, so that nobody looks for that in an index.
_CLAIM = text(f"""
    WITH due AS MATERIALIZED ({_IN_LINE.format(columns="id, visible_at")}),
    taken AS (
      UPDATE messages SET state = 'claimed', why = :why, lease_token = :token, visible_at = :until, changed_at = :now
      WHERE id = ANY(ARRAY(SELECT id FROM due)) AND (state IN ('planned', 'claimed') AND visible_at <= :now) IS TRUE
      RETURNING {_COLUMNS}
    ), half AS (
      SELECT {_COLUMNS} FROM messages WHERE channel = :channel AND state = 'sending' AND visible_at <= :now
      ORDER BY visible_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
    ), m AS (
      SELECT * FROM half UNION ALL SELECT * FROM taken
    )
    SELECT m.*, {_KNOWN} FROM m {_OF_IT} LEFT JOIN due ON due.id = m.id
    ORDER BY m.state DESC, m.urgency, due.visible_at, m.id
""")  # noqa: S608 - as above

_WAITING = prepared("""
    SELECT c.channel FROM unnest(CAST(:channels AS text[])) AS c(channel)
    CROSS JOIN LATERAL (
      (SELECT id FROM messages m
       WHERE m.channel = c.channel AND m.urgency = ANY(CAST(:lanes AS smallint[])) AND m.visible_at <= :now
         AND m.state IN ('planned', 'claimed')
       ORDER BY m.urgency, m.visible_at, m.id LIMIT 1)
      UNION ALL
      (SELECT id FROM messages m
       WHERE m.channel = c.channel AND m.state = 'sending' AND m.visible_at <= :now
       ORDER BY m.visible_at, m.id LIMIT 1)
    ) found
""")

_MOVE = text("""
    WITH moved AS (
      UPDATE messages m SET
        state = v.state, why = v.why, lease_token = v.token, visible_at = coalesce(v.visible_at, m.visible_at),
        evidence = greatest(m.evidence, v.evidence), template = coalesce(v.template, m.template),
        template_version = coalesce(v.template_version, m.template_version),
        fingerprint = coalesce(v.fingerprint, m.fingerprint),
        sealed = CASE WHEN v.keeps_sealed THEN m.sealed END, changed_at = :now
      FROM unnest(CAST(:ids AS uuid[]), CAST(:befores AS text[]), CAST(:helds AS uuid[]), CAST(:states AS text[]),
                  CAST(:whys AS text[]), CAST(:tokens AS uuid[]), CAST(:visible_ats AS timestamptz[]),
                  CAST(:evidences AS smallint[]), CAST(:templates AS text[]), CAST(:template_versions AS smallint[]),
                  CAST(:fingerprints AS bytea[]), CAST(:keeps_sealeds AS boolean[]), CAST(:loggeds AS boolean[]),
                  CAST(:attempts AS smallint[]))
        AS v(id, before, held, state, why, token, visible_at, evidence, template, template_version, fingerprint,
             keeps_sealed, logged, attempt)
      WHERE m.id = v.id AND m.state = v.before AND m.attempt = v.attempt
        AND m.lease_token IS NOT DISTINCT FROM v.held
      RETURNING m.id, m.subject_id, m.subject_version, m.state, m.why, m.evidence, v.logged
    ), noted AS (
      INSERT INTO decisions (at, subject_id, subject_version, message_id, state, why)
      SELECT :now, subject_id, subject_version, id, state, why FROM moved WHERE logged ORDER BY id
    )
    SELECT id, evidence FROM moved
""")

_START = text("""
    WITH started AS (
      UPDATE messages m SET state = :sending, attempt = m.attempt + 1, visible_at = :lease_until, changed_at = :now
      FROM unnest(CAST(:ids AS uuid[]), CAST(:tokens AS uuid[]), CAST(:providers AS text[]),
                  CAST(:told_ins AS uuid[])) AS v(id, token, provider, told_in)
      WHERE m.id = v.id AND m.lease_token = v.token AND m.state = :claimed AND m.expires_at > :now
        AND NOT EXISTS (SELECT FROM known_bookings k
                        WHERE k.booking_id = m.subject_id AND k.version <> m.subject_version)
        AND NOT EXISTS (SELECT FROM known_notices n
                        WHERE n.subject_id = m.subject_id AND n.version <> m.subject_version)
      RETURNING m.id, m.attempt, v.provider, v.told_in
    )
    INSERT INTO attempts (message_id, number, provider, told_in, started_at)
    SELECT id, attempt, provider, told_in, :now FROM started
    RETURNING message_id, number
""")

_FINISH = text("""
    UPDATE attempts a SET finished_at = :now, verdict = v.verdict, why = v.why, code = v.code, reference = v.reference
    FROM unnest(CAST(:ids AS uuid[]), CAST(:numbers AS smallint[]), CAST(:verdicts AS text[]), CAST(:whys AS text[]),
                CAST(:codes AS text[]), CAST(:references AS text[])) AS v(id, number, verdict, why, code, reference)
    WHERE a.message_id = v.id AND a.number = v.number AND (a.verdict IS NULL OR a.verdict = 'unknown')
""")


_UNLOGGED = frozenset({Action.CLAIM, Action.RELEASE})
_LANES = [urgency.value for urgency in Urgency]


async def plan(
    tx: AsyncConnection, planned: Sequence[Planned], event_id: UUID | None, now: datetime, sealed: str | None = None
) -> int:
    """Keep `planned`, each once for its business key; return how many were new. `sealed` content goes with each."""
    if not planned:
        return 0
    rows = {
        "ids": [new_id() for _ in planned],
        "subject_ids": [message.key.subject_id for message in planned],
        "subject_versions": [message.key.subject_version for message in planned],
        "kinds": [message.key.kind.value for message in planned],
        "lead_minutes": [message.key.lead_minutes for message in planned],
        "recipient_ids": [message.key.recipient_id for message in planned],
        "channels": [message.key.channel.value for message in planned],
        "urgencies": [message.urgency.value for message in planned],
        "due_ats": [message.due_at for message in planned],
        "expires_ats": [message.expires_at for message in planned],
        "visible_ats": [message.visible_at or message.due_at for message in planned],
        "late_froms": [message.late_from for message in planned],
        "onlys": [message.only_without_evidence for message in planned],
        "states": [message.state.value for message in planned],
        "whys": [message.why.value for message in planned],
    }
    made = await tx.execute(_PLAN, {**rows, "event_id": event_id, "now": now, "sealed": sealed})
    return len(made.all())


async def supersede(tx: AsyncConnection, subject: tuple[UUID, int], why: Why, event_id: UUID, now: datetime) -> int:
    """End every message about `subject` (its id, its newest version) of an older version that can still be stopped.

    Returns how many there were. What is being sent at this moment is not among them: for it, it is too late.
    """
    facts = {
        "subject_id": subject[0],
        "version": subject[1],
        "why": why.value,
        "event_id": event_id,
        "now": now,
        "superseded": State.SUPERSEDED.value,
        "recallable": [state.value for state in sorted(RECALLABLE)],
    }
    return len((await tx.execute(_SUPERSEDE, facts)).all())


async def said(tx: AsyncConnection, subject: tuple[UUID, int], recipient_id: UUID, now: datetime) -> frozenset[Channel]:
    """Return the channels that told somebody, or may have, of an older version of `subject` in words still in use."""
    facts = {"subject_id": subject[0], "version": subject[1], "recipient_id": recipient_id, "now": now}
    return frozenset(Channel(row.channel) for row in await tx.execute(_SAID, facts))


async def note_silence(tx: AsyncConnection, subject: tuple[UUID, int], why: Why, event_id: UUID, now: datetime) -> None:
    """Write down why an event made us say nothing."""
    facts = {"subject_id": subject[0], "version": subject[1], "why": why.value, "event_id": event_id, "now": now}
    await tx.execute(_SILENCE, facts)


async def waiting(connection: AsyncConnection, now: datetime) -> frozenset[Channel]:
    """Return the channels on which there is something to do; nothing is locked."""
    facts = {"channels": [channel.value for channel in Channel], "lanes": _LANES, "now": now}
    return frozenset(Channel(row["channel"]) for row in await fetch(connection, _WAITING, facts))


async def due(tx: AsyncConnection, channel: Channel, now: datetime, limit: int) -> list[Due]:
    """Return up to `limit` messages of a channel whose time has come, locked until the commit.

    The most urgent lane comes first, so that a wall of reminders never stands before a sign-in code; in each lane the
    longest waiting. Those that another worker has locked are passed over.
    """
    return [read_due(row) for row in await tx.execute(_DUE, _line(channel, now, limit))]


async def claim(tx: AsyncConnection, channel: Channel, lease: Lease, now: datetime, limit: int) -> list[Due]:
    """Return what `due` does, and take it under `lease` in the same statement.

    Before it, and up to `limit` beside it, stands what was found in `sending`. It is not taken: its worker died, and nobody
    may send it again as if nothing had happened. So it never waits behind a wall of what was not begun.
    """
    facts = {**_line(channel, now, limit), "token": lease.token, "until": lease.until, "why": Why.TAKEN.value}
    return [read_due(row) for row in await tx.execute(_CLAIM, facts)]


def _line(channel: Channel, now: datetime, limit: int) -> dict[str, Any]:
    today = now.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
    facts = {"channel": channel.value, "lanes": _LANES, "now": now, "limit": limit}
    return {**facts, "today": today, "most": MOST_A_DAY}


async def move(tx: AsyncConnection, moves: Sequence[Move], now: datetime) -> set[UUID]:
    """Apply `moves` to the messages that still stand as they were decided for; return the ids of those.

    What they prove of a message about a booking is told to the world in the same transaction.
    """
    if not moves:
        return set()
    rows: dict[str, list[Any]] = {
        "ids": [one.due.id for one in moves],
        "befores": [one.due.state.value for one in moves],
        "helds": [one.due.lease_token for one in moves],
        "states": [one.after.value for one in moves],
        "whys": [one.why.value for one in moves],
        "tokens": [one.lease.token if one.lease else None for one in moves],
        "visible_ats": [one.lease.until if one.lease else one.visible_at for one in moves],
        "evidences": [one.evidence.value for one in moves],
        "templates": [one.said.template if one.said else None for one in moves],
        "template_versions": [one.said.version if one.said else None for one in moves],
        "fingerprints": [one.said.fingerprint if one.said else None for one in moves],
        "keeps_sealeds": [one.after in KEEPS_SEALED for one in moves],
        "attempts": [one.due.attempt for one in moves],
        "loggeds": [one.action not in _UNLOGGED for one in moves],
    }
    known = {row.id: Evidence(row.evidence) for row in await tx.execute(_MOVE, {**rows, "now": now})}
    await evidence.tell_of_moves(tx, [(one, known[one.due.id]) for one in moves if one.due.id in known], now)
    return set(known)


async def start(
    tx: AsyncConnection, dues: Sequence[Due], lease: Lease, providers: Sequence[str], now: datetime
) -> dict[UUID, int]:
    """Record that `dues`, claimed under `lease`, are about to be sent, each by the provider at the same place.

    Whatever is told together with one is started with it, and remembers whose letter carries it. Returns the number of
    each attempt by message id.

    This is the second look at the version: a message whose booking has moved on, that has expired, or whose lease is
    lost is not among the returned and must not be sent. The lease is renewed until `lease.until`.
    """
    parts = [(one, due, provider) for due, provider in zip(dues, providers, strict=True) for one in all_of(due)]
    facts = {
        "ids": [one.id for one, _, _ in parts],
        "tokens": [lease.token for _ in parts],
        "told_ins": [None if one.id == leading.id else leading.id for one, leading, _ in parts],
        "sending": State.SENDING.value,
        "claimed": State.CLAIMED.value,
        "lease_until": lease.until,
        "providers": [provider for _, _, provider in parts],
        "now": now,
    }
    return {row.message_id: row.number for row in await tx.execute(_START, facts)}


async def finish(tx: AsyncConnection, ended: Iterable[tuple[Due, Outcome]], now: datetime) -> None:
    """Write the outcomes of attempts: each message's last one. What is known for certain is never overwritten."""
    ends = list(ended)
    if not ends:
        return
    facts = {
        "ids": [one.id for one, _ in ends],
        "numbers": [one.attempt for one, _ in ends],
        "verdicts": [outcome.verdict.value for _, outcome in ends],
        "whys": [outcome.why.value for _, outcome in ends],
        "codes": [outcome.code for _, outcome in ends],
        "references": [outcome.reference for _, outcome in ends],
        "now": now,
    }
    await tx.execute(_FINISH, facts)


def read_due(row: Row[Any]) -> Due:
    """Return the message in a row of `messages`, joined with what is known of its booking and its reader."""
    wanted = DEFAULTS if row.version is None else read_preferences(row)
    return Due(
        id=row.id,
        key=BusinessKey(
            subject_id=row.subject_id,
            subject_version=row.subject_version,
            kind=Kind(row.kind),
            lead_minutes=row.lead_minutes,
            recipient_id=row.recipient_id,
            channel=Channel(row.channel),
        ),
        urgency=Urgency(row.urgency),
        expires_at=row.expires_at,
        state=State(row.state),
        lease_token=row.lease_token,
        attempt=row.attempt,
        sealed=row.sealed,
        known_version=row.known_version,
        appointment=read_appointment(row.appointment),
        contact=row.contact,
        over_cap=row.over_cap,
        notice=read_notice(row.notice),
        late_from=row.late_from,
        elsewhere=_elsewhere(row.elsewhere),
        preferences=replace(wanted, names_sensitive=False) if row.copied else wanted,
        copied=row.copied,
        copy_stands=row.copy_stands,
    )


def _elsewhere(pairs: list[tuple[str, int]] | None) -> tuple[tuple[Channel, Evidence], ...] | None:
    return None if pairs is None else tuple((Channel(channel), Evidence(evidence)) for channel, evidence in pairs)
