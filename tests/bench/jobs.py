"""The yardstick of the queue: what many systems do, one APScheduler job a reminder, as one would really run it.

The store is in the same PostgreSQL as ours, through psycopg, which is written in C; the scheduler is the real one in its
own thread: it asks for what is due, hands each job to its thread pool, and removes it from the store. The job itself does
nothing. What is counted is jobs that were run and are gone from the store.
"""

import threading
import time
from datetime import UTC, datetime, timedelta

from apscheduler.events import EVENT_JOB_EXECUTED
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.engine import make_url

PATIENCE = 120.0


def nothing() -> None:
    """What each job does: sending costs nothing here, as it costs nothing where ours is measured."""


def retired_a_second(url: str, jobs: int) -> float:
    """Return how many due jobs a second the scheduler retires from a store in the database at `url`."""
    store = SQLAlchemyJobStore(url=make_url(url).set(drivername="postgresql+psycopg"))
    scheduler = BackgroundScheduler(jobstores={"default": store}, timezone=UTC)
    scheduler.start(paused=True)
    ran, all_ran = [0], threading.Event()

    def count(_event: object) -> None:
        ran[0] += 1
        if ran[0] == jobs:
            all_ran.set()

    scheduler.add_listener(count, EVENT_JOB_EXECUTED)
    due_at = datetime.now(UTC) - timedelta(seconds=1)
    for _ in range(jobs):
        scheduler.add_job(nothing, "date", run_date=due_at, misfire_grace_time=None)
    began = time.perf_counter()
    scheduler.resume()
    assert all_ran.wait(PATIENCE), f"the yardstick ran {ran[0]} of {jobs} jobs"
    while scheduler.get_jobs():
        time.sleep(0.001)
    seconds = time.perf_counter() - began
    scheduler.shutdown()
    store.engine.dispose()
    return jobs / seconds
