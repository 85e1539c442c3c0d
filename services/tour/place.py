"""Where the system runs, and the sample sign-ins of those who work there: what `make run` wrote into its data folder."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.tour.client import START_IT, Stopped
from shared.contracts import Words

_NOTHING_RUNS = Words("这个数据目录里没有运行中的系统", "nothing runs on this data folder")
_NO_ACCOUNTS = Words(
    "这个系统没有示例账号：它不只在本机上开放", "this system has no sample accounts: it is open to other machines"
)
_REAL_TEXTS = Words(
    "这个系统的短信会发给真的手机，导览只用虚构的号码",
    "this system sends text messages to real telephones, and the tour signs in with invented numbers",
)
ON_THIS_MACHINE = Words(
    "另起一个只在本机开放、短信进收件箱的系统：make run ARGS='--data 目录 --port 端口'，再 make tour ARGS='--data 目录'",
    "Start another system, for this machine alone and with its sink: make run ARGS='--data FOLDER --port NUMBER', then"
    " make tour ARGS='--data FOLDER'",
)
RUN, ACCOUNTS = "run.json", "sample-accounts.json"


@dataclass(frozen=True, slots=True)
class Worker:
    """A sample account of somebody who works at venues."""

    login: str
    password: str = field(repr=False)
    venues: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The addresses of a running system, and who may sign in at work there, by role."""

    booking: str
    notify: str
    sink: str
    workers: Mapping[str, Worker]

    def worker(self, role: str) -> Worker:
        """Return the sample account of a role.

        Raises:
            Stopped: there is none.
        """
        if role not in self.workers:
            raise Stopped(
                Words(f"{ACCOUNTS} 里没有 {role} 的示例账号", f"{ACCOUNTS} has no sample account of a {role}"), START_IT
            )
        return self.workers[role]


def find_place(data: Path) -> Place:
    """Return the system that runs on the data folder `data`.

    Raises:
        Stopped: nothing runs there, or it has no sample accounts.
    """
    run = _read(data / RUN, _NOTHING_RUNS, START_IT)
    accounts = _read(data / ACCOUNTS, _NO_ACCOUNTS, ON_THIS_MACHINE)
    urls = run["urls"]
    if urls.get("sms", urls["sink"]) != urls["sink"]:
        raise Stopped(_REAL_TEXTS, ON_THIS_MACHINE)
    workers = {
        one["role"]: Worker(one["login"], one["password"], frozenset(one["venues"])) for one in accounts["staff"]
    }
    return Place(booking=urls["booking"], notify=urls["notify"], sink=urls["sink"], workers=workers)


def _read(path: Path, missing: Words, to_do: Words) -> Mapping[str, Any]:
    try:
        document: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Stopped(missing, to_do, [str(path)]) from None
    except ValueError:
        raise Stopped(Words(f"{path} 无法读取", f"{path} cannot be read"), START_IT) from None
    return document
