"""A page of the feed over HTTP."""

import pytest

from shared.codec import BATCH_MEDIA_TYPE, MalformedEvent, UnknownEvent, to_batch
from shared.feed import FeedUnavailable, feed_reader, fetch_feed
from shared.http import Client, HttpError, MockTransport, Request, Response
from tests.shared.samples import event

URL = "http://booking.test/internal/events"


def client(answer: Response | HttpError, seen: list[Request] | None = None) -> Client:
    def respond(request: Request) -> Response:
        if seen is not None:
            seen.append(request)
        if isinstance(answer, HttpError):
            raise answer
        return answer

    return Client(transport=MockTransport(respond))


def page(body: bytes) -> Response:
    return Response(200, content=body, headers={"content-type": f"{BATCH_MEDIA_TYPE}; charset=UTF-8"})


async def test_a_page_is_asked_for_and_read() -> None:
    events, seen = [event(6), event(7)], list[Request]()
    async with client(page(to_batch(events, "/yuyue/booking")), seen) as one:
        assert await feed_reader(one, URL, "secret", limit=50)(5) == events

    (request,) = seen
    assert (request.url.path, dict(request.url.params)) == ("/internal/events", {"after": "5", "limit": "50"})
    assert request.headers["authorization"] == "Bearer secret"
    assert request.headers["accept"] == BATCH_MEDIA_TYPE


async def test_the_end_of_the_feed_is_an_empty_page() -> None:
    async with client(page(b"[]")) as one:
        assert await fetch_feed(one, URL, "secret", 5, 50) == []


async def test_an_event_of_an_unknown_type_keeps_its_place() -> None:
    newer = to_batch([event(6)], "/x").replace(b"booking.confirmed.v1", b"booking.unheard_of.v1")
    async with client(page(newer)) as one:
        (unknown,) = await fetch_feed(one, URL, "secret", 5, 50)
    assert isinstance(unknown, UnknownEvent)
    assert unknown.number == 6


@pytest.mark.parametrize(
    "answer",
    [
        Response(401, json={}),
        Response(503),
        Response(302, headers={"location": "http://elsewhere.test"}),
        Response(200, json=[]),  # application/json: not the feed
        Response(200, html="<html>sign in</html>"),
        HttpError("no route"),
    ],
)
async def test_another_answer_than_a_page_is_no_page(answer: Response | HttpError) -> None:
    async with client(answer) as one:
        with pytest.raises(FeedUnavailable, match=URL):
            await fetch_feed(one, URL, "secret", 5, 50)


async def test_a_damaged_page_is_an_error_and_not_the_end_of_the_feed() -> None:
    async with client(page(b'[{"specversion": "1.0"}]')) as one:
        with pytest.raises(MalformedEvent):
            await fetch_feed(one, URL, "secret", 5, 50)
