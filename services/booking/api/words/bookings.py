"""Why a booking, a check-in or a plan is refused: status and words, and what to do next."""

from collections.abc import Mapping

from services.booking.api.words.requests import text
from services.booking.domain.reason import Reason
from shared.web.problems import ProblemText

BOOKINGS: Mapping[Reason, ProblemText] = {
    Reason.PERSON_UNKNOWN: text(
        404,
        ("没有该人员", "Unknown person"),
        "您的常用人员中没有此人，请先添加。",
        "This person is not among your saved people. Add them first.",
    ),
    Reason.ERASURE_WAITS: text(
        409,
        ("尚有未了事项", "Something is still to come"),
        "暂不能注销：请先办完以下事项。[预约 {open_bookings} 项，请取消或待其结束。][候补 {open_lines} 项，请退出。]"
        "[抽签报名 {open_draws} 项，请撤回或待抽签结束。][场次申请 {open_seasons} 项，请撤回或待办结。]"
        "[申诉 {open_appeals} 项，请待答复。]",
        "You cannot be erased yet.[ Bookings: {open_bookings}. Cancel them, or wait until they are over.]"
        "[ Waiting lists: {open_lines}. Leave them.][ Draws: {open_draws}. Withdraw, or wait for the draw.]"
        "[ Requests for a season: {open_seasons}. Withdraw them, or wait until they are settled.]"
        "[ Appeals: {open_appeals}. Wait for the answer.]",
    ),
    Reason.SERVICE_UNKNOWN: text(
        404,
        ("没有该服务", "Unknown service"),
        "没有该服务，请从服务列表中选择。",
        "There is no such service. Choose one from the list of services.",
    ),
    Reason.VENUE_UNKNOWN: text(
        404,
        ("没有该场馆", "Unknown venue"),
        "没有该场馆，请从场馆列表中选择。",
        "There is no such venue. Choose one from the list of venues.",
    ),
    Reason.SLOT_UNKNOWN: text(
        404,
        ("没有该时段", "Unknown slot"),
        "没有该时段，请重新查询可预约时段。",
        "There is no such slot. Look up the available times again.",
    ),
    Reason.BOOKING_UNKNOWN: text(
        404,
        ("没有该预约", "Unknown booking"),
        "没有找到该预约，请核对预约编号。",
        "There is no such booking. Check the reference.",
    ),
    Reason.SLOT_PAST: text(
        409,
        ("时段已过", "Already past"),
        "该时段[（{starts_at}）]已经开始或结束。[最近的空闲时段：{alternatives}。]",
        "This time[ ({starts_at})] has begun or is over.[ Nearest free times: {alternatives}.]",
    ),
    Reason.BOOKING_CLOSED: text(
        409,
        ("已停止网上预约", "Online booking has closed"),
        "该时段的网上预约已于 {bookable_until} 截止，请选择其他时段或联系场馆。[最近的空闲时段：{alternatives}。]",
        "Online booking for this time closed on {bookable_until}. Choose another time, or ask the venue."
        "[ Nearest free times: {alternatives}.]",
    ),
    Reason.NOT_RELEASED: text(
        409,
        ("尚未开放预约", "Not released yet"),
        "该时段将于 {bookable_from} 开放预约。[现在可约：{alternatives}。]",
        "Booking for this time opens on {bookable_from}.[ Bookable now: {alternatives}.]",
    ),
    Reason.SLOT_CLOSED: text(
        409,
        ("该时段暂停开放", "Closed"),
        "该时段暂停开放。[最近的空闲时段：{alternatives}。]",
        "This time is closed.[ Nearest free times: {alternatives}.]",
    ),
    Reason.SLOT_DRAWN: text(
        409,
        ("抽签分配", "Drawn by lot"),
        "该时段的名额通过抽签分配，抽签结束后如有剩余再开放预约。[现在可约：{alternatives}。]",
        "Places at this time are drawn by lot; what is left afterwards is opened to everybody.[ Bookable now: {alternatives}.]",
    ),
    Reason.DRAW_UNKNOWN: text(
        404,
        ("没有该抽签", "Unknown draw"),
        "没有该抽签，请从服务的抽签列表中选择。",
        "There is no such draw. Choose one from the service's list of draws.",
    ),
    Reason.DRAW_INVALID: text(
        422,
        ("抽签设置有误", "Draw not valid"),
        "抽签设置有误[：{why}]。请修改标出的位置。",
        "The draw cannot be opened so[: {why}]. Correct the place that is named.",
    ),
    Reason.DRAW_NOT_OPEN: text(
        409,
        ("不在报名时间", "Not open for requests"),
        "报名时间为 {opens_at} 至 {closes_at}。",
        "Requests come and go from {opens_at} to {closes_at}.",
    ),
    Reason.DRAW_ENTERED_ALREADY: text(
        409,
        ("已报名", "Already entered"),
        "每人每次抽签只能报名一次，此人已在其中。如需更改，请先撤回原报名。",
        "Each person can be in one request of a draw, and this person is in one. To change it, withdraw that one first.",
    ),
    Reason.DRAW_FULL: text(
        409,
        ("报名人数已满", "Too many requests"),
        "一次抽签最多接受 {most} 份报名。",
        "One draw takes {most} requests at most.",
    ),
    Reason.DRAW_REQUEST_UNKNOWN: text(
        404,
        ("没有该报名", "Unknown request"),
        "没有找到该报名，或已撤回。",
        "There is no such request of yours, or it is withdrawn.",
    ),
    Reason.SLOT_FULL: text(
        409,
        ("已约满", "Full"),
        "该时段剩余 {places_left} 个名额，不足 {places_asked} 个。[可登记候补，目前有 {waiting} 组在等。]"
        "[最近的空闲时段：{alternatives}。]",
        "Too few places are left at this time: {places_left} of the {places_asked} that you need."
        "[ You can join the waiting list; parties waiting now: {waiting}.][ Nearest free times: {alternatives}.]",
    ),
    Reason.COOLING_OFF: text(
        409,
        ("退订名额，稍后开放", "Given back, not open yet"),
        "该时段有人退订。名额先提供给候补者，其余将在随机时刻重新开放，不提前公布。[目前有 {waiting} 组在候补。][最近的空闲时段：{alternatives}。]",
        "Places at this time were given back. Whoever is on the waiting list comes first; the rest opens again at a random"
        " moment, which is not told beforehand.[ Parties waiting now: {waiting}.][ Nearest free times: {alternatives}.]",
    ),
    Reason.PARTY_KIND_NOT_ACCEPTED: text(
        422,
        ("不接受这种预约方式", "Party not accepted"),
        "该服务不接受“{kind}”预约，可选择：{accepted}。",
        "This service does not take bookings for {kind}. It takes: {accepted}.",
    ),
    Reason.PARTY_TOO_LARGE: text(
        422,
        ("人数过多", "Party too large"),
        "一次最多预约 {most} 人，您选择了 {size} 人。",
        "One booking takes {most} people at most; you chose {size}.",
    ),
    Reason.PARTY_WRONG_SIZE: text(
        422,
        ("人数不符", "Wrong number of people"),
        "“{kind}”预约[须为 {exactly} 人][至少 {least} 人]，您选择了 {size} 人。",
        "A booking for {kind} is for[ exactly {exactly} people][ at least {least} people]; you chose {size}.",
    ),
    Reason.PERSON_TWICE: text(
        422,
        ("人员重复", "Same person twice"),
        "同一人在一次预约中只能出现一次。",
        "The same person can be in a booking only once.",
    ),
    Reason.DOCUMENT_NOT_ACCEPTED: text(
        422,
        ("不接受该证件", "Document not accepted"),
        "该服务不接受{document_type}，可使用：{accepted}。",
        "This service does not accept a {document_type}. It accepts: {accepted}.",
    ),
    Reason.TOO_YOUNG: text(
        422,
        ("未满年龄", "Too young"),
        "该服务要求[在 {on}]年满 {least} 周岁。",
        "This service is for people who are {least} or older[ on {on}].",
    ),
    Reason.TOO_OLD: text(
        422,
        ("超过年龄", "Too old"),
        "该服务要求[在 {on}]不超过 {most} 周岁。",
        "This service is for people who are {most} or younger[ on {on}].",
    ),
    Reason.DECLARATION_MISSING: text(
        422,
        ("有问题未回答", "Question not answered"),
        "请回答：{question_zh}",
        "Please answer: {question_en}",
    ),
    Reason.DECLARATION_INVALID: text(
        422,
        ("回答无效", "Answer not accepted"),
        "该项回答无效。[可选：{options}。]",
        "This answer is not accepted.[ Choose from: {options}.]",
    ),
    Reason.OUTSIDE_DISTRICT: text(
        422,
        ("不在受理区域", "Outside the district"),
        "该机构只受理{district_zh}户籍。请选择户籍所在区的评估机构，或核对所填街道、乡镇。",
        "This agency serves people registered in {district_en}. Choose the agency of the district of registration, or"
        " check the sub-district given.",
    ),
    Reason.ALREADY_BOOKED: text(
        409,
        ("已有预约", "Already booked"),
        "此人已预约该时段（{clash_zh}，{clash_starts_at}）。[预约编号：{reference}。]",
        "This person has a place at this time already ({clash_en}, {clash_starts_at}).[ Reference: {reference}.]",
    ),
    Reason.CLASHES: text(
        409,
        ("时间冲突", "Clashes"),
        "此人在该时间已有预约：{clash_zh}，{clash_starts_at}。请另选时间，或先取消原预约。[预约编号：{reference}。]",
        "This person is booked elsewhere at that time: {clash_en}, {clash_starts_at}. Choose another time, or cancel"
        " that booking first.[ Reference: {reference}.]",
    ),
    Reason.LIMIT_REACHED: text(
        409,
        ("已达预约上限", "Limit reached"),
        "每人{window}在{scope}最多预约 {most} 次。[{free_again_on} 起可再次预约。]",
        "Each person can book {scope} {most} times {window}.[ They can book again from {free_again_on}.]",
    ),
    Reason.HOLDS_LIMIT_REACHED: text(
        409,
        ("保留名额过多", "Too many holds"),
        "您有 {most} 个正在填写的预约。请先确认或取消其中一个。",
        "You are filling in {most} bookings already. Confirm or cancel one of them first.",
    ),
    Reason.WRONG_STATE: text(
        409,
        ("当前状态不能操作", "Not possible now"),
        "该预约{state}，不能{action}。",
        "This booking is {state}; you cannot {action} it.",
    ),
    Reason.HOLD_EXPIRED: text(
        409,
        ("保留时间已过", "Hold expired"),
        "为您保留的名额已于 {expired_at} 失效，请重新选择时段。",
        "The place was held for you until {expired_at}. Please choose a time again.",
    ),
    Reason.EXTENSIONS_USED: text(
        409,
        ("不能再延长", "No more extensions"),
        "最多延长 {most} 次。请在 {hold_until} 前确认。",
        "A hold can be extended {most} times. Confirm it by {hold_until}.",
    ),
    Reason.WAITS_FOR_APPROVAL: text(
        409,
        ("等待审核", "Waiting for approval"),
        "该预约须经工作人员审核后才能确认[，名额保留至 {hold_until}]。",
        "Staff must approve this booking before it is confirmed[; the place is kept until {hold_until}].",
    ),
    Reason.TOO_LATE_TO_CANCEL: text(
        409,
        ("已过取消时间", "Too late to cancel"),
        "该预约可取消至 {cancel_by}。如不能前来，请联系场馆。",
        "This booking could be cancelled until {cancel_by}. If you cannot come, please tell the venue.",
    ),
    Reason.TOO_LATE_TO_MOVE: text(
        409,
        ("已过改期时间", "Too late to change the time"),
        "该预约可改期至 {cancel_by}。原预约不变；如不能前来，请联系场馆。",
        "The time of this booking could be changed until {cancel_by}. It stands as it was; if you cannot come, please"
        " tell the venue.",
    ),
    Reason.SLOT_UNCHANGED: text(
        409,
        ("时段未变", "The same time"),
        "该预约已在这个时段（{starts_at}），请选择其他时段。",
        "The booking has this time ({starts_at}) already. Choose another one.",
    ),
    Reason.NOT_INTERCHANGEABLE: text(
        422,
        ("不能改到该服务", "Cannot be moved there"),
        "只能改到同一服务，或同一场馆内规则相同的同类服务。原预约不变；如需其他服务，请另行预约。",
        "A booking can be moved to another time of its service, or to a like service of the same venue under the same"
        " rules. It stands as it was; for anything else, make another booking.",
    ),
    Reason.NOT_IN_PARTY: text(
        404,
        ("不在该预约中", "Not in this booking"),
        "该预约中没有此人，或此人已退出。",
        "This person is not in the booking, or has left it.",
    ),
    Reason.COUPLE_NEEDS_BOTH: text(
        409,
        ("须夫妇二人", "A couple needs both"),
        "夫妇预约须二人同时前来，不能只取消一人。请改期或取消整个预约。",
        "A booking for a couple needs both of them. Move it to another time, or cancel it whole.",
    ),
    Reason.TOO_LATE_TO_CORRECT: text(
        409,
        ("已过更正时间", "Too late to correct"),
        "未到记录可更正至 {correctable_until}。",
        "The record of a no-show could be corrected until {correctable_until}.",
    ),
    Reason.CHECK_IN_EARLY: text(
        409, ("未到签到时间", "Too early"), "{opens_at} 起可以签到。", "Check-in opens on {opens_at}."
    ),
    Reason.CHECK_IN_LATE: text(
        409,
        ("已过签到时间", "Too late"),
        "签到已于 {closed_at} 截止，请联系现场负责人。",
        "Check-in closed on {closed_at}. Ask the person in charge.",
    ),
    Reason.WRONG_VENUE: text(
        409,
        ("不在此处", "Wrong venue"),
        "该预约在{venue_zh}，不在此处。",
        "This booking is for {venue_en}, not for this place.",
    ),
    Reason.NO_OFFICIAL_CALENDAR: text(
        422,
        ("没有官方节假日安排", "No official calendar"),
        "尚无 {year} 年的官方节假日安排，不能发布该年的开放时间。[已有：{known_years}。]",
        "There is no official holiday calendar for {year} yet, so no hours can be published for it.[ Known: {known_years}.]",
    ),
    Reason.PLAN_INVALID: text(
        422,
        ("开放计划有误", "Plan not valid"),
        "开放计划有误[：{why}]。请修改标出的位置后重新发布。",
        "The plan is not valid[: {why}]. Correct the place that is named, and publish it again.",
    ),
    Reason.PLAN_STRANDS_BOOKINGS: text(
        409,
        ("影响已有预约", "People are booked"),
        "新计划会影响 {bookings} 个已有预约，未发布。请先处理这些预约。",
        "The new plan would strand {bookings} bookings, so it was not published. Deal with those bookings first.",
    ),
}
