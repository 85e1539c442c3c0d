"""What every model that reads a request has in common."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A request body: an unknown field is refused, never ignored, so that a misspelt wish is not lost in silence."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, frozen=True, allow_inf_nan=False)


class Shown(BaseModel):
    """An answer: exactly its fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)
