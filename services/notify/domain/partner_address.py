"""Where a partner may listen: an https address by name or number, as far as that can be told without resolving it. Pure."""

from collections.abc import Collection
from urllib.parse import urlsplit


def is_allowed(url: str, trial_hosts: Collection[str]) -> bool:
    """Return whether `url` may be a partner's endpoint, as far as it can be told without resolving its name."""
    if not url.isascii() or any(ord(one) <= 32 for one in url) or "\\" in url:
        return False
    try:
        where = urlsplit(url)
        host, _ = where.hostname or "", where.port
    except ValueError:
        return False
    if not host or where.username is not None or where.password is not None or where.fragment:
        return False
    if host in trial_hosts:
        return where.scheme in {"http", "https"}
    return where.scheme == "https" and ("." in host or ":" in host)
