"""`make bench`, the booking path: durable booking against the same endpoint without a database, and the yardsticks.

Every ratio is the median of at least `ROUNDS` ratios of runs beside each other. The last test of the lane prints the table and
fails where a promise is missed.
"""

from collections.abc import Callable

import pytest

from shared.embedded.postgres import Postgres
from shared.embedded.servers import Servers
from tests.bench import yardstick
from tests.bench.conftest import SECONDS, Bench
from tests.bench.measuring import Run, median

pytestmark = pytest.mark.bench

ROUNDS = 5
PAIRS, PAIR_SECONDS = 4, 1.0
"""At 64 connections, in each round, on servers of its own. The speed of a shared machine changes within seconds, and by half:
short runs lie closer beside each other, and the median of many of them is the steadier one."""
RUSH_PLACES = 50


def put(bench: Bench, name: str, rounds: list[dict[str, Run]], ratio: Callable[[dict[str, Run]], float]) -> None:
    """Write the median of a ratio over the rounds into the table."""
    bench.table.measured[name] = median(ratio(one) for one in rounds)
    print(f"  {name}: {bench.table.measured[name]:.2f} of {sorted(round(ratio(one), 2) for one in rounds)}")


async def test_booking_at_64_connections(bench: Bench, embedded: Servers) -> None:
    postgres: Postgres = embedded.postgres
    pgbench = yardstick.Pgbench(postgres._binary("pgbench"), bench.url, bench.load.postmaster, bench.folder)
    await yardstick.prepare(bench.town)
    spread = bench.town.slots
    rounds: list[dict[str, Run]] = []
    bars: list[tuple[dict[str, Run], yardstick.Yardstick, yardstick.Yardstick]] = []
    for number in range(ROUNDS):
        if number:
            await bench.serve("empty", "stub", "real")
        for _ in range(PAIRS):
            rounds.append(await _in_turn(bench, backwards=len(rounds) % 2 == 1))
        one = rounds[-1]
        one["naive"] = await bench.run("naive", spread, 64, PAIR_SECONDS)
        await bench.town.reset()
        bar = pgbench.run(hot=False, seconds=SECONDS, slots=len(spread))
        await bench.town.reset()
        bars.append((one, bar, pgbench.run(hot=True, seconds=SECONDS, slots=len(spread))))
    print()
    put(bench, "spread", rounds, lambda one: one["real"].rate / one["stub"].rate)
    put(bench, "hot", rounds, lambda one: one["real hot"].rate / one["stub hot"].rate)
    put(bench, "empty", rounds, lambda one: one["real"].rate / one["empty"].rate)
    put(bench, "stub empty", rounds, lambda one: one["stub"].rate / one["empty"].rate)
    put(bench, "naive", [one for one, _, _ in bars], lambda one: one["real"].rate / one["naive"].rate)
    put(bench, "api cpu", rounds, lambda one: one["real"].api_cpu / one["stub"].api_cpu)
    measured = bench.table.measured
    measured["pgbench spread"] = median(one["real"].rate / bar.rate for one, bar, _ in bars)
    measured["pgbench hot"] = median(one["real hot"].rate / bar.rate for one, _, bar in bars)
    measured["postgres cpu"] = median(one["real"].postgres_cpu / bar.postgres_cpu for one, bar, _ in bars)
    measured["postgres cpu hot"] = median(one["real hot"].postgres_cpu / bar.postgres_cpu for one, _, bar in bars)


async def _in_turn(bench: Bench, *, backwards: bool) -> dict[str, Run]:
    """Run each once, every pair that is compared beside each other, and now this one first and now the other."""
    print()
    spread, hot = bench.town.slots, bench.town.slots[:1]
    turn = [("empty", spread), ("real", spread), ("stub", spread), ("stub hot", hot), ("real hot", hot)]
    return {
        name: await bench.run(name.partition(" ")[0], slots, 64, PAIR_SECONDS)
        for name, slots in (reversed(turn) if backwards else turn)
    }


async def test_booking_and_a_rush_at_512_connections(bench: Bench) -> None:
    spread, hot = bench.town.slots, bench.town.slots[:1]
    rounds = []
    for _ in range(ROUNDS):
        print()
        one = {"stub": await bench.run("stub", spread, 512), "real": await bench.run("real", spread, 512)}
        one["stub hot"], one["real hot"] = await bench.run("stub", hot, 512), await bench.run("real", hot, 512)
        one["rush"] = await bench.run("real", [await bench.town.new_slot(RUSH_PLACES)], 512)
        if one["rush"].statuses.get("201") != RUSH_PLACES:
            bench.table.faults.append(f"the rush on {RUSH_PLACES} places answered {one['rush'].statuses}")
        rounds.append(one)
    print()
    put(bench, "spread 512", rounds, lambda one: one["real"].rate / one["stub"].rate)
    put(bench, "hot 512", rounds, lambda one: one["real hot"].rate / one["stub hot"].rate)
    put(bench, "rush", rounds, lambda one: one["rush"].rate / one["stub hot"].rate)
    put(bench, "rush p99", rounds, lambda one: one["rush"].p99 / one["stub hot"].p99)


async def test_two_processes_book_more_than_one(bench: Bench) -> None:
    """The load generator, PostgreSQL and two API processes share this machine's cores: with two cores, the gain is small."""
    before = await bench.town.deadlocks()
    rounds = []
    for _ in range(ROUNDS):
        print()
        one = {"real": await bench.run("real", bench.town.slots, 512)}
        one["real2"] = await bench.run("real2", bench.town.slots, 512)
        rounds.append(one)
    await bench.run("real2", bench.town.slots[:1], 512)
    await bench.run("real2", [await bench.town.new_slot(RUSH_PLACES)], 512)
    print()
    put(bench, "two processes", rounds, lambda one: one["real2"].rate / one["real"].rate)
    if await bench.town.deadlocks() != before:
        bench.table.faults.append("two API processes waited for each other in a circle")
