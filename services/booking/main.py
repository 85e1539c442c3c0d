"""The booking API: builds the application and the parts it runs on.

uvicorn --factory services.booking.main:create_app
"""

import gc
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from services.booking.api import (
    availability,
    booking_changes,
    bookings,
    channels,
    check_ins,
    contact_proofs,
    districts,
    draws,
    erasure,
    family_copies,
    feed,
    hours,
    itineraries,
    me,
    open_days,
    operations,
    penalties,
    people,
    release_watches,
    seasons,
    services,
    sign_in,
    venues,
    waiting_list,
)
from services.booking.api.deps import BEARER, BIRTH_DATE_TRIES, LOGIN_TRIES, PASSWORD_TRIES, Container
from services.booking.api.problems import DOCS, TABLE
from services.booking.api.words.facts import VOCABULARY
from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.commands.contact_proofs import PATH
from services.booking.commands.desk import FLIGHTS, Desk
from services.booking.commands.queue import Limits as DeskLimits
from services.booking.settings import BookingSettings
from services.booking.store.catalogue import read_catalogue
from services.booking.store.database import is_unavailable
from shared.clock import Clock, system_clock
from shared.db import assert_durable, create_engine, remedy_for_a_talkative_log, wait_until_ready
from shared.sealing import FEED_TOKEN, Vault, load_secret
from shared.tokens import InvalidToken, Principal, Signer, Verifier
from shared.web import Application, Buckets, EdgeOptions, Limits, Problems, Rate, add_routes, describe, install_problems

_log = logging.getLogger(__name__)

READY_SECONDS = 30.0
DESK_SESSION = {
    # The desk's statements always use indexes, and a plan made while the tables were empty must not say otherwise.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
}

API_VERSION = "1.0.0"
"""Of the API that the document describes; its first number stands in every path."""

DESCRIPTION = """\
城市公共服务预约接口：博物馆延时开放、体育场馆惠民开放、生育评估门诊、老年人能力评估、预约诊疗。
The city's public services, booked end to end: museums' extended hours, sports venues, fertility evaluation, ability \
assessment, hospital appointments.

- 时间 Times carry an offset; what you read is the venue's time, +08:00. 所有规则按场馆当地时间（Asia/Shanghai）计算。
- 语言 Every answer in words is in zh-CN or English by Accept-Language; problems carry both (RFC 9457).
- 重试 Every write needs an Idempotency-Key: repeat a request with the same key whenever you are unsure.
- 版本 Bookings carry an ETag; send it back in If-Match, and nothing newer is overwritten.
- 翻页 Lists come in pages: follow `next`, or the Link header with rel="next" (RFC 8288).
- 限速 RateLimit and RateLimit-Policy say how much you may ask; a 429 says in Retry-After when to come again.
"""
TAGS = [
    {
        "name": "sign-in",
        "description": "登录：手机验证码、工作人员密码。Signing in: residents by phone and one-time code, staff by password.",
    },
    {"name": "me", "description": "我的账号与联系方式。Your account and how to reach you."},
    {"name": "people", "description": "常用人员：为谁预约。The people you book for."},
    {"name": "services", "description": "服务：查询可预约的项目。What can be booked."},
    {"name": "venues", "description": "场馆：在哪里。Where."},
    {
        "name": "availability",
        "description": "可预约时段：日期、时间、剩余名额及不可约的原因。Days, times, places left, and why not.",
    },
    {"name": "bookings", "description": "预约：保留、确认、取消、查询。Hold, confirm, cancel, look up."},
    {
        "name": "itineraries",
        "description": "行程：一次预约、多个步骤，查询最佳方案并整体预约。Several steps in one booking: the best plans, all or nothing.",
    },
    {
        "name": "draws",
        "description": "抽签：报名、结果与公示，可复算。Draws: enter, see the outcome, and work it out again.",
    },
    {
        "name": "request-rounds",
        "description": "俱乐部场次申请：申请、分配、公布。A season's hours for clubs: ask, allocate, commit.",
    },
    {
        "name": "penalties",
        "description": "未到与取消记录：查询、申诉、豁免。Strikes and bars: see your own, appeal, exempt.",
    },
    {
        "name": "waiting-list",
        "description": "候补：登记、顺序、候补名额。Waiting: join the line, see your place, be offered what comes free.",
    },
    {"name": "check-ins", "description": "签到与现场入场。Check-in and walk-ins at the door."},
    {"name": "hours", "description": "开放计划：由场馆发布。Opening hours as schedulers publish them."},
    {
        "name": "events",
        "description": "事件流：供通知服务与合作系统读取。The feed for the notify service and partner systems.",
    },
    {"name": "operations", "description": "运行状态与说明。Health and documentation."},
]
SECURITY = {
    BEARER: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "Token from /api/v1/sign-in/tokens or /api/v1/sign-in/staff-tokens. 登录后取得的令牌。",
    }
}


ROUTERS = (
    bookings.router,
    booking_changes.router,
    itineraries.moves,
    itineraries.router,
    availability.router,
    services.router,
    venues.router,
    districts.router,
    open_days.router,
    hours.router,
    channels.router,
    check_ins.router,
    draws.router,
    seasons.router,
    penalties.router,
    waiting_list.router,
    people.router,
    me.router,
    erasure.router,
    contact_proofs.router,
    family_copies.router,
    release_watches.router,
    contact_proofs.links,
    sign_in.router,
    feed.router,
    operations.router,
)
"""In the order in which a request is matched: what is asked most comes first."""


def create_app(settings: BookingSettings | None = None, clock: Clock = system_clock) -> FastAPI:
    """Return the application; it connects to its database when its lifespan begins.

    Args:
        settings: where it runs; from the environment where None.
        clock: says when it is.
    """
    settings = settings or BookingSettings()  # the environment gives what is required
    app = Application(
        title="Yuyue 预约",
        summary="城市公共服务预约 Booking for a city's public services",
        description=DESCRIPTION,
        version=API_VERSION,
        openapi_tags=TAGS,
        servers=[{"url": settings.public_url}],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # no provider is ever configured here, and asking whether one is takes 5 % of a booking
        telemetry={"tracing": False, "metrics": False, "logs": False},
        lifespan=_lifespan,
    )
    problems = install_problems(app, TABLE, type_base=f"{settings.public_url}/problems/", vocabulary=VOCABULARY)
    app.state.settings, app.state.clock, app.state.problems = settings, clock, problems
    add_routes(app, *ROUTERS)
    app.stand_at(problems, _edge_options(app, settings))
    describe(app, DOCS, version=app.version, security=SECURITY)
    return app


def _edge_options(app: FastAPI, settings: BookingSettings) -> EdgeOptions:
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
            strict={"/api/v1/sign-in/": Rate("sign-in", settings.rate_sign_in)},
        ),
        body_limit=settings.body_limit,
        forms=PATH,
        https=settings.public_url.startswith("https://"),
        is_unavailable=is_unavailable,
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        app.state.container = await _build(stack, app.state.settings, app.state.clock, app.state.problems)
        # Whatever lives now lives for ever: the collector need not walk it again and again under load.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 100)
        yield


async def _build(stack: AsyncExitStack, settings: BookingSettings, clock: Clock, problems: Problems) -> Container:
    engine = create_engine(
        settings.database_url, application_name="booking-api", pool_size=settings.database_connections
    )
    stack.push_async_callback(engine.dispose)
    desk_engine = create_engine(
        settings.database_url, application_name="booking-desk", pool_size=FLIGHTS, server_settings=DESK_SESSION
    )
    stack.push_async_callback(desk_engine.dispose)
    await wait_until_ready(engine, READY_SECONDS)
    await assert_durable(engine)
    remedy = await remedy_for_a_talkative_log(engine)
    if remedy is not None:
        _log.warning("statements_logged", extra={"run": remedy})
    async with engine.connect() as connection:
        catalogue = CatalogueCache(await read_catalogue(connection))
    limits = DeskLimits(settings.desk_batch, settings.desk_bound, settings.desk_deadline_seconds)
    desk = Desk(desk_engine, catalogue, clock, limits)
    stack.push_async_callback(desk.close)
    signer = Signer(settings.key_folder)
    return Container(
        settings=settings,
        clock=clock,
        engine=engine,
        desk=desk,
        catalogue=catalogue,
        vault=Vault(settings.key_folder),
        signer=signer,
        verifier=Verifier(signer.jwks()),
        feed_token=load_secret(settings.key_folder, FEED_TOKEN),
        problems=problems,
        password_tries=Buckets(PASSWORD_TRIES),
        login_tries=Buckets(LOGIN_TRIES),
        birth_date_tries=Buckets(BIRTH_DATE_TRIES),
    )
