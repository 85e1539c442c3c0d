"""The administrator's commands, on a real database."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.__main__ import main
from shared.contracts import Contact
from shared.sealing import CannotOpen, KeysMissing, Opener, Vault, load_secret

CONTACT = Contact(phone="+8613900000001", email=None, name="王一", language="zh-CN")


def yuyue(*arguments: object, **told: str) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], env=told)


def test_keys_are_made_once_and_private(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    first = yuyue("keys", folder)
    assert first.exit_code == 0, first.output
    made = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(made) == {"signing.jwk", "sealing.jwk", "pepper", "notify.jwk", "notify.public.jwk", "feed.token"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    assert "nothing was missing" in yuyue("keys", folder).output
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == made


def test_keys_apart_keep_contact_data_from_the_booking_service(tmp_path: Path) -> None:
    booking, notify = tmp_path / "booking", tmp_path / "notify"
    for _ in range(2):
        answer = yuyue("keys", booking, "--notify", notify)
        assert answer.exit_code == 0, answer.output
    assert {path.name for path in notify.iterdir()} == {"notify.jwk", "feed.token"}
    assert load_secret(booking, "feed.token") == load_secret(notify, "feed.token")
    sealed = Vault(booking).seal_for_notify(CONTACT)
    assert Opener(notify).open_contact(sealed) == CONTACT
    with pytest.raises(KeysMissing):
        Opener(booking)


def test_a_rotated_key_still_opens_what_was_sealed(tmp_path: Path) -> None:
    yuyue("keys", tmp_path)
    before = Vault(tmp_path).seal("secret", "account.phone")
    assert yuyue("keys", tmp_path, "--rotate", "sealing.jwk").exit_code == 0
    assert Vault(tmp_path).open(before, "account.phone") == b"secret"
    with pytest.raises(CannotOpen):
        Vault(tmp_path).open(before, "account.email")
    refused = yuyue("keys", tmp_path, "--rotate", "pepper")
    assert refused.exit_code == 1
    assert "pepper cannot be rotated" in refused.output


def test_accounts_are_added_listed_and_disabled(booking_url: str) -> None:
    told = {"BOOKING_DATABASE_URL": booking_url}
    added = yuyue("account", "add", "li.hong", "--role", "administrator", **told)
    assert added.exit_code == 0, added.output
    password = added.output.partition("password ")[2].partition(" ")[0]
    assert len(password) == 20
    twice = yuyue("account", "add", "li.hong", "--role", "administrator", **told)
    assert (twice.exit_code, "taken" in twice.output) == (1, True)
    nowhere = yuyue("account", "add", "wang.wei", "--role", "staff", "--venue", "no-such-place", **told)
    assert (nowhere.exit_code, "no such venue: no-such-place" in nowhere.output) == (1, True)
    chosen = yuyue("account", "add", "zhao.min", "--role", "administrator", YUYUE_PASSWORD="long enough to do", **told)
    assert "long enough" not in chosen.output
    assert yuyue("account", "disable", "li.hong", **told).exit_code == 0
    listed = yuyue("account", "list", **told).output.splitlines()
    assert listed == ["li.hong\tadministrator\tdisabled", "zhao.min\tadministrator\teverywhere"]


def test_migrate_and_seed_may_be_repeated(booking_url: str, notify_url: str) -> None:
    told = {"BOOKING_DATABASE_URL": booking_url.replace("+asyncpg", ""), "NOTIFY_DATABASE_URL": notify_url}
    assert yuyue("migrate", **told).output == "booking: at the newest schema\nnotify: at the newest schema\n"
    first, second = yuyue("seed", **told), yuyue("seed", **told)
    assert (first.exit_code, second.exit_code) == (0, 0), first.output + second.output
    assert "Opened 0 slots, changed 0, closed 0, removed 0." not in first.output
    assert "Opened 0 slots, changed 0, closed 0, removed 0." in second.output


def test_settings_are_listed() -> None:
    lines = yuyue("settings").output.splitlines()
    assert lines[0] == "| Variable | Default | Meaning |"
    listed = {line.split("`")[1] for line in lines[2:]}
    assert {"BOOKING_DATABASE_URL", "NOTIFY_SMTP_HOST", "NATS_URL", "YUYUE_KEY_FOLDER"} <= listed


def test_a_missing_address_is_said() -> None:
    answer = yuyue("migrate", "notify", NOTIFY_DATABASE_URL="")
    assert answer.exit_code == 1
    assert "NOTIFY_DATABASE_URL is not set" in answer.output


@pytest.mark.parametrize("command", ["booking-api", "notify-worker"])
async def test_a_process_without_settings_says_what_is_missing(command: str) -> None:
    """In a process of its own: it takes over the logs."""
    environment = {**os.environ, "BOOKING_DATABASE_URL": "", "NOTIFY_DATABASE_URL": ""}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.processes", command),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await process.communicate())[0].decode()
    assert process.returncode == 1
    assert f"the settings of {command.partition('-')[0].title()}Settings do not hold: database_url" in output
    assert "Traceback" not in output
