"""How an outcome becomes the answer that is kept with the decision: a repeated request gets the same bytes again."""

from collections.abc import Callable

from services.booking.domain.decision import Outcome
from services.booking.domain.facts import Facts
from shared.web.problems import Answer

Render = Callable[[Outcome, Facts], Answer]
"""Given by the edge that asks; called while the facts of the batch are at hand."""
