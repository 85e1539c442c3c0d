"""Letters for what runs on a reader's phone or desk: a push to a browser, a message of WeChat or WeCom.

They carry the same words as every other channel. Of a sensitive service these name neither service nor venue, which
matters here most of all: a notification stands on a locked screen.
"""

from collections.abc import Mapping
from datetime import datetime

from services.notify.channels.web_push import Push, content_of
from services.notify.channels.wechat import AppMessage
from services.notify.compose import Composer, Unsendable
from services.notify.domain.dispatch import Due, Said
from services.notify.domain.message import Language, Why
from services.notify.domain.wechat import LOCAL_START, WechatTemplate, data_of, template_name


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
        **({"report": composer.unsubscribing.report(due)} if composer.unsubscribing else {}),
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


def wechat(
    templates: Mapping[str, WechatTemplate], composer: Composer, due: Due, _now: datetime
) -> tuple[AppMessage, Said]:
    """Return a message by the provider's approved template; `Unsendable` where the operator has mapped none."""
    _, said = composer.words(due)
    wording, values = composer.variables(due)
    template = templates.get(template_name(due.key.kind, wording))
    if template is None:
        raise Unsendable(Why.CHANNEL_NOT_SET_UP)
    local_start = {} if due.appointment is None else {LOCAL_START: due.appointment.local_start}
    letter = AppMessage(
        message_id=due.id,
        account_id=due.key.recipient_id,
        template=template.id,
        data=data_of(template, {**values, **local_start}),
        page=f"pages/booking/booking?id={due.key.subject_id}",
        language="en_US" if composer.language(due) is Language.EN else "zh_CN",
    )
    return letter, said


def wecom(composer: Composer, due: Due, _now: datetime) -> tuple[AppMessage, Said]:
    """Return a text of the WeCom application."""
    words, said = composer.words(due)
    content = f"{words.title}\n\n{words.body}"
    letter = AppMessage(message_id=due.id, account_id=due.key.recipient_id, template=None, data={"content": content})
    return letter, said
