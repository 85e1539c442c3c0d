"""What every address has in common at which a provider reports: the secret in it, and that a report is taken in whole."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Path

from services.notify.api.deps import Container
from services.notify.api.problems import problems
from services.notify.commands.receive import receive
from services.notify.domain.reason import Reason
from services.notify.domain.receipt import Receipt
from shared.refusal import Refused
from shared.sealing import same_secret

Secret = Annotated[str, Path(max_length=128, examples=["kJ2n8Qw4"], description="As NOTIFY_RECEIPT_SECRET says.")]
DOCUMENTED = problems(Reason.NOT_FOUND)


def check_secret(parts: Container, secret: str) -> None:
    """Refuse whoever does not know the secret as if there were nothing here.

    Raises:
        Refused: `not_found`.
    """
    expected = parts.settings.receipt_secret
    if expected is None or not same_secret(secret, expected.get_secret_value()):
        raise Refused(Reason.NOT_FOUND)


async def take(parts: Container, arrived: Sequence[Receipt]) -> None:
    """Take receipts in, all in one transaction."""
    async with parts.engine.begin() as tx:
        await receive(tx, sorted(arrived, key=lambda one: one.key), parts.clock())
