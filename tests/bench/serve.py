"""Serve one of `apps` on an open listening socket: `python -m tests.bench.serve APP FD`.

uvicorn's own `--fd` takes the socket for a unix socket, and then leaves small answers waiting (no TCP_NODELAY).
"""

import socket
import sys

import uvicorn

from shared.web.whole import WholeProtocol
from tests.bench import apps

if __name__ == "__main__":
    name, descriptor = sys.argv[1:]
    config = uvicorn.Config(
        getattr(apps, name)(),
        loop="uvloop",
        http="httptools" if name in {"empty", "naive"} else WholeProtocol,  # the yardsticks as anybody would serve them
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(descriptor))])
