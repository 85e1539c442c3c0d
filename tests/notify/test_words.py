"""Templates: what is wrong with one is found at start-up, and a sensitive service is never named."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.notify.domain.message import Kind, Language
from services.notify.domain.rendering import (
    Wording,
    appointment_of,
    in_language,
    language_of,
    values_of,
)
from services.notify.domain.vocabulary import VARIABLES
from services.notify.renderer import TEMPLATES, TemplateFault, load_templates
from shared.contracts import EventType, Words
from tests.notify.mailbox import words_of
from tests.notify.make import STARTS_AT, booking, event
from tests.notify.town import TEMPLATES as LOADED
from tests.notify.town import Town

SENSITIVE = booking(
    sensitive=True,
    kind="fertility",
    service_id="reproductive-medicine",
    service_name=Words("生殖门诊", "Reproductive medicine"),
    venue_id="central-hospital",
    venue_name=Words("妇女儿童医疗中心", "Women and Children's Medical Centre"),
    venue_address=Words("敏感路9号", "9 Telling Road"),
    local_start_before="2026-11-27 15:00",
)
TELLING = (
    *(
        "生殖",
        "门诊",
        "妇女",
        "儿童",
        "医",
        "敏感路",
        "生育",
        "评估",
        "心理",
        "科",
        "诊",
        "fertility",
        "central-hospital",
    ),
    *("Reproductive", "medicine", "Women", "Children", "Medical", "Centre", "Telling", "clinic", "hospital", "doctor"),
)


def telling(words: str) -> list[str]:
    return [word for word in TELLING if word.lower() in words.lower()]


def test_the_full_wording_would_tell() -> None:
    open_booking = appointment_of(replace(SENSITIVE, sensitive=False))
    rendered = LOADED.message(
        Kind.REMINDER, Language.ZH_CN, Wording.FULL, values_of(open_booking, Language.ZH_CN, Wording.FULL)
    )
    assert telling(rendered.title)
    assert telling(rendered.body)


async def test_a_sensitive_booking_is_never_named_in_anything_sent_or_stored(town: Town) -> None:
    for language, address in (("zh-CN", "wang@example.test"), ("en", "smith@example.test")):
        contact = town.keys.contact(address, language)
        told_of = replace(SENSITIVE, booking_id=booking().booking_id, contact=contact)
        await town.hear(event(EventType.BOOKING_CONFIRMED, told_of))
        await town.live_until(STARTS_AT - timedelta(hours=24), step=timedelta(days=1))
        await town.hear(event(EventType.BOOKING_CANCELLED, replace(told_of, version=2)))
        await town.deliver()
    assert [mail["Subject"] for mail in town.mailbox.to("wang@example.test")] == [
        "您有一项预约",
        "您有一项预约",
        "您有一项预约已取消",
    ]
    subjects = [mail["Subject"] for mail in town.mailbox.to("smith@example.test")]
    assert subjects[0] == "You have a booking"
    for mail in town.mailbox.seen:
        said = f"{mail['Subject']} {words_of(mail)} {words_of(mail, 'html')}"
        assert telling(said) == []
        assert "7K3F-9Q2M-A" in said
    for table in ("messages", "attempts", "decisions", "known_bookings", "inbox_messages"):
        dump = " ".join(row[0] for row in await town.rows(f"SELECT t::text FROM {table} t"))
        assert telling(dump) == [], table
    assert len(await town.inbox()) == 5


# -- faults in template files are found before anybody's message is due


def changed(folder: Path, language: str, name: str, change: Callable[[str], str]) -> Path:
    """A copy of the real templates with one file changed."""
    copy = folder / "templates"
    shutil.copytree(TEMPLATES, copy)
    path = copy / language / name
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    return copy


@pytest.mark.parametrize(
    ("name", "change", "fault"),
    [
        ("reminder.v1.yaml", lambda s: s.replace("{{ when }}", ""), "must name when"),
        ("reminder.v1.yaml", lambda s: s.replace("{{ when }}", "{{ wen }}"), "may not use wen"),
        (
            "reminder.v1.yaml",
            lambda s: s.replace("您有一项预约，请", "{{ service }}"),
            r"neutral, body: may not use service",
        ),
        ("reminder.v1.yaml", lambda s: s.replace("{{ when }}", "{{ when"), "reminder.v1.yaml, full, body"),
        ("reminder.v1.yaml", lambda s: s.replace("{{ when }}", "{{ when | nope }}"), "nope"),
        ("reminder.v1.yaml", lambda s: s.replace("{{ when }}", "{{ when.year }}"), "year"),
        ("reminder.v1.yaml", lambda s: s.replace("neutral:", "neutrl:"), "exactly the wordings full, neutral"),
        ("reminder.v1.yaml", lambda s: s.replace("  title:", "  titel:"), "only body, sms, title"),
        ("reminder.v1.yaml", lambda s: s.replace("  title: 您有一项预约\n", ""), "title and body come together"),
        ("reminder.v1.yaml", lambda s: s.replace("    code: SMS_000000022\n", ""), "a code and a text"),
        ("reminder.v1.yaml", lambda s: s + "\n  - broken", "reminder.v1.yaml"),
        ("sign_in_code.v1.yaml", lambda s: s.replace("{{ code }}", "******"), "must name code"),
        ("sign_in_code.v1.yaml", lambda s: s + "full:\n  title: x\n", "exactly the wordings neutral"),
    ],
)
def test_a_faulty_template_is_refused_at_start_up(
    tmp_path: Path, name: str, change: Callable[[str], str], fault: str
) -> None:
    with pytest.raises(TemplateFault, match=fault):
        load_templates(changed(tmp_path, "zh-CN", name, change))


def test_a_template_that_one_language_lacks_is_refused_at_start_up(tmp_path: Path) -> None:
    folder = changed(tmp_path, "en", "reminder.v1.yaml", lambda s: s)
    (folder / "en" / "reminder.v1.yaml").unlink()
    with pytest.raises(TemplateFault, match="en has no template reminder"):
        load_templates(folder)


def test_a_layout_that_does_not_escape_is_refused_at_start_up(tmp_path: Path) -> None:
    folder = changed(tmp_path, "en", "reminder.v1.yaml", lambda s: s)
    layout = folder / "email.html"
    layout.write_text(layout.read_text(encoding="utf-8").replace("{{ line }}", "{{ line | safe }}"), encoding="utf-8")
    with pytest.raises(TemplateFault, match="does not escape"):
        load_templates(folder)


def test_the_highest_version_speaks_and_versions_are_numbers(tmp_path: Path) -> None:
    folder = changed(tmp_path, "en", "sign_in_code.v1.yaml", lambda s: s)
    newer = folder / "en" / "sign_in_code.v10.yaml"
    newer.write_text('neutral:\n  sms: {code: SMS_9, text: "Code {{ code }}"}\n', encoding="utf-8")
    words = load_templates(folder).sms(Kind.SIGN_IN_CODE, Language.EN, Wording.NEUTRAL, {"code": "1"})
    assert (words.version, words.text, words.code) == (10, "Code 1", "SMS_9")
    newer.rename(newer.with_name("sign_in_code.vten.yaml"))
    with pytest.raises(TemplateFault, match="not a number"):
        load_templates(folder)


def test_the_operators_own_template_codes_replace_the_sample_ones_and_a_misspelt_one_is_refused() -> None:
    templates = load_templates(sms_codes={"sign_in_code/en/neutral": "SMS_REAL"})
    assert templates.sms(Kind.SIGN_IN_CODE, Language.EN, Wording.NEUTRAL, {"code": "1"}).code == "SMS_REAL"
    with pytest.raises(TemplateFault, match="sign_in_cod/en"):
        load_templates(sms_codes={"sign_in_cod/en/neutral": "SMS_REAL"})


def test_there_is_no_mail_of_a_code_and_no_text_message_of_a_lapsed_hold() -> None:
    with pytest.raises(TemplateFault, match="no title and body"):
        LOADED.message(Kind.SIGN_IN_CODE, Language.EN, Wording.NEUTRAL, {"code": "1"})
    samples = {v.name: v.sample.en for v in VARIABLES[Kind.HOLD_LAPSED][Wording.NEUTRAL]}
    with pytest.raises(TemplateFault, match="no sms section"):
        LOADED.sms(Kind.HOLD_LAPSED, Language.EN, Wording.NEUTRAL, samples)


def test_a_missing_value_is_an_error_and_never_an_empty_place() -> None:
    with pytest.raises(TemplateFault, match="undefined"):
        LOADED.message(Kind.REMINDER, Language.EN, Wording.NEUTRAL, {"when": "x"})


def test_a_title_is_one_line() -> None:
    appointment = appointment_of(booking(service_name=Words("一\r\nBcc: x", "one\r\nBcc: x")))
    rendered = LOADED.message(
        Kind.CONFIRMATION, Language.EN, Wording.FULL, values_of(appointment, Language.EN, Wording.FULL)
    )
    assert rendered.title == "Booked: one Bcc: x, 28 Nov 16:30"


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        (None, Language.ZH_CN),
        ("en", Language.EN),
        ("en-GB", Language.EN),
        ("zh-CN", Language.ZH_CN),
        ("fr", Language.ZH_CN),
    ],
)
def test_whoever_asks_for_a_language_we_lack_is_written_to_in_the_citys_own(
    asked: str | None, language: Language
) -> None:
    assert language_of(asked) is language


def test_a_name_without_english_is_the_one_on_the_sign_at_the_door() -> None:
    assert in_language(Words("旅顺博物馆", ""), Language.EN) == "旅顺博物馆"
