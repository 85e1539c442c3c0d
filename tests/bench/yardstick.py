"""The yardstick that comes with PostgreSQL: pgbench, one transaction a booking, the statements that a booking needs.

It writes the same rows with the same content as the service does, but for reading who comes, which is one look-up here.
It has no HTTP, no token, no rule and no answer to give.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from tests.bench.measuring import keep_apart, tree, tree_cpu
from tests.bench.rush_world import Town

CLIENTS = 16
"""pgbench's own best on one slot: with more clients its rate falls, for they only queue for the row."""

_TABLES = """
DROP TABLE IF EXISTS bench_people, bench_slots, bench_sample;
DROP SEQUENCE IF EXISTS bench_number;
CREATE SEQUENCE bench_number CACHE 100;
CREATE TABLE bench_people AS SELECT row_number() OVER () - 1 AS n, account_id, person_id FROM account_people;
CREATE UNIQUE INDEX ON bench_people (n);
CREATE TABLE bench_slots AS SELECT row_number() OVER (ORDER BY starts_at) - 1 AS n, id FROM slots;
CREATE UNIQUE INDEX ON bench_slots (n);
CREATE TABLE bench_sample AS SELECT o.data, i.headers, i.fingerprint, i.body
    FROM (SELECT data FROM outbox LIMIT 1) o, (SELECT headers, fingerprint, body FROM idempotency LIMIT 1) i;
ANALYZE bench_people, bench_slots, bench_sample
"""

_SCRIPT = """
\\set slot {slot}
SELECT p.account_id, p.person_id, s.id AS slot_id, uuidv7() AS booking_id FROM
    (SELECT nextval('bench_number') % (SELECT count(*) FROM bench_people) AS n OFFSET 0) turn
    JOIN bench_people p USING (n) JOIN bench_slots s ON s.n = :slot \\gset
BEGIN;
SELECT id FROM slots WHERE id = :slot_id FOR NO KEY UPDATE;
SELECT id FROM persons WHERE id = :person_id FOR NO KEY UPDATE;
INSERT INTO bookings (id, reference, state, version, service_id, slot_id, starts_at, ends_at, account_id, channel,
    party_kind, declarations, extensions, created_at, changed_at)
    SELECT :booking_id, CAST(:booking_id AS text), 'confirmed', 1, service_id, id, starts_at, ends_at, :account_id,
    'online', 'one_person', '{{}}', 0, now(), now() FROM slots WHERE id = :slot_id;
INSERT INTO claims (booking_id, slot_id, person_id, position, seats, live, service_id, venue_id, kind, starts_at, ends_at)
    SELECT :booking_id, id, :person_id, 0, 1, true, service_id, venue_id, kind, starts_at, ends_at
    FROM slots WHERE id = :slot_id;
UPDATE slots SET taken = taken + 1 WHERE id = :slot_id;
INSERT INTO history (booking_id, version, at, action, state, actor_id, actor_role)
    VALUES (:booking_id, 1, now(), 'confirm', 'confirmed', :account_id, 'resident');
INSERT INTO outbox (id, type, subject, occurred_at, data)
    SELECT uuidv7(), 'yuyue.booking.confirmed.v1', :booking_id, now(), data FROM bench_sample;
INSERT INTO idempotency (account_id, key, fingerprint, status, headers, body, created_at)
    SELECT :account_id, CAST(:booking_id AS text), fingerprint, 201, headers, body, now() FROM bench_sample;
COMMIT;
"""


@dataclass(frozen=True, slots=True)
class Yardstick:
    """Transactions a second, and PostgreSQL's CPU for each of them in microseconds."""

    rate: float
    postgres_cpu: float


async def prepare(town: Town) -> None:
    """Put what the script reads; there must be at least one booking to take the contents of rows from."""
    async with town.engine.begin() as tx:
        for statement in _TABLES.split(";"):
            await tx.execute(text(statement))


@dataclass(frozen=True, slots=True)
class Pgbench:
    """pgbench against one database."""

    program: Path
    url: str
    postmaster: int
    folder: Path

    def run(self, *, hot: bool, seconds: float, slots: int) -> Yardstick:
        """Book for `seconds`, one slot or any of `slots`."""
        script = self.folder / "pgbench.sql"
        script.write_text(_SCRIPT.format(slot="0" if hot else f"random(0, {slots - 1})"))
        before = tree_cpu(self.postmaster)
        options = ["-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "1", "-T", str(round(seconds)), "-f", str(script)]
        url = self.url.replace("+asyncpg", "")
        pipe = subprocess.PIPE
        with subprocess.Popen([str(self.program), *options, url], stdout=pipe, stderr=pipe, text=True) as pgbench:
            keep_apart([pgbench.pid], tree(self.postmaster))
            output, errors = pgbench.communicate()
        count = re.search(r"transactions actually processed: (\d+)", output)
        rate = re.search(r"tps = ([\d.]+)", output)
        assert count, errors[-2000:]
        assert rate, output
        assert pgbench.returncode == 0, errors[-2000:]
        cpu = (tree_cpu(self.postmaster) - before) / int(count[1]) * 1e6
        result = Yardstick(float(rate[1]), cpu)
        print(
            f"  pgbench {'one slot' if hot else 'spread'}, {CLIENTS} clients: {result.rate:7.0f}/s"
            f"  CPU a transaction: PostgreSQL {result.postgres_cpu:5.0f} us"
        )
        return result
