"""The journey: the real system as `make run` starts it, and the tour through it as `make tour` takes it.

What the tour says is held against what others know: the mail that lies in the sink, and the door's own list.
"""

import asyncio
import io
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from rich.cells import cell_len
from rich.console import Console

from services.notify.domain.planning import STORM_RATE
from services.tour import guide
from services.tour.narration import Narrator
from services.tour.place import find_place
from services.tour.sink import Arrived, Sink
from services.tour.story import tour
from shared.clock import SHANGHAI, system_clock
from shared.http import Client
from shared.web.words import Language
from tests.running import System, running

TOUR_SECONDS = 60
REFERENCE = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]\b")
FIVE_SERVICES = ("Dalian Museum", "Badminton court", "Reproductive medicine", "Ability assessment", "Cardiology")
NARROW = 44


@dataclass(frozen=True)
class Told:
    """How a tour ended, and what stood on its screen."""

    status: int
    text: str

    def rows(self, label: str) -> list[str]:
        """Return what stands behind `label`, each with the lines that belong to it."""
        return re.findall(rf"^  {label} +(\S.*(?:\n {{10}}.*)*)", self.text, re.MULTILINE)

    def chapter(self, number: int) -> str:
        """Return a chapter's text."""
        parts = re.split(r"^\d+\. ", self.text, flags=re.MULTILINE)
        return parts[number]


@pytest.fixture(scope="module")
async def system() -> AsyncIterator[System]:
    folder = Path(tempfile.mkdtemp(prefix="yuyue-tour-"))
    folder.chmod(0o711)  # started by root, the servers run as another user
    async with running(folder / "var") as system:
        yield system
    shutil.rmtree(folder)


async def take(data: Path, *options: str, columns: int = 80) -> Told:
    command = (sys.executable, "-m", "services", "tour", "--data", str(data), "--quick", *options)
    environment = {**os.environ, "COLUMNS": str(columns), "PYTHONUTF8": "1"}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), TOUR_SECONDS)
    assert process.returncode is not None
    return Told(process.returncode, output.decode())


@pytest.fixture(scope="module")
async def told(system: System) -> Told:
    """One tour, told in English."""
    return await take(system.data, "--lang", "en")


async def test_it_books_each_service_and_ends_well(system: System, told: Told) -> None:
    assert told.status == 0, told.text
    bookings = told.chapter(10)
    references = REFERENCE.findall(bookings)
    assert len(set(references)) == len(references) == 7
    assert all(name in bookings for name in FIVE_SERVICES)
    assert Counter(re.findall(r"^  \S+  (.+)$", bookings, re.MULTILINE)) == {
        "confirmed": 5,
        "checked in": 1,
        "cancelled": 1,
    }
    await _mail_agrees(system, told, references)
    await _door_agrees(system, told)


async def _mail_agrees(system: System, told: Told, references: list[str]) -> None:
    """Each booking was confirmed by mail once; the one that was cancelled, and the one that was offered, were told of twice."""
    async with Client() as client:
        sent = (await client.get(f"{system.urls['sink']}/messages.json")).json()["messages"]
    mails = [message for message in sent if message["channel"] == "mail"]
    about = Counter(reference for mail in mails for reference in REFERENCE.findall(mail["text"]))
    cancelled = REFERENCE.findall(told.chapter(9))[0]
    offered = REFERENCE.findall(told.chapter(9))[-1]
    others = [one for one in references if one != offered]
    assert {one: about[one] for one in others} == {one: 2 if one == cancelled else 1 for one in others}
    assert about[offered] in {1, 2}, "its offer may be told of in other ways than by mail"
    shown = told.rows("e-mail")
    proofs = [row for row in shown if row.startswith("Please confirm your e-mail address")]
    assert len(proofs) == 5
    assert len(shown) - len(proofs) == len(told.rows("in-app")) == 8
    assert all(any(mail["title"] in row for mail in mails) for row in shown)
    texts = [message["text"] for message in sent if message["channel"] == "sms"]  # an offer may be told of by SMS, too
    codes = [code for text in texts for code in re.findall(r"(?<!\d)\d{6}(?!\d)", text)]
    assert len(told.rows("SMS")) == 5
    assert all(any(code in row for code in codes) for row in told.rows("SMS"))


async def _door_agrees(system: System, told: Told) -> None:
    """Whoever the tour checked in is checked in on the door's list, too."""
    found = re.search(r"staff: POST (/api/v1/venues/[a-z-]+)/check-ins", told.text)
    assert found is not None
    reference, shown = re.findall(rf"({REFERENCE.pattern})  checked in\n.*\n    \w+ (\d+ \w+) ", told.chapter(10))[0]
    day = datetime.strptime(f"{shown} {system_clock().astimezone(SHANGHAI):%Y} +0800", "%d %b %Y %z").date()
    staff = next(one for one in _accounts(system)["staff"] if one["role"] == "staff")
    credentials = {"login": staff["login"], "password": staff["password"]}
    async with Client(base_url=system.urls["booking"]) as client:
        token = (await client.post("/api/v1/sign-in/staff-tokens", json=credentials)).json()["access_token"]
        client.headers["authorization"] = f"Bearer {token}"
        answer = await client.get(f"{found.group(1)}/expected", params={"day": day.isoformat()})
    states = {one["reference"]: one["state"] for one in answer.json()["items"]}
    assert states[reference] == "checked_in"


def _accounts(system: System) -> Any:
    return json.loads((system.data / "sample-accounts.json").read_text())


async def test_it_shows_refusals_reminders_and_what_is_withdrawn(told: Told) -> None:
    full, again = told.rows("refused")
    assert full.startswith("409 Conflict · slot_full")
    assert "Nearest free times:" in " ".join(full.split())
    assert "最近的空闲时段" in full.replace("\n          ", ""), "a refusal speaks both languages"
    assert again.startswith("409 Conflict · wrong_state")
    withdrawn = [line for line in told.chapter(9).splitlines() if "withdrawn" in line]
    assert len(withdrawn) >= 3, "two reminders on two channels, and the sentence that says so"
    assert re.search(r"places left at that time: (\d+) → (\d+)", told.chapter(3))


async def test_a_narrow_screen_that_is_no_terminal_reads_it_in_chinese(system: System) -> None:
    told = await take(system.data, "--lang", "zh-CN", columns=NARROW)
    assert told.status == 0, told.text
    assert max(cell_len(line) for line in told.text.splitlines()) <= NARROW
    assert "\x1b" not in told.text
    assert "一切如约" in told.text
    assert len(set(REFERENCE.findall(told.chapter(10)))) == 7


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_it_fails_where_messages_do_not_arrive(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with the notify worker frozen the same tour must not end well."""
    monkeypatch.setattr(guide, "ARRIVES_WITHIN", 2.0)
    said = io.StringIO()
    narrator = Narrator(Console(file=said, width=100), Language.EN)
    with frozen(system.run["processes"]["notify-worker"]):
        assert not await tour(narrator, find_place(system.data), system_clock, 0.0)
    assert "failed" in said.getvalue()
    assert "no code reached" in said.getvalue()
    assert "make tour" in said.getvalue(), "it says what to run"


async def test_it_says_what_to_start_where_nothing_runs(system: System, tmp_path: Path) -> None:
    nothing = await take(tmp_path, "--lang", "en")
    assert nothing.status == 1
    assert "nothing runs" in nothing.text
    assert "make run" in nothing.text
    left = {**system.run, "urls": {**system.urls, "sink": "http://127.0.0.1:9", "sms": "http://127.0.0.1:9"}}
    (tmp_path / "run.json").write_text(json.dumps(left))
    shutil.copy(system.data / "sample-accounts.json", tmp_path)
    gone = await take(tmp_path, "--lang", "zh-CN")
    assert gone.status == 1
    assert "make run" in gone.text
    assert "没有答复" in gone.text


@pytest.mark.chaos
async def test_what_the_house_cancels_is_told_with_other_times(system: System) -> None:
    """From a closed court to the mail in the sink: booked, cancelled by staff, and told with when else."""
    async with Client(base_url=system.urls["booking"]) as client:
        sink = Sink(client, system.urls["sink"])
        resident, email = await _resident(client, sink)
        service = "dalian-museum-evening-entry"
        free = (await client.get("/api/v1/availability", params={"service_id": service})).json()
        slot = next(one for day in free["days"] for one in day["times"] if one["bookable"])
        person = {"name": "林晓", "relation": "self", "document": {"type": "passport", "number": "L898902C3"}}
        saved = await _write(client, resident, "POST", "/api/v1/people", person | {"birth_date": "1974-08-12"})
        wanted = {"slot_id": slot["slot_id"], "people": [saved["id"]], "confirm": True}
        booked = await _write(client, resident, "POST", "/api/v1/bookings", wanted)
        assert await sink.find("mail", email, lambda said: booked["reference"] in said, 20) is not None
        staff = next(one for one in _accounts(system)["staff"] if one["role"] == "staff")
        credentials = {"login": staff["login"], "password": staff["password"]}
        at_work = (await client.post("/api/v1/sign-in/staff-tokens", json=credentials)).json()["access_token"]
        await _write(client, at_work, "POST", f"/api/v1/bookings/{booked['id']}/cancellation")
        away = (datetime.fromisoformat(slot["starts_at"]) - system_clock()).total_seconds() / 86_400
        patience = away * STORM_RATE.total_seconds() + 30  # whoever would leave home first hears of it first
        news = await sink.find("mail", email, lambda said: "最近还有名额的时间" in said, patience)
    assert news is not None
    assert booked["reference"] in news.text
    assert re.search(r"最近还有名额的时间：\d+月\d+日 \d\d:\d\d", news.text), news.text


async def _resident(client: Client, sink: Sink) -> tuple[str, str]:
    """Sign in as somebody new with a proved mail address; return their token and the address."""
    phone, email = "13900007777", "closed.out@example.com"
    await _write(client, None, "POST", "/api/v1/sign-in/codes", {"phone": phone, "language": "zh-CN"})
    text = await sink.find("sms", phone, lambda said: guide.CODE.search(said) is not None, 20)
    given = {"phone": phone, "code": _code(text)}
    token = str((await _write(client, None, "POST", "/api/v1/sign-in/tokens", given))["access_token"])
    await _write(client, token, "PATCH", "/api/v1/me", {"email": email})
    mail = await sink.find("mail", email, lambda said: guide.CODE.search(said) is not None, 20)
    await _write(client, token, "POST", "/api/v1/me/email/proof", {"code": _code(mail)})
    return token, email


def _code(arrived: Arrived | None) -> str:
    assert arrived is not None
    found = guide.CODE.search(arrived.text)
    assert found is not None
    return found.group()


async def _write(client: Client, token: str | None, method: str, path: str, body: Any = None) -> Any:
    headers = {"idempotency-key": f'"{uuid4()}"'} | ({"authorization": f"Bearer {token}"} if token else {})
    answer = await client.request(method, path, json=body, headers=headers)
    assert answer.is_success, answer.text
    return answer.json()
