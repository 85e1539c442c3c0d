"""Who may enter a draw: a request is looked at when it comes, so that nobody waits for a draw in which they cannot win.

What may change until then (clashes, limits, room) is asked when the place is given, by the rules of every booking.
"""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from services.booking.domain.admission import RULES_OF, party_of
from services.booking.domain.admission.rules import Case, declarations_answered, not_barred, party_fits
from services.booking.domain.draw_round import Round
from services.booking.domain.facts import Facts
from services.booking.domain.reason import Reason
from services.booking.domain.request import Book
from shared.refusal import Refused


def check_wishes(of_round: Round, slot_ids: Sequence[UUID]) -> None:
    """Refuse a slot that is not in the round, or that is named twice.

    Raises:
        Refused: `slot_unknown` with the first one at fault.
    """
    for position, slot_id in enumerate(slot_ids):
        if slot_id not in of_round.slot_ids or slot_id in slot_ids[:position]:
            raise Refused(Reason.SLOT_UNKNOWN, field=f"/slots/{position}")


def check_entry(book: Book, slot_ids: Sequence[UUID], facts: Facts) -> None:
    """Refuse a party that the service would not take in one of `slot_ids`, which `facts` must hold.

    Raises:
        Refused: `slot_unknown` where a slot is gone; else with the reason of the first rule that says no.
    """
    party = party_of(book, facts)
    for position, slot_id in enumerate(slot_ids):
        slot = facts.slots.get(slot_id)
        if slot is None:
            raise Refused(Reason.SLOT_UNKNOWN, field=f"/slots/{position}")
        service, venue, policy = facts.offer(slot)
        case = Case(replace(book, slot_id=slot_id), slot, service, venue, policy, party, facts)
        for rule in (party_fits, declarations_answered, not_barred, *RULES_OF.get(service.kind, ())):
            rule(case)
