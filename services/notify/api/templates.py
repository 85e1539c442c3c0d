"""For those who work here: every template of a message, and how it will look, with its sample values."""

from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import ConfigDict, Field

from services.notify.api.deps import EmployedDep, documented
from services.notify.domain.limits import longer
from services.notify.domain.message import WORDS_OF_OTHERS, Channel, Kind, Language
from services.notify.domain.preference import CHANNELS
from services.notify.domain.reason import Reason
from services.notify.domain.rendering import Values, Wording, in_language
from services.notify.domain.vocabulary import VARIABLES
from services.notify.renderer import Templates
from shared.refusal import Refused
from shared.web import Shown, strict_router

router = strict_router(prefix="/api/v1/templates", tags=["templates"])

_TEMPLATE: dict[str, Any] = {
    "kind": "reminder",
    "channels": ["in_app", "email", "sms"],
    "wordings": ["full", "neutral", "plain", "plain_neutral"],
    "variables": ["address", "reference", "service", "venue", "when", "when_brief"],
}
_PREVIEW: dict[str, Any] = {
    "template": "reminder/en/full",
    "version": 1,
    "title": "Reminder: Badminton court 1, 28 Nov 16:30",
    "body": "This is a reminder of your booking.\n\nWhat: Badminton court 1",
    "html": "<!DOCTYPE html>…",
    "sms": {
        "code": "SMS_000000023",
        "text": "Reminder: Badminton court 1, 28 Nov 16:30. Reference 7K3F9Q2M.",
        "parameters": {"service": "Badminton court 1", "when_brief": "28 Nov 16:30", "reference": "7K3F9Q2M"},
    },
}


class TemplateShown(Shown):
    """A kind of message: by which channels it goes, its wordings, and what its texts may name."""

    kind: Kind
    channels: list[Channel]
    wordings: list[Wording]
    variables: list[str]

    model_config = ConfigDict(json_schema_extra={"examples": [_TEMPLATE]})


class TemplatesShown(Shown):
    """Every kind of message that there is."""

    items: list[TemplateShown]

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_TEMPLATE]}]})


class SmsPreview(Shown):
    """A text message as the phone would show it, the provider's code of its template, and its variables."""

    code: str
    text: str
    parameters: dict[str, str]


class Preview(Shown):
    """A message with sample values. `title`, `body` and `html` are null for what goes by text message alone."""

    template: str
    version: int
    title: str | None
    body: str | None
    html: str | None
    sms: Annotated[SmsPreview | None, Field(description="null for a kind that no text message carries.")]

    model_config = ConfigDict(json_schema_extra={"examples": [_PREVIEW]})


@router.get(
    "", summary="消息模板 Every kind of message", response_model=TemplatesShown, **documented(Reason.NOT_ALLOWED)
)
async def all_templates(_asker: EmployedDep) -> TemplatesShown:
    """Every kind of message, its channels, wordings and variables. 全部消息种类。"""
    return TemplatesShown(
        items=[
            TemplateShown(
                kind=kind,
                channels=list(CHANNELS[kind]),
                wordings=list(wordings),
                variables=sorted({variable.name for variables in wordings.values() for variable in variables}),
            )
            for kind, wordings in VARIABLES.items()
        ]
    )


@router.get(
    "/{kind}/preview",
    summary="预览消息 How a message will look",
    response_model=Preview,
    **documented(Reason.NOT_ALLOWED, Reason.TEMPLATE_UNKNOWN),
)
async def preview(
    asker: EmployedDep,
    kind: Annotated[Kind, Path(examples=["reminder"])],
    language: Annotated[Language, Query()] = Language.ZH_CN,
    wording: Annotated[Wording, Query(description="`neutral`: for sensitive services.")] = Wording.NEUTRAL,
    long: Annotated[bool, Query(description="Every sample two fifths longer, to see that it still fits.")] = False,
) -> Preview:
    """A message as it would be sent, filled with samples; nothing is sent. 用示例数据预览，不会发送。"""
    variables = VARIABLES[kind].get(wording)
    if variables is None:
        raise Refused(Reason.TEMPLATE_UNKNOWN)
    values: Values = {one.name: in_language(one.sample, language) for one in variables}
    return _preview(asker.parts.templates, (kind, language, wording), longer(values) if long else values)


def _preview(templates: Templates, which: tuple[Kind, Language, Wording], values: Values) -> Preview:
    kind, language, wording = which
    texted = Channel.SMS in CHANNELS[kind] or kind in WORDS_OF_OTHERS
    sms = templates.sms(*which, values) if texted else None
    if kind is Kind.SIGN_IN_CODE and sms is not None:
        name, version, title, body, html = sms.template, sms.version, None, None, None
    else:
        words = templates.message(*which, values)
        large = wording is not wording.ordinary
        name, version, title, body = words.template, words.version, words.title, words.body
        html = templates.html(words, language, large=large)
    shown = SmsPreview(code=sms.code, text=sms.text, parameters=dict(sms.parameters)) if sms else None
    return Preview(template=name, version=version, title=title, body=body, html=html, sms=shown)
