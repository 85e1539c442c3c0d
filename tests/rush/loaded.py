"""A process that has loaded the API and serves nothing: it forks one whenever it is asked. `python -m tests.rush.loaded`

Loading takes four seconds of a processor, which is the machine's and not the program's; a process that is killed every two
seconds could not be replaced in time otherwise. What is forked runs exactly what `yuyue up` runs from there on.

Asked on its standard input: `start FD LOG` (answered with the new process's number) and `poll PID` (answered with its
status, or - while it runs). When its input ends, whatever it started is killed.
"""

import gc
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

from uvicorn.importer import import_from_string

from services.processes import processes
from tests.rush import unlocked

APIS: dict[str, Callable[[int], None]] = {
    "real": lambda fd: processes.main(["booking-api", "--fd", str(fd)], standalone_mode=False),
    "unlocked": unlocked.serve,
}


def fork(serve: Callable[[int], None], fd: int, log: str) -> int:
    """Start a process that serves on `fd` and says what it has to say in `log`; return its number."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for end in (sys.stdout.fileno(), sys.stderr.fileno()):
            os.dup2(out, end)
        os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
        serve(fd)
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)


def status_of(pid: int) -> str:
    """Return how a process ended, or - while it runs."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    return str(os.waitstatus_to_exitcode(status)) if ended else "-"


def answer(serve: Callable[[int], None]) -> None:
    """Do what is asked, line by line; whatever happens here, nothing that was started outlives it."""
    living: set[int] = set()
    try:
        for line in sys.stdin:
            what, *words = line.split(maxsplit=2)
            if what == "start":
                pid = fork(serve, int(words[0]), words[1].rstrip())
                living.add(pid)
                said = str(pid)
            else:
                pid = int(words[0])
                said = status_of(pid)
                living -= set() if said == "-" else {pid}
            print(said, flush=True)
    finally:
        for pid in living:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    import_from_string("services.booking.main:create_app")
    gc.freeze()
    answer(APIS[sys.argv[1]])
