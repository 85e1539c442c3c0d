"""Why a round, a request in it, or a decision on an hour is refused: status and words."""

from collections.abc import Mapping

from services.booking.api.words.requests import text
from services.booking.domain.reason import Reason
from shared.web.problems import ProblemText

SEASONS: Mapping[Reason, ProblemText] = {
    Reason.SEASON_ROUND_UNKNOWN: text(
        404,
        ("没有该季度申请", "Unknown request round"),
        "没有该场次申请，请从列表中选择。",
        "There is no such request round. Choose one from the list.",
    ),
    Reason.SEASON_ROUND_INVALID: text(
        422,
        ("设置有误", "Request round not valid"),
        "场次申请设置有误[：{why}]。请修改标出的位置。",
        "The request round cannot be opened so[: {why}]. Correct the place that is named.",
    ),
    Reason.SEASON_ROUND_NOT_OPEN: text(
        409,
        ("不在办理时间", "Not at this time"),
        "申请时间为 {opens_at} 至 {closes_at}，截止后由场馆分配。",
        "Requests come from {opens_at} to {closes_at}; the venue allocates after that.",
    ),
    Reason.SEASON_REQUEST_INVALID: text(
        422,
        ("申请有误", "Request not valid"),
        "申请有误[：{why}]。请修改标出的位置。",
        "The request is not valid[: {why}]. Correct the place that is named.",
    ),
    Reason.OCCURRENCE_UNKNOWN: text(
        404,
        ("没有该场次", "Unknown occurrence"),
        "没有找到该场次，请从申请中选择。",
        "There is no such occurrence of a request. Choose one of its list.",
    ),
    Reason.OCCURRENCE_FIXED: text(
        409,
        ("该场次不能更改", "It cannot be changed any more"),
        "该场次已开始、正在预约或已有结果（{fate}），不能更改；已预约的请在“我的预约”中取消。",
        "This occurrence has begun, is being booked, or is settled ({fate}). What is booked is cancelled as a booking.",
    ),
    Reason.OCCURRENCE_TAKEN: text(
        409,
        ("该时间已分配", "No place at that time"),
        "{starts_at} 没有场地可分配：已分给其他团体，或不在开放计划中。请另选时间。",
        "There is nothing to give at {starts_at}: it is given to others, or the plan has no such hour. Choose another.",
    ),
}
