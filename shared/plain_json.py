"""JSON of what the services themselves made, written fast: dataclasses, UUIDs, moments and enumerations as they are.

Texts in it are Unicode already, since they came through the database or a checked request; what arrives from outside is
read by `shared.web.document`. Dataclasses that are written by the thousand have no slots: those of a booking's answer and
its event take half the time without.
"""

from typing import Any
from uuid import UUID

import orjson


def write_json(value: Any) -> bytes:
    """Write `value` as JSON in UTF-8; moments keep their offset, and UTC is written as Z.

    Raises:
        TypeError: if something in it has no form in JSON.
    """
    return orjson.dumps(value, default=_plain, option=orjson.OPT_UTC_Z)


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):  # the driver's own kind of it
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
