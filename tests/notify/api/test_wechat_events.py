"""Events that WeChat posts, as wechatpy (an implementation of others) signs, encrypts and reads them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
import xmltodict
from pydantic import SecretStr
from wechatpy import parse_message
from wechatpy.crypto import WeChatCrypto
from wechatpy.utils import WeChatSigner, check_signature

from services.notify.api.wechat_post import read_document
from services.notify.domain.message import Channel, Evidence
from services.notify.settings import NotifySettings
from services.notify.store import bindings
from shared.http import Response
from tests.notify.api.conftest import SECRET, Caller
from tests.notify.api.test_bindings import ask
from tests.notify.api.test_receipts import stands, text_sent
from tests.notify.make import RESIDENT
from tests.notify.town import Town

OPENID, TEMPLATE, MSG_ID = "oDalian000001", "T-full", "1700827132819554304"
TEMPLATES = {"confirmation/full": {"id": TEMPLATE, "fields": {"thing1": "service"}}}
KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
STAMP, NONCE = "1764000000", "n1"
OFFICIAL, MINI = Channel.WECHAT_OFFICIAL, Channel.WECHAT_MINI
XML = {"content-type": "text/xml"}


def event_xml(name: str, rest: str = "", *, at: int = 1764000000) -> str:
    return (
        f"<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[{OPENID}]]></FromUserName>"
        f"<CreateTime>{at}</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[{name}]]></Event>{rest}</xml>"
    )


def listed(place: str, *items: dict[str, str]) -> str:
    inner = "".join(
        f"<List>{''.join(f'<{name}><![CDATA[{value}]]></{name}>' for name, value in one.items())}</List>"
        for one in items
    )
    return f"<{place}>{inner}</{place}>"


def finished(status: str) -> str:
    return event_xml("TEMPLATESENDJOBFINISH", f"<MsgID>{MSG_ID}</MsgID><Status><![CDATA[{status}]]></Status>")


def chosen(word: str, scene: str = "2", template: str = TEMPLATE) -> dict[str, str]:
    return {"TemplateId": template, "SubscribeStatusString": word, "PopupScene": scene}


def query(token: str = SECRET, **more: str) -> str:
    signer = WeChatSigner()
    signer.add_data(token, STAMP, NONCE)
    check_signature(token, signer.signature, STAMP, NONCE)
    return urlencode({"signature": signer.signature, "timestamp": STAMP, "nonce": NONCE, **more})


async def post(api: Caller, body: Any, channel: Channel = OFFICIAL, token: str = SECRET, **more: str) -> Response:
    path = f"/receipts/{channel.value}/{SECRET}/events?{query(token, **more)}"
    if isinstance(body, str | bytes):
        return await api.client.post(path, content=body, headers=XML)
    return await api.client.post(path, json=body)


@pytest.fixture
async def bound(receiving: Caller, town: Town) -> Caller:
    """An API with both applications, and a resident bound to both by one openid."""
    given: dict[str, Any] = {
        "wechat_mini_app_id": "wx_mini",
        "wechat_mini_templates": TEMPLATES,
        "wechat_official_app_id": "wx_official",
        "wechat_official_templates": TEMPLATES,
    }
    receiving.parts.settings = NotifySettings(**{**receiving.parts.settings.model_dump(), **given})
    async with town.engine.begin() as tx:
        for channel in (MINI, OFFICIAL):
            await bindings.bind(tx, receiving.parts.box, (RESIDENT, channel), OPENID, town.clock())
    return receiving


async def left(town: Town, channel: Channel) -> int:
    async with town.engine.connect() as connection:
        found = await bindings.left(connection, RESIDENT, channel)
    return found[TEMPLATE].open if TEMPLATE in found else 0


async def carried(town: Town, channel: Channel) -> UUID:
    """Have a message leave as if `channel` had carried it, under the reference that the events speak of."""
    message_id = await text_sent(town)
    async with town.engine.begin() as tx:
        await tx.exec_driver_sql("UPDATE attempts SET provider = $1, reference = $2", (channel.value, MSG_ID))
    return message_id


# -- what became of messages


@pytest.mark.parametrize(
    ("status", "stood"),
    [
        ("success", ("accepted", Evidence.DELIVERED)),
        ("failed:user block", ("not_delivered", Evidence.ACCEPTED)),
        ("failed: system failed", ("not_delivered", Evidence.ACCEPTED)),
    ],
)
async def test_the_official_account_reports_what_became_of_a_template_message(
    receiving: Caller,
    town: Town,
    status: str,
    stood: tuple[str, Evidence],
) -> None:
    body = finished(status)
    read = parse_message(body)
    assert (str(read.id), read.status, read.source) == (MSG_ID, status, OPENID), "as others read it"
    message_id = await carried(town, OFFICIAL)
    for _ in range(2):
        answer = await post(receiving, body)
        assert (answer.status_code, answer.text) == (200, "success")
    assert (await stands(town, message_id))[1:] == stood


SENT = {"TemplateId": TEMPLATE, "MsgID": MSG_ID, "ErrorCode": "0", "ErrorStatus": "success"}
HEAD = {"ToUserName": "gh_1", "FromUserName": OPENID, "CreateTime": 1764000000, "MsgType": "event"}


@pytest.mark.parametrize(
    "body",
    [
        event_xml("subscribe_msg_sent_event", listed("SubscribeMsgSentEvent", SENT)),
        {**HEAD, "Event": "subscribe_msg_sent_event", "List": [SENT]},
        {**HEAD, "Event": "subscribe_msg_sent_event", "List": SENT},
        {**HEAD, "Event": "subscribe_msg_sent_event", "SubscribeMsgSentEvent": {"List": [SENT]}},
        {**HEAD, "Event": "subscribe_msg_sent_event", "SubscribeMsgSentEvent": [SENT]},
    ],
    ids=["xml", "list", "one that is no list", "as in XML", "by its long name"],
)
async def test_the_mini_program_reports_in_every_form_that_wechat_writes(
    receiving: Caller,
    town: Town,
    body: Any,
) -> None:
    message_id = await carried(town, MINI)
    assert (await post(receiving, body, MINI)).text == "success"
    assert (await stands(town, message_id))[2] == Evidence.DELIVERED


# -- consents


async def test_what_a_reader_chose_in_an_article_goes_into_the_ledger_once(bound: Caller, town: Town) -> None:
    body = event_xml(
        "subscribe_msg_popup_event",
        listed(
            "SubscribeMsgPopupEvent",
            chosen("accept"),
            chosen("reject", template="T-other"),
            chosen("accept", template="T-strange"),
        ),
    )
    for channel in (OFFICIAL, MINI):
        for _ in range(2):
            assert (await post(bound, body, channel)).text == "success"
        assert await left(town, channel) == 1
    again = await post(bound, body.replace("1764000000", "1764000007"))
    assert (again.text, await left(town, OFFICIAL)) == ("success", 2)
    [shown] = (await ask(bound, "GET", "/wechat_official/consents")).json()["items"]
    assert shown == {"template": TEMPLATE, "message": "confirmation/full", "open": 2, "lasting": False}


async def test_what_the_mini_programs_own_page_hands_in_is_not_counted_twice(bound: Caller, town: Town) -> None:
    given = {"items": [{"template": TEMPLATE, "result": "accept"}]}
    assert (await ask(bound, "POST", "/wechat_mini/consents", given)).status_code == 200
    body = event_xml("subscribe_msg_popup_event", listed("SubscribeMsgPopupEvent", chosen("accept", scene="0")))
    assert (await post(bound, body, MINI)).text == "success"
    assert await left(town, MINI) == 1


@pytest.mark.parametrize("place", ["SubscribeMsgChangeEvent", "SubscribeMsgPopupEvent"])
async def test_a_refusal_at_wechat_voids_what_was_given(bound: Caller, town: Town, place: str) -> None:
    accepted = event_xml("subscribe_msg_popup_event", listed("SubscribeMsgPopupEvent", chosen("accept")))
    for channel in (OFFICIAL, MINI):
        await post(bound, accepted, channel)
    one = {"TemplateId": TEMPLATE, "SubscribeStatusString": "reject"}
    await post(bound, event_xml("subscribe_msg_change_event", listed(place, one)))
    assert (await left(town, OFFICIAL), await left(town, MINI)) == (0, 1)
    await post(bound, {**HEAD, "Event": "subscribe_msg_change_event", "List": one}, MINI)
    assert await left(town, MINI) == 0


async def test_a_stranger_changes_nothing(bound: Caller, town: Town) -> None:
    body = event_xml("subscribe_msg_popup_event", listed("SubscribeMsgPopupEvent", chosen("accept")))
    assert (await post(bound, body.replace(OPENID, "oStranger"))).text == "success"
    assert (await post(bound, event_xml("unsubscribe").replace(OPENID, "oStranger"))).text == "success"
    assert await left(town, OFFICIAL) == 0
    assert await following(bound) == {"wechat_mini": True, "wechat_official": True}


# -- followers


async def following(api: Caller) -> dict[str, bool]:
    items = (await ask(api, "GET", "")).json()["items"]
    return {one["channel"]: one["following"] for one in items}


async def test_who_leaves_the_official_account_is_sent_nothing_there_until_they_follow_again(
    bound: Caller, town: Town
) -> None:
    async def bind(at: datetime) -> None:
        async with town.engine.begin() as tx:
            await bindings.bind(tx, bound.parts.box, (RESIDENT, OFFICIAL), OPENID, at)

    async def reached() -> bool:
        async with town.engine.begin() as tx:
            planned = OFFICIAL in await bindings.channels_of(tx, RESIDENT)
            address = await bindings.address_of(tx, bound.parts.box, RESIDENT, OFFICIAL)
        assert planned is (address is not None)
        return planned

    start = datetime.fromtimestamp(1764000000, UTC)
    await bind(start)
    for name, at, reaches in (
        ("unsubscribe", 10, False),
        ("subscribe", 20, True),
        ("unsubscribe", 15, True),  # late: it was overtaken
        ("unsubscribe", 30, False),
        ("subscribe", 30, True),
    ):
        assert (await post(bound, event_xml(name, at=1764000000 + at))).text == "success"
        assert await reached() is reaches, (name, at)
        assert await following(bound) == {"wechat_mini": True, "wechat_official": reaches}
    await bind(start + timedelta(minutes=5))
    await post(bound, event_xml("unsubscribe", at=1764000040))
    assert await reached(), "what happened before somebody was bound says nothing of them now"


# -- who signed it, and what cannot be read


async def test_encrypted_events_are_opened_as_others_seal_them(receiving: Caller, town: Town) -> None:
    message_id = await carried(town, OFFICIAL)
    ours = {"wechat_official_app_id": "wx_official", "wechat_official_aes_key": SecretStr(KEY)}
    receiving.parts.settings = receiving.parts.settings.model_copy(update=ours)
    crypto = WeChatCrypto(SECRET, KEY, "wx_official")
    sealed = crypto.encrypt_message(finished("success"), NONCE, STAMP)
    signature = xmltodict.parse(sealed)["xml"]["MsgSignature"]
    asked: dict[str, Any] = {"encrypt_type": "aes", "openid": OPENID}
    for body, signed in (
        (finished("success"), signature),  # not encrypted
        (sealed, "0" * 40),
        (sealed.replace("<Encrypt><![CDATA[", "<Encrypt><![CDATA[AAAA"), signature),
        *(resealed(*other) for other in ((KEY, "wx_other"), (KEY[::-1], "wx_official"))),
    ):
        refused = await post(receiving, body, msg_signature=signed, **asked)
        assert (refused.status_code, refused.json()["code"]) == (422, "wechat_post_unreadable")
    assert (await stands(town, message_id))[2] == Evidence.ACCEPTED
    taken = await post(receiving, sealed, msg_signature=signature, **asked)
    assert (taken.status_code, taken.text) == (200, "success")
    assert (await stands(town, message_id))[2] == Evidence.DELIVERED


def resealed(key: str, app_id: str) -> tuple[str, str]:
    sealed = WeChatCrypto(SECRET, key, app_id).encrypt_message(finished("success"), NONCE, STAMP)
    return sealed, xmltodict.parse(sealed)["xml"]["MsgSignature"]


async def test_a_key_is_43_characters() -> None:
    with pytest.raises(ValueError, match="EncodingAESKey"):
        NotifySettings(database_url="postgresql://u@h/notify", wechat_mini_aes_key="short")


async def test_wechat_is_greeted_and_nobody_else(receiving: Caller) -> None:
    for app in ("wechat_mini", "wechat_official"):
        path = f"/receipts/{app}/{SECRET}/events"
        greeted = await receiving.client.get(f"{path}?{query(echostr='echo1')}")
        assert (greeted.status_code, greeted.text) == (200, "echo1")
        assert (await receiving.client.get(f"{path}?{query('wrong', echostr='echo1')}")).status_code == 404
        wrong = path.replace(SECRET, "wrong")
        assert (await receiving.client.get(f"{wrong}?{query('wrong', echostr='echo1')}")).status_code == 404
    assert (await post(receiving, finished("success"), token="wrong")).status_code == 404


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><xml><Event>&b;</Event></xml>'
FILE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><Event>&a;</Event></xml>'


@pytest.mark.parametrize(
    "body",
    [
        *("", "<", "<xml>", "text", "[]", "1", "<xml></xml><xml></xml>", BOMB, FILE),
        *("<a>" * 5000 + "</a>" * 5000, '<?xml version="1.0" encoding="no-such"?><xml/>', "<xml>\x00</xml>"),
        "<xml><Event>a</Event><a><b><c><d><e>1</e></d></c></b></a></xml>",
    ],
    ids=lambda body: body[:24],
)
async def test_what_cannot_be_read_is_refused_and_no_fault_of_ours(receiving: Caller, body: str) -> None:
    answer = await post(receiving, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "wechat_post_unreadable")


@pytest.mark.parametrize(
    "body",
    [
        "<xml><MsgType>text</MsgType><Content>你好</Content></xml>",
        event_xml("LOCATION"),
        event_xml("subscribe_msg_sent_event"),
        event_xml("TEMPLATESENDJOBFINISH"),
        event_xml("unsubscribe").replace("1764000000", "9" * 30),
        {"Event": {"List": [[["x"]]]}, "MsgType": ["event"]},
        {**HEAD, "Event": "subscribe_msg_sent_event", "List": [{"MsgID": True}, {"MsgID": "x" * 65}, 7, None]},
        {**HEAD, "Event": "subscribe_msg_popup_event", "List": [{"TemplateId": {}}], "FromUserName": None},
    ],
    ids=str,
)
async def test_what_tells_us_nothing_is_passed_over(bound: Caller, body: Any) -> None:
    answer = await post(bound, body)
    assert (answer.status_code, answer.text) == (200, "success")


def test_xml_is_read_as_others_read_it() -> None:
    for body in (finished("success"), event_xml("x", listed("L", chosen("accept"), chosen("reject")))):
        assert read_document(body.encode()) == xmltodict.parse(body)["xml"]
