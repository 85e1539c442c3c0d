"""The reasons for which the HTTP edge itself says no, whatever the service behind it does.

Each service has these codes in its own `Reason` as well and gives them words in its own table: a code is looked up
by its text, so the two enumerations meet there.
"""

from enum import StrEnum


class EdgeReason(StrEnum):
    INVALID_REQUEST = "invalid_request"
    BODY_TOO_LARGE = "body_too_large"
    NOT_SIGNED_IN = "not_signed_in"
    NOT_ALLOWED = "not_allowed"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    TOO_MANY_REQUESTS = "too_many_requests"
    BUSY = "busy"
    INTERNAL = "internal"
    IDEMPOTENCY_KEY_MISSING = "idempotency_key_missing"
    IDEMPOTENCY_KEY_INVALID = "idempotency_key_invalid"
    IF_MATCH_INVALID = "if_match_invalid"
    INVALID_CURSOR = "invalid_cursor"
