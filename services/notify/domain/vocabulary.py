"""The variables of each kind of message, by wording, with a sample of each: what a template may use and must name.

Every kind of message has a template in every language for every wording named here, and for no other. The samples are
what templates are tried with when the service starts, and what a preview shows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from services.notify.domain.message import Kind
from services.notify.domain.rendering import Wording
from shared.contracts import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable of the templates: a text, with a sample in each language. `required` ones stand in every body."""

    name: str
    sample: Words
    required: bool = False


def _variable(name: str, zh: str, en: str, *, required: bool = False) -> Variable:
    return Variable(name=name, sample=Words(zh=zh, en=en), required=required)


Variables = tuple[Variable, ...]

_NEUTRAL: Variables = (
    _variable("reference", "7K3F9Q2M", "7K3F9Q2M", required=True),
    _variable("when", "2026年11月28日 星期六 16:30", "Saturday 28 November 2026, 16:30", required=True),
    _variable("when_brief", "11月28日 16:30", "28 Nov 16:30"),
)
_SERVICE = _variable("service", "羽毛球1号场", "Badminton court 1", required=True)
_VENUE = _variable("venue", "大连市民健身中心", "Dalian Citizens' Fitness Centre", required=True)
_NAMES: Variables = (_SERVICE, _VENUE, _variable("address", "示例路1号", "1 Sample Road"))
_BEFORE = _variable("when_before", "2026年11月27日 星期五 15:00", "Friday 27 November 2026, 15:00", required=True)
_UNTIL = _variable("until", "2026年11月26日 星期四 15:30", "Thursday 26 November 2026, 15:30", required=True)
_ALTERNATIVES = _variable("alternatives", "11月29日 16:30、11月30日 16:30", "29 Nov 16:30 / 30 Nov 16:30")
_PARTY = _variable("party_size", "3", "3", required=True)
_WHAT = _variable(
    "what",
    "检查前8小时请勿进食，可饮少量白水。",
    "Eat nothing for 8 hours before; a little water is fine.",
    required=True,
)
_STEPS = _variable(
    "steps",
    "11月28日 16:30 抽血检验，大连市中心医院\n11月28日 17:30 超声检查，大连市中心医院",
    "28 Nov 16:30 Blood test, Dalian Central Hospital\n28 Nov 17:30 Ultrasound, Dalian Central Hospital",
)
_COUNT = _variable("count", "2", "2", required=True)
_THRESHOLD = _variable("threshold", "3", "3", required=True)
_SCOPE = _variable("scope", "体育场地", "Sports courts", required=True)
_STEP = _variable("step", "评估报告已送审", "The report is with the reviewers", required=True)
_NEXT = _variable("next_step", "5个工作日内公示结果", "The result is published within 5 working days")
_TICKET = _variable("ticket", "A017", "A017", required=True)
_AHEAD = _variable("ahead", "3", "3", required=True)
_OPENS = _variable("opens", "2026年11月28日 星期六 07:00", "Saturday 28 November 2026, 07:00", required=True)
_OPENS_BRIEF = _variable("opens_brief", "11月28日 07:00", "28 Nov 07:00")
_LINES = _variable(
    "lines",
    "11月28日 09:00 抽血检验，大连市中心医院，预约号7K3F9Q2M\n11月28日 10:30 您有一项预约，预约号8M2R4T6W",
    "28 Nov 09:00 Blood test, Dalian Central Hospital, reference 7K3F9Q2M\n28 Nov 10:30 a booking of yours, reference 8M2R4T6W",
    required=True,
)
_HOW_MANY = _variable("how_many", "2", "2", required=True)
_FIRST = _variable("first", "11月28日 09:00", "28 Nov 09:00", required=True)
_CODE = _variable("code", "482913", "482913", required=True)
_LINK = _variable(
    "link",
    "https://booking.example/contact-proofs/3q2-7wEjRWeJCrze8SNFZ4kAE1hYz0",
    "https://booking.example/contact-proofs/3q2-7wEjRWeJCrze8SNFZ4kAE1hYz0",
    required=True,
)
_WHOSE = _variable("whose", "王**", "W**", required=True)
_NEWS = _variable("news", "被场馆取消", "cancelled by the venue", required=True)
_HELP = _variable("help_phone", "0411-12345", "0411-12345", required=True)

_PLAIN_KINDS = frozenset(
    {
        *(Kind.CONFIRMATION, Kind.REMINDER, Kind.CHANGE, Kind.CANCELLATION),
        *(Kind.PREPARATION, Kind.CLOSURE, Kind.WAITLIST_OFFER),
    }
)
"""Kinds with words of their own for whoever asked for plain ones; the others say the same to all, in large print."""


def _about(neutral: Variables, names: Variables = _NAMES) -> Mapping[Wording, Variables]:
    return {Wording.FULL: (*neutral, *names), Wording.NEUTRAL: neutral}


def _with_plain(kind: Kind, found: Mapping[Wording, Variables]) -> Mapping[Wording, Variables]:
    if kind not in _PLAIN_KINDS:
        return found
    return {
        **found,
        Wording.PLAIN: (*found[Wording.FULL], _HELP),
        Wording.PLAIN_NEUTRAL: (*found[Wording.NEUTRAL], _HELP),
    }


_WITH_STEPS: Variables = (*_NAMES, _STEPS)
_PLACE: Variables = (_SERVICE, _VENUE)
_OF_KIND: Mapping[Kind, Mapping[Wording, Variables]] = {
    Kind.CONFIRMATION: _about(_NEUTRAL, _WITH_STEPS),
    Kind.REMINDER: _about(_NEUTRAL, _WITH_STEPS),
    Kind.CHANGE: _about((*_NEUTRAL, _BEFORE), _WITH_STEPS),
    Kind.CANCELLATION: _about(_NEUTRAL),
    Kind.HOLD_LAPSED: _about(_NEUTRAL),
    Kind.PREPARATION: _about(_NEUTRAL, (*_NAMES, _WHAT)),
    Kind.PARTY_CHANGED: _about((*_NEUTRAL, _PARTY)),
    Kind.CLOSURE: _about((*_NEUTRAL, _ALTERNATIVES)),
    Kind.WAITLIST_OFFER: _about((*_NEUTRAL, _UNTIL)),
    Kind.OFFER_LAPSED: _about(_NEUTRAL),
    Kind.CONSENT_REQUEST: _about((*_NEUTRAL, _UNTIL), _PLACE),
    Kind.FEEDBACK: _about(_NEUTRAL),
    Kind.PENALTY_WARNING: _about((_COUNT, _THRESHOLD), (_SCOPE,)),
    Kind.PENALTY_BAR: _about((_UNTIL, replace(_COUNT, required=False)), (_SCOPE,)),
    Kind.PENALTY_END: _about((), (_SCOPE,)),
    Kind.QUEUE_NEAR: _about((_TICKET, _AHEAD), _PLACE),
    Kind.CASE_STEP: _about((_NEUTRAL[0],), (_STEP, _NEXT)),
    Kind.RELEASE_REMINDER: _about((_OPENS, _OPENS_BRIEF), _PLACE),
    Kind.COPY_REQUEST: {Wording.NEUTRAL: (_WHOSE,)},
    Kind.COPY: _about((*_NEUTRAL, _WHOSE, _NEWS), _PLACE),
    Kind.DIGEST: {Wording.NEUTRAL: (_HOW_MANY, _FIRST, _LINES)},
    Kind.SIGN_IN_CODE: {Wording.NEUTRAL: (_CODE,)},
    Kind.CONTACT_PROOF: {Wording.NEUTRAL: (_CODE, _LINK)},
}

VARIABLES: Mapping[Kind, Mapping[Wording, Variables]] = MappingProxyType(
    {kind: _with_plain(kind, found) for kind, found in _OF_KIND.items()}
)
