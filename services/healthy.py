"""Is a process well? `python -m services.healthy URL` for one that answers, `… FILE` for one that only works.

A container asks this every few seconds, so it loads nothing but a little of the standard library. A worker touches its
file as long as its event loop turns (YUYUE_HEARTBEAT).
"""

import sys
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

STALE_SECONDS = 30.0
ANSWER_SECONDS = 5.0


def is_well(what: str) -> bool:
    """Tell whether the URL answers 200, or the file was touched within `STALE_SECONDS`."""
    return _answers(what) if "://" in what else _beats(Path(what))


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _beats(file: Path) -> bool:
    try:
        return time.time() - file.stat().st_mtime < STALE_SECONDS
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(0 if is_well(sys.argv[1]) else 1)
