"""What is sealed stays so for everybody without the key; the key folder is never damaged."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey, OKPKey

from shared.contracts import Contact, SignInMessage
from shared.sealing import (
    FEED_TOKEN,
    JWE_HEADER,
    NOTIFY_KEYS,
    NOTIFY_PUBLIC_KEYS,
    PEPPER,
    SEALING_KEYS,
    SIGNING_KEYS,
    CannotOpen,
    KeysMissing,
    Opener,
    Vault,
    generate_keys,
    load_keys,
    load_secret,
    rotate_keys,
    same_secret,
)

CONTACT = Contact(phone="+8613800138000", email="zhang@example.org", name="张三", language="zh")
SIGN_IN = SignInMessage(phone="+8613800138000", code="493217", language="zh")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generate_keys(tmp_path / "keys")
    return tmp_path / "keys"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_key_folder_is_made_whole_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "keys"
    made = generate_keys(folder)

    assert set(made) == {SIGNING_KEYS, SEALING_KEYS, PEPPER, NOTIFY_KEYS, NOTIFY_PUBLIC_KEYS, FEED_TOKEN}
    assert set(made) == set(contents(folder))
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_making_keys_again_changes_nothing_and_adds_what_is_missing(folder: Path) -> None:
    before = contents(folder)
    assert generate_keys(folder) == []
    (folder / PEPPER).unlink()
    assert generate_keys(folder) == [PEPPER]

    after = contents(folder)
    assert {name for name in before if before[name] != after[name]} == {PEPPER}


def test_many_at_once_agree_on_one_set_of_keys(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: generate_keys(tmp_path), range(8)))

    assert sorted(name for names in made for name in names) == sorted(contents(tmp_path))
    assert Opener(tmp_path).open_contact(Vault(tmp_path).seal_for_notify(CONTACT)) == CONTACT


def test_the_public_half_is_made_from_the_private_one_and_never_the_other_way(folder: Path) -> None:
    (folder / NOTIFY_PUBLIC_KEYS).unlink()
    assert generate_keys(folder) == [NOTIFY_PUBLIC_KEYS]
    (folder / NOTIFY_KEYS).unlink()  # as on a machine of the booking service
    assert generate_keys(folder) == []
    assert "d" not in json.loads((folder / NOTIFY_PUBLIC_KEYS).read_bytes())["keys"][0]


def test_what_is_sealed_opens_in_its_context_alone(folder: Path) -> None:
    vault = Vault(folder)
    sealed = vault.seal("张三", "person.name")

    assert vault.open(sealed, "person.name").decode() == "张三"
    assert vault.open(vault.seal(b"\x00\xff", "x"), "x") == b"\x00\xff"
    assert vault.seal("张三", "person.name") != sealed
    assert "张三" not in sealed
    with pytest.raises(CannotOpen):
        vault.open(sealed, "person.document_number")


def test_what_was_changed_does_not_open(folder: Path) -> None:
    vault = Vault(folder)
    sealed = vault.seal("110101199003077758", "person.document_number")
    for position, character in enumerate(sealed):
        changed = sealed[:position] + ("A" if character != "A" else "B") + sealed[position + 1 :]
        if position == len(sealed) - 1:
            continue  # the last character of base64 holds bits that say nothing
        with pytest.raises(CannotOpen):
            vault.open(changed, "person.document_number")
    for nonsense in ("", "s1", "s1..", sealed[:-8], sealed + "!", "张三"):
        with pytest.raises(CannotOpen):
            vault.open(nonsense, "person.document_number")


def test_another_installation_cannot_open(folder: Path, tmp_path: Path) -> None:
    generate_keys(tmp_path / "other")
    with pytest.raises(CannotOpen):
        Vault(tmp_path / "other").open(Vault(folder).seal("x", "c"), "c")
    with pytest.raises(CannotOpen):
        Opener(tmp_path / "other").open_contact(Vault(folder).seal_for_notify(CONTACT))


def test_old_seals_open_after_a_rotation_and_new_ones_use_the_new_key(folder: Path) -> None:
    old = Vault(folder).seal("x", "c")
    rotate_keys(folder, SEALING_KEYS)
    rotated = Vault(folder)
    new = rotated.seal("x", "c")

    assert rotated.open(old, "c") == rotated.open(new, "c") == b"x"
    assert old.split(".")[1] != new.split(".")[1]
    (folder / SEALING_KEYS).write_text(
        json.dumps({"keys": json.loads((folder / SEALING_KEYS).read_text())["keys"][:1]})
    )
    with pytest.raises(CannotOpen):
        Vault(folder).open(old, "c")


def test_a_fingerprint_is_the_same_for_the_same_value_in_the_same_context_only(folder: Path, tmp_path: Path) -> None:
    vault = Vault(folder)
    generate_keys(tmp_path / "other")
    prints = {
        vault.fingerprint("+8613800138000", "account.phone"),
        vault.fingerprint("+8613800138001", "account.phone"),
        vault.fingerprint("+8613800138000", "person.phone"),
        Vault(tmp_path / "other").fingerprint("+8613800138000", "account.phone"),
    }
    assert len(prints) == 4
    assert vault.fingerprint("+8613800138000", "account.phone") in prints
    assert {len(one) for one in prints} == {32}


def test_rotating_keys_changes_no_fingerprint(folder: Path) -> None:
    before = Vault(folder).fingerprint("x", "c")
    rotate_keys(folder, SEALING_KEYS)
    assert Vault(folder).fingerprint("x", "c") == before
    for name in (PEPPER, FEED_TOKEN, NOTIFY_PUBLIC_KEYS):
        with pytest.raises(ValueError, match="cannot be rotated"):
            rotate_keys(folder, name)


def test_notify_opens_what_was_sealed_for_it(folder: Path) -> None:
    vault, opener = Vault(folder), Opener(folder)
    assert opener.open_contact(vault.seal_for_notify(CONTACT)) == CONTACT
    assert opener.open_sign_in(vault.seal_for_notify(SIGN_IN)) == SIGN_IN


def test_notifys_key_can_be_rotated(folder: Path) -> None:
    old = Vault(folder).seal_for_notify(CONTACT)
    rotate_keys(folder, NOTIFY_KEYS)
    new = Vault(folder).seal_for_notify(CONTACT)

    assert Opener(folder).open_contact(old) == Opener(folder).open_contact(new) == CONTACT


def test_one_kind_of_message_never_passes_for_the_other(folder: Path) -> None:
    vault, opener = Vault(folder), Opener(folder)
    with pytest.raises(CannotOpen):
        opener.open_sign_in(vault.seal_for_notify(CONTACT))
    with pytest.raises(CannotOpen):
        opener.open_contact(vault.seal_for_notify(SIGN_IN))


def test_the_kind_of_message_counts_and_not_only_its_shape(folder: Path) -> None:
    (key,) = load_keys(folder, NOTIFY_PUBLIC_KEYS, OKPKey)
    both = json.dumps({"phone": None, "email": None, "name": None, "language": "zh", "code": "1"})
    sealed = jwe.encrypt_compact(
        {**JWE_HEADER, "kid": key.kid, "cty": "sign-in"}, both, key, algorithms=[*JWE_HEADER.values()]
    )
    with pytest.raises(CannotOpen, match="not a contact"):
        Opener(folder).open_contact(sealed)


def test_with_every_key_of_the_booking_service_contact_data_stays_closed(folder: Path) -> None:
    sealed = Vault(folder).seal_for_notify(CONTACT)
    (folder / NOTIFY_KEYS).unlink()
    with pytest.raises(KeysMissing, match=NOTIFY_KEYS):
        Opener(folder)

    keys: list[OKPKey | OctKey] = [
        *load_keys(folder, NOTIFY_PUBLIC_KEYS, OKPKey),
        *load_keys(folder, SIGNING_KEYS, OKPKey),
        *load_keys(folder, SEALING_KEYS, OctKey),
    ]
    for key in keys:
        with pytest.raises((JoseError, ValueError)):
            jwe.decrypt_compact(sealed, key, algorithms=[*JWE_HEADER.values()])
    with pytest.raises(CannotOpen):
        Vault(folder).open(sealed, "account.contact")
    for clear in (b"13800138000", "张三".encode(), b"zhang"):
        assert clear not in sealed.encode()


def test_a_message_for_notify_that_was_changed_does_not_open(folder: Path) -> None:
    header, key, nonce, content, tag = Vault(folder).seal_for_notify(CONTACT).split(".")
    for changed in (
        [header, key, nonce, content[::-1], tag],
        [header, key[::-1], nonce, content, tag],
        [header, key, nonce, content, tag[::-1]],
        [header, key, nonce, content],
        ["", "", "", "", ""],
    ):
        with pytest.raises(CannotOpen):
            Opener(folder).open_contact(".".join(changed))


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"keys": []}', b"nonsense", b'{"keys": [{"kty": "RSA"}]}'])
def test_damaged_keys_are_named_at_start(folder: Path, damage: bytes) -> None:
    (folder / SEALING_KEYS).write_bytes(damage)
    with pytest.raises(KeysMissing, match=SEALING_KEYS):
        Vault(folder)


def test_secrets_are_compared_whole(folder: Path) -> None:
    token = load_secret(folder, FEED_TOKEN)
    assert same_secret(token, token)
    assert not same_secret(token[:-1], token)
    assert not same_secret("密", token)
