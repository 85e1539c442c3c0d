"""Where a browser may have us send its pushes: to a push service that is known, over TLS, and nowhere else.

The law: whoever registers an address makes our worker call it. The list of push services is short and set by the
operator, so an address that is not on it is refused outright, and nobody can have us knock at the city's own machines.
A loopback host, where it is listed, stands in for one during a trial on one machine, and needs no TLS.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

LONGEST_ENDPOINT = 2000

_LOOPBACK = frozenset({"127.0.0.1", "localhost"})


def is_allowed(endpoint: str, hosts: Collection[str]) -> bool:
    """Return whether `endpoint` is at one of `hosts`; one that begins with a dot stands for every name below it."""
    if len(endpoint) > LONGEST_ENDPOINT or not endpoint.isascii() or any(ord(one) <= 32 for one in endpoint):
        return False
    try:
        where = urlsplit(endpoint)
        host, port = where.hostname or "", where.port
    except ValueError:
        return False
    if where.username is not None or where.password is not None or where.fragment or "\\" in endpoint:
        return False
    known = any(host == one or (one.startswith(".") and host.endswith(one)) for one in hosts)
    if host in _LOOPBACK:
        return known and where.scheme in {"http", "https"}
    return known and where.scheme == "https" and port in {None, 443}
