"""The container files are as the design asks; and every fault planted into them is found."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.containers import compose_faults, image_faults, read

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = read(ROOT / "docker-compose.yml")
NATS = (ROOT / "deploy" / "nats.conf").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_the_compose_file_is_as_the_design_asks() -> None:
    assert compose_faults(COMPOSE, NATS) == []


def test_the_image_is_as_the_design_asks() -> None:
    assert image_faults(DOCKERFILE) == []


Plant = Callable[[dict[str, Any]], Any]

PLANTED: list[tuple[str, Plant, str]] = [
    ("writable root", lambda s: s["notify-api"].pop("read_only"), "notify-api can write to its root"),
    ("capabilities", lambda s: s["booking-api"].pop("cap_drop"), "booking-api keeps capabilities"),
    ("privileges", lambda s: s["nats"].pop("security_opt"), "nats may gain privileges"),
    ("root", lambda s: s["postgres"].pop("user"), "postgres runs as root"),
    ("root with network", lambda s: s["nats-folder"].pop("network_mode"), "nats-folder runs as root"),
    ("open port", lambda s: s["booking-api"].update(ports=["8000:8000"]), "booking-api answers 8000:8000 beyond"),
    ("server's port", lambda s: s["nats"].update(ports=["127.0.0.1:4222:4222"]), "nats can be reached from outside"),
    ("outer network", lambda s: s["postgres"].update(networks=["inner", "outer"]), "postgres can be reached"),
    ("other image", lambda s: s["notify-worker"].update(image="notify:1"), "notify-worker is not of the one image"),
    ("no such command", lambda s: s["seed"].update(command=["sow"]), "seed runs sow, which is no command"),
    ("no health", lambda s: s["booking-worker"].pop("healthcheck"), "booking-worker has no health check"),
    ("no restart", lambda s: s["notify-api"].pop("restart"), "notify-api is not started again"),
    ("migrates for ever", lambda s: s["migrate"].update(restart="always"), "migrate must run once"),
    ("unread", lambda s: s["seed"].update(environment={"BOOKING_DATABASE": "x"}), "which nothing reads"),
    ("other's", lambda s: s["notify-api"].update(environment={"BOOKING_DATABASE_URL": "x"}), "the other service's"),
    ("too early", lambda s: s["notify-worker"]["depends_on"].pop("migrate"), "does not wait for the end of migrate"),
    ("started is not healthy", lambda s: s["migrate"].update(depends_on={"postgres": {}}), "migrate does not wait"),
    ("old PostgreSQL", lambda s: s["postgres"].update(image="postgres:17-alpine"), "PostgreSQL is not 18"),
    ("other NATS", lambda s: s["nats"].update(image="nats:latest"), "NATS is not 2."),
    ("trust", lambda s: s["postgres"]["environment"].pop("POSTGRES_INITDB_ARGS"), "without --auth-local=scram-sha-256"),
    ("not durable", lambda s: s["postgres"].update(command=["-c", "fsync=off"]), "durability is touched"),
    ("default NATS", lambda s: s["nats"].update(volumes=["nats:/data"]), "does not get its configuration"),
    ("gone", lambda s: s.pop("seed"), "the services are"),
]


@pytest.mark.parametrize(("plant", "fault"), [case[1:] for case in PLANTED], ids=[case[0] for case in PLANTED])
def test_a_planted_fault_is_found(plant: Plant, fault: str) -> None:
    document = copy.deepcopy(COMPOSE)
    document["services"] = {name: copy.deepcopy(service) for name, service in COMPOSE["services"].items()}
    plant(document["services"])
    assert any(fault in found for found in compose_faults(document, NATS))


def test_an_open_inner_network_is_found() -> None:
    document = {**COMPOSE, "networks": {"inner": {}, "outer": {}}}
    assert compose_faults(document, NATS) == ["the inner network reaches outside"]


@pytest.mark.parametrize("part", ["sync_interval: always", "jetstream {", "$NATS_PASSWORD"])
def test_a_lax_broker_is_found(part: str) -> None:
    assert len(compose_faults(COMPOSE, NATS.replace(part, ""))) == 1


def test_a_commented_setting_does_not_count() -> None:
    assert compose_faults(COMPOSE, NATS.replace("sync_interval: always", "# sync_interval: always")) != []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("USER 10001:10001\n", "", "runs as root"),
        ("USER 10001:10001", "USER root", "runs as root"),
        ("install --require-hashes", "install", "not locked by hash"),
        ("FROM python:3.13-slim\n", "FROM python:latest\n", "not two stages"),
    ],
)
def test_a_lax_image_is_found(old: str, new: str, fault: str) -> None:
    assert old in DOCKERFILE
    assert any(fault in found for found in image_faults(DOCKERFILE.replace(old, new)))
