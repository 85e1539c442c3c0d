"""What channels achieve and cost, for whoever pays for them."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Query
from pydantic import AwareDatetime, ConfigDict, Field

from services.notify.api.deps import SignedInDep, documented
from services.notify.domain.cost import cost_of, price_of
from services.notify.domain.message import Channel, Evidence
from services.notify.domain.reason import Reason
from services.notify.store import report
from shared.clock import SHANGHAI
from shared.refusal import Refused
from shared.web import Shown, strict_router

router = strict_router(prefix="/api/v1/reports", tags=["reports"])

ADMINISTRATOR = "administrator"
LONGEST = timedelta(days=31)
_LEVELS = [level.name.lower() for level in Evidence if level > Evidence.NONE]
_EXAMPLE: dict[str, Any] = {
    "channel": "sms",
    "provider": "aliyun",
    "messages": 1000,
    "sent": 985,
    "doubtful": 5,
    "failed": 10,
    "proved": {"accepted": 985, "delivered": 970, "shown": 0, "read": 0, "acted": 12},
    "delay_median": 0.4,
    "delay_p99": 2.1,
    "arrival_median": 3.2,
    "price_fen": 4.5,
    "cost_fen": 4455.0,
}


class ChannelShown(Shown):
    """How messages of one channel, by one provider, fared. Delays are seconds; null where nothing is known."""

    channel: Channel
    provider: str
    messages: Annotated[int, Field(description="That were due, and neither dropped nor overtaken before.")]
    sent: int
    doubtful: Annotated[int, Field(description="Of which nobody knows whether they left.")]
    failed: int
    proved: Annotated[dict[str, int], Field(description="Messages with this evidence at least.")]
    delay_median: Annotated[float | None, Field(description="From when it was due until the provider had it.")]
    delay_p99: float | None
    arrival_median: Annotated[float | None, Field(description="From then until it is known to have arrived.")]
    price_fen: Annotated[float, Field(description="Of one message, in fen.")]
    cost_fen: Annotated[float, Field(description="Of all that were sent or may have been, in fen.")]

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})


class ChannelsReport(Shown):
    """Reach, delay and cost of every channel and provider in a span of time."""

    since: datetime
    until: datetime
    items: list[ChannelShown]
    cost_fen: float

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "since": "2026-11-01T00:00:00+08:00",
                    "until": "2026-11-08T00:00:00+08:00",
                    "items": [_EXAMPLE],
                    "cost_fen": 4455.0,
                }
            ]
        }
    )


@router.get(
    "/channels",
    summary="渠道报告 Reach, delay and cost",
    response_model=ChannelsReport,
    **documented(Reason.NOT_ALLOWED, Reason.SPAN_INVALID),
)
async def channels(
    asker: SignedInDep,
    since: Annotated[AwareDatetime, Query(examples=["2026-11-01T00:00:00+08:00"])],
    until: Annotated[AwareDatetime, Query(examples=["2026-11-08T00:00:00+08:00"])],
) -> ChannelsReport:
    """For administrators: what each channel and provider achieved, how fast, and for how much; 31 days at most."""
    if asker.principal.role != ADMINISTRATOR:
        raise Refused(Reason.NOT_ALLOWED)
    if not timedelta() < until - since <= LONGEST:
        raise Refused(Reason.SPAN_INVALID, field="/until")
    prices = asker.parts.settings.provider_prices
    async with asker.parts.engine.connect() as connection:
        found = await report.reach(connection, since, until)
    items = [
        ChannelShown(
            channel=one.channel,
            provider=one.provider,
            messages=one.messages,
            sent=one.sent,
            doubtful=one.doubtful,
            failed=one.failed,
            proved={level: one.proved[Evidence[level.upper()]] for level in _LEVELS},
            delay_median=one.delay_median,
            delay_p99=one.delay_p99,
            arrival_median=one.arrival_median,
            price_fen=float(price_of(one.channel, one.provider, prices)),
            cost_fen=float(cost_of(one, prices)),
        )
        for one in found
    ]
    return ChannelsReport(
        since=since.astimezone(SHANGHAI),
        until=until.astimezone(SHANGHAI),
        items=items,
        cost_fen=float(sum(cost_of(one, prices) for one in found)),
    )
