"""What WeChat and WeCom are asked besides sending: an access token, and whose a sign-in code of theirs is.

The stable token is asked for (`stable_token`), which stays good when another process asks as well; by force only where
the one that is stored was refused.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import BaseModel, ValidationError

from services.notify.channels.wechat import TokenUnavailable
from shared.http import Client, HttpError, Response


@dataclass(frozen=True, slots=True, kw_only=True)
class WechatAccount:
    """An application at WeChat (appid and secret) or WeCom (corpid and secret)."""

    url: str
    app_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A new access token, and for how long it is good."""

    token: str = field(repr=False)
    lifetime: timedelta


class _Token(BaseModel):
    access_token: str
    expires_in: int


class _Person(BaseModel):
    openid: str | None = None
    userid: str | None = None


async def stable_token(client: Client, account: WechatAccount, *, force: bool) -> Fetched:
    """Ask WeChat for the token.

    Raises:
        TokenUnavailable: it gives none; the message is its code.
    """
    body = {
        "grant_type": "client_credential",
        "appid": account.app_id,
        "secret": account.secret,
        "force_refresh": force,
    }
    try:
        return _fetched(await client.post(f"{account.url}/cgi-bin/stable_token", json=body))
    except HttpError as error:
        raise TokenUnavailable(type(error).__name__) from None


async def wecom_token(client: Client, account: WechatAccount, *, force: bool) -> Fetched:
    """Ask WeCom for the token; it gives the same one until that ends, so `force` changes nothing.

    Raises:
        TokenUnavailable: as `stable_token`.
    """
    del force
    query = {"corpid": account.app_id, "corpsecret": account.secret}
    try:
        return _fetched(await client.get(f"{account.url}/cgi-bin/gettoken", params=query))
    except HttpError as error:
        raise TokenUnavailable(type(error).__name__) from None


async def openid_of_code(client: Client, account: WechatAccount, path: str, code: str) -> str | None:
    """Return the openid that a front end's one-time `code` stands for, or None where it stands for nobody.

    Raises:
        HttpError: WeChat does not answer.
    """
    name = "js_code" if path.endswith("jscode2session") else "code"
    query = {"appid": account.app_id, "secret": account.secret, name: code, "grant_type": "authorization_code"}
    return _person(await client.get(f"{account.url}{path}", params=query)).openid


async def wecom_user_of_code(client: Client, account: WechatAccount, token: str, code: str) -> str | None:
    """Return the user id that a WeCom page's one-time `code` stands for, or None.

    Raises:
        HttpError: WeCom does not answer.
    """
    query = {"access_token": token, "code": code}
    return _person(await client.get(f"{account.url}/cgi-bin/auth/getuserinfo", params=query)).userid


def _fetched(response: Response) -> Fetched:
    try:
        found = _Token.model_validate_json(response.content)
    except ValidationError:
        raise TokenUnavailable(_code(response)) from None
    return Fetched(found.access_token, timedelta(seconds=found.expires_in))


def _person(response: Response) -> _Person:
    try:
        return _Person.model_validate_json(response.content)
    except ValidationError:
        return _Person()


class _Refusal(BaseModel):
    errcode: int


def _code(response: Response) -> str:
    try:
        return str(_Refusal.model_validate_json(response.content).errcode)
    except ValidationError:
        return f"status {response.status_code}"
