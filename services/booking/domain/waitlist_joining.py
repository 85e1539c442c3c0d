"""Who may join the waiting list: looked at when they join, so that nobody waits for what they could not have."""

from collections.abc import Sequence
from dataclasses import replace

from services.booking.domain.admission import admit
from services.booking.domain.booking import Channel
from services.booking.domain.catalogue import Catalogue, Service
from services.booking.domain.draw_entry import check_entry
from services.booking.domain.facts import Facts
from services.booking.domain.policy import Waiting
from services.booking.domain.reason import Reason
from services.booking.domain.request import Book
from services.booking.domain.slot import Slot, why_not
from services.booking.domain.waitlist_entry import DAYS_MOST, Band
from services.booking.domain.waitlist_offer import last_answer, offer_until
from shared.refusal import Refused

ALTERNATIVES_MOST = 3


def terms_of(service_ids: Sequence[str], catalogue: Catalogue) -> tuple[list[Service], Waiting]:
    """Return the services that somebody wants to wait for, and the terms of their list.

    Raises:
        Refused: `service_unknown`; `waitlist_services_differ` where they are not of one kind and policy; `waitlist_none`
            where their policy has no list.
    """
    services: list[Service] = []
    for position, service_id in enumerate(service_ids):
        service = catalogue.services.get(service_id)
        if service is None:
            raise Refused(Reason.SERVICE_UNKNOWN, field=f"/services/{position}")
        alike = not services or (service.kind, service.policy_id) == (services[0].kind, services[0].policy_id)
        if not alike or service in services:
            raise Refused(Reason.WAITLIST_SERVICES_DIFFER, field=f"/services/{position}")
        services.append(service)
    terms = catalogue.policies[services[0].policy_id].waiting
    if terms is None:
        raise Refused(Reason.WAITLIST_NONE, field="/services/0")
    return services, terms


def check_band(band: Band) -> None:
    """Refuse a band that ends before it begins, or that is too long.

    Raises:
        Refused: `invalid_request`.
    """
    if band.last < band.first:
        raise Refused(Reason.INVALID_REQUEST, field="/last_day", why="range_reversed")
    if band.until < band.since:
        raise Refused(Reason.INVALID_REQUEST, field="/until", why="range_reversed")
    if (band.last - band.first).days >= DAYS_MOST:
        raise Refused(Reason.INVALID_REQUEST, field="/last_day", why="range_too_long")


def check_joining(book: Book, places: int, terms: Waiting, facts: Facts) -> None:
    """Refuse to let a party wait for the slots in `facts`, which are all those of its band, in order of time.

    Raises:
        Refused: `waitlist_nothing_there` where none of them is still to be had; `not_released` where one opens later:
            the list is for what is full; `party_too_large` where none could ever take it; what the service would refuse
            this party for at any time; `waitlist_not_needed`, with the times, where one can be booked now.
    """
    coming = [slot for slot in facts.slots.values() if not slot.drawn and _in_time(slot, terms, facts)]
    if not coming:
        raise Refused(Reason.WAITLIST_NOTHING_THERE, field="/first_day")
    for slot in coming:
        if slot.bookable_from > facts.now:
            raise Refused(
                Reason.NOT_RELEASED, field="/last_day", starts_at=slot.starts_at, bookable_from=slot.bookable_from
            )
    most = max(slot.capacity - slot.kept_counter - slot.kept_walk_in for slot in coming)
    if places > most:
        raise Refused(Reason.PARTY_TOO_LARGE, field="/people", most=most, size=places)
    last, first = ({slot.service_id: slot.id for slot in line} for line in (coming, coming[::-1]))
    check_entry(book, [*first.values(), *last.values()], facts)
    free = [slot for slot in coming if _can_be_booked(book, slot, places, facts)]
    if free:
        named = [{"slot_id": slot.id, "starts_at": slot.starts_at} for slot in free[:ALTERNATIVES_MOST]]
        raise Refused(Reason.WAITLIST_NOT_NEEDED, alternatives=named)


def _in_time(slot: Slot, terms: Waiting, facts: Facts) -> bool:
    return offer_until(terms, last_answer(terms, slot.starts_at, slot.bookable_until), facts.now) is not None


def _can_be_booked(book: Book, slot: Slot, places: int, facts: Facts) -> bool:
    """Say whether the party could book this slot now, as everybody may."""
    if why_not(slot, Channel.ONLINE, facts.now, places) is not None:
        return False
    try:
        admit(replace(book, slot_id=slot.id, confirm=True), facts)
    except Refused:
        return False
    return True
