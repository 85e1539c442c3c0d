"""Who may sign in, as what, and what a person is to the account that books for them."""

from enum import StrEnum


class Role(StrEnum):
    """What an account may do; every role but the resident's is bound to venues, save the administrator's."""

    RESIDENT = "resident"
    STAFF = "staff"
    SCHEDULER = "scheduler"
    ADMINISTRATOR = "administrator"


AT_VENUES = frozenset({Role.STAFF, Role.SCHEDULER})
"""Roles that mean nothing without a venue."""


class Relation(StrEnum):
    """What a saved person is to the account: one may book for family, and an agent (代理人) for a client [001]."""

    SELF = "self"
    SPOUSE = "spouse"
    PARENT = "parent"
    CHILD = "child"
    GRANDPARENT = "grandparent"
    RELATIVE = "relative"
    CLIENT = "client"
    OTHER = "other"
