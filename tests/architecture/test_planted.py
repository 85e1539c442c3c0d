"""The checks can fail: each planted fault is found, alone, and the sound tree around it is passed."""

from pathlib import Path

import pytest

from tests.architecture import rules
from tests.architecture.source import Source

SOUND = {
    "shared/refusal.py": "import enum\n",
    "shared/contracts.py": "from shared.refusal import Refused\n",
    "shared/bus.py": "import nats\n",
    "shared/http.py": "import httpx\n",
    "services/booking/domain/booking.py": "import datetime\nfrom shared.contracts import Event\n",
    "services/booking/domain/calendar.py": "import chinese_calendar\nfrom services.booking.domain import booking\n",
    "services/booking/tables.py": "import sqlalchemy\n",
    "services/booking/store/bookings.py": "import sqlalchemy\nfrom services.booking import tables\n",
    "services/booking/commands/book.py": "from services.booking.store.bookings import keep\n",
    "services/booking/api/bookings.py": "import fastapi\nfrom services.booking.commands import book\n",
    "services/booking/main.py": "import fastapi\nfrom services.booking.api import bookings\n",
    "services/notify/domain/planning.py": "import math\n",
    "services/notify/channels/email.py": "import aiosmtplib\nfrom services.notify.domain import planning\n",
    "services/notify/deliver.py": "from services.notify.channels import email\n",
    "services/__main__.py": "import click\nfrom services.booking import main\nfrom services.notify import deliver\n",
}

IMPORTS = [
    ("services/booking/domain/booking.py", "import sqlalchemy", "sqlalchemy has its place"),
    ("services/booking/domain/booking.py", "import pydantic", "the core imports the standard library only"),
    ("services/booking/domain/booking.py", "import chinese_calendar", "the core imports the standard library only"),
    ("services/booking/domain/booking.py", "import time", "the core has no clock"),
    ("services/booking/domain/booking.py", "from shared import bus", "of shared, the core imports contracts"),
    ("services/booking/domain/booking.py", "from services.booking.store import bookings", "domain may import domain"),
    ("services/booking/domain/booking.py", "from ..store import bookings", "domain may import domain"),
    ("services/booking/store/bookings.py", "from services.booking.commands import book", "store may import"),
    ("services/booking/commands/book.py", "from services.booking.api import bookings", "commands may import"),
    ("services/booking/commands/book.py", "from services.booking.tables import bookings", "commands may import"),
    ("services/booking/commands/book.py", "from services.booking import tables", "commands may import"),
    ("services/booking/commands/book.py", "from sqlalchemy import text", "sqlalchemy has its place"),
    ("services/booking/commands/book.py", "import fastapi.responses", "fastapi has its place"),
    ("services/booking/api/bookings.py", "from services.booking import main", "api may import"),
    ("services/booking/api/bookings.py", "from services.notify.domain import planning", "know nothing of each other"),
    ("services/notify/deliver.py", "import services.booking.tables", "know nothing of each other"),
    ("services/notify/deliver.py", "import httpx", "httpx has its place"),
    ("services/notify/deliver.py", "import nats.js.errors", "nats has its place"),
    ("services/notify/domain/planning.py", "from services.notify.channels import email", "domain may import domain"),
    ("services/booking/main.py", "import services.__main__", "a service does not know what runs it"),
    ("services/booking/main.py", "def late():\n    import json", "an import inside a function"),
    (
        "services/booking/main.py",
        "class Late:\n    async def load(self):\n        from shared import bus",
        "inside a function",
    ),
    ("services/booking/main.py", "json = __import__('json')", "an import in disguise"),
    ("services/booking/main.py", "from tests import make", "the program does not know its tests"),
    ("shared/bus.py", "from services.booking import tables", "shared knows nothing of the services"),
    ("shared/contracts.py", "import pydantic", "contracts, refusals and values are pure"),
    ("shared/contracts.py", "from shared import bus", "contracts, refusals and values are pure"),
]

IMPURITIES = ["x = datetime.now()", "async def decide(): ...", "x = date.today()", "x = open('file')", "x = uuid7()"]

CYCLES = [
    (
        {"shared/contracts.py": "from shared import feed\n", "shared/feed.py": "import shared.contracts\n"},
        "shared.contracts",
    ),
    (
        {  # no cycle of files: only the folders go round
            "services/booking/domain/a.py": "from services.booking.store import x\n",
            "services/booking/domain/b.py": "",
            "services/booking/store/x.py": "",
            "services/booking/store/y.py": "from services.booking.domain import b\n",
        },
        "in services.booking: ",
    ),
]


def tree(root: Path, files: dict[str, str]) -> Source:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Source.read(root, *{name.partition("/")[0] for name in files})


def test_a_sound_tree_passes(tmp_path: Path) -> None:
    source = tree(tmp_path, SOUND)
    assert rules.wrong_imports(source) == []
    assert rules.impure_core(source) == []
    assert rules.cycles(source) == []
    assert rules.too_large(source) == []


@pytest.mark.parametrize(
    ("path", "planted", "reason"), IMPORTS, ids=[f"{path}: {planted}" for path, planted, _ in IMPORTS]
)
def test_a_wrong_import_is_found(tmp_path: Path, path: str, planted: str, reason: str) -> None:
    offences = rules.wrong_imports(tree(tmp_path, {**SOUND, path: SOUND[path] + planted + "\n"}))
    assert offences
    assert all(offence.startswith(path) for offence in offences)
    assert any(reason in offence for offence in offences), offences


def test_a_ring_without_a_place_is_found(tmp_path: Path) -> None:
    offences = rules.wrong_imports(tree(tmp_path, {**SOUND, "services/booking/helpers.py": "import json\n"}))
    assert offences == ["services/booking: helpers has no place in the order of rings"]


@pytest.mark.parametrize("planted", IMPURITIES)
def test_an_impure_core_is_found(tmp_path: Path, planted: str) -> None:
    assert rules.impure_core(tree(tmp_path, {"services/notify/domain/x.py": planted})) != []
    assert rules.impure_core(tree(tmp_path / "elsewhere", {"services/notify/store/x.py": planted})) == []


@pytest.mark.parametrize(("files", "named"), CYCLES, ids=["files", "folders"])
def test_a_cycle_is_found(tmp_path: Path, files: dict[str, str], named: str) -> None:
    offences = rules.cycles(tree(tmp_path, files))
    assert any(named in offence for offence in offences), offences


def test_what_is_too_large_is_found(tmp_path: Path) -> None:
    long = "def f():\n" + "    x = 1\n" * rules.FUNCTION_LINES
    check = rules.too_large
    assert "f has 51 lines" in check(tree(tmp_path / "a", {"shared/a.py": long}))[0]
    assert check(tree(tmp_path / "b", {"shared/a.py": long.replace("    x = 1\n", "", 1)})) == []
    assert "401 lines" in check(tree(tmp_path / "c", {"shared/a.py": "x = 1\n" * 401}))[0]
    assert check(tree(tmp_path / "d", {"tests/a.py": "x = 1\n" * 600})) == []
    assert "601 lines" in check(tree(tmp_path / "e", {"tests/a.py": "x = 1\n" * 601}))[0]
    assert "6 parameters" in check(tree(tmp_path / "f", {"shared/a.py": "def f(a, b, c, d, e, *, f): ...\n"}))[0]
    assert check(tree(tmp_path / "g", {"shared/a.py": "def f(self, a, b, c, d, e): ...\n"})) == []
