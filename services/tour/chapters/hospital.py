"""A hospital appointment [000]: a foreign resident with a passport, in English; found again without an account."""

from datetime import timedelta
from typing import Final

from services.tour import hearing, invented, screen
from services.tour.client import Ask, must
from services.tour.guide import Booked, Guide
from shared.contracts import Words
from shared.web.words import Language

LEAST_AHEAD: Final = timedelta(hours=25)
SEARCH: Final = {"kind": "hospital", "name": "cardiology"}


async def tell(guide: Guide) -> Booked:
    """Sign the visitor in, save him by passport, book; then look the booking up by reference and birth date."""
    narrator = guide.narrator
    narrator.chapter(
        Words("预约诊疗：外籍居民凭护照挂号", "A hospital appointment: a foreign resident with a passport")
    )
    narrator.tell(
        Words(
            "安娜·贝尔用英文界面，凭护照挂心血管内科。给她的消息是英文的，也不写看什么科。",
            "Anna Bell sees the cardiologist, with her passport and in English. Her messages do not say what for.",
        )
    )
    patient = await guide.sign_in(Words("安娜·贝尔", "Anna Bell"), "anna.bell", language=Language.EN)
    person = invented.visitor(guide.chance, "Anna Bell", "self", born=1988)
    person_id = await guide.save(patient, person)
    ask = Ask(method="GET", path="/api/v1/services", query=SEARCH)
    found = await guide.booking.ask(patient.caller, ask, lambda body: screen.services(body, narrator))
    service_id = found.body["items"][0]["id"]
    slot = await guide.free_time(patient.caller, service_id, guide.ahead(LEAST_AHEAD))
    wish = {"slot_id": slot["slot_id"], "people": [person_id], "confirm": True}
    booked = await guide.book(patient, Ask(method="POST", path="/api/v1/bookings", body=wish, expect=201))
    await guide.one_less(service_id, slot)
    await hearing.hear(guide, booked, "confirmation")
    await hearing.reminders(guide, booked)
    narrator.tell(
        Words(
            "在医院自助机上，凭预约号和出生日期也能查到，不用登录。",
            "At the hospital's kiosk, reference and birth date find it without signing in.",
        )
    )
    lookup = {"reference": booked.reference, "birth_date": person.birth_date.isoformat()}
    ask = Ask(method="POST", path="/api/v1/bookings/lookup", body=lookup)
    answer = await guide.booking.ask(guide.anybody, ask, lambda body: screen.booking(body, narrator))
    must(answer.body["id"] == booked.id, Words("查到的是另一项预约", "another booking was found"))
    return booked
