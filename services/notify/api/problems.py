"""The one table of reasons: which status and which words each of them has at the edge, and how a route documents them."""

from collections.abc import Mapping

from services.notify.api.problems_of_channels import CHANNELS
from services.notify.domain.reason import Reason
from shared.contracts import Words
from shared.web import Fact, ProblemDocs, Problems, ProblemTable, ProblemText, Responses

TABLE: ProblemTable = {
    Reason.INVALID_REQUEST: ProblemText(
        422,
        Words("请求内容有误", "Invalid request"),
        Words(
            "请求内容有误，请按提示修改后重试。", "The request is not valid. Correct what is named and send it again."
        ),
    ),
    Reason.BODY_TOO_LARGE: ProblemText(
        413,
        Words("请求过大", "Body too large"),
        Words(
            "请求内容过大[，最多 {most_bytes} 字节]。", "The request body is too large[: {most_bytes} bytes at most]."
        ),
    ),
    Reason.NOT_SIGNED_IN: ProblemText(
        401,
        Words("请先登录", "Sign in first"),
        Words(
            "您尚未登录，或登录已过期。请重新登录。",
            "You are not signed in, or your sign-in has expired. Please sign in again.",
        ),
    ),
    Reason.NOT_ALLOWED: ProblemText(
        403,
        Words("没有权限", "Not allowed"),
        Words("您的账号没有此项权限。", "Your account may not do this."),
    ),
    Reason.NOT_FOUND: ProblemText(
        404,
        Words("没有找到", "Not found"),
        Words("这里没有内容，请检查地址。", "There is nothing here. Check the address."),
    ),
    Reason.METHOD_NOT_ALLOWED: ProblemText(
        405,
        Words("不支持的方法", "Method not allowed"),
        Words(
            "该地址不支持这种操作，支持的方法见 Allow。",
            "This address does not take that method; see Allow for those it takes.",
        ),
    ),
    Reason.UNSUPPORTED_MEDIA_TYPE: ProblemText(
        415,
        Words("不支持的格式", "Unsupported media type"),
        Words(
            "请求内容须为 application/json[，而不是 {media_type}]。",
            "Send the body as application/json[, not {media_type}].",
        ),
    ),
    Reason.TOO_MANY_REQUESTS: ProblemText(
        429,
        Words("请求过于频繁", "Too many requests"),
        Words(
            "请求过于频繁，请在 {retry_after_seconds} 秒后重试。",
            "Too many requests. Try again in {retry_after_seconds} seconds.",
        ),
    ),
    Reason.BUSY: ProblemText(
        503,
        Words("系统繁忙", "Busy"),
        Words(
            "暂时无法办理，请[在 {retry_after_seconds} 秒后]重试。",
            "Not now. Try again[ in {retry_after_seconds} seconds].",
        ),
    ),
    Reason.INTERNAL: ProblemText(
        500,
        Words("系统故障", "Internal error"),
        Words(
            "系统出现故障，未能完成。请稍后重试，并可向客服提供请求编号。",
            "Something went wrong on our side. Try again later, and quote the request's number to the help desk.",
        ),
    ),
    Reason.IDEMPOTENCY_KEY_MISSING: ProblemText(
        400,
        Words("缺少 Idempotency-Key", "Idempotency-Key missing"),
        Words(
            '请为每次提交附上 Idempotency-Key 请求头，例如 "8e03978e-40d5-43dd-bc93-6894a57f9324"。',
            'Send an Idempotency-Key header with every write, for example "8e03978e-40d5-43dd-bc93-6894a57f9324".',
        ),
    ),
    Reason.IDEMPOTENCY_KEY_INVALID: ProblemText(
        400,
        Words("Idempotency-Key 格式错误", "Idempotency-Key invalid"),
        Words(
            "Idempotency-Key 应为带英文双引号的文本，1 至 255 个可打印的 ASCII 字符。",
            "The Idempotency-Key must be one string in double quotes, of 1 to 255 printable ASCII characters.",
        ),
    ),
    Reason.IDEMPOTENCY_KEY_REUSED: ProblemText(
        422,
        Words("Idempotency-Key 已被使用", "Idempotency-Key reused"),
        Words(
            "该 Idempotency-Key 已用于另一次内容不同的提交，请换一个新的值。",
            "This Idempotency-Key belongs to another change. Use a new one for each new change.",
        ),
    ),
    Reason.STALE_VERSION: ProblemText(
        412,
        Words("内容已变化", "Changed meanwhile"),
        Words(
            "内容在您查看之后已经变化，请重新查看后再操作。",
            "This has changed since you read it. Read it again before you change it.",
        ),
    ),
    Reason.IF_MATCH_INVALID: ProblemText(
        400,
        Words("If-Match 格式错误", "If-Match invalid"),
        Words('If-Match 应为一个带引号的版本，例如 "2"。', 'If-Match must be one quoted version, for example "2".'),
    ),
    Reason.INVALID_CURSOR: ProblemText(
        400,
        Words("翻页位置无效", "Invalid cursor"),
        Words("翻页位置无效，请从第一页重新开始。", "The cursor is not one of ours. Begin again at the first page."),
    ),
    Reason.MESSAGE_UNKNOWN: ProblemText(
        404,
        Words("没有该消息", "Unknown message"),
        Words("您的收件箱中没有这条消息。", "There is no such message in your inbox."),
    ),
    Reason.TEMPLATE_UNKNOWN: ProblemText(
        404,
        Words("没有该模板", "Unknown template"),
        Words(
            "这类消息没有这种用语，可用的见模板列表。",
            "This kind of message has no such wording; the list of templates names those that there are.",
        ),
    ),
    Reason.BOOKING_UNKNOWN: ProblemText(
        404,
        Words("没有该预约", "Unknown booking"),
        Words(
            "没有找到您的这项预约；刚刚办理的预约，请稍后再查。",
            "There is no such booking of yours; if it was made just now, look again in a moment.",
        ),
    ),
    Reason.TOO_MANY_STREAMS: ProblemText(
        429,
        Words("同时打开的连接过多", "Too many streams"),
        Words(
            "同时打开的实时消息连接过多。请关闭其他页面，或在 {retry_after_seconds} 秒后重试。",
            "Too many streams are open. Close another one, or try again in {retry_after_seconds} seconds.",
        ),
    ),
    Reason.INBOX_STAYS_ON: ProblemText(
        422,
        Words("站内信不能关闭", "The inbox stays on"),
        Words(
            "站内信是预约的记录，不能关闭。短信和邮件可以关闭。",
            "The inbox is the record of your bookings and cannot be switched off. Mail and text messages can.",
        ),
    ),
    Reason.VENUE_NEWS_STAYS_ON: ProblemText(
        422,
        Words("变更和取消通知不能关闭", "Changes and cancellations stay on"),
        Words(
            "预约变更或取消的通知不能关闭，以免您白跑一趟。",
            "News that an appointment was changed or cancelled cannot be switched off, or you might go for nothing.",
        ),
    ),
    Reason.SIGN_IN_CODE_STAYS_ON: ProblemText(
        422,
        Words("验证码不能关闭", "One-time codes stay on"),
        Words(
            "验证码只在您要求时发送，关闭后将无法登录或验证邮箱，因此不能关闭。",
            "A one-time code is sent only when you ask for it, and without it you could neither sign in nor prove an"
            " address, so it stays on.",
        ),
    ),
    Reason.CONSENT_REQUEST_STAYS_ON: ProblemText(
        422,
        Words("征求同意的通知不能关闭", "Requests for consent stay on"),
        Words(
            "征求您同意的通知不能关闭，否则别人为您保留的名额会因无人答复而失效。不同意时请在“我的预约”中拒绝。",
            "A request for your consent cannot be switched off, or a place kept for you would be lost without an answer."
            " If you do not agree, refuse it there.",
        ),
    ),
    Reason.PENALTY_NEWS_STAYS_ON: ProblemText(
        422,
        Words("限制预约的通知不能关闭", "News of a bar stays on"),
        Words(
            "暂停网上预约的通知不能关闭：您应当知道原因、截止时间，以及如何申诉。",
            "News that you may not book online cannot be switched off: you must learn why, until when, and how to appeal.",
        ),
    ),
    Reason.NO_SUCH_CHOICE: ProblemText(
        422,
        Words("没有这一选项", "No such choice"),
        Words(
            "此类通知不经由这一渠道发送，可选项见 choices。",
            "Messages of this kind do not go by this channel; `choices` lists those that there are.",
        ),
    ),
    Reason.QUIET_HOURS_INVALID: ProblemText(
        422,
        Words("免打扰时段无效", "Quiet hours invalid"),
        Words(
            "免打扰时段须精确到分钟，长度在 1 分钟到 16 小时之间；不需要时请填 null。",
            "Quiet hours are whole minutes and last from one minute to 16 hours; for none at all send null.",
        ),
    ),
    Reason.LINK_INVALID: ProblemText(
        404,
        Words("链接无效", "Link invalid"),
        Words(
            "该链接不完整或已失效。请从邮件中完整复制，或登录后在通知设置中更改。",
            "This link is incomplete or no longer good. Copy all of it from the mail, or sign in and change your preferences.",
        ),
    ),
    **CHANNELS,
}

FACTS: Mapping[str, Fact] = {
    "media_type": Fact("the media type that came", "text/plain"),
    "most_bytes": Fact("the largest body, in bytes", 65536),
    "retry_after_seconds": Fact("seconds until it makes sense to ask again", 30),
}

DOCS = ProblemDocs(Problems(TABLE, type_base="/problems/"), FACTS)


def problems(*reasons: Reason) -> Responses:
    """Return the `responses=` of a route that may refuse for `reasons`, with an example of each."""
    return DOCS.responses(*reasons)
