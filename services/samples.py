"""Sample sign-ins for a system on one machine: made once, marked as samples, readable by their owner alone."""

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from services.booking.commands.accounts import SAMPLE, NewAccount, ensure_sample_accounts
from services.booking.domain.account import AT_VENUES, Role
from services.booking.store.catalogue import read_catalogue
from services.house import write_private
from shared.clock import system_clock
from shared.db import create_engine
from shared.sealing import Vault

FILE = "sample-accounts.json"
PHONES = ("+8613900000001", "+8613900000002", "+8613900000003")
ROLES = (Role.STAFF, Role.SCHEDULER, Role.ADMINISTRATOR)


@dataclass(frozen=True, slots=True)
class Samples:
    """Residents by phone; those who work here by login and password. `venues` are all of the city's."""

    phones: tuple[str, ...]
    passwords: dict[Role, str] = field(repr=False)
    venues: frozenset[str]

    def login(self, role: Role) -> str:
        """Return the login of the sample account with this role."""
        return f"{SAMPLE}{role.value}"


async def ensure_samples(database_url: str, data: Path) -> Samples:
    """Make the sample accounts that are missing, and the file that tells of them."""
    engine = create_engine(database_url, application_name="yuyue-samples")
    try:
        async with engine.connect() as connection:
            venues = frozenset((await read_catalogue(connection)).venues)
        samples = Samples(PHONES, _passwords(data / FILE), venues)
        staff = [
            NewAccount(
                login=samples.login(role),
                password=password,
                role=role,
                venues=venues if role in AT_VENUES else frozenset(),
            )
            for role, password in samples.passwords.items()
        ]
        await ensure_sample_accounts(engine, Vault(data / "keys"), samples.phones, staff, system_clock())
    finally:
        await engine.dispose()
    _write(data / FILE, samples)
    return samples


def _passwords(path: Path) -> dict[Role, str]:
    """Return the passwords of an earlier start, and new ones for roles that have none."""
    try:
        known = {one["role"]: one["password"] for one in json.loads(path.read_text(encoding="utf-8"))["staff"]}
    except FileNotFoundError:
        known = {}
    return {role: known.get(role.value) or secrets.token_urlsafe(9) for role in ROLES}


def _write(path: Path, samples: Samples) -> None:
    document = {
        "sample": True,
        "residents": [{"phone": phone} for phone in samples.phones],
        "staff": [
            {
                "login": samples.login(role),
                "password": password,
                "role": role.value,
                "venues": sorted(samples.venues) if role in AT_VENUES else [],
            }
            for role, password in samples.passwords.items()
        ],
    }
    write_private(path, json.dumps(document, ensure_ascii=False, indent=1))
