"""What is written into a statement as a literal is read by PostgreSQL as exactly that, whatever is in it."""

import json
from collections.abc import AsyncIterator
from datetime import UTC
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db import (
    array_literal,
    bytes_literal,
    create_engine,
    documents_array,
    documents_literal,
    driver_of,
    quoted,
)

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "uuid": st.uuids(),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "boolean": st.booleans(),
    "timestamptz": st.datetimes(timezones=st.just(UTC)),
}
PLAYED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
AWKWARD = [
    "",
    "null",
    "NULL",
    "'",
    "''; DROP TABLE slots; --",
    '"',
    "\\",
    "\\x41",
    "{",
    "}",
    ",",
    "a\nb\tc",
    "\x7f",
    "预约",
    "{}",
]


class Kind(StrEnum):
    PLAIN = "plain"
    AWKWARD = 'a"\\b'


@pytest.fixture
async def connection(plumbing_url: str) -> AsyncIterator[AsyncConnection]:
    engine = create_engine(plumbing_url, application_name="literals", pool_size=1)
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


async def read(connection: AsyncConnection, array: str, kind: str) -> Any:
    """Return the array as PostgreSQL understands it, in a statement without parameters."""
    return await driver_of(connection).fetchval(f"SELECT CAST('{quoted(array)}' AS {kind}[])")


@PLAYED
@given(data=st.data())
async def test_an_array_of_any_kind_comes_back_as_it_was(connection: AsyncConnection, data: st.DataObject) -> None:
    for kind, members in KINDS.items():
        values = data.draw(st.lists(st.none() | members, max_size=5), label=kind)
        assert await read(connection, array_literal(values), kind) == values


async def test_what_looks_like_notation_is_text(connection: AsyncConnection) -> None:
    assert await read(connection, array_literal(AWKWARD), "text") == AWKWARD
    assert await read(connection, array_literal([*AWKWARD, None]), "text") == [*AWKWARD, None]


async def test_members_of_an_enumeration_are_written_as_their_text(connection: AsyncConnection) -> None:
    assert await read(connection, array_literal([Kind.PLAIN, Kind.AWKWARD]), "text") == ["plain", 'a"\\b']
    assert await read(connection, array_literal([Kind.PLAIN, None]), "text") == ["plain", None]


async def test_the_driver_s_own_uuids_are_written_like_any_other(connection: AsyncConnection) -> None:
    found = await driver_of(connection).fetchval("SELECT ARRAY[gen_random_uuid(), gen_random_uuid()]")
    assert all(isinstance(one, UUID) for one in found)
    assert await read(connection, array_literal(found), "uuid") == found


@PLAYED
@given(
    documents=st.lists(st.dictionaries(TEXTS, TEXTS, max_size=3), max_size=4), texts=st.lists(st.binary(), max_size=4)
)
async def test_documents_and_bytes_come_back_as_they_were(
    connection: AsyncConnection, documents: list[dict[str, str]], texts: list[bytes]
) -> None:
    written = [json.dumps(one, ensure_ascii=False).encode() for one in documents]
    text = f"'{quoted(documents_literal(written))}'"
    query = f"SELECT {documents_array(text, 'jsonb')}"
    assert await driver_of(connection).fetchval(query) == documents
    assert await read(connection, bytes_literal(texts), "bytea") == texts


@pytest.mark.parametrize("documents", [[b""], [b"{}", b""], [b"{}", b'"\x1e"'], [b'"\0"']])
def test_what_is_no_json_is_not_taken_for_documents(documents: list[bytes]) -> None:
    with pytest.raises(ValueError, match="JSON"):
        documents_literal(documents)


def test_documents_that_are_not_utf_8_are_not_taken_for_documents() -> None:
    with pytest.raises(UnicodeDecodeError):
        documents_literal([b"{}", b'"\xe9"'])


def test_a_nul_is_refused_before_it_cuts_a_statement_off() -> None:
    with pytest.raises(ValueError, match="NUL"):
        quoted(array_literal(["a\0b"]))
