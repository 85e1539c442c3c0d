"""The call of a partner's webhook: to the address that was checked, once, and nowhere that it is sent on to.

The law of the guard: the name is resolved here, every address it has must be a public one, and the connection is made to
the address that was checked, with the name in the Host header and in TLS. So a name that resolves differently a moment
later (DNS rebinding) changes nothing, and a redirect is an answer like any other, never followed. Only https, unless
the host is one that the operator named for trials.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from services.notify.channels.http_answer import retry_after
from services.notify.domain.partner_address import is_allowed
from services.notify.domain.webhook import Reply, WebhookWhy, is_public
from shared.http import Client, HttpError

SECONDS = 15.0

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Gives the addresses of a host."""


async def resolve(host: str, port: int) -> list[str]:
    """Ask the system.

    Raises:
        OSError: there is no such name, or nobody to ask.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1)  # SOCK_STREAM
    return list(dict.fromkeys(str(one[4][0]) for one in found))


@dataclass(frozen=True, slots=True)
class WebhookCall:
    """Calls webhooks. `trial_hosts` are hosts that need be neither public nor https."""

    client: Client
    resolve: Resolve = resolve
    trial_hosts: Collection[str] = ()

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> Reply:
        """Return what came of it; no fault of the other side is raised."""
        if not is_allowed(url, self.trial_hosts):
            return Reply(status=None, why=WebhookWhy.ADDRESS_FORBIDDEN)
        where = urlsplit(url)
        host = where.hostname or ""
        port = where.port or (443 if where.scheme == "https" else 80)
        try:
            async with asyncio.timeout(SECONDS):
                addresses = await self.resolve(host, port)
                if not addresses or not all(host in self.trial_hosts or is_public(one) for one in addresses):
                    return Reply(status=None, why=WebhookWhy.ADDRESS_FORBIDDEN)
                return await self._call(url, addresses[0], headers, body)
        except (HttpError, OSError, ssl.SSLError, UnicodeError):
            return Reply(status=None, why=WebhookWhy.UNREACHABLE)

    async def _call(self, url: str, address: str, headers: dict[str, str], body: bytes) -> Reply:
        where = urlsplit(url)
        literal = f"[{address}]" if ":" in address else address
        port = f":{where.port}" if where.port else ""
        pinned = urlunsplit((where.scheme, literal + port, where.path or "/", where.query, ""))
        request = self.client.build_request(
            "POST",
            pinned,
            headers={**headers, "host": where.netloc, "content-type": "application/cloudevents+json"},
            content=body,
            extensions={"sni_hostname": where.hostname},
        )
        response = await self.client.send(request, stream=True, follow_redirects=False)
        await response.aclose()  # nobody needs its body, and a partner could make it endless
        why = WebhookWhy.REDIRECTED if response.is_redirect else WebhookWhy.REFUSED
        return Reply(status=response.status_code, why=why, retry_after=retry_after(response))
