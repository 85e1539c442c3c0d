"""Identifiers: those that a statement numbers itself are as good as those that are made one by one."""

from uuid import RFC_4122, UUID

from shared.ids import COUNTED_FROM, new_id, new_run


def test_the_ids_of_a_run_are_uuids_of_version_7_in_their_order() -> None:
    runs = [new_run() for _ in range(3)]
    ids = [UUID(run + f"{COUNTED_FROM + place:x}") for run in runs for place in (1, 2, 16_000_000)]
    assert {(one.version, one.variant) for one in ids} == {(7, RFC_4122)}
    assert ids == sorted(set(ids))
    assert new_id() > ids[-1]
