"""The watchdog: when its supervisor is gone, it ends the supervisor's children. `python -m shared.embedded.watchdog RECORD`.

It holds the reading end of a pipe whose writing end only the supervisor has. The end of that pipe is the one sign of
death that the kernel gives on Linux and macOS alike, for every way to die. A supervisor that ends well has emptied its
record before, so that nothing is left to do.
"""

import signal
import sys
from pathlib import Path

from shared.embedded import records


def main(record: Path) -> None:
    """Wait for the end of standard input, then end what `record` names."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # whoever ends the supervisor by a signal must not end its watchdog first
    sys.stdin.buffer.read()
    records.end_recorded(record)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
