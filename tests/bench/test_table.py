"""The end of `make bench`: every ratio with its target; whoever runs it hears by the exit code whether all are met."""

import pytest

from tests.bench.targets import Table

pytestmark = pytest.mark.bench


def test_every_promise_is_kept(table: Table) -> None:
    print("\n", *table.lines(), "", sep="\n")
    missed = table.missed()
    assert not missed, f"{len(missed)} missed: {', '.join(missed)}"
