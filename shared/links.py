"""Links that let somebody do one small thing without signing in: what a link may do is signed into it.

The secret comes from `notify.jwk` by HKDF (RFC 5869), so that there is no further key to keep: the newest key signs, all
of them verify, and a rotation leaves the links in old mails alive. A link is no secret from whoever reads the mail, so
it must never give anything away, and never do what its reader could not undo.
"""

import base64
import binascii
import hashlib
import hmac
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.jwk import OKPKey

from shared.sealing import NOTIFY_KEYS, load_keys

SIGNATURE_BYTES = 16
"""128 bits: nobody guesses one, and the link stays short enough for a mail header."""


class InvalidLink(Exception):  # noqa: N818 - an answer
    """Not a link of ours, or not for this purpose."""


class LinkSigner:
    """Signs and reads links.

    Args:
        key_folder: the folder with `notify.jwk`.

    Raises:
        shared.sealing.KeysMissing: it is not there.
    """

    def __init__(self, key_folder: Path) -> None:
        self._keys = [_derived(key) for key in load_keys(key_folder, NOTIFY_KEYS, OKPKey)]

    def sign(self, purpose: str, content: bytes) -> str:
        """Return the token of a link that may do `purpose` with `content`; both can be read by anybody who has it."""
        return base64.urlsafe_b64encode(_signature(self._keys[0], purpose, content) + content).decode().rstrip("=")

    def read(self, purpose: str, token: str) -> bytes:
        """Return the content of a token that `sign` made for the same purpose.

        Raises:
            InvalidLink: it did not.
        """
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise InvalidLink from None
        signature, content = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
        if not any(hmac.compare_digest(_signature(key, purpose, content), signature) for key in self._keys):
            raise InvalidLink
        return content


def _derived(key: OKPKey) -> bytes:
    private = str(key.as_dict(private=True)["d"]).encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"yuyue links v1").derive(private)


def _signature(key: bytes, purpose: str, content: bytes) -> bytes:
    return hmac.new(key, purpose.encode() + b"\0" + content, hashlib.sha256).digest()[:SIGNATURE_BYTES]
