"""What is committed runs anywhere: no path of one machine, no package index, nothing that is not locked by its hash."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import LONG

ROOT = Path(__file__).resolve().parents[2]
LOCKS = (
    "requirements/runtime.txt",
    "requirements/development.txt",
    "requirements/build.txt",
    "requirements/installer.txt",
)
PINNED = re.compile(r"^[A-Za-z0-9._-]+(\[[a-z,]+\])?==[^\s;]+( ; [^\\]+)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")
INDEX = re.compile(r"(?:--|_)(?:extra-)?index[-_]url|--find[-]links|https?://[^\s\"']*/simple\b", re.IGNORECASE)
HOMES = re.compile(r"(?<![\w.~-])/(?:home|Users|root|work)/[\w.-]+")
"""Folders where people keep their work; a system folder such as /var/lib is the same on every machine."""


def lock_faults(text: str) -> list[str]:
    """Return the lines of a lock file that are neither a pinned package, its hashes, nor a comment."""
    faults, wants_hash = [], False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#"):
            continue
        is_hash = bool(HASH.match(line))
        if is_hash == bool(PINNED.match(line)) or (wants_hash and not is_hash):
            faults.append(f"{number}: {line}")
        wants_hash = line.endswith("\\")
    return faults


def leaks(text: str) -> list[str]:
    """Return what in `text` is true on one machine only."""
    return [found.group() for pattern in (INDEX, HOMES) for found in pattern.finditer(text)]


def committed() -> list[Path]:
    """Return the files that are in the repository, or would be with the next commit."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return [path for path in ROOT.rglob("*") if path.is_file() and not {".venv", "var"} & set(path.parts)]
    listed = subprocess.run(
        [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode()
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("name", LOCKS)
def test_every_dependency_is_locked_by_hash(name: str) -> None:
    text = (ROOT / name).read_text()
    assert lock_faults(text) == []
    assert "--hash=sha256:" in text


def test_development_holds_what_runs() -> None:
    runtime, development, build, installer = (
        set(re.findall(r"^[^#\s]+==\S+", (ROOT / name).read_text(), re.MULTILINE)) for name in LOCKS
    )
    assert len(runtime) > 50
    assert runtime | build | installer <= development, "the tests must run what the services run"


def test_what_is_begun_with_is_there() -> None:
    assert [name for name in LONG if not (ROOT / name).is_file()] == []


def test_no_file_speaks_of_one_machine() -> None:
    found = {}
    for path in committed():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if faults := leaks(text):
            found[path.relative_to(ROOT).as_posix()] = faults
    assert found == {}


@pytest.mark.parametrize(
    "planted",
    [
        "--index|-url x",  # written so that this file is not itself at fault: | is taken out
        "--extra-index|-url x",
        "pip install --find|-links=/opt/wheels x",
        "UV_EXTRA_INDEX|_URL=x",
        "see https://pypi.test/|simple/",
        'DATA = "/ho|me/wang/yuyue"',
        "/Us|ers/wang/yuyue",
        "cd /ro|ot/yuyue",
    ],
)
def test_a_leak_is_found(planted: str) -> None:
    assert leaks(f"first line\n{planted.replace('|', '')}\n") != []


def test_sound_text_is_passed() -> None:
    assert leaks("data in ./var or /var/lib/yuyue; GET /api/v1/home/; https://pypi.test/project/x/") == []


@pytest.mark.parametrize(
    "planted",
    ["requests==2.0", "requests>=2 \\\n    --hash=sha256:" + "0" * 64, "-e .", "requests @ https://x.test/y.whl"],
)
def test_an_unlocked_line_is_found(planted: str) -> None:
    sound = "# made by make lock\nsix==1.17.0 \\\n    --hash=sha256:" + "0" * 64 + "\n    # via python-dateutil\n"
    assert lock_faults(sound) == []
    assert lock_faults(sound + planted + "\n") != []
