"""Several reminders of one person that are due together leave as one message. Pure.

The law: quiet hours pile reminders up, those of a whole morning at 20:30 of the evening before, those of a night at
08:00. Reminders to one person on one channel that are claimed together are told in one message, the soonest appointment
first. Each stays a message of its own: it has its attempt, its outcome and its place in the log, so nothing is lost
with another. If one of them may no longer be said when the message is about to leave, none of them leaves in it: the
others are put back and go the next time. The in-app inbox is the record of each booking and is never merged.
"""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from services.notify.domain.dispatch import Due
from services.notify.domain.message import Channel, Kind

MERGED = frozenset({Channel.EMAIL, Channel.SMS})
"""Channels whose messages can list several bookings."""

MOST = 10
"""Bookings in one message."""


def gathered(claimed: Sequence[Due]) -> list[Due]:
    """Return `claimed` with each person's reminders as one: the soonest, with the others in its `together`.

    All else stays as it is, and in its order.
    """
    groups: dict[UUID, list[Due]] = {}
    for due in claimed:
        if _may_be_merged(due):
            groups.setdefault(due.key.recipient_id, []).append(due)
    leading: list[Due] = []
    told: set[UUID] = set()
    for due in claimed:
        if due.id in told:
            continue
        group = groups.get(due.key.recipient_id, []) if _may_be_merged(due) else []
        rest = sorted((one for one in group if one.id not in told), key=_start)[:MOST]
        if len(rest) < 2 or due not in rest:
            leading.append(due)
            told.add(due.id)
            continue
        leading.append(replace(rest[0], together=tuple(rest[1:])))
        told |= {one.id for one in rest}
    return leading


def all_of(due: Due) -> tuple[Due, ...]:
    """Return `due` and what is told together with it, each as its own message."""
    return (replace(due, together=()), *due.together) if due.together else (due,)


def _may_be_merged(due: Due) -> bool:
    return (
        due.key.kind is Kind.REMINDER and due.key.channel in MERGED and due.appointment is not None and not due.copied
    )


def _start(due: Due) -> tuple[str, UUID]:
    assert due.appointment is not None, "only messages about bookings are merged"
    return due.appointment.starts_at.isoformat(), due.id
