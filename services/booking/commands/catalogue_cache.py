"""The catalogue in memory, with its version: read again only when the database says that it has changed."""

import time
from collections.abc import Iterable
from typing import Final

from services.booking.domain.catalogue import Catalogue
from services.booking.store.catalogue import read_catalogue, read_version
from services.booking.store.database import Connection, Engine

LOOK_SECONDS: Final = 1.0
"""How old the last look at the version may be for somebody who only reads: what they see is about this late at most."""


class CatalogueCache:
    """One process's copy. Availability is never cached; what is offered is, since it changes rarely.

    Whoever decides (the desk) asks for the very version that it found under its locks. Whoever reads asks for a `fresh`
    one, which costs one short query a second in each process however many ask.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.current = catalogue
        self._looked = time.monotonic()

    async def at_version(self, connection: Connection, version: int) -> Catalogue:
        """Return the catalogue, read again on `connection` when `version` is not the one at hand."""
        if version != self.current.version:
            self.current = await read_catalogue(connection)
        return self.current

    async def fresh(self, engine: Engine) -> Catalogue:
        """Return the catalogue as it was `LOOK_SECONDS` ago, or later.

        While one reader looks, the others go on with the copy at hand; where the look fails, the next reader looks.
        """
        last, now = self._looked, time.monotonic()
        if now - last >= LOOK_SECONDS:
            self._looked = now
            try:
                async with engine.connect() as connection:
                    await self.at_version(connection, await read_version(connection))
            except BaseException:
                self._looked = last
                raise
        return self.current

    async def knowing(self, engine: Engine, service_ids: Iterable[str]) -> Catalogue:
        """Return a catalogue that has these services: one that another process has just loaded may be booked already."""
        catalogue = await self.fresh(engine)
        if not catalogue.services.keys() >= set(service_ids):
            async with engine.connect() as connection:
                self.current = catalogue = await read_catalogue(connection)
        return catalogue
