"""The bucket of tokens: bursts, refilling, strangers, and that it never grows without bound."""

from typing import Any

import pytest

from shared.web import Buckets, Limits, Rate, Spent
from shared.web.limits import address_key


class Watch:
    """A clock in seconds that stands until it is moved."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_a_whole_quota_may_come_at_once_and_then_one_a_refill(watch: Watch) -> None:
    buckets = Buckets(Rate("default", 6, 60), clock=watch)
    assert [buckets.spend("a").remaining for _ in range(6)] == [5, 4, 3, 2, 1, 0]
    refused = buckets.spend("a")
    assert (refused.wait, refused.remaining) == (10, 0)
    watch.now += 9.5
    assert buckets.spend("a").wait == 1
    watch.now += 0.5
    assert buckets.spend("a").wait == 0
    assert buckets.spend("a").wait == 10


def test_waiting_exactly_as_long_as_told_is_enough(watch: Watch) -> None:
    buckets = Buckets(Rate("default", 7, 60), clock=watch)
    for _ in range(50):
        spent = buckets.spend("a")
        if spent.wait:
            watch.now += spent.wait
            assert buckets.spend("a").wait == 0


def test_a_refusal_costs_nothing(watch: Watch) -> None:
    buckets = Buckets(Rate("default", 1, 60), clock=watch)
    buckets.spend("a")
    for _ in range(100):
        assert buckets.spend("a").wait == 60
    watch.now += 60
    assert buckets.spend("a").wait == 0


def test_one_does_not_spend_what_is_another_s(watch: Watch) -> None:
    buckets = Buckets(Rate("default", 1, 60), clock=watch)
    assert buckets.spend("a").wait == 0
    assert buckets.spend("b").wait == 0


def test_headers_say_policy_rest_and_time(watch: Watch) -> None:
    buckets = Buckets(Rate("default", 600, 60), clock=watch)
    assert dict(buckets.spend("a").headers()) == {
        b"ratelimit-policy": b'"default";q=600;w=60',
        b"ratelimit": b'"default";r=599;t=1',
    }
    for _ in range(599):
        buckets.spend("a")
    refused = buckets.spend("a")
    assert dict(refused.headers())[b"ratelimit"] == f'"default";r=0;t={refused.wait}'.encode()


def test_buckets_are_bounded_and_the_busy_ones_stay(watch: Watch) -> None:
    buckets = Buckets(Rate("default", 2, 60), clock=watch, most=3)
    buckets.spend("idle")
    watch.now += 40
    for _ in range(2):
        buckets.spend("busy")
    buckets.spend("other")
    buckets.spend("fourth")  # `idle` is full again by now and is dropped for it
    assert buckets.spend("busy").wait > 0
    for name in range(100):
        buckets.spend(f"stranger {name}")
    assert len(buckets._full_at) <= 3


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix:socket", "unix:socket"),
    ],
)
def test_an_ipv6_subscriber_is_one_address(host: Any, key: Any) -> None:
    assert address_key(host) == key


def test_sign_in_draws_on_its_own_bucket_by_address_whoever_asks(watch: Watch) -> None:
    limits = Limits(
        account=Rate("account", 2), address=Rate("address", 3), strict={"/sign-in/": Rate("sign-in", 1)}, clock=watch
    )

    def spend(path: str, subject: str | None) -> Spent:
        spent = limits.spend(path, subject, "192.0.2.7")
        assert spent is not None
        return spent

    assert spend("/people", "wang").rate.name == "account"
    assert spend("/people", None).rate.name == "address"
    assert spend("/sign-in/codes", "wang").wait == 0
    assert spend("/sign-in/codes", "li").wait > 0
    assert spend("/people", "wang").wait == 0


def test_a_quota_of_nothing_means_no_limit(watch: Watch) -> None:
    limits = Limits(account=Rate("account", 0), address=Rate("address", 0), clock=watch)
    assert all(limits.spend("/", None, "192.0.2.7") is None for _ in range(1000))
