"""A party as somebody names it who asks for more than one place at once to be looked at: a draw, the waiting list."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from services.booking.domain.policy import PartyKind
from shared.web import Strict


class PartyNamed(Strict):
    """Who would come, what kind of party they are, and what they answer to the questions of the service."""

    people: Annotated[
        list[UUID],
        Field(
            min_length=1,
            max_length=20,
            description="Saved people: the whole party. Each can be in one such request for a service or draw.",
        ),
    ]
    party: Annotated[PartyKind, Field(description="What kind of party they are.")] = PartyKind.ONE_PERSON
    declarations: Annotated[
        dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(min_length=1, max_length=200)]],
        Field(default_factory=dict, max_length=20, description="Answers to what the service's policy asks."),
    ]
