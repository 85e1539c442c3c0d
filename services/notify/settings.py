"""What can be set from outside, each with its meaning; read from the environment once, when a process starts."""

import re
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from services.notify.domain.message import Kind
from services.notify.domain.saying import WORTH_A_TEXT
from services.notify.domain.wechat import WechatTemplate, check
from shared.settings import Settings

Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]
SmsProvider = Literal["aliyun", "tencent"]
_ADDRESS = r"^https?://[^/?#]+(/[^?#]*[^/?#])?$"


class NotifySettings(Settings):
    """The notify service's settings: `NOTIFY_` and the name in capitals, beside those that both services share."""

    model_config = SettingsConfigDict(env_prefix="NOTIFY_")

    database_url: str = Field(repr=False, description="PostgreSQL of this service: `postgresql://user@host/notify`.")
    key_folder: Path = Field(
        default=Path("var/keys"),
        description="Folder with `notify.jwk`, which opens contact data, and `feed.token`; this service needs no other key.",
    )
    booking_url: str = Field(
        default="http://127.0.0.1:8000",
        pattern=_ADDRESS,
        description="The booking service, without a slash at the end: its feed of events and the keys of its tokens.",
    )
    public_url: str = Field(
        default="http://127.0.0.1:8001",
        pattern=_ADDRESS,
        description="The address that clients see, without a slash at the end; https adds Strict-Transport-Security.",
    )
    database_connections: Positive = Field(default=8, description="Connections kept to the database, for each process.")

    keep_contact_days: Positive = Field(
        default=30, description="Days for which addresses are kept after the appointment that they were given for."
    )
    keep_words_days: Positive = Field(
        default=180, description="Days for which messages stay in the in-app inbox after they were last of use."
    )
    keep_rows_days: Positive = Field(
        default=400, description="Days after which messages that are at their end are counted and deleted."
    )
    keep_deliveries_days: Positive = Field(
        default=30, description="Days for which what partner systems were told, or could not be, is kept."
    )
    lease_seconds: Annotated[float, Field(ge=10, le=3600)] = Field(
        default=120.0,
        description="Seconds that sending a message may take a worker: after that, it counts as in doubt. What a dead worker had only claimed is taken up within seconds.",
    )

    smtp_host: str | None = Field(
        default=None, description="Mail server. Without one no mail is sent, and each message says so."
    )
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = Field(default=587, description="Port of the mail server.")
    smtp_starttls: bool = Field(
        default=True, description="Whether the connection must turn to TLS; off only for a server on this machine."
    )
    smtp_user: str | None = Field(default=None, description="User at the mail server, where it asks for one.")
    smtp_password: SecretStr | None = Field(default=None, description="Password at the mail server.")
    smtp_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        default=15.0, description="Seconds to wait for each reply of the mail server."
    )
    smtp_connections: Positive = Field(default=8, description="Connections to the mail server at a time, at most.")
    mail_from: str = Field(
        default="yuyue@localhost",
        pattern=r"^[^@\s<>]+@[^@\s<>]+$",
        description="Sender's address; its domain also ends every Message-ID.",
    )
    mail_from_name: str = Field(default="预约平台 Yuyue", description="Sender's name as mail programs show it.")

    sms_provider: SmsProvider = Field(default="aliyun", description="Whose SendSms it is: `aliyun` or `tencent`.")
    sms_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/?#]+/?$",
        description="Endpoint of SendSms (`https://dysmsapi.aliyuncs.com`, `https://sms.tencentcloudapi.com`). Without one no text message is sent, sign-in codes included.",
    )
    sms_seconds: Annotated[float, Field(gt=0, le=20)] = Field(
        default=10.0, description="Seconds to wait for the SMS provider's answer."
    )
    sms_access_key_id: str = Field(
        default="", description="AccessKey ID of the SMS account; what Tencent calls SecretId."
    )
    sms_access_key_secret: SecretStr = Field(
        default=SecretStr(""), description="AccessKey secret of the SMS account; what Tencent calls SecretKey."
    )
    sms_app_id: str = Field(
        default="", pattern=r"^\d*$", description="SmsSdkAppId of the SMS application; only Tencent has one."
    )
    sms_region: str = Field(
        default="ap-guangzhou",
        pattern=r"^[a-z]+(-[a-z0-9]+)*$",
        description="Region that answers; only Tencent asks for one.",
    )
    sms_sign_name: str = Field(
        default="", description="The approved signature that stands before every text message, for example 大连预约."
    )
    help_phone: str = Field(
        default="12345",
        pattern=r"^[0-9+() -]{3,20}$",
        description="The number that messages in plain words name, for whoever would rather call.",
    )
    sms_standby_provider: SmsProvider | None = Field(
        default=None,
        description="A second SMS provider, which takes over what the first loses by failing or being slow. It uses the settings below, and the first one's sign name.",
    )
    sms_standby_url: str | None = Field(
        default=None, pattern=r"^https?://[^/?#]+/?$", description="Endpoint of the second provider's SendSms."
    )
    sms_standby_access_key_id: str = Field(default="", description="AccessKey ID (SecretId) at the second provider.")
    sms_standby_access_key_secret: SecretStr = Field(
        default=SecretStr(""), description="AccessKey secret (SecretKey) at the second provider."
    )
    sms_standby_app_id: str = Field(
        default="", pattern=r"^\d*$", description="SmsSdkAppId at the second provider; only Tencent has one."
    )
    sms_standby_template_codes: dict[str, str] = Field(
        default_factory=dict,
        description="The second provider's template code for each code of the first, as JSON; the same code where it is not named.",
    )
    sms_per_second: NotNegative = Field(
        default=0,
        description="Text messages a second that each provider may be given, by all workers together; a fifth is kept for sign-in codes. 0: no limit.",
    )
    sms_kinds: frozenset[Kind] = Field(
        default=WORTH_A_TEXT,
        description='Kinds of messages that are worth the price of a text message, as JSON: `["sign_in_code", "reminder"]`.',
    )
    sms_template_codes: dict[str, str] = Field(
        default_factory=dict,
        description='Your approved template codes, as JSON by template: `{"sign_in_code/zh-CN/neutral": "SMS_123"}`. They replace the sample codes. At Tencent, write the variables of a text as `{1}`, `{2}` … as they first appear in it.',
    )

    provider_prices: dict[str, Annotated[Decimal, Field(ge=0, le=10_000)]] = Field(
        default_factory=dict,
        description='What a message costs with a provider, in fen, as JSON: `{"aliyun": 4.5}`. For the report; others cost what is usual.',
    )
    receipt_secret: SecretStr | None = Field(
        default=None,
        description="The end of the addresses at which providers report (`/receipts/aliyun/SECRET/reports` …). Without one nobody can.",
    )
    web_push_subject: str | None = Field(
        default=None,
        pattern=r"^[^@\s<>]+@[^@\s<>]+$",
        description="Mail address for the operators of push services (RFC 8292). Without one no browser gets a push.",
    )
    web_push_hosts: tuple[str, ...] = Field(
        default=(
            *("fcm.googleapis.com", "updates.push.services.mozilla.com", "web.push.apple.com"),
            *(".notify.windows.com", ".push.apple.com"),
        ),
        description="Push services that browsers may name, as JSON; `.example.org` stands for every name below it.",
    )

    wechat_url: str = Field(
        default="https://api.weixin.qq.com", pattern=r"^https?://[^/?#]+$", description="Where WeChat's API answers."
    )
    wechat_mini_app_id: str | None = Field(
        default=None, description="AppID of the mini-program. Without one it sends no subscription messages."
    )
    wechat_mini_secret: SecretStr = Field(default=SecretStr(""), description="AppSecret of the mini-program.")
    wechat_mini_aes_key: SecretStr | None = Field(
        default=None,
        description="EncodingAESKey of the mini-program, where its events are to come encrypted (安全模式): then only those are read.",
    )
    wechat_mini_templates: dict[str, WechatTemplate] = Field(
        default_factory=dict,
        description='Approved templates, as JSON: `{"reminder/full": {"id": "…", "fields": {"thing1": "service", "date2": "local_start"}}}`.',
    )
    wechat_official_app_id: str | None = Field(
        default=None, description="AppID of the official account. Without one it sends no template messages."
    )
    wechat_official_secret: SecretStr = Field(default=SecretStr(""), description="AppSecret of the official account.")
    wechat_official_aes_key: SecretStr | None = Field(
        default=None,
        description="EncodingAESKey of the official account, where its events are to come encrypted (安全模式): then only those are read.",
    )
    wechat_official_templates: dict[str, WechatTemplate] = Field(
        default_factory=dict, description="As those of the mini-program."
    )
    wechat_official_subscriptions: bool = Field(
        default=False,
        description="The official account's templates are of subscription notices (订阅通知): each message spends a consent.",
    )
    wecom_url: str = Field(
        default="https://qyapi.weixin.qq.com", pattern=r"^https?://[^/?#]+$", description="Where WeCom's API answers."
    )
    wecom_corp_id: str | None = Field(default=None, description="CorpID at WeCom. Without one staff get nothing there.")
    wecom_secret: SecretStr = Field(default=SecretStr(""), description="Secret of the WeCom application.")
    wecom_agent_id: int = Field(default=0, ge=0, description="AgentId of the WeCom application.")

    webhook_trial_hosts: tuple[str, ...] = Field(
        default=(),
        description="Hosts that a partner's endpoint may have without https and without a public address, as JSON; for trials on one machine.",
    )

    stream_seconds: Annotated[float, Field(gt=0)] = Field(
        default=300.0, description="Seconds after which a stream of new messages ends, to be opened again where it was."
    )
    stream_poll_seconds: Annotated[float, Field(gt=0, le=10)] = Field(
        default=0.5, description="Seconds between looks for new messages, one for all streams of a process."
    )
    streams_per_account: Positive = Field(default=5, description="Streams that one account may have open at a time.")
    streams: Positive = Field(default=2000, description="Streams that one process keeps open at a time.")
    rate_account: NotNegative = Field(default=600, description="Requests a minute for one account; 0: no limit.")
    rate_address: NotNegative = Field(
        default=600, description="Requests a minute for one address that is not signed in; 0: no limit."
    )

    rate_receipts: NotNegative = Field(
        default=60_000,
        description="Reports a minute from one address at `/receipts/`: a provider has few, and reports on everybody; 0: no limit.",
    )

    @model_validator(mode="after")
    def _passwords_travel_encrypted(self) -> Self:
        if self.smtp_password and self.smtp_host and not self.smtp_starttls and not _is_local(self.smtp_host):
            raise ValueError("NOTIFY_SMTP_PASSWORD would travel in clear text: set NOTIFY_SMTP_STARTTLS=true")
        return self

    @model_validator(mode="after")
    def _wechat_templates_fit(self) -> Self:
        for templates in (self.wechat_mini_templates, self.wechat_official_templates):
            for name, template in templates.items():
                check(name, template)
        return self

    @field_validator("wechat_mini_aes_key", "wechat_official_aes_key")
    @classmethod
    def _aes_keys_have_43_characters(cls, given: SecretStr | None) -> SecretStr | None:
        if given is not None and not re.fullmatch(r"[A-Za-z0-9]{43}", given.get_secret_value()):
            raise ValueError("an EncodingAESKey has 43 letters and digits")
        return given

    @model_validator(mode="after")
    def _sms_is_whole(self) -> Self:
        if self.sms_url and not (
            self.sms_access_key_id and self.sms_access_key_secret.get_secret_value() and self.sms_sign_name
        ):
            raise ValueError(
                "NOTIFY_SMS_URL needs NOTIFY_SMS_ACCESS_KEY_ID, NOTIFY_SMS_ACCESS_KEY_SECRET and NOTIFY_SMS_SIGN_NAME"
            )
        if self.sms_url and self.sms_provider == "tencent" and not self.sms_app_id:
            raise ValueError("NOTIFY_SMS_PROVIDER=tencent needs NOTIFY_SMS_APP_ID")
        return self

    @model_validator(mode="after")
    def _standby_is_whole(self) -> Self:
        if self.sms_standby_provider is None:
            return self
        if self.sms_standby_provider == self.sms_provider:
            raise ValueError("NOTIFY_SMS_STANDBY_PROVIDER must be another than NOTIFY_SMS_PROVIDER")
        secret = self.sms_standby_access_key_secret.get_secret_value()
        if not (self.sms_url and self.sms_standby_url and self.sms_standby_access_key_id and secret):
            raise ValueError(
                "NOTIFY_SMS_STANDBY_PROVIDER needs NOTIFY_SMS_URL, NOTIFY_SMS_STANDBY_URL,"
                " NOTIFY_SMS_STANDBY_ACCESS_KEY_ID and NOTIFY_SMS_STANDBY_ACCESS_KEY_SECRET"
            )
        if self.sms_standby_provider == "tencent" and not self.sms_standby_app_id:
            raise ValueError("NOTIFY_SMS_STANDBY_PROVIDER=tencent needs NOTIFY_SMS_STANDBY_APP_ID")
        return self


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
