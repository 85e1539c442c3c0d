"""The feed: every numbered event over HTTP, for a reader that missed some, or that met an empty broker.

The bus is the doorbell and may lose what it holds; the feed is the truth. A page is a CloudEvents batch of events with
numbers above `after`, ascending and without a gap, read from the outbox in the publisher's database. A page without
events is the end. The reader authenticates with the installation's feed token.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.codec import BATCH_MEDIA_TYPE, Received, from_batch
from shared.contracts import Event
from shared.http import Client, HttpError
from shared.outbox import numbered_after

PAGE_MOST: Final = 1000
"""Events in a page, at most, whatever the reader asks for."""

OK: Final = 200


class FeedUnavailable(Exception):  # noqa: N818 - a state of the other side
    """The feed did not answer, or not with a page. Ask again later."""


async def read_feed(connection: AsyncConnection, table: Table, after: int, limit: int) -> list[Event]:
    """Return the page after number `after` with up to `limit` events (at most `PAGE_MOST`); no lock is taken."""
    return await numbered_after(connection, table, max(after, 0), max(1, min(limit, PAGE_MOST)))


async def fetch_feed(client: Client, url: str, token: str, after: int, limit: int) -> list[Received]:
    """Ask another service for a page of its feed.

    Args:
        client: any client.
        url: the feed's address, without a query.
        token: the installation's feed token.
        after: the last number that the reader has.
        limit: events wanted, at most.

    Raises:
        FeedUnavailable: if there was no answer, or another answer than a page.
        MalformedEvent: if an event of the page cannot be read.
    """
    headers = {"authorization": f"Bearer {token}", "accept": BATCH_MEDIA_TYPE}
    try:
        answer = await client.get(url, params={"after": after, "limit": limit}, headers=headers)
    except HttpError as error:
        raise FeedUnavailable(f"{url} did not answer: {type(error).__name__}") from error
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip()
    if answer.status_code != OK or media_type != BATCH_MEDIA_TYPE:
        raise FeedUnavailable(f"{url} answered {answer.status_code} {media_type}, not a page of events")
    return from_batch(answer.content)


def feed_reader(client: Client, url: str, token: str, limit: int = 500) -> Callable[[int], Awaitable[list[Received]]]:
    """Return the `catch_up` that a consumer asks for the page after a number."""

    async def catch_up(after: int) -> list[Received]:
        return await fetch_feed(client, url, token, after, limit)

    return catch_up
