"""HTTP as both services speak it: problems (RFC 9457), limits, conditional requests, pages, the OpenAPI document."""

from shared.web.document import write_in_order
from shared.web.edge import BODY_LIMIT, NOT_JSON, Edge, EdgeOptions, Visit
from shared.web.express import Application
from shared.web.headers import etag, expected_version, parse_idempotency_key
from shared.web.lean import LeanRoute
from shared.web.limits import Buckets, Limits, Rate, Spent, address_key
from shared.web.models import Shown, Strict
from shared.web.openapi import ProblemDocs, Responses, describe
from shared.web.pages import Page, decode_cursor, encode_cursor, link_header, next_link
from shared.web.problems import Answer, Fact, Problems, ProblemTable, ProblemText, install_problems, to_json
from shared.web.reason import EdgeReason
from shared.web.routes import StrictRoute, add_routes, strict_router, visit_of
from shared.web.words import Language, Vocabulary, negotiate, pick, spoken

__all__ = [
    "BODY_LIMIT",
    "NOT_JSON",
    "Answer",
    "Application",
    "Buckets",
    "Edge",
    "EdgeOptions",
    "EdgeReason",
    "Fact",
    "Language",
    "LeanRoute",
    "Limits",
    "Page",
    "ProblemDocs",
    "ProblemTable",
    "ProblemText",
    "Problems",
    "Rate",
    "Responses",
    "Shown",
    "Spent",
    "Strict",
    "StrictRoute",
    "Visit",
    "Vocabulary",
    "add_routes",
    "address_key",
    "decode_cursor",
    "describe",
    "encode_cursor",
    "etag",
    "expected_version",
    "install_problems",
    "link_header",
    "negotiate",
    "next_link",
    "parse_idempotency_key",
    "pick",
    "spoken",
    "strict_router",
    "to_json",
    "visit_of",
    "write_in_order",
]
