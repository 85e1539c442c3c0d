"""Why somebody is barred, and why an appeal, an annulment or an exemption is refused: status and words."""

from collections.abc import Mapping

from services.booking.api.words.requests import text
from services.booking.domain.reason import Reason
from shared.web.problems import ProblemText

PENALTIES: Mapping[Reason, ProblemText] = {
    Reason.BARRED: text(
        409,
        ("暂停网上预约", "Barred from booking online"),
        "因 {threshold} 次未到或取消[（{struck_on}）]，此人在 {barred_until} 前不能网上预约这一时段（{scope_zh}）。此后的时段现在即可预约；窗口和电话"
        "预约不受影响。如有异议，可对此提出申诉。",
        "After {threshold} missed or cancelled bookings[ ({struck_on})] this person cannot book visits before {barred_until} online"
        " ({scope_en}). Later times can be booked now, and the counter and telephone still book for them. If this is wrong,"
        " appeal against it.",
    ),
    Reason.PENALTY_UNKNOWN: text(
        404,
        ("没有该记录", "Unknown penalty"),
        "没有找到该限制记录，或其中的人员不在您的常用人员中。",
        "There is no such penalty of a person whom you have saved.",
    ),
    Reason.NOT_BARRED: text(
        409,
        ("未被限制", "Not barred"),
        "此人目前没有被限制预约，无需申诉。",
        "This person is not barred now; there is nothing to appeal against.",
    ),
    Reason.APPEALED_ALREADY: text(
        409,
        ("已申诉", "Appealed already"),
        "每次限制只能申诉一次，此次已提出。请等待工作人员答复。",
        "A bar can be appealed against once, and this one was. Please wait for the venue's answer.",
    ),
    Reason.APPEAL_UNKNOWN: text(
        404,
        ("没有该申诉", "Unknown appeal"),
        "没有找到该申诉，请从本场馆的申诉列表中选择。",
        "There is no such appeal. Choose one from your venue's list.",
    ),
    Reason.APPEAL_DECIDED: text(
        409,
        ("申诉已处理", "Decided already"),
        "该申诉已有处理结果，不能更改。",
        "This appeal has been decided, and the decision stands.",
    ),
    Reason.STRIKE_UNKNOWN: text(
        404,
        ("没有该记录", "Unknown strike"),
        "没有找到该未到或取消记录，请从本场馆的记录中选择。",
        "There is no such record at your venue.",
    ),
    Reason.STRIKE_ANNULLED: text(
        409,
        ("记录已撤销", "Annulled already"),
        "该记录此前已撤销，不再计次。",
        "This record was annulled before and does not count.",
    ),
    Reason.EXEMPT_ALREADY: text(
        409,
        ("已豁免", "Exempt already"),
        "此人在本场馆已被豁免。",
        "This person is exempt at this venue already.",
    ),
    Reason.EXEMPTION_UNKNOWN: text(
        404,
        ("没有该豁免", "Unknown exemption"),
        "没有找到该豁免，或已结束。",
        "There is no such exemption at this venue, or it has ended.",
    ),
}
