"""Proof of notice: the chain of a booking holds all that was decided and done, names nobody, and breaks when touched."""

import asyncio
import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from services.__main__ import main
from services.notify.domain.proof import FIRST, digest_of, first_fault, published
from services.notify.store import proofs
from services.notify.sweeps import Notary
from shared.contracts import BookingChanged, EventType
from tests.notify.make import booking, event
from tests.notify.town import Town


async def told(town: Town) -> BookingChanged:
    """A booking that is confirmed, told of by every channel, and cancelled."""
    one = booking(contact=town.keys.contact())
    await town.hear(event(EventType.BOOKING_CONFIRMED, one))
    await town.deliver()
    await town.hear(event(EventType.BOOKING_CANCELLED, replace(one, version=2)))
    await town.deliver()
    return one


async def document(town: Town, one: BookingChanged) -> dict[str, Any]:
    await Notary(town.engine).chain()
    async with town.engine.connect() as connection:
        found = published(one.booking_id, await proofs.of_booking(connection, one.booking_id))
    return dict(json.loads(json.dumps(found)))


async def test_the_chain_holds_every_decision_each_once_and_is_whole(town: Town) -> None:
    one = await told(town)
    first = await document(town, one)
    assert first_fault(first) is None
    (decided,) = await town.rows("SELECT count(*) FROM decisions WHERE subject_id = :id", id=one.booking_id)
    assert sum("decision" in record["facts"] for record in first["records"]) == decided[0]
    assert await Notary(town.engine).chain() == 0, "nothing twice"
    assert await document(town, one) == first
    mails = [record["facts"] for record in first["records"] if record["facts"].get("channel") == "email"]
    sent = next(facts for facts in mails if facts.get("state") == "sent")
    assert {"words_sha256", "provider", "verdict", "attempt", "message_id", "started_at"} <= set(sent)


async def test_it_names_nobody(town: Town) -> None:
    text_of = json.dumps(await document(town, await told(town)), ensure_ascii=False)
    for personal in ("王一", "13900000001", "wang@example.test", "羽毛球", "健身中心", "7K3F"):
        assert personal not in text_of


def damaged(whole: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every way to touch a chain."""
    found: dict[str, dict[str, Any]] = {}
    for place in range(len(whole["records"])):
        for name in whole["records"][place]:
            changed = deepcopy(whole)
            value = changed["records"][place][name]
            changed["records"][place][name] = value + 1 if isinstance(value, int) else f"{value}x"
            if isinstance(value, dict):
                changed["records"][place][name] = {**value, "state": "sent!"}
            found[f"{name} of {place}"] = changed
        without = deepcopy(whole)
        del without["records"][place]
        found[f"without {place}"] = without
        twice = deepcopy(whole)
        twice["records"].insert(place, twice["records"][place])
        found[f"twice {place}"] = twice
    swapped = deepcopy(whole)
    swapped["records"][0], swapped["records"][1] = swapped["records"][1], swapped["records"][0]
    return {**found, "swapped": swapped, "head": {**whole, "head": FIRST}}


async def test_touching_anything_breaks_it(town: Town) -> None:
    whole = await document(town, await told(town))
    for name, touched in damaged(whole).items():
        assert first_fault(touched) is not None, name
    rewritten = deepcopy(whole)
    last = rewritten["records"][0]
    last["facts"] = {**last["facts"], "state": "sent"}
    last["digest"] = digest_of({name: value for name, value in last.items() if name != "digest"})
    assert first_fault(rewritten) is not None, "a record made to fit itself no longer fits the next"


async def test_a_changed_row_of_the_database_shows(town: Town) -> None:
    one = await told(town)
    await document(town, one)
    async with town.engine.begin() as tx:
        await tx.execute(text("""UPDATE proofs SET facts = facts || '{"state": "dead"}' WHERE sequence = 2"""))
    assert first_fault(await document(town, one)) == "record 2: it was changed"


async def test_what_commits_late_is_not_left_out(town: Town) -> None:
    """A transaction that decided first and commits last: the notary waits for it."""
    one = booking(contact=None, reminders=())
    insert = text(
        "INSERT INTO decisions (at, subject_id, subject_version, why) VALUES (now(), :id, :version, 'nothing_to_say')"
    )
    async with town.engine.connect() as slow:
        await slow.execute(insert, {"id": one.booking_id, "version": 1})
        async with town.engine.begin() as quick:
            await quick.execute(insert, {"id": one.booking_id, "version": 2})
        assert await Notary(town.engine).chain() == 0, "the earlier one is still being written"
        await slow.commit()
    versions = [record["facts"]["booking_version"] for record in (await document(town, one))["records"]]
    assert versions == [1, 2]


async def test_two_notaries_chain_each_decision_once(town: Town) -> None:
    one = await told(town)
    await asyncio.gather(*(Notary(town.engine).chain() for _ in range(4)))
    assert first_fault(await document(town, one)) is None


async def test_the_command_checks_a_file(town: Town, tmp_path: Path) -> None:
    whole = await document(town, await told(town))
    file = tmp_path / "proof.json"
    for content, code, words in (
        (json.dumps(whole), 0, "whole: "),
        (json.dumps({**whole, "head": FIRST}), 1, "BROKEN: the end"),
        ('{"records": 1}', 1, "this is not a proof of notice"),
        ("nonsense", 1, "this is no JSON document"),
    ):
        file.write_text(content)
        result = await asyncio.to_thread(CliRunner().invoke, main, ["verify-notice", str(file)])
        assert (result.exit_code, words in result.output) == (code, True), result.output
    helped = await asyncio.to_thread(CliRunner().invoke, main, ["verify-notice", "--help"])
    assert helped.exit_code == 0


@pytest.mark.parametrize("document_given", [{}, {"records": [], "booking_id": 1}, {"booking_id": "x", "records": [1]}])
def test_what_is_no_chain_is_refused(document_given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="proof of notice"):
        first_fault(document_given)
