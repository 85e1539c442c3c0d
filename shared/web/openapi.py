"""The OpenAPI document: problem answers written out with an example for each code, and what every operation shares.

An answer that the document does not name is a broken promise to whoever writes a front end from it; so what the edge
itself may answer to any request is added here, to every operation.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from shared.refusal import Refused
from shared.web.problems import MEDIA_TYPE, Fact, Problems, placeholders
from shared.web.reason import EdgeReason
from shared.web.words import Language

Responses = dict[int | str, dict[str, Any]]
_SAMPLE_REQUEST = "01936f2e-7c1a-7def-8a3b-5d4c3b2a1908"
_EVERY_OPERATION = (EdgeReason.INVALID_REQUEST, EdgeReason.TOO_MANY_REQUESTS, EdgeReason.INTERNAL, EdgeReason.BUSY)
_WITH_BODY = (EdgeReason.BODY_TOO_LARGE, EdgeReason.UNSUPPORTED_MEDIA_TYPE)

_TRANSLATION = {
    "type": "object",
    "required": ["title", "detail"],
    "properties": {"title": {"type": "string"}, "detail": {"type": "string"}},
}
PROBLEM_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457. Other members are the facts of the refusal, as the examples of each code show.",
    "required": ["type", "title", "status", "detail", "instance", "code", "translations"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "Documentation of this code."},
        "title": {"type": "string", "description": "In the language of Content-Language."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "A sentence to show as it is: what is wrong, and what to do next."},
        "instance": {"type": "string", "description": "This request, as in X-Request-ID: quote it to the help desk."},
        "code": {"type": "string", "description": "Stable; what a program decides by."},
        "field": {"type": "string", "description": "JSON pointer to the field at fault."},
        "retry_after_seconds": {"type": "integer", "description": "As in Retry-After."},
        "errors": {
            "type": "array",
            "description": "Every fault of an invalid request.",
            "items": {
                "type": "object",
                "required": ["code", "detail"],
                "properties": {
                    "code": {"type": "string"},
                    "field": {"type": "string"},
                    "parameter": {"type": "string"},
                    "header": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
        "translations": {
            "type": "object",
            "required": ["zh-CN", "en"],
            "properties": {"zh-CN": _TRANSLATION, "en": _TRANSLATION},
        },
    },
}


class ProblemDocs:
    """Writes what an operation may answer when it refuses.

    Args:
        problems: the service's problem answers.
        facts: the glossary of facts, for the examples.
    """

    def __init__(self, problems: Problems, facts: Mapping[str, Fact]) -> None:
        self._problems = problems
        self._facts = facts

    def responses(self, *reasons: StrEnum) -> Responses:
        """Return the `responses=` of a route that may refuse for `reasons`; one entry for each status."""
        by_status: dict[int, list[StrEnum]] = {}
        for reason in dict.fromkeys(reasons):
            by_status.setdefault(self._problems.status(reason), []).append(reason)
        return {status: self._response(members) for status, members in sorted(by_status.items())}

    def _response(self, reasons: Sequence[StrEnum]) -> dict[str, Any]:
        examples = {reason.value: self._example(reason) for reason in reasons}
        titles = [example["summary"] for example in examples.values()]
        return {
            "description": " / ".join(titles),
            "content": {
                MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples},
            },
        }

    def _example(self, reason: StrEnum) -> dict[str, Any]:
        text = self._problems.table[reason]
        names = sorted(placeholders(text.detail.zh) | placeholders(text.detail.en))
        facts = {name: self._facts[name].example for name in names}
        value = self._problems.document(Refused(reason, **facts), Language.ZH, _SAMPLE_REQUEST)
        return {"summary": f"{text.title.zh} {text.title.en}", "value": value}


def describe(app: FastAPI, docs: ProblemDocs, *, version: str, security: Mapping[str, Any]) -> None:
    """Have `app` write its OpenAPI document with the problems of the edge, and with `security` schemes."""
    app.openapi = partial(_document, app, docs, version, security)  # type: ignore[method-assign]


def _document(app: FastAPI, docs: ProblemDocs, version: str, security: Mapping[str, Any]) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
            servers=app.servers,
            license_info=app.license_info,
        )
        components = document.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        for schema in schemas.values():
            schema["examples"] = [_with_nulls(one, schema, schemas) for one in schema.get("examples", ())]
            if not schema["examples"]:
                del schema["examples"]
        schemas["Problem"] = dict(PROBLEM_SCHEMA)
        components["securitySchemes"] = dict(security)
        for operation in _operations(document):
            _complete(operation, docs)
        app.openapi_schema = document
    return app.openapi_schema


def _with_nulls(example: Any, schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """Put back what FastAPI leaves out of examples: members that are null, and must be there all the same."""
    if "$ref" in schema:
        return _with_nulls(example, schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if isinstance(example, list):
        return [_with_nulls(one, schema.get("items", {}), schemas) for one in example]
    if not isinstance(example, dict):
        return example
    properties = schema.get("properties", {})
    whole = {name: _with_nulls(value, properties.get(name, {}), schemas) for name, value in example.items()}
    return whole | {
        name: None for name in schema.get("required", ()) if name not in whole and _nullable(properties[name])
    }


def _nullable(schema: Mapping[str, Any]) -> bool:
    return {"type": "null"} in schema.get("anyOf", ())


def _operations(document: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for path in document["paths"].values():
        yield from (operation for operation in path.values() if isinstance(operation, dict))


def _complete(operation: dict[str, Any], docs: ProblemDocs) -> None:
    """Add what the edge may answer to any request, beside what the route says for itself."""
    answers = operation["responses"]
    automatic = answers.get("422", {}).get("content", {}).get("application/json")
    if automatic is not None:
        del answers["422"]
    reasons = (*_EVERY_OPERATION, *(_WITH_BODY if "requestBody" in operation else ()))
    for status, response in docs.responses(*reasons).items():
        present = answers.setdefault(str(status), response)
        edge = response["content"][MEDIA_TYPE]
        content = present.setdefault("content", {}).setdefault(MEDIA_TYPE, {"schema": edge["schema"]})
        content.setdefault("examples", {}).update(edge["examples"])


SAMPLE_MOMENT = datetime(2026, 11, 28, 8, 30, tzinfo=UTC)
"""Saturday 28 November 2026, 16:30 in Asia/Shanghai: the moment of every example."""
