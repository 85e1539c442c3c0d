"""A copy goes to whoever agreed to it, says no more than the original, and ends with it or with the arrangement."""

import json
from dataclasses import replace
from datetime import time, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.notify.domain.preference import Preferences
from services.notify.domain.quiet_hours import QuietHours
from services.notify.store import preferences
from services.notify.store.recipients import erase
from services.notify.sweeps import Notary
from shared.contracts import Contact, CopiedKind, CopyChanged, Event, EventType
from shared.ids import new_id
from tests.notify.mailbox import words_of
from tests.notify.make import NEIGHBOUR, NOW, RESIDENT, booking, event, notice
from tests.notify.town import Town

READER = NEIGHBOUR
HER_MAIL, HIS_MAIL = "daughter@example.test", "wang@example.test"
COPY = UUID("01930000-0000-7000-8000-00000000c0b1")


def contact(town: Town, **changes: Any) -> str:
    hers = Contact(phone="+8613900000002", email=HER_MAIL, name="王二", language="zh-CN", copy_of="王**")
    return town.keys.vault.seal_for_notify(replace(hers, **changes))


def arrangement(town: Town, state: str = "agreed", version: int = 2, **changes: Any) -> Event:
    data = CopyChanged(
        copy_id=COPY,
        version=version,
        state=state,
        account_id=RESIDENT,
        reader_id=READER,
        contact=contact(town),
        kinds=tuple(kind.value for kind in CopiedKind),
        sensitive=False,
    )
    return notice(EventType.COPY_CHANGED, replace(data, **changes), COPY)


def his(town: Town, **changes: Any) -> Any:
    return booking(contact=town.keys.contact(), **changes)


async def copied(town: Town, **changes: Any) -> dict[tuple[str, str, int], tuple[str, str]]:
    rows = await town.rows(
        "SELECT kind, channel, lead_minutes, state, why FROM messages WHERE recipient_id = :id AND subject_id <> :copy",
        id=READER,
        copy=COPY,
    )
    return {(row.kind, row.channel, row.lead_minutes): (row.state, row.why) for row in rows}


async def test_the_other_one_is_asked_and_gets_nothing_before_they_agree(town: Town) -> None:
    await town.hear(arrangement(town, "asked", 1), event(EventType.BOOKING_CONFIRMED, his(town)))
    await town.deliver()
    [request] = town.mailbox.to(HER_MAIL)
    assert request["Subject"] == "王**希望您接收其预约通知的副本"
    assert [row.kind for row in await town.inbox() if row.account_id == READER] == ["copy_request"]
    assert await copied(town) == {}


async def test_a_copy_is_a_message_of_its_own_that_says_whose_and_what(town: Town) -> None:
    await town.hear(arrangement(town), event(EventType.BOOKING_CONFIRMED, his(town)))
    await town.deliver()
    [mail] = town.mailbox.to(HER_MAIL)
    assert mail["Subject"] == "王**的预约已预约成功：羽毛球1号场，11月28日 16:30"
    assert all(piece in words_of(mail) for piece in ("王**的预约通知的副本", "羽毛球1号场", "7K3F-9Q2M-A"))
    assert len(town.mailbox.to(HIS_MAIL)) == 1
    entries = {row.account_id: row.title_zh for row in await town.inbox()}
    assert entries[READER].startswith("王**的预约")
    assert "副本" not in entries[RESIDENT]
    await town.live_until(his(town).starts_at, step=timedelta(hours=6))
    assert [str(one["Subject"])[:12] for one in town.mailbox.to(HER_MAIL)[1:]] == ["王**的预约即将到时间："] * 2


async def test_it_is_cancelled_like_the_original(town: Town) -> None:
    one = his(town)
    await town.hear(arrangement(town), event(EventType.BOOKING_CONFIRMED, one))
    await town.deliver()
    await town.hear(event(EventType.BOOKING_CANCELLED, replace(one, version=2, by="resident")))
    await town.live_until(one.starts_at, step=timedelta(hours=12))
    assert [str(mail["Subject"]).split("：")[0] for mail in town.mailbox.to(HER_MAIL)] == [
        "王**的预约已预约成功",
        "王**的预约已取消",
    ]
    found = await copied(town)
    assert found["reminder", "email", 120] == ("superseded", "booking_cancelled")


async def test_only_the_kinds_that_were_chosen(town: Town) -> None:
    await town.hear(arrangement(town, kinds=("reminder",)), event(EventType.BOOKING_CONFIRMED, his(town)))
    assert {kind for kind, _, _ in await copied(town)} == {"reminder"}


@pytest.mark.parametrize("named", [False, True])
async def test_of_a_sensitive_service_nothing_or_only_that_there_is_a_booking(town: Town, named: bool) -> None:
    async with town.engine.begin() as tx:
        for one in (RESIDENT, READER):
            await preferences.lock(tx, one, "k", NOW)
            await preferences.keep(tx, one, Preferences(names_sensitive=named), "k", NOW)
    await town.hear(arrangement(town), event(EventType.BOOKING_CONFIRMED, his(town, sensitive=True)))
    assert await copied(town) == {}
    await town.hear(arrangement(town, version=3, sensitive=True))
    await town.hear(event(EventType.BOOKING_CONFIRMED, his(town, sensitive=True)))
    await town.deliver()
    [mail] = town.mailbox.to(HER_MAIL)
    assert mail["Subject"] == "王**有一项预约已预约成功"
    said = (
        words_of(mail)
        + mail.as_string()
        + "".join(row.body_zh + row.body_en for row in await town.inbox() if row.account_id == READER)
    )
    assert not [piece for piece in ("羽毛球", "健身", "示例路", "Badminton", "Fitness") if piece in said]


async def test_language_and_quiet_hours_are_the_readers_own(town: Town) -> None:
    async with town.engine.begin() as tx:
        await preferences.lock(tx, READER, "k", NOW)
        wishes = Preferences(quiet_hours=QuietHours(begins=time(9), ends=time(23)))
        await preferences.keep(tx, READER, wishes, "k", NOW)
    english = arrangement(town, contact=contact(town, language="en"))
    one = his(town)
    await town.hear(english, event(EventType.BOOKING_CONFIRMED, one))
    await town.deliver()
    assert "Copy" not in str(town.mailbox.to(HIS_MAIL)[0]["Subject"])
    assert town.mailbox.to(HER_MAIL)[0]["Subject"] == "王**: Badminton court 1, 28 Nov 16:30"
    await town.hear(event(EventType.BOOKING_CANCELLED, replace(one, version=2, by="staff")))
    rows = await town.rows("SELECT recipient_id, due_at FROM messages WHERE kind = 'closure' AND channel = 'sms'")
    due = {row.recipient_id: row.due_at for row in rows}
    assert due[READER] != due[RESIDENT]


@pytest.mark.parametrize("state", ["withdrawn", "refused"])
async def test_the_end_of_the_arrangement_stops_what_was_planned(town: Town, state: str) -> None:
    await town.hear(arrangement(town), event(EventType.BOOKING_CONFIRMED, his(town)))
    await town.deliver()
    await town.hear(arrangement(town, state, 3))
    await town.live_until(his(town).starts_at, step=timedelta(hours=6))
    assert len(town.mailbox.to(HER_MAIL)) == 1
    assert len(town.mailbox.to(HIS_MAIL)) == 3
    assert (await copied(town))["reminder", "email", 120] == ("suppressed", "copy_ended")
    await town.hear(arrangement(town, "agreed", 2), event(EventType.BOOKING_CONFIRMED, his(town)))
    await town.deliver()
    assert len(town.mailbox.to(HER_MAIL)) == 1, "an older word about it changes nothing"


async def test_a_copy_proves_nothing_of_whoever_booked(town: Town) -> None:
    await town.hear(arrangement(town), event(EventType.BOOKING_CONFIRMED, his(town, reminders=())))
    await town.deliver()
    await Notary(town.engine).chain()
    hers = {str(row.id) for row in await town.rows("SELECT id FROM messages WHERE recipient_id = :id", id=READER)}
    told = await town.rows("SELECT data FROM outbox")
    proved = await town.rows("SELECT facts FROM proofs WHERE booking_id <> :id", id=COPY)
    assert told
    assert proved
    assert not [row for row in told if row.data["message_id"] in hers]
    assert not [row for row in proved if row.facts.get("message_id") in hers]


@pytest.mark.parametrize("who", [RESIDENT, READER])
async def test_erasing_either_side_ends_it_for_good(town: Town, who: UUID) -> None:
    await town.hear(arrangement(town), event(EventType.BOOKING_CONFIRMED, his(town)))
    await town.deliver()
    async with town.engine.begin() as tx:
        await erase(tx, who, town.clock())
    await town.hear(arrangement(town, version=4))
    assert await town.rows("SELECT 1 FROM copies") == []
    await town.live_until(his(town).starts_at, step=timedelta(hours=12))
    assert len(town.mailbox.to(HER_MAIL)) == 1
    assert [row for row in await town.inbox() if row.account_id == READER] == []
    kept = json.dumps([str(row) for row in await town.rows("SELECT to_jsonb(t) FROM known_notices t")])
    assert "王" not in kept


async def test_a_new_arrangement_takes_the_place_of_an_older_one(town: Town) -> None:
    await town.hear(arrangement(town), arrangement(town, copy_id=new_id(), kinds=("reminder",)))
    await town.hear(event(EventType.BOOKING_CONFIRMED, his(town)))
    assert {kind for kind, _, _ in await copied(town)} == {"reminder"}
