"""The OpenAPI document is whole enough to write a front end from, and its page needs no other machine."""

import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from services.booking.api.problems import TABLE
from services.booking.domain.reason import Reason
from services.booking.domain.reference import normalise
from tests.booking.api.caller import Caller, problem

CHINESE = re.compile(r"[一-鿿]")
ENGLISH = re.compile(r"[A-Za-z]{2}")
NO_KEY = {
    "/api/v1/sign-in/staff-tokens",
    "/api/v1/bookings/lookup",
    "/api/v1/services/{service_id}/hours/preview",
    "/api/v1/itineraries/{itinerary_id}/plans",
}
"""They change nothing; they are no GET only so that what they send stands in no address."""

BY_LINK = {"/contact-proofs/{token}"}
"""Forms behind a link in a mail: a browser sends no key with them, and a second press changes nothing."""

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def fetched() -> dict[str, Any]:
    """The document, once somebody has asked for it: it is the same for everybody, and costs a second."""
    return {}


@pytest.fixture
async def document(api: Caller, fetched: dict[str, Any]) -> dict[str, Any]:
    if not fetched:
        fetched |= (await api.get("/openapi.json")).json()
    return fetched


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def validator(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator(
        {**schema, "components": document["components"]}, format_checker=Draft202012Validator.FORMAT_CHECKER
    )


def models(document: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the models that a body may be."""
    one = document["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2])
    return [one] if one else [model for part in schema.get("anyOf", ()) for model in models(document, part)]


async def test_every_operation_is_named_in_both_languages_and_has_a_known_tag(document: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    for _, path, operation in operations(document):
        assert CHINESE.search(operation["summary"]), path
        assert ENGLISH.search(operation["summary"]), path
        assert operation["description"].strip(), path
        assert set(operation["tags"]) <= tags, path
    for tag in document["tags"]:
        assert CHINESE.search(tag["description"])
        assert ENGLISH.search(tag["description"])


async def test_every_operation_documents_what_the_edge_may_answer(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        answers = operation["responses"]
        assert {"422", "429", "500", "503"} <= set(answers), (method, path)
        assert "invalid_request" in answers["422"]["content"][PROBLEM]["examples"]
        if "requestBody" in operation:
            assert {"413", "415"} <= set(answers), (method, path)
        for status, answer in answers.items():
            if int(status) >= 400:
                assert answer["content"][PROBLEM]["schema"] == {"$ref": "#/components/schemas/Problem"}, (path, status)
    assert not {"HTTPValidationError", "ValidationError"} & set(document["components"]["schemas"])


async def test_writes_take_a_key_and_whatever_needs_an_account_says_so(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        takes = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "header"}
        if method != "get" and path not in NO_KEY | BY_LINK:
            assert "Idempotency-Key" in takes, path
            assert "idempotency_key_reused" in operation["responses"]["422"]["content"][PROBLEM]["examples"], path
        assert ("401" in operation["responses"]) == ("security" in operation), path


async def test_every_example_is_what_the_schema_says(document: dict[str, Any]) -> None:
    checked = 0
    for name, schema in document["components"]["schemas"].items():
        for example in schema.get("examples", ()):
            errors = list(validator(document, {"$ref": f"#/components/schemas/{name}"}).iter_errors(example))
            assert not errors, (name, errors)
            checked += 1
    for _, path, operation in operations(document):
        for status, answer in operation["responses"].items():
            for content in answer.get("content", {}).values():
                examples = [one["value"] for one in content.get("examples", {}).values()]
                for example in [*examples, *([content["example"]] if "example" in content else [])]:
                    errors = list(validator(document, content["schema"]).iter_errors(example))
                    assert not errors, (path, status, errors)
                    checked += 1
    assert checked > 100


async def test_every_body_has_an_example(document: dict[str, Any]) -> None:
    for _, path, operation in operations(document):
        contents = [operation.get("requestBody", {}).get("content", {}).get("application/json")]
        contents += [answer.get("content", {}).get("application/json") for answer in operation["responses"].values()]
        for content in filter(None, contents):
            for model in models(document, content["schema"]):
                [*items] = models(document, model.get("properties", {}).get("items", {}).get("items", {}))
                assert any("examples" in one for one in (model, *items)) or "example" in content, (path, model["title"])


async def test_the_page_shows_every_operation_and_fetches_nothing(api: Caller, document: dict[str, Any]) -> None:
    answer = await api.get("/docs")
    page = answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for _, path, operation in operations(document):
        assert f"<code>{path}</code>" in page
        assert f'id="{operation["operationId"]}"' in page
    assert "<script" not in page
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", page)
    assert "@import" not in page
    assert "url(" not in page


async def test_a_problem_s_type_leads_to_its_page(api: Caller) -> None:
    body = problem(await api.get("/api/v1/me"), 401, "not_signed_in")
    page = await api.get(body["type"])
    assert "请先登录" in page.text
    assert "Sign in first" in page.text
    problem(await api.get("/problems/no-such-code"), 404, "not_found")
    problem(await api.get("/problems/<script>"), 404, "not_found")


async def test_every_reason_has_its_page(api: Caller) -> None:
    for reason in Reason:
        answer = await api.get(f"/problems/{reason.value.replace('_', '-')}")
        assert TABLE[reason].title.zh in answer.text.replace("&quot;", '"')


def test_the_reference_of_every_example_can_be_typed() -> None:
    """Whoever copies an example must not be told that its check character is wrong."""
    sources = (Path(__file__).parents[3] / "services").rglob("*.py")
    found = {one for path in sources for one in re.findall(r"\b[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]\b", path.read_text())}
    assert found
    assert {normalise(one) for one in found - {"ABCD-EFGH-J"}} == found - {"ABCD-EFGH-J"}
