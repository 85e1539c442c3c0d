"""The table of reasons is whole: every reason has a status and words in both languages, and every word has a meaning."""

import re

import pytest

from services.booking.api.problems import DOCS, TABLE, problems
from services.booking.api.words.bookings import BOOKINGS
from services.booking.api.words.facts import FACTS, VOCABULARY
from services.booking.api.words.requests import REQUESTS
from services.booking.domain.booking import Action, State
from services.booking.domain.catalogue import ServiceKind
from services.booking.domain.identity import Why
from services.booking.domain.policy import DocumentType, LimitScope, LimitWindow, PartyKind
from services.booking.domain.reason import Reason
from shared.contracts import Words
from shared.refusal import Refused
from shared.web import EdgeReason, Language, Problems, ProblemText
from shared.web.problems import placeholders

CHINESE = re.compile(r"[一-鿿]")
TEXTS = list(TABLE.items())


def test_every_reason_has_its_row_and_no_row_is_left_over() -> None:
    assert set(TABLE) == set(Reason)
    assert not set(REQUESTS) & set(BOOKINGS)


def test_the_reasons_of_the_edge_are_reasons_of_the_service() -> None:
    assert {reason.value for reason in EdgeReason} <= {reason.value for reason in Reason}


@pytest.mark.parametrize(("reason", "text"), TEXTS)
def test_both_languages_are_there(reason: Reason, text: ProblemText) -> None:
    assert CHINESE.search(text.title.zh)
    assert CHINESE.search(text.detail.zh)
    assert not CHINESE.search(text.title.en + text.detail.en)
    assert text.detail.en.rstrip("]").endswith((".", "}"))
    assert 400 <= text.status <= 599


@pytest.mark.parametrize(("reason", "text"), TEXTS)
def test_both_languages_say_the_same(reason: Reason, text: ProblemText) -> None:
    def facts(detail: str) -> set[str]:
        return {re.sub("_(zh|en)$", "", name) for name in placeholders(detail)}

    assert facts(text.detail.zh) == facts(text.detail.en)
    assert not any(name.endswith("_en") for name in placeholders(text.detail.zh))
    assert not any(name.endswith("_zh") for name in placeholders(text.detail.en))


@pytest.mark.parametrize(("reason", "text"), TEXTS)
def test_every_fact_in_a_sentence_is_in_the_glossary(reason: Reason, text: ProblemText) -> None:
    assert placeholders(text.detail.zh) | placeholders(text.detail.en) <= set(FACTS)


@pytest.mark.parametrize(("reason", "text"), TEXTS)
def test_the_example_reads_to_its_end(reason: Reason, text: ProblemText) -> None:
    facts = {name: fact.example for name, fact in FACTS.items()}
    document = Problems(TABLE, type_base="/", vocabulary=VOCABULARY).document(
        Refused(reason, **facts), Language.EN, "1"
    )
    for language, words in document["translations"].items():
        assert not re.search(r"[{}\[\]—]", words["detail"])
        assert not re.search(r"\b[ap]\.?m\b", words["detail"], re.IGNORECASE)
        assert not re.search(r"\d_|_\d|[a-z]_[a-z]", words["detail"]), "a code shows through"
        assert not re.search("[上下]午", words["detail"])
        assert language in {"zh-CN", "en"}


@pytest.mark.parametrize(
    "member", [*State, *Action, *PartyKind, *DocumentType, *LimitScope, *LimitWindow, *ServiceKind, *Why]
)
def test_every_code_that_may_be_a_fact_has_words(member: str) -> None:
    assert isinstance(VOCABULARY[str(member)], Words)
    assert CHINESE.search(VOCABULARY[str(member)].zh)
    assert not CHINESE.search(VOCABULARY[str(member)].en)


def test_a_full_slot_names_the_way_out() -> None:
    facts = {name: FACTS[name].example for name in ("places_left", "places_asked", "alternatives")}
    texts = DOCS._problems.document(Refused(Reason.SLOT_FULL, **facts), Language.ZH, "1")["translations"]
    assert texts["zh-CN"]["detail"] == "该时段剩余 1 个名额，不足 3 个。最近的空闲时段：11月28日 周六 17:30。"
    assert (
        texts["en"]["detail"]
        == "Too few places are left at this time: 1 of the 3 that you need. Nearest free times: Sat 28 Nov 17:30."
    )


def test_a_limit_reads_as_a_sentence() -> None:
    facts = {"most": 2, "scope": "service", "window": "week", "free_again_on": FACTS["free_again_on"].example}
    texts = DOCS._problems.document(Refused(Reason.LIMIT_REACHED, **facts), Language.ZH, "1")["translations"]
    assert texts["zh-CN"]["detail"] == "每人每周在该服务最多预约 2 次。11月30日 周一 起可再次预约。"
    assert (
        texts["en"]["detail"]
        == "Each person can book this service 2 times a week. They can book again from Mon 30 Nov."
    )


def test_a_route_documents_one_entry_for_each_status_with_an_example_of_each_code() -> None:
    responses = problems(Reason.SLOT_FULL, Reason.CLASHES, Reason.NOT_SIGNED_IN, Reason.SLOT_FULL)
    assert list(responses) == [401, 409]
    content = responses[409]["content"]["application/problem+json"]
    assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert set(content["examples"]) == {"slot_full", "clashes"}
    assert content["examples"]["slot_full"]["value"]["status"] == 409
