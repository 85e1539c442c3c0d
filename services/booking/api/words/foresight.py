"""What cancelling would count as, in words that are shown before the act."""

from services.booking.domain.catalogue import Catalogue
from services.booking.domain.foresight import Foreseen
from services.booking.domain.penalty import scope_words
from services.booking.domain.zone import in_words
from shared.contracts import Words


def strike_words(one: Foreseen, catalogue: Catalogue) -> Words:
    """Return what is given back, which strike it would be, of how many, and what follows from it or from one more."""
    scope, _ = scope_words(one.scope, catalogue)
    zh = f"名额立即退还，但会计为第 {one.count} 次（满 {one.threshold} 次暂停网上预约）。"
    en = f"Your places are given back at once, but this would be strike {one.count} of {one.threshold}"
    if one.bars_until is not None:
        until = in_words(one.bars_until)
        return Words(
            f"{zh}取消后，{until} 之前的{scope.zh}不能在网上办理，窗口和电话仍可预约。",
            f"{en}: visits before {until} could not be booked online ({scope.en}); the counter and telephone still book.",
        )
    if one.next_bars_until is not None:
        until = in_words(one.next_bars_until)
        return Words(
            f"{zh}再有一次，将暂停网上预约{scope.zh}至 {until}。",
            f"{en}; one more bars from booking online until {until} ({scope.en}).",
        )
    return Words(f"{zh}范围：{scope.zh}。", f"{en} ({scope.en}). Nothing else follows yet.")
