"""The city's own data: districts, venues, services, policies and plans, as files that a scheduler reads and edits.

`read_city` reads and checks them all; every fault says in which file, on which line, and what to write instead.
"""

from services.booking.catalogue.city import City
from services.booking.catalogue.faults import CatalogueInvalid, Fault
from services.booking.catalogue.read import FOLDER, read_city

__all__ = ["FOLDER", "CatalogueInvalid", "City", "Fault", "read_city"]
