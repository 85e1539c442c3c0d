"""The table at the end of the bench can fail; this much of the lane runs with every test."""

from tests.bench.targets import TARGETS, Table


def test_the_table_misses_what_was_not_measured_and_what_was_found_wrong() -> None:
    """The table itself can fail."""
    good = {name: target.bound for name, target in TARGETS.items()}
    assert Table(good).missed() == []
    assert Table(good | {"hot": 0.74}).missed() == ["hot"]
    assert Table({"rush p99": 1.6}).missed() == list(TARGETS)
    assert Table(good, ["oversold"]).missed() == ["oversold"]
