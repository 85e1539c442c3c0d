"""My account: who I am here, and how to reach me."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, EmailStr, Field
from starlette.responses import Response

from services.booking.api.deps import SignedInDep, WriteDep, documented_signed_in, documented_write, remember
from services.booking.commands.accounts import Changes, change_own, read_own
from services.booking.commands.proving import Proving, Waiting
from services.booking.commands.sign_in import Clear
from services.booking.domain.account import Role
from services.booking.domain.masking import mask_phone
from services.booking.domain.reason import Reason
from services.booking.domain.zone import local
from services.booking.store.accounts import Account
from services.booking.store.database import Connection
from shared.refusal import Refused
from shared.web import Answer, Language, Shown, Strict, strict_router

router = strict_router(prefix="/api/v1", tags=["me"])

_EXAMPLE: dict[str, Any] = {
    "id": "01936f2e-7c1a-7def-8a3b-5d4c3b2a1906",
    "role": "resident",
    "venues": [],
    "login": None,
    "phone": "139****1234",
    "email": "wang@example.com",
    "email_pending": {"email": "wang@example.org", "proved_by": "2026-11-20T09:40:00+08:00"},
    "name": "王小明",
    "language": "zh-CN",
    "created_at": "2026-11-20T09:00:00+08:00",
}


class Pending(Shown):
    """An address that waits for its proof and is not used before."""

    email: str
    proved_by: Annotated[
        datetime, Field(description="Until when the code and the link sent there last are good; then ask for others.")
    ]

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE["email_pending"]]})


class Me(Shown):
    """An account as its holder sees it."""

    id: UUID
    role: Role
    venues: Annotated[list[str], Field(description="The venues that the role is bound to.")]
    login: Annotated[str | None, Field(description="Of those who sign in with a password.")]
    phone: Annotated[str | None, Field(description="Masked: 139****1234.")]
    email: Annotated[str | None, Field(description="Where messages go as well: you have proved that it is yours.")]
    email_pending: Annotated[
        Pending | None,
        Field(description="What you gave last and have not proved yet; enter the code that was mailed there."),
    ]
    name: Annotated[str | None, Field(description="How messages address you.")]
    language: Annotated[Language, Field(description="The language of messages.")]
    created_at: datetime

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})


class MeChanged(Strict):
    """What changes; a field that is not sent stays, and null takes the value away (JSON Merge Patch, RFC 7396)."""

    language: Annotated[Language, Field(description="The language of messages.")] = Language.ZH
    email: Annotated[
        EmailStr | None, Field(max_length=254, description="Where messages go as well, once you have proved it.")
    ] = None
    name: Annotated[str | None, Field(min_length=1, max_length=60, description="How messages address you.")] = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"email": "wang@example.com", "language": "en"}]})


@router.get("/me", summary="我的账号 My account", response_model=Me, **documented_signed_in())
async def read_me(asker: SignedInDep) -> Response:
    """Your account, the phone number masked."""
    parts = asker.parts
    found = await read_own(parts.engine, parts.vault, asker.principal.subject)
    if found is None:
        raise Refused(Reason.NOT_SIGNED_IN)
    return shown(*found).response()


@router.patch("/me", summary="修改联系方式 Change how to reach me", response_model=Me, **documented_write())
async def change_me(body: MeChanged, write: WriteDep) -> Response:
    """Changes language, email or name. Messages about bookings made or changed from now on follow it.

    A new email is used only when you have proved that it is yours: a code and a link are mailed to it. Until then the
    one that you proved before stays in use. 新邮箱验证后才会启用。
    """
    parts = write.parts
    changes = Changes(
        given=frozenset(body.model_fields_set),
        language=body.language.value if "language" in body.model_fields_set else None,
        email=body.email,
        name=body.name,
    )

    async def work(tx: Connection) -> Answer:
        proving = Proving(parts.vault, parts.settings.public_url, parts.clock())
        changed = await change_own(tx, proving, write.principal.subject, changes)
        if changed is None:
            raise Refused(Reason.NOT_SIGNED_IN)
        return shown(*changed)

    return await remember(write, work)


def pending(waiting: Waiting) -> Pending:
    """Return an address that waits as its holder sees it."""
    return Pending(email=waiting.email, proved_by=local(waiting.expires_at))


def shown(account: Account, clear: Clear, waiting: Waiting | None) -> Answer:
    """Return an account as its holder sees it."""
    me = Me(
        id=account.id,
        role=account.role,
        venues=sorted(account.venues),
        login=account.login,
        phone=None if clear.phone is None else mask_phone(clear.phone),
        email=clear.email,
        email_pending=None if waiting is None else pending(waiting),
        name=clear.name,
        language=Language(account.language),
        created_at=local(account.created_at),
    )
    return Answer(200, {"content-type": "application/json"}, me.model_dump_json().encode())
