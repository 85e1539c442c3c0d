"""What an administrator does on the command line: schemas, the city's data, keys, accounts of those who work here."""

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from services.booking.catalogue import CatalogueInvalid
from services.booking.commands import catalogue
from services.booking.commands.accounts import AccountError, NewAccount, add_account, disable_account, list_accounts
from services.booking.domain.account import Role
from services.booking.settings import BookingSettings
from services.booking.store.database import Engine
from services.house import write_private
from services.notify.settings import NotifySettings
from shared import migrate as schemas
from shared import sealing
from shared.clock import system_clock
from shared.db import create_engine
from shared.settings import settings_table

Answer = TypeVar("Answer")

LOADING = {"statement_timeout": "120s", "idle_in_transaction_session_timeout": "120s"}
"""Loading a city and opening its slots is one long statement now and then."""


def url_of(service: str) -> str:
    """Return a service's database.

    Raises:
        click.ClickException: the environment does not name it.
    """
    variable = f"{service.upper()}_DATABASE_URL"
    url = os.environ.get(variable)
    if not url:
        raise click.ClickException(
            f"{variable} is not set: it names the database, postgresql://user:password@host/{service}"
        )
    return url


@click.command()
@click.argument("service", type=click.Choice([*schemas.SERVICES, "all"]), default="all")
def migrate(service: str) -> None:
    """Bring databases to the newest schema."""
    chosen = schemas.SERVICES if service == "all" else (service,)
    for name, url in [(name, url_of(name)) for name in chosen]:
        asyncio.run(schemas.upgrade(name, url))
        click.echo(f"{name}: at the newest schema")


@click.command()
def seed() -> None:
    """Load the city's districts, venues, services, policies and plans; what is there already is brought up to date."""
    try:
        asyncio.run(load_city(url_of("booking"), click.echo))
    except (CatalogueInvalid, catalogue.LoadRefused) as refusal:
        raise click.ClickException(str(refusal)) from refusal
    click.echo("The city's data is loaded.")


async def load_city(database_url: str, say: Callable[[str], None]) -> None:
    """Load the catalogue and open its slots, telling each step to `say`.

    Raises:
        CatalogueInvalid: a file of the catalogue is wrong; every fault is named with its line.
        catalogue.LoadRefused: a change would strand somebody who is booked.
    """
    engine = create_engine(database_url, application_name="yuyue-seed", server_settings=LOADING)
    try:
        await catalogue.load(engine, system_clock(), say)
    finally:
        await engine.dispose()


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--notify",
    "apart",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of its own for the notify service: what opens contact data goes there, and leaves FOLDER.",
)
@click.option("--rotate", metavar="FILE", help="Put a new key before those of this .jwk file; the old ones still open.")
def keys(folder: Path, apart: Path | None, rotate: str | None) -> None:
    """Make the key files that FOLDER lacks (0600); none is ever overwritten."""
    if rotate is not None:
        try:
            sealing.rotate_keys(folder, rotate)
        except (sealing.KeysMissing, ValueError) as refusal:
            raise click.ClickException(str(refusal)) from refusal
        click.echo(f"{folder / rotate}: a new key stands first")
        return
    made = sealing.generate_keys(folder)
    click.echo(f"{folder}: made {', '.join(made)}" if made else f"{folder}: nothing was missing")
    if apart is not None:
        _set_apart(folder, apart)


def _set_apart(folder: Path, apart: Path) -> None:
    """Give the notify service its own folder: its private key, moved, and the feed's token, copied."""
    apart.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = folder / sealing.NOTIFY_KEYS
    if private.exists():
        write_private(apart / sealing.NOTIFY_KEYS, private.read_text())
        private.unlink()
    write_private(apart / sealing.FEED_TOKEN, (folder / sealing.FEED_TOKEN).read_text())
    click.echo(f"{apart}: {sealing.NOTIFY_KEYS}, {sealing.FEED_TOKEN}")


@click.command()
def settings() -> None:
    """Print every setting, its default and its meaning, as a Markdown table."""
    click.echo(settings_table(BookingSettings, NotifySettings))


@click.group()
def account() -> None:
    """Accounts of staff, schedulers and administrators; the database is BOOKING_DATABASE_URL."""


@account.command("add")
@click.argument("login")
@click.option("--role", type=click.Choice([role.value for role in Role if role is not Role.RESIDENT]), required=True)
@click.option("--venue", "venues", multiple=True, help="A venue that the role is bound to; may be given again.")
@click.option("--password", envvar="YUYUE_PASSWORD", help="Better left out: then one is made and shown once.")
def add(login: str, role: str, venues: tuple[str, ...], password: str | None) -> None:
    """Make an account for LOGIN."""
    chosen = password or secrets.token_urlsafe(15)
    new = NewAccount(login=login, password=chosen, role=Role(role), venues=frozenset(venues))
    asyncio.run(_with_engine(lambda engine: add_account(engine, new, system_clock())))
    click.echo(f"{login}: {role}" + ("" if password else f", password {chosen} (shown this once)"))


@account.command("disable")
@click.argument("login")
def disable(login: str) -> None:
    """End the sign-ins of LOGIN."""
    asyncio.run(_with_engine(lambda engine: disable_account(engine, login, system_clock())))
    click.echo(f"{login}: disabled")


@account.command("list")
def list_() -> None:
    """List the accounts that have a login."""
    for one in asyncio.run(_with_engine(list_accounts)):
        state = "disabled" if one.disabled_at else ", ".join(sorted(one.venues)) or "everywhere"
        click.echo(f"{one.login}\t{one.role}\t{state}")


async def _with_engine(act: Callable[[Engine], Awaitable[Answer]]) -> Answer:
    engine = create_engine(url_of("booking"), application_name="yuyue-account")
    try:
        return await act(engine)
    except AccountError as refusal:
        raise click.ClickException(str(refusal)) from refusal
    finally:
        await engine.dispose()
