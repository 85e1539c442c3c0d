"""The law of a draw: who comes first is settled by what nobody could choose, and anybody can work it out again.

    commitment = SHA-256(seed), published when the round opens; the seed itself only after the round has closed
    line       = `<id> <party> <people> <slot>[,<slot>…] <contents>`, one for each request
    digest     = SHA-256 of the heading and the lines sorted by id, published with the seed
    order      = the requests by HMAC-SHA256(seed, line), the smallest first

Threat model: whoever runs the house cannot choose the winners after seeing the requests, because the seed is fixed by its
commitment before the first one comes and decides alone. Nobody can choose after seeing the seed, because by then the
round is closed, and each entrant holds the line of their request, which has to be among those published.

What it does not do: who can read the seed in the database before the close could try out requests of their own.
`contents` commits to the people and their answers under a salt that only the entrant is told, so that a published line
names nobody, and yet nobody can be put in another's place.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

SEED_BYTES = 32
SALT_BYTES = 16
SLOTS_MOST = 3
"""Slots that one request may name, in order of preference."""

HEADING = "yuyue draw 1"
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A request as it is published: it names no person. `contents` is what `contents_of` returned (64 hex digits)."""

    id: UUID
    party: str
    people: int
    slot_ids: tuple[UUID, ...]
    contents: str

    @property
    def line(self) -> str:
        """The canonical request line."""
        return f"{self.id} {self.party} {self.people} {','.join(map(str, self.slot_ids))} {self.contents}"


def commitment_of(seed: bytes) -> str:
    """Return what is published of a seed before it is known, as 64 hex digits.

    Raises:
        ValueError: a seed is 32 bytes.
    """
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a seed is {SEED_BYTES} bytes")
    return hashlib.sha256(seed).hexdigest()


def contents_of(salt: bytes, person_ids: Sequence[UUID], declarations: Mapping[str, str]) -> str:
    """Return the commitment to who comes and what they declared, as 64 hex digits; equal only for equal contents."""
    contents = {"declarations": dict(declarations), "people": [str(one) for one in person_ids], "salt": salt.hex()}
    written = json.dumps(contents, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(written.encode()).hexdigest()


def digest_of(round_id: UUID, commitment: str, entries: Iterable[Entry]) -> str:
    """Return the digest of a round's set of requests, in whatever order they are given, as 64 hex digits."""
    lines = sorted(entry.line for entry in entries)
    return hashlib.sha256("\n".join([HEADING, str(round_id), commitment, *lines]).encode()).hexdigest()


def order_of(seed: bytes, entries: Iterable[Entry]) -> list[UUID]:
    """Return the requests' ids in the order that the seed gives them."""
    return [entry.id for entry in sorted(entries, key=lambda entry: (_lot(seed, entry), entry.id))]


def _lot(seed: bytes, entry: Entry) -> bytes:
    return hmac.new(seed, entry.line.encode(), hashlib.sha256).digest()


def first_difference(document: Mapping[str, object]) -> str | None:
    """Return the first thing in a published round that does not follow from its seed and requests; None where all does.

    Raises:
        ValueError: the document is not a round that was drawn.
    """
    try:
        return next(_Published.read(document).differences(), None)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"this is not the document of a round that was drawn: {error!r}") from error


def _hex(value: object, size: int) -> bytes:
    if not isinstance(value, str) or len(value) != 2 * size or not set(value) <= _HEX:
        raise ValueError(f"not {2 * size} hexadecimal digits: {value!r}")
    return bytes.fromhex(value)


def _rows(value: object) -> list[Mapping[str, object]]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError("not a list of objects")
    return value


def _entry(row: Mapping[str, object]) -> Entry:
    slots, people = row["slots"], row["people"]
    if not isinstance(slots, list) or not isinstance(people, int) or not str(row["party"]).isidentifier():
        raise TypeError(f"not a request: {row!r}")
    return Entry(
        id=UUID(str(row["id"])),
        party=str(row["party"]),
        people=people,
        slot_ids=tuple(UUID(str(one)) for one in slots),
        contents=_hex(row["contents"], 32).hex(),
    )


@dataclass(frozen=True, slots=True)
class _Published:
    """What `first_difference` looks at; entries in the order in which they are published."""

    round_id: UUID
    commitment: str
    seed: bytes
    digest: str
    requests: int
    slot_ids: frozenset[UUID]
    entries: Sequence[Entry]
    rows: Sequence[Mapping[str, object]]

    @classmethod
    def read(cls, document: Mapping[str, object]) -> "_Published":
        rows = _rows(document["entries"])
        requests = document["requests"]
        if not isinstance(requests, int):
            raise TypeError("`requests` is not a number")
        return cls(
            round_id=UUID(str(document["id"])),
            commitment=_hex(document["commitment"], 32).hex(),
            seed=_hex(document["seed"], SEED_BYTES),
            digest=_hex(document["digest"], 32).hex(),
            requests=requests,
            slot_ids=frozenset(UUID(str(one["slot_id"])) for one in _rows(document["slots"])),
            entries=[_entry(row) for row in rows],
            rows=rows,
        )

    def differences(self) -> Iterator[str]:
        computed = commitment_of(self.seed)
        if computed != self.commitment:
            yield f"commitment: published {self.commitment}, the seed gives {computed}"
        if self.requests != len(self.entries):
            yield f"requests: published {self.requests}, there are {len(self.entries)}"
        computed = digest_of(self.round_id, self.commitment, self.entries)
        if computed != self.digest:
            yield f"digest: published {self.digest}, the requests give {computed}"
        for place, (entry, expected) in enumerate(
            zip(self.entries, order_of(self.seed, self.entries), strict=True), start=1
        ):
            if entry.id != expected:
                yield f"place {place}: published {entry.id}, the seed gives {expected}"
        for place, (row, entry) in enumerate(zip(self.rows, self.entries, strict=True), start=1):
            if row["place"] != place:
                yield f"request {entry.id}: published place {row['place']}, it stands at {place}"
            yield from self._outcome_differences(row, entry)

    def _outcome_differences(self, row: Mapping[str, object], entry: Entry) -> Iterator[str]:
        """Preferences are tried in their order, each is answered for, and the place given is the next one."""
        passed = [UUID(str(one["slot_id"])) for one in _rows(row["passed"])]
        wishes, outcome = list(entry.slot_ids), row["outcome"]
        if not set(wishes) <= self.slot_ids:
            yield f"request {entry.id}: names a slot that is not in this round"
        if passed != wishes[: len(passed)]:
            yield f"request {entry.id}: its slots were not tried in the order that it asks for"
        elif outcome == "booked" and wishes[len(passed) : len(passed) + 1] != [UUID(str(row["slot_id"]))]:
            yield f"request {entry.id}: booked into {row['slot_id']}, which is not its next wish"
        elif outcome == "passed_over" and passed != wishes:
            yield f"request {entry.id}: passed over, but not every slot that it names was tried"
