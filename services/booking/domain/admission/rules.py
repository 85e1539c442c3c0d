"""The rules that every service shares: each looks at one thing and returns, or raises `Refused` with its reason.

They are data-driven: what differs between services stands in their policies. A rule never knows what other rules do.
"""

from datetime import timedelta

from services.booking.domain.booking import Channel
from services.booking.domain.catalogue import Service, Venue
from services.booking.domain.draw_round import AHEAD_OF_THE_PUBLIC, DRAW
from services.booking.domain.facts import Facts, LiveClaim
from services.booking.domain.party import Party, check_party, seats_of
from services.booking.domain.penalty import scope_words
from services.booking.domain.policy import Limit, LimitScope, LimitWindow, Policy
from services.booking.domain.reason import Reason
from services.booking.domain.request import Book
from services.booking.domain.season import ALLOCATION
from services.booking.domain.slot import Slot, free_places, full_or_cooling, next_release, why_not
from services.booking.domain.zone import local_day, week_of
from shared.refusal import Refused
from shared.value import value

HOLDS_MOST = 3
"""Seats being filled in at one time by one account: more would keep places from others without using them."""


@value(frozen=True, slots=True)
class Case:
    """One request to book, with everything that the rules look at."""

    book: Book
    slot: Slot
    service: Service
    venue: Venue
    policy: Policy
    party: Party
    facts: Facts

    @property
    def seats(self) -> int:
        """Places that the party would take."""
        return sum(seats_of(self.party, self.policy))


def slot_takes_bookings(case: Case) -> None:
    """Refuse a slot that is past, closed, not released, in a draw, or no longer bookable over this channel.

    What a draw gives away is not released to anybody else: its own winners come before the release. So do the hours that
    staff allocated to clubs for a season.
    """
    reason = why_not(case.slot, case.book.channel, case.facts.now, seats=0)
    if reason in AHEAD_OF_THE_PUBLIC and case.book.actor == DRAW:
        return
    if reason is Reason.NOT_RELEASED and case.book.actor == ALLOCATION:
        return
    if reason is not None:
        slot = case.slot
        raise Refused(
            reason,
            field="/slot_id",
            slot_id=slot.id,
            starts_at=slot.starts_at,
            bookable_from=slot.bookable_from,
            bookable_until=slot.bookable_until,
        )


def party_fits(case: Case) -> None:
    """Refuse a party that the policy does not accept: its kind, size, documents or ages on the day of the visit."""
    check_party(case.party, case.policy, local_day(case.slot.starts_at))


def declarations_answered(case: Case) -> None:
    """Refuse unanswered questions, answers that are not among the options, and answers to what was not asked."""
    asked = {declaration.name: declaration for declaration in case.policy.declarations}
    for name, declaration in asked.items():
        answer = case.book.declarations.get(name)
        if not answer:
            raise Refused(
                Reason.DECLARATION_MISSING,
                field=f"/declarations/{name}",
                question_zh=declaration.question_zh,
                question_en=declaration.question_en,
            )
        if declaration.options and answer not in declaration.options:
            raise Refused(
                Reason.DECLARATION_INVALID, field=f"/declarations/{name}", options=", ".join(declaration.options)
            )
    for name in case.book.declarations:
        if name not in asked:
            raise Refused(Reason.DECLARATION_INVALID, field=f"/declarations/{name}", options=", ".join(asked))


def not_barred(case: Case) -> None:
    """Refuse, online, whom a running bar keeps from this visit; it says until when, why, and what remains to be done."""
    if case.book.channel is Channel.COUNTER or case.book.channel is Channel.WALK_IN:
        return
    for position, person in enumerate(case.party.people):
        for bar in person.bars:
            if bar.covers(case.service, case.slot.starts_at):
                scope, _ = scope_words(bar.scope, case.facts.catalogue)
                raise Refused(
                    Reason.BARRED,
                    field=f"/people/{position}",
                    barred_until=bar.until,
                    scope_zh=scope.zh,
                    scope_en=scope.en,
                    threshold=bar.threshold,
                    strikes=bar.because,
                    struck_on=bar.struck_on,
                    penalty_id=bar.penalty_id,
                )


def not_there_already(case: Case) -> None:
    """Refuse a second live place of one person in one slot; the first one is named to whoever booked it."""
    for position, claim in _claims(case):
        if claim.slot_id == case.slot.id:
            raise Refused(Reason.ALREADY_BOOKED, field=f"/people/{position}", **_naming(case, claim))


def no_clash(case: Case) -> None:
    """Refuse a time at which one of the party is booked elsewhere, in whichever service, and name that booking."""
    for position, claim in _claims(case):
        if claim.starts_at < case.slot.ends_at and case.slot.starts_at < claim.ends_at:
            raise Refused(Reason.CLASHES, field=f"/people/{position}", **_naming(case, claim))


def within_limits(case: Case) -> None:
    """Refuse what exceeds a limit of the policy: it counts people, not accounts, over the venue's day or week."""
    for limit in case.policy.limits:
        day = local_day(case.slot.starts_at)
        first, last = (day, day) if limit.window is LimitWindow.DAY else week_of(day)
        for position, person in enumerate(case.party.people):
            counted = sum(
                1
                for claim in case.facts.claims.get(person.id, ())
                if first <= local_day(claim.starts_at) <= last and _in_scope(claim, limit, case.slot)
            )
            if counted >= limit.most:
                raise Refused(
                    Reason.LIMIT_REACHED,
                    field=f"/people/{position}",
                    most=limit.most,
                    scope=limit.scope.value,
                    window=limit.window.value,
                    free_again_on=last + timedelta(days=1),
                )


def holds_within_cap(case: Case) -> None:
    """Refuse to hold more seats than one person can be filling in at a time."""
    if case.book.confirm or case.book.channel is Channel.WAITING_LIST:
        return
    held = case.facts.held.get(case.book.account_id, 0)
    if held >= HOLDS_MOST:
        raise Refused(Reason.HOLDS_LIMIT_REACHED, most=HOLDS_MOST)


def places_left(case: Case) -> None:
    """Refuse when the slot has fewer free places than the party needs."""
    slot, channel, now = case.slot, case.book.channel, case.facts.now
    free = free_places(slot, channel, now)
    if free < case.seats:
        why = full_or_cooling(slot, channel, now, case.seats)
        to_come = {"bookable_from": next_release(slot, now)} if why is Reason.NOT_RELEASED else {}
        raise Refused(why, field="/slot_id", slot_id=slot.id, places_left=free, places_asked=case.seats, **to_come)


def channel_is_allowed(case: Case) -> None:
    """Refuse the counter's places to whoever does not work at this venue's counter."""
    if case.book.channel is Channel.COUNTER and not case.book.actor.serves(case.venue.id):
        raise Refused(Reason.NOT_ALLOWED)


SHARED_RULES = (
    channel_is_allowed,
    slot_takes_bookings,
    party_fits,
    declarations_answered,
    not_barred,
    not_there_already,
    no_clash,
    within_limits,
    holds_within_cap,
    places_left,
)
"""In this order, so that a person first hears what cannot be mended by choosing another time, and "full" last."""


def _claims(case: Case) -> list[tuple[int, LiveClaim]]:
    return [
        (position, claim)
        for position, person in enumerate(case.party.people)
        for claim in case.facts.claims.get(person.id, ())
    ]


def _naming(case: Case, claim: LiveClaim) -> dict[str, object]:
    """Name a booking that stands in the way; its reference only to the account that made it."""
    service = case.facts.catalogue.services[claim.service_id]
    venue = case.facts.catalogue.venues[claim.venue_id]
    sensitive = case.facts.catalogue.policies[service.policy_id].sensitive
    mine = claim.account_id == case.book.account_id
    naming: dict[str, object] = {"clash_starts_at": claim.starts_at, "clash_ends_at": claim.ends_at}
    if mine:
        naming |= {"booking_id": claim.booking_id, "reference": claim.reference}
    if mine or not sensitive:
        naming |= {"clash_zh": f"{venue.name.zh} {service.name.zh}", "clash_en": f"{venue.name.en}, {service.name.en}"}
    else:
        naming |= {"clash_zh": "另一项预约", "clash_en": "another booking"}
    return naming


def _in_scope(claim: LiveClaim, limit: Limit, slot: Slot) -> bool:
    if limit.scope is LimitScope.SERVICE:
        return claim.service_id == slot.service_id
    if limit.scope is LimitScope.VENUE:
        return claim.venue_id == slot.venue_id and claim.kind == slot.kind
    return claim.kind == slot.kind
