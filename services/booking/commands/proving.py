"""What it takes to change how somebody is reached, and the address of theirs that waits to be proved."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.booking.commands.sign_in import EMAIL
from services.booking.store.contact_proofs import newest_proof
from services.booking.store.database import Connection
from shared.sealing import Vault


@dataclass(frozen=True, slots=True)
class Proving:
    """The keys, our public address, and the time."""

    vault: Vault
    public_url: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """An address that waits to be proved, and until when what was sent there last is good."""

    email: str
    expires_at: datetime


async def waiting_of(tx: Connection, vault: Vault, account_id: UUID) -> Waiting | None:
    """Return the address of an account that waits to be proved."""
    proof = await newest_proof(tx, account_id)
    if proof is None:
        return None
    return Waiting(vault.open(proof.address_sealed, EMAIL).decode(), proof.expires_at)
