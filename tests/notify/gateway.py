"""A stand-in for Aliyun's SendSms that checks every request by itself, and keeps a ledger of what a phone would show.

It recomputes the signature with code of its own, straight from the provider's description, and does not share any with
the sender.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, quote

from shared.http import Request, Response, Timeout

ACCESS_KEY_ID = "test-key"
ACCESS_KEY_SECRET = "test-secret"


class Answer(StrEnum):
    THROTTLED = "Throttling.User"
    LIMITED = "isv.BUSINESS_LIMIT_CONTROL"
    BAD_NUMBER = "isv.MOBILE_NUMBER_ILLEGAL"
    NO_MONEY = "isv.AMOUNT_NOT_ENOUGH"
    SILENT_AFTER_TAKING = "silent"


@dataclass(slots=True)
class Gateway:
    """Answers requests by plan (in order; then all is well)."""

    plan: list[Answer] = field(default_factory=list)
    seen: list[Mapping[str, Any]] = field(default_factory=list)
    nonces: set[str] = field(default_factory=set)

    def __call__(self, request: Request) -> Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return Response(400, json={"Code": refusal, "Message": "no", "RequestId": "1"})
        answer = self.plan.pop(0) if self.plan else None
        query = dict(parse_qsl(request.url.query.decode(), keep_blank_values=True))
        if answer in {None, Answer.SILENT_AFTER_TAKING}:
            self.seen.append({**query, "TemplateParam": json.loads(query["TemplateParam"])})
        if answer is Answer.SILENT_AFTER_TAKING:
            raise Timeout("no answer", request=request)
        if answer is not None:
            return Response(200, json={"Code": answer.value, "Message": query["PhoneNumbers"], "RequestId": "1"})
        number = len(self.seen)
        return Response(200, json={"Code": "OK", "Message": "OK", "BizId": f"biz-{number}", "RequestId": "1"})

    def _refusal(self, request: Request) -> str | None:
        headers = request.headers
        if headers["x-acs-signature-nonce"] in self.nonces:
            return "SignatureNonceUsed"
        self.nonces.add(headers["x-acs-signature-nonce"])
        scheme, _, parts = headers["authorization"].partition(" ")
        given = dict(part.split("=", 1) for part in parts.split(","))
        signed = given["SignedHeaders"].split(";")
        must = {name for name in headers if name.startswith("x-acs-")} | {"host"}
        if scheme != "ACS3-HMAC-SHA256" or set(signed) != must or given["Credential"] != ACCESS_KEY_ID:
            return "IncompleteSignature"
        if signature(request, signed, ACCESS_KEY_SECRET) != given["Signature"]:
            return "SignatureDoesNotMatch"
        return None


def signature(request: Request, signed: list[str], secret: str) -> str:
    """The V3 signature as the provider describes it: canonical request, its SHA-256, and an HMAC over that."""
    pairs = sorted(parse_qsl(request.url.query.decode(), keep_blank_values=True))
    query = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs)
    headers = "".join(f"{name}:{request.headers[name].strip()}\n" for name in sorted(signed))
    body = hashlib.sha256(request.content).hexdigest()
    canonical = f"{request.method}\n{request.url.path}\n{query}\n{headers}\n{';'.join(sorted(signed))}\n{body}"
    to_sign = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
    return hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
