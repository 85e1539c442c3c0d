"""What WeChat posts, opened: who signed it, what it says; XML or JSON, plain or encrypted.

The law: a call is WeChat's if it is signed with the token that WeChat was told, our secret. Where there is a key for
the application (EncodingAESKey), only what is encrypted with it is read: its signature covers the body as well. XML
brings no document type, no entity and no deep nesting; what cannot be read is refused, and nothing of it is done.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha1
from typing import Annotated, Any
from xml.etree.ElementTree import Element, ParseError

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from fastapi import Query

from shared.sealing import same_secret

DEEPEST = 4
_BLOCK = 32
_NONCE = 16
_LENGTH = 4


class Unreadable(ValueError):  # noqa: N818 - it says what the post is
    """It cannot be read: garbled, not encrypted where it must be, encrypted for somebody else, or with another key."""


@dataclass(frozen=True, slots=True)
class WechatSignature:
    """What WeChat puts into the query of every call."""

    signature: Annotated[str, Query(pattern=r"^[0-9a-f]{40}$", examples=["f464b24fc39322e44b38aa78f5edd27bd1441696"])]
    timestamp: Annotated[str, Query(pattern=r"^[0-9]{1,12}$", examples=["1764000000"])]
    nonce: Annotated[str, Query(min_length=1, max_length=64, pattern=r"^[\w-]+$", examples=["1320562132"])]
    openid: Annotated[str | None, Query(max_length=64)] = None
    encrypt_type: Annotated[str | None, Query(max_length=16)] = None
    msg_signature: Annotated[str | None, Query(max_length=64)] = None

    def is_by(self, token: str) -> bool:
        """Return whether whoever signed the call knows `token`."""
        return same_secret(self.signature, _signature(token, self.timestamp, self.nonce))

    def covers(self, token: str, encrypted: str) -> bool:
        """Return whether whoever signed the encrypted body knows `token`."""
        return same_secret(self.msg_signature or "", _signature(token, self.timestamp, self.nonce, encrypted))


@dataclass(frozen=True, slots=True)
class Envelope:
    """How posts for one application are opened: `key` is its EncodingAESKey, None where they come as they are."""

    token: str
    app_id: str
    key: str | None

    def open(self, call: WechatSignature, body: bytes) -> Mapping[str, Any]:
        """Return the document that was posted.

        Raises:
            Unreadable: it is none, or not for us.
        """
        document = read_document(body)
        if self.key is None:
            return document
        encrypted = document.get("Encrypt")
        if not isinstance(encrypted, str) or not call.covers(self.token, encrypted):
            raise Unreadable("not encrypted and signed")
        return read_document(decrypt(encrypted, self.key, self.app_id))


def decrypt(encrypted: str, key: str, app_id: str) -> bytes:
    """Return what was encrypted for `app_id`: AES-256-CBC over 16 random bytes, a length, the text and the AppID.

    Raises:
        Unreadable: it was not, or with another key.
    """
    secret = base64.b64decode(f"{key}=")
    try:
        sealed = base64.b64decode(encrypted, validate=True)
        decryptor = Cipher(algorithms.AES(secret), modes.CBC(secret[:16])).decryptor()
        plain = decryptor.update(sealed) + decryptor.finalize()
    except (ValueError, binascii.Error):
        raise Unreadable("not encrypted") from None
    padding = plain[-1] if plain else 0
    if not 1 <= padding <= _BLOCK or len(plain) < _NONCE + _LENGTH + padding:
        raise Unreadable("encrypted with another key")
    content = plain[_NONCE:-padding]
    length = int.from_bytes(content[:_LENGTH], "big")
    text, whose = content[_LENGTH : _LENGTH + length], content[_LENGTH + length :]
    if whose != app_id.encode():
        raise Unreadable("encrypted with another key, or for somebody else")
    return text


def read_document(body: bytes) -> Mapping[str, Any]:
    """Return what XML or JSON says, as a mapping; a name that comes several times is a list.

    Raises:
        Unreadable: it is neither.
    """
    try:
        if not body.lstrip().startswith(b"<"):
            found = json.loads(body)
        else:
            found = _content(fromstring(body, forbid_dtd=True), DEEPEST)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError):
        raise Unreadable("neither XML nor JSON") from None
    if not isinstance(found, dict):
        raise Unreadable("no document")
    return found


def _content(element: Element, depth: int) -> Any:
    """Return the text of an element, or its children by name."""
    if len(element) == 0:
        return element.text or ""
    if depth == 0:
        raise Unreadable("nested too deeply")
    found: dict[str, Any] = {}
    for child in element:
        value = _content(child, depth - 1)
        if child.tag in found:
            before = found[child.tag]
            found[child.tag] = [*(before if isinstance(before, list) else [before]), value]
        else:
            found[child.tag] = value
    return found


def _signature(*parts: str) -> str:
    return sha1("".join(sorted(parts)).encode()).hexdigest()  # noqa: S324 - WeChat's own way
