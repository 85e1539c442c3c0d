"""The notify API: builds the application and the parts it runs on.

uvicorn --factory services.notify.main:create_app

Streams stay open for minutes: run uvicorn with `timeout_graceful_shutdown`, or a stop waits for each of them.
"""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from services.notify.accounts import Accounts
from services.notify.api import (
    bindings,
    bookings,
    explanations,
    feed,
    messages,
    operations,
    preferences,
    push,
    receipts,
    reports,
    templates,
    unsubscribe,
    webhooks,
    wechat_events,
)
from services.notify.api.deps import BEARER, Container
from services.notify.api.problems import DOCS, TABLE
from services.notify.channels.wechat import TokenUnavailable
from services.notify.doorbell import Doorbell
from services.notify.renderer import load_templates
from services.notify.settings import NotifySettings
from services.notify.store.database import is_unavailable
from shared.clock import Clock, system_clock
from shared.db import assert_durable, create_engine, wait_until_ready
from shared.http import Client, HttpError
from shared.links import LinkSigner
from shared.sealing import FEED_TOKEN, load_secret
from shared.strongbox import Strongbox, application_server_key, vapid_key
from shared.tokens import InvalidToken, KeysUnavailable, Principal, Verifier, remote_jwks
from shared.web import Edge, EdgeOptions, Limits, Rate, add_routes, describe, install_problems

READY_SECONDS = 30.0
JWKS_PATH = "/.well-known/jwks.json"

DESCRIPTION = """\
城市公共服务预约的通知接口：站内信、已读、实时推送，以及每条通知为什么发或没发。
The messages of the city's booking service: the in-app inbox, its read marks, a stream of what is new, and for each \
message why it was sent or was not.

- 登录 Sign in at the booking service; its token is good here too, and shows you your own messages alone.
- 语言 Messages carry zh-CN and English; problems do too (RFC 9457).
- 时间 Times carry the venue's offset, +08:00. 所有时间均为场馆当地时间。
- 翻页 The list comes in pages: follow `next`, or the Link header with rel="next" (RFC 8288).
- 实时 The stream is text/event-stream; after a break it goes on from Last-Event-ID without a gap or a repetition.
- 隐私 Messages about sensitive services say when, and name neither service nor venue. 敏感服务的消息不写项目和地点。
"""
TAGS = [
    {"name": "messages", "description": "我的消息：列表、已读、实时推送。Your messages: list, read marks, stream."},
    {"name": "bookings", "description": "一项预约的全部通知及原因。Every message about a booking, and why."},
    {
        "name": "preferences",
        "description": "我的通知设置：种类、渠道、语言、免打扰时段。What you want to hear, how and when.",
    },
    {"name": "push", "description": "浏览器推送：公钥与设备。Web Push: the key, and your devices."},
    {
        "name": "webhooks",
        "description": "合作系统推送：登记、密钥、记录。Partner systems: endpoints, secrets, deliveries.",
    },
    {"name": "events", "description": "事件流：通知送达情况。The feed: how well messages are known to have arrived."},
    {
        "name": "templates",
        "description": "消息模板与预览（工作人员）。Templates and previews, for those who work here.",
    },
    {"name": "operations", "description": "运行状态与说明。Health and documentation."},
]
SECURITY = {
    BEARER: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The booking service's token. 在预约服务登录后取得的令牌。",
    }
}
ROUTERS = (
    *(messages.router, bookings.router, preferences.router, templates.router, explanations.router),
    unsubscribe.router,
    *(push.router, bindings.router, webhooks.router, receipts.router, wechat_events.router, reports.router),
    *(feed.router, operations.router),
)


def create_app(settings: NotifySettings | None = None, clock: Clock = system_clock) -> FastAPI:
    """Return the application; it connects to its database when its lifespan begins.

    Args:
        settings: where it runs; from the environment where None.
        clock: says when it is.
    """
    settings = settings or NotifySettings()  # the environment gives what is required
    app = FastAPI(
        title="Yuyue 通知",
        summary="城市公共服务预约的通知 Messages of a city's booking service",
        description=DESCRIPTION,
        version=version("yuyue"),
        openapi_tags=TAGS,
        servers=[{"url": settings.public_url}],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    problems = install_problems(app, TABLE, type_base=f"{settings.public_url}/problems/")
    app.state.settings, app.state.clock = settings, clock
    app.add_middleware(Edge, problems=problems, options=_edge_options(app, settings))
    add_routes(app, *ROUTERS)
    describe(app, DOCS, version=app.version, security=SECURITY)
    return app


def _edge_options(app: FastAPI, settings: NotifySettings) -> EdgeOptions:
    async def identify(token: str) -> Principal | None:
        parts: Container = app.state.container
        try:
            return await parts.verifier.verify(token, parts.clock())
        except InvalidToken:
            return None

    return EdgeOptions(
        identify=identify,
        limits=Limits(
            account=Rate("account", settings.rate_account),
            address=Rate("address", settings.rate_address),
            strict={"/receipts/": Rate("receipts", settings.rate_receipts)},
        ),
        https=settings.public_url.startswith("https://"),
        forms=unsubscribe.PREFIX,
        xml=wechat_events.XML_PREFIX,
        is_unavailable=lambda error: isinstance(error, KeysUnavailable) or is_unavailable(error),
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        app.state.container = await _build(stack, app.state.settings, app.state.clock)
        gc.collect()
        gc.freeze()  # whatever lives now lives for ever
        yield


async def _build(stack: AsyncExitStack, settings: NotifySettings, clock: Clock) -> Container:
    engine = create_engine(
        settings.database_url, application_name="notify-api", pool_size=settings.database_connections
    )
    stack.push_async_callback(engine.dispose)
    await wait_until_ready(engine, READY_SECONDS)
    await assert_durable(engine)
    client = await stack.enter_async_context(Client())
    doorbell = Doorbell(
        engine, settings.stream_poll_seconds, most=settings.streams, most_per_account=settings.streams_per_account
    )
    looking = asyncio.create_task(doorbell.run(), name="doorbell")

    async def stop_looking() -> None:
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking

    stack.push_async_callback(stop_looking)
    box = Strongbox(settings.key_folder)
    return Container(
        settings=settings,
        clock=clock,
        engine=engine,
        verifier=Verifier(remote_jwks(client, f"{settings.booking_url}{JWKS_PATH}")),
        doorbell=doorbell,
        links=LinkSigner(settings.key_folder),
        templates=load_templates(sms_codes=settings.sms_template_codes),
        feed_token=load_secret(settings.key_folder, FEED_TOKEN),
        box=box,
        accounts=Accounts(settings=settings, engine=engine, box=box, client=client, clock=clock),
        silences=(HttpError, TokenUnavailable),
        application_server_key=application_server_key(vapid_key(settings.key_folder)),
    )
