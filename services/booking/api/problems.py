"""The one table of reasons: which status and which words each of them has at the edge, and how a route documents them."""

from services.booking.api.words.bookings import BOOKINGS
from services.booking.api.words.facts import FACTS, VOCABULARY
from services.booking.api.words.itineraries import ITINERARIES
from services.booking.api.words.penalties import PENALTIES
from services.booking.api.words.requests import REQUESTS
from services.booking.api.words.seasons import SEASONS
from services.booking.api.words.waiting import WAITING
from services.booking.domain.reason import Reason
from shared.web.openapi import ProblemDocs, Responses
from shared.web.problems import Problems, ProblemTable

TABLE: ProblemTable = {**REQUESTS, **BOOKINGS, **ITINERARIES, **PENALTIES, **WAITING, **SEASONS}
TYPE_BASE = "/problems/"

DOCS = ProblemDocs(Problems(TABLE, type_base=TYPE_BASE, vocabulary=VOCABULARY), FACTS)


def problems(*reasons: Reason) -> Responses:
    """Return the `responses=` of a route that may refuse for `reasons`, with an example of each."""
    return DOCS.responses(*reasons)
