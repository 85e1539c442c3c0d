"""How long the words of each channel may be, and which characters they may not have. Pure.

The law: what a provider would refuse, or a phone cut off, is refused when the service starts: every template is tried
with its samples made two fifths longer, as much as a translation or a long name commonly needs. A name that is longer
still is cut with an ellipsis at the moment of sending, never refused.

Mainland text messages: 500 characters with the signature, charged by the 67; a variable has at most 35; no link, no
lenticular brackets (the provider sets the signature in them), nothing outside the basic plane.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil

LONGER = 1.4
"""By how much a sample is made longer to try whether a text still fits."""

_PADDING = "甲ä"
_LEAST_PRINTABLE = 0x20
_BASIC_PLANE = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most `most` characters; `forbidden` pieces may not stand in it; `lines`: it may have more than one."""

    most: int
    forbidden: tuple[str, ...] = ()
    lines: bool = False


TITLE = Limit(most=78)
"""A subject line that no mail program cuts, and the first line of a notification."""

BODY = Limit(most=2000, lines=True)
SMS_TEXT = Limit(most=201, forbidden=("【", "】", "http://", "https://"))
"""Three charged parts, less the signature."""

SMS_VARIABLE = Limit(most=35, forbidden=("【", "】", "http://", "https://"))


def faults(text: str, limit: Limit) -> Iterable[str]:
    """Return what is wrong with `text`, in words."""
    if len(text) > limit.most:
        yield f"{len(text)} characters, {limit.most} at most"
    for piece in limit.forbidden:
        if piece in text:
            yield f"may not have {piece}"
    for character in text:
        if character == "\n" and limit.lines:
            continue
        if ord(character) < _LEAST_PRINTABLE or ord(character) > _BASIC_PLANE:
            yield f"may not have U+{ord(character):04X}"


def longer(values: Mapping[str, str]) -> dict[str, str]:
    """Return `values`, each made two fifths longer, by characters of either script."""
    return {name: value + _padding(ceil(len(value) * LONGER) - len(value)) for name, value in values.items()}


def cut(value: str, most: int) -> str:
    """Return `value` in at most `most` characters."""
    return value if len(value) <= most else value[: most - 1] + "…"


def _padding(length: int) -> str:
    return (_PADDING * (length // len(_PADDING) + 1))[:length]
