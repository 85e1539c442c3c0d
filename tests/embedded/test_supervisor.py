"""The supervisor: what ends is said aloud and comes back, later each time; what talks too much is cut short."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from services import supervisor as supervising
from services.supervisor import Backoff, Echo, Supervisor, describe
from shared.embedded.children import Children, Program
from tests.embedded.test_children import SLEEPS, until


def test_backoff_doubles_within_bounds_and_forgets_after_health() -> None:
    backoff = Backoff()
    delays = [backoff.after(1.0) for _ in range(8)]
    assert delays == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
    assert backoff.after(supervising.HEALTHY_SECONDS) == 0.2
    assert backoff.after(59.9) == 0.4


@pytest.mark.parametrize(
    ("status", "words"), [(0, "status 0"), (3, "status 3"), (-9, "signal 9 (SIGKILL)"), (-250, "signal 250")]
)
def test_statuses_in_words(status: int, words: str) -> None:
    assert describe(status) == words


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"level":"info","message":"fine"}', []),
        ('{"level":"warning","message":"look out"}', ["x: warning: look out"]),
        ("2026-11-23 UTC [1]  LOG:  checkpoint", []),
        ("2026-11-23 UTC [1]  ERROR:  duplicate key", []),
        ("2026-11-23 UTC [1]  PANIC:  no space", ["x: 2026-11-23 UTC [1]  PANIC:  no space"]),
        ("[1] 2026/11/23 [FTL] cannot", ["x: [1] 2026/11/23 [FTL] cannot"]),
        ("[1] 2026/11/23 [WRN] Plaintext passwords", []),
        ("{half a line", ["x: {half a line"]),
    ],
)
def test_warnings_are_echoed(line: str, told: list[str]) -> None:
    said: list[str] = []
    Echo(said.append).heard("x", line)
    assert said == told
    Echo(said.append, quiet=True).heard("x", line)
    assert said == told


def test_a_flood_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("services.supervisor.time.monotonic", lambda: now)
    said: list[str] = []
    echo = Echo(said.append)
    for _ in range(500):
        echo.heard("x", '{"level":"error","message":"again"}')
    echo.heard("y", '{"level":"error","message":"another"}')
    assert len(said) == supervising.ECHOED + 2
    assert said[supervising.ECHOED] == "x: … and more, in its log"
    now += supervising.ECHO_SECONDS + 1
    echo.heard("x", '{"level":"error","message":"later"}')
    assert said[-1] == "x: error: later"


def python(code: str) -> Program:
    return Program(name="child", command=(sys.executable, "-c", code), environment=dict(os.environ))


async def test_a_killed_child_comes_back(tmp_path: Path) -> None:
    said: list[str] = []
    seen: list[dict[str, int]] = []
    async with Children(tmp_path) as children:
        supervisor = Supervisor(children, said.append, seen.append)
        first = await supervisor.start(python(SLEEPS))
        await until(lambda: list(first.tail) == ["here"])
        os.kill(first.process.pid, signal.SIGKILL)
        await until(lambda: supervisor.pids.get("child", first.process.pid) != first.process.pid)
        assert "child ended by signal 9 (SIGKILL) after" in said[0]
        assert said[0].endswith("starting it again in 0.2 s")
        assert [pids["child"] for pids in seen] == [first.process.pid, supervisor.pids["child"]]
        await supervisor.stop("child")
        assert supervisor.pids == {}
        await asyncio.sleep(0.4)
        assert len(said) == 1, "a child that was stopped is not started again"


async def test_last_words_are_told(tmp_path: Path) -> None:
    said: list[str] = []
    async with Children(tmp_path) as children:
        supervisor = Supervisor(children, said.append, lambda _: None)
        await supervisor.start(python("print('no such file: plan.yaml'); raise SystemExit(3)"))
        await until(lambda: len(said) >= 4)
        await supervisor.stop("child")
    assert "ended by status 3" in said[0]
    assert said[1] == "    no such file: plan.yaml"
    assert "starting it again in 0.4 s" in said[2], "the second fall waits longer"
