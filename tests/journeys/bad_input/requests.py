"""Requests that are wrong whatever they are about: no JSON, too large, no key, no token, an unknown address."""

import base64
import json
from datetime import timedelta
from typing import Any

from services.booking.domain.reason import Reason
from shared.clock import SHANGHAI
from shared.http import Response
from shared.tokens import Principal, Signer
from tests import make
from tests.journeys.bad_input.case import Arrange, Ask, Case, ask
from tests.journeys.bad_input.stage import Stage, unknown_id

BOOKINGS = "/api/v1/bookings"
NOTHING = {"slot_id": unknown_id(), "people": [unknown_id()]}
"""A wish that reads well and names nothing that exists."""


def booking(**changes: Any) -> Arrange:
    """A wish with something wrong in it."""
    return ask("wang", "POST", BOOKINGS, NOTHING | changes)


def raw(content: bytes, path: str = BOOKINGS, **headers: str) -> Arrange:
    """A body as it is on the wire."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask("wang", "POST", path, content=content, headers=named)


def key(value: str | None) -> Arrange:
    """A whole wish under a key that is none."""
    return ask("wang", "POST", BOOKINGS, NOTHING, headers={"idempotency-key": value})


async def reused_key(stage: Stage) -> Ask:
    slot, person = await stage.slot(), await stage.person()
    first = {"slot_id": str(slot.id), "people": [person], "confirm": True}
    assert (await stage.wang.post(BOOKINGS, first, key="one wish")).status_code == 201
    other = first | {"confirm": False}
    return Ask(who=stage.wang, method="POST", path=BOOKINGS, body=other, headers={"idempotency-key": '"one wish"'})


async def reused_key_elsewhere(stage: Stage) -> Ask:
    booked = await stage.booked(await stage.slot())
    path = f"{BOOKINGS}/{booked['id']}"
    first = await stage.wang.post(f"{path}/cancellation", {"reason": "下雨"}, key="one wish")
    assert first.status_code == 200
    return Ask(who=stage.wang, method="POST", path=f"{path}/extension", headers={"idempotency-key": '"one wish"'})


def if_match(value: str, **facts: Any) -> Arrange:
    """Cancel a booking, with a version of one's own."""

    async def arrange(stage: Stage) -> Ask:
        booked = await stage.booked(await stage.slot())
        path = f"{BOOKINGS}/{booked['id']}/cancellation"
        return Ask(who=stage.wang, method="POST", path=path, headers={"if-match": value}, facts=facts)

    return arrange


def bearing(token: Any) -> Arrange:
    """Read my account with the token that `token(stage)` makes."""

    async def arrange(stage: Stage) -> Ask:
        headers = {"authorization": f"Bearer {token(stage)}"}
        return Ask(who=stage.nobody, method="GET", path="/api/v1/me", headers=headers)

    return arrange


def good(stage: Stage) -> str:
    return stage.wang.headers["authorization"].removeprefix("Bearer ")


def expired(stage: Stage) -> str:
    token = good(stage)
    stage.pass_minutes(61)
    return token


def forged(stage: Stage) -> str:
    """An administrator's token, whole in every way but its key."""
    principal = Principal(subject=make.RESIDENT, role="administrator")
    return Signer(stage.strange_keys).issue(principal, make.NOW, timedelta(hours=1))


def unsigned(stage: Stage) -> str:
    """The `alg: none` of RFC 8725, 3.1, around good claims."""
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "at+jwt"}).encode()).rstrip(b"=").decode()
    return f"{header}.{good(stage).split('.')[1]}."


def promoted(stage: Stage) -> str:
    """Wang's token with its claims changed: the signature is no longer theirs."""
    header, claims, signature = good(stage).split(".")
    told = json.loads(base64.urlsafe_b64decode(claims + "=="))
    claims = base64.urlsafe_b64encode(json.dumps(told | {"role": "administrator"}).encode()).rstrip(b"=").decode()
    return f"{header}.{claims}.{signature}"


def entry(name: str) -> Arrange:
    """Sign in with a login and a password."""
    return ask("nobody", "POST", "/api/v1/sign-in/staff-tokens", {"login": name, "password": "correct horse battery"})


def code_for(phone: str) -> Arrange:
    return ask("nobody", "POST", "/api/v1/sign-in/codes", {"phone": phone})


async def second_code_at_once(stage: Stage) -> Ask:
    await stage.nobody.new_code("13900009999")
    stage.pass_minutes(0)
    return Ask(
        who=stage.nobody,
        method="POST",
        path="/api/v1/sign-in/codes",
        body={"phone": "139 0000 9999"},
        facts={"retry_after_seconds": 60},
    )


def wrong_code(before: int) -> Arrange:
    """Give a wrong code after so many other wrong ones."""

    async def arrange(stage: Stage) -> Ask:
        right = await stage.nobody.new_code("13900009999")
        body = {"phone": "13900009999", "code": f"{(int(right) + 1) % 1_000_000:06d}"}
        for _ in range(before):
            assert (await stage.nobody.post("/api/v1/sign-in/tokens", body)).status_code == 422
        return Ask(who=stage.nobody, method="POST", path="/api/v1/sign-in/tokens", body=body)

    return arrange


async def birth_dates_by_trying(stage: Stage) -> Ask:
    booked = await stage.booked(await stage.slot())
    body = {"reference": booked["reference"], "birth_date": "1949-10-01"}
    answers: list[Response] = [await stage.nobody.post(f"{BOOKINGS}/lookup", body) for _ in range(30)]
    assert {answer.status_code for answer in answers} == {404}
    return Ask(who=stage.nobody, method="POST", path=f"{BOOKINGS}/lookup", body=body)


R = Reason
DEEP = b'{"slot_id": ' + b"[" * 4000 + b"]" * 4000 + b"}"
REPEATED = b'{"slot_id": "%b", "slot_id": "%b", "people": ["%b"]}' % tuple(unknown_id().encode() for _ in range(3))
PLANS = f"/api/v1/services/{next(iter(make.catalogue().services))}/hours"
TODAY = make.NOW.astimezone(SHANGHAI).date()

CASES = [
    Case("half a document", 422, R.INVALID_REQUEST, raw(b'{"slot_id": '), "", "json_invalid"),
    Case("an empty body where one is needed", 422, R.INVALID_REQUEST, raw(b""), "", None),
    Case("a text that is no JSON", 422, R.INVALID_REQUEST, raw(b"slot_id=1"), "", "json_invalid"),
    Case("bytes that are not UTF-8", 422, R.INVALID_REQUEST, raw(b'{"slot_id": "\xff\xfe"}'), "", "json_invalid"),
    Case("bytes that are not UTF-8, elsewhere", 422, R.INVALID_REQUEST, raw(b'{"name": "\xc3"}', "/api/v1/people"), "", "json_invalid"),
    Case("one member twice", 422, R.INVALID_REQUEST, raw(REPEATED), "", "repeated_name"),
    Case("nested 4000 deep", 422, R.INVALID_REQUEST, raw(DEEP), "", "json_invalid"),
    Case("a NUL character in a text", 422, R.INVALID_REQUEST, booking(declarations={"note": "a\0b"}), "", "nul_character"),
    Case("a NUL byte in the body", 422, R.INVALID_REQUEST, raw(b'{"slot_id": "\0"}'), "", "json_invalid"),
    Case("a NUL character in the address", 422, R.INVALID_REQUEST, ask("nobody", "GET", "/api/v1/services/a%00b"), None, "nul_character"),
    Case("half a character", 422, R.INVALID_REQUEST, raw(b'{"reference": "7Q2M-\\ud800-9", "birth_date": "1990-01-01"}', f"{BOOKINGS}/lookup"), "/reference", "string_unicode"),
    Case("NaN", 422, R.INVALID_REQUEST, raw(b'{"slot_id": NaN, "people": []}'), "/slot_id", "uuid_type"),
    Case("a list for an object", 422, R.INVALID_REQUEST, raw(b"[]"), "", None),
    Case("an unknown field", 422, R.INVALID_REQUEST, booking(note="window seat"), "/note", "extra_forbidden"),
    Case("a field that is missing", 422, R.INVALID_REQUEST, ask("wang", "POST", BOOKINGS, {"slot_id": unknown_id()}), "/people", "missing"),
    Case("an id that is none", 422, R.INVALID_REQUEST, booking(slot_id="the first one"), "/slot_id", "uuid_parsing"),
    Case("an id that is none, in a list", 422, R.INVALID_REQUEST, booking(people=["王建国"]), "/people/0", "uuid_parsing"),
    Case("nobody", 422, R.INVALID_REQUEST, booking(people=[]), "/people", "too_short"),
    Case("a coachload", 422, R.INVALID_REQUEST, booking(people=[unknown_id() for _ in range(21)]), "/people", "too_long"),
    Case("a word that is none of those known", 422, R.INVALID_REQUEST, booking(party="family"), "/party", "enum"),
    Case("maybe", 422, R.INVALID_REQUEST, booking(confirm="maybe"), "/confirm", "bool_parsing"),
    Case("a channel nobody may name", 422, R.INVALID_REQUEST, booking(channel="walk_in"), "/channel", "literal_error"),
    Case("an answer without end", 422, R.INVALID_REQUEST, booking(declarations={"a~b/c": "x" * 201}), "/declarations/a~0b~1c", "string_too_long"),
    Case("a day that is none", 422, R.INVALID_REQUEST, ask("nobody", "POST", f"{BOOKINGS}/lookup", {"reference": "7Q2M-K4ZD-C", "birth_date": "1990-02-30"}), "/birth_date", "date_from_datetime_parsing"),
    Case("a body of 10 MB", 413, R.BODY_TOO_LARGE, raw(b'{"slot_id": "' + b"x" * 10_000_000 + b'"}'), facts={"most_bytes": 65536}),
    Case("a form", 415, R.UNSUPPORTED_MEDIA_TYPE, raw(b"slot_id=1", content_type="application/x-www-form-urlencoded"), facts={"media_type": "application/x-www-form-urlencoded"}),
    Case("an unknown query parameter", 422, R.INVALID_REQUEST, ask("nobody", "GET", "/api/v1/availability?servce_id=timed-entry"), "?servce_id", "unknown_parameter"),
    Case("a query parameter on a write", 422, R.INVALID_REQUEST, ask("wang", "POST", f"{BOOKINGS}?dry_run=1", NOTHING), "?dry_run", "unknown_parameter"),
    Case("a query parameter twice", 422, R.INVALID_REQUEST, ask("nobody", "GET", "/api/v1/services?limit=1&limit=2"), "?limit", "repeated_parameter"),
    Case("a page of nothing", 422, R.INVALID_REQUEST, ask("nobody", "GET", "/api/v1/services?limit=0"), "?limit", "greater_than_equal"),
    Case("a page of everything", 422, R.INVALID_REQUEST, ask("wang", "GET", f"{BOOKINGS}?limit=101"), "?limit", "less_than_equal"),
    Case("a kind that the city does not offer", 422, R.INVALID_REQUEST, ask("nobody", "GET", "/api/v1/services?kind=karaoke"), "?kind", "enum"),
    Case("a cursor of one's own", 400, R.INVALID_CURSOR, ask("wang", "GET", f"{BOOKINGS}?cursor=next"), "/cursor"),
    Case("a cursor of another list", 400, R.INVALID_CURSOR, ask("nobody", "GET", "/api/v1/services?cursor=WyJubyJd"), "/cursor"),
    Case("a method that the address does not take", 405, R.METHOD_NOT_ALLOWED, ask("wang", "DELETE", BOOKINGS)),
    Case("an address with nothing there", 404, R.NOT_FOUND, ask("wang", "GET", "/api/v1/bookinggs")),
    Case("a booking id that is none", 404, R.NOT_FOUND, ask("wang", "GET", f"{BOOKINGS}/7")),
    Case("no Idempotency-Key", 400, R.IDEMPOTENCY_KEY_MISSING, key(None)),
    Case("an Idempotency-Key without quotes", 400, R.IDEMPOTENCY_KEY_INVALID, key("8e03978e")),
    Case("an empty Idempotency-Key", 400, R.IDEMPOTENCY_KEY_INVALID, key('""')),
    Case("an Idempotency-Key without end", 400, R.IDEMPOTENCY_KEY_INVALID, key(f'"{"k" * 256}"')),
    Case("a key used for another body", 422, R.IDEMPOTENCY_KEY_REUSED, reused_key),
    Case("a key used for another address", 422, R.IDEMPOTENCY_KEY_REUSED, reused_key_elsewhere),
    Case("a version that is none", 400, R.IF_MATCH_INVALID, if_match("1")),
    Case("a version that has passed", 412, R.STALE_VERSION, if_match('"7"', current_version=1)),
    Case("no token", 401, R.NOT_SIGNED_IN, ask("nobody", "POST", BOOKINGS, NOTHING)),
    Case("a token that is none", 401, R.NOT_SIGNED_IN, bearing(lambda _: "let-me-in")),
    Case("an expired token", 401, R.NOT_SIGNED_IN, bearing(expired)),
    Case("a token by another issuer", 401, R.NOT_SIGNED_IN, bearing(forged)),
    Case("a token without signature", 401, R.NOT_SIGNED_IN, bearing(unsigned)),
    Case("a token with more in it", 401, R.NOT_SIGNED_IN, bearing(promoted)),
    Case("a resident at the staff's list", 403, R.NOT_ALLOWED, ask("wang", "GET", f"/api/v1/venues/{make.VENUE}/expected")),
    Case("staff at another venue's list", 403, R.NOT_ALLOWED, ask("staff_elsewhere", "GET", f"/api/v1/venues/{make.VENUE}/expected")),
    Case("staff who would publish hours", 403, R.NOT_ALLOWED, ask("staff", "POST", f"{PLANS}/preview", {"plan": {"valid_from": str(TODAY), "valid_until": str(TODAY)}})),
    Case("guessing birth dates", 429, R.TOO_MANY_REQUESTS, birth_dates_by_trying),
    Case("a code for a telephone on a desk", 422, R.PHONE_INVALID, code_for("0411-83630000"), "/phone"),
    Case("a code for a number too short", 422, R.PHONE_INVALID, code_for("1390000"), "/phone"),
    Case("a second code at once", 429, R.TOO_MANY_REQUESTS, second_code_at_once),
    Case("a code of five digits", 422, R.INVALID_REQUEST, ask("nobody", "POST", "/api/v1/sign-in/tokens", {"phone": "13900009999", "code": "12345"}), "/code", "string_pattern_mismatch"),
    Case("a code that was never sent", 422, R.SIGN_IN_CODE_WRONG, ask("nobody", "POST", "/api/v1/sign-in/tokens", {"phone": "13900008888", "code": "123456"}), "/code"),
    Case("a wrong code", 422, R.SIGN_IN_CODE_WRONG, wrong_code(0), "/code", facts={"tries_left": 4}, writes=frozenset({"sign_in_codes"})),
    Case("a sixth wrong code", 422, R.SIGN_IN_TOO_MANY_TRIES, wrong_code(5), "/code"),
    Case("an unknown login", 422, R.CREDENTIALS_WRONG, entry("nobody-here")),
    Case("the login of somebody who left", 403, R.ACCOUNT_DISABLED, entry("left-last-year")),
]  # fmt: skip
