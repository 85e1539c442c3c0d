"""What a person wants to hear, by which channel, in which language and when not. Pure values and decisions.

The law: everything may be switched off but what somebody would be harmed by not hearing, and each of these says why.
The in-app inbox is the record of what happened to a booking and is always written. That the venue changed or cancelled
an appointment is always told, or people go for nothing; so is that somebody is barred, or asked for their consent. A
sign-in code, or one that proves an address, is sent to whoever asked for it that moment.
Whatever a stored choice says, a lock is stronger.

A choice holds when messages are planned and again when they are claimed, so that switching off also stops what was
planned before. Switching on again speaks of what is planned from then on: a message once suppressed stays so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from uuid import UUID

from services.notify.domain.message import Channel, Kind, Language, Why
from services.notify.domain.quiet_hours import QuietHours
from services.notify.domain.reason import Reason
from shared.refusal import Refused

Choice = tuple[Kind, Channel]
"""A kind of message on one of its channels: what can be switched."""

EVERYWHERE: tuple[Channel, ...] = (
    *(Channel.IN_APP, Channel.EMAIL, Channel.SMS),
    *(Channel.WEB_PUSH, Channel.WECHAT_MINI, Channel.WECHAT_OFFICIAL, Channel.WECOM),
)
"""All channels. Those of `OPT_IN` carry something only to readers who have bound themselves to them."""

_RINGING: tuple[Channel, ...] = (Channel.IN_APP, Channel.EMAIL, Channel.SMS, Channel.WEB_PUSH)
"""Channels for news that may ring and for which no provider has approved a template of its own."""

CHANNELS: Mapping[Kind, tuple[Channel, ...]] = MappingProxyType(
    {
        Kind.CONFIRMATION: EVERYWHERE,
        Kind.REMINDER: EVERYWHERE,
        Kind.CHANGE: EVERYWHERE,
        Kind.CANCELLATION: EVERYWHERE,
        Kind.HOLD_LAPSED: (Channel.IN_APP,),
        Kind.SIGN_IN_CODE: (Channel.SMS,),
        Kind.CONTACT_PROOF: (Channel.EMAIL,),
        Kind.PREPARATION: _RINGING,
        Kind.PARTY_CHANGED: (Channel.IN_APP, Channel.EMAIL),
        Kind.CLOSURE: _RINGING,
        Kind.WAITLIST_OFFER: _RINGING,
        Kind.OFFER_LAPSED: (Channel.IN_APP, Channel.EMAIL),
        Kind.CONSENT_REQUEST: _RINGING,
        Kind.FEEDBACK: (Channel.IN_APP, Channel.EMAIL),
        Kind.PENALTY_WARNING: (Channel.IN_APP, Channel.EMAIL),
        Kind.PENALTY_BAR: _RINGING,
        Kind.PENALTY_END: (Channel.IN_APP, Channel.EMAIL),
        Kind.QUEUE_NEAR: (Channel.IN_APP, Channel.SMS, Channel.WEB_PUSH),
        Kind.CASE_STEP: _RINGING,
        Kind.RELEASE_REMINDER: _RINGING,
        Kind.COPY_REQUEST: _RINGING,
        Kind.COPY: (),
        Kind.DIGEST: (),
    }
)
"""By which channels each kind of message goes."""

CHOICES: tuple[Choice, ...] = tuple((kind, channel) for kind, channels in CHANNELS.items() for channel in channels)

_LOCKED_KINDS: Mapping[Kind, Reason] = MappingProxyType(
    {
        Kind.CHANGE: Reason.VENUE_NEWS_STAYS_ON,
        Kind.CANCELLATION: Reason.VENUE_NEWS_STAYS_ON,
        Kind.CLOSURE: Reason.VENUE_NEWS_STAYS_ON,
        Kind.CONSENT_REQUEST: Reason.CONSENT_REQUEST_STAYS_ON,
        Kind.PENALTY_BAR: Reason.PENALTY_NEWS_STAYS_ON,
        Kind.SIGN_IN_CODE: Reason.SIGN_IN_CODE_STAYS_ON,
        Kind.CONTACT_PROOF: Reason.SIGN_IN_CODE_STAYS_ON,
    }
)

_NO_RECORD = frozenset({Kind.FEEDBACK})
"""Kinds that record nothing: whoever does not want to be asked is not asked in the inbox either."""

FIRST_VERSION = 1
"""The version of the city's own preferences, which hold for whoever has stored none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """A person's choices. `language` None: as their account says; `quiet_hours` None: none at all.

    `plain_words`: short sentences, large print and a number to call. `names_sensitive`: messages may say what and where
    also of a sensitive service.

    `off`: kinds switched off by channel. `reminders_off`: lead times, in minutes, of which they want no reminder on
    any channel, for a reminder says nothing that the record does not have.
    """

    version: int = FIRST_VERSION
    language: Language | None = None
    quiet_hours: QuietHours | None = field(default_factory=QuietHours)
    off: frozenset[Choice] = frozenset()
    reminders_off: frozenset[int] = frozenset()
    plain_words: bool = False
    names_sensitive: bool = False

    def obstacle(self, kind: Kind, channel: Channel, lead_minutes: int) -> Why | None:
        """Return why a message is not wanted, or None."""
        if kind is Kind.REMINDER and lead_minutes in self.reminders_off:
            return Why.REMINDER_TIME_SWITCHED_OFF
        if (kind, channel) in self.off and locked_because(kind, channel) is None:
            return Why.SWITCHED_OFF
        return None


DEFAULTS = Preferences()
"""The city's own: everything on, quiet from 21:00 to 08:00, the language of the account."""


def locked_because(kind: Kind, channel: Channel) -> Reason | None:
    """Return why messages of `kind` cannot be switched off on `channel`, or None where they can."""
    if kind in _LOCKED_KINDS:
        return _LOCKED_KINDS[kind]
    return Reason.INBOX_STAYS_ON if channel is Channel.IN_APP and kind not in _NO_RECORD else None


def switched_off(wanted: Iterable[Choice]) -> frozenset[Choice]:
    """Return the choices in `wanted`.

    Raises:
        Refused: `no_such_choice`, or why one of them cannot be switched off, with its place in the list.
    """
    choices = tuple(wanted)
    for place, (kind, channel) in enumerate(choices):
        if (kind, channel) not in CHOICES:
            raise Refused(Reason.NO_SUCH_CHOICE, field=f"/off/{place}")
        lock = locked_because(kind, channel)
        if lock is not None:
            raise Refused(lock, field=f"/off/{place}")
    return frozenset(choices)


@dataclass(frozen=True, slots=True)
class Subscription:
    """Mails of one kind to one account: what the unsubscribe link in such a mail ends."""

    account_id: UUID
    kind: Kind


UNSUBSCRIBE = "unsubscribe"
"""What such a link is signed for."""

_ID_BYTES = 16


def subscription_content(subscription: Subscription) -> bytes:
    """Return what a link must carry to name `subscription`."""
    return subscription.account_id.bytes + subscription.kind.value.encode()


def read_subscription(content: bytes) -> Subscription:
    """Return the subscription that a link names.

    Raises:
        ValueError: it names none.
    """
    return Subscription(UUID(bytes=content[:_ID_BYTES]), Kind(content[_ID_BYTES:].decode()))


def without(stored: Preferences, subscription: Subscription) -> Preferences:
    """Return `stored` with that kind of mail switched off."""
    return without_channel(stored, subscription.kind, Channel.EMAIL)


def without_channel(stored: Preferences, kind: Kind, channel: Channel) -> Preferences:
    """Return `stored` with a kind of message switched off on a channel."""
    return replace(stored, off=stored.off | {(kind, channel)})


def change(stored: Preferences, wanted: Preferences, *, expected: int | None, key_used: bool) -> Preferences:
    """Return what is to be stored; `stored` itself where it already says what is wanted.

    The latter is how a repeated request gets its first answer, also under an If-Match that was true when it was first
    sent (RFC 9110, 13.1.1). `key_used`: the Idempotency-Key is the one under which `stored` was made.

    Raises:
        Refused: `idempotency_key_reused` for another wish under the same key; `stale_version`.
    """
    if replace(wanted, version=stored.version) == stored:
        return stored
    if key_used:
        raise Refused(Reason.IDEMPOTENCY_KEY_REUSED)
    if expected is not None and expected != stored.version:
        raise Refused(Reason.STALE_VERSION)
    return replace(wanted, version=stored.version + 1)
