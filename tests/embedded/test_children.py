"""Children: heard, stopped well, killed when deaf, on record while they run, and never left behind."""

import asyncio
import json
import os
import signal
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from shared.embedded import children as tending
from shared.embedded import records
from shared.embedded.children import Children, Program

SLEEPS = "import time; print('here', flush=True); time.sleep(60)"
DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('here', flush=True); time.sleep(60)"


def python(name: str, code: str, stop_seconds: float = 5.0) -> Program:
    return Program(
        name=name, command=(sys.executable, "-c", code), environment=dict(os.environ), stop_seconds=stop_seconds
    )


async def until(true: object, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not (true() if callable(true) else true):
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.02)


def recorded(folder: Path) -> Sequence[str]:
    return [entry.name for path in (folder / "run").glob("children.*.json") for entry in records.read(path)]


async def test_a_child_is_heard_and_recorded_and_stopped(tmp_path: Path) -> None:
    heard: list[tuple[str, str]] = []
    async with Children(tmp_path, lambda name, line: heard.append((name, line))) as children:
        child = await children.start(python("sleeper", SLEEPS))
        await until(lambda: heard == [("sleeper", "here")])
        assert recorded(tmp_path) == ["sleeper"]
        assert await children.stop(child) == -signal.SIGTERM
        assert recorded(tmp_path) == []
    assert (tmp_path / "log" / "sleeper.log").read_text() == "here\n"
    assert list((tmp_path / "run").iterdir()) == []


async def test_leaving_stops_the_last_started_first(tmp_path: Path) -> None:
    says_when = "import signal, time, sys\ndef end(*_):\n    print(time.monotonic(), flush=True); sys.exit(0)\n"
    says_when += "signal.signal(15, end); print('here', flush=True); time.sleep(60)"
    async with Children(tmp_path) as children:
        first, second = [await children.start(python(name, says_when)) for name in ("first", "second")]
        await until(lambda: list(first.tail) == ["here"] and list(second.tail) == ["here"])
    assert float(second.tail[-1]) < float(first.tail[-1])


async def test_a_deaf_child_is_killed(tmp_path: Path) -> None:
    async with Children(tmp_path) as children:
        child = await children.start(python("deaf", DEAF, stop_seconds=0.2))
        await until(lambda: list(child.tail) == ["here"])
        assert await children.stop(child) == -signal.SIGKILL


async def test_a_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tending, "LOG_BYTES", 1000)
    async with Children(tmp_path) as children:
        child = await children.start(python("talker", "for n in range(500): print('line', n)"))
        assert await child.wait() == 0
        assert child.tail[-1] == "line 499"
    sizes = [path.stat().st_size for path in (tmp_path / "log").iterdir()]
    assert len(sizes) == 2
    assert max(sizes) < 1100


async def test_a_line_without_end_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tending, "LINE_BYTES", 4096)
    async with Children(tmp_path) as children:
        child = await children.start(python("talker", "print('x' * 100_000); print('after')"))
        assert await child.wait() == 0
    assert "after" in child.tail


SUPERVISOR = textwrap.dedent(
    """
    import asyncio, os, sys
    from pathlib import Path
    from shared.embedded.children import Children, Program
    async def main():
        async with Children(Path(sys.argv[1])) as children:
            for name in ("one", "two"):
                code = "import time; print('here', flush=True); time.sleep(60)"
                await children.start(Program(name=name, command=(sys.executable, "-c", code), environment=dict(os.environ)))
            print("started", flush=True)
            await asyncio.sleep(60)
    asyncio.run(main())
    """
)


async def supervisor(folder: Path) -> tuple[asyncio.subprocess.Process, list[records.Running]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SUPERVISOR, str(folder), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"started\n"
    entries = records.read(folder / "run" / f"children.{process.pid}.json")
    assert [entry.name for entry in entries] == ["one", "two"]
    assert all(records.is_running(entry) for entry in entries)
    return process, entries


async def test_no_child_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    process, entries = await supervisor(tmp_path)
    process.kill()
    await process.wait()
    await until(lambda: not any(records.is_running(entry) for entry in entries))
    await until(lambda: recorded(tmp_path) == [])


async def test_a_killed_watchdog_is_replaced(tmp_path: Path) -> None:
    process, entries = await supervisor(tmp_path)
    for _ in range(3):
        (old,) = await watchdogs(tmp_path)
        os.kill(old, signal.SIGKILL)
        await until(lambda dead=old: dead not in running_watchdogs(tmp_path))
    assert len(await watchdogs(tmp_path)) == 1
    process.kill()
    await process.wait()
    await until(lambda: not any(records.is_running(entry) for entry in entries))


async def test_what_watchdog_and_supervisor_left_is_ended_at_the_next_start(tmp_path: Path) -> None:
    process, entries = await supervisor(tmp_path)
    (dog,) = await watchdogs(tmp_path)
    os.kill(process.pid, signal.SIGSTOP)  # so that it cannot replace its watchdog
    os.kill(dog, signal.SIGKILL)
    await until(lambda: dog not in running_watchdogs(tmp_path))
    process.kill()
    await process.wait()
    assert all(records.is_running(entry) for entry in entries)
    async with Children(tmp_path) as children:
        assert children.ended_at_start == ["two", "one"]
    assert not any(records.is_running(entry) for entry in entries)


async def test_a_number_used_again_is_left_alone(tmp_path: Path) -> None:
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", SLEEPS, stdout=asyncio.subprocess.PIPE)
    begun = records.started(other.pid)
    assert begun is not None
    record = tmp_path / "record.json"
    records.write(record, [records.Running("somebody else", other.pid, begun - 100, signal.SIGKILL)])
    assert records.end_recorded(record) == []
    assert records.started(other.pid) == begun
    records.write(record, [records.Running("ours", other.pid, begun, signal.SIGTERM)])
    assert records.end_recorded(record) == ["ours"]
    assert await other.wait() == -signal.SIGTERM


def running_watchdogs(folder: Path) -> list[int]:
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = process.info["cmdline"] or []
        if "shared.embedded.watchdog" in command and process.info["status"] != psutil.STATUS_ZOMBIE:
            found += [process.pid] if str(folder) in command[-1] else []
    return found


async def watchdogs(folder: Path) -> list[int]:
    await until(lambda: len(running_watchdogs(folder)) == 1)
    return running_watchdogs(folder)


def test_a_record_is_whole_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    assert records.read(path) == []
    entries = [records.Running("one", 1, 2.5, 15)]
    records.write(path, entries)
    assert records.read(path) == entries
    assert json.loads(path.read_text())[0]["name"] == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]
