"""Bad input of every kind, over HTTP against the real application: each gets its answer, and nothing is written.

The kinds stand in `tests/journeys/bad_input`, one line each. Every answer is a problem (RFC 9457) with status, code
and place, a sentence in both languages, and the facts that say what to do next. What was in the database before is
there afterwards, digest for digest.
"""

import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.booking.api.problems import TABLE
from services.booking.domain.reason import Reason
from shared.http import Response
from shared.web import Language
from tests.conftest import Databases
from tests.journeys.bad_input import bookings, door, fairness, people, requests
from tests.journeys.bad_input.case import Ask, Case
from tests.journeys.bad_input.stage import Stage, open_stage

CASES: list[Case] = [*requests.CASES, *people.CASES, *bookings.CASES, *door.CASES, *fairness.CASES]
CHINESE = re.compile(r"[一-鿿]")
KEPT_ANSWERS = frozenset({"idempotency"})
TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
async def opened(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    url = await databases.create("booking")
    async with open_stage(url, tmp_path_factory.mktemp("bad-input")) as stage:
        yield stage
    await databases.drop(url)


@pytest.fixture
async def stage(opened: Stage) -> Stage:
    await opened.wipe()
    return opened


@pytest.mark.parametrize("case", [pytest.param(case, id=case.what) for case in CASES])
async def test_bad_input_gets_its_answer_and_leaves_nothing(stage: Stage, case: Case) -> None:
    ask = await case.arrange(stage)
    before = await stage.state()
    answer = await ask.send()
    after = await stage.state()
    is_problem(answer, case.status, case.code)
    is_placed(answer.json(), case)
    tells(answer, {**case.facts, **ask.facts})
    written = {name for name in before if before[name] != after[name]}
    assert written <= KEPT_ANSWERS | case.writes, written


def is_problem(answer: Response, status: int, code: Reason) -> None:
    """Check what every problem answer has: its headers, its members, a whole sentence in each language."""
    assert (answer.status_code, answer.json().get("code")) == (status, code.value), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-language"] == "zh-CN"
    body = answer.json()
    assert body["status"] == TABLE[code].status == status
    assert body["type"].endswith(f"/problems/{code.value.replace('_', '-')}")
    assert body["instance"] == f"urn:uuid:{answer.headers['x-request-id']}"
    assert set(body["translations"]) == {language.value for language in Language}
    for language, words in body["translations"].items():
        for text in (words["title"], words["detail"]):
            assert bool(CHINESE.search(text)) == (language == "zh-CN") or _quotes_chinese(body, text), text
            assert not set("{}[]—") & set(text), text
    assert {name: body[name] for name in ("title", "detail")} == body["translations"]["zh-CN"]
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
    if status == 405:
        assert set(answer.headers["allow"].split(", ")) >= {"GET", "POST"}
    if status == 429:
        assert int(answer.headers["retry-after"]) == body["retry_after_seconds"] > 0


def _quotes_chinese(body: dict[str, Any], text: str) -> bool:
    """Options of a question are the city's own terms, in Chinese in either language."""
    return any(option in text for option in str(body.get("options", "")).split(", ") if option)


def is_placed(body: dict[str, Any], case: Case) -> None:
    """Check that the answer points at what is wrong, and names the fault in both languages."""
    if case.place is None or not case.place.startswith("?"):
        assert body.get("field") == case.place
    errors = body.get("errors", [])
    if case.code is Reason.INVALID_REQUEST:
        assert errors or body["why"]
    if case.fault is not None:
        assert errors[0]["code"] == case.fault, errors
    if case.place is not None and case.place.startswith("?"):
        assert errors[0]["parameter"] == case.place[1:]
    for error in errors:
        assert CHINESE.search(error["translations"]["zh-CN"]["detail"])
        assert not CHINESE.search(error["translations"]["en"]["detail"])


def tells(answer: Response, facts: dict[str, Any]) -> None:
    """Check that the facts which say what to do next are there."""
    body = answer.json()
    assert {name: body.get(name) for name in facts} == facts


async def test_a_good_request_would_have_been_seen_to_write(stage: Stage) -> None:
    """The control: the digests that stay the same for bad input change for good input, in every table it touches."""
    slot, person = await stage.slot(), await stage.person()
    before = await stage.state()
    await bookings.wish(stage, slot, [person]).send()
    after = await stage.state()
    assert {name for name in before if before[name] != after[name]} == {
        "bookings",
        "claims",
        "history",
        "idempotency",
        "outbox",
        "slots",
    }


async def test_the_checks_refuse_an_answer_that_is_not_right(stage: Stage) -> None:
    """The control: the right answer to one case fails the checks of another."""
    answer = await Ask(who=stage.wang, method="GET", path="/api/v1/bookinggs").send()
    is_problem(answer, 404, Reason.NOT_FOUND)
    with pytest.raises(AssertionError):
        is_problem(answer, 404, Reason.SLOT_UNKNOWN)
    with pytest.raises(AssertionError):
        tells(answer, {"alternatives": []})
    with pytest.raises(AssertionError):
        is_placed(answer.json(), next(case for case in CASES if case.place == "/slot_id"))


def test_there_are_many_kinds_and_no_two_alike() -> None:
    assert len(CASES) >= 40
    assert [what for what, count in Counter(case.what for case in CASES).items() if count > 1] == []


def test_every_reason_is_met_here_or_in_a_test_of_its_own() -> None:
    """Nobody adds a reason without a test in which somebody meets it."""
    met = {case.code for case in CASES}
    elsewhere = "\n".join(
        path.read_text(encoding="utf-8")
        for path in TESTS.rglob("test_*.py")
        if path != Path(__file__).resolve() and "architecture" not in path.parts
    )
    missing = {
        reason.name
        for reason in set(Reason) - met
        if f'"{reason.value}"' not in elsewhere and f"Reason.{reason.name}" not in elsewhere
    }
    assert missing == set()
    print(f"{len(met)} of {len(Reason)} reasons over HTTP; elsewhere: {sorted(set(Reason) - met)}")
