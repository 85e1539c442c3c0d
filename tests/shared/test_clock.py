"""Time as an argument."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.clock import SHANGHAI, SettableClock, system_clock


def test_the_system_clock_is_aware_and_in_utc() -> None:
    assert system_clock().tzinfo is UTC


def test_a_settable_clock_stands_still_until_it_is_moved() -> None:
    clock = SettableClock(datetime(2026, 11, 28, 16, 30, tzinfo=SHANGHAI))
    assert clock() == clock.now() == datetime(2026, 11, 28, 8, 30, tzinfo=UTC)
    assert clock().tzinfo is UTC
    clock.advance(timedelta(minutes=90))
    assert clock() == datetime(2026, 11, 28, 10, 0, tzinfo=UTC)
    clock.set(datetime(2026, 1, 1, tzinfo=UTC))
    assert clock() == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_naive_time_is_refused() -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - that is the point
    with pytest.raises(ValueError, match="naive"):
        SettableClock(naive)
    with pytest.raises(ValueError, match="naive"):
        SettableClock(system_clock()).set(naive)
