"""What a body says is what the careful reader reads, and fast."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.web.document import NameTwice, read_document, write_in_order

TEXTS = st.one_of(st.text(max_size=12), st.sampled_from(["a", "b", ":", '":"', "\\", "\ud800"]))
NUMBERS = st.one_of(st.integers(), st.floats(), st.integers(min_value=2**63, max_value=2**66))
DOCUMENTS = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=12,
)


@given(DOCUMENTS, st.booleans())
@example({"a": 2**64}, False)
@example({"a": ":"}, False)
def test_the_fast_reader_reads_what_the_careful_one_reads(document: Any, spaced: bool) -> None:
    written = json.dumps(document, indent=1 if spaced else None).encode()
    expected = json.loads(written)
    read = read_document(written)
    assert repr(read) == repr(expected)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 1}',
        b'{"a": {"b": 1, "b": 2}}',
        b'[{"a" : 1, "a" :2}]',
        b'{"a": ":", "b": 1, "b": 2}',
        b'{"x": "\\u003a", "b": 1, "\\u0062": 2}',
        b'{"a": [{"b": 1, "c": {"d": 1, "d": ":"}}]}',
    ],
)
def test_a_name_given_twice_is_found_however_it_is_written(body: bytes) -> None:
    with pytest.raises(NameTwice):
        read_document(body)


@pytest.mark.parametrize("body", [b"", b"{", b"{'a': 1}", b'{"a": 1,}', b"\xff", b"nul"])
def test_what_is_not_json_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each reader has a kind of its own
        read_document(body)


@given(st.dictionaries(st.text(max_size=4), st.one_of(st.text(max_size=6), st.integers(0, 9)), max_size=5))
def test_the_order_of_members_does_not_count(document: dict[str, Any]) -> None:
    turned = dict(reversed(document.items()))
    assert write_in_order(document) == write_in_order(turned)


def test_different_documents_are_written_differently() -> None:
    written = [write_in_order(one) for one in ({"a": "\ud800"}, {"a": "?"}, {"a": 2**70}, {"a": 2**70 + 1}, {"b": 1})]
    assert len(set(written)) == len(written)
