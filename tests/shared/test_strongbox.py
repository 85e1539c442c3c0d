"""What the notify service derives from its one key: seals bound to their place, fingerprints and a VAPID pair that last."""

from pathlib import Path

import pytest

from shared.sealing import NOTIFY_KEYS, CannotOpen, generate_keys, rotate_keys
from shared.strongbox import Strongbox, application_server_key, vapid_key


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generate_keys(tmp_path)
    return tmp_path


def test_what_is_sealed_opens_in_its_own_place_alone(folder: Path) -> None:
    box = Strongbox(folder)
    sealed = box.seal("openid 中", "binding.wechat_mini")
    assert box.open(sealed, "binding.wechat_mini") == "openid 中"
    assert box.seal("openid 中", "binding.wechat_mini") != sealed
    for other, content in (("binding.wecom", sealed), ("binding.wechat_mini", sealed[:-4] + "AAAA"), ("x", "?")):
        with pytest.raises(CannotOpen):
            box.open(content, other)


def test_another_installation_cannot_open_it(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    generate_keys(elsewhere)
    sealed = Strongbox(folder).seal("x", "c")
    with pytest.raises(CannotOpen):
        Strongbox(elsewhere).open(sealed, "c")
    assert Strongbox(folder).fingerprint("x", "c") != Strongbox(elsewhere).fingerprint("x", "c")


def test_a_rotation_leaves_seals_fingerprints_and_the_pair_as_they_were(folder: Path) -> None:
    before = Strongbox(folder)
    sealed, fingerprint, pair = before.seal("x", "c"), before.fingerprint("x", "c"), vapid_key(folder)
    rotate_keys(folder, NOTIFY_KEYS)
    after = Strongbox(folder)
    assert after.open(sealed, "c") == "x"
    assert after.fingerprint("x", "c") == fingerprint
    assert application_server_key(vapid_key(folder)) == application_server_key(pair)
    with pytest.raises(CannotOpen):
        before.open(after.seal("x", "c"), "c")


def test_a_fingerprint_hangs_on_its_context(folder: Path) -> None:
    box = Strongbox(folder)
    assert box.fingerprint("x", "c") == box.fingerprint("x", "c")
    assert box.fingerprint("x", "c") != box.fingerprint("x", "d")
    assert len(box.fingerprint("x", "c")) == 32
