"""Why a message was sent, or was not, in words for the person it was meant for."""

from collections.abc import Mapping

from services.notify.domain.message import Why
from shared.contracts import Words

WORDS: Mapping[Why, Words] = {
    Why.CONFIRMED: Words("预约已确认，等待发送。", "The booking is confirmed; this is on its way."),
    Why.DUE_BEFORE_START: Words("将按时发送。", "It will be sent at its time."),
    Why.MOVED: Words("预约时间已改，等待发送。", "The booking was moved; this is on its way."),
    Why.CANCELLED: Words("预约已取消，等待发送。", "The booking was cancelled; this is on its way."),
    Why.HOLD_RAN_OUT: Words("保留的名额已到期，等待发送。", "The hold ran out; this is on its way."),
    Why.CODE_REQUESTED: Words("验证码等待发送。", "The code is on its way."),
    Why.PROOF_REQUESTED: Words("验证邮件等待发送。", "The mail that proves the address is on its way."),
    Why.PARTY_SMALLER: Words("同行人有变动，等待发送。", "The party has changed; this is on its way."),
    Why.CLOSED: Words("预约被场馆取消，等待发送。", "The venue cancelled the booking; this is on its way."),
    Why.OFFERED: Words("有名额可供您确认，等待发送。", "A place is offered to you; this is on its way."),
    Why.OFFER_RAN_OUT: Words("候补名额未在时限内确认，等待发送。", "The offer ran out; this is on its way."),
    Why.COMPLETED: Words("预约已完成，稍后询问您的意见。", "The booking is completed; you are asked about it later."),
    Why.CONSENT_NEEDED: Words("需要您同意，等待发送。", "Your consent is needed; this is on its way."),
    Why.STRIKE_COUNTED: Words("有一次违约记录，等待发送。", "A strike was counted; this is on its way."),
    Why.BARRED: Words("网上预约被暂停，等待发送。", "Online booking is suspended; this is on its way."),
    Why.BAR_ENDED: Words("网上预约已恢复，等待发送。", "Online booking is open again; this is on its way."),
    Why.TURN_NEAR: Words("快轮到您了，立即发送。", "It is nearly your turn, so this goes at once."),
    Why.STEP_REACHED: Words("办理进度有变化，等待发送。", "Your application has moved on; this is on its way."),
    Why.OPENS_SOON: Words("即将放号，将按时发送。", "Places open soon; it will be sent at its time."),
    Why.COPY_ASKED: Words(
        "有家人希望您接收其预约通知的副本，等待发送。",
        "Somebody asks whether you want copies of their messages; this is on its way.",
    ),
    Why.CORRECTS_WHAT_WAS_SENT: Words(
        "此前经这一渠道发出的消息已不正确，因此经同一渠道更正。",
        "A message that went by this channel is no longer true, so the same channel carries the correction.",
    ),
    Why.IF_NOT_REACHED: Words(
        "先经更省的渠道发送；到时若仍不能确认您已收到，再经此渠道发送。",
        "A cheaper channel goes first; this one follows only if nothing shows by then that you were reached.",
    ),
    Why.BY_DAY: Words("不在免打扰时段内，将按时发送。", "It lies outside the quiet hours and goes at its time."),
    Why.MAKES_NO_SOUND: Words(
        "这一渠道没有声音，免打扰时段内也按时发送。",
        "This channel makes no sound, so it goes at its time also at night.",
    ),
    Why.WAITED_FOR: Words("您正在等待，立即发送。", "You are waiting for it, so it goes at once."),
    Why.URGENT_AT_NIGHT: Words(
        "等到早上会让您白跑一趟或错过名额，因此在免打扰时段内发送。",
        "By the morning you might have gone for nothing or lost a place, so it goes during your quiet hours.",
    ),
    Why.HELD_UNTIL_MORNING: Words(
        "正值免打扰时段，将在时段结束时发送。", "It fell into your quiet hours and goes when they end."
    ),
    Why.BROUGHT_FORWARD: Words(
        "原定时间在免打扰时段内，等到早上就太晚，因此提前到时段开始之前发送。",
        "Its time falls into your quiet hours and the morning would be too late, so it goes before they begin.",
    ),
    Why.STALE_EVENT: Words("较早的变动，无需通知。", "An older change: nothing to say."),
    Why.NOTHING_TO_SAY: Words("此变动无需通知。", "This change needs no message."),
    Why.ONLY_A_HOLD: Words("名额仅为保留，无需通知。", "Only a hold: nothing to say."),
    Why.DUE_TIME_PASSED: Words(
        "预约时已过提醒时间，确认消息已包含全部内容。",
        "Its time had passed when you booked; the confirmation says the same.",
    ),
    Why.NO_LONGER_USEFUL: Words("已过有效时间，不再发送。", "It is of no use any more and is not sent."),
    Why.NO_EMAIL_ADDRESS: Words("您的账号没有邮箱。", "Your account has no e-mail address."),
    Why.CONTACT_UNPROVED: Words(
        "您填写的邮箱尚未验证，暂不使用。请输入验证邮件中的验证码，或重新获取。",
        "You have not proved yet that the e-mail address is yours, so it is not used. Enter the code that was mailed to it,"
        " or ask for another.",
    ),
    Why.NO_PHONE_NUMBER: Words("您的账号没有手机号。", "Your account has no phone number."),
    Why.NO_CONTACT: Words("没有您的联系方式。", "There is nothing to reach you by."),
    Why.CONTACT_UNREADABLE: Words(
        "您的联系方式无法读取，请重新填写。", "Your contact data cannot be read; please enter it again."
    ),
    Why.NO_DEVICE: Words("没有可接收推送的设备。", "None of your devices takes pushes any more."),
    Why.NO_BINDING: Words("您的账号未绑定此渠道。", "Your account is not bound to this channel."),
    Why.NO_CONSENT: Words(
        "没有剩余的微信消息授权；下次预约时可再次授权。",
        "No consent for a WeChat message was left; you can give one when you next book.",
    ),
    Why.CHANNEL_NOT_SET_UP: Words("本系统未开通此渠道。", "This channel is not set up here."),
    Why.SWITCHED_OFF: Words("您已关闭此类通知。", "You have switched such messages off."),
    Why.REMINDER_TIME_SWITCHED_OFF: Words("您已关闭这一时间的提醒。", "You have switched reminders of this time off."),
    Why.QUIET_HOURS_INBOX_HAS_IT: Words(
        "正值您的免打扰时段，等到早上就太晚，已改由无声渠道（站内信）通知。",
        "It fell into your quiet hours and the morning would be too late; your inbox has it, without a sound.",
    ),
    Why.QUIET_HOURS_TOO_LATE: Words(
        "正值您的免打扰时段，等到早上就太晚，不再发送。",
        "It fell into your quiet hours and the morning would be too late, so it is not sent.",
    ),
    Why.NOT_TOGETHER: Words(
        "同一条消息中的另一项预约刚有变动，因此稍后重新发送。",
        "Another booking in the same message had just changed, so this goes again in a moment.",
    ),
    Why.SAID_TOGETHER: Words(
        "与您的其他提醒合并为一条发送。", "It was told in one message together with other reminders of yours."
    ),
    Why.COPY_ENDED: Words(
        "家人通知的约定已结束，不再发送副本。", "The arrangement for copies has ended, so none is sent."
    ),
    Why.REACHED_OTHERWISE: Words(
        "已确认您经其他渠道收到，不再重复发送。", "Another channel is known to have reached you, so this was not sent."
    ),
    Why.BOOKING_CANCELLED: Words("预约已取消，此消息作废。", "The booking was cancelled first, so this was dropped."),
    Why.BOOKING_CHECKED_IN: Words("您已签到，此消息作废。", "You had checked in already, so this was dropped."),
    Why.BOOKING_OVER: Words("预约已结束，此消息作废。", "The booking was over already, so this was dropped."),
    Why.NEWER_VERSION: Words("预约有变动，此消息作废。", "The booking has changed since, so this was dropped."),
    Why.NOT_ASKED_ANY_MORE: Words("事情已有结果，此消息作废。", "The matter was settled, so this was dropped."),
    Why.TAKEN: Words("正在发送。", "It is being sent."),
    Why.WRITTEN: Words("已送达站内信。", "It is in your inbox."),
    Why.ACCEPTED: Words("已交由服务商发送。", "The provider has accepted it."),
    Why.WORKER_STOPPED: Words("等待重新发送。", "It is waiting to be sent."),
    Why.LEASE_RAN_OUT: Words(
        "发送时系统中断，不确定是否送达，正在核实；核实之前不会重复发送。",
        "We were interrupted while sending and are finding out whether it left; until then it is not sent again.",
    ),
    Why.PROVIDER_BUSY: Words("服务商繁忙。", "The provider was busy."),
    Why.PROVIDER_UNREACHABLE: Words("暂时无法连接服务商。", "The provider could not be reached."),
    Why.PROVIDER_REFUSES_US: Words("服务商拒绝了本系统的请求。", "The provider refused our system."),
    Why.ADDRESS_REFUSED: Words("邮箱或手机号被拒收，请核对。", "Your address or number was refused; please check it."),
    Why.CONTENT_REFUSED: Words("内容被服务商拒绝。", "The provider refused its content."),
    Why.NO_ANSWER: Words(
        "服务商没有答复，不确定是否送达，正在核实；核实之前不会重复发送。",
        "The provider did not answer; we are finding out whether it left, and until then it is not sent again.",
    ),
    Why.LATE_EVIDENCE: Words("服务商稍后的答复确定了结果。", "A late answer of the provider settled it."),
    Why.TEMPLATE_FAILED: Words("内容生成失败。", "Its words could not be made."),
    Why.PROVIDER_RESTS: Words(
        "服务商出现故障，暂缓发送。", "The provider is in trouble and is left alone for a moment; this waits."
    ),
    Why.PROVIDER_PACE: Words("发送量较大，正在排队。", "There is much to send; this waits for its turn."),
    Why.FOUND_AT_PROVIDER: Words("经查询，服务商已收到。", "We asked: the provider has it."),
    Why.NOT_DELIVERED: Words("服务商未能送达。", "The provider could not deliver it."),
    Why.PROVEN_ABSENT: Words(
        "经查询，服务商没有收到，将重新发送。", "We asked: the provider never had it, so it is sent again."
    ),
    Why.INBOX_HAS_IT: Words(
        "无法核实是否送达；站内信中有同样的内容，不再重复发送。",
        "Whether it arrived cannot be found out; your inbox has the same words, so it is not sent again.",
    ),
    Why.OTHER_CHANNEL: Words(
        "无法核实是否送达，已改由其他渠道通知。",
        "Whether it arrived cannot be found out, so you are told in another way.",
    ),
    Why.NO_OTHER_CHANNEL: Words(
        "无法核实是否送达，也没有其他渠道可用。",
        "Whether it arrived cannot be found out, and there is no other way to tell you.",
    ),
    Why.CODE_CAN_BE_ASKED_AGAIN: Words(
        "无法核实验证码是否送达，请重新获取。", "Whether the code arrived cannot be found out; please ask for another."
    ),
    Why.DAILY_CAP: Words(
        "您今天收到的短信已达上限，此消息可在站内信中查看。",
        "You have had as many text messages today as we send in a day; your inbox has this one.",
    ),
    Why.REPLAYED: Words("经人工核对，重新发送。", "Somebody looked into it, and it is sent again."),
    Why.ERASED: Words("您的资料已按要求删除。", "Your data were erased, as you asked."),
    Why.INSTEAD: Words(
        "另一渠道无法核实是否送达，改由此渠道发送。",
        "Another channel could not say whether it had arrived, so it goes this way.",
    ),
}
"""Every reason has its words; a test holds the two equal."""
