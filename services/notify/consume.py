"""What an event does to our tables. Called in the transaction that also settles the event, so it is done once.

Events come at least once and may come late: the version decides, not the order of arrival. Contact data is opened
here only to see which addresses exist; what is stored stays sealed.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from services.notify.commands.receive import PHONE
from services.notify.domain import family_copy
from services.notify.domain.message import NOBODY, Planned, Reach
from services.notify.domain.notice import Noticed, noticed, plan_notice
from services.notify.domain.planning import HELD, Circumstances, Rules, plan_booking, plan_proof, plan_sign_in
from services.notify.domain.pressure import spread
from services.notify.domain.rendering import appointment_of
from services.notify.domain.saying import Listener
from services.notify.domain.scope import venue_digest
from services.notify.domain.webhook import payload_of
from services.notify.store import (
    bindings,
    bookings,
    copies,
    messages,
    notices,
    preferences,
    receipts,
    recipients,
    webhooks,
)
from services.notify.store.database import Connection
from shared.clock import Clock
from shared.contracts import (
    BOOKING_SOURCE,
    AccountErased,
    BookingChanged,
    CaseMoved,
    ConsentAsked,
    ContactProofRequested,
    CopyChanged,
    Event,
    EventType,
    PenaltyChanged,
    QueueMoved,
    ReleaseNearing,
    SignInCodeRequested,
)
from shared.sealing import CONTACT_VERSION, JOINT, CannotOpen, Opener
from shared.strongbox import Strongbox

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Planner:
    """Handles events: `handle` is what a `shared.inbox.Consumer` calls."""

    opener: Opener
    clock: Clock
    rules: Rules = field(default_factory=Rules)
    box: Strongbox | None = None
    spreads: bool = False

    async def handle(self, tx: Connection, event: Event) -> None:
        """Plan what `event` makes us say, and end what it makes untrue."""
        now = self.clock()
        payload = payload_of(event, BOOKING_SOURCE)
        if payload is not None:
            await webhooks.queue(tx, payload, now)
        match event.data:
            case BookingChanged() as booking:
                await self._booking_changed(tx, event, booking, now)
            case SignInCodeRequested() as request:
                plan = plan_sign_in(request, now)
                await messages.plan(tx, plan.messages, event.id, now, sealed=request.sealed)
            case ContactProofRequested() as asked:
                plan = plan_proof(asked, now)
                await messages.plan(tx, plan.messages, event.id, now, sealed=asked.sealed)
            case CopyChanged() as copied:
                await self._copy_changed(tx, copied, now)
                await self._noticed(tx, event, noticed(copied, now), now)
            case AccountErased() as gone:
                await recipients.erase(tx, gone.account_id, now)
            case PenaltyChanged() | ConsentAsked() | QueueMoved() | CaseMoved() | ReleaseNearing() as data:
                await self._noticed(tx, event, noticed(data, now), now)

    async def _booking_changed(self, tx: Connection, event: Event, booking: BookingChanged, now: datetime) -> None:
        subject = (booking.booking_id, booking.version)
        known, contact_before = await bookings.known(tx, booking.booking_id)
        bound = await bindings.channels_of(tx, booking.account_id)
        key = await recipients.key_of(tx, booking.account_id, self.opener.new_recipient_key, now)
        contact = self._kept(key, booking.contact)
        await self._note_phone(tx, _joined(key, contact), booking.account_id, now)
        reach = replace(self._reach(_joined(key, contact or contact_before)), bound=bound)
        wanted = await preferences.of_account(tx, booking.account_id)
        if known is not None:
            known = replace(known, said=await messages.said(tx, subject, booking.account_id, now))
        circumstances = Circumstances(known=known, reach=reach, rules=self.rules, now=now, preferences=wanted)
        plan = plan_booking(event.type, booking, circumstances)
        if plan.silence is not None:
            await messages.note_silence(tx, subject, plan.silence, event.id, now)
        offered = event.type is EventType.WAITLIST_OFFERED or (known is not None and known.offered)
        kept = appointment_of(booking, named=wanted.names_sensitive, offered=offered and booking.state == HELD)
        if plan.supersede is None or not await bookings.keep(tx, kept, contact, now, venue_digest(booking.venue_id)):
            return
        if known is not None:  # of a booking heard of for the first time there is nothing older to end
            await messages.supersede(tx, subject, plan.supersede, event.id, now)
        copied = await self._copies(tx, event.type, booking, circumstances)
        await messages.plan(tx, self._spread([*plan.messages, *copied]), event.id, now)

    async def _copies(
        self, tx: Connection, kind: EventType, booking: BookingChanged, at: Circumstances
    ) -> list[Planned]:
        """Return the copies for family members who have agreed to get them: each by its own reader's wishes."""
        planned: list[Planned] = []
        for to, contact in await copies.of_account(tx, booking.account_id):
            key = await recipients.key_of(tx, to.reader_id, self.opener.new_recipient_key, at.now)
            bound = await bindings.channels_of(tx, to.reader_id)
            known = at.known
            if known is not None:
                subject = (booking.booking_id, booking.version)
                known = replace(known, said=await messages.said(tx, subject, to.reader_id, at.now))
            theirs = Circumstances(
                known=known,
                reach=replace(self._reach(_joined(key, contact)), bound=bound),
                rules=at.rules,
                now=at.now,
                preferences=await preferences.of_account(tx, to.reader_id),
            )
            planned += family_copy.copies(kind, booking, to, theirs)
        return planned

    async def _copy_changed(self, tx: Connection, data: CopyChanged, now: datetime) -> None:
        """Take an arrangement down, unless either side was erased."""
        keys = [
            await recipients.key_of(tx, one, self.opener.new_recipient_key, now)
            for one in (data.account_id, data.reader_id)
        ]
        if None not in keys:
            await copies.keep(tx, data, self._kept(keys[1], data.contact), now)

    def _spread(self, planned: Sequence[Planned]) -> Sequence[Planned]:
        """Return what is planned with walls of reminders spread, where this planner does so."""
        if not self.spreads:
            return planned
        return [replace(one, visible_at=one.due_at + spread(one.key)) for one in planned]

    async def _noticed(self, tx: Connection, event: Event, found: Noticed, now: datetime) -> None:
        notice = found.notice
        subject = (notice.subject_id, notice.version)
        known, contact_before = await notices.known(tx, notice.subject_id)
        bound = await bindings.channels_of(tx, notice.account_id)
        key = await recipients.key_of(tx, notice.account_id, self.opener.new_recipient_key, now)
        contact = self._kept(key, found.contact)
        await self._note_phone(tx, _joined(key, contact), notice.account_id, now)
        reach = replace(self._reach(_joined(key, contact or contact_before)), bound=bound)
        wanted = await preferences.of_account(tx, notice.account_id)
        listener = Listener(reach=reach, rules=self.rules, now=now, preferences=wanted)
        plan = plan_notice(found, known, listener)
        if plan.silence is not None:
            await messages.note_silence(tx, subject, plan.silence, event.id, now)
        if plan.supersede is None or not await notices.keep(tx, notice, contact, now):
            return
        if known is not None:
            await messages.supersede(tx, subject, plan.supersede, event.id, now)
        await messages.plan(tx, plan.messages, event.id, now)

    async def _note_phone(self, tx: Connection, sealed: str | None, account_id: UUID, now: datetime) -> None:
        """Remember whose number it is, for replies by text message; without a box none are taken."""
        if sealed is None or self.box is None:
            return
        try:
            phone = self.opener.open_contact(sealed).phone
        except CannotOpen:
            return
        if phone:
            await receipts.note_phone(tx, self.box.fingerprint(phone, PHONE), account_id, now)

    def _kept(self, key: str | None, sealed: str | None) -> str | None:
        """Return contact data as it is kept: under the person's own key. Of who was erased, nothing is kept."""
        if key is None or sealed is None:
            return None
        try:
            return self.opener.seal_contact(key, self.opener.open_contact(sealed))
        except CannotOpen:
            return sealed  # its reader is told so when a message is due

    def _reach(self, sealed: str | None) -> Reach:
        if sealed is None:
            return NOBODY
        try:
            contact = self.opener.open_contact(sealed)
        except CannotOpen:
            _log.error("contact_unreadable: is it sealed for a key that this service no longer has?")
            return Reach(email=False, phone=False, readable=False)
        return Reach(email=bool(contact.email), phone=bool(contact.phone), email_unproved=contact.email_unproved)


def _joined(key: str | None, kept: str | None) -> str | None:
    """Return what is kept together with the key that opens it; None where the key is gone."""
    if kept is None or not kept.startswith(f"{CONTACT_VERSION}."):
        return kept
    return None if key is None else f"{key}{JOINT}{kept}"
