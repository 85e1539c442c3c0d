"""Previews for those who work here: how each message will look, without sending one."""

from itertools import product

import pytest

from services.notify.domain.message import WORDS_OF_OTHERS, Channel, Kind, Language
from services.notify.domain.preference import CHANNELS
from services.notify.domain.telling import telling
from services.notify.domain.vocabulary import VARIABLES
from tests.notify.api.conftest import Caller
from tests.notify.api.test_messages import problem
from tests.notify.town import Town

PATH = "/api/v1/templates"


async def test_every_message_can_be_seen_before_it_is_sent(town: Town, api: Caller) -> None:
    listed = (await api.get_as(PATH, "staff", "fitness-centre")).json()["items"]
    assert {one["kind"] for one in listed} == {kind.value for kind in Kind}
    for kind, language in product(VARIABLES, Language):
        for wording in VARIABLES[kind]:
            for long in ("false", "true"):
                query = f"language={language.value}&wording={wording.value}&long={long}"
                answer = await api.get_as(f"{PATH}/{kind.value}/preview?{query}", "scheduler", "fitness-centre")
                assert answer.status_code == 200, (kind, wording, answer.text)
                shown = answer.json()
                assert (shown["body"] is None) is (kind is Kind.SIGN_IN_CODE)
                assert (shown["sms"] is None) is (Channel.SMS not in CHANNELS[kind] and kind not in WORDS_OF_OTHERS)
                if wording.ordinary.value == "neutral" and kind is not Kind.DIGEST:
                    assert telling(f"{shown['title']} {shown['body']} {shown['sms']}") == []
    assert town.mailbox.seen == []


async def test_a_preview_names_the_providers_code_and_its_variables(api: Caller) -> None:
    answer = await api.get_as(f"{PATH}/reminder/preview?wording=full&language=en", "administrator")
    sms = answer.json()["sms"]
    assert sms["code"] == "SMS_000000023"
    assert list(sms["parameters"]) == ["service", "when_brief", "venue", "reference"]
    assert "Badminton court 1" in answer.json()["html"]


@pytest.mark.parametrize("path", ["", "/reminder/preview"])
async def test_residents_have_no_business_here(api: Caller, path: str) -> None:
    problem(await api.get(f"{PATH}{path}"), 403, "not_allowed")
    anonymous = await api.client.get(f"{PATH}{path}")
    problem(anonymous, 401, "not_signed_in")


async def test_what_there_is_no_wording_or_kind_of_is_a_refusal(api: Caller) -> None:
    unknown = await api.get_as(f"{PATH}/sign_in_code/preview?wording=full", "staff", "x")
    problem(unknown, 404, "template_unknown")
    assert (await api.get_as(f"{PATH}/love_letter/preview", "staff", "x")).status_code == 422
