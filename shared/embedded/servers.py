"""Both embedded servers over one data folder."""

from dataclasses import dataclass
from pathlib import Path

from shared.embedded.account import make_open_folder, server_account, server_folder
from shared.embedded.children import Child, Children
from shared.embedded.nats_server import Nats, free_port
from shared.embedded.passwords import load_or_make
from shared.embedded.postgres import Postgres


@dataclass(frozen=True, slots=True)
class Servers:
    """PostgreSQL and NATS, ready to be started. `folder` is where their files are; mostly the data folder itself."""

    folder: Path
    postgres: Postgres
    nats: Nats


def prepare(data: Path) -> Servers:
    """Make what is missing in the data folder and return its servers. Blocks for a second when a cluster is made.

    Raises:
        PostgresFailedError, NatsFailedError: with what went wrong.
    """
    account = server_account()
    make_open_folder(data)
    folder = server_folder(account, data)
    make_open_folder(folder)
    passwords = load_or_make(data / "passwords.json")
    postgres = Postgres(folder=folder, passwords=passwords, account=account)
    nats = Nats(folder=folder, passwords=passwords, port=free_port(), monitor_port=free_port(), account=account)
    postgres.prepare()
    nats.prepare()
    return Servers(folder, postgres, nats)


async def start(children: Children, servers: Servers) -> tuple[Child, Child]:
    """Start both, wait until they answer, and make the services' databases; return PostgreSQL's child and NATS's."""
    postgres = await children.start(servers.postgres.program())
    nats = await children.start(servers.nats.program())
    await servers.postgres.ready()
    await servers.nats.ready()
    await servers.postgres.ensure_databases()
    return postgres, nats
