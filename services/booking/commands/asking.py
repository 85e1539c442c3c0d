"""Ask the desk as the house does itself: nobody waits for an answer in words, only for what was decided."""

from services.booking.commands.desk import Desk
from services.booking.domain.decision import Outcome
from services.booking.domain.facts import Facts
from services.booking.domain.request import Request
from shared.web import Answer

_NOTHING = Answer(204, {}, b"")


async def decided(desk: Desk, request: Request) -> Outcome:
    """Return what the desk made of `request`, once it is safely kept.

    Raises:
        Refused: `busy` or `uncertain`: nobody knows yet, and a later call finds out. Every other refusal is an outcome.
    """
    heard: list[Outcome] = []

    def listen(outcome: Outcome, _facts: Facts) -> Answer:
        heard.append(outcome)
        return _NOTHING

    await desk.ask(request, listen)
    return heard[-1]
