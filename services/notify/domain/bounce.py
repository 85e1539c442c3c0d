"""A delivery status notification (RFC 3464), read: which of our mails it speaks of, and what became of it. Pure."""

from email import message_from_string, policy
from email.message import EmailMessage
from typing import Any
from uuid import UUID

from services.notify.domain.message import Evidence
from services.notify.domain.receipt import Receipt


def of_bounce(raw: str) -> Receipt | None:
    """Return what a notification says of one of our mails, by the Message-ID that it brings back."""
    try:
        notification = message_from_string(raw, policy=policy.default)
        fields, ours = _status(notification), _original(notification)
    except (ValueError, LookupError, TypeError):
        return None
    action, status = fields.get("action", ""), fields.get("status", "")
    message_id = _uuid(ours.strip().lstrip("<").partition("@")[0])
    if message_id is None or action not in {"failed", "delivered"}:
        return None
    evidence = Evidence.DELIVERED if action == "delivered" else None
    return Receipt(provider="smtp", message_id=message_id, reference=None, evidence=evidence, code=status[:16])


def _status(notification: EmailMessage) -> dict[str, str]:
    """Return the fields of the first recipient in the machine-readable part."""
    for part in notification.walk():
        if part.get_content_type() == "message/delivery-status":
            blocks: Any = part.get_payload()
            found = [{name.lower(): str(value) for name, value in block.items()} for block in blocks]
            return next(({**one, "action": one["action"].strip().lower()} for one in found if "action" in one), {})
    return {}


def _original(notification: EmailMessage) -> str:
    """Return the Message-ID of the mail that it is about."""
    for part in notification.walk():
        if part.get_content_type() == "text/rfc822-headers":
            return str(message_from_string(str(part.get_content()), policy=policy.default)["Message-ID"] or "")
        if part.get_content_type() == "message/rfc822":
            inner: Any = part.get_payload()
            return str(inner[0]["Message-ID"] or "")
    return ""


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
