"""Why a request itself, or whoever sends it, is refused: status and words."""

from collections.abc import Mapping

from services.booking.domain.reason import Reason
from shared.contracts import Words
from shared.web.problems import ProblemText


def text(status: int, title: tuple[str, str], zh: str, en: str) -> ProblemText:
    """Return a row of the table; `{fact}` and `[left out where its fact is missing]` as `shared.web.problems` reads them."""
    return ProblemText(status, Words(*title), Words(zh, en))


REQUESTS: Mapping[Reason, ProblemText] = {
    Reason.INVALID_REQUEST: text(
        422,
        ("请求内容有误", "Invalid request"),
        "请求内容有误。[原因：{why}。]请按提示修改后重试。",
        "The request is not valid.[ Reason: {why}.] Correct what is named and send it again.",
    ),
    Reason.BODY_TOO_LARGE: text(
        413,
        ("请求过大", "Body too large"),
        "请求内容过大[，最多 {most_bytes} 字节]。",
        "The request body is too large[: {most_bytes} bytes at most].",
    ),
    Reason.NOT_SIGNED_IN: text(
        401,
        ("请先登录", "Sign in first"),
        "您尚未登录，或登录已过期。请重新登录。",
        "You are not signed in, or your sign-in has expired. Please sign in again.",
    ),
    Reason.NOT_ALLOWED: text(
        403,
        ("没有权限", "Not allowed"),
        "您的账号没有此项权限。如需办理，请联系管理员。",
        "Your account may not do this. Ask an administrator if you need to.",
    ),
    Reason.NOT_FOUND: text(
        404, ("没有找到", "Not found"), "这里没有内容，请检查地址。", "There is nothing here. Check the address."
    ),
    Reason.METHOD_NOT_ALLOWED: text(
        405,
        ("不支持的方法", "Method not allowed"),
        "该地址不支持这种操作，支持的方法见 Allow。",
        "This address does not take that method; see Allow for those it takes.",
    ),
    Reason.UNSUPPORTED_MEDIA_TYPE: text(
        415,
        ("不支持的格式", "Unsupported media type"),
        "请求内容须为 application/json[，而不是 {media_type}]。",
        "Send the body as application/json[, not {media_type}].",
    ),
    Reason.TOO_MANY_REQUESTS: text(
        429,
        ("请求过于频繁", "Too many requests"),
        "请求过于频繁，请在 {retry_after_seconds} 秒后重试。",
        "Too many requests. Try again in {retry_after_seconds} seconds.",
    ),
    Reason.BUSY: text(
        503,
        ("系统繁忙", "Busy"),
        "当前使用人数较多，您的请求尚未办理。请[在 {retry_after_seconds} 秒后]重试。",
        "Many people are asking right now, and nothing was done. Try again[ in {retry_after_seconds} seconds].",
    ),
    Reason.UNCERTAIN: text(
        503,
        ("结果尚不确定", "Outcome unknown"),
        "不确定是否办理成功。请使用相同的 Idempotency-Key 重试，不会重复办理；也可查看“我的预约”。",
        "It is not known whether this was done. Repeat it with the same Idempotency-Key, which is safe, or look at"
        " your bookings.",
    ),
    Reason.INTERNAL: text(
        500,
        ("系统故障", "Internal error"),
        "系统出现故障，未能完成。请稍后重试，并可向客服提供请求编号。",
        "Something went wrong on our side. Try again later, and quote the request's number to the help desk.",
    ),
    Reason.IDEMPOTENCY_KEY_MISSING: text(
        400,
        ("缺少 Idempotency-Key", "Idempotency-Key missing"),
        '请为每次提交附上 Idempotency-Key 请求头，例如 "8e03978e-40d5-43dd-bc93-6894a57f9324"。',
        'Send an Idempotency-Key header with every write, for example "8e03978e-40d5-43dd-bc93-6894a57f9324".',
    ),
    Reason.IDEMPOTENCY_KEY_INVALID: text(
        400,
        ("Idempotency-Key 格式错误", "Idempotency-Key invalid"),
        "Idempotency-Key 应为带英文双引号的文本，1 至 255 个可打印的 ASCII 字符。",
        "The Idempotency-Key must be one string in double quotes, of 1 to 255 printable ASCII characters.",
    ),
    Reason.IDEMPOTENCY_KEY_REUSED: text(
        422,
        ("Idempotency-Key 已用于其他请求", "Idempotency-Key used for another request"),
        "这个 Idempotency-Key 已用于内容不同的请求。新的请求请使用新的 Idempotency-Key。",
        "This Idempotency-Key came with a different request before. Use a new one for a new request.",
    ),
    Reason.IDEMPOTENCY_KEY_IN_USE: text(
        409,
        ("请求正在办理", "Still being handled"),
        "相同的请求正在办理，请稍后用相同的 Idempotency-Key 重试。",
        "The same request is still being handled. Repeat it with the same Idempotency-Key in a moment.",
    ),
    Reason.IF_MATCH_INVALID: text(
        400,
        ("If-Match 格式错误", "If-Match invalid"),
        'If-Match 应为一个 ETag，例如 "7"，或 *。',
        'If-Match must be one entity tag such as "7", or *.',
    ),
    Reason.STALE_VERSION: text(
        412,
        ("内容已变化", "Changed meanwhile"),
        "内容在您查看之后已经变化，请重新查看后再操作。",
        "This has changed since you read it. Read it again before you change it.",
    ),
    Reason.INVALID_CURSOR: text(
        400,
        ("翻页标记无效", "Invalid cursor"),
        "翻页标记无效，请从第一页重新开始。",
        "The cursor is not one of ours. Start again from the first page.",
    ),
    Reason.PHONE_INVALID: text(
        422,
        ("手机号码无效", "Invalid phone number"),
        "手机号码无效，请检查后重新填写。境外手机请加国家代码，例如 +44 7400 123456。",
        "This is not a valid mobile number. Begin a number from abroad with its country code, as in +44 7400 123456.",
    ),
    Reason.SIGN_IN_CODE_WRONG: text(
        422,
        ("验证码不正确", "Wrong code"),
        "验证码不正确或已过期。[还可尝试 {tries_left} 次。]如未收到，请重新获取。",
        "The code is wrong or has expired.[ You can try {tries_left} more times.] Ask for a new one if none arrived.",
    ),
    Reason.SIGN_IN_TOO_MANY_TRIES: text(
        422,
        ("尝试次数过多", "Too many tries"),
        "验证码输入错误次数过多，该验证码已失效。请重新获取验证码。",
        "The code was entered wrongly too often and is no longer valid. Ask for a new one.",
    ),
    Reason.NOTHING_TO_PROVE: text(
        409,
        ("没有待验证的邮箱", "Nothing to prove"),
        "您的账号没有待验证的邮箱。请先在“我的账号”中填写邮箱。",
        "No e-mail address of yours waits to be proved. Give one under your account first.",
    ),
    Reason.PROOF_CODE_WRONG: text(
        422,
        ("验证码不正确", "Wrong code"),
        "验证码不正确或已过期。[还可尝试 {tries_left} 次。]请核对邮件，或重新获取。",
        "The code is wrong or has expired.[ You can try {tries_left} more times.] Look into the mail again, or ask for a"
        " new one.",
    ),
    Reason.PROOF_TOO_MANY_TRIES: text(
        422,
        ("尝试次数过多", "Too many tries"),
        "验证码输入错误次数过多，该验证码已失效。请重新获取，或使用邮件中的链接。",
        "The code was entered wrongly too often and is no longer valid. Ask for a new one, or use the link in the mail.",
    ),
    Reason.PROOF_LINK_INVALID: text(
        404,
        ("链接已失效", "Link no longer valid"),
        "该验证链接不存在、已过期或已被新的链接取代。请登录预约平台，重新获取验证邮件。",
        "This link does not exist, has expired, or was replaced by a newer one. Sign in and ask for another mail.",
    ),
    Reason.COPY_UNKNOWN: text(
        404,
        ("没有找到该约定", "No such arrangement"),
        "没有找到这项家人通知的约定，或您无权处理。请在“家人通知”中查看。",
        "There is no such arrangement for copies, or it is not for you to decide. Look at the list of yours.",
    ),
    Reason.COPY_TO_ONESELF: text(
        422,
        ("这是您本人的号码", "Your own number"),
        "这是您本人的手机号，您已会收到自己的通知。请填写家人的手机号。",
        "This is your own number: you get your messages already. Give the number of somebody else.",
    ),
    Reason.COPY_ALREADY: text(
        409,
        ("已经约定或正在征询", "Asked already"),
        "您已请这位家人接收副本，或正在等待答复。如需更改内容，请先停止，再重新发起。",
        "You have asked this person already, or they get copies now. To change it, end it first and ask again.",
    ),
    Reason.COPY_DECIDED: text(
        409,
        ("该约定已有结果", "Decided already"),
        "这项约定的状态已是 {state}，不能再这样处理。如有需要，请重新发起。",
        "This arrangement is {state} already, so that cannot be done any more. Ask anew if you want to.",
    ),
    Reason.COPIES_LIMIT_REACHED: text(
        409,
        ("家人通知数量已达上限", "Too many copies"),
        "最多 {most} 项家人通知。请先停止不再需要的。",
        "There may be {most} such arrangements at most. End one that is not needed any more first.",
    ),
    Reason.WATCHES_LIMIT_REACHED: text(
        409,
        ("放号提醒数量已达上限", "Too many release reminders"),
        "最多可为 {most} 个项目设置放号提醒。请先取消不再需要的。",
        "You can be reminded of the releases of {most} services at most. End one that you no longer need first.",
    ),
    Reason.CREDENTIALS_WRONG: text(
        422,
        ("账号或密码不正确", "Wrong login or password"),
        "账号或密码不正确，请检查后重试。",
        "The login or the password is wrong. Check both and try again.",
    ),
    Reason.ACCOUNT_DISABLED: text(
        403,
        ("账号已停用", "Account disabled"),
        "该账号已停用。如有疑问，请联系管理员。",
        "This account has been disabled. Ask an administrator about it.",
    ),
    Reason.DOCUMENT_INVALID: text(
        422,
        ("证件号码无效", "Invalid document number"),
        "{document_type}号码无效[：{why}]。请对照证件核对后重新填写。",
        "This is not a valid number of a {document_type}[: {why}]. Compare it with the document and enter it again.",
    ),
    Reason.BIRTH_DATE_NEEDED: text(
        422,
        ("需要出生日期", "Birth date needed"),
        "{document_type}的号码不含出生日期，请另行填写出生日期。",
        "The number of a {document_type} carries no birth date. Please give it as well.",
    ),
    Reason.BIRTH_DATE_CONTRADICTS: text(
        422,
        ("出生日期不一致", "Birth date does not agree"),
        "出生日期与{document_type}不一致，请对照证件核对。",
        "The birth date does not agree with the {document_type}. Compare both with the document.",
    ),
    Reason.PERSON_SAVED_ALREADY: text(
        409,
        ("该人员已添加", "Already saved"),
        "该证件的持有人已在您的常用人员中，可直接预约。",
        "The holder of this document is among your saved people already. You can book for them now.",
    ),
    Reason.PEOPLE_LIMIT_REACHED: text(
        409,
        ("人员数量已达上限", "Too many saved people"),
        "最多可保存 {most} 人。请先移除不再需要的人员。",
        "You can save {most} people at most. Remove somebody you no longer need first.",
    ),
}
