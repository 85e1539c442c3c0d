"""What is wrong with a request, one entry for each fault, in words that a resident's front end may show as they are.

The codes are pydantic's, which are stable; a code without words of its own reads "not valid". What was sent is never
repeated: it may be a document number.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.contracts import Words
from shared.web.words import Language, pick

MOST_FAULTS = 20
_LONGEST_STEP = 64

_OTHER = Words("不是有效的值。", "is not valid.")
_WORDS: Mapping[str, Words] = {
    "missing": Words("必须填写。", "is required."),
    "extra_forbidden": Words("不是已知的字段。", "is not a known field."),
    "unknown_parameter": Words("不是已知的参数。", "is not a known parameter."),
    "repeated_parameter": Words("只能出现一次。", "may be given once only."),
    "not_together": Words(
        "不能与已给出的其他参数同时使用。", "cannot be used together with the other parameters given."
    ),
    "nul_character": Words("不能包含空字符 (U+0000)。", "must not contain the NUL character (U+0000)."),
    "repeated_name": Words("同一个对象中的名称只能出现一次。", "must not name one member of an object twice."),
    "json_invalid": Words("不是有效的 JSON。", "is not valid JSON."),
    "string_type": Words("应为文本。", "must be a text."),
    "string_unicode": Words("不是有效的 Unicode 文本。", "is not valid Unicode text."),
    "string_too_short": Words("至少 {min_length} 个字符。", "must have at least {min_length} characters."),
    "string_too_long": Words("最多 {max_length} 个字符。", "must have at most {max_length} characters."),
    "string_pattern_mismatch": Words("格式不正确。", "does not have the right form."),
    "too_short": Words("至少 {min_length} 项。", "must have at least {min_length} items."),
    "too_long": Words("最多 {max_length} 项。", "must have at most {max_length} items."),
    "enum": Words("应为以下之一：{expected}。", "must be one of {expected}."),
    "literal_error": Words("应为以下之一：{expected}。", "must be one of {expected}."),
    "int_type": Words("应为整数。", "must be a whole number."),
    "int_parsing": Words("应为整数。", "must be a whole number."),
    "int_from_float": Words("应为整数。", "must be a whole number."),
    "int_parsing_size": Words("数值过大。", "is too large a number."),
    "bool_type": Words("应为 true 或 false。", "must be true or false."),
    "bool_parsing": Words("应为 true 或 false。", "must be true or false."),
    "greater_than": Words("应大于 {gt}。", "must be greater than {gt}."),
    "greater_than_equal": Words("应不小于 {ge}。", "must be {ge} or more."),
    "less_than": Words("应小于 {lt}。", "must be less than {lt}."),
    "less_than_equal": Words("应不大于 {le}。", "must be {le} or less."),
    "list_type": Words("应为列表。", "must be a list."),
    "dict_type": Words("应为对象。", "must be an object."),
    "model_type": Words("应为对象。", "must be an object."),
    "model_attributes_type": Words("应为对象。", "must be an object."),
    "uuid_type": Words("应为 UUID。", "must be a UUID."),
    "uuid_parsing": Words("应为 UUID。", "must be a UUID."),
    "date_type": Words("应为日期，例如 2026-11-28。", "must be a date such as 2026-11-28."),
    "date_parsing": Words("应为日期，例如 2026-11-28。", "must be a date such as 2026-11-28."),
    "date_from_datetime_parsing": Words("应为日期，例如 2026-11-28。", "must be a date such as 2026-11-28."),
    "datetime_type": Words(
        "应为时间，例如 2026-11-28T16:30:00+08:00。", "must be a time such as 2026-11-28T16:30:00+08:00."
    ),
    "datetime_parsing": Words(
        "应为时间，例如 2026-11-28T16:30:00+08:00。", "must be a time such as 2026-11-28T16:30:00+08:00."
    ),
    "datetime_from_date_parsing": Words(
        "应为时间，例如 2026-11-28T16:30:00+08:00。", "must be a time such as 2026-11-28T16:30:00+08:00."
    ),
    "timezone_aware": Words(
        "时间须带时区，例如 2026-11-28T16:30:00+08:00。", "must carry a zone, as 2026-11-28T16:30:00+08:00 does."
    ),
    "time_parsing": Words("应为时刻，例如 16:30。", "must be a time of day such as 16:30."),
}


def fault(code: str, place: Mapping[str, str], language: Language, context: Mapping[str, Any]) -> dict[str, Any]:
    """Return one entry of `errors`: its code, where it is (`field` or `parameter`), and its sentence in `language`."""
    texts = {one.value: {"detail": _sentence(code, one, context)} for one in Language}
    return {"code": code, **place, "detail": texts[language.value]["detail"], "translations": texts}


def _sentence(code: str, language: Language, context: Mapping[str, Any]) -> str:
    try:
        return pick(_WORDS.get(code, _OTHER), language).format_map(context)
    except (KeyError, ValueError, IndexError):
        return pick(_OTHER, language)


def faults_of(errors: Sequence[Any], language: Language) -> list[dict[str, Any]]:
    """Return the entries of pydantic's errors, at most `MOST_FAULTS`."""
    return [
        fault(str(error["type"]), place_of(error["loc"], str(error["type"])), language, error.get("ctx") or {})
        for error in errors[:MOST_FAULTS]
    ]


def place_of(location: Sequence[int | str], code: str = "") -> dict[str, str]:
    """Return where a fault is: a JSON pointer (RFC 6901) into the body, or the name of a parameter or header."""
    if not location:
        return {}
    source, *steps = location
    if source == "body":
        return {"field": pointer([] if code == "json_invalid" else steps)}
    name = str(steps[0]) if steps else str(source)
    return {"header" if source == "header" else "parameter": readable(name)}


def pointer(steps: Sequence[int | str]) -> str:
    """Return the JSON pointer of `steps`; empty for the whole body."""
    return "".join("/" + readable(str(step)).replace("~", "~0").replace("/", "~1") for step in steps)


def readable(step: str) -> str:
    """A name that the client made up may be long, or no text at all (a lone surrogate): keep the answer writable."""
    return step[:_LONGEST_STEP].encode("utf-8", "replace").decode()
