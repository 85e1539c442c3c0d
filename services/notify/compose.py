"""A due message becomes a letter: the address is opened from its seal, the words are rendered, at the last moment.

Nothing of either is kept. A letter lives in memory for the length of one attempt; what stays behind is the template,
its version and the fingerprint of the words.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TypeVar

from services.notify.channels.calendar import entry_of
from services.notify.channels.carrier import Mail, TextMessage
from services.notify.domain.dispatch import Due, Said
from services.notify.domain.family_copy import news_of
from services.notify.domain.merging import all_of
from services.notify.domain.message import Channel, Kind, Language, Why
from services.notify.domain.notice import Notice
from services.notify.domain.preference import UNSUBSCRIBE, Subscription, locked_because, subscription_content
from services.notify.domain.rendering import (
    Appointment,
    Values,
    Wording,
    language_of,
    values_of,
    values_together,
    wording_of,
)
from services.notify.renderer import Rendered, Templates
from services.notify.store.inbox import Entry
from shared.contracts import Contact, Words
from shared.links import LinkSigner
from shared.sealing import CannotOpen, Opener

Content = TypeVar("Content")

REPORT = "receipt"
"""What the token of a push's report is signed for."""

HELP_PHONE = "12345"
"""The city's own hotline, where the operator names no other."""


class Unsendable(Exception):  # noqa: N818 - it says what the message is
    """There is nobody to send it to; `why` says so in the decision log."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True, slots=True)
class Unsubscribing:
    """Makes the links by which a kind of mail is switched off. `public_url`: of the notify API, without a slash."""

    signer: LinkSigner
    public_url: str

    def link(self, due: Due) -> str | None:
        """Return the link for a mail; None where its kind stays on, or the API has no HTTPS, which RFC 8058 asks for."""
        if locked_because(due.key.kind, Channel.EMAIL) is not None or not self.public_url.startswith("https://"):
            return None
        content = subscription_content(Subscription(due.key.recipient_id, due.key.kind))
        return f"{self.public_url}/unsubscribe/{self.signer.sign(UNSUBSCRIBE, content)}"

    def report(self, due: Due) -> str:
        """Return where a push is to say that it was seen."""
        return f"{self.public_url}/receipts/push/{self.signer.sign(REPORT, due.id.bytes)}"


@dataclass(frozen=True, slots=True)
class Composer:
    """Makes letters.

    `help_phone` is the number that plain words name. Every method raises `Unsendable` where there is no address, and `renderer.TemplateFault` where the words fail.
    """

    templates: Templates
    opener: Opener
    unsubscribing: Unsubscribing | None = None
    help_phone: str = HELP_PHONE

    def entry(self, due: Due) -> tuple[Entry, Said]:
        """Return what the in-app inbox shows, in both languages: the reader may change theirs afterwards."""
        chinese, english = (self._message(due, language) for language in (Language.ZH_CN, Language.EN))
        fingerprint = sha256(chinese.fingerprint + english.fingerprint).digest()
        return (
            Entry(
                due=due,
                sensitive=_about(due).sensitive,
                title=Words(zh=chinese.title, en=english.title),
                body=Words(zh=chinese.body, en=english.body),
            ),
            Said(template=chinese.template, version=chinese.version, fingerprint=fingerprint),
        )

    def mail(self, due: Due, now: datetime) -> tuple[Mail, Said]:
        """Return an e-mail in the reader's language."""
        if due.key.kind is Kind.CONTACT_PROOF:
            return self._proof(due, now)
        contact = self._contact(due)
        if not contact.email:
            raise Unsendable(Why.CONTACT_UNPROVED if contact.email_unproved else Why.NO_EMAIL_ADDRESS)
        language = _language(due, contact)
        words = self._message(due, language)
        mail = Mail(
            message_id=due.id,
            to=contact.email,
            language=language,
            words=words,
            html=self.templates.html(words, language, large=due.preferences.plain_words),
            at=now,
            unsubscribe=self.unsubscribing.link(due) if self.unsubscribing else None,
            calendar=entry_of(due.key.kind, due.appointment, language) if due.appointment else None,
        )
        return mail, Said(template=words.template, version=words.version, fingerprint=words.fingerprint)

    def words(self, due: Due) -> tuple[Rendered, Said]:
        """Return title and body in the reader's language, for a channel that needs no address from the contact."""
        words = self._message(due, self.language(due))
        return words, Said(template=words.template, version=words.version, fingerprint=words.fingerprint)

    def variables(self, due: Due) -> tuple[Wording, Values]:
        """Return the wording and its variables, for a channel whose provider has the words."""
        return self._wording(due, self.language(due))

    def language(self, due: Due) -> Language:
        """Return the language to write in, where it can be known."""
        return due.preferences.language or self._language_of_account(due)

    def _language_of_account(self, due: Due) -> Language:
        try:
            return language_of(self._contact(due).language)
        except Unsendable:
            return language_of(None)

    def text_message(self, due: Due, _now: datetime) -> tuple[TextMessage, Said]:
        """Return a text message: a one-time code, or a word about a booking, in the reader's language."""
        if due.key.kind is Kind.SIGN_IN_CODE:
            return self._sign_in_code(due)
        contact = self._contact(due)
        if not contact.phone:
            raise Unsendable(Why.NO_PHONE_NUMBER)
        language = _language(due, contact)
        words = self.templates.sms(_kind(due), language, *self._wording(due, language))
        letter = TextMessage(message_id=due.id, to=contact.phone, words=words)
        return letter, Said(template=words.template, version=words.version, fingerprint=words.fingerprint)

    def _message(self, due: Due, language: Language) -> Rendered:
        return self.templates.message(_kind(due), language, *self._wording(due, language))

    def _wording(self, due: Due, language: Language) -> tuple[Wording, Values]:
        if due.together:
            abouts = [one.appointment for one in all_of(due) if one.appointment is not None]
            wording = Wording.PLAIN_NEUTRAL if due.preferences.plain_words else Wording.NEUTRAL
            values = values_together(abouts, language, due.preferences)
            return wording, {**values, "help_phone": self.help_phone}
        about = _about(due)
        wording = wording_of(about, due.preferences)
        values = {**values_of(about, language, wording, due.key.lead_minutes), "help_phone": self.help_phone}
        if due.copied or due.key.kind is Kind.COPY_REQUEST:
            values |= news_of(due.key.kind, self._whose(due), language)
        return wording, values

    def _whose(self, due: Due) -> str | None:
        try:
            return self._contact(due).copy_of
        except Unsendable:
            return None

    def _sign_in_code(self, due: Due) -> tuple[TextMessage, Said]:
        message = _opened(due.sealed, self.opener.open_sign_in)
        words = self.templates.sms(due.key.kind, language_of(message.language), Wording.NEUTRAL, {"code": message.code})
        letter = TextMessage(message_id=due.id, to=message.phone, words=words)
        return letter, Said(template=words.template, version=words.version, fingerprint=None)

    def _proof(self, due: Due, now: datetime) -> tuple[Mail, Said]:
        proof = _opened(due.sealed, self.opener.open_proof)
        language = language_of(proof.language)
        values = {"code": proof.code, "link": proof.link, "help_phone": self.help_phone}
        words = self.templates.message(due.key.kind, language, Wording.NEUTRAL, values)
        html = self.templates.html(words, language)
        mail = Mail(message_id=due.id, to=proof.email, language=language, words=words, html=html, at=now)
        return mail, Said(template=words.template, version=words.version, fingerprint=None)

    def _contact(self, due: Due) -> Contact:
        return _opened(due.contact, self.opener.open_contact)


def _opened(sealed: str | None, opening: Callable[[str], Content]) -> Content:
    if sealed is None:
        raise Unsendable(Why.NO_CONTACT)
    try:
        return opening(sealed)
    except CannotOpen:
        raise Unsendable(Why.CONTACT_UNREADABLE) from None


def _language(due: Due, contact: Contact) -> Language:
    """Return the language that the reader chose for messages, else the one that their account names."""
    return due.preferences.language or language_of(contact.language)


def _kind(due: Due) -> Kind:
    if due.copied:
        return Kind.COPY
    return Kind.DIGEST if due.together else due.key.kind


def _about(due: Due) -> Appointment | Notice:
    about = due.appointment or due.notice
    if about is None:
        raise ValueError(f"message {due.id} is about nothing that is known")
    return about
