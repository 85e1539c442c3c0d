"""Status and words of the reasons for which a device, a binding, a consent or a partner's endpoint is refused."""

from services.notify.domain.reason import Reason
from shared.contracts import Words
from shared.web import ProblemTable, ProblemText

CHANNELS: ProblemTable = {
    Reason.PUSH_NOT_SET_UP: ProblemText(
        404,
        Words("未开通推送", "No pushes here"),
        Words(
            "本系统未开通浏览器推送。站内信、邮件和短信照常。",
            "This system sends no pushes to browsers. Your inbox, mail and text messages work as ever.",
        ),
    ),
    Reason.PUSH_ENDPOINT_NOT_ALLOWED: ProblemText(
        422,
        Words("推送地址不受支持", "Push service not supported"),
        Words(
            "该推送服务不在支持之列。请使用浏览器给出的订阅内容，或换用其他浏览器。",
            "This push service is not one that is supported. Send the subscription as the browser gives it, or use another browser.",
        ),
    ),
    Reason.PUSH_KEYS_INVALID: ProblemText(
        422,
        Words("推送密钥无效", "Push keys invalid"),
        Words(
            "订阅中的密钥无效。请让浏览器重新订阅。",
            "The keys of this subscription are not valid. Have the browser subscribe again.",
        ),
    ),
    Reason.DEVICE_UNKNOWN: ProblemText(
        404,
        Words("没有该设备", "Unknown device"),
        Words("您没有登记这台设备。", "You have no such device."),
    ),
}
