"""What the city's files promise, checked against the documents [000] [001] [004]."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta

import pytest

from services.booking.catalogue import City
from services.booking.domain import calendar
from services.booking.domain.catalogue import ServiceKind
from services.booking.domain.draw_round import releases_to_draw
from services.booking.domain.hours_ledger import weekly_open_minutes
from services.booking.domain.opening import Offer, opened
from services.booking.domain.plan import Charge
from services.booking.domain.policy import PartyKind
from services.booking.domain.schedule import open_days, slots_of
from services.booking.domain.zone import at_local, local, local_day
from shared.contracts import Words
from shared.ids import new_id
from shared.refusal import Refused
from tests import make

MUSEUMS = {
    "旅顺博物馆",
    "大连博物馆",
    "大连自然博物馆",
    "旅顺日俄监狱旧址博物馆",
    "大连汉墓博物馆",
    "大连武术文化博物馆",
}
SPORTS_VENUES = {
    "大连市民健身中心",
    "中山区市民健身中心",
    "西岗区体育馆",
    "甘井子区体育场",
    "甘井子区市民健身中心",
    "大连金州体育场",
    "大连金州市民健身中心",
    "大连开发区市民健身中心",
    "瓦房店市体育场",
    "长海县市民健身中心",
}
DISCIPLINES = {"妇科", "产科", "生殖", "男科", "遗传", "中医", "心理学"}
DISTRICTS = {
    "中山区",
    "西岗区",
    "沙河口区",
    "甘井子区",
    "旅顺口区",
    "金普新区",
    "普兰店区",
    "瓦房店市",
    "庄河市",
    "长海县",
    "高新区",
    "长兴岛经济区",
}
EXTENDED_2025 = {
    *(date(2025, 5, day) for day in range(1, 6)),
    *(date(2025, 10, day) for day in range(1, 9)),
    *(day for day in (date(2025, 7, 1) + timedelta(days=passed) for passed in range(92)) if day.isoweekday() in {6, 7}),
}
"""[001]: each Saturday and Sunday of July to September (28 September, a Sunday that was worked, too), 五一 and 十一."""


def names(city: City, kind: ServiceKind) -> set[str]:
    return {venue.name.zh for venue in city.venues.values() if venue.kind is kind}


def test_every_venue_that_the_documents_name_is_there(city: City) -> None:
    assert names(city, ServiceKind.MUSEUM) == MUSEUMS
    assert names(city, ServiceKind.SPORTS) == SPORTS_VENUES
    assert {district.name.zh for district in city.districts.values()} == DISTRICTS
    assert len(names(city, ServiceKind.FERTILITY)) == 4
    assert {venue.district_id for venue in city.venues.values() if venue.kind is ServiceKind.ASSESSMENT} == set(
        city.districts
    )
    assert {"大连市第七人民医院", "大连市金州区第一人民医院"} <= names(city, ServiceKind.HOSPITAL)
    assert len(names(city, ServiceKind.HOSPITAL)) == 8


def test_each_fertility_site_has_the_seven_disciplines(city: City) -> None:
    for venue in city.venues.values():
        if venue.kind is ServiceKind.FERTILITY:
            services = [service for service in city.services.values() if service.venue_id == venue.id]
            assert {service.attributes["discipline"].zh for service in services} == DISCIPLINES
            assert all(PartyKind.COUPLE in city.policies[service.policy_id].parties for service in services)


def test_the_seventh_hospital_has_its_three_clinics(city: City) -> None:
    departments = {
        service.attributes["department"].zh
        for service in city.services.values()
        if city.venues[service.venue_id].name.zh == "大连市第七人民医院"
    }
    assert departments == {"心理门诊", "睡眠门诊", "助考门诊"}


def every_word(city: City) -> Iterator[tuple[str, Words]]:
    for district in city.districts.values():
        yield district.id, district.name
        yield from ((f"{district.id}/{key}", words) for key, words in district.subdistricts.items())
    for venue in city.venues.values():
        yield venue.id, venue.name
        yield venue.id, venue.address
    for service in city.services.values():
        yield service.id, service.name
        yield from ((f"{service.id}/{key}", words) for key, words in service.attributes.items() if key != "number")
    for plan in city.plans.values():
        hours = [one for window in plan.windows for one in window.hours]
        hours += [one for exception in plan.exceptions for one in exception.hours]
        yield from ((plan.service_id, one.label) for one in hours)


def is_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)


def test_everything_has_a_chinese_and_an_english_name(city: City) -> None:
    words = list(every_word(city))
    assert len(words) > 500
    assert [place for place, one in words if not is_chinese(one.zh) or not one.en or is_chinese(one.en)] == []


def test_names_differ_within_a_venue(city: City) -> None:
    for language in ("zh", "en"):
        seen = [(service.venue_id, getattr(service.name, language)) for service in city.services.values()]
        assert len(set(seen)) == len(seen)


def test_addresses_stand_in_no_document_and_are_marked(city: City) -> None:
    assert all(venue.sample for venue in city.venues.values())
    assert all("示例" in venue.address.zh for venue in city.venues.values())


def test_every_policy_is_used_and_every_service_has_a_plan(city: City) -> None:
    assert {service.policy_id for service in city.services.values()} == set(city.policies)
    assert set(city.plans) == set(city.services)
    assert all(policy.reminders == (1440, 120) for policy in city.policies.values())


def evenings(city: City) -> list[str]:
    return [service_id for service_id in city.services if service_id.endswith("-evening-entry")]


def test_extended_days_of_2025_are_exactly_the_documents(city: City) -> None:
    assert len(EXTENDED_2025) == 5 + 8 + 26
    assert len(evenings(city)) == 6
    for service_id in evenings(city):
        days = open_days(city.plans[service_id], date(2025, 1, 1), date(2025, 12, 31))
        assert {day.date for day in days} == EXTENDED_2025
        assert len(days) == len(EXTENDED_2025)
        assert {(day.opens, day.last_entry, day.closes, day.charge) for day in days} == {
            (time(16, 30), time(18, 0), time(18, 30), Charge.FREE)
        }


def test_timed_entries_of_an_evening_end_with_the_last_entry(city: City) -> None:
    for service_id in evenings(city):
        slots = slots_of(city.plans[service_id], date(2025, 7, 5), date(2025, 7, 5))
        assert [local(slot.starts_at).time() for slot in slots] == [time(16, 30), time(17, 0), time(17, 30)]
        assert max(local(slot.ends_at).time() for slot in slots) == time(18, 0)


def test_a_year_without_official_calendar_has_no_answer(city: City) -> None:
    year = calendar.known_years()[-1] + 1
    with pytest.raises(Refused, match="no_official_calendar"):
        open_days(city.plans[evenings(city)[0]], date(year, 7, 1), date(year, 7, 31))
    assert all(plan.valid_until.year < year for plan in city.plans.values())


def mondays(year: int) -> Iterator[date]:
    first = date(year, 1, 5)
    monday = first - timedelta(days=first.weekday())
    while monday + timedelta(days=6) <= date(year, 12, 31):
        yield monday
        monday += timedelta(days=7)


def test_every_sports_venue_opens_35_hours_a_week_free_or_at_low_charge(city: City) -> None:
    year = calendar.known_years()[-1]
    checked = 0
    for venue in city.venues.values():
        if venue.kind is not ServiceKind.SPORTS:
            continue
        plans = {city.plans[one.id] for one in city.services.values() if one.venue_id == venue.id}
        different = {replace(plan, service_id="court") for plan in plans}  # courts of a kind share their hours
        hours = {
            str(number): open_days(plan, date(year, 1, 1), date(year, 12, 31)) for number, plan in enumerate(different)
        }
        for monday in mondays(year):
            ledger = weekly_open_minutes(hours, venue.id, monday)
            assert ledger.met, (venue.name.zh, monday, ledger.open_minutes)
            checked += 1
    assert checked >= 10 * 51


def test_national_fitness_day_is_free_all_day(city: City) -> None:
    year = calendar.known_years()[-1]
    for service in city.services.values():
        if service.kind is ServiceKind.SPORTS:
            days = open_days(city.plans[service.id], date(year, 8, 8), date(year, 8, 8))
            assert days, service.id
            assert {day.charge for day in days} == {Charge.FREE}


def test_clinics_follow_the_official_calendar(city: City) -> None:
    plan = city.plans["dalian-central-hospital-internal-medicine"]
    labour_day, worked_saturday, sunday = date(2026, 5, 1), date(2026, 5, 9), date(2026, 5, 10)
    assert not open_days(plan, labour_day, labour_day)
    assert [day.closes for day in open_days(plan, worked_saturday, worked_saturday)] == [time(11, 30), time(16, 30)]
    assert not open_days(plan, sunday, sunday)


def test_the_psychology_clinic_is_open_until_seven_when_school_begins(city: City) -> None:
    plan = city.plans["dalian-seventh-hospital-psychology"]
    closes = {day: max(one.closes for one in open_days(plan, day, day)) for day in (date(2026, 9, 1), date(2026, 7, 1))}
    assert closes == {date(2026, 9, 1): time(19, 0), date(2026, 7, 1): time(16, 30)}


STOREROOM = "dalian-museum-storeroom-visit"


def test_whichever_day_it_is_the_sample_of_a_draw_can_be_seen(city: City) -> None:
    """A newcomer who starts the system finds a round that takes requests, or is about to."""
    service = city.services[STOREROOM]
    policy = city.policies[service.policy_id]
    assert (service.sample, [one for one in city.policies.values() if one.draw is not None]) == (True, [policy])
    assert policy.draw is not None
    offer = Offer(service=service, venue=city.venues[service.venue_id], policy=policy)
    rows = [opened(slot, offer) for slot in slots_of(city.plans[STOREROOM], date(2026, 10, 1), date(2026, 12, 1))]
    slots = [
        make.slot(
            id=new_id(),
            service_id=STOREROOM,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            bookable_from=row.bookable_from,
            bookable_until=row.bookable_until,
        )
        for row in rows
    ]
    for hour in range(14 * 24):
        now = at_local(date(2026, 11, 1), time()) + timedelta(hours=hour)
        rounds = releases_to_draw(policy.draw, slots, now)
        assert any(one.opens_at <= now for one in rounds), now


def bookable(city: City, kind: ServiceKind, year: int) -> list[tuple[datetime, datetime]]:
    """From when until when each slot of a kind can be booked online, in a year."""
    spans = set()
    for service in city.services.values():
        if service.kind is kind and is_first(city, service.id):
            offer = Offer(service=service, venue=city.venues[service.venue_id], policy=city.policies[service.policy_id])
            for slot in slots_of(city.plans[service.id], date(year, 1, 1), date(year, 12, 31)):
                row = opened(slot, offer)
                spans.add((row.bookable_from, row.bookable_until))
    return sorted(spans)


def is_first(city: City, service_id: str) -> bool:
    """Say whether no earlier service has the same policy and the same hours: one of each is enough to look at."""

    def hours(one: str) -> tuple[str, object]:
        return city.services[one].policy_id, replace(city.plans[one], service_id="")

    return next(one for one in city.services if hours(one) == hours(service_id)) == service_id


@pytest.mark.parametrize("kind", ServiceKind)
def test_something_can_be_booked_at_any_hour_of_any_day(city: City, kind: ServiceKind) -> None:
    """A newcomer who comes at four in the morning of the Spring Festival finds something to book, of every kind."""
    year = calendar.known_years()[-1]
    spans = bookable(city, kind, year)
    begins = [begin for begin, _ in spans]
    latest, ends = at_local(date(year, 1, 1), time()), []
    for _, end in spans:
        latest = max(latest, end)
        ends.append(latest)
    now, nothing = at_local(date(year, 1, 9), time()), []
    while local_day(now) < date(year, 12, 24):
        position = bisect_right(begins, now)
        if not position or ends[position - 1] <= now:
            nothing.append(now)
        now += timedelta(hours=1)
    assert nothing == []
