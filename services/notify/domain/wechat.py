"""WeChat's message templates: which of our words stand in which of their fields, and how long each may be. Pure.

The law: a field's name says its kind (`thing1`, `time2`), its kind says what it holds, and one wrong field loses the
whole message (47003). What may be cut is cut, with an ellipsis; what would mean something else when cut is refused.
The words of a sensitive service come from the neutral variables alone, which the mapping's name asks for.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from services.notify.domain.message import Kind
from services.notify.domain.rendering import Wording
from services.notify.domain.vocabulary import VARIABLES

_FIELD = re.compile(r"([a-z_]+?)(\d{1,2})")


@dataclass(frozen=True, slots=True)
class Limit:
    """What a kind of field holds: so many characters of this form, and whether it may be cut."""

    most: int
    form: re.Pattern[str]
    cut: bool


_ANYTHING = re.compile(r"[^\n]+")
LIMITS: Mapping[str, Limit] = MappingProxyType(
    {
        "thing": Limit(20, _ANYTHING, cut=True),
        "phrase": Limit(5, re.compile(r"[一-鿿]+"), cut=False),
        "name": Limit(20, _ANYTHING, cut=True),
        "number": Limit(32, re.compile(r"[\d.]+"), cut=False),
        "letter": Limit(32, re.compile(r"[A-Za-z]+"), cut=False),
        "symbol": Limit(5, re.compile(r"[!-/:-@\[-`{-~]+"), cut=False),
        "character_string": Limit(32, re.compile(r"[!-~ ]+"), cut=False),
        "time": Limit(
            32, re.compile(r"(\d{4}年\d{1,2}月\d{1,2}日 ?)?\d{1,2}:\d{2}|\d{4}-\d\d-\d\d \d\d:\d\d"), cut=False
        ),
        "date": Limit(
            32, re.compile(r"\d{4}年\d{1,2}月\d{1,2}日( \d{1,2}:\d{2})?|\d{4}-\d\d-\d\d( \d\d:\d\d)?"), cut=False
        ),
        "const": Limit(20, _ANYTHING, cut=False),
    }
)

LOCAL_START = "local_start"
"""A variable of these templates alone: the time as `2026-11-28 16:30`, the form that their fields ask for."""


class Misfit(ValueError):  # noqa: N818 - it says what the value is
    """A value that its field cannot hold, or a mapping that cannot work."""


@dataclass(frozen=True, slots=True)
class WechatTemplate:
    """An approved template: the provider's id, and the variable of ours that each of its fields shows."""

    id: str
    fields: Mapping[str, str]


def template_name(kind: Kind, wording: Wording) -> str:
    """Return the name under which the operator maps a template."""
    return f"{kind.value}/{wording.ordinary.value}"


def check(name: str, template: WechatTemplate) -> None:
    """Check a mapping when it is loaded, for a fault at the first message would be late.

    Raises:
        Misfit: naming what is wrong.
    """
    kind, _, wording = name.partition("/")
    try:
        variables = VARIABLES[Kind(kind)][Wording(wording)]
    except (ValueError, KeyError):
        raise Misfit(f"{name}: there is no such message") from None
    known = {variable.name for variable in variables} | {LOCAL_START}
    for field, variable in template.fields.items():
        if _kind_of(field) is None:
            raise Misfit(f"{name}: {field} is no field of WeChat's")
        if variable not in known:
            raise Misfit(f"{name}: {field} may not show {variable}")
    if not template.id or not template.fields:
        raise Misfit(f"{name}: an id and at least one field")


def data_of(template: WechatTemplate, values: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the `data` of a message, each value fitted to its field.

    Raises:
        Misfit: a value cannot stand in its field.
    """
    return {field: {"value": fitted(field, values[variable])} for field, variable in template.fields.items()}


def fitted(field: str, value: str) -> str:
    """Return `value` as `field` can hold it.

    Raises:
        Misfit: it cannot.
    """
    limit = _kind_of(field)
    if limit is None:
        raise Misfit(f"{field} is no field of WeChat's")
    found = " ".join(value.split()) or "—"
    if len(found) > limit.most and limit.cut:
        found = found[: limit.most - 1].rstrip() + "…"
    if len(found) > limit.most or not limit.form.fullmatch(found):
        raise Misfit(f"{field} cannot hold this value")
    return found


def _kind_of(field: str) -> Limit | None:
    found = _FIELD.fullmatch(field)
    return LIMITS.get(found[1]) if found else None
