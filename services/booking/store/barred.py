"""The bars of a person, as the desk meets them: one probe of a small partial index, in the statement that reads people.

Bars that have ended are read, too, until the sweep has told of their end: whether one covers a visit is the core's question.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.booking.domain.penalty import Barred

BARS_OF_PERSON = (
    "(SELECT jsonb_agg(jsonb_build_object('id', q.id, 'scope', q.scope, 'since', q.barred_since, 'until', q.barred_until,"
    " 'threshold', q.threshold, 'because', q.because) ORDER BY q.barred_until DESC)"
    " FROM penalties q WHERE q.person_id = p.id AND q.barred_until IS NOT NULL)"
)
"""For a statement in which `p` is a row of `persons`."""


def bars_of(document: Sequence[dict[str, Any]]) -> tuple[Barred, ...]:
    """Return what `BARS_OF_PERSON` read."""
    return tuple(
        Barred(
            penalty_id=UUID(one["id"]),
            scope=one["scope"],
            since=datetime.fromisoformat(one["since"]),
            until=datetime.fromisoformat(one["until"]),
            threshold=one["threshold"],
            because=tuple(one["because"]),
        )
        for one in document
    )
