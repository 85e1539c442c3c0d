"""The picture of a booking's life in the documentation is the table that is the law."""

import re
from pathlib import Path

from services.booking.domain.booking import LIFECYCLE

PICTURE = Path(__file__).parents[3] / "docs" / "architecture.md"


def test_the_documented_picture_is_the_table() -> None:
    text = PICTURE.read_text(encoding="utf-8")
    drawn = set(re.findall(r"^    (\w+) --> (\w+): (\w+)$", text, flags=re.MULTILINE))
    law = {
        (state.value, following.value, action.value)
        for state, actions in LIFECYCLE.items()
        for action, following in actions.items()
    }
    assert drawn == law
