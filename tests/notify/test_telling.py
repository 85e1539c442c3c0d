"""No word for a sensitive service says what it is, in any kind, wording, language or channel; and every text fits.

The words are held against a list of our own and against every name of the city's catalogue that stands under a
sensitive policy, so that a clinic that is added tomorrow is looked for tomorrow.
"""

import re
import shutil
from collections.abc import Iterator
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from ruamel.yaml import YAML

from services.notify.domain.family_copy import CARRY, NEWS, news_of
from services.notify.domain.limits import BODY, LONGER, SMS_TEXT, SMS_VARIABLE, TITLE, cut, faults, longer
from services.notify.domain.message import BEARS_A_CODE, WORDS_OF_OTHERS, Channel, Kind, Language
from services.notify.domain.notice import Notice, noticed
from services.notify.domain.preference import CHANNELS, Preferences
from services.notify.domain.rendering import Appointment, Wording, appointment_of, in_language, values_of, wording_of
from services.notify.domain.telling import TELLING, telling
from services.notify.domain.vocabulary import VARIABLES
from services.notify.renderer import TEMPLATES, TemplateFault, load_templates
from shared.contracts import (
    CaseMoved,
    ConsentAsked,
    CopyChanged,
    NoticeData,
    PenaltyChanged,
    Preparation,
    QueueMoved,
    ReleaseNearing,
    Words,
)
from tests.notify.make import NEIGHBOUR, NOW, RESIDENT, booking
from tests.notify.town import TEMPLATES as LOADED

CATALOGUE = Path(__file__).parents[2] / "services" / "booking" / "catalogue"
CLINIC = Words("生育评估门诊（妇科）", "Fertility clinic, gynaecology")
HOSPITAL = Words("大连市妇女儿童医疗中心", "Women and Children's Medical Centre")
LATER = datetime.fromisoformat("2026-11-21T12:00:00+08:00")

SENSITIVE = booking(
    sensitive=True,
    service_name=CLINIC,
    venue_name=HOSPITAL,
    venue_address=Words("门诊路9号", "9 Clinic Road"),
    local_start_before="2026-11-27 15:00",
    hold_until=LATER,
    local_hold_until="2026-11-21 12:00",
    preparations=(Preparation(lead_minutes=720, words=Words("请空腹来检查", "Fasting before the blood test")),),
    alternatives=("2026-11-29 16:30",),
    party_size=2,
)
_COMMON: dict[str, Any] = {"version": 1, "account_id": RESIDENT, "contact": None, "sensitive": True}
NOTICES: dict[Kind, NoticeData] = {
    **{
        kind: PenaltyChanged(
            penalty_id=uuid4(),
            state=state,
            scope=CLINIC,
            count=2,
            threshold=3,
            until=LATER,
            local_until="2026-11-21 12:00",
            **_COMMON,
        )
        for kind, state in (
            (Kind.PENALTY_WARNING, "warned"),
            (Kind.PENALTY_BAR, "barred"),
            (Kind.PENALTY_END, "lifted"),
        )
    },
    Kind.CONSENT_REQUEST: ConsentAsked(
        consent_id=uuid4(),
        state="asked",
        reference="7K3F-9Q2M-A",
        service_name=CLINIC,
        venue_name=HOSPITAL,
        local_start="2026-11-28 16:30",
        hold_until=LATER,
        local_hold_until="2026-11-21 12:00",
        **_COMMON,
    ),
    Kind.QUEUE_NEAR: QueueMoved(
        ticket_id=uuid4(),
        state="waiting",
        ticket="A017",
        ahead=3,
        service_name=CLINIC,
        venue_name=HOSPITAL,
        useful_until=LATER,
        **_COMMON,
    ),
    Kind.CASE_STEP: CaseMoved(
        case_id=uuid4(),
        reference="7K3F-9Q2M-A",
        step=Words("评估报告已送审", "The assessment report is under review"),
        next_step=Words("公示失能等级", "The level of disability is published"),
        **_COMMON,
    ),
    Kind.RELEASE_REMINDER: ReleaseNearing(
        watch_id=uuid4(),
        service_name=CLINIC,
        venue_name=HOSPITAL,
        opens_at=LATER,
        local_opens="2026-11-21 12:00",
        **_COMMON,
    ),
    Kind.COPY_REQUEST: CopyChanged(
        copy_id=uuid4(),
        version=1,
        state="asked",
        account_id=RESIDENT,
        reader_id=NEIGHBOUR,
        contact=None,
        kinds=("closure",),
        sensitive=True,
    ),
}
OF_BOOKINGS = [kind for kind in Kind if kind not in {*NOTICES, *BEARS_A_CODE, Kind.DIGEST}]


def names_in_the_catalogue() -> set[str]:
    """Every name of a venue or service under a sensitive policy, and each of its parts, in both languages."""
    policies = YAML(typ="safe").load((CATALOGUE / "policies.yaml").read_text(encoding="utf-8"))["policies"]
    sensitive = {name for name, one in policies.items() if one.get("sensitive") or _inherits(policies, one)}
    names: set[str] = set()
    for path in CATALOGUE.glob("*.yaml"):
        document = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        offers = document.get("offers", {}) if isinstance(document, dict) else {}
        default = (document.get("defaults") or {}).get("policy") if offers else None
        told = [one for one in offers.values() if one.get("policy", default) in sensitive]
        if told:
            venues = list(document["venues"].values())
            names |= {one["name"][language] for one in (*told, *venues) for language in ("zh", "en")}
    return names


def _inherits(policies: dict[str, dict[str, object]], one: dict[str, object]) -> bool:
    like = policies.get(str(one.get("like")), {})
    return bool(like) and (bool(like.get("sensitive")) or _inherits(policies, like))


NAMES = names_in_the_catalogue()
PARTS = {part.lower() for name in NAMES for part in re.split(r"[^\w']+", name) if len(part) > 1} - {
    *(
        "and",
        "of",
        "the",
        "first",
        "at",
        "home",
        "new",
        "town",
        "sports",
        "district",
        "sample",
        "示例",
        "city",
        "group",
        "area",
    ),
}


def forbidden(text: str) -> list[str]:
    words = set(re.findall(r"[a-z']+", text.lower()))
    return telling(text) + [part for part in PARTS if (part in words if part.isascii() else part in text)]


def about(kind: Kind) -> Appointment | Notice:
    if kind in NOTICES:
        return noticed(NOTICES[kind], NOW).notice
    return appointment_of(SENSITIVE, offered=True)


def channels_of(kind: Kind) -> frozenset[Channel]:
    return CARRY if kind is Kind.COPY else frozenset(CHANNELS[kind])


def said(kind: Kind, language: Language, wording: Wording) -> Iterator[tuple[Channel, str]]:
    """Everything that anybody would see of a message about a sensitive service, by channel."""
    values = {**values_of(about(kind), language, wording, 720), "help_phone": "12345"}
    channels = channels_of(kind)
    if kind in {Kind.COPY, Kind.COPY_REQUEST}:
        values |= {"whose": "王**", "news": " ".join(news_of(one, None, language)["news"] for one in NEWS)}
    for channel in set(channels) - {Channel.SMS}:
        rendered = LOADED.message(kind, language, wording, values)
        yield channel, f"{rendered.title}\n{rendered.body}"
        if channel is Channel.EMAIL:
            yield channel, LOADED.html(rendered, language, large=True)
    if Channel.SMS in channels:
        sms = LOADED.sms(kind, language, wording, values)
        yield Channel.SMS, "\n".join([sms.text, *sms.parameters.values()])


KINDS = [*OF_BOOKINGS, *NOTICES]


def test_the_list_knows_the_citys_sensitive_services() -> None:
    assert len(NAMES) > 20
    assert {"妇科", "心理学", "psychology", "gynaecology"} <= PARTS
    assert all(telling(name) for name in NAMES), "the list that templates are loaded against knows each of them"


@pytest.mark.parametrize(("kind", "language", "plain"), list(product(KINDS, Language, (False, True))))
def test_no_message_of_any_channel_tells_what_a_sensitive_service_is(
    kind: Kind, language: Language, plain: bool
) -> None:
    wording = wording_of(about(kind), Preferences(plain_words=plain))
    assert wording.ordinary is Wording.NEUTRAL
    texts = list(said(kind, language, wording))
    assert {channel for channel, _ in texts} == channels_of(kind)
    assert [(channel, word) for channel, text in texts for word in forbidden(text)] == []


def test_whoever_chose_it_is_told_what_and_where_and_nobody_else() -> None:
    chosen = Preferences(names_sensitive=True)
    named = appointment_of(SENSITIVE, named=True)
    assert wording_of(named, chosen) is Wording.FULL
    assert wording_of(named) is Wording.NEUTRAL, "switched off again, what was kept is not told"
    assert wording_of(appointment_of(SENSITIVE), chosen) is Wording.NEUTRAL, "there is nothing to tell"
    assert "service" not in values_of(named, Language.EN, Wording.NEUTRAL)
    rendered = LOADED.message(
        Kind.CONFIRMATION, Language.ZH_CN, Wording.FULL, values_of(named, Language.ZH_CN, Wording.FULL)
    )
    assert forbidden(rendered.body), "the control: this would be caught"


@pytest.mark.parametrize("word", ["妇科", "Fertility", "门诊"])
@pytest.mark.parametrize("part", ["title", "body", "sms"])
def test_a_neutral_template_with_a_telling_word_is_refused_at_start_up(tmp_path: Path, part: str, word: str) -> None:
    folder = tmp_path / "templates"
    shutil.copytree(TEMPLATES, folder)
    path = folder / "zh-CN" / "reminder.v1.yaml"
    full, neutral = path.read_text(encoding="utf-8").split("neutral:", 1)
    old = {"title": "您有一项预约\n", "body": "请按时赴约。", "sms": "text: 提醒"}[part]
    new = {"title": f"您有一项{word}预约\n", "body": f"请按时到{word}。", "sms": f"text: {word}提醒"}[part]
    assert old in neutral
    path.write_text(f"{full}neutral:{neutral.replace(old, new, 1)}", encoding="utf-8")
    with pytest.raises(TemplateFault, match="tells what it is about"):
        load_templates(folder)


# -- room


@pytest.mark.parametrize(("kind", "language"), list(product(VARIABLES, Language)))
def test_every_text_fits_its_channel_with_everything_two_fifths_longer(kind: Kind, language: Language) -> None:
    for wording, variables in VARIABLES[kind].items():
        samples = {one.name: in_language(one.sample, language) for one in variables}
        values = longer(samples)
        assert all(len(values[name]) >= LONGER * len(value) for name, value in samples.items())
        if kind is not Kind.SIGN_IN_CODE:
            rendered = LOADED.message(kind, language, wording, values)
            assert [*faults(rendered.title, TITLE), *faults(rendered.body, BODY)] == []
            assert "…" not in rendered.title, "it fits, it was not cut"
        if Channel.SMS in CHANNELS[kind] or kind in WORDS_OF_OTHERS:
            sms = LOADED.sms(kind, language, wording, values)
            assert [*faults(sms.text, SMS_TEXT)] == []
            for value in sms.parameters.values():
                assert [*faults(value, SMS_VARIABLE)] == []


@pytest.mark.parametrize(
    ("section", "text", "fault"),
    [
        ("sms", "{{ reference }}" + "长" * 200, "201 at most"),
        ("sms", "{{ reference }}【预约】", "may not have 【"),
        ("sms", "{{ reference }} https://yuyue.test/1", "may not have https"),
        ("sms", "{{ reference }} 🎉", r"U\+1F389"),
        ("title", "预约提醒" * 20, "78 at most"),
    ],
)
def test_a_text_that_its_channel_would_refuse_is_refused_at_start_up(
    tmp_path: Path, section: str, text: str, fault: str
) -> None:
    folder = tmp_path / "templates"
    shutil.copytree(TEMPLATES, folder)
    path = folder / "zh-CN" / "reminder.v1.yaml"
    lines = path.read_text(encoding="utf-8").splitlines()
    name = {"sms": "    text:", "title": "  title:"}[section]
    place = next(number for number, line in enumerate(lines) if line.startswith(name))
    lines[place] = f'{name} "{text}"'
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(TemplateFault, match=fault):
        load_templates(folder)


@pytest.mark.parametrize("kind", [Kind.CONFIRMATION, Kind.CLOSURE, Kind.WAITLIST_OFFER])
def test_a_channel_without_words_is_refused_at_start_up(tmp_path: Path, kind: Kind) -> None:
    folder = tmp_path / "templates"
    shutil.copytree(TEMPLATES, folder)
    path = folder / "en" / f"{kind.value}.v1.yaml"
    full, neutral = path.read_text(encoding="utf-8").split("\nneutral:", 1)
    path.write_text(full.split("  sms:")[0] + "\nneutral:" + neutral, encoding="utf-8")
    with pytest.raises(TemplateFault, match="needs an sms section"):
        load_templates(folder)


def test_the_longest_names_of_the_city_fit_every_text_message() -> None:
    longest = {
        language: max((name for name in NAMES if name.isascii() is (language is Language.EN)), key=len)
        for language in Language
    }
    for language, name in longest.items():
        values = values_of(
            appointment_of(booking(service_name=Words(name, name), venue_name=Words(name, name))),
            language,
            Wording.FULL,
        )
        sms = LOADED.sms(Kind.CONFIRMATION, language, Wording.FULL, values)
        assert [*faults(sms.text, SMS_TEXT)] == []
        assert len(sms.parameters["venue"]) <= SMS_VARIABLE.most
    assert cut("一二三四五", 4) == "一二三…"


def test_there_are_words_to_look_for_in_both_languages() -> None:
    assert len(TELLING) > 50
    assert {word.isascii() for word in TELLING} == {True, False}
