"""The broker as it is seen without a connection: how it fails, and whether it syncs every message to the disk.

With JetStream's default a message is acknowledged at once and flushed within two minutes: a power cut in between loses
it. A client cannot see the setting over its own connection (only the system account and the monitoring port show it),
so the port is asked, and where it cannot be asked the answer is no.
"""

from typing import Any, Final

from shared.http import Client, HttpError

CANNOT_BE_ASKED: Final = (
    "NATS cannot be asked whether it syncs every message. Add `http: 127.0.0.1:8222` to the configuration of each server, "
    "and set NATS_MONITOR_URL to their monitoring addresses, separated by commas: http://127.0.0.1:8222"
)


class BusUnavailable(Exception):  # noqa: N818 - a state of the broker
    """The broker did not answer, or not in time. What was being published may or may not be stored: publish it again."""


class BrokerNotDurable(Exception):  # noqa: N818 - a refusal to start, said in a sentence
    """The broker may lose what it acknowledges, or cannot be asked. The message says what to change."""


async def assert_syncs_always(monitor_url: str | None, server_id: str) -> None:
    """Refuse servers that acknowledge before they flush.

    Args:
        monitor_url: base addresses of the monitoring ports of all servers, separated by commas.
        server_id: the server that this process is connected to; it must be among them.

    Raises:
        BrokerNotDurable: naming the server and what to change.
    """
    if not monitor_url:
        raise BrokerNotDurable(CANNOT_BE_ASKED)
    async with Client() as client:
        servers = [await _ask(client, base.strip()) for base in monitor_url.split(",")]
    if server_id not in {server["server_id"] for server in servers}:
        raise BrokerNotDurable(f"NATS_MONITOR_URL={monitor_url} does not lead to the server that NATS_URL leads to")
    for server in servers:
        _assert_syncs(server)


async def _ask(client: Client, base: str) -> dict[str, Any]:
    try:
        answer = await client.get(f"{base.rstrip('/')}/varz")
        server = answer.json()
    except (HttpError, ValueError) as error:
        raise BrokerNotDurable(f"NATS_MONITOR_URL={base} does not answer. {CANNOT_BE_ASKED}") from error
    if not isinstance(server, dict) or "server_id" not in server:
        raise BrokerNotDurable(
            f"NATS_MONITOR_URL={base} is not the monitoring port of a NATS server. {CANNOT_BE_ASKED}"
        )
    return server


def _assert_syncs(server: dict[str, Any]) -> None:
    name = server.get("server_name", server["server_id"])
    config = (server.get("jetstream") or {}).get("config")
    if not config:
        raise BrokerNotDurable(
            f'the NATS server {name} runs without JetStream: add `jetstream {{ store_dir: "…", sync_interval: always }}` '
            "to its configuration and restart it"
        )
    if not config.get("sync_always"):
        raise BrokerNotDurable(
            f"the NATS server {name} syncs its files every {config.get('sync_interval', 0) / 1e9:g} s and a power cut loses "
            "what it acknowledged since: set `sync_interval: always` in the `jetstream` block of its configuration and "
            "restart it"
        )
