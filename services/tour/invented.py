"""People who do not exist, with documents, telephones and mailboxes that check out and belong to nobody.

- Identity numbers follow GB 11643-1999 to the check digit, under area code 210220 (Dalian's former 市区). It went out of
  use in 1983, and the first resident identity cards were issued in 1984: nobody can have been given such a number.
- Passport numbers are of Utopia, the issuing state of every specimen in ICAO Doc 9303.
- Telephone numbers are valid in the national numbering plan, from the range of satellite telephones (1740 0 to 5).
- Mailboxes are under example.com, which RFC 2606 keeps for examples.
"""

import secrets
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any

from stdnum.iso7064 import mod_11_2

AREA_OUT_OF_USE = "210220"
SATELLITE_TELEPHONES = "1740"
_DAYS_OF_BIRTH = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody to book for, as the front end would save them."""

    name: str
    relation: str
    document: dict[str, str] = field(repr=False)
    birth_date: date = field(repr=False)

    @property
    def as_saved(self) -> dict[str, Any]:
        """The body of `POST /api/v1/people`; a birth date only where the document carries none."""
        body: dict[str, Any] = {"name": self.name, "relation": self.relation, "document": self.document}
        if self.document["type"] == "passport":
            body["birth_date"] = self.birth_date.isoformat()
        return body


def chance() -> Random:
    """Return a source of chance that no two runs share."""
    return Random(secrets.randbits(128))  # noqa: S311 - it invents people; it keeps no secret


def resident(chance: Random, name: str, relation: str, *, born: int) -> Person:
    """Return somebody with a resident identity card, born in the year `born`."""
    birth_date = date(born, 1, 1) + timedelta(days=chance.randrange(_DAYS_OF_BIRTH))
    body = f"{AREA_OUT_OF_USE}{birth_date:%Y%m%d}{chance.randrange(1, 1000):03d}"
    number = body + mod_11_2.calc_check_digit(body)
    document = {"type": "resident_identity_card", "number": number}
    return Person(name=name, relation=relation, document=document, birth_date=birth_date)


def visitor(chance: Random, name: str, relation: str, *, born: int) -> Person:
    """Return somebody with a foreign passport, born in the year `born`."""
    birth_date = date(born, 1, 1) + timedelta(days=chance.randrange(_DAYS_OF_BIRTH))
    document = {"type": "passport", "number": f"UTO{chance.randrange(1_000_000):06d}"}
    return Person(name=name, relation=relation, document=document, birth_date=birth_date)


def phone(chance: Random) -> str:
    """Return a mobile number as one types it in mainland China: 11 digits."""
    return f"{SATELLITE_TELEPHONES}{chance.randrange(6_000_000):07d}"


def email(chance: Random, account: str) -> str:
    """Return a mailbox of this run's own."""
    return f"{account}.{chance.randrange(10**8):08d}@example.com"
