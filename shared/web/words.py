"""Two languages, and how a fact reads in each: the venue's local time in words, never AM or PM.

zh-CN comes first: whoever asks for neither language, or for none, is answered in it.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from enum import StrEnum
from functools import lru_cache

from shared.clock import SHANGHAI
from shared.contracts import Words

_WEEKDAYS_ZH = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")
_WEEKDAYS_EN = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS_EN = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LONGEST_HEADER = 256

Vocabulary = Mapping[str, Words]
"""Words of codes that may stand in a sentence (`confirmed` -> 已确认, confirmed)."""


class Language(StrEnum):
    ZH = "zh-CN"
    EN = "en"


def negotiate(accept_language: str | None) -> Language:
    """Return the language that an Accept-Language header (RFC 9110, 12.5.4) prefers of the two; zh-CN where unsure."""
    if not accept_language or len(accept_language) > _LONGEST_HEADER:
        return Language.ZH
    return _negotiate(accept_language)


@lru_cache(maxsize=512)
def _negotiate(accept_language: str) -> Language:
    best, best_quality = Language.ZH, 0.0
    for part in accept_language.split(","):
        tag, _, parameters = part.partition(";")
        language = _language_of(tag.strip().lower())
        quality = _quality_of(parameters)
        if language is not None and quality > best_quality:
            best, best_quality = language, quality
    return best


def _language_of(tag: str) -> Language | None:
    primary = tag.partition("-")[0]
    return Language.EN if primary == "en" else Language.ZH if primary in {"zh", "*"} else None


def _quality_of(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def pick(words: Words, language: Language) -> str:
    """Return `words` in `language`."""
    return words.en if language is Language.EN else words.zh


def spoken(value: object, language: Language, vocabulary: Vocabulary) -> str:
    """Return a fact as a person reads it in `language`; moments in Asia/Shanghai, to the minute.

    >>> spoken(datetime(2026, 11, 28, 16, 30, tzinfo=SHANGHAI), Language.ZH, {})
    '11月28日 周六 16:30'
    """
    if isinstance(value, str | Words):
        words = vocabulary.get(value) if isinstance(value, str) else value
        return str(value) if words is None else pick(words, language)
    if isinstance(value, datetime):
        moment = value.astimezone(SHANGHAI)
        return f"{_day(moment, language)} {moment:%H:%M}"
    if isinstance(value, date):
        return _day(value, language)
    if isinstance(value, Iterable) and not isinstance(value, Mapping):
        return ("、" if language is Language.ZH else ", ").join(spoken(one, language, vocabulary) for one in value)
    return f"{value:%H:%M}" if isinstance(value, time) else str(value)


def _day(day: date, language: Language) -> str:
    if language is Language.EN:
        return f"{_WEEKDAYS_EN[day.weekday()]} {day.day} {_MONTHS_EN[day.month - 1]}"
    return f"{day.month}月{day.day}日 {_WEEKDAYS_ZH[day.weekday()]}"
