"""What people type, on whatever keyboard: full-width letters and digits, spaces and hyphens mean the plain character."""

_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_LEFT_OUT = dict.fromkeys(
    [*map(ord, " \t\r\n-"), 0x00A0, 0x00AD, 0x3000, *range(0x2000, 0x2016), 0x202F, 0x2060, 0x2212, 0x30FC, 0xFEFF]
)
_LOWER_TO_UPPER = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}


def plain(text: str) -> str:
    """Return `text` with full-width characters folded, spaces and hyphens left out and a-z in upper case.

    Nothing else changes: `str.upper` and Unicode compatibility forms would turn characters that nobody meant (a dotless
    i, a circled digit) into valid ones.
    """
    return text.translate(_FULL_WIDTH).translate(_LEFT_OUT).translate(_LOWER_TO_UPPER)
