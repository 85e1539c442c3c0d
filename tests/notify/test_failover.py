"""Two providers of one channel: who is slow or fails loses the traffic within a minute, and gets it back when it is well."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import text

from services.notify.commands.assign import Limit
from services.notify.compose import Composer
from services.notify.deliver import Delivery, Pace
from services.notify.domain.message import Channel
from services.notify.settings import NotifySettings
from services.notify.ways import Means, ways_out
from services.sink.faults import Fault
from tests.notify.sinks import Providers, providers
from tests.notify.town import TEMPLATES, Town

SECOND = timedelta(seconds=1)
TICK = 5
A_TICK = 10
"""Messages every five seconds: what a small city sends in a busy minute."""

_RECEIPTS = text("""
    UPDATE attempts SET received_at = :now
    WHERE received_at IS NULL AND verdict = 'accepted' AND provider = :provider
      AND finished_at + make_interval(secs => :latency) <= :now
""")


@pytest.fixture
async def world(town: Town, tmp_path: Path) -> AsyncIterator[Providers]:
    async with providers(town, tmp_path) as one:
        yield one


def worker(world: Providers) -> Delivery:
    delivery = world.town.delivery(Pace(record_seconds=1.0), world.routes)
    delivery.chance = Random(7).random
    return delivery


async def live(world: Providers, seconds: int, latency: Mapping[str, float]) -> Counter[str]:
    """Let seconds pass with traffic, receipts that take `latency`, and a look at the providers every five.

    Return how many messages each provider was given in the last ten seconds.
    """
    town, delivery = world.town, worker(world)
    for _ in range(0, seconds, TICK):
        town.clock.advance(SECOND * TICK)
        await world.ask_for_code(A_TICK, minutes=60)
        await delivery.drain(Channel.SMS)
        async with town.engine.begin() as tx:
            for provider in ("aliyun", "tencent"):
                facts = {"now": town.clock(), "provider": provider, "latency": latency.get(provider, 1.0)}
                await tx.execute(_RECEIPTS, facts)
        await delivery.judge(Channel.SMS)
    since = town.clock() - timedelta(seconds=10)
    rows = await town.rows("SELECT provider, count(*) FROM attempts WHERE started_at > :since GROUP BY 1", since=since)
    return Counter({row.provider: row.count for row in rows})


async def changes(world: Providers) -> list[tuple[str, str, str, str]]:
    rows = await world.town.rows(
        "SELECT provider, breaker_before, breaker_after, why FROM provider_changes ORDER BY id"
    )
    return [tuple(row) for row in rows]


async def test_a_slow_provider_that_does_not_fail_loses_its_traffic_within_a_minute_and_gets_it_back(
    world: Providers,
) -> None:
    assert await live(world, 30, {}) == {"aliyun": 20}
    assert await changes(world) == []
    slow = await live(world, 60, {"aliyun": 90.0})
    assert slow["aliyun"] <= 1, "at most the one message of a trial"
    assert slow["tencent"] >= 19
    recovered = await live(world, 150, {})
    assert recovered == {"aliyun": 20}
    assert await changes(world) == [
        *[("aliyun", "closed", "closed", "degraded")] * 4,
        ("aliyun", "closed", "open", "slow"),
        ("aliyun", "open", "half_open", "cooled"),
        ("aliyun", "half_open", "closed", "probe_passed"),
        *[("aliyun", "closed", "closed", "recovering")] * 3,
    ]
    weights = [
        row.weight_after for row in await world.town.rows("SELECT weight_after FROM provider_changes ORDER BY id")
    ]
    assert weights[:5] == sorted(weights[:5], reverse=True), "less with every look"
    assert weights[4:] == [0.0, 0.0, 0.25, 0.5, 0.75, 1.0], "left alone, tried, and brought back by quarters"
    (counted,) = await world.town.rows("SELECT min(attempts) AS least FROM provider_changes WHERE why = 'slow'")
    assert counted.least >= 10, "the figures are kept beside the reason"
    assert world.sink.ledger.duplicates == 0
    states = await world.town.rows("SELECT state, count(*) FROM messages GROUP BY 1")
    assert [tuple(row) for row in states] == [("sent", 240 // TICK * A_TICK)]


async def test_control_a_provider_that_never_owed_receipts_is_not_slow_without_them(world: Providers) -> None:
    assert await live(world, 60, {"aliyun": 10_000.0}) == {"aliyun": 20}
    assert await changes(world) == []


async def test_what_was_learned_by_asking_makes_nobody_owe_receipts(world: Providers) -> None:
    await live(world, 10, {"aliyun": 10_000.0})
    found = (
        "UPDATE attempts SET verdict = 'unknown', received_at = finished_at + interval '10 s' WHERE message_id = :id"
    )
    async with world.town.engine.begin() as tx:
        (first,) = await world.town.rows("SELECT message_id FROM attempts ORDER BY message_id LIMIT 1")
        await tx.execute(text(found), {"id": first.message_id})
    assert await live(world, 60, {"aliyun": 10_000.0}) == {"aliyun": 20}
    assert await changes(world) == []


async def test_a_provider_that_fails_loses_its_traffic_and_nothing_is_lost(world: Providers) -> None:
    await live(world, 10, {})
    world.fail("aliyun", Fault.BUSY)
    failing = await live(world, 30, {})
    assert failing["aliyun"] <= 1
    assert ("aliyun", "closed", "open", "failing") in await changes(world)
    world.fail("aliyun", None)
    await live(world, 20, {})
    states = await world.town.rows("SELECT state, count(*) FROM messages GROUP BY 1")
    assert [tuple(row) for row in states] == [("sent", 60 // TICK * A_TICK)]
    assert (world.seen, world.sink.ledger.duplicates) == (60 // TICK * A_TICK, 0)


async def test_where_every_provider_is_left_alone_messages_wait_and_do_not_hammer(world: Providers) -> None:
    for provider in ("aliyun", "tencent"):
        world.fail(provider, Fault.AWAY)
    await live(world, 30, {})
    (before,) = await world.town.rows("SELECT count(*) FROM attempts")
    await live(world, 10, {})
    (after,) = await world.town.rows("SELECT count(*) FROM attempts")
    (waiting,) = await world.town.rows("SELECT count(*) FROM messages WHERE state = 'planned'")
    assert after.count - before.count <= 4 < waiting.count, "trials, and nothing else"
    for provider in ("aliyun", "tencent"):
        world.fail(provider, None)
    await live(world, 100, {})
    states = await world.town.rows("SELECT state, count(*) FROM messages GROUP BY 1")
    assert [tuple(row) for row in states] == [("sent", 140 // TICK * A_TICK)]


async def test_a_limit_holds_over_all_workers_and_the_urgent_have_a_part_to_themselves(
    town: Town, tmp_path: Path
) -> None:
    limits = {"aliyun": Limit(per_second=10, burst=10, reserve=4)}
    async with providers(town, tmp_path, limits) as world:
        await world.ask_for_code(25, minutes=60)
        await town.rows("SELECT 1")
        async with town.engine.begin() as tx:
            await tx.execute(text("UPDATE messages SET urgency = 2 WHERE id IN (SELECT id FROM messages LIMIT 15)"))
        for _ in range(2):
            await worker(world).drain(Channel.SMS)
        sent = await town.rows("SELECT urgency, count(*) FROM messages WHERE state = 'sent' GROUP BY 1 ORDER BY 1")
        assert [tuple(row) for row in sent] == [(0, 10)], "the urgent first, and no more than the burst"
        town.clock.advance(SECOND / 2)
        await worker(world).drain(Channel.SMS)
        (waiting,) = await town.rows("SELECT count(*) FROM messages WHERE state = 'planned'")
        assert waiting.count >= 14, "half a second fills five tokens, four of them the urgent lane's"
        for _ in range(40):
            town.clock.advance(SECOND)
            await worker(world).drain(Channel.SMS)
        assert world.seen == 25


async def test_the_settings_put_a_second_provider_behind_the_first(town: Town) -> None:
    account = {"sms_access_key_id": "k", "sms_access_key_secret": "s", "sms_sign_name": "大连预约"}
    standby = {"sms_standby_access_key_id": "k2", "sms_standby_access_key_secret": "s2", "sms_standby_app_id": "14"}
    given: dict[str, Any] = {"database_url": "postgresql://x/notify", "sms_url": "http://a.test", **account, **standby}
    settings = NotifySettings(
        **given,
        sms_standby_provider="tencent",
        sms_standby_url="http://b.test",
        sms_standby_template_codes={"SMS_1": "900001"},
        sms_per_second=50,
    )
    composer = Composer(TEMPLATES, town.keys.opener)
    means = Means(settings=settings, composer=composer, engine=town.engine, client=town.client, clock=town.clock)
    route = ways_out(means)[Channel.SMS]
    assert list(route.carriers) == ["aliyun", "tencent"]
    assert route.limits["tencent"] == Limit(per_second=50, burst=50, reserve=10)
    for wrong in ({"sms_standby_provider": "aliyun"}, {"sms_standby_provider": "tencent", "sms_standby_url": None}):
        with pytest.raises(ValidationError, match="NOTIFY_SMS_STANDBY_PROVIDER"):
            NotifySettings(**given, **wrong)
