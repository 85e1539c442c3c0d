"""A "no" names its reason: `Refused` is the one exception a rule raises. Pure: standard library only.

The core gives the reason and the facts; the edge gives the status and the words, in zh-CN and English.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

_NO_FACTS: Mapping[str, Any] = MappingProxyType({})


class Refused(Exception):  # noqa: N818 - "refused" is the word of the house; it is an answer, not a fault
    """A rule says no.

    Args:
        reason: the stable code, a member of the raising service's own `Reason` enumeration.
        field: the request field at fault as a JSON pointer (`/people/0/document/number`), where there is one.
        facts: what the words need and what the person can do next (times, limits, nearest free slots); JSON values,
            datetimes or dates only.
    """

    def __init__(self, reason: StrEnum, /, *, field: str | None = None, **facts: Any) -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field
        self.facts: Mapping[str, Any] = facts or _NO_FACTS

    def __repr__(self) -> str:
        return f"Refused({self.reason!s}, field={self.field!r}, facts={dict(self.facts)!r})"
