"""Accounts of those who work here: what makes one, what does not, and the samples."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.booking.commands.accounts import (
    AccountError,
    NewAccount,
    add_account,
    disable_account,
    ensure_sample_accounts,
    list_accounts,
)
from services.booking.commands.sign_in import check_password, opened
from services.booking.domain.account import Role
from services.booking.domain.reason import Reason
from services.booking.store.accounts import account_by_phone
from shared.db import create_engine
from shared.refusal import Refused
from shared.sealing import Vault, generate_keys
from tests import make, world

PASSWORD = "correct horse battery"
DOOR = NewAccount(login="door", password=PASSWORD, role=Role.STAFF, venues=frozenset({make.VENUE}))


@pytest.fixture
async def engine(booking_url: str) -> AsyncIterator[AsyncEngine]:
    one = create_engine(booking_url, application_name="test")
    await world.put_catalogue(one, make.catalogue())
    yield one
    await one.dispose()


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    generate_keys(tmp_path)
    return Vault(tmp_path)


def like(**changes: object) -> NewAccount:
    given: dict[str, object] = {"login": DOOR.login, "password": PASSWORD, "role": DOOR.role, "venues": DOOR.venues}
    return NewAccount(**(given | changes))  # type: ignore[arg-type]


async def test_an_account_is_made_listed_and_disabled(engine: AsyncEngine) -> None:
    made = await add_account(engine, DOOR, make.NOW)
    [listed] = await list_accounts(engine)
    assert (listed.id, listed.login, listed.role, listed.venues) == (made.id, "door", Role.STAFF, DOOR.venues)
    assert listed.disabled_at is None
    assert (await check_password(engine, "door", PASSWORD)).id == made.id
    await disable_account(engine, "door", make.NOW)
    await disable_account(engine, "door", make.NOW)
    [listed] = await list_accounts(engine)
    assert listed.disabled_at == make.NOW
    with pytest.raises(Refused) as caught:
        await check_password(engine, "door", PASSWORD)
    assert caught.value.reason is Reason.ACCOUNT_DISABLED


async def test_the_password_is_kept_as_a_hash_that_differs_each_time(engine: AsyncEngine) -> None:
    await add_account(engine, DOOR, make.NOW)
    await add_account(engine, like(login="gate"), make.NOW)
    hashes = [account.password_hash or "" for account in await list_accounts(engine)]
    assert len(set(hashes)) == 2
    assert all(one.startswith("$argon2id$") and PASSWORD not in one for one in hashes)


def test_neither_password_nor_row_prints_what_it_holds() -> None:
    assert PASSWORD not in repr(DOOR)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"login": "Door"}, "a login is"),
        ({"login": "do"}, "a login is"),
        ({"login": "door desk"}, "a login is"),
        ({"login": "1door"}, "a login is"),
        ({"password": "short"}, "10 to 200"),
        ({"password": "x" * 201}, "10 to 200"),
        ({"role": Role.RESIDENT}, "sign in by phone"),
        ({"venues": frozenset()}, "needs at least one venue"),
        ({"role": Role.ADMINISTRATOR}, "bound to no venue"),
        ({"venues": frozenset({make.VENUE, "atlantis"})}, "no such venue: atlantis"),
    ],
)
async def test_what_makes_no_account(engine: AsyncEngine, changes: dict[str, object], why: str) -> None:
    with pytest.raises(AccountError, match=why):
        await add_account(engine, like(**changes), make.NOW)
    assert await list_accounts(engine) == []


async def test_a_login_is_one_account_s(engine: AsyncEngine) -> None:
    await add_account(engine, DOOR, make.NOW)
    with pytest.raises(AccountError, match="is taken"):
        await add_account(engine, DOOR, make.NOW)
    with pytest.raises(AccountError, match="no account has the login gate"):
        await disable_account(engine, "gate", make.NOW)


async def test_samples_are_made_once_and_say_that_they_are(engine: AsyncEngine, vault: Vault) -> None:
    staff = [
        like(login="sample-staff"),
        like(login="sample-administrator", role=Role.ADMINISTRATOR, venues=frozenset()),
    ]
    for _ in range(2):
        await ensure_sample_accounts(engine, vault, ["13900000001", "13900000002"], staff, make.NOW)
    assert [account.login for account in await list_accounts(engine)] == ["sample-administrator", "sample-staff"]
    async with engine.connect() as connection:
        resident = await account_by_phone(connection, vault.fingerprint("+8613900000001", "account.phone"))
    assert resident is not None
    assert opened(vault, resident).phone == "+8613900000001"
    with pytest.raises(AccountError, match="must begin with sample-"):
        await ensure_sample_accounts(engine, vault, [], [DOOR], make.NOW)
