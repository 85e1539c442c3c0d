"""Where notify workers are born ready: their code is loaded once, and each is a fork that begins at once.

A worker's own start takes seconds of a processor, most of it for loading code. Where one is killed every five seconds, on
a machine of two processors, the starts would be most of what is measured. What is killed is a whole process all the same.

Each line that comes in asks for a worker; its process id goes out. At the end of the input all of them are killed.
"""

import gc
import os
import signal
import sys
from pathlib import Path

import anyio._backends._asyncio as waiting
import httpcore

from services.notify import worker
from services.processes import processes

LOADED = (worker.run, httpcore.AsyncConnectionPool, waiting.AsyncIOBackend)
"""What every worker runs: named here, so that it is loaded before the first is born, the parts that httpx loads late too."""


def main() -> None:
    """Serve until nobody asks any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()
    born = []
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            with Path(os.devnull).open() as nothing:
                os.dup2(nothing.fileno(), 0)
            os.dup2(sys.stderr.fileno(), 1)
            processes(["notify-worker"])
        born.append(child)
        print(child, flush=True)
    for child in born:
        try:
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            continue


if __name__ == "__main__":
    main()
