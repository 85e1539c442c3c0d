"""Why an itinerary, or one step of it, is refused: status and words, and what to do next."""

from collections.abc import Mapping

from services.booking.api.words.requests import text
from services.booking.domain.itinerary import Misfit
from services.booking.domain.reason import Reason
from shared.contracts import Words
from shared.web.problems import ProblemText

ITINERARIES: Mapping[Reason, ProblemText] = {
    Reason.ITINERARY_UNKNOWN: text(
        404,
        ("没有该行程", "Unknown itinerary"),
        "没有该行程，请从行程列表中选择。",
        "There is no such itinerary. Choose one from the list of itineraries.",
    ),
    Reason.ITINERARY_INCOMPLETE: text(
        422,
        ("行程不完整", "Itinerary not complete"),
        "行程的步骤、人员或日期不完整、重复或不存在[（缺少：{missing}）]。请按行程说明逐项填写。",
        "A step, a person or a date of the itinerary is missing, named twice, or not known[ (missing: {missing})]."
        " Give each that its description names, once.",
    ),
    Reason.ITINERARY_WHOLE: text(
        409,
        ("行程为一个整体", "An itinerary is one whole"),
        "该预约是一个行程，不能只改或只取消其中一部分。请重新查询方案并整体改期，或取消后重新预约。",
        "This booking is an itinerary: a part of it cannot be moved or cancelled by itself. Ask for plans and move the whole"
        " to one of them, or cancel it and book again.",
    ),
    Reason.NO_ITINERARY: text(
        409,
        ("该预约不是行程", "Not an itinerary"),
        "该预约只有一个时段，请直接改期到其他时段。",
        "This booking has one slot only. Move it to another slot.",
    ),
    Reason.STEP_UNFIT: text(
        409,
        ("时间不符合行程要求", "A time does not fit the itinerary"),
        "步骤“{step_zh}”的时间不符合要求：{why}。请重新查询方案后选择。",
        "The time of the step “{step_en}” does not fit: {why}. Ask for plans again and choose one.",
    ),
    Reason.STEP_UNKNOWN: text(
        422,
        ("没有这个步骤", "No such step"),
        "该预约没有这个步骤[，有：{steps}]。",
        "This booking has no such step.[ It has: {steps}.]",
    ),
    Reason.STEP_MET: text(
        409,
        ("已签到", "Checked in already"),
        "此步骤已于 {met_at} 签到。",
        "This step was checked in on {met_at}.",
    ),
    Reason.STEP_NOT_MET: text(
        409,
        ("尚未签到", "Not checked in"),
        "此步骤没有签到记录，无需撤销。",
        "Nobody was checked in to this step; there is nothing to take back.",
    ),
    Reason.STEP_NOT_OVER: text(
        409,
        ("尚可签到", "Not over yet"),
        "此步骤在 {over_at} 之前仍可在现场签到，请直接签到，不必更正。",
        "The door of this step checks in until {over_at}. Check its people in there instead of correcting the record.",
    ),
}

MISFITS: Mapping[str, Words] = {
    Misfit.SERVICE: Words("该时段不属于此步骤的服务", "the slot is of another service"),
    Misfit.HOURS: Words("不在此步骤允许的钟点内", "not within the hours of this step"),
    Misfit.DAYS: Words("不在此步骤允许的日期内", "not on a day on which this step makes sense"),
    Misfit.TOO_FAR_APART: Words("与其他步骤相隔天数过多", "too many days away from another step"),
    Misfit.OVERLAP: Words("与同一人的另一步骤时间重叠", "at the time of another step of the same person"),
    Misfit.WALKING: Words("来不及从另一步骤走到", "too little time to walk from one step to the next"),
    Misfit.ORDER: Words("先后顺序不对", "before a step that it must follow"),
    Misfit.TOO_SOON: Words("与另一步骤间隔过短", "too soon after another step"),
    Misfit.TOO_LATE: Words("与另一步骤间隔过长", "too long after another step"),
    Misfit.FASTING: Words("空腹项目须在当天其他项目之前", "what needs fasting must come first on its day"),
}
