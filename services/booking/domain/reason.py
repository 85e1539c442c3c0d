"""Every reason for which the booking service says no: the stable codes of its problem answers.

A code is never renamed once published. Status and words for each stand in one table, `api/problems.py`; a test holds
the two equal.
"""

from enum import StrEnum


class Reason(StrEnum):
    # who asks, and how
    INVALID_REQUEST = "invalid_request"
    BODY_TOO_LARGE = "body_too_large"
    NOT_SIGNED_IN = "not_signed_in"
    NOT_ALLOWED = "not_allowed"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    TOO_MANY_REQUESTS = "too_many_requests"
    BUSY = "busy"
    UNCERTAIN = "uncertain"
    INTERNAL = "internal"
    IDEMPOTENCY_KEY_MISSING = "idempotency_key_missing"
    IDEMPOTENCY_KEY_INVALID = "idempotency_key_invalid"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    IDEMPOTENCY_KEY_IN_USE = "idempotency_key_in_use"
    IF_MATCH_INVALID = "if_match_invalid"
    STALE_VERSION = "stale_version"
    INVALID_CURSOR = "invalid_cursor"
    SIGN_IN_CODE_WRONG = "sign_in_code_wrong"
    SIGN_IN_TOO_MANY_TRIES = "sign_in_too_many_tries"
    CREDENTIALS_WRONG = "credentials_wrong"
    ACCOUNT_DISABLED = "account_disabled"
    # identity
    DOCUMENT_INVALID = "document_invalid"
    DOCUMENT_NOT_ACCEPTED = "document_not_accepted"
    BIRTH_DATE_NEEDED = "birth_date_needed"
    BIRTH_DATE_CONTRADICTS = "birth_date_contradicts"
    PHONE_INVALID = "phone_invalid"
    PERSON_UNKNOWN = "person_unknown"
    PERSON_SAVED_ALREADY = "person_saved_already"
    PEOPLE_LIMIT_REACHED = "people_limit_reached"
    # what is asked for
    SERVICE_UNKNOWN = "service_unknown"
    VENUE_UNKNOWN = "venue_unknown"
    SLOT_UNKNOWN = "slot_unknown"
    BOOKING_UNKNOWN = "booking_unknown"
    SLOT_PAST = "slot_past"
    BOOKING_CLOSED = "booking_closed"
    NOT_RELEASED = "not_released"
    SLOT_CLOSED = "slot_closed"
    SLOT_FULL = "slot_full"
    # the party
    PARTY_KIND_NOT_ACCEPTED = "party_kind_not_accepted"
    PARTY_TOO_LARGE = "party_too_large"
    PARTY_WRONG_SIZE = "party_wrong_size"
    PERSON_TWICE = "person_twice"
    TOO_YOUNG = "too_young"
    TOO_OLD = "too_old"
    DECLARATION_MISSING = "declaration_missing"
    DECLARATION_INVALID = "declaration_invalid"
    OUTSIDE_DISTRICT = "outside_district"
    ALREADY_BOOKED = "already_booked"
    CLASHES = "clashes"
    LIMIT_REACHED = "limit_reached"
    HOLDS_LIMIT_REACHED = "holds_limit_reached"
    # a booking's life
    WRONG_STATE = "wrong_state"
    HOLD_EXPIRED = "hold_expired"
    EXTENSIONS_USED = "extensions_used"
    WAITS_FOR_APPROVAL = "waits_for_approval"
    TOO_LATE_TO_CANCEL = "too_late_to_cancel"
    CHECK_IN_EARLY = "check_in_early"
    CHECK_IN_LATE = "check_in_late"
    WRONG_VENUE = "wrong_venue"
    # hours
    NO_OFFICIAL_CALENDAR = "no_official_calendar"
    PLAN_INVALID = "plan_invalid"
    PLAN_STRANDS_BOOKINGS = "plan_strands_bookings"
