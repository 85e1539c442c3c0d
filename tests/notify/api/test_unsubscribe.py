"""Unsubscribing by the link in a mail: one POST, by nobody signed in; a GET changes nothing."""

from pathlib import Path

import pytest

from services.notify.api.unsubscribe import _NAMES
from services.notify.channels.email import MailServer, Smtp
from services.notify.compose import Composer, Unsubscribing
from services.notify.deliver import Route
from services.notify.domain.message import Channel, Kind
from services.notify.domain.preference import CHANNELS, UNSUBSCRIBE, Subscription, locked_because, subscription_content
from shared.contracts import Event, EventType
from shared.links import InvalidLink, LinkSigner
from shared.sealing import NOTIFY_KEYS, generate_keys, rotate_keys
from tests.notify.api.conftest import Caller
from tests.notify.api.test_messages import problem
from tests.notify.make import NEIGHBOUR, RESIDENT, booking, event
from tests.notify.town import SENDER, TEMPLATES, Town

PUBLIC = "https://notify.dalian.test"
ONE_CLICK = {"content-type": "application/x-www-form-urlencoded"}
BODY = b"List-Unsubscribe=One-Click"


async def mails(town: Town, api: Caller, public_url: str = PUBLIC) -> None:
    """Deliver e-mail as a worker does that has a public address."""
    composer = Composer(TEMPLATES, town.keys.opener, Unsubscribing(api.parts.links, public_url))
    server = MailServer(host="127.0.0.1", port=town.mailbox.port, sender=SENDER, sender_name="预约", seconds=0.3)
    await town.delivery(routes={Channel.EMAIL: Route(composer.mail, Smtp(server))}).drain(Channel.EMAIL)


async def confirmed(town: Town) -> Event:
    told_of = event(EventType.BOOKING_CONFIRMED, booking(contact=town.keys.contact(), reminders=()))
    return (await town.hear(told_of))[0]


def path_in(town: Town) -> str:
    header = str(town.mailbox.seen[-1]["List-Unsubscribe"])
    assert header.startswith(f"<{PUBLIC}/unsubscribe/")
    assert header.endswith(">")
    return header[len(PUBLIC) + 1 : -1]


async def off(api: Caller) -> list[tuple[str, str]]:
    body = (await api.get("/api/v1/preferences")).json()
    return [(one["kind"], one["channel"]) for one in body["off"]]


async def test_one_click_in_a_mail_program_ends_mails_of_that_kind_for_that_person(town: Town, api: Caller) -> None:
    await confirmed(town)
    await mails(town, api)
    mail = town.mailbox.seen[0]
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = path_in(town)
    for _ in range(2):
        answer = await api.client.post(path, content=BODY, headers=ONE_CLICK)
        assert (answer.status_code, "您将不再收到预约成功邮件。" in answer.text) == (200, True)
        assert await off(api) == [("confirmation", "email")]
    assert (await api.get("/api/v1/preferences")).headers["etag"] == '"2"', "a repeat changes nothing"
    assert (await api.get("/api/v1/preferences", NEIGHBOUR)).json()["off"] == []
    await confirmed(town)
    await mails(town, api)
    assert len(town.mailbox.seen) == 1


async def test_whoever_opens_the_link_changes_nothing_and_sees_a_button(town: Town, api: Caller) -> None:
    await confirmed(town)
    await mails(town, api)
    answer = await api.client.get(path_in(town))
    assert answer.status_code == 200
    assert "<button>退订 Unsubscribe</button>" in answer.text
    assert "form-action 'self'" in answer.headers["content-security-policy"]
    assert await off(api) == []
    assert await town.rows("SELECT 1 FROM preferences") == []


async def test_what_cannot_be_switched_off_has_no_such_link(town: Town, api: Caller) -> None:
    told_of = await confirmed(town)
    cancelled = booking(booking_id=told_of.subject, version=2)
    await town.hear(event(EventType.BOOKING_CANCELLED, cancelled))
    await mails(town, api)
    (mail,) = town.mailbox.seen
    assert mail["Subject"].startswith("预约已取消")
    assert mail["List-Unsubscribe"] is None
    assert mail["List-Unsubscribe-Post"] is None


async def test_without_https_there_is_no_link(town: Town, api: Caller) -> None:
    await confirmed(town)
    await mails(town, api, "http://127.0.0.1:8001")
    assert town.mailbox.seen[0]["List-Unsubscribe"] is None


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_link_that_we_did_not_sign_for_this_does_nothing(api: Caller, method: str) -> None:
    links = api.parts.links
    content = subscription_content(Subscription(RESIDENT, Kind.CONFIRMATION))
    good = links.sign(UNSUBSCRIBE, content)
    forged = [
        good[:-2],
        f"{good}AAAA",
        ("B" if good[0] == "A" else "A") + good[1:],
        links.sign("something else", content),
        links.sign(UNSUBSCRIBE, subscription_content(Subscription(RESIDENT, Kind.CANCELLATION))),
        links.sign(UNSUBSCRIBE, b"short"),
        "%21",
        "x",
    ]
    for token in forged:
        problem(await api.client.request(method, f"/unsubscribe/{token}"), 404, "link_invalid")
    assert await off(api) == []


async def test_a_form_is_taken_here_and_nowhere_else(api: Caller) -> None:
    headers = api.headers(key='"1"') | ONE_CLICK
    problem(await api.client.put("/api/v1/preferences", content=BODY, headers=headers), 415, "unsupported_media_type")
    problem(
        await api.client.post("/unsubscribe/x", content=b"<a>", headers={"content-type": "text/xml"}),
        415,
        "unsupported_media_type",
    )


def test_every_mail_that_can_be_switched_off_has_its_name_on_the_page() -> None:
    assert set(_NAMES) == {
        kind
        for kind, channels in CHANNELS.items()
        if Channel.EMAIL in channels and not locked_because(kind, Channel.EMAIL)
    }


def test_a_link_outlives_the_rotation_of_keys_and_not_their_removal(tmp_path: Path) -> None:
    generate_keys(tmp_path / "ours")
    token = LinkSigner(tmp_path / "ours").sign("purpose", b"content")
    rotate_keys(tmp_path / "ours", NOTIFY_KEYS)
    rotated = LinkSigner(tmp_path / "ours")
    assert rotated.read("purpose", token) == b"content"
    assert rotated.sign("purpose", b"content") != token
    generate_keys(tmp_path / "others")
    with pytest.raises(InvalidLink):
        LinkSigner(tmp_path / "others").read("purpose", token)
