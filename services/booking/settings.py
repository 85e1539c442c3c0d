"""What can be set from outside, each with its meaning; read from the environment once, when a process starts."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import Settings

Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]


class BookingSettings(Settings):
    """The booking service's settings: `BOOKING_` and the name in capitals, beside those that both services share."""

    model_config = SettingsConfigDict(env_prefix="BOOKING_")

    database_url: str = Field(repr=False, description="PostgreSQL of this service: `postgresql://user@host/booking`.")
    public_url: str = Field(
        default="http://127.0.0.1:8000",
        pattern=r"^https?://[^/?#]+(/[^?#]*[^/?#])?$",
        description="The address that clients see, without a slash at the end; https adds Strict-Transport-Security.",
    )
    notify_url: str = Field(
        default="http://127.0.0.1:8001", description="The notify service's API: its feed says which messages arrived."
    )
    database_connections: Positive = Field(default=8, description="Connections kept for everything but the desk.")
    desk_batch: Positive = Field(default=256, description="Requests that the desk decides in one transaction, at most.")
    desk_bound: Positive = Field(default=4096, description="Requests that may wait for the desk; beyond it, 503.")
    desk_deadline_seconds: float = Field(
        default=5.0, gt=0, description="Seconds that a request may wait for the desk; beyond it, 503."
    )
    token_minutes: Positive = Field(default=60, description="Minutes for which an access token is good.")
    body_limit: Positive = Field(default=64 * 1024, description="Largest request body in bytes; beyond it, 413.")
    rate_account: NotNegative = Field(default=600, description="Requests a minute for one account; 0: no limit.")
    rate_address: NotNegative = Field(
        default=1200, description="Requests a minute for one address that is not signed in; 0: no limit."
    )
    rate_sign_in: NotNegative = Field(
        default=60,
        description="Sign-in requests a minute for one address; 0: no limit. Each phone has a limit of its own too.",
    )
