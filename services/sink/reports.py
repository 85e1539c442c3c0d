"""The sink reports back, as providers do: receipts of text messages, and that a push stood on a screen.

When each receipt is posted, and whether at all or twice, is the fault plan's; without an address nobody is told.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.sink.sms import Sms
from shared.http import Client, HttpError


@dataclass(slots=True)
class Reports:
    """Posts to `base`, the notify API's `/receipts`, with the `secret` that ends those addresses."""

    base: str = ""
    secret: str = field(default="", repr=False)
    _posting: set[asyncio.Task[None]] = field(default_factory=set)

    async def of_sms(self, provider: str, taken: Sms, after: Sequence[float]) -> None:
        """Report a text message as delivered, so many seconds from now; 0 is before its answer."""
        if not self.base:
            return
        if provider == "aliyun":
            body: Any = [{"out_id": taken.out_id, "biz_id": taken.biz_id, "success": True, "err_code": "DELIVERED"}]
        else:
            body = [{"sid": taken.biz_id, "report_status": "SUCCESS", "errmsg": "DELIVRD"}]
        address = f"{self.base}/{provider}/{self.secret}/reports"
        for seconds in after:
            if seconds:
                self._later(seconds, address, body)
            else:
                await _post(address, body)

    def of_push(self, content: Mapping[str, Any]) -> None:
        """Report a push as shown, at the address that it brought, if that is ours."""
        address = content.get("report")
        if self.base and isinstance(address, str) and address.startswith(f"{self.base}/push/"):
            self._later(0.5, address, {"evidence": "shown"})

    def _later(self, seconds: float, address: str, body: object) -> None:
        async def post() -> None:
            await asyncio.sleep(seconds)
            await _post(address, body)

        task = asyncio.create_task(post())
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)


async def _post(address: str, body: object) -> None:
    try:
        async with Client() as client:
            answer = await client.post(address, json=body)
    except HttpError as error:
        print(f"report not taken: {type(error).__name__}", flush=True)  # noqa: T201 - what the sink is for
        return
    if not answer.is_success:
        print(f"report not taken: {answer.status_code}", flush=True)  # noqa: T201 - as above
