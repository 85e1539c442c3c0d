"""Keys that the notify service derives from the one it has, and what it seals with them in its own tables.

Everything comes from `notify.jwk` by HKDF (RFC 5869), a purpose for each key, so that there is no further file to keep.
The newest key seals and all of them open, so a rotation leaves what is sealed readable. What must never change, the key
of fingerprints and the key pair that browsers know us by, comes from the oldest one: keep that.
"""

import base64
import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import OKPKey

from shared.sealing import NONCE_BYTES, NOTIFY_KEYS, CannotOpen, load_keys

_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the curve P-256."""


class Strongbox:
    """Seals values for this service's own tables (AES-256-GCM) and makes fingerprints of them (HMAC-SHA-256).

    The context says what a value is and whose; it is bound into the seal, so a value moved elsewhere does not open.

    Raises:
        shared.sealing.KeysMissing: the folder lacks `notify.jwk`.
    """

    def __init__(self, key_folder: Path) -> None:
        keys = load_keys(key_folder, NOTIFY_KEYS, OKPKey)
        self._ciphers = [AESGCM(_derived(key, "tables")) for key in keys]
        self._pepper = _derived(keys[-1], "fingerprints")

    def seal(self, plain: str, context: str) -> str:
        """Return `plain` sealed: ASCII, different each time."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._ciphers[0].encrypt(nonce, plain.encode(), context.encode())
        return base64.urlsafe_b64encode(nonce + sealed).decode().rstrip("=")

    def open(self, sealed: str, context: str) -> str:
        """Return what was sealed in the same context.

        Raises:
            shared.sealing.CannotOpen: it was sealed with another key or elsewhere, or was changed.
        """
        try:
            raw = base64.b64decode(sealed + "=" * (-len(sealed) % 4), altchars=b"-_", validate=True)
        except ValueError:
            raise CannotOpen("not sealed here") from None
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], context.encode()).decode()
            except (InvalidTag, ValueError):
                continue
        raise CannotOpen("sealed for another place or with another key, or changed")

    def fingerprint(self, value: str, context: str) -> bytes:
        """Return 32 bytes that are the same for the same value and context, and that nobody else can make."""
        return hmac.digest(self._pepper, f"{context}\0{value}".encode(), hashlib.sha256)


def vapid_key(key_folder: Path) -> ec.EllipticCurvePrivateKey:
    """Return the key pair by which browsers' push services know this installation (RFC 8292).

    It is the same for ever: a browser's subscription is bound to it.

    Raises:
        shared.sealing.KeysMissing: the folder lacks `notify.jwk`.
    """
    oldest = load_keys(key_folder, NOTIFY_KEYS, OKPKey)[-1]
    # 48 bytes for a number of 32: what is left of the remainder's unevenness is not to be measured (FIPS 186-5, A.2.1)
    number = int.from_bytes(_derived(oldest, "vapid", length=48))
    return ec.derive_private_key(number % (_ORDER - 1) + 1, ec.SECP256R1())


def application_server_key(key: ec.EllipticCurvePrivateKey) -> str:
    """Return the public half as browsers want it: the uncompressed point in base64url."""
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return base64.urlsafe_b64encode(point).decode().rstrip("=")


def _derived(key: OKPKey, purpose: str, length: int = 32) -> bytes:
    private = str(key.as_dict(private=True)["d"]).encode()
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=f"yuyue {purpose} v1".encode()).derive(private)
