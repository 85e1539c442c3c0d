"""One process by itself: it refuses in a sentence, beats while it lives, and ends as asked."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from services import healthy
from services.processes import listen
from shared.sealing import generate_keys
from tests.conftest import Databases
from tests.embedded.test_children import until
from tests.embedded.test_servers import plain

IDLE = "from services import processes; processes._work('tests.embedded.idle:run', 'tests.embedded.idle:Settings')"


async def started(*arguments: str, **told: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    environment = {**os.environ, **told}
    return await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env=environment, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )


@pytest.fixture
async def careless_url(databases: Databases, booking_url: str) -> str:
    """A booking database whose commits are not flushed."""
    connection = await asyncpg.connect(plain(databases.admin_url))
    name = booking_url.partition("?")[0].rpartition("/")[2]
    await connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    await connection.close()
    return booking_url


@pytest.mark.parametrize(
    "command", [["booking-api", "--port", "0"], ["booking-worker"]], ids=lambda command: command[0]
)
async def test_a_careless_database_is_refused_in_a_sentence(
    command: list[str], careless_url: str, nats_url: str, nats_monitor_url: str, tmp_path: Path
) -> None:
    generate_keys(tmp_path)
    process = await started(
        *("-m", "services.processes", *command),
        BOOKING_DATABASE_URL=careless_url,
        NATS_URL=nats_url,
        NATS_MONITOR_URL=nats_monitor_url,
        YUYUE_KEY_FOLDER=str(tmp_path),
    )
    output = (await asyncio.wait_for(process.communicate(), 60))[0].decode()
    assert process.returncode not in {0, None}
    assert "synchronous_commit is off: ALTER DATABASE" in output
    assert "RESET synchronous_commit" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_worker_beats_and_ends_as_asked(number: signal.Signals, tmp_path: Path) -> None:
    beat = tmp_path / "heartbeat"
    process = await started("-c", IDLE, YUYUE_HEARTBEAT=str(beat))
    assert process.stdout is not None
    assert await process.stdout.readline() == b"began\n"
    await until(lambda: healthy.is_well(str(beat)))
    process.send_signal(number)
    rest = (await asyncio.wait_for(process.communicate(), 20))[0]
    assert process.returncode == 0
    assert b"ended as asked" in rest


def test_a_beat_grows_stale(tmp_path: Path) -> None:
    beat = tmp_path / "heartbeat"
    assert not healthy.is_well(str(beat))
    beat.touch()
    assert healthy.is_well(str(beat))
    long_ago = time.time() - healthy.STALE_SECONDS - 1
    os.utime(beat, (long_ago, long_ago))
    assert not healthy.is_well(str(beat))


async def test_an_address_is_well_if_it_answers_200() -> None:
    statuses = [200, 503]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {statuses.pop(0)} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/readyz"
    async with await asyncio.start_server(answer, sock=listener):
        assert await asyncio.to_thread(healthy.is_well, url)
        assert not await asyncio.to_thread(healthy.is_well, url)
    assert not await asyncio.to_thread(healthy.is_well, url)
