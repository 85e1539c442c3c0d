"""WeChat and WeCom against stand-ins that count consents, put tokens out and hold every field to its kind."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.notify.accounts import Accounts, account_at
from services.notify.channels.wechat import Tokens, outcome_of
from services.notify.deliver import Route
from services.notify.domain.message import Channel, Kind, Why
from services.notify.domain.outcome import Verdict
from services.notify.domain.wechat import Misfit, WechatTemplate, check, data_of, fitted
from services.notify.settings import NotifySettings
from services.notify.store import bindings, receipts, recipients
from services.notify.ways import Means, ways_out
from services.sink.faults import Fault, Plan
from services.sink.main import Sink
from services.sink.wechat import Application
from services.sink.wechat_api import WechatApi
from shared.contracts import EventType
from shared.http import ASGITransport, Client
from shared.strongbox import Strongbox
from tests.notify.make import NEIGHBOUR, RESIDENT, booking, event
from tests.notify.serving import serving
from tests.notify.town import Town

FIELDS = {"thing1": "service", "date2": "local_start", "character_string3": "reference"}
HIDDEN = {"date2": "local_start", "character_string3": "reference"}
TEMPLATES = {
    "confirmation/full": {"id": "T-full", "fields": FIELDS},
    "confirmation/neutral": {"id": "T-neutral", "fields": HIDDEN},
}
OPENID = "oDalian000001"


@dataclass(slots=True)
class Stage:
    town: Town
    sink: Sink
    client: Client
    settings: NotifySettings
    box: Strongbox

    @property
    def api(self) -> WechatApi:
        return self.sink.apps.wechat

    def app(self, channel: Channel) -> Application:
        return {
            Channel.WECHAT_MINI: self.api.mini,
            Channel.WECHAT_OFFICIAL: self.api.official,
            Channel.WECOM: self.api.work,
        }[channel]

    def accounts(self) -> Accounts:
        return Accounts(
            settings=self.settings,
            engine=self.town.engine,
            box=self.box,
            client=self.client,
            clock=self.town.clock,
        )

    async def bind(self, channel: Channel, address: str = OPENID, account: UUID = RESIDENT) -> None:
        found = await self.accounts().address_of(channel, self.app(channel).join(address))
        assert found == address
        async with self.town.engine.begin() as tx:
            await bindings.bind(tx, self.box, (account, channel), found, self.town.clock())

    async def consent(self, count: int = 1, *, lasting: bool = False, channel: Channel = Channel.WECHAT_MINI) -> None:
        template = "T-full"
        self.app(channel).consents[OPENID, template] += 100 if lasting else count
        whose = (RESIDENT, channel)
        async with self.town.engine.begin() as tx:
            for _ in range(count):
                under = (str(uuid4()), self.town.clock())
                await bindings.give_consent(tx, whose, template, lasting=lasting, under=under)

    async def left(self) -> int:
        async with self.town.engine.connect() as connection:
            found = await bindings.left(connection, RESIDENT, Channel.WECHAT_MINI)
        return found["T-full"].open if "T-full" in found else 0

    def routes(self) -> dict[Channel, Route[Any]]:
        means = Means(
            settings=self.settings,
            composer=self.town.delivery().composer,
            engine=self.town.engine,
            client=self.client,
            clock=self.town.clock,
        )
        return ways_out(means)

    async def booked(self, channel: Channel, **changes: Any) -> tuple[str, str]:
        """Book, deliver on one channel, and return the newest message's state and reason."""
        about = booking(reminders=(), **changes)
        await self.town.hear(event(EventType.BOOKING_CONFIRMED, about))
        await self.town.delivery(routes=self.routes()).drain(channel)
        [row] = await self.town.rows(
            "SELECT state, why FROM messages WHERE subject_id = :id AND channel = :channel",
            id=about.booking_id,
            channel=channel.value,
        )
        return row.state, row.why


@pytest.fixture
async def stage(town: Town, tmp_path: Path, key_folder: Path) -> AsyncIterator[Stage]:
    sink = Sink.at(tmp_path, "id", "secret")
    sink.apps.wechat.now = town.clock
    settings = NotifySettings(
        database_url="postgresql://u@h/notify",
        key_folder=key_folder,
        wechat_url="http://wechat.test",
        wechat_mini_app_id="wx_mini",
        wechat_mini_secret="sink",
        wechat_mini_templates=TEMPLATES,
        wechat_official_app_id="wx_official",
        wechat_official_secret="sink",
        wechat_official_templates=TEMPLATES,
        wecom_url="http://wechat.test",
        wecom_corp_id="ww_corp",
        wecom_secret="sink",
        wecom_agent_id=7,
    )
    async with Client(transport=ASGITransport(app=sink.app())) as client:
        yield Stage(town, sink, client, settings, Strongbox(key_folder))


def shown(stage: Stage) -> list[str]:
    return [one.text for one in reversed(stage.sink.apps.shelf.newest(50))]


# -- the ledger of consents


async def test_one_consent_is_one_message(stage: Stage) -> None:
    await stage.bind(Channel.WECHAT_MINI)
    await stage.consent(2)
    found = [await stage.booked(Channel.WECHAT_MINI) for _ in range(3)]
    assert found == [("sent", "accepted"), ("sent", "accepted"), ("dead", "no_consent")]
    assert shown(stage) == ["thing1：羽毛球1号场\ndate2：2026-11-28 16:30\ncharacter_string3：7K3F-9Q2M-A"] * 2
    assert sum(stage.api.mini.consents.values()) == 0


async def test_a_lasting_consent_is_good_for_any_number(stage: Stage) -> None:
    await stage.bind(Channel.WECHAT_MINI)
    await stage.consent(1, lasting=True)
    assert {await stage.booked(Channel.WECHAT_MINI) for _ in range(3)} == {("sent", "accepted")}


async def test_workers_side_by_side_do_not_spend_one_twice(stage: Stage) -> None:
    await stage.bind(Channel.WECHAT_MINI)
    await stage.consent(3)
    await stage.town.hear(*(event(EventType.BOOKING_CONFIRMED, booking(reminders=())) for _ in range(8)))
    workers = (stage.town.delivery(routes=stage.routes()).drain(Channel.WECHAT_MINI) for _ in range(3))
    await asyncio.gather(*workers)
    rows = await stage.town.rows("SELECT state, count(*) FROM messages WHERE channel = 'wechat_mini' GROUP BY state")
    assert {row.state: row.count for row in rows} == {"sent": 3, "dead": 5}


async def test_a_consent_comes_back_where_the_message_surely_did_not_leave(stage: Stage) -> None:
    await stage.bind(Channel.WECHAT_MINI)
    await stage.consent(1)
    stage.api.mini.quota = 0
    assert await stage.booked(Channel.WECHAT_MINI) == ("planned", "provider_busy")
    assert await stage.left() == 1
    stage.api.mini.quota = None
    stage.town.clock.advance(timedelta(hours=1, minutes=1))
    await stage.town.delivery(routes=stage.routes()).drain(Channel.WECHAT_MINI)
    assert len(shown(stage)) == 1
    assert await stage.left() == 0


async def test_where_wechat_knows_of_a_refusal_ours_are_void(stage: Stage) -> None:
    await stage.bind(Channel.WECHAT_MINI)
    await stage.consent(3)
    stage.api.mini.consents.clear()
    assert await stage.booked(Channel.WECHAT_MINI) == ("dead", "no_consent")
    assert await stage.left() == 0


async def test_a_notice_of_the_official_account_spends_a_consent_too(stage: Stage) -> None:
    """Where its templates are those of subscription notices."""
    stage.settings = stage.settings.model_copy(update={"wechat_official_subscriptions": True})
    await stage.bind(Channel.WECHAT_OFFICIAL)
    await stage.consent(1, channel=Channel.WECHAT_OFFICIAL)
    found = [await stage.booked(Channel.WECHAT_OFFICIAL) for _ in range(2)]
    assert found == [("sent", "accepted"), ("dead", "no_consent")]
    assert len(shown(stage)) == 1


async def test_who_left_the_official_account_before_a_message_left_is_not_called(stage: Stage) -> None:
    await stage.bind(Channel.WECHAT_OFFICIAL)
    about = booking(reminders=())
    await stage.town.hear(event(EventType.BOOKING_CONFIRMED, about))
    async with stage.town.engine.begin() as tx:
        whose = (Channel.WECHAT_OFFICIAL, OPENID)
        await bindings.follow(tx, stage.box, whose, stage.town.clock(), follows=False)
    await stage.town.delivery(routes=stage.routes()).drain(Channel.WECHAT_OFFICIAL)
    states = await stage.town.states(Channel.WECHAT_OFFICIAL)
    assert states["confirmation", 1, 0] == ("dead", "no_binding")
    assert shown(stage) == []
    await stage.town.hear(event(EventType.BOOKING_CANCELLED, booking(booking_id=about.booking_id, version=2)))
    assert ("cancellation", 2, 0) not in await stage.town.states(Channel.WECHAT_OFFICIAL)


# -- the token


async def test_many_workers_ask_for_one_token(stage: Stage) -> None:
    await stage.bind(Channel.WECHAT_OFFICIAL)
    account = stage.accounts()

    async def token() -> str:
        found: Tokens = stage_token(account)
        return await found.current()

    assert len(set(await asyncio.gather(*(token() for _ in range(20))))) == 1
    assert stage.api.official.fetched == 1


def stage_token(accounts: Accounts) -> Tokens:
    account = account_at(accounts.settings, Channel.WECHAT_OFFICIAL)
    assert account is not None
    return accounts.token(Channel.WECHAT_OFFICIAL, account)


async def test_a_token_that_was_put_out_is_renewed_once_for_all(stage: Stage) -> None:
    await stage.bind(Channel.WECHAT_OFFICIAL)
    await stage.booked(Channel.WECHAT_OFFICIAL)
    stage.api.official.give_token("wx_official", "sink", stage.town.clock(), force=True)
    fetched = stage.api.official.fetched
    await stage.town.hear(*(event(EventType.BOOKING_CONFIRMED, booking(reminders=())) for _ in range(10)))
    await stage.town.delivery(routes=stage.routes()).drain(Channel.WECHAT_OFFICIAL)
    assert len(shown(stage)) == 11
    assert stage.api.official.fetched == fetched + 1, "one asks, the others wait for what it gets"


async def test_a_token_is_renewed_before_it_ends_and_is_sealed(stage: Stage) -> None:
    await stage.bind(Channel.WECHAT_OFFICIAL)
    await stage.booked(Channel.WECHAT_OFFICIAL)
    [row] = await stage.town.rows("SELECT * FROM provider_tokens")
    assert stage.api.official.token not in str(row)
    stage.town.clock.advance(timedelta(hours=1, minutes=56))
    assert await stage.booked(Channel.WECHAT_OFFICIAL) == ("sent", "accepted")
    assert stage.api.official.fetched == 2


async def test_a_wrong_secret_is_no_loop(stage: Stage) -> None:
    await stage.bind(Channel.WECHAT_OFFICIAL)
    stage.api.official.secret = "changed"
    assert await stage.booked(Channel.WECHAT_OFFICIAL) == ("planned", "provider_refuses_us")
    assert stage.api.official.fetched == 0


# -- what is sent


async def test_a_sensitive_booking_goes_by_the_neutral_template(stage: Stage) -> None:
    await stage.bind(Channel.WECHAT_OFFICIAL)
    assert await stage.booked(Channel.WECHAT_OFFICIAL, sensitive=True) == ("sent", "accepted")
    assert shown(stage) == ["date2：2026-11-28 16:30\ncharacter_string3：7K3F-9Q2M-A"]


async def test_a_kind_without_a_template_says_so(stage: Stage) -> None:
    await stage.bind(Channel.WECHAT_OFFICIAL)
    about = booking(reminders=())
    await stage.town.hear(event(EventType.BOOKING_CONFIRMED, about))
    await stage.town.hear(event(EventType.BOOKING_CANCELLED, booking(booking_id=about.booking_id, version=2)))
    await stage.town.delivery(routes=stage.routes()).drain(Channel.WECHAT_OFFICIAL)
    states = await stage.town.states(Channel.WECHAT_OFFICIAL)
    assert states["cancellation", 2, 0] == ("suppressed", "channel_not_set_up")


async def test_staff_get_a_text_at_wecom_and_a_repetition_is_not_shown(stage: Stage) -> None:
    """The answer goes: WeCom's duplicate check makes it safe to send again."""
    async with serving(stage.sink.app()) as url:
        settings = stage.settings.model_copy(update={"wecom_url": url})
        async with Client() as client:
            real = Stage(stage.town, stage.sink, client, settings, stage.box)
            await real.bind(Channel.WECOM)
            stage.sink.faults.plans["wecom"] = Plan(shares={Fault.DROPPED_AFTER: 1.0})
            assert await real.booked(Channel.WECOM) == ("planned", "provider_unreachable")
            stage.sink.faults.plans.clear()
            stage.town.clock.advance(timedelta(minutes=10))
            await stage.town.delivery(routes=real.routes()).drain(Channel.WECOM)
    assert await stage.town.states(Channel.WECOM) == {("confirmation", 1, 0): ("sent", "accepted")}
    assert [text.partition("\n")[0] for text in shown(stage)] == ["预约成功：羽毛球1号场，11月28日 16:30"]


async def test_without_an_answer_a_template_message_is_in_doubt(stage: Stage) -> None:
    async with serving(stage.sink.app()) as url, Client() as client:
        settings = stage.settings.model_copy(update={"wechat_url": url})
        real = Stage(stage.town, stage.sink, client, settings, stage.box)
        await real.bind(Channel.WECHAT_OFFICIAL)
        stage.sink.faults.plans["wechat_official"] = Plan(shares={Fault.DROPPED_AFTER: 1.0})
        assert await real.booked(Channel.WECHAT_OFFICIAL) == ("unknown", "no_answer")


async def test_who_is_not_bound_gets_nothing_and_no_row(stage: Stage) -> None:
    await stage.town.hear(event(EventType.BOOKING_CONFIRMED, booking(reminders=())))
    for channel in (Channel.WECHAT_MINI, Channel.WECHAT_OFFICIAL, Channel.WECOM):
        assert await stage.town.states(channel) == {}


async def test_an_address_is_of_one_account_and_sealed(stage: Stage) -> None:
    await stage.bind(Channel.WECHAT_MINI)
    await stage.bind(Channel.WECHAT_MINI, account=NEIGHBOUR)
    [row] = await stage.town.rows("SELECT * FROM bindings")
    assert row.account_id == NEIGHBOUR
    assert OPENID not in str(row)
    assert await stage.accounts().address_of(Channel.WECHAT_MINI, "used or invented") is None


@pytest.mark.parametrize(
    ("code", "verdict", "why"),
    [
        (0, Verdict.ACCEPTED, Why.ACCEPTED),
        (43101, Verdict.PERMANENT, Why.NO_CONSENT),
        (47003, Verdict.PERMANENT, Why.CONTENT_REFUSED),
        (40003, Verdict.PERMANENT, Why.ADDRESS_REFUSED),
        (45009, Verdict.TEMPORARY, Why.PROVIDER_BUSY),
        (-1, Verdict.TEMPORARY, Why.PROVIDER_BUSY),
        (40037, Verdict.TEMPORARY, Why.PROVIDER_REFUSES_US),
        (48001, Verdict.TEMPORARY, Why.PROVIDER_REFUSES_US),
    ],
)
def test_what_each_code_means(code: int, verdict: Verdict, why: Why) -> None:
    found = outcome_of(code, None)
    assert (found.verdict, found.why) == (verdict, why)
    assert (found.retry_after == timedelta(hours=1)) is (code == 45009)


# -- the fields


@pytest.mark.parametrize(
    ("field", "value", "found"),
    [
        ("thing1", "长" * 20, "长" * 20),
        ("thing1", "长" * 21, "长" * 19 + "…"),
        ("thing12", "a\nb", "a b"),
        ("thing1", "", "—"),
        ("character_string3", "7K3F-9Q2M-A", "7K3F-9Q2M-A"),
        ("date2", "2026-11-28 16:30", "2026-11-28 16:30"),
        ("time2", "2026年11月28日 16:30", "2026年11月28日 16:30"),
    ],
)
def test_a_value_is_fitted_to_its_field(field: str, value: str, found: str) -> None:
    assert fitted(field, value) == found


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("character_string3", "预约号"),
        ("character_string3", "x" * 33),
        ("phrase1", "预约成功啦啦"),
        ("date2", "明天"),
        ("nonsense", "x"),
    ],
)
def test_what_would_mean_something_else_is_refused(field: str, value: str) -> None:
    with pytest.raises(Misfit):
        fitted(field, value)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("confirmation/neutral", {"thing1": "service"}),
        ("confirmation/full", {"thing1": "no_such_variable"}),
        ("confirmation/full", {"words1": "service"}),
        ("confirmation/full", {}),
        ("confirmation/loud", {"thing1": "service"}),
        ("no_such_kind/full", {"thing1": "service"}),
    ],
)
def test_a_mapping_that_cannot_work_is_refused_when_it_is_loaded(name: str, fields: dict[str, str]) -> None:
    with pytest.raises(Misfit):
        check(name, WechatTemplate("T", fields))
    with pytest.raises(ValueError, match=name):
        NotifySettings(database_url="postgresql://u@h/n", wechat_mini_templates={name: {"id": "T", "fields": fields}})


def test_a_mapping_gives_each_field_its_value() -> None:
    template = WechatTemplate("T", {"thing1": "service"})
    check(f"{Kind.REMINDER.value}/full", template)
    assert data_of(template, {"service": "羽毛球"}) == {"thing1": {"value": "羽毛球"}}


async def test_whoever_is_erased_is_not_to_be_found_on_any_channel(stage: Stage) -> None:
    for account in (RESIDENT, NEIGHBOUR):
        await stage.bind(Channel.WECHAT_MINI, address=f"o{account.int}", account=account)
    await stage.consent(2)
    async with stage.town.engine.begin() as tx:
        await receipts.note_phone(tx, b"x", RESIDENT, stage.town.clock())
        await recipients.erase(tx, RESIDENT, stage.town.clock())
    for table in ("bindings", "push_subscriptions", "consents", "phones"):
        rows = await stage.town.rows(f"SELECT account_id FROM {table}")
        assert [row.account_id for row in rows] == ([NEIGHBOUR] if table == "bindings" else [])
