"""The embedded servers' passwords: made once per data folder, readable by its owner alone."""

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Passwords:
    """One password each for PostgreSQL's superuser, for the two services' roles and for NATS. URL-safe characters only."""

    postgres: str = field(repr=False)
    booking: str = field(repr=False)
    notify: str = field(repr=False)
    nats: str = field(repr=False)


def load_or_make(path: Path) -> Passwords:
    """Return the passwords in `path`, making them (0600) where there are none yet."""
    try:
        return Passwords(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        pass
    passwords = Passwords(*(secrets.token_urlsafe(24) for _ in range(4)))
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(asdict(passwords), file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    return passwords
