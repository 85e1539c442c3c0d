"""An itinerary's messages list its steps: when, what, where, in either language; of a sensitive one they say nothing."""

from datetime import datetime, timedelta

import pytest

from services.notify.domain.message import Kind, Language
from services.notify.domain.preference import DEFAULTS
from services.notify.domain.rendering import appointment_of, values_of, wording_of
from services.notify.renderer import load_templates
from shared.clock import SHANGHAI
from shared.contracts import StepTold, Words
from tests.notify import make

TEMPLATES = load_templates()
HELP = {"help_phone": "0411-12345"}
LISTED = {
    Language.ZH_CN: "各项安排：\n11月28日 16:30 抽血检验，大连市中心医院\n11月28日 17:30 超声检查，大连市中心医院",
    Language.EN: "Step by step:\n28 Nov 16:30 Blood test, Dalian Central Hospital\n28 Nov 17:30 Ultrasound, Dalian Central Hospital",
}
TELLING = ("抽血", "超声", "医院", "Blood", "Ultrasound", "Hospital", "各项", "Step by")


def _step(zh: str, en: str, starts_at: datetime) -> StepTold:
    return StepTold(
        service_name=Words(zh, en),
        venue_name=Words("大连市中心医院", "Dalian Central Hospital"),
        starts_at=starts_at,
        local_start=starts_at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M"),
        party_size=1,
    )


STEPS = (
    _step("抽血检验", "Blood test", make.STARTS_AT),
    _step("超声检查", "Ultrasound", make.STARTS_AT + timedelta(hours=1)),
)
TOLD = (Kind.CONFIRMATION, Kind.REMINDER, Kind.CHANGE)


def _body(kind: Kind, language: Language, *, sensitive: bool = False, plain: bool = False, before: str) -> str:
    booking = make.booking(steps=STEPS, sensitive=sensitive, local_start_before=before)
    about = appointment_of(booking)
    preferences = DEFAULTS if not plain else DEFAULTS.__class__(plain_words=True)
    wording = wording_of(about, preferences)
    return TEMPLATES.message(kind, language, wording, {**values_of(about, language, wording), **HELP}).body


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("kind", TOLD)
def test_every_step_is_listed_with_time_and_place(kind: Kind, language: Language, plain: bool) -> None:
    body = _body(kind, language, plain=plain, before="2026-11-27 15:00")
    assert f"\n\n{LISTED[language]}\n\n" in body


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("kind", TOLD)
def test_a_sensitive_itinerary_is_silent_about_its_steps(kind: Kind, language: Language) -> None:
    body = _body(kind, language, sensitive=True, before="2026-11-27 15:00")
    assert not [word for word in TELLING if word in body]


@pytest.mark.parametrize("language", list(Language))
def test_where_only_a_later_step_moved_no_old_time_is_named(language: Language) -> None:
    moved = _body(Kind.CHANGE, language, before="2026-11-27 15:00")
    stayed = _body(Kind.CHANGE, language, before="2026-11-28 16:30")
    words = "原时间" if language is Language.ZH_CN else "Old time"
    assert words in moved
    assert words not in stayed
    assert LISTED[language] in stayed


def test_an_ordinary_booking_has_no_list() -> None:
    about = appointment_of(make.booking())
    values = values_of(about, Language.EN, wording_of(about))
    assert "Step by step" not in TEMPLATES.message(Kind.CONFIRMATION, Language.EN, wording_of(about), values).body
