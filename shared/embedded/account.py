"""Who runs the servers, and where, when `root` starts the house.

PostgreSQL refuses to run as root, rightly. Started by root, the servers run as the unprivileged system user `nobody`,
and every folder above their programs and their data must let that user through. Where one does not (a clone under
`/root`, say), nothing is opened up: programs and data live under `/var/lib/yuyue` instead.
"""

import hashlib
import os
import pwd
import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

OUTSIDE = Path("/var/lib/yuyue")
"""Where the servers' files live when the chosen folder cannot be reached by the unprivileged user."""


@dataclass(frozen=True, slots=True)
class Account:
    """The system user that the servers run as."""

    uid: int
    gid: int

    def give(self, path: Path) -> None:
        """Make `path` itself belong to this user."""
        os.chown(path, self.uid, self.gid)


def server_account() -> Account | None:
    """Return the user to run servers as, or None where that is the user who is running this process."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def may_pass(account: Account | None, path: Path) -> bool:
    """Tell whether `account` may pass through every folder above `path`, and through `path` itself if it is a folder."""
    if account is None:
        return True
    path = path.absolute()
    folders = [*path.parents, path] if path.is_dir() else list(path.parents)
    return all(_may_enter(account, folder) for folder in folders if folder.exists())


def _may_enter(account: Account, folder: Path) -> bool:
    status = folder.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def server_folder(account: Account | None, data: Path) -> Path:
    """Return the folder for the servers' own files: `data`, or one outside it that `account` can reach.

    The folder outside is the same for the same `data` every time.
    """
    data = data.absolute()
    if may_pass(account, data):
        return data
    return OUTSIDE / "data" / short_name(data)


def reachable_programs(account: Account | None, root: Path, parts: Iterable[Path]) -> Path:
    """Return a folder that holds `parts` (paths relative to `root`) where `account` may run them.

    That is `root` itself, or a copy of the parts under `OUTSIDE`, made once and keyed by where they came from and when
    they were last changed.
    """
    if may_pass(account, root):
        return root
    present = [part for part in parts if (root / part).exists()]
    changed = max((root / part).stat().st_mtime_ns for part in present)
    copy = OUTSIDE / "programs" / f"{short_name(root)}-{changed:x}"
    if not copy.exists():
        unfinished = copy.with_name(copy.name + f".{os.getpid()}")
        for part in present:
            target = unfinished / part
            make_open_folder(target.parent)
            if (root / part).is_dir():
                shutil.copytree(root / part, target, symlinks=True)
            else:
                shutil.copy2(root / part, target)
        unfinished.rename(copy)
    return copy


def make_open_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, so that others may pass through but not look around."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        one.chmod(0o711)


def short_name(path: Path) -> str:
    """Return ten hexadecimal digits that stand for `path`."""
    return hashlib.sha256(str(path).encode()).hexdigest()[:10]
