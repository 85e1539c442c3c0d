"""Lines for a screen of any width: Chinese and English wrapped as each is read, and identifiers kept short.

The law of this file: no line is wider than it may be, and no character of the text is lost. A Chinese character takes
two cells and a line may end after it; a Latin word is kept whole unless it is longer than a line by itself; no line
begins with a mark that closes something or ends with one that opens something.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from rich.cells import cell_len, chop_cells

_IDEOGRAPH = "\u2e80-\u303f\u3400-\u9fff\uf900-\ufaff\uff00-\uffef"
_PIECE = re.compile(rf"[{_IDEOGRAPH}]|[^\s{_IDEOGRAPH}]+|\s+")
_PARTS = re.compile(r"[^/?&=-]+[/?&=-]*|[/?&=-]+")
_NEVER_FIRST = frozenset("，。、；：？！）》」』】”’…％%,.;:?!)]}")
_NEVER_LAST = frozenset("（《「『【“‘([{")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{8}([0-9a-f]{4})")
_SECRETS = frozenset({"password", "access_token"})
_OF_A_DOCUMENT = frozenset({"number"})
NARROWEST = 20


def wrapped(text: str, width: int) -> list[str]:
    """Return `text` in lines of at most `width` cells (never less than `NARROWEST`); its own line ends stay."""
    return [line for paragraph in text.split("\n") for line in _wrapped(paragraph, max(width, NARROWEST))]


def _wrapped(paragraph: str, width: int) -> Iterator[str]:
    line = ""
    for piece in _pieces(paragraph, width):
        if line and cell_len(line) + cell_len(piece.rstrip()) > width:
            yield line.rstrip()
            line = piece.lstrip()
        else:
            line += piece
    yield line.rstrip()


def _pieces(paragraph: str, width: int) -> Iterator[str]:
    """Yield what must stay together: a word or a character, with its marks and the spaces that follow it."""
    held = ""
    for piece in _PIECE.findall(paragraph):
        if held and not piece.isspace() and piece[0] not in _NEVER_FIRST and held[-1] not in _NEVER_LAST:
            yield from _cut(held, width)
            held = ""
        held += piece
    if held:
        yield from _cut(held, width)


def _cut(piece: str, width: int) -> Iterator[str]:
    """Yield a piece that is too long for a line in parts: where an address may be parted, else anywhere."""
    if cell_len(piece.rstrip()) <= width:
        yield piece
        return
    for part in _PARTS.findall(piece.rstrip()):
        yield from chop_cells(part, width)


def padded(label: str, width: int) -> str:
    """Return `label` filled up with spaces to `width` cells."""
    return label + " " * max(0, width - cell_len(label))


def shortened(text: str) -> str:
    """Return `text` with each UUID cut down to its last four digits: they are for machines."""
    return _UUID.sub(r"…\1", text)


def body_line(body: Mapping[str, Any]) -> str:
    """Return a request's body on one line; secrets are left out and numbers of documents are masked."""
    return shortened(json.dumps(_masked(body), ensure_ascii=False))


def _masked(value: Any, name: str = "") -> Any:
    if isinstance(value, Mapping):
        return {key: _masked(one, str(key)) for key, one in value.items()}
    if isinstance(value, list):
        return [_masked(one) for one in value]
    if name in _SECRETS:
        return "…"
    if name in _OF_A_DOCUMENT and isinstance(value, str):
        return value[:3] + "…" + value[-2:]
    return value
