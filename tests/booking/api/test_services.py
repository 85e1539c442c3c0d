"""Districts, venues and services as a resident's screen asks for them."""

from sqlalchemy import text

from services.booking.api.districts import DistrictShown
from services.booking.api.services import ServiceListed, ServiceWithPolicy
from services.booking.api.venues import VenueListed
from shared.web import Page
from tests import make
from tests.booking.api import town
from tests.booking.api.caller import Caller, problem

SERVICES = Page[ServiceListed]


async def ids(
    api: Caller, path: str, model: type[Page[ServiceListed]] | type[Page[VenueListed]] = SERVICES
) -> list[str]:
    return [one.id for one in town.read(model, await api.get(path)).items]


async def test_districts_come_with_their_subdistricts(api: Caller) -> None:
    await town.build(api)
    shown = town.read(Page[DistrictShown], await api.get("/api/v1/districts"))
    assert [(one.id, [sub.id for sub in one.subdistricts]) for one in shown.items] == [
        ("zhongshan", ["taoyuan"]),
        ("shahekou", []),
    ]


VENUES_FOUND = [
    ("", [make.VENUE, "lushun-museum", town.GYM]),
    ("?kind=museum", [make.VENUE, "lushun-museum"]),
    ("?district_id=zhongshan", [make.VENUE, town.GYM]),
    ("?kind=museum&district_id=shahekou", ["lushun-museum"]),
    ("?name=博物馆", [make.VENUE, "lushun-museum"]),
    ("?name=FITNESS", [town.GYM]),
    ("?name=%20fitness%20", [town.GYM]),
    ("?name=nowhere", []),
    ("?district_id=nowhere", []),
]


async def test_venues_are_found(api: Caller) -> None:
    await town.build(api)
    for query, expected in VENUES_FOUND:
        assert await ids(api, f"/api/v1/venues{query}", Page[VenueListed]) == expected, query


SERVICES_FOUND = [
    ("?kind=sports", list(town.COURTS)),
    ("?district_id=shahekou", []),
    (f"?venue_id={make.VENUE}", ["timed-entry"]),
    ("?name=羽毛球", ["badminton-1", "badminton-2"]),
    ("?name=zhongshan fitness", list(town.COURTS)),
    ("?attribute=activity:羽毛球", ["badminton-1", "badminton-2"]),
    ("?attribute=activity:TABLE TENNIS", ["table-tennis-1"]),
    ("?attribute=activity:Badminton&attribute=zone:indoor", ["badminton-1", "badminton-2"]),
    ("?attribute=activity:Badminton&attribute=zone:outdoor", []),
    ("?attribute=department:Badminton", []),
]


async def test_services_are_found(api: Caller) -> None:
    await town.build(api)
    for query, expected in SERVICES_FOUND:
        assert await ids(api, f"/api/v1/services{query}") == expected, query


async def test_a_list_is_walked_by_its_next_link(api: Caller) -> None:
    await town.build(api)
    seen, path = [], "/api/v1/services?limit=1&kind=sports"
    while path:
        answer = await api.get(path)
        page = town.read(SERVICES, answer)
        assert len(page.items) == 1
        assert answer.headers.get("link") == (f'<{page.next}>; rel="next"' if page.next else None)
        seen.append(page.items[0].id)
        path = page.next
    assert seen == list(town.COURTS)


async def test_a_cursor_of_another_list_is_refused(api: Caller) -> None:
    await town.build(api)
    following = town.read(SERVICES, await api.get("/api/v1/services?limit=1")).next
    assert following.startswith("/api/v1/services?limit=1&cursor=")
    problem(await api.get(following + "&kind=sports"), 400, "invalid_cursor")
    problem(await api.get("/api/v1/venues?cursor=nonsense"), 400, "invalid_cursor")


async def test_a_service_shows_the_rules_that_will_apply(api: Caller) -> None:
    shown = town.read(ServiceWithPolicy, await api.get("/api/v1/services/timed-entry"))
    policy = make.policy()
    assert shown.policy.release.model_dump(mode="json") == {"days_before": 7, "at": "07:00", "later": []}
    assert set(shown.policy.documents) == policy.documents
    assert set(shown.policy.parties) == policy.parties
    assert shown.policy.reminders == list(policy.reminders)
    assert shown.policy.cancel_by.minutes_before == policy.cancel_by.minutes_before
    assert shown.policy.check_in.opens_minutes_before == policy.check_in.opens_minutes_before
    assert shown.venue.district.zh == "中山区"


UNKNOWN = [
    ("/api/v1/services/nothing", "service_unknown"),
    ("/api/v1/venues/nowhere", "venue_unknown"),
    ("/api/v1/venues/nowhere/weekly-hours", "venue_unknown"),
    ("/api/v1/services/nothing/open-days", "service_unknown"),
    ("/api/v1/services/nothing/hours", "service_unknown"),
]


async def test_what_does_not_exist_is_not_found(api: Caller) -> None:
    for path, code in UNKNOWN:
        problem(await api.get(path), 404, code)


NO_QUESTIONS = ["?kind=cinema", "?limit=0", "?limit=101", "?name=", "?attribute=activity", "?nonsense=1"]


async def test_what_cannot_be_asked_is_refused(api: Caller) -> None:
    for query in NO_QUESTIONS:
        problem(await api.get(f"/api/v1/services{query}"), 422, "invalid_request")


async def test_a_changed_catalogue_is_noticed_within_a_second(api: Caller) -> None:
    assert (await api.get("/api/v1/venues/lushun-museum")).status_code == 404
    await town.build(api)
    assert (await api.get("/api/v1/venues/lushun-museum")).json()["name"]["zh"] == "旅顺博物馆"


async def test_one_look_a_second_serves_every_reader(api: Caller) -> None:
    async with api.engine.begin() as tx:
        await tx.execute(text("UPDATE venues SET name_en = 'Renamed'"))
        await tx.execute(text("UPDATE catalogue_version SET version = version + 1"))
    assert (await api.get(f"/api/v1/venues/{make.VENUE}")).json()["name"]["en"] == "Dalian Museum"
    town.look(api)
    assert (await api.get(f"/api/v1/venues/{make.VENUE}")).json()["name"]["en"] == "Renamed"
