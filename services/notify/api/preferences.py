"""My preferences: what I want to hear, by which channel, in which language, and when not."""

from collections.abc import Iterable
from datetime import time
from typing import Annotated, Any

from fastapi import Response
from pydantic import ConfigDict, Field

from services.notify.api.deps import SignedInDep, WriteDep, documented, documented_write
from services.notify.api.problems import TABLE
from services.notify.domain.message import Channel, Kind, Language
from services.notify.domain.preference import CHOICES, Preferences, change, locked_because, switched_off
from services.notify.domain.quiet_hours import QuietHours
from services.notify.domain.reason import Reason
from services.notify.store import preferences
from shared.contracts import Words
from shared.refusal import Refused
from shared.web import Shown, Strict, etag, expected_version, strict_router

router = strict_router(prefix="/api/v1/preferences", tags=["preferences"])

LONGEST_LEAD = 60 * 24 * 400
MOST_LEADS = 20
_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
_BODY: dict[str, Any] = {
    "language": "en",
    "quiet_hours": {"begins": "22:00", "ends": "07:00"},
    "off": [{"kind": "confirmation", "channel": "email"}],
    "reminders_off": [120],
    "plain_words": True,
    "names_sensitive": False,
}
_CHOICES: list[dict[str, Any]] = [
    {"kind": "confirmation", "channel": "email", "on": False, "locked": None, "explanation": None},
    {
        "kind": "cancellation",
        "channel": "email",
        "on": True,
        "locked": Reason.VENUE_NEWS_STAYS_ON.value,
        "explanation": {
            "zh": TABLE[Reason.VENUE_NEWS_STAYS_ON].detail.zh,
            "en": TABLE[Reason.VENUE_NEWS_STAYS_ON].detail.en,
        },
    },
]
_EXAMPLE: dict[str, Any] = {"version": 2, **_BODY, "choices": _CHOICES}

Clock = Annotated[str, Field(pattern=_CLOCK, description="Local time of the venue, 00:00 to 23:59.")]
Lead = Annotated[int, Field(ge=1, le=LONGEST_LEAD)]


class QuietHoursChosen(Strict):
    """When no text message rings, but for what cannot wait."""

    begins: Clock
    ends: Annotated[Clock, Field(description="Past midnight where it is before `begins`; at most 16 hours after it.")]


class ChoiceNamed(Strict):
    """A kind of message on one channel."""

    kind: Kind
    channel: Channel


class PreferencesWanted(Strict):
    """All of them: what is not named is as in the city's own."""

    language: Annotated[
        Language | None, Field(description="Language of mail and text messages; null: as your account says.")
    ] = None
    quiet_hours: Annotated[QuietHoursChosen | None, Field(description="null: none at all.")] = QuietHoursChosen(
        begins="21:00", ends="08:00"
    )
    off: Annotated[
        tuple[ChoiceNamed, ...], Field(max_length=len(CHOICES), description="What you do not want to get.")
    ] = ()
    reminders_off: Annotated[
        tuple[Lead, ...],
        Field(max_length=MOST_LEADS, description="Lead times, in minutes before the start, of unwanted reminders."),
    ] = ()
    plain_words: Annotated[
        bool, Field(description="Short sentences, large print, and a number to call. 大字、短句、附电话。")
    ] = False
    names_sensitive: Annotated[
        bool,
        Field(
            description="Messages may say what and where also of sensitive services; without it they say only that there is a booking. It holds for bookings made or changed from then on; switched off, it holds at once."
        ),
    ] = False

    model_config = ConfigDict(json_schema_extra={"examples": [_BODY]})


class ChoiceShown(Shown):
    """One switch, and why it is stuck where it is."""

    kind: Kind
    channel: Channel
    on: bool
    locked: Annotated[
        Reason | None, Field(description="Why it cannot be switched off; the code of the refusal if you try.")
    ]
    explanation: Annotated[Words | None, Field(description="`locked` in words.")]


class PreferencesShown(Shown):
    """Your preferences, and every switch that there is. The city's own, version 1, until you store yours."""

    version: int
    language: Language | None
    quiet_hours: QuietHoursChosen | None
    off: list[ChoiceNamed]
    reminders_off: list[int]
    plain_words: bool
    names_sensitive: bool
    choices: list[ChoiceShown]

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})


_TAGGED: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"ETag": {"description": "The version, for If-Match.", "schema": {"type": "string"}}}}
}
_READ = documented()
_WRITE = documented_write(
    *(Reason.IF_MATCH_INVALID, Reason.STALE_VERSION, Reason.IDEMPOTENCY_KEY_REUSED),
    *(Reason.INBOX_STAYS_ON, Reason.VENUE_NEWS_STAYS_ON, Reason.SIGN_IN_CODE_STAYS_ON),
    *(Reason.CONSENT_REQUEST_STAYS_ON, Reason.PENALTY_NEWS_STAYS_ON),
    *(Reason.NO_SUCH_CHOICE, Reason.QUIET_HOURS_INVALID),
    if_match=True,
)


@router.get(
    "",
    summary="我的通知设置 My preferences",
    response_model=PreferencesShown,
    **(_READ | {"responses": _TAGGED | _READ["responses"]}),
)
async def my_preferences(asker: SignedInDep, response: Response) -> PreferencesShown:
    """What you want to hear, by which channel, in which language, and when not."""
    async with asker.parts.engine.connect() as connection:
        found = await preferences.of_account(connection, asker.principal.subject)
    response.headers["etag"] = etag(found.version)
    return _shown(found)


@router.put(
    "",
    summary="更改通知设置 Change my preferences",
    response_model=PreferencesShown,
    **(_WRITE | {"responses": _TAGGED | _WRITE["responses"]}),
)
async def change_preferences(asker: WriteDep, wish: PreferencesWanted, response: Response) -> PreferencesShown:
    """Store all of your preferences. Sending again what is stored already changes nothing, and is answered the same.

    They hold for what is planned from now on, and stop what is planned already but not wanted any more.
    """
    expected = expected_version(asker.visit.headers.get(b"if-match"))
    wanted = _wanted(wish)
    account_id, now = asker.principal.subject, asker.parts.clock()
    async with asker.parts.engine.begin() as tx:
        stored = await preferences.lock(tx, account_id, asker.key, now)
        found = change(stored.preferences, wanted, expected=expected, key_used=stored.key_used)
        if found is not stored.preferences:
            await preferences.keep(tx, account_id, found, asker.key, now)
    response.headers["etag"] = etag(found.version)
    return _shown(found)


def _wanted(wish: PreferencesWanted) -> Preferences:
    return Preferences(
        language=wish.language,
        quiet_hours=_quiet_hours(wish.quiet_hours),
        off=switched_off((choice.kind, choice.channel) for choice in wish.off),
        reminders_off=frozenset(wish.reminders_off),
        plain_words=wish.plain_words,
        names_sensitive=wish.names_sensitive,
    )


def _quiet_hours(chosen: QuietHoursChosen | None) -> QuietHours | None:
    if chosen is None:
        return None
    try:
        return QuietHours(begins=time.fromisoformat(chosen.begins), ends=time.fromisoformat(chosen.ends))
    except ValueError:
        raise Refused(Reason.QUIET_HOURS_INVALID, field="/quiet_hours") from None


def _shown(found: Preferences) -> PreferencesShown:
    quiet = found.quiet_hours
    return PreferencesShown(
        version=found.version,
        language=found.language,
        quiet_hours=QuietHoursChosen(begins=f"{quiet.begins:%H:%M}", ends=f"{quiet.ends:%H:%M}") if quiet else None,
        off=[ChoiceNamed(kind=kind, channel=channel) for kind, channel in sorted(found.off)],
        reminders_off=sorted(found.reminders_off),
        plain_words=found.plain_words,
        names_sensitive=found.names_sensitive,
        choices=list(_choices(found)),
    )


def _choices(found: Preferences) -> Iterable[ChoiceShown]:
    for kind, channel in CHOICES:
        lock = locked_because(kind, channel)
        yield ChoiceShown(
            kind=kind,
            channel=channel,
            on=(kind, channel) not in found.off,
            locked=lock,
            explanation=TABLE[lock].detail if lock else None,
        )
