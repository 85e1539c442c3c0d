"""Letters for what runs on a reader's phone or desk: a push to a browser.

They carry the same words as every other channel. Of a sensitive service these name neither service nor venue, which
matters here most of all: a notification stands on a locked screen.
"""

from datetime import datetime

from services.notify.channels.web_push import Push, content_of
from services.notify.compose import Composer
from services.notify.domain.dispatch import Due, Said


def push(composer: Composer, due: Due, _now: datetime) -> tuple[Push, Said]:
    """Return a push to the devices of the message's reader."""
    words, said = composer.words(due)
    subject = due.key.subject_id
    content = content_of(
        words.title,
        words.body,
        tag=str(subject),
        message_id=str(due.id),
        booking_id=str(subject),
        kind=due.key.kind.value,
    )
    letter = Push(
        message_id=due.id,
        account_id=due.key.recipient_id,
        about=subject,
        urgency=due.urgency,
        expires_at=due.expires_at,
        content=content,
    )
    return letter, said
