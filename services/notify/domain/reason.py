"""Every reason for which the notify service says no: the stable codes of its problem answers.

A code is never renamed once published. Status and words for each stand in one table, `api/problems.py`; a test holds
the two equal.
"""

from enum import StrEnum


class Reason(StrEnum):
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
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    IF_MATCH_INVALID = "if_match_invalid"
    STALE_VERSION = "stale_version"
    INVALID_CURSOR = "invalid_cursor"
    MESSAGE_UNKNOWN = "message_unknown"
    TEMPLATE_UNKNOWN = "template_unknown"
    BOOKING_UNKNOWN = "booking_unknown"
    TOO_MANY_STREAMS = "too_many_streams"
    INBOX_STAYS_ON = "inbox_stays_on"
    VENUE_NEWS_STAYS_ON = "venue_news_stays_on"
    SIGN_IN_CODE_STAYS_ON = "sign_in_code_stays_on"
    CONSENT_REQUEST_STAYS_ON = "consent_request_stays_on"
    PENALTY_NEWS_STAYS_ON = "penalty_news_stays_on"
    NO_SUCH_CHOICE = "no_such_choice"
    QUIET_HOURS_INVALID = "quiet_hours_invalid"
    LINK_INVALID = "link_invalid"
    PUSH_NOT_SET_UP = "push_not_set_up"
    PUSH_ENDPOINT_NOT_ALLOWED = "push_endpoint_not_allowed"
    PUSH_KEYS_INVALID = "push_keys_invalid"
    DEVICE_UNKNOWN = "device_unknown"
    BINDING_NOT_SET_UP = "binding_not_set_up"
    BINDING_CODE_INVALID = "binding_code_invalid"
    WECHAT_TEMPLATE_UNKNOWN = "wechat_template_unknown"
    SPAN_INVALID = "span_invalid"
    WEBHOOK_UNKNOWN = "webhook_unknown"
    WEBHOOK_ADDRESS_NOT_ALLOWED = "webhook_address_not_allowed"
    WEBHOOK_TYPE_UNKNOWN = "webhook_type_unknown"
