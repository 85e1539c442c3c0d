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
    Reason.BINDING_NOT_SET_UP: ProblemText(
        404,
        Words("未开通此渠道", "Channel not set up"),
        Words("本系统未开通此渠道，暂不能绑定。", "This channel is not set up here, so there is nothing to bind to."),
    ),
    Reason.BINDING_CODE_INVALID: ProblemText(
        422,
        Words("授权码无效", "Code not valid"),
        Words(
            "授权码无效或已过期。请在微信中重新打开页面后再试。",
            "The code is not valid, or no longer. Open the page in WeChat again and retry.",
        ),
    ),
    Reason.WECHAT_TEMPLATE_UNKNOWN: ProblemText(
        422,
        Words("没有该消息模板", "Unknown template"),
        Words("本系统没有使用这个消息模板。", "This system uses no such message template."),
    ),
    Reason.WECHAT_POST_UNREADABLE: ProblemText(
        422,
        Words("微信推送无法读取", "WeChat's post cannot be read"),
        Words(
            "微信推送的内容无法读取。请核对公众平台与本系统的消息加解密方式和密钥是否一致。",
            "What WeChat posted cannot be read. See that mode and key of encryption are the same there and in our settings.",
        ),
    ),
    Reason.SPAN_INVALID: ProblemText(
        422,
        Words("时间范围无效", "Span invalid"),
        Words("结束时间须晚于开始时间，且最长 31 天。", "The end must be after the beginning, by 31 days at most."),
    ),
    Reason.WEBHOOK_UNKNOWN: ProblemText(
        404,
        Words("没有该合作系统", "Unknown endpoint"),
        Words("没有登记过这个合作系统。", "There is no such partner endpoint."),
    ),
    Reason.WEBHOOK_ADDRESS_NOT_ALLOWED: ProblemText(
        422,
        Words("推送地址不受支持", "Address not allowed"),
        Words(
            "推送地址须为公网 https 地址，不能带用户名或片段。",
            "The address must be https on a public host, without a user name and without a fragment.",
        ),
    ),
    Reason.WEBHOOK_OFF: ProblemText(
        409,
        Words("该合作系统已停用", "Endpoint switched off"),
        Words(
            "该合作系统已停用，请先启用，再重新推送。",
            "This endpoint is switched off. Switch it on first, and then have it told again.",
        ),
    ),
    Reason.DELIVERY_UNKNOWN: ProblemText(
        404,
        Words("没有该推送记录", "Unknown delivery"),
        Words(
            "没有这条推送记录，可能已过保存期限。",
            "There is no such delivery for this endpoint, or its record has been forgotten.",
        ),
    ),
    Reason.DELIVERY_NOT_DEAD: ProblemText(
        409,
        Words("无需重新推送", "Nothing to tell again"),
        Words(
            "这个事件已送达，或正在推送，无需重新推送。",
            "The partner has been told of this event, or is being told, so there is nothing to do.",
        ),
    ),
    Reason.WEBHOOK_TYPE_UNKNOWN: ProblemText(
        422,
        Words("没有该事件类型", "Unknown event type"),
        Words(
            "合作系统只能订阅预约和候补类事件，例如 yuyue.booking.confirmed.v1。",
            "Partners are told of booking and waitlist events, for example yuyue.booking.confirmed.v1.",
        ),
    ),
}
