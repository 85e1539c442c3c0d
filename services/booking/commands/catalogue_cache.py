"""The catalogue in memory, with its version: read again only when the database says that it has changed."""

from services.booking.domain.catalogue import Catalogue
from services.booking.store.catalogue import read_catalogue
from services.booking.store.database import Connection


class CatalogueCache:
    """One process's copy. Availability is never cached; what is offered is, since it changes rarely."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.current = catalogue

    async def at_version(self, connection: Connection, version: int) -> Catalogue:
        """Return the catalogue, read again on `connection` when `version` is not the one at hand."""
        if version != self.current.version:
            self.current = await read_catalogue(connection)
        return self.current
