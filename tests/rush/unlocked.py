"""The control: the booking API with the desk's lock taken out. Nothing in the program itself can take it out."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from services.booking.api.deps import Container
from services.booking.commands.desk import Desk
from services.booking.main import create_app
from services.booking.store.locking import LOCK_NOTHING


def create_unlocked() -> FastAPI:
    """Return the application as it is, but for the lock."""
    app = create_app()
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[None]:
        async with inner(application):
            parts: Container = application.state.container
            parts.desk = Desk(parts.engine, parts.catalogue, parts.clock, lock=LOCK_NOTHING)
            yield

    app.router.lifespan_context = lifespan
    return app


def serve(fd: int) -> None:
    """Serve on an open socket until the process is asked to end."""
    config = uvicorn.Config(create_unlocked(), loop="uvloop", http="httptools", access_log=False, log_level="warning")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=fd)])
