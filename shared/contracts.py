"""The events that pass between the services, as frozen values. Pure: standard library only.

An event is a fact in the past tense and carries the whole picture at its version, so that whoever missed the ones
before it can still act. It never carries personal data in clear text: contact data travels sealed for the notify
service alone. Without slots, because they are written as JSON (`shared.plain_json`).
"""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.value import value


@value(frozen=True, slots=False)
class Words:
    """The same words in the two languages of the house."""

    zh: str
    en: str


class EventType(StrEnum):
    """CloudEvents `type` of everything that is published; the version at the end changes only when readers would break."""

    BOOKING_HELD = "yuyue.booking.held.v1"
    BOOKING_CONFIRMED = "yuyue.booking.confirmed.v1"
    BOOKING_MOVED = "yuyue.booking.moved.v1"
    BOOKING_PARTY_CHANGED = "yuyue.booking.party_changed.v1"
    BOOKING_CANCELLED = "yuyue.booking.cancelled.v1"
    BOOKING_CHECKED_IN = "yuyue.booking.checked_in.v1"
    BOOKING_STEP_MET = "yuyue.booking.step_met.v1"
    BOOKING_STEP_CORRECTED = "yuyue.booking.step_corrected.v1"
    BOOKING_COMPLETED = "yuyue.booking.completed.v1"
    BOOKING_NO_SHOW = "yuyue.booking.no_show.v1"
    BOOKING_LAPSED = "yuyue.booking.lapsed.v1"
    WAITLIST_OFFERED = "yuyue.waitlist.offered.v1"
    PENALTY_CHANGED = "yuyue.penalty.changed.v1"
    CONSENT_ASKED = "yuyue.consent.asked.v1"
    QUEUE_MOVED = "yuyue.queue.moved.v1"
    CASE_MOVED = "yuyue.case.moved.v1"
    RELEASE_NEARING = "yuyue.release.nearing.v1"
    SIGN_IN_CODE_REQUESTED = "yuyue.sign_in.code_requested.v1"
    CONTACT_PROOF_REQUESTED = "yuyue.contact.proof_requested.v1"
    ACCOUNT_ERASED = "yuyue.account.erased.v1"
    COPY_CHANGED = "yuyue.copy.changed.v1"
    MESSAGE_EVIDENCE = "yuyue.message.evidence.v1"
    CONSENT_ANSWERED = "yuyue.message.consent_answered.v1"


@value(frozen=True, slots=False, kw_only=True)
class StepTold:
    """One step of an itinerary: what, where, when, and how many of the party take part.

    `key` is its name in the definition; `met_at` is when its people were checked in to it, None where they were not.
    """

    service_name: Words
    venue_name: Words
    starts_at: datetime
    local_start: str
    party_size: int
    key: str = ""
    met_at: datetime | None = None


@value(frozen=True, slots=False, kw_only=True)
class Preparation:
    """What somebody must do `lead_minutes` before the start, in words: to fast, to drink, to bring a form."""

    lead_minutes: int
    words: Words


@value(frozen=True, slots=False, kw_only=True)
class BookingChanged:
    """A booking as it stands at `version`; the event's type says what happened to it.

    `version` starts at 1 and rises by one with each change: a reader drops what is not newer than what it knows.
    `reminders` are minutes before `starts_at`. `local_start` is the venue's local time in words that need no
    arithmetic ("2026-11-28 16:30"), rendered once by the service that knows the venue's zone. `local_start_before` is the one that a move gave up, in the
    same words; it is None in every other event. `by` is the role of whoever did it. In `WAITLIST_OFFERED` the booking is
    the hold that is offered, and `hold_until`, in local words `local_hold_until`, is until when it can be accepted.
    An itinerary has its `steps` in order of time; service, venue and start are those of the first one.
    `preparations` are to be told ahead, each at its own time. `alternatives` are the nearest free times in the words of
    `local_start`, where a booking was cancelled by others than its holder and there are any.
    """

    booking_id: UUID
    version: int
    reference: str
    state: str
    kind: str
    service_id: str
    service_name: Words
    venue_id: str
    venue_name: Words
    venue_address: Words
    sensitive: bool
    starts_at: datetime
    ends_at: datetime
    local_start: str
    hold_until: datetime | None
    party_size: int
    account_id: UUID
    contact: str | None
    reminders: tuple[int, ...]
    reason: str | None
    local_start_before: str | None = None
    by: str | None = None
    local_hold_until: str | None = None
    steps: tuple[StepTold, ...] = ()
    preparations: tuple[Preparation, ...] = ()
    alternatives: tuple[str, ...] = ()


@value(frozen=True, slots=False, kw_only=True)
class PenaltyChanged:
    """Where a person stands with late cancellations and no-shows under one rule, at `version`.

    `state` is `warned` (one more and they are barred), `barred` (until `until`, in local words `local_until`) or
    `lifted` (it ended, by itself or by staff). `count` of `threshold` strikes stand. `scope` names what it is about, in
    words; `sensitive` says that these words must not be told on a channel that others may see.
    """

    penalty_id: UUID
    version: int
    state: str
    account_id: UUID
    contact: str | None
    scope: Words
    sensitive: bool
    count: int
    threshold: int
    until: datetime | None
    local_until: str | None


@value(frozen=True, slots=False, kw_only=True)
class ConsentAsked:
    """The second of a couple is asked to agree to a booking that is held for both; `account_id` is theirs.

    `state` is `asked`, or `given`, `refused`, `withdrawn`, after which nothing is asked any more.
    """

    consent_id: UUID
    version: int
    state: str
    account_id: UUID
    contact: str | None
    reference: str
    service_name: Words
    venue_name: Words
    sensitive: bool
    local_start: str
    hold_until: datetime
    local_hold_until: str


@value(frozen=True, slots=False, kw_only=True)
class QueueMoved:
    """Somebody waits in a venue's queue with `ticket`, and `ahead` others are still before them.

    `state` is `waiting`, or `called`, `left`, after which nothing is told. Of use until `useful_until`.
    """

    ticket_id: UUID
    version: int
    state: str
    account_id: UUID
    contact: str | None
    ticket: str
    ahead: int
    service_name: Words
    venue_name: Words
    sensitive: bool
    useful_until: datetime


@value(frozen=True, slots=False, kw_only=True)
class CaseMoved:
    """An application has come to another step; `step` says in words where it stands, `next_step` what follows."""

    case_id: UUID
    version: int
    account_id: UUID
    contact: str | None
    reference: str
    step: Words
    next_step: Words
    sensitive: bool


@value(frozen=True, slots=False, kw_only=True)
class ReleaseNearing:
    """Somebody asked to be told before the places of a service open, at `opens_at`, in local words `local_opens`.

    `state` is `nearing`, or `ended`, after which nothing is told.
    """

    watch_id: UUID
    version: int
    account_id: UUID
    contact: str | None
    service_name: Words
    venue_name: Words
    sensitive: bool
    opens_at: datetime
    local_opens: str
    state: str = "nearing"


@value(frozen=True, slots=False, kw_only=True)
class CopyChanged:
    """Somebody wants messages about their bookings copied to a family member, `reader_id`, who must agree.

    `state` is `asked`; `agreed`, from which on copies of `kinds` are sent; or `refused`, `withdrawn`, after which nothing
    is. `sensitive`: copies of sensitive services too, which say no more than that there is a booking. `contact` is the
    reader's.
    """

    copy_id: UUID
    version: int
    state: str
    account_id: UUID
    reader_id: UUID
    contact: str | None
    kinds: tuple[str, ...]
    sensitive: bool


@value(frozen=True, slots=False, kw_only=True)
class AccountErased:
    """Somebody was erased, as they asked: whoever keeps anything personal of this account destroys it."""

    account_id: UUID


class CopiedKind(StrEnum):
    """Kinds of messages of which a family member may get a copy."""

    CONFIRMATION = "confirmation"
    REMINDER = "reminder"
    PREPARATION = "preparation"
    CHANGE = "change"
    CANCELLATION = "cancellation"
    CLOSURE = "closure"


@value(frozen=True, slots=False, kw_only=True)
class MessageEvidence:
    """How well a message about a booking is known to have arrived: published by the notify service, rising only.

    `evidence` is one of `accepted`, `delivered`, `shown`, `read`, `acted`, or `failed` where it will not arrive. `answer` is
    `yes` where its reader agreed, by replying, to what it asked: opening or following a message is no agreement.
    """

    message_id: UUID
    booking_id: UUID
    booking_version: int
    kind: str
    channel: str
    evidence: str
    at: datetime
    answer: str | None = None


@value(frozen=True, slots=False, kw_only=True)
class ConsentAnswered:
    """Whoever was asked by `ConsentAsked` replied to its message, once for each change of mind; the newest counts."""

    consent_id: UUID
    version: int
    account_id: UUID
    agrees: bool
    channel: str
    at: datetime


@value(frozen=True, slots=False, kw_only=True)
class SignInCodeRequested:
    """A resident asked for a one-time code. `sealed` opens, for the notify service only, to a `SignInMessage`."""

    request_id: UUID
    sealed: str
    expires_at: datetime


@value(frozen=True, slots=False, kw_only=True)
class ContactProofRequested:
    """Somebody gave an address and has yet to prove that it is theirs.

    `sealed` opens, for the notify service only, to a `ContactProof`.
    """

    proof_id: UUID
    sealed: str
    expires_at: datetime


@value(frozen=True, slots=False, kw_only=True)
class Contact:
    """How to reach the holder of an account: the clear text inside `BookingChanged.contact`.

    Nothing stands here that its holder has not proved to be theirs. `email_unproved`: they gave an address instead of
    none, and have not proved it yet.
    """

    phone: str | None
    email: str | None
    name: str | None
    language: str
    email_unproved: bool = False
    copy_of: str | None = None
    """Of somebody who gets copies of another's messages: whose, masked."""


@value(frozen=True, slots=False, kw_only=True)
class ContactProof:
    """The clear text inside `ContactProofRequested.sealed`: a mail address, and the code and the link that prove it."""

    email: str
    code: str
    link: str
    language: str


@value(frozen=True, slots=False, kw_only=True)
class SignInMessage:
    """The clear text inside `SignInCodeRequested.sealed`: E.164 phone number and one-time code."""

    phone: str
    code: str
    language: str


NoticeData = PenaltyChanged | ConsentAsked | QueueMoved | CaseMoved | ReleaseNearing | CopyChanged
"""Events about something else than a booking that its person is told of."""

EventData = (
    BookingChanged
    | NoticeData
    | SignInCodeRequested
    | ContactProofRequested
    | MessageEvidence
    | ConsentAnswered
    | AccountErased
)

DATA_OF: dict[EventType, type[EventData]] = {
    **{one: BookingChanged for one in EventType if one.value.startswith(("yuyue.booking.", "yuyue.waitlist."))},
    EventType.PENALTY_CHANGED: PenaltyChanged,
    EventType.CONSENT_ASKED: ConsentAsked,
    EventType.QUEUE_MOVED: QueueMoved,
    EventType.CASE_MOVED: CaseMoved,
    EventType.RELEASE_NEARING: ReleaseNearing,
    EventType.SIGN_IN_CODE_REQUESTED: SignInCodeRequested,
    EventType.CONTACT_PROOF_REQUESTED: ContactProofRequested,
    EventType.COPY_CHANGED: CopyChanged,
    EventType.ACCOUNT_ERASED: AccountErased,
    EventType.MESSAGE_EVIDENCE: MessageEvidence,
    EventType.CONSENT_ANSWERED: ConsentAnswered,
}


@value(frozen=True, slots=False, kw_only=True)
class Event:
    """One fact and its envelope (CloudEvents 1.0).

    `subject` is the thing it is about (the booking's or the request's id). `number` is the place in the publisher's
    feed: 1, 2, 3 … without a gap, given by the relay after the commit, and None before that.
    """

    id: UUID
    type: EventType
    subject: UUID
    time: datetime
    data: EventData
    number: int | None = None


BOOKING_SOURCE = "/yuyue/booking"
"""CloudEvents `source` of the booking service: with an event's id it names the event in the whole world."""

BOOKING_STREAM = "yuyue-booking"
"""The stream on the bus that holds the booking service's events, and the subjects (event types) that go into it."""

BOOKING_SUBJECTS = (
    *("yuyue.booking.>", "yuyue.waitlist.>", "yuyue.penalty.>", "yuyue.sign_in.>", "yuyue.consent.>"),
    *("yuyue.queue.>", "yuyue.case.>", "yuyue.release.>", "yuyue.contact.>", "yuyue.copy.>", "yuyue.account.>"),
)

NOTIFY_SOURCE = "/yuyue/notify"
"""CloudEvents `source` of the notify service."""

NOTIFY_STREAM = "yuyue-notify"
"""The stream on the bus that holds the notify service's events, and the subjects that go into it."""

NOTIFY_SUBJECTS = ("yuyue.message.>",)
