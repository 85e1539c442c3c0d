"""The tour's own parts: what it invents, how it writes, how it listens, and that it notices what is wrong."""

import asyncio
import io
import json
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from stdnum.cn import ric

from services.tour import guide as guides
from services.tour import hearing, invented, place
from services.tour.chapters import closing
from services.tour.client import Answer, Api, Ask, Caller, Stopped
from services.tour.extra_hours import LABEL, Span, first_start, with_session
from services.tour.guide import Booked, Guide, Resident
from services.tour.inbox import Heard, Inbox, events
from services.tour.layout import NARROWEST, body_line, wrapped
from services.tour.narration import Narrator
from services.tour.place import Place
from services.tour.sink import Sink
from shared.clock import SHANGHAI
from shared.contracts import Words
from shared.http import Client, HttpError, MockTransport, Request, Response
from shared.web.words import Language
from tests.architecture.source import Source

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
ANYBODY = Caller(Words("某人", "somebody"), Language.EN, "token")


# -- the public API alone -------------------------------------------------------------------------------------------


def test_it_knows_nothing_of_the_services_insides() -> None:
    source = Source.read(ROOT, "services", "shared")
    tour = [module for module in source.modules.values() if module.name.startswith("services.tour")]
    targets = {found.target for module in tour for found in source.imports(module)}
    assert len(tour) > 15
    assert not [one for one in targets if one.startswith("services") and not one.startswith("services.tour")]


# -- people who do not exist ----------------------------------------------------------------------------------------


@given(st.integers(), st.integers(1930, 2015))
def test_an_invented_card_checks_out_and_can_have_been_given_to_nobody(seed: int, born: int) -> None:
    person = invented.resident(random.Random(seed), "林晓", "self", born=born)
    number = person.document["number"]
    digits = [10 if digit == "X" else int(digit) for digit in number]
    assert sum(digit * 2**place for place, digit in enumerate(reversed(digits))) % 11 == 1, (
        "GB 11643: ISO 7064 MOD 11-2"
    )
    assert number[6:14] == f"{person.birth_date:%Y%m%d}"
    assert person.birth_date.year == born
    assert number[:6] == "210220"
    assert ric.get_birth_place("210220198201011234") != {}, "the area code was one until 1983"
    with pytest.raises(ric.InvalidComponent):
        ric.get_birth_place("210220199001011234")  # and is none since


@given(st.integers())
def test_an_invented_telephone_is_a_mobile_number(seed: int) -> None:
    number = phonenumbers.parse(invented.phone(random.Random(seed)), "CN")
    assert phonenumbers.is_valid_number_for_region(number, "CN")
    assert phonenumbers.number_type(number) is phonenumbers.PhoneNumberType.MOBILE


def test_two_runs_invent_different_people() -> None:
    first, second = invented.chance(), invented.chance()
    assert invented.phone(first) != invented.phone(second)
    assert invented.email(first, "a").endswith("@example.com")


# -- lines ----------------------------------------------------------------------------------------------------------

_TEXTS = st.text(alphabet="林晓《》，。（）：abc /-?&=…19", max_size=200)


@given(_TEXTS, st.integers(1, 90))
def test_no_line_is_too_wide_and_no_character_is_lost(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert all(cell_len(line) <= max(width, NARROWEST) for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_chinese_breaks_between_characters_but_not_before_a_full_stop() -> None:
    assert wrapped("一二三四五六七八九十。林", 20) == ["一二三四五六七八九", "十。林"]
    assert wrapped("alpha beta gamma delta", 20) == ["alpha beta gamma", "delta"]


def test_a_body_shows_neither_password_nor_document_number() -> None:
    body = {"password": "open sesame", "document": {"number": "210220199001011234"}, "people": ["x"]}
    line = body_line(body)
    assert "sesame" not in line
    assert "19900101" not in line
    assert '"people": ["x"]' in line


# -- asking ---------------------------------------------------------------------------------------------------------


def told() -> tuple[Narrator, io.StringIO]:
    said = io.StringIO()
    return Narrator(Console(file=said, width=100), Language.EN), said


def api(handler: Callable[[Request], Response]) -> tuple[Api, io.StringIO]:
    narrator, said = told()
    return Api(Client(transport=MockTransport(handler)), "http://service.test", narrator, 0.0), said


async def test_whoever_is_told_to_come_again_comes_with_the_same_key() -> None:
    seen: list[str] = []

    def handler(request: Request) -> Response:
        seen.append(request.headers["idempotency-key"])
        busy = Response(503, headers={"retry-after": "0"}, json={"code": "busy"})
        return busy if len(seen) < 3 else Response(201, json={"id": 1})

    service, _ = api(handler)
    answer = await service.ask(ANYBODY, Ask(method="POST", path="/x", body={}, expect=201))
    assert answer.body == {"id": 1}
    assert len(seen) == 3
    assert len(set(seen)) == 1
    await service.ask(ANYBODY, Ask(method="POST", path="/x", body={}, expect=201))
    assert seen[3] != seen[0], "a new wish has a new key"


async def test_a_refusal_that_was_not_expected_stops_the_tour_and_is_shown() -> None:
    service, _ = api(lambda _: Response(409, json={"code": "slot_full"}))
    with pytest.raises(Stopped) as stopped:
        await service.ask(ANYBODY, Ask(method="POST", path="/x", expect=201))
    assert "201" in stopped.value.what.en
    assert "409 Conflict · slot_full" in stopped.value.what.en
    assert "slot_full" in stopped.value.details[0]


async def test_it_waits_as_long_as_it_is_told_and_gives_up_where_that_is_too_long() -> None:
    waits = iter(["0", "300"])

    def handler(_: Request) -> Response:
        return Response(429, headers={"retry-after": next(waits)}, json={"code": "too_many_requests"})

    service, said = api(handler)
    with pytest.raises(Stopped) as stopped:
        await service.ask(ANYBODY, Ask(method="POST", path="/x"))
    assert "429: again in 0 s, with the same key" in said.getvalue()
    assert "Too many tours" in stopped.value.to_do.en


async def test_no_answer_at_all_says_what_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.tour.client.TRIES", 1)
    narrator, _ = told()
    async with Client() as http:
        with pytest.raises(Stopped) as stopped:
            await Api(http, "http://127.0.0.1:9", narrator, 0.0).quietly(ANYBODY, Ask(method="GET", path="/"))
    assert "make run" in stopped.value.to_do.en


# -- listening ------------------------------------------------------------------------------------------------------


async def _lines(*lines: str) -> AsyncIterator[str]:
    for line in lines:
        yield line


async def test_a_stream_is_read_by_the_standard() -> None:
    stream = _lines(": open", "retry: 3000", "", "event: message", "id: 7", "data: {", "data: }", "", "data:x", "")
    found = [event async for event in events(stream)]
    assert found == [{"event": "message", "id": "7", "data": "{\n}"}, {"data": "x"}]


async def test_a_broken_stream_is_opened_again_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.tour.inbox.AGAIN_SECONDS", 0.0)
    asked: list[str] = []

    def handler(request: Request) -> Response:
        asked.append(request.headers["last-event-id"])
        if len(asked) == 2:
            raise HttpError("broken")
        number = 1 if len(asked) == 1 else 2
        return Response(200, text=f'id: {number}\ndata: {{"sequence": {number}}}\n\n')

    service, _ = api(handler)
    inbox = Inbox(service, ANYBODY)
    listening = asyncio.create_task(inbox.listen())
    found = await inbox.find(lambda message: message["sequence"] == 2, 5.0)
    listening.cancel()
    assert found is not None
    assert asked[:3] == ["0", "1", "1"]
    assert await inbox.find(lambda message: message["sequence"] == 99, 0.05) is None


# -- hours that begin within minutes --------------------------------------------------------------------------------

POLICY = {"closes_minutes_before": 0, "check_in": {"opens_minutes_before": 15}}


def at(clock: str, day: int = 24) -> datetime:
    return datetime.fromisoformat(f"2026-11-{day}T{clock}+08:00")


def test_a_session_begins_where_nothing_is_planned_and_the_door_is_open() -> None:
    assert first_start(at("10:00:30"), POLICY, []) == at("10:02:00")
    assert first_start(at("10:00:30"), POLICY, [Span(at("09:00:00"), at("10:08:00"))]) == at("10:08:00")
    assert first_start(at("10:00:30"), POLICY, [Span(at("10:06:00"), at("12:00:00"))]) is None
    assert first_start(at("23:56:00"), POLICY, []) == at("00:00:00", 25), "hours end before midnight"
    late = {"closes_minutes_before": 30, "check_in": {"opens_minutes_before": 15}}
    assert first_start(at("10:00:30"), late, []) is None, "booking closes before the door opens"


def test_what_was_planned_stays_as_it_is() -> None:
    window: dict[str, Any] = {"days": [{"weekdays": [6]}], "hours": [{"label": {"zh": "延时", "en": "evening"}}]}
    windows = [window]
    plan = {"timed": {"minutes": 30}, "windows": windows, "exceptions": [], "closures": ["x"]}
    first = with_session(plan, at("10:02:00"))
    assert first["windows"][0] == window
    assert first["windows"][1]["days"] == [{"dates": [{"first": "2026-11-24", "last": "2026-11-24"}]}]
    assert (first["windows"][1]["hours"][0]["opens"], first["windows"][1]["hours"][0]["closes"]) == ("10:02", "10:07")
    assert {**first, "windows": windows} == plan
    again = with_session(first, at("11:00:00"))
    assert len(again["windows"]) == 3, "what may still be booked today stays"
    tomorrow = with_session(again, at("11:00:00", 25))
    assert [one["hours"][0]["label"] for one in tomorrow["windows"]] == [window["hours"][0]["label"], LABEL]


def test_a_day_with_an_exception_gets_its_session_there() -> None:
    exceptions: list[dict[str, Any]] = [{"on": "11-24", "hours": ["yearly"]}, {"on": "2026-11-24", "hours": ["date"]}]
    plan = with_session({"windows": [], "exceptions": exceptions}, at("10:02:00"))
    assert plan["windows"] == []
    assert plan["exceptions"][0] == exceptions[0], "an exception for the very date comes first"
    assert plan["exceptions"][1]["hours"][0] == "date"
    assert plan["exceptions"][1]["hours"][1]["label"] == LABEL
    assert exceptions[1]["hours"] == ["date"]


# -- noticing what is wrong -----------------------------------------------------------------------------------------

STARTS = datetime(2026, 11, 28, 16, 30, tzinfo=SHANGHAI)


def reminder(lead: int, **changed: Any) -> dict[str, Any]:
    due = STARTS - timedelta(minutes=lead)
    message = {
        "id": f"{lead}",
        "kind": "reminder",
        "channel": "in_app",
        "lead_minutes": lead,
        "due_at": due.isoformat(),
        "state": "planned",
        "explanation": {"zh": "将按时发送。", "en": "It will be sent at its time."},
    }
    return {**message, **changed}


BODY = {
    "id": "b",
    "reference": "7Q2M-K4ZD-C",
    "starts_at": STARTS.isoformat(),
    "ends_at": (STARTS + timedelta(minutes=30)).isoformat(),
    "reminders": [1440, 120],
    "service": {"id": "s", "name": {"zh": "分时入场", "en": "Timed entry"}},
    "venue": {"name": {"zh": "大连博物馆", "en": "Dalian Museum"}},
}
TEXT = {"zh": "分时入场 2026年11月28日 16:30 7Q2M-K4ZD-C", "en": "Timed entry 28 Nov 16:30 7Q2M-K4ZD-C"}


def message(**changed: Any) -> dict[str, Any]:
    known = {"kind": "confirmation", "booking_id": "b", "sequence": 1, "sensitive": False}
    return {**known, "title": {"zh": "预约成功", "en": "Booked"}, "body": TEXT, **changed}


def scene(
    items: list[dict[str, Any]], mail: str = "Booked\n" + TEXT["en"], *, sensitive: bool = False
) -> tuple[Guide, Booked]:
    """A guide before a notify service that plans `items`, a sink that holds `mail`, and a service with a policy."""

    def handler(request: Request) -> Response:
        if request.url.path == "/api/v1/services/s":
            return Response(200, json={"policy": {"sensitive": sensitive}})
        if request.url.path == "/messages.json":
            title, _, text = mail.partition("\n")
            return Response(200, json={"messages": [{"channel": "mail", "title": title, "text": text}]})
        return Response(200, json={"items": items})

    narrator, _ = told()
    http = Client(transport=MockTransport(handler))
    service = Api(http, "http://service.test", narrator, 0.0)
    nowhere = Place(booking="", notify="", sink="", workers={})
    guide = Guide(
        narrator=narrator,
        booking=service,
        notify=service,
        sink=Sink(http, "http://sink.test"),
        place=nowhere,
        clock=lambda: NOW,
    )
    resident = Resident(ANYBODY, "a@example.com", Inbox(service, ANYBODY))
    return guide, Booked(body=BODY, etag='"1"', by=resident, at=0.0)


async def test_reminders_are_held_against_the_policy() -> None:
    good = [reminder(1440), reminder(120)]
    assert await hearing.reminders(*scene(good)) == good
    for wrong in (
        [reminder(1440)],
        [reminder(1440), reminder(120, due_at=STARTS.isoformat())],
        [reminder(1440), reminder(120, state="suppressed")],
    ):
        with pytest.raises(Stopped):
            await hearing.reminders(*scene(wrong))


async def test_a_reminder_that_is_not_withdrawn_stops_the_tour() -> None:
    before = [reminder(1440), reminder(120)]
    gone = [reminder(1440, state="superseded"), reminder(120, state="superseded")]
    await hearing.withdrawn(*scene(gone), before)
    with pytest.raises(Stopped, match="still planned"):
        await hearing.withdrawn(*scene([gone[0], reminder(120)]), before)
    with pytest.raises(Stopped, match="no reminder was planned"):
        await hearing.withdrawn(*scene(gone), gone)


async def heard(inbox_message: dict[str, Any], mail: str = "Booked\n" + TEXT["en"], *, sensitive: bool = False) -> None:
    guide, booked = scene([], mail, sensitive=sensitive)
    booked.by.inbox.heard.append(Heard(inbox_message, 0.0))
    await hearing.hear(guide, booked, "confirmation")


async def test_messages_are_held_against_the_booking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "ARRIVES_WITHIN", 0.1)
    await heard(message())
    with pytest.raises(Stopped, match="in the app"):
        await heard(message(kind="reminder"))
    with pytest.raises(Stopped, match="by mail"):
        await heard(message(), "Booked\nof somebody else")
    with pytest.raises(Stopped, match="lacks the reference"):
        await heard(message(body={**TEXT, "zh": "分时入场 16:30"}))
    with pytest.raises(Stopped, match="local time 16:30"):
        await heard(message(), "Booked\nTimed entry 08:30 7Q2M-K4ZD-C")
    with pytest.raises(Stopped, match="lacks the service's name"):
        await heard(message(), "Booked\n16:30 7Q2M-K4ZD-C")


async def test_a_message_that_tells_of_a_sensitive_service_stops_the_tour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "ARRIVES_WITHIN", 0.1)
    neutral = {"zh": "16:30 7Q2M-K4ZD-C", "en": "16:30 7Q2M-K4ZD-C"}
    await heard(message(sensitive=True, body=neutral), "Booked\n" + neutral["en"], sensitive=True)
    with pytest.raises(Stopped, match="Dalian Museum"):
        await heard(message(body=neutral), "Booked\nDalian Museum " + neutral["en"], sensitive=True)
    with pytest.raises(Stopped, match="not marked so"):
        await heard(message(body=neutral), "Booked\n" + neutral["en"], sensitive=True)


async def test_a_message_that_comes_twice_stops_the_tour() -> None:
    guide, booked = scene([])
    guide.bookings = [booked]
    booked.by.inbox.heard += [Heard(message(), 0.0), Heard(message(sequence=2, kind="cancellation"), 0.0)]
    closing.heard_once(guide)
    booked.by.inbox.heard.append(Heard(message(sequence=3), 0.0))
    with pytest.raises(Stopped, match="came twice"):
        closing.heard_once(guide)


async def test_where_nothing_can_be_booked_it_repeats_why_and_names_the_calendar() -> None:
    words = {"zh": "开放时间公布至 2026-12-31。", "en": "Hours are published until 2026-12-31."}
    nothing = {"days": [], "nothing": {"code": "hours_end", "words": words}}
    service, said = api(lambda _: Response(200, json=nothing))
    guide, _ = scene([])
    guide.booking = service
    with pytest.raises(Stopped, match="until 2026-12-31") as stopped:
        await guide.free_time(ANYBODY, "x", guide.ahead(timedelta()))
    assert "chinesecalendar" in stopped.value.to_do.en
    assert words["en"] in said.getvalue().replace("\n          ", " ")


async def test_places_that_do_not_grow_fewer_stop_the_tour(monkeypatch: pytest.MonkeyPatch) -> None:
    guide, _ = scene([])
    left = {"slot_id": "s", "places_left": 3}

    async def quietly(_caller: Caller, _ask: Ask) -> Answer:
        return Answer(200, {}, {"days": [{"times": [left]}]})

    monkeypatch.setattr(guide.booking, "quietly", quietly)
    slot = {**left, "starts_at": STARTS.isoformat()}
    await guide.one_less("x", {**slot, "places_left": 4})
    with pytest.raises(Stopped, match="as many places are left"):
        await guide.one_less("x", slot)


# -- where it runs --------------------------------------------------------------------------------------------------


def write_place(folder: Path, **urls: str) -> None:
    known = {"booking": "http://b", "notify": "http://n", "sink": "http://s", "sms": "http://s", **urls}
    (folder / "run.json").write_text(json.dumps({"urls": known}))
    staff = [{"role": "staff", "login": "a", "password": "b", "venues": ["v"]}]
    (folder / "sample-accounts.json").write_text(json.dumps({"staff": staff}))


def test_it_signs_nobody_in_where_text_messages_reach_real_telephones(tmp_path: Path) -> None:
    write_place(tmp_path)
    assert place.find_place(tmp_path).worker("staff").venues == {"v"}
    write_place(tmp_path, sms="https://dysmsapi.example")
    with pytest.raises(Stopped, match="real telephones"):
        place.find_place(tmp_path)


def test_it_says_so_where_there_are_no_sample_accounts(tmp_path: Path) -> None:
    write_place(tmp_path)
    (tmp_path / "sample-accounts.json").unlink()
    with pytest.raises(Stopped, match="no sample accounts"):
        place.find_place(tmp_path)
    with pytest.raises(Stopped, match="no sample account of a scheduler"):
        Place(booking="", notify="", sink="", workers={}).worker("scheduler")


def test_a_code_is_six_digits_and_no_part_of_a_longer_number() -> None:
    found = guides.CODE.search("【大连预约】17401234567 您的登录验证码是493027，请勿告诉他人。")
    assert found is not None
    assert found.group() == "493027"
