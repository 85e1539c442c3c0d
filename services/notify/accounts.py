"""The operator's own accounts at WeChat and WeCom: who we are there, the token we share, and whose a code is.

Both the worker, which sends, and the API, which binds, know them from here.
"""

from dataclasses import dataclass

from services.notify.channels.wechat_token import (
    Fetched,
    WechatAccount,
    openid_of_code,
    stable_token,
    wecom_token,
    wecom_user_of_code,
)
from services.notify.domain.message import Channel
from services.notify.reach import SharedToken
from services.notify.settings import NotifySettings
from services.notify.store.database import Engine
from shared.clock import Clock
from shared.http import Client
from shared.strongbox import Strongbox

_LOGINS = {
    Channel.WECHAT_MINI: "/sns/jscode2session",
    Channel.WECHAT_OFFICIAL: "/sns/oauth2/access_token",
}


def account_at(settings: NotifySettings, channel: Channel) -> WechatAccount | None:
    """Return our account on a channel, or None where the operator has none."""
    if channel is Channel.WECHAT_MINI and settings.wechat_mini_app_id:
        secret = settings.wechat_mini_secret.get_secret_value()
        return WechatAccount(url=settings.wechat_url, app_id=settings.wechat_mini_app_id, secret=secret)
    if channel is Channel.WECHAT_OFFICIAL and settings.wechat_official_app_id:
        secret = settings.wechat_official_secret.get_secret_value()
        return WechatAccount(url=settings.wechat_url, app_id=settings.wechat_official_app_id, secret=secret)
    if channel is Channel.WECOM and settings.wecom_corp_id:
        secret = settings.wecom_secret.get_secret_value()
        return WechatAccount(url=settings.wecom_url, app_id=settings.wecom_corp_id, secret=secret)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Our accounts, and what it takes to use them."""

    settings: NotifySettings
    engine: Engine
    box: Strongbox
    client: Client
    clock: Clock

    def has(self, channel: Channel) -> bool:
        """Return whether we have an account on a channel."""
        return account_at(self.settings, channel) is not None

    def token(self, channel: Channel, account: WechatAccount) -> SharedToken:
        """Return the token that all processes share."""
        ask = wecom_token if channel is Channel.WECOM else stable_token

        async def fetch(force: bool) -> Fetched:
            return await ask(self.client, account, force=force)

        return SharedToken(self.engine, self.box, self.clock, f"{channel.value}:{account.app_id}", fetch)

    async def address_of(self, channel: Channel, code: str) -> str | None:
        """Return the address that a front end's one-time `code` stands for: the provider itself says whose it is.

        Raises:
            shared.http.HttpError, services.notify.channels.wechat.TokenUnavailable: the provider does not say.
        """
        account = account_at(self.settings, channel)
        if account is None:
            return None
        if channel is Channel.WECOM:
            token = await self.token(channel, account).current()
            return await wecom_user_of_code(self.client, account, token, code)
        return await openid_of_code(self.client, account, _LOGINS[channel], code)
