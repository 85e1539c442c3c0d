"""The ways out: every channel that leaves the house, each a file in `channels/` and one row here.

Adding a channel is its file and its row. Whatever it needs of the running worker is among the `Means`; a channel that
is not set up returns None, and each of its messages ends as `channel_not_set_up`.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import Any

from services.notify.accounts import Accounts, account_at
from services.notify.channels.carrier import Carrier, TextMessage
from services.notify.channels.email import MailServer, Smtp
from services.notify.channels.rehearsal import Rehearsing
from services.notify.channels.sms_aliyun import AliyunAccount, AliyunSms
from services.notify.channels.sms_tencent import TencentAccount, TencentSms
from services.notify.channels.web_push import Vapid, WebPush
from services.notify.channels.wechat import (
    MINI_PROGRAM,
    OFFICIAL_ACCOUNT,
    OFFICIAL_NOTICE,
    WECOM,
    Access,
    Post,
    WechatApi,
)
from services.notify.commands.assign import Limit
from services.notify.compose import Composer
from services.notify.compose_apps import push, wechat, wecom
from services.notify.deliver import Pace, Route
from services.notify.domain.message import Channel
from services.notify.reach import BoundAddresses, ConsentLedger, PushDevices
from services.notify.settings import NotifySettings
from services.notify.store.database import Engine
from shared.clock import Clock
from shared.http import Client
from shared.strongbox import Strongbox, vapid_key

_log = logging.getLogger(__name__)

SMS_AT_ONCE = 24
"""Text messages under way at a time, by one worker: at a provider's usual 150 ms, 160 a second. More would only wait for each
other, until their own time runs out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a channel may be built from."""

    settings: NotifySettings
    composer: Composer
    engine: Engine
    client: Client
    clock: Clock


def ways_out(means: Means) -> dict[Channel, Route[Any]]:
    """Return the channels that are set up."""
    found = {channel: build(means) for channel, build in _WAYS.items()}
    return {channel: route for channel, route in found.items() if route is not None}


def _email(means: Means) -> Route[Any] | None:
    settings = means.settings
    if settings.smtp_host is None:
        _log.warning("mail_not_set_up: NOTIFY_SMTP_HOST is not set")
        return None
    password = settings.smtp_password
    server = MailServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        sender=settings.mail_from,
        sender_name=settings.mail_from_name,
        starttls=settings.smtp_starttls,
        user=settings.smtp_user,
        password=None if password is None else password.get_secret_value(),
        seconds=settings.smtp_seconds,
        connections=settings.smtp_connections,
    )
    # as many as there are connections, and half as many again that are made ready meanwhile
    pace = Pace(places=settings.smtp_connections + settings.smtp_connections // 2, lease=lease(settings))
    return Route(means.composer.mail, Rehearsing(Smtp(server)), pace=pace)


def _sms(means: Means) -> Route[Any] | None:
    settings = means.settings
    if settings.sms_url is None:
        _log.warning("sms_not_set_up: NOTIFY_SMS_URL is not set, so nobody can sign in by phone")
        return None
    first = _SmsAccount(
        url=settings.sms_url,
        key_id=settings.sms_access_key_id,
        secret=settings.sms_access_key_secret.get_secret_value(),
        app_id=settings.sms_app_id,
    )
    carrier = Rehearsing(_sms_carrier(means, settings.sms_provider, first))
    others: tuple[Carrier[TextMessage], ...] = ()
    if settings.sms_standby_provider is not None and settings.sms_standby_url is not None:
        second = _SmsAccount(
            url=settings.sms_standby_url,
            key_id=settings.sms_standby_access_key_id,
            secret=settings.sms_standby_access_key_secret.get_secret_value(),
            app_id=settings.sms_standby_app_id,
            codes=settings.sms_standby_template_codes,
        )
        others = (Rehearsing(_sms_carrier(means, settings.sms_standby_provider, second)),)
    rate = settings.sms_per_second
    limit = Limit(per_second=rate, burst=rate, reserve=rate / 5)
    limits = {one.provider: limit for one in (carrier, *others)} if rate else {}
    pace = Pace(places=SMS_AT_ONCE, lease=lease(settings))
    return Route(means.composer.text_message, carrier, others=others, limits=limits, pace=pace)


def lease(settings: NotifySettings) -> timedelta:
    """Return for how long an attempt holds that is on record, on every channel."""
    return timedelta(seconds=settings.lease_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class _SmsAccount:
    """An account at either provider."""

    url: str
    key_id: str
    secret: str = field(repr=False)
    app_id: str
    codes: Mapping[str, str] = field(default_factory=dict)


def _sms_carrier(means: Means, provider: str, given: _SmsAccount) -> Carrier[TextMessage]:
    settings = means.settings
    if provider == "tencent":
        tencent = TencentAccount(
            url=given.url,
            secret_id=given.key_id,
            secret_key=given.secret,
            app_id=given.app_id,
            region=settings.sms_region,
            sign_name=settings.sms_sign_name,
            codes=given.codes,
            seconds=settings.sms_seconds,
        )
        return TencentSms(tencent, means.client, means.clock)
    aliyun = AliyunAccount(
        url=given.url,
        access_key_id=given.key_id,
        access_key_secret=given.secret,
        sign_name=settings.sms_sign_name,
        codes=given.codes,
        seconds=settings.sms_seconds,
    )
    return AliyunSms(aliyun, means.client, means.clock)


def _web_push(means: Means) -> Route[Any] | None:
    settings = means.settings
    if settings.web_push_subject is None:
        return None
    vapid = Vapid(vapid_key(settings.key_folder), settings.web_push_subject)
    devices = PushDevices(means.engine, Strongbox(settings.key_folder), means.clock)
    return Route(partial(push, means.composer), WebPush(vapid, devices, means.client, means.clock))


def _wechat_mini(means: Means) -> Route[Any] | None:
    carrier = _wechat(means, Channel.WECHAT_MINI, MINI_PROGRAM)
    templates = means.settings.wechat_mini_templates
    return Route(partial(wechat, templates, means.composer), carrier) if carrier else None


def _wechat_official(means: Means) -> Route[Any] | None:
    post = OFFICIAL_NOTICE if means.settings.wechat_official_subscriptions else OFFICIAL_ACCOUNT
    carrier = _wechat(means, Channel.WECHAT_OFFICIAL, post)
    templates = means.settings.wechat_official_templates
    return Route(partial(wechat, templates, means.composer), carrier) if carrier else None


def _wecom(means: Means) -> Route[Any] | None:
    carrier = _wechat(means, Channel.WECOM, WECOM, {"agentid": means.settings.wecom_agent_id})
    return Route(partial(wecom, means.composer), carrier) if carrier else None


def _wechat(
    means: Means, channel: Channel, post: Post, facts: Mapping[str, Any] = MappingProxyType({})
) -> WechatApi | None:
    account = account_at(means.settings, channel)
    if account is None:
        return None
    box = Strongbox(means.settings.key_folder)
    accounts = Accounts(settings=means.settings, engine=means.engine, box=box, client=means.client, clock=means.clock)
    access = Access(
        url=account.url,
        tokens=accounts.token(channel, account),
        addresses=BoundAddresses(means.engine, box, channel),
        consents=ConsentLedger(means.engine, means.clock, channel),
        facts=facts,
    )
    return WechatApi(post, access, means.client, channel.value)


_WAYS: Mapping[Channel, Callable[[Means], Route[Any] | None]] = MappingProxyType(
    {
        Channel.EMAIL: _email,
        Channel.SMS: _sms,
        Channel.WEB_PUSH: _web_push,
        Channel.WECHAT_MINI: _wechat_mini,
        Channel.WECHAT_OFFICIAL: _wechat_official,
        Channel.WECOM: _wecom,
    }
)
"""A row for each channel."""
