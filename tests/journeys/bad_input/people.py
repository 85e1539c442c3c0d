"""People who cannot be saved as they were typed, and contact data that reaches nobody."""

from datetime import date
from typing import Any

from services.booking.domain.reason import Reason
from tests.journeys.bad_input.case import Arrange, Ask, Case, ask
from tests.journeys.bad_input.stage import Stage, card, unknown_id

PEOPLE = "/api/v1/people"
SOMEBODY = {"name": "王建国", "relation": "parent"}
CARD = card(date(1950, 1, 1))
WRONG_CHECK = CARD[:-1] + ("0" if CARD[-1] != "0" else "1")
PASSPORT = {"type": "passport", "number": "L898902C3"}


def save(number: str = CARD, kind: str = "resident_identity_card", **changes: Any) -> Arrange:
    """Save somebody with this document."""
    return ask("wang", "POST", PEOPLE, SOMEBODY | {"document": {"type": kind, "number": number}} | changes)


async def saved_already(stage: Stage) -> Ask:
    known = await stage.person(document={"type": "resident_identity_card", "number": CARD})
    document = {"type": "resident_identity_card", "number": f"{CARD[:6]} {CARD[6:14]}-{CARD[14:].lower()}"}
    body = SOMEBODY | {"document": document}
    return Ask(who=stage.wang, method="POST", path=PEOPLE, body=body, facts={"person_id": known})


async def another_birth_date(stage: Stage) -> Ask:
    await stage.person(whose=stage.li, document=PASSPORT, birth_date="1974-08-12")
    body = SOMEBODY | {"document": PASSPORT, "birth_date": "1974-08-13"}
    return Ask(who=stage.wang, method="POST", path=PEOPLE, body=body)


async def one_too_many(stage: Stage) -> Ask:
    await stage.people(20)
    body = SOMEBODY | {"document": {"type": "resident_identity_card", "number": CARD}}
    return Ask(who=stage.wang, method="POST", path=PEOPLE, body=body)


async def somebody_else_s(stage: Stage) -> Ask:
    return Ask(who=stage.wang, method="DELETE", path=f"{PEOPLE}/{await stage.person(whose=stage.li)}")


R, NUMBER = Reason, "/document/number"


def why(word: str) -> dict[str, str]:
    """What is wrong with a document, in one word for the program that asks."""
    return {"why": word}


CARD_OF = {"document_type": "resident_identity_card"}
PASSPORT_OF = {"document_type": "passport"}

CASES = [
    Case("a wrong check digit", 422, R.DOCUMENT_INVALID, save(WRONG_CHECK), NUMBER, facts=why("check_digit") | CARD_OF),
    Case("a digit too few", 422, R.DOCUMENT_INVALID, save(CARD[1:]), NUMBER, facts=why("length")),
    Case("letters in a card's number", 422, R.DOCUMENT_INVALID, save("21020A" + CARD[6:]), NUMBER, facts=why("characters")),
    Case("an area that never was", 422, R.DOCUMENT_INVALID, save(card(date(1950, 1, 1), area="990101")), NUMBER, facts=why("area")),
    Case("a card of somebody not yet born", 422, R.DOCUMENT_INVALID, save(card(date(2027, 1, 1))), NUMBER, facts=why("future_birth_date")),
    Case("a card from before the last emperor", 422, R.DOCUMENT_INVALID, save(card(date(1880, 1, 1))), NUMBER, facts=why("birth_date")),
    Case("a Hong Kong permit with a mainland area", 422, R.DOCUMENT_INVALID, save(CARD, "hong_kong_macau_residence_permit"), NUMBER, facts=why("area")),
    Case("a travel permit without its letter", 422, R.DOCUMENT_INVALID, save("123456789", "hong_kong_macau_travel_permit"), NUMBER, facts=why("format")),
    Case("a driving licence", 422, R.INVALID_REQUEST, save(kind="driving_licence"), "/document/type", "enum"),
    Case("a passport without a birth date", 422, R.BIRTH_DATE_NEEDED, save("L898902C3", "passport"), "/birth_date", facts=PASSPORT_OF),
    Case("a birth date in the future", 422, R.DOCUMENT_INVALID, save("L898902C3", "passport", birth_date="2027-01-01"), "/birth_date", facts=why("future_birth_date")),
    Case("a birth date that is not the card's", 422, R.BIRTH_DATE_CONTRADICTS, save(birth_date="1951-01-01"), "/birth_date", facts=CARD_OF),
    Case("a birth date that is not the passport's", 422, R.BIRTH_DATE_CONTRADICTS, another_birth_date, "/birth_date", facts=PASSPORT_OF),
    Case("somebody saved already", 409, R.PERSON_SAVED_ALREADY, saved_already, NUMBER),
    Case("a twenty-first person", 409, R.PEOPLE_LIMIT_REACHED, one_too_many, facts={"most": 20}),
    Case("a name of spaces", 422, R.INVALID_REQUEST, save(name="   "), "/name", "string_too_short"),
    Case("a relation that is none", 422, R.INVALID_REQUEST, save(relation="acquaintance"), "/relation", "enum"),
    Case("taking out somebody unknown", 404, R.PERSON_UNKNOWN, ask("wang", "DELETE", f"{PEOPLE}/{unknown_id()}")),
    Case("taking out somebody else's person", 404, R.PERSON_UNKNOWN, somebody_else_s),
    Case("an address that is no mail address", 422, R.INVALID_REQUEST, ask("wang", "PATCH", "/api/v1/me", {"email": "wang at home"}), "/email", "value_error"),
    Case("a code without an address to prove", 409, R.NOTHING_TO_PROVE, ask("wang", "POST", "/api/v1/me/email/proof", {"code": "493027"})),
    Case("another code without an address to prove", 409, R.NOTHING_TO_PROVE, ask("wang", "POST", "/api/v1/me/email/codes")),
    Case("a proof that is no code", 422, R.INVALID_REQUEST, ask("wang", "POST", "/api/v1/me/email/proof", {"code": "12345"}), "/code", "string_pattern_mismatch"),
    Case("a link that nobody was sent", 404, R.PROOF_LINK_INVALID, ask("nobody", "POST", "/contact-proofs/of-nothing")),
    Case("a language that is not spoken here", 422, R.INVALID_REQUEST, ask("wang", "PATCH", "/api/v1/me", {"language": "fr"}), "/language", "enum"),
    Case("another phone number by the back door", 422, R.INVALID_REQUEST, ask("wang", "PATCH", "/api/v1/me", {"phone": "13900007777"}), "/phone", "extra_forbidden"),
]  # fmt: skip
