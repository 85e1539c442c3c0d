"""`yuyue up`, as a person uses it: started, used, killed in parts, started twice, stopped, started again."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner

from services import up
from services.house import URLS
from shared.embedded import records, servers
from shared.embedded.children import Children
from shared.http import Client, HttpError
from tests.embedded.test_children import until

PROCESSES = {"postgres", "nats", "sink", "booking-worker", "notify-worker", "booking-api", "notify-api"}
READY = "Yuyue 预约 is ready"


@dataclass
class House:
    """A started `yuyue up`; `said` is what stood on its terminal so far."""

    data: Path
    process: asyncio.subprocess.Process
    said: list[str] = field(default_factory=list)

    @property
    def run(self) -> dict[str, Any]:
        known: dict[str, Any] = json.loads((self.data / "run.json").read_text())
        return known

    @property
    def text(self) -> str:
        return "".join(self.said)

    async def listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.said.append(line.decode())

    async def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 60)


def environment(**told: str) -> Mapping[str, str]:
    own = {name: value for name, value in os.environ.items() if name not in URLS}
    return {**own, "PYTHONUNBUFFERED": "1", **told}


async def start(data: Path, port: int, *options: str, **told: str) -> House:
    command = (sys.executable, "-m", "services", "up", "--data", str(data), "--port", str(port), *options)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment(**told),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=asyncio.subprocess.STDOUT,
    )
    return House(data, process)


@asynccontextmanager
async def started(data: Path, port: int, *options: str, **told: str) -> AsyncIterator[House]:
    house = await start(data, port, *options, **told)
    listening = asyncio.create_task(house.listen())
    try:
        await until(lambda: READY in house.text or house.process.returncode is not None, 90)
        assert READY in house.text, house.text
        yield house
    finally:
        if house.process.returncode is None:
            await house.stop(signal.SIGTERM)
        await listening


def four_free_ports() -> int:
    """Return a port that is free together with the next three."""
    for base in range(20_000 + os.getpid() % 20_000, 65_000, 7):
        try:
            for port in range(base, base + 4):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return base
    raise AssertionError("no four free ports in a row")


@pytest.fixture(scope="module")
def data(data_folder: Path) -> Path:
    return data_folder / "house"


@pytest.fixture(scope="module")
async def house(data: Path) -> AsyncIterator[House]:
    async with started(data, four_free_ports()) as one:
        yield one


async def answers(url: str) -> bool:
    async with Client() as client:
        try:
            return (await client.get(url)).status_code == 200
        except HttpError:
            return False


async def count(url: str, table: str) -> int:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))
    finally:
        await connection.close()


async def test_everything_answers_where_it_says(house: House) -> None:
    run = house.run
    assert set(run["processes"]) == PROCESSES
    assert run["pid"] == house.process.pid
    private = ["run.json", "passwords.json", "keys", "log", "mail", "socket", "postgres", "nats"]
    assert [name for name in private if (house.data / name).stat().st_mode & 0o077] == []
    for path in ("booking", "notify", "sink"):
        assert run["urls"][path] in house.text
        assert await answers(f"{run['urls'][path]}/readyz")
    assert await answers(f"{run['urls']['booking']}/docs")
    assert await count(run["urls"]["booking_database"], "slots") > 1000
    reader, writer = await asyncio.open_connection(*run["urls"]["smtp"].split(":"))
    assert (await reader.readline()).startswith(b"220 ")
    writer.close()


async def test_sample_sign_ins_work_and_are_private(house: House) -> None:
    path = house.data / "sample-accounts.json"
    assert path.stat().st_mode & 0o077 == 0
    samples = json.loads(path.read_text())
    assert samples["sample"] is True
    async with Client() as client:
        for one in samples["staff"]:
            assert one["login"] in house.text
            body = {"login": one["login"], "password": one["password"]}
            url = f"{house.run['urls']['booking']}/api/v1/sign-in/staff-tokens"
            answer = await client.post(url, json=body, headers={"idempotency-key": f'"{one["login"]}-sign-in"'})
            assert answer.status_code in {200, 201}, answer.text


async def test_a_second_one_says_where_the_first_is_and_leaves(house: House, data: Path) -> None:
    second = await start(data, four_free_ports())
    await second.listen()
    assert await second.process.wait() == up.HELD_ELSEWHERE
    assert f"process {house.process.pid}, answering at {house.run['urls']['booking']}" in second.text


async def test_a_port_in_use_is_said(house: House, data: Path) -> None:
    port = int(house.run["urls"]["booking"].rpartition(":")[2])
    other = await start(data.with_name("other"), port)
    await other.listen()
    assert await other.process.wait() == 1
    assert f"127.0.0.1:{port} cannot be used" in other.text


async def test_all_that_is_killed_comes_back(house: House) -> None:
    before = house.run["processes"]
    slots = await count(house.run["urls"]["booking_database"], "slots")
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)

    def all_back() -> bool:
        now = house.run["processes"]
        return set(now) == PROCESSES and not set(now.values()) & set(before.values())

    await until(all_back, 60)
    for path in ("booking", "notify", "sink"):
        deadline = time.monotonic() + 60
        while not await answers(f"{house.run['urls'][path]}/readyz"):
            assert time.monotonic() < deadline, house.text
            await asyncio.sleep(0.1)
    for name in PROCESSES:
        assert re.search(rf"\] {name} ended by signal 9 \(SIGKILL\)", house.text), name
    assert await count(house.run["urls"]["booking_database"], "slots") == slots


async def test_an_end_in_order_and_a_start_after_it(house: House, data: Path) -> None:
    """Stops by SIGTERM with status 0; starts again on the same data; a supervisor killed with -9 leaves nothing behind."""
    pids = list(house.run["processes"].values())
    assert await house.stop(signal.SIGTERM) == 0
    await until(lambda: "stopped" in house.text)
    assert [pid for pid in pids if records.started(pid)] == []
    assert not (data / "run.json").exists()
    assert "database system is shut down" in (data / "log" / "postgres.log").read_text()

    port = four_free_ports()
    async with started(data, port) as again:
        pids = list(again.run["processes"].values())
        assert await again.stop(signal.SIGKILL) == -signal.SIGKILL

    async with started(data, port) as third:  # at once: what the killed one left may still be ending
        assert [pid for pid in pids if records.started(pid)] == []
        assert await answers(f"{third.run['urls']['booking']}/readyz")
        assert await count(third.run["urls"]["booking_database"], "slots") > 1000
        assert await third.stop(signal.SIGINT) == 0


async def test_with_the_urls_set_it_starts_no_server(data_folder: Path) -> None:
    prepared = servers.prepare(data_folder / "external")
    async with Children(data_folder / "external") as children:
        await servers.start(children, prepared)
        postgres, nats = prepared.postgres, prepared.nats
        told = dict(zip(URLS, (postgres.url("booking"), postgres.url("notify"), nats.url), strict=True))
        data = data_folder / "stateless"
        async with started(data, four_free_ports(), NATS_MONITOR_URL=nats.monitor_url, **told) as house:
            assert set(house.run["processes"]) == PROCESSES - {"postgres", "nats"}
            assert not (data / "postgres").exists()
            assert not (data / "nats").exists()


@pytest.mark.parametrize("given", [URLS[:1], URLS[1:]])
def test_some_urls_and_not_all_are_refused(given: tuple[str, ...], tmp_path: Path) -> None:
    told = dict.fromkeys(URLS) | dict.fromkeys(given, "nats://somewhere")
    answer = CliRunner().invoke(up.up, ["--data", str(tmp_path / "never")], env=told)
    assert answer.exit_code == 2
    assert all(name in answer.output for name in URLS)
    assert not (tmp_path / "never").exists()


def test_reset_asks_first(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "pepper").write_text("x")
    answer = CliRunner().invoke(up.up, ["--data", str(tmp_path), "--reset"], input="n\n", env=dict.fromkeys(URLS))
    assert answer.exit_code == 1
    assert "Delete everything in" in answer.output
    assert (tmp_path / "keys" / "pepper").exists()


def test_reset_deletes_all_but_the_lock(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("kept")
    data = tmp_path / "data"
    (data / "postgres" / "base").mkdir(parents=True)
    (data / "lock").touch()
    (data / "link").symlink_to(elsewhere)
    up._reset(data, yes=True)
    assert [path.name for path in data.iterdir()] == ["lock"]
    assert elsewhere.exists()
