"""Two languages, and how a fact reads in each: the venue's local time in words, never AM or PM.

zh-CN comes first: whoever asks for neither language, or for none, is answered in it.
"""

from collections.abc import Mapping, Sequence
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

    Codes read as their words, also several of them separated by commas; a slot reads as the moment it `starts_at`.

    >>> spoken(datetime(2026, 11, 28, 16, 30, tzinfo=SHANGHAI), Language.ZH, {})
    '11月28日 周六 16:30'
    """
    if isinstance(value, Words):
        return pick(value, language)
    if isinstance(value, str):
        codes = value.split(", ")
        known = all(code in vocabulary for code in codes)
        return _listed([pick(vocabulary[code], language) for code in codes], language) if known else value
    if isinstance(value, date):  # a datetime is one
        return _moment(value, language) if isinstance(value, datetime) else _day(value, language)
    if isinstance(value, Mapping):
        return spoken(value.get("starts_at"), language, vocabulary)
    if isinstance(value, list | tuple):
        return _listed([spoken(one, language, vocabulary) for one in value], language)
    return f"{value:%H:%M}" if isinstance(value, time) else str(value)


def _listed(words: Sequence[str], language: Language) -> str:
    return ("、" if language is Language.ZH else ", ").join(words)


def _moment(moment: datetime, language: Language) -> str:
    there = moment.astimezone(SHANGHAI)
    return f"{_day(there, language)} {there:%H:%M}"


def _day(day: date, language: Language) -> str:
    if language is Language.EN:
        return f"{_WEEKDAYS_EN[day.weekday()]} {day.day} {_MONTHS_EN[day.month - 1]}"
    return f"{day.month}月{day.day}日 {_WEEKDAYS_ZH[day.weekday()]}"
