"""The embedded servers: durable, closed to others, and gone when their supervisor is."""

import os

import asyncpg
import pytest

from shared.embedded.servers import Servers
from tests.conftest import Databases


def plain(url: str) -> str:
    return url.replace("+asyncpg", "")


async def test_cluster_is_durable_and_private(databases: Databases) -> None:
    connection = await asyncpg.connect(plain(databases.admin_url))
    rows = await connection.fetch("SELECT name, setting FROM pg_settings")
    settings = {row["name"]: row["setting"] for row in rows}
    rules = await connection.fetch("SELECT type, auth_method FROM pg_hba_file_rules")
    await connection.close()
    wanted = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "data_checksums": "on"}
    assert {name: settings[name] for name in wanted} == wanted
    assert settings["listen_addresses"] == ""
    assert settings["server_encoding"] == "UTF8"
    assert int(settings["server_version_num"]) >= 180000
    assert {row["auth_method"] for row in rules} == {"scram-sha-256"}


async def test_socket_folder_is_closed(embedded: Servers) -> None:
    assert embedded.postgres.socket_folder.stat().st_mode & 0o777 == 0o700
    assert embedded.postgres.cluster.stat().st_mode & 0o077 == 0


async def test_a_service_cannot_connect_to_the_other_database(embedded: Servers) -> None:
    server = embedded.postgres
    own = await asyncpg.connect(plain(server.url("booking")))
    assert await own.fetchval("SELECT current_user") == "booking"
    await own.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(plain(server.url("notify", user="booking")))


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="only Linux has it")
async def test_a_woken_session_waits_for_its_turn(embedded: Servers) -> None:
    connection = await asyncpg.connect(plain(embedded.postgres.url("booking")))
    assert os.sched_getscheduler(connection.get_server_pid()) == os.SCHED_BATCH
    await connection.close()
