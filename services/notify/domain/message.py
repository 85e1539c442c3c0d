"""What a message is: its kind, its channel, how urgent it is, how well it is known to have arrived. Pure values."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from uuid import UUID

from services.notify.domain.lifecycle import State


class Kind(StrEnum):
    """What a message is for; the name of its template."""

    CONFIRMATION = "confirmation"
    REMINDER = "reminder"
    CHANGE = "change"
    CANCELLATION = "cancellation"
    HOLD_LAPSED = "hold_lapsed"
    SIGN_IN_CODE = "sign_in_code"
    CONTACT_PROOF = "contact_proof"
    """The code and the link by which somebody proves that a mail address is theirs."""
    PREPARATION = "preparation"
    """What to do before coming, such as to fast."""
    PARTY_CHANGED = "party_changed"
    CLOSURE = "closure"
    """The house cancelled, not the resident: it says sorry and names other times."""
    WAITLIST_OFFER = "waitlist_offer"
    OFFER_LAPSED = "offer_lapsed"
    CONSENT_REQUEST = "consent_request"
    FEEDBACK = "feedback"
    PENALTY_WARNING = "penalty_warning"
    PENALTY_BAR = "penalty_bar"
    PENALTY_END = "penalty_end"
    QUEUE_NEAR = "queue_near"
    CASE_STEP = "case_step"
    RELEASE_REMINDER = "release_reminder"
    COPY_REQUEST = "copy_request"
    """Somebody is asked whether they want copies of another's messages."""
    COPY = "copy"
    """The words of any message as a copy; it is never planned, but what a family member is told of a planned one."""
    DIGEST = "digest"
    """Several reminders of one person as one message; it is never planned, but made of what is due together."""


NOTICES: frozenset[Kind] = frozenset(
    {
        *(Kind.PENALTY_WARNING, Kind.PENALTY_BAR, Kind.PENALTY_END, Kind.CONSENT_REQUEST),
        *(Kind.QUEUE_NEAR, Kind.CASE_STEP, Kind.RELEASE_REMINDER, Kind.COPY_REQUEST),
    }
)
"""Kinds that speak of something else than a booking of their reader's."""


WORDS_OF_OTHERS: frozenset[Kind] = frozenset({Kind.DIGEST, Kind.COPY})
"""Kinds that are never planned: the words for messages of other kinds, told together or as a copy, on any channel."""

BEARS_A_CODE: frozenset[Kind] = frozenset({Kind.SIGN_IN_CODE, Kind.CONTACT_PROOF})
"""Kinds that carry a one-time code to an address which is not known otherwise: sealed content, and no reader yet."""


class Channel(StrEnum):
    IN_APP = "in_app"
    EMAIL = "email"
    SMS = "sms"
    WEB_PUSH = "web_push"
    """A browser or installed web app of the reader's, which asked for it."""
    WECHAT_MINI = "wechat_mini"
    """A subscription message of the WeChat mini-program."""
    WECHAT_OFFICIAL = "wechat_official"
    """A template message of the WeChat official account."""
    WECOM = "wecom"
    """An application message of WeCom: those who work here."""


OPT_IN: frozenset[Channel] = frozenset({Channel.WEB_PUSH, Channel.WECHAT_MINI, Channel.WECHAT_OFFICIAL, Channel.WECOM})
"""Channels that carry nothing until their reader has bound a device or an account to them: without, nothing is planned."""


class Language(StrEnum):
    ZH_CN = "zh-CN"
    EN = "en"


class Urgency(IntEnum):
    """The lane a message waits in; the lower is served first, so a wall of reminders never delays a sign-in code."""

    NOW = 0
    SOON = 1
    ROUTINE = 2


class Evidence(IntEnum):
    """How much is known of a message's arrival. It only ever rises, whatever order the proofs come in."""

    NONE = 0
    ACCEPTED = 1
    """A provider took it over."""
    DELIVERED = 2
    """It lies in the reader's own mailbox, phone or inbox."""
    SHOWN = 3
    """It stood on a screen of theirs."""
    READ = 4
    ACTED = 5
    """They did what it asked for, or answered it."""


class Why(StrEnum):
    """Why something was done with a message, or not: the codes of the decision log."""

    # planned
    CONFIRMED = "confirmed"
    DUE_BEFORE_START = "due_before_start"
    MOVED = "moved"
    CANCELLED = "cancelled"
    HOLD_RAN_OUT = "hold_ran_out"
    CODE_REQUESTED = "code_requested"
    PROOF_REQUESTED = "proof_requested"
    PARTY_SMALLER = "party_smaller"
    CLOSED = "closed"
    OFFERED = "offered"
    OFFER_RAN_OUT = "offer_ran_out"
    COMPLETED = "completed"
    CONSENT_NEEDED = "consent_needed"
    STRIKE_COUNTED = "strike_counted"
    BARRED = "barred"
    BAR_ENDED = "bar_ended"
    TURN_NEAR = "turn_near"
    STEP_REACHED = "step_reached"
    OPENS_SOON = "opens_soon"
    COPY_ASKED = "copy_asked"
    CORRECTS_WHAT_WAS_SENT = "corrects_what_was_sent"
    IF_NOT_REACHED = "if_not_reached"
    # when
    BY_DAY = "by_day"
    MAKES_NO_SOUND = "makes_no_sound"
    WAITED_FOR = "waited_for"
    URGENT_AT_NIGHT = "urgent_at_night"
    HELD_UNTIL_MORNING = "held_until_morning"
    BROUGHT_FORWARD = "brought_forward"
    # not planned
    STALE_EVENT = "stale_event"
    NOTHING_TO_SAY = "nothing_to_say"
    ONLY_A_HOLD = "only_a_hold"
    # suppressed
    DUE_TIME_PASSED = "due_time_passed"
    NO_LONGER_USEFUL = "no_longer_useful"
    NO_EMAIL_ADDRESS = "no_email_address"
    CONTACT_UNPROVED = "contact_unproved"
    NO_PHONE_NUMBER = "no_phone_number"
    NO_CONTACT = "no_contact"
    CONTACT_UNREADABLE = "contact_unreadable"
    NO_DEVICE = "no_device"
    NO_BINDING = "no_binding"
    NO_CONSENT = "no_consent"
    CHANNEL_NOT_SET_UP = "channel_not_set_up"
    SWITCHED_OFF = "switched_off"
    REMINDER_TIME_SWITCHED_OFF = "reminder_time_switched_off"
    QUIET_HOURS_INBOX_HAS_IT = "quiet_hours_inbox_has_it"
    QUIET_HOURS_TOO_LATE = "quiet_hours_too_late"
    COPY_ENDED = "copy_ended"
    REACHED_OTHERWISE = "reached_otherwise"
    NOT_TOGETHER = "not_together"
    SAID_TOGETHER = "said_together"
    # superseded
    BOOKING_CANCELLED = "booking_cancelled"
    BOOKING_CHECKED_IN = "booking_checked_in"
    BOOKING_OVER = "booking_over"
    NEWER_VERSION = "newer_version"
    NOT_ASKED_ANY_MORE = "not_asked_any_more"
    # on the way
    TAKEN = "taken"
    WRITTEN = "written"
    ACCEPTED = "accepted"
    WORKER_STOPPED = "worker_stopped"
    LEASE_RAN_OUT = "lease_ran_out"
    PROVIDER_BUSY = "provider_busy"
    PROVIDER_UNREACHABLE = "provider_unreachable"
    PROVIDER_REFUSES_US = "provider_refuses_us"
    ADDRESS_REFUSED = "address_refused"
    CONTENT_REFUSED = "content_refused"
    NO_ANSWER = "no_answer"
    LATE_EVIDENCE = "late_evidence"
    TEMPLATE_FAILED = "template_failed"
    PROVIDER_RESTS = "provider_rests"
    PROVIDER_PACE = "provider_pace"
    # doubt and its end
    FOUND_AT_PROVIDER = "found_at_provider"
    NOT_DELIVERED = "not_delivered"
    PROVEN_ABSENT = "proven_absent"
    INBOX_HAS_IT = "inbox_has_it"
    OTHER_CHANNEL = "other_channel"
    NO_OTHER_CHANNEL = "no_other_channel"
    CODE_CAN_BE_ASKED_AGAIN = "code_can_be_asked_again"
    INSTEAD = "instead"
    ERASED = "erased"
    DAILY_CAP = "daily_cap"
    REPLAYED = "replayed"


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessKey:
    """One cause, one message: of two requests with the same key the second is the first.

    `subject_id` is what the message speaks of (a booking, a sign-in request) at `subject_version`; `lead_minutes`
    tells a reminder of 24 h from one of 2 h and is 0 for everything else; `recipient_id` is the account, or, before
    there is one, the sign-in request itself.
    """

    subject_id: UUID
    subject_version: int
    kind: Kind
    lead_minutes: int
    recipient_id: UUID
    channel: Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A message as planning leaves it: `planned` for `due_at`, or `suppressed` for a reason that stays visible.

    From `late_from` on its reader can do less with it than was meant; None: never before `expires_at`.
    `visible_at`: when a worker may first take it, where that is not `due_at`. `only_without_evidence`: a further step of the cascade, for whoever no earlier channel is known to have reached.
    """

    key: BusinessKey
    due_at: datetime
    expires_at: datetime
    urgency: Urgency
    state: State
    why: Why
    late_from: datetime | None = None
    visible_at: datetime | None = None
    only_without_evidence: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What is known of the ways to reach somebody: which addresses exist, never the addresses themselves."""

    email: bool
    phone: bool
    readable: bool = True
    email_unproved: bool = False
    """There is no address to use, but one that its holder has not proved yet."""
    bound: frozenset[Channel] = frozenset()
    """Of the channels of `OPT_IN`, those to which the reader has bound something."""


NOBODY = Reach(email=False, phone=False)
