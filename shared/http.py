"""The one place that imports httpx, so that its successor can take over by changing this file alone.

A `Client` is an `httpx.AsyncClient` with the limits that the house wants everywhere: every call ends (connect 3 s,
then 10 s of silence), redirects are not followed (a token must not travel to another host), and proxies named in the
environment are not used unless asked for (`trust_env=True`), because most calls stay inside the installation.
"""

from typing import Any

import httpx
from httpx import ASGITransport, MockTransport, Request, Response
from httpx import HTTPError as HttpError
from httpx import TimeoutException as Timeout

__all__ = ["NEVER_SENT", "ASGITransport", "Client", "HttpError", "MockTransport", "Request", "Response", "Timeout"]

USER_AGENT = "yuyue"

LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=4.0)
"""Every connection is kept while it is in use now and then: making one anew costs more than a call. It is given up a
little before most servers would, who wait five seconds."""

NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
"""The kinds of `HttpError` after which the other side surely saw nothing of the request."""


class Client(httpx.AsyncClient):
    """An asynchronous HTTP client; whoever makes one closes it (`async with Client() as client`).

    Raises:
        HttpError: from any call that got no answer; `Timeout`, one kind of it, where the other side may have acted all
            the same.
    """

    def __init__(self, **options: Any) -> None:
        headers = {"user-agent": USER_AGENT, **(options.pop("headers", None) or {})}
        defaults: dict[str, Any] = {
            "timeout": httpx.Timeout(10.0, connect=3.0),
            "limits": LIMITS,
            "follow_redirects": False,
            "trust_env": False,
        }
        super().__init__(headers=headers, **(defaults | options))
