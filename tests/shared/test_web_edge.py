"""The edge around a small application: bodies, limits, faults, languages, headers; all through HTTP."""

import logging
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import pytest
from fastapi import FastAPI, HTTPException, Query
from pydantic import Field
from starlette.responses import StreamingResponse

from shared.clock import SHANGHAI
from shared.contracts import Words
from shared.http import ASGITransport, Client, Response
from shared.ids import new_id
from shared.refusal import Refused
from shared.tokens import Principal
from shared.web import (
    Edge,
    EdgeOptions,
    EdgeReason,
    Limits,
    ProblemText,
    Rate,
    Strict,
    add_routes,
    install_problems,
    strict_router,
)
from shared.web.edge import LINGER_BYTES

START = datetime(2026, 11, 28, 16, 30, tzinfo=SHANGHAI)
WANG = Principal(subject=new_id(), role="resident")
TABLE: dict[Any, ProblemText] = {
    reason: ProblemText(400, Words(f"标题 {reason}", f"Title {reason}"), Words("说明", "Detail"))
    for reason in EdgeReason
} | {
    EdgeReason.INVALID_REQUEST: ProblemText(422, Words("内容有误", "Invalid"), Words("请修改", "Correct it")),
    EdgeReason.BODY_TOO_LARGE: ProblemText(
        413, Words("过大", "Too large"), Words("至多 {most_bytes}", "Most {most_bytes}")
    ),
    EdgeReason.NOT_FOUND: ProblemText(404, Words("没有", "Nothing"), Words("没有", "Nothing here")),
    EdgeReason.NOT_SIGNED_IN: ProblemText(401, Words("请登录", "Sign in"), Words("请登录", "Sign in")),
    EdgeReason.METHOD_NOT_ALLOWED: ProblemText(405, Words("不行", "No"), Words("不行", "No")),
    EdgeReason.UNSUPPORTED_MEDIA_TYPE: ProblemText(415, Words("格式", "Type"), Words("格式", "Type[ {media_type}]")),
    EdgeReason.TOO_MANY_REQUESTS: ProblemText(
        429, Words("太快", "Too fast"), Words("{retry_after_seconds} 秒后", "in {retry_after_seconds} s")
    ),
    EdgeReason.BUSY: ProblemText(503, Words("繁忙", "Busy"), Words("稍后", "Later")),
    EdgeReason.INTERNAL: ProblemText(500, Words("故障", "Broken"), Words("故障", "Broken")),
    EdgeReason.NOT_ALLOWED: ProblemText(
        403, Words("不可", "No"), Words("{state}，{at} 起。[另有：{others}。]", "{state}, from {at}.[ Also: {others}.]")
    ),
}
router = strict_router()


class Party(Strict):
    """A body."""

    name: Annotated[str, Field(min_length=1, max_length=10)]
    people: Annotated[list[UUID], Field(max_length=3, default_factory=list)]
    size: int = 1


@router.post("/echo")
async def echo(party: Party) -> dict[str, Any]:
    return party.model_dump(mode="json")


@router.get("/echo")
async def listen() -> None:
    return


@router.get("/search")
async def search(
    limit: Annotated[int, Query(ge=1, le=50)] = 20, kind: Annotated[list[str] | None, Query()] = None
) -> dict[str, Any]:
    return {"limit": limit, "kind": kind}


@router.get("/things/{thing}")
async def thing(thing: str) -> dict[str, str]:
    return {"thing": thing}


@router.get("/refuse")
async def refuse(others: bool = False) -> None:
    more = {"others": [{"starts_at": START, "slot_id": 7}]} if others else {}
    raise Refused(EdgeReason.NOT_ALLOWED, field="/slot_id", state="held", at=START, **more)


@router.get("/break")
async def break_() -> None:
    raise RuntimeError("the secret is 4711")


@router.get("/gone")
async def gone() -> None:
    raise ConnectionRefusedError("no database")


@router.get("/half")
async def half() -> StreamingResponse:
    async def body() -> AsyncIterator[bytes]:
        yield b"one"
        raise RuntimeError("midway")

    return StreamingResponse(body())


@router.get("/teapot")
async def teapot() -> None:
    raise HTTPException(418)


async def identify(token: str) -> Principal | None:
    return WANG if token == "wang" else None


def make_app(**options: Any) -> FastAPI:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    problems = install_problems(
        app, TABLE, type_base="https://example.com/problems/", vocabulary={"held": Words("保留中", "held")}
    )
    defaults: dict[str, Any] = {
        "identify": identify,
        "limits": Limits(account=Rate("account", 1000), address=Rate("address", 1000)),
        "is_unavailable": lambda error: isinstance(error, ConnectionError),
    }
    app.add_middleware(Edge, problems=problems, options=EdgeOptions(**defaults | options))
    add_routes(app, router)
    return app


def client_of(app: FastAPI) -> Client:
    return Client(transport=ASGITransport(app), base_url="http://test")


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with client_of(make_app()) as one:
        yield one


def problem(answer: Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] == f"https://example.com/problems/{code.replace('_', '-')}"
    assert body["instance"] == f"urn:uuid:{answer.headers['x-request-id']}"
    UUID(answer.headers["x-request-id"])
    assert set(body["translations"]) == {"zh-CN", "en"}
    return body


async def send_json(client: Client, raw: bytes | str, **headers: str) -> Response:
    return await client.post("/echo", content=raw, headers={"content-type": "application/json", **headers})


async def test_a_good_answer_carries_the_headers_of_the_house(client: Client) -> None:
    answer = await client.post("/echo", json={"name": "王"})
    assert answer.json() == {"name": "王", "people": [], "size": 1}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["ratelimit-policy"] == '"address";q=1000;w=60'
    assert "strict-transport-security" not in answer.headers


async def test_strict_transport_security_comes_with_https() -> None:
    async with client_of(make_app(https=True)) as client:
        assert (await client.get("/things/a")).headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        (None, "zh-CN"),
        ("en", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("zh-TW, en;q=0.5", "zh-CN"),
        ("zh;q=0.3, en;q=0.8", "en"),
        ("fr", "zh-CN"),
        ("fr, *;q=0.1", "zh-CN"),
        ("en;q=0", "zh-CN"),
        ("en;q=high", "zh-CN"),
        (";;,,q=,en;", "en"),
        ("en," * 500, "zh-CN"),
    ],
)
async def test_the_answer_speaks_the_language_that_is_asked_for(
    client: Client, accept: str | None, language: str
) -> None:
    answer = await client.get("/refuse", headers={} if accept is None else {"accept-language": accept})
    body = problem(answer, 403, "not_allowed")
    assert answer.headers["content-language"] == language
    assert {"title": body["title"], "detail": body["detail"]} == body["translations"][language]


async def test_facts_are_json_and_read_as_local_time_in_words(client: Client) -> None:
    body = problem(await client.get("/refuse?others=true"), 403, "not_allowed")
    assert body["at"] == "2026-11-28T16:30:00+08:00"
    assert body["field"] == "/slot_id"
    assert body["others"] == [{"starts_at": "2026-11-28T16:30:00+08:00", "slot_id": 7}]
    assert body["translations"]["zh-CN"]["detail"] == "保留中，11月28日 周六 16:30 起。另有：11月28日 周六 16:30。"
    assert body["translations"]["en"]["detail"] == "held, from Sat 28 Nov 16:30. Also: Sat 28 Nov 16:30."


async def test_an_optional_part_without_its_fact_is_left_out(client: Client) -> None:
    body = problem(await client.get("/refuse"), 403, "not_allowed")
    assert body["translations"]["en"]["detail"] == "held, from Sat 28 Nov 16:30."


async def test_every_fault_has_its_place(client: Client) -> None:
    answer = await client.post(
        "/echo",
        json={"name": "", "people": ["x"], "size": "many", "a/b~c": 1},
        headers={"accept-language": "en"},
    )
    body = problem(answer, 422, "invalid_request")
    assert {fault["field"]: fault["code"] for fault in body["errors"]} == {
        "/name": "string_too_short",
        "/people/0": "uuid_parsing",
        "/size": "int_parsing",
        "/a~1b~0c": "extra_forbidden",
    }
    assert body["field"] == "/name"
    assert body["errors"][0]["detail"] == "must have at least 1 characters."
    assert "many" not in answer.text


async def test_what_was_sent_is_never_repeated(client: Client) -> None:
    answer = await client.post("/echo", json={"name": "21020219500101123X", "size": {"number": "L898902C3"}})
    problem(answer, 422, "invalid_request")
    assert "2102021950" not in answer.text
    assert "L898902C3" not in answer.text


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b'{"name": "a"} trailing',
        b"\xff\xfe\x00",
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        b'{"\\ud800": 1, "name": "a"}',
        b'{"name": "a\\u0000b"}',
        b'{"a\\u0000": 1, "name": "a"}',
        b'{"name": "a\x00b"}',
        b'{"name": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b"[" * 60000,
        b'{"name": "a", "size": ' + b"9" * 5000 + b"}",
        b'{"name": "a", "size": 1e999}',
        b'{"name": "a", "size": NaN}',
        b'{"name": "a", "size": -Infinity}',
        b'{"name": "a", "people": null}',
        '{"name": "a"}'.encode("utf-16"),
        b"\xef\xbb\xbf" + b'{"name": 1}',
    ],
)
async def test_a_body_that_cannot_be_read_is_invalid_and_never_a_failure(client: Client, raw: bytes) -> None:
    problem(await send_json(client, raw), 422, "invalid_request")


async def test_a_text_that_only_looks_like_a_nul_escape_is_fine(client: Client) -> None:
    answer = await send_json(client, b'{"name": "\\\\u0000"}')
    assert answer.json()["name"] == "\\u0000"


@pytest.mark.parametrize(
    "raw",
    [
        b'{"name": "a", "name": "b"}',
        b'{"name": "a", "name": "a"}',
        b'{"name": "a", "n\\u0061me": "b"}',
        b'[{"deep": {"one": 1, "one": 2}}]',
    ],
)
async def test_a_name_given_twice_is_refused_for_nobody_knows_which_counts(client: Client, raw: bytes) -> None:
    body = problem(await send_json(client, raw), 422, "invalid_request")
    assert [(one["code"], one["field"]) for one in body["errors"]] == [("repeated_name", "")]


class Uploading:
    """A client that sends without end, or so many pieces, and does not read before it has sent all."""

    def __init__(self, size: int, pieces: int | None = None) -> None:
        self.size, self.pieces = size, pieces
        self.happened: list[str] = []
        self.status = 0

    async def receive(self) -> dict[str, Any]:
        self.happened.append("read")
        more = self.pieces is None or self.happened.count("read") < self.pieces
        return {"type": "http.request", "body": b" " * self.size, "more_body": more}

    async def send(self, message: Any) -> None:
        self.status = message.get("status", self.status)
        self.happened.append("answered" if message["type"] == "http.response.body" and message["body"] else "sent")

    async def post(self, *headers: tuple[bytes, bytes]) -> None:
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/echo",
            "raw_path": b"/echo",
            "query_string": b"",
            "client": ("192.0.2.1", 1),
            "headers": [(b"content-type", b"application/json"), *headers],
        }
        await make_app()(scope, self.receive, self.send)

    @property
    def reads(self) -> tuple[int, int]:
        """How often it was read from before the answer, and after."""
        answered = self.happened.index("answered")
        return self.happened[:answered].count("read"), self.happened[answered:].count("read")


async def test_a_large_body_is_refused_by_its_length_alone(client: Client) -> None:
    answer = await client.post("/echo", content=b" " * 70_000, headers={"content-type": "application/json"})
    assert problem(answer, 413, "body_too_large")["most_bytes"] == 65536
    assert answer.headers["connection"] == "close"
    one = Uploading(10_000, pieces=1000)
    await one.post((b"content-length", b"10000000"))
    assert (one.status, one.reads) == (413, (0, 1000))


async def test_a_large_body_without_a_length_is_read_no_further_than_the_limit() -> None:
    one = Uploading(10_000, pieces=8)
    await one.post((b"transfer-encoding", b"chunked"))
    assert (one.status, one.reads) == (413, (7, 1))


async def test_a_large_body_that_has_ended_is_not_waited_for() -> None:
    one = Uploading(70_000, pieces=1)
    await one.post((b"transfer-encoding", b"chunked"))
    assert (one.status, one.reads) == (413, (1, 0))


async def test_a_body_without_end_is_thrown_away_within_bounds() -> None:
    """Whoever sends all before they read gets the answer; whoever sends for ever is cut off."""
    one = Uploading(1024 * 1024)
    await one.post((b"transfer-encoding", b"chunked"))
    assert (one.status, one.reads) == (413, (1, LINGER_BYTES // (1024 * 1024)))


async def test_a_body_in_pieces_is_put_together(client: Client) -> None:
    async def stream() -> AsyncIterator[bytes]:
        for piece in (b'{"na', b'me": ', b'"a"}'):
            yield piece

    answer = await client.post("/echo", content=stream(), headers={"content-type": "application/json"})
    assert answer.json()["name"] == "a"


@pytest.mark.parametrize(
    "media_type", ["text/plain", "", "multipart/form-data", "application/jsonp", "application/xml"]
)
async def test_another_media_type_is_refused(client: Client, media_type: str) -> None:
    answer = await client.post("/echo", content=b'{"name": "a"}', headers={"content-type": media_type})
    problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "media_type", ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"]
)
async def test_json_goes_by_several_names(client: Client, media_type: str) -> None:
    answer = await client.post("/echo", content=b'{"name": "a"}', headers={"content-type": media_type})
    assert answer.status_code == 200


@pytest.mark.parametrize("query", ["limt=3", "limit=3&x=", "limit=1&limit=2", "a=1&" * 200, "kind=a&limit=3&Limit=4"])
async def test_an_unknown_or_repeated_parameter_is_refused(client: Client, query: str) -> None:
    body = problem(await client.get(f"/search?{query}"), 422, "invalid_request")
    assert body["errors"][0]["code"] in {"unknown_parameter", "repeated_parameter"}
    assert len(body["errors"]) <= 20


async def test_a_list_may_be_repeated(client: Client) -> None:
    assert (await client.get("/search?kind=a&kind=b&limit=3")).json() == {"limit": 3, "kind": ["a", "b"]}


async def test_a_parameter_at_fault_is_named(client: Client) -> None:
    body = problem(await client.get("/search?limit=0"), 422, "invalid_request")
    assert body["errors"][0]["parameter"] == "limit"
    assert "field" not in body


async def test_a_route_without_parameters_takes_none(client: Client) -> None:
    problem(await client.get("/things/a?debug=1"), 422, "invalid_request")


@pytest.mark.parametrize("path", ["/things/a%00b", "/search?limit=%00", "/things/%00"])
async def test_nul_in_an_address_is_refused(client: Client, path: str) -> None:
    body = problem(await client.get(path), 422, "invalid_request")
    assert body["errors"][0]["code"] == "nul_character"


async def test_nothing_there_and_the_wrong_method_are_problems_too(client: Client) -> None:
    problem(await client.get("/nowhere"), 404, "not_found")
    problem(await client.get("/search/"), 404, "not_found")
    answer = await client.delete("/echo")
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, POST"


async def test_an_unexpected_failure_says_nothing_and_is_logged_under_its_number(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = await client.get("/break")
    problem(answer, 500, "internal")
    assert "4711" not in answer.text
    [record] = [record for record in caplog.records if record.message == "request_failed"]
    assert vars(record)["request_id"] == answer.headers["x-request-id"]
    assert record.exc_info is not None
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_database_that_is_away_is_later_and_not_broken(client: Client) -> None:
    answer = await client.get("/gone")
    problem(answer, 503, "busy")
    assert answer.headers["retry-after"] == "1"


async def test_a_failure_in_the_middle_of_an_answer_breaks_the_connection(client: Client) -> None:
    with pytest.raises(RuntimeError, match="midway"):
        await client.get("/half")


async def test_a_status_of_the_framework_s_own_is_a_problem(client: Client) -> None:
    problem(await client.get("/teapot"), 422, "invalid_request")


async def test_too_many_requests_say_when_to_come_again() -> None:
    limits = Limits(account=Rate("account", 3), address=Rate("address", 2))
    async with client_of(make_app(limits=limits)) as client:
        for _ in range(2):
            assert (await client.get("/things/a")).status_code == 200
        answer = await client.get("/things/a", headers={"accept-language": "en"})
        body = problem(answer, 429, "too_many_requests")
        assert answer.headers["retry-after"] == str(body["retry_after_seconds"])
        assert answer.headers["ratelimit"] == f'"address";r=0;t={answer.headers["retry-after"]}'
        assert body["detail"] == f"in {body['retry_after_seconds']} s"
        signed_in = await client.get("/things/a", headers={"authorization": "Bearer wang"})
        assert signed_in.headers["ratelimit-policy"] == '"account";q=3;w=60'
        forged = await client.get("/things/a", headers={"authorization": "Bearer forged"})
        assert forged.status_code == 429  # a bad token buys nothing
        assert (await client.get("/healthz")).status_code == 404  # not limited, whatever it is


async def test_the_table_must_have_every_reason_of_the_edge() -> None:
    table = {reason: text for reason, text in TABLE.items() if reason is not EdgeReason.BUSY}
    with pytest.raises(ValueError, match="busy"):
        install_problems(FastAPI(), table, type_base="/")
