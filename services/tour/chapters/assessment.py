"""An ability assessment visit [001]: booked by a daughter for her mother, with the declarations that the policy asks."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from services.tour import hearing, invented, screen
from services.tour.client import Ask, must
from services.tour.guide import Booked, Guide
from services.tour.narration import Narrator
from shared.contracts import Words

LEAST_AHEAD: Final = timedelta(hours=25)
AT_HOME: Final = Words("place:上门", "place:at home")
SUBDISTRICT: Final = "registered_subdistrict"
"""The declaration that names the sub-district of the household registration by its id, from the list of districts."""


async def tell(guide: Guide) -> Booked:
    """Sign the daughter in, save her mother, answer what is asked, book."""
    narrator = guide.narrator
    narrator.chapter(
        Words(
            "特殊困难老年人能力评估：女儿替母亲预约上门评估",
            "An ability assessment: a daughter books a visit for her mother",
        )
    )
    narrator.tell(
        Words("孙岚替母亲宋桂珍预约上门评估。", "Sun Lan books a visit at home for her mother, Song Guizhen.")
    )
    daughter = await guide.sign_in(Words("孙岚", "Sun Lan"), "sun.lan")
    mother = invented.resident(guide.chance, narrator.pick(Words("宋桂珍", "Song Guizhen")), "parent", born=1946)
    mother_id = await guide.save(daughter, mother)
    ask = Ask(method="GET", path="/api/v1/services", query={"kind": "assessment", "attribute": narrator.pick(AT_HOME)})
    found = await guide.booking.ask(daughter.caller, ask, lambda body: screen.services(body, narrator))
    service_id, district_id = found.body["items"][0]["id"], found.body["items"][0]["venue"]["district_id"]
    ask = Ask(method="GET", path=f"/api/v1/services/{service_id}")
    rules = await guide.booking.ask(daughter.caller, ask, lambda body: _asked(body, narrator))
    declarations = await _answers(guide, rules.body["policy"]["declarations"], district_id)
    slot = await guide.free_time(daughter.caller, service_id, guide.ahead(LEAST_AHEAD))
    wish = {
        "slot_id": slot["slot_id"],
        "people": [mother_id],
        "party": "proxy",
        "declarations": declarations,
        "confirm": True,
    }
    booked = await guide.book(daughter, Ask(method="POST", path="/api/v1/bookings", body=wish, expect=201))
    must(booked.body["party"] == "proxy", Words("不是代办预约", "it is not a booking by a proxy"))
    must(booked.body["declarations"] == declarations, Words("申报内容没有记下", "the declarations were not kept"))
    await guide.one_less(service_id, slot)
    await hearing.hear(guide, booked, "confirmation")
    await hearing.reminders(guide, booked)
    return booked


def _asked(body: Mapping[str, Any], narrator: Narrator) -> list[str]:
    policy = body["policy"]
    age = narrator.pick(Words(f"须年满 {policy['age_least']} 周岁", f"from the age of {policy['age_least']}"))
    return [age, *(narrator.pick(one["question"]) for one in policy["declarations"])]


async def _answers(guide: Guide, declarations: list[Mapping[str, Any]], district_id: str) -> dict[str, str]:
    """Answer each question: the sub-district by its id, a choice by its second option."""
    districts = await guide.booking.quietly(guide.anybody, Ask(method="GET", path="/api/v1/districts"))
    district = next(one for one in districts.body["items"] if one["id"] == district_id)
    subdistrict = district["subdistricts"][0]
    must(
        SUBDISTRICT in {one["name"] for one in declarations},
        Words("规则没有问户籍所在街道", "the policy does not ask for the sub-district of registration"),
    )
    guide.narrator.note(
        Words(
            f"户籍：{district['name']['zh']}{subdistrict['name']['zh']}",
            f"registered in {subdistrict['name']['en']}, {district['name']['en']}",
        )
    )
    return {one["name"]: subdistrict["id"] if one["name"] == SUBDISTRICT else one["options"][1] for one in declarations}
