"""Addresses that wait to be proved, and the codes and links sent to them: by fingerprint, never in clear text."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, delete, insert, select, update

from services.booking.domain.one_time_code import DAY
from services.booking.store.database import Connection
from services.booking.tables import contact_proofs

_KEPT = 7 * DAY
"""What was never proved is forgotten after so long; its codes have long ceased to count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactProof:
    """An address that was given, with the code and the link that prove it."""

    id: UUID
    account_id: UUID
    address_fingerprint: bytes
    address_sealed: str
    code_fingerprint: bytes
    link_fingerprint: bytes
    created_at: datetime
    expires_at: datetime
    tries: int = 0
    used_at: datetime | None = None
    dropped_at: datetime | None = None

    @property
    def waits(self) -> bool:
        """Whether its address still waits to be proved, with this code or a newer one."""
        return self.used_at is None and self.dropped_at is None


async def sent_to_account(tx: Connection, account_id: UUID, now: datetime) -> list[datetime]:
    """Return when codes were sent for an account within a day, the oldest first."""
    return await _sent(tx, contact_proofs.c.account_id == account_id, now)


async def sent_to_address(tx: Connection, address_fingerprint: bytes, now: datetime) -> list[datetime]:
    """Return when codes were sent to an address within a day, the oldest first, whoever gave it."""
    return await _sent(tx, contact_proofs.c.address_fingerprint == address_fingerprint, now)


async def add_proof(tx: Connection, proof: ContactProof) -> None:
    """Write a new one."""
    await tx.execute(
        insert(contact_proofs).values(
            id=proof.id,
            account_id=proof.account_id,
            address_fingerprint=proof.address_fingerprint,
            address_sealed=proof.address_sealed,
            code_fingerprint=proof.code_fingerprint,
            link_fingerprint=proof.link_fingerprint,
            created_at=proof.created_at,
            expires_at=proof.expires_at,
        )
    )


async def newest_proof(tx: Connection, account_id: UUID) -> ContactProof | None:
    """Return the newest proof of an account if its address still waits; an older one is worth nothing."""
    query = (
        select(contact_proofs)
        .where(contact_proofs.c.account_id == account_id)
        .order_by(contact_proofs.c.created_at.desc(), contact_proofs.c.id.desc())
        .limit(1)
    )
    row = (await tx.execute(query)).first()
    proof = None if row is None else _proof(row)
    return proof if proof is not None and proof.waits else None


async def proof_by_link(tx: Connection, link_fingerprint: bytes) -> ContactProof | None:
    """Return what a link proves, whatever has become of it."""
    row = (
        await tx.execute(select(contact_proofs).where(contact_proofs.c.link_fingerprint == link_fingerprint))
    ).first()
    return None if row is None else _proof(row)


async def count_proof_try(tx: Connection, proof_id: UUID) -> None:
    """Count one wrong try."""
    more = update(contact_proofs).where(contact_proofs.c.id == proof_id).values(tries=contact_proofs.c.tries + 1)
    await tx.execute(more)


async def use_proof(tx: Connection, proof_id: UUID, now: datetime) -> None:
    """Mark it as used: it proves nothing twice."""
    await tx.execute(update(contact_proofs).where(contact_proofs.c.id == proof_id).values(used_at=now))


async def drop_proofs(tx: Connection, account_id: UUID, now: datetime) -> None:
    """Let no address of this account wait any more."""
    waiting = contact_proofs.c.used_at.is_(None) & contact_proofs.c.dropped_at.is_(None)
    await tx.execute(
        update(contact_proofs).where(contact_proofs.c.account_id == account_id, waiting).values(dropped_at=now)
    )


async def forget_proofs(tx: Connection, now: datetime) -> int:
    """Delete what proves nothing and counts no more; return how many that were."""
    return (await tx.execute(delete(contact_proofs).where(contact_proofs.c.expires_at < now - _KEPT))).rowcount


async def _sent(tx: Connection, whose: ColumnElement[bool], now: datetime) -> list[datetime]:
    query = (
        select(contact_proofs.c.created_at)
        .where(whose, contact_proofs.c.created_at > now - DAY)
        .order_by(contact_proofs.c.created_at)
    )
    return list((await tx.execute(query)).scalars())


def _proof(row: Row[Any]) -> ContactProof:
    return ContactProof(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public way to a row's names
