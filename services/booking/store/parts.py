"""Rows on their way into a statement: an array for each column, written as a literal, read with `unnest`.

So the statement's text never changes: PostgreSQL plans it once, and a batch of five hundred costs little more than a batch
of one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from shared.db import array_literal, bytes_literal, documents_array, documents_literal

DOCUMENT: Final = "DOCUMENT"
"""The kind of a column of JSON texts that PostgreSQL is to keep and not to look into. Like all JSON here, they come as bytes."""


def given(part: str, columns: Mapping[str, str]) -> str:
    """Return the rows of a part as a FROM item called `given`, in their order; they come as literals (`shared.db`)."""
    arrays = ", ".join(_array(f":{part}_{column}", kind) for column, kind in columns.items())
    return f"unnest({arrays}) WITH ORDINALITY AS given({names(columns)}, n)"


def _array(name: str, kind: str) -> str:
    of_documents = _OF_DOCUMENTS.get(kind)
    return f"CAST({name} AS {kind}[])" if of_documents is None else documents_array(name, of_documents)


_OF_DOCUMENTS: Mapping[str, str] = {DOCUMENT: "TEXT", "JSON": "JSON", "JSONB": "JSONB"}
"""Kinds of columns whose members are JSON texts, with their types in PostgreSQL."""
_LITERALS: Mapping[str, Callable[[Sequence[Any]], str]] = {
    **dict.fromkeys(_OF_DOCUMENTS, documents_literal),
    "BYTEA": bytes_literal,
}
"""How an array of a kind is written, where it is not `array_literal`."""


def names(columns: Iterable[str], prefix: str = "") -> str:
    """Return the names of columns as a list in SQL."""
    return ", ".join(f"{prefix}{column}" for column in columns)


def columns(part: str, columns: Mapping[str, str], rows: Sequence[tuple[Any, ...]]) -> Mapping[str, str]:
    """Return the rows of a part as what `given` reads them from: a name and an array for each column."""
    if not rows:  # of most parts, in most batches
        return _nothing(part, tuple(columns.items()))
    return {
        f"{part}_{column}": _LITERALS.get(kind, array_literal)(of_column)
        for (column, kind), of_column in zip(columns.items(), zip(*rows, strict=True), strict=True)
    }


@cache
def _nothing(part: str, columns: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    return {f"{part}_{column}": _LITERALS.get(kind, array_literal)(()) for column, kind in columns}
