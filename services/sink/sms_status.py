"""What becomes of a text message afterwards, as each provider tells it when asked.

Aliyun's QuerySendDetails asks by number and day, Tencent's PullSmsSendStatusByPhoneNumber by number and time. Aliyun lists whatever it took, at once. Tencent lists only what has a receipt: there, absence proves nothing.
Source: the two providers' API references of those names.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from services.sink.sms import Sms

ZONE = ZoneInfo("Asia/Shanghai")
NUMBERS_REMEMBERED = 200_000
MOST_OF_A_PAGE = 50
WAITING, ARRIVED = 1, 3
"""Aliyun's SendStatus."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A message that was taken, and when its receipt comes; None where none ever does."""

    sms: Sms
    receipt_at: datetime | None

    def arrived(self, now: datetime) -> bool:
        """Whether the phone has reported it."""
        return self.receipt_at is not None and self.receipt_at <= now


@dataclass(slots=True)
class Statuses:
    """What was taken, by the last eleven digits of the number."""

    _by_number: OrderedDict[str, list[Record]] = field(default_factory=OrderedDict)

    def add(self, sms: Sms, receipt_after: float | None) -> None:
        """Remember a message; `receipt_after` so many seconds it is reported as arrived."""
        at = None if receipt_after is None else sms.at + timedelta(seconds=receipt_after)
        for number in sms.to:
            self._by_number.setdefault(number[-11:], []).append(Record(sms=sms, receipt_at=at))
        while len(self._by_number) > NUMBERS_REMEMBERED:
            self._by_number.popitem(last=False)

    def aliyun(self, fields: Mapping[str, str], now: datetime) -> dict[str, Any]:
        """Return what QuerySendDetails answers beside its RequestId."""
        found = [
            record
            for record in reversed(self._by_number.get(fields["PhoneNumber"][-11:], []))
            if f"{record.sms.at.astimezone(ZONE):%Y%m%d}" == fields["SendDate"]
            and fields.get("BizId", record.sms.biz_id) == record.sms.biz_id
        ]
        size = max(1, min(int(fields.get("PageSize", "10")), MOST_OF_A_PAGE))
        first = (max(1, int(fields.get("CurrentPage", "1"))) - 1) * size
        shown = [_aliyun(record, fields["PhoneNumber"], now) for record in found[first : first + size]]
        return {
            "Code": "OK",
            "Message": "OK",
            "TotalCount": str(len(found)),
            "SmsSendDetailDTOs": {"SmsSendDetailDTO": shown},
        }

    def tencent(self, fields: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """Return what PullSmsSendStatusByPhoneNumber answers beside its RequestId."""
        begin, end = int(fields["BeginTime"]), int(fields.get("EndTime") or now.timestamp())
        found = [
            _tencent(record)
            for record in self._by_number.get(str(fields["PhoneNumber"])[-11:], [])
            if record.arrived(now) and begin <= record.sms.at.timestamp() <= end
        ]
        first, most = int(fields["Offset"]), min(int(fields["Limit"]), 100)
        return {"PullSmsSendStatusSet": found[first : first + most]}


def _aliyun(record: Record, number: str, now: datetime) -> dict[str, Any]:
    arrived = record.arrived(now)
    return {
        "PhoneNum": number,
        "SendStatus": ARRIVED if arrived else WAITING,
        "ErrCode": "DELIVERED" if arrived else "",
        "TemplateCode": record.sms.template,
        "Content": record.sms.text,
        "SendDate": f"{record.sms.at.astimezone(ZONE):%Y-%m-%d %H:%M:%S}",
        "ReceiveDate": f"{record.receipt_at.astimezone(ZONE):%Y-%m-%d %H:%M:%S}"
        if arrived and record.receipt_at
        else "",
        "OutId": record.sms.out_id,
    }


def _tencent(record: Record) -> dict[str, Any]:
    assert record.receipt_at is not None, "only what has a receipt is shown"
    return {
        "UserReceiveTime": int(record.receipt_at.timestamp()),
        "CountryCode": "86",
        "SubscriberNumber": record.sms.to[0][-11:],
        "PhoneNumber": record.sms.to[0],
        "SerialNo": record.sms.biz_id,
        "ReportStatus": "SUCCESS",
        "Description": "DELIVRD",
        "SessionContext": record.sms.out_id,
    }
