"""Why somebody cannot wait, or was passed over while they waited: status and words, and what to do next."""

from collections.abc import Mapping

from services.booking.api.words.requests import text
from services.booking.domain.reason import Reason
from services.booking.domain.waitlist import Skip
from shared.contracts import Words
from shared.web.problems import ProblemText

WAITING: Mapping[Reason, ProblemText] = {
    Reason.WAITLIST_NONE: text(
        409,
        ("不设候补", "No waiting list"),
        "该服务不设候补，请选择其他时段或服务。",
        "This service has no waiting list. Choose another time or another service.",
    ),
    Reason.WAITLIST_SERVICES_DIFFER: text(
        422,
        ("服务不同类", "Services of different kinds"),
        "一次候补只能选择同一类别、规则相同的服务，且不能重复。请分别登记候补。",
        "One entry waits for services of one kind under the same rules, each named once. Join once for each kind.",
    ),
    Reason.WAITLIST_NOTHING_THERE: text(
        422,
        ("没有可候补的时段", "Nothing to wait for"),
        "所选日期和时间内没有还来得及候补的时段，请放宽日期或时间。",
        "There is no time in these days and hours that could still be offered to you. Choose a wider range.",
    ),
    Reason.WAITLIST_TOO_WIDE: text(
        422,
        ("范围过大", "Too wide a range"),
        "所选范围内的时段超过 {most} 个，请缩小日期、时间或服务的范围。",
        "There are more than {most} times in this range. Choose fewer days, hours or services.",
    ),
    Reason.WAITLIST_NOT_NEEDED: text(
        409,
        ("仍有名额", "There is room"),
        "所选范围内仍有名额，请直接预约[：{alternatives}]。",
        "There is room in this range, so there is nothing to wait for. Book it[: {alternatives}].",
    ),
    Reason.WAITLIST_LIMIT_REACHED: text(
        409,
        ("候补过多", "Too many entries"),
        "一个账号最多同时登记 {most} 项候补。请先退出其中一项。",
        "One account can wait {most} times at once. Leave one of the lines first.",
    ),
    Reason.WAITLIST_ENTRY_UNKNOWN: text(
        404,
        ("没有该候补", "Unknown entry"),
        "没有找到该候补，或已结束。",
        "There is no such entry of yours, or it is over.",
    ),
    Reason.WAITING_ALREADY: text(
        409,
        ("已在候补", "Waiting already"),
        "每人对同一服务只能候补一次，此人已在候补其中一项服务。如需更改，请先退出原候补。",
        "Each person waits once for a service, and this person waits for one of these already. To change it, leave that"
        " line first.",
    ),
    Reason.OFFER_IS_FIXED: text(
        409,
        ("候补名额不能更改", "An offer cannot be changed"),
        "候补名额保留至 {hold_until}，只能接受或放弃，不能延长、改期或更改人员。接受后可照常改期。",
        "This offer is kept until {hold_until}. It can be accepted or declined, not extended, moved or changed; once you"
        " have accepted it, it can be moved like any booking.",
    ),
}

SKIPPED: Mapping[Skip, Words] = {
    Skip.MORE_PLACES_NEEDED: Words(
        "空出的名额不足以容纳您同行的所有人。", "Fewer places came free than your party needs."
    ),
    Skip.TOO_LITTLE_TIME: Words("距开始太近，来不及答复。", "Too little time was left for you to answer."),
    Skip.COLLECTING: Words("正在为您同行的所有人逐个保留名额。", "Places are being put together for your whole party."),
}
"""What whoever was passed over reads; what a booking would be refused for has the words of its refusal."""
