"""Keys, and what is sealed with them.

The key folder holds, each readable by its owner alone (0600):

    signing.jwk         Ed25519, signs access tokens (shared/tokens.py)
    sealing.jwk         AES-256, seals personal data in the booking service's own tables
    pepper              256 random bits, key the fingerprints by which sealed values are found again; it never changes
    notify.jwk          X25519, opens what is sealed for the notify service; only that service has it
    notify.public.jwk   its public half, with which the booking service seals
    feed.token          the secret that readers of the feed present

A `.jwk` file is a JWK set (RFC 7517), newest key first: the first seals and signs, all of them open and verify.

What a stolen database gives away: nothing of what is sealed, and of a fingerprint only that two rows hold the same
value. What a taken-over booking service gives away: not the contact data already sent to notify, for which it has no
key.
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey, OKPKey
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from shared.contracts import Contact, ContactProof, SignInMessage

SIGNING_KEYS: Final = "signing.jwk"
SEALING_KEYS: Final = "sealing.jwk"
PEPPER: Final = "pepper"
NOTIFY_KEYS: Final = "notify.jwk"
NOTIFY_PUBLIC_KEYS: Final = "notify.public.jwk"
FEED_TOKEN: Final = "feed.token"  # noqa: S105 - a file's name

JWE_HEADER: Final = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM"}
NONCE_BYTES: Final = 12
SEAL_VERSION: Final = "s1"
WRAP_VERSION: Final = "w1"
CONTACT_VERSION: Final = "c1"
JOINT: Final = "~"
"""Between a person's wrapped key and what is sealed with it."""
KEY_ID_LENGTH: Final = 10
"""Of a key's thumbprint (RFC 7638), so that a sealed value stays short: 65 characters and 4 for every 3 bytes of content."""

AnyKey = TypeVar("AnyKey", OctKey, OKPKey)
AnyMessage = TypeVar("AnyMessage", Contact, SignInMessage, ContactProof)

CONTENT: Final[dict[type[Contact] | type[SignInMessage] | type[ContactProof], str]] = {
    Contact: "contact",
    SignInMessage: "sign-in",
    ContactProof: "contact-proof",
}
"""The `cty` of each message, so that one never passes for the other."""

_READERS: Final[dict[type[Any], TypeAdapter[Any]]] = {kind: TypeAdapter(kind) for kind in CONTENT}
"""Made once: making one costs more than opening a seal."""


class KeysMissing(Exception):  # noqa: N818 - a refusal to start, said in a sentence
    """A key file is missing or unusable. The message names it and the command that makes it."""


class CannotOpen(Exception):  # noqa: N818 - an answer
    """What was sealed cannot be opened: another key, another context, or it was changed."""


class Vault:
    """Seals values for this service's own tables (AES-256-GCM) and makes fingerprints of them (HMAC-SHA-256).

    The context says what a value is and whose (`person.document_number`, `account.phone`). It is bound into the seal:
    a sealed value moved to another column does not open.

    Raises:
        KeysMissing: if the folder lacks the keys.
    """

    def __init__(self, key_folder: Path) -> None:
        keys = load_keys(key_folder, SEALING_KEYS, OctKey)
        self._ciphers = {str(key.kid)[:KEY_ID_LENGTH]: AESGCM(key.raw_value) for key in keys}
        self._newest = next(iter(self._ciphers))
        self._pepper = _read(key_folder, PEPPER)
        self._notify_key = load_keys(key_folder, NOTIFY_PUBLIC_KEYS, OKPKey)[0]

    def seal(self, plain: bytes | str, context: str) -> str:
        """Return `plain` sealed with the newest key: ASCII, different each time."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        content = plain.encode() if isinstance(plain, str) else plain
        prefix = f"{SEAL_VERSION}.{self._newest}"
        sealed = self._ciphers[self._newest].encrypt(nonce, content, _associated(prefix, context))
        return f"{prefix}.{_encode(nonce + sealed)}"

    def open(self, sealed: str, context: str) -> bytes:
        """Return what was sealed in the same context, with any key of the folder.

        Raises:
            CannotOpen: if it was sealed with another key or in another context, or was changed.
        """
        prefix, _, content = sealed.rpartition(".")
        version, _, key_id = prefix.partition(".")
        cipher = self._ciphers.get(key_id)
        if version != SEAL_VERSION or cipher is None:
            raise CannotOpen("sealed with a key that this folder does not have")
        try:
            raw = _decode(content)
            return cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _associated(prefix, context))
        except (InvalidTag, ValueError) as error:
            raise CannotOpen("sealed for another place, or changed") from error

    def fingerprint(self, value: str, context: str) -> bytes:
        """Return 32 bytes that are the same for the same value and context, and that only the pepper's holder can make.

        For unique look-ups: bring the value to its one written form first (E.164, upper case).
        """
        return hmac.digest(self._pepper, _associated(context, value), hashlib.sha256)

    def seal_for_notify(self, message: Contact | SignInMessage | ContactProof) -> str:
        """Return `message` sealed for the notify service (JWE, RFC 7516, ECDH-ES with X25519); it cannot be opened here.

        This costs about 0.1 ms, so seal a contact when it changes and keep what comes out.
        """
        header = {**JWE_HEADER, "kid": self._notify_key.kid, "cty": CONTENT[type(message)]}
        return jwe.encrypt_compact(header, to_json(message), self._notify_key, algorithms=[*JWE_HEADER.values()])


class Opener:
    """Opens what was sealed for the notify service; only that service's folder has the keys.

    Raises:
        KeysMissing: if the folder lacks `notify.jwk`.
    """

    def __init__(self, key_folder: Path) -> None:
        self._keys = {key.kid: key for key in load_keys(key_folder, NOTIFY_KEYS, OKPKey)}
        self._wrapping = {str(kid)[:KEY_ID_LENGTH]: AESGCM(_wrapping_key(key)) for kid, key in self._keys.items()}

    def open_contact(self, sealed: str) -> Contact:
        """Return how to reach somebody: as an event brought it, or as `seal_contact` kept it, joined with its key.

        Raises:
            CannotOpen: if it is sealed for another key, was changed, or is not a contact.
        """
        wrapped, joined, kept = sealed.partition(JOINT)
        if not joined:
            return self._open(sealed, Contact)
        cipher = AESGCM(self._unwrap(wrapped))
        reader: TypeAdapter[Contact] = _READERS[Contact]
        try:
            raw = _decode(kept.removeprefix(f"{CONTACT_VERSION}."))
            return reader.validate_json(cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], b"contact"))
        except (InvalidTag, ValueError) as error:
            raise CannotOpen("sealed for another person, or changed") from error

    def new_recipient_key(self) -> str:
        """Return a new key for one person, wrapped: only who holds this service's own key can use it."""
        kid, wrapping = next(iter(self._wrapping.items()))
        nonce = secrets.token_bytes(NONCE_BYTES)
        prefix = f"{WRAP_VERSION}.{kid}"
        return f"{prefix}.{_encode(nonce + wrapping.encrypt(nonce, secrets.token_bytes(32), prefix.encode()))}"

    def seal_contact(self, wrapped: str, contact: Contact) -> str:
        """Return `contact` sealed with a person's key: to open it, give it back behind the key, with `JOINT` between.

        Raises:
            CannotOpen: the key was wrapped for another service.
        """
        nonce = secrets.token_bytes(NONCE_BYTES)
        content = AESGCM(self._unwrap(wrapped)).encrypt(nonce, to_json(contact), b"contact")
        return f"{CONTACT_VERSION}.{_encode(nonce + content)}"

    def _unwrap(self, wrapped: str) -> bytes:
        prefix, _, content = wrapped.rpartition(".")
        wrapping = self._wrapping.get(prefix.partition(".")[2])
        if wrapping is None:
            raise CannotOpen("wrapped with a key that this folder does not have")
        try:
            raw = _decode(content)
            return wrapping.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], prefix.encode())
        except (InvalidTag, ValueError) as error:
            raise CannotOpen("wrapped for another service, or changed") from error

    def open_sign_in(self, sealed: str) -> SignInMessage:
        """Return a one-time code and where to send it.

        Raises:
            CannotOpen: as `open_contact`.
        """
        return self._open(sealed, SignInMessage)

    def open_proof(self, sealed: str) -> ContactProof:
        """Return a mail address, and what proves that it is its holder's.

        Raises:
            CannotOpen: as `open_contact`.
        """
        return self._open(sealed, ContactProof)

    def _open(self, sealed: str, kind: type[AnyMessage]) -> AnyMessage:
        try:
            opened = jwe.decrypt_compact(sealed, self._choose, algorithms=[*JWE_HEADER.values()])
        except (JoseError, ValueError) as error:
            raise CannotOpen("sealed for another key, or changed") from error
        if opened.headers().get("cty") != CONTENT[kind] or opened.plaintext is None:
            raise CannotOpen(f"not a {CONTENT[kind]}")
        try:
            reader: TypeAdapter[AnyMessage] = _READERS[kind]
            return reader.validate_json(opened.plaintext)
        except ValidationError:
            raise CannotOpen(f"not a {CONTENT[kind]}") from None

    def _choose(self, sealed: Any) -> OKPKey:
        key = self._keys.get(sealed.headers().get("kid"))
        if key is None:
            raise CannotOpen("sealed for a key that this folder does not have")
        return key


def _wrapping_key(key: OKPKey) -> bytes:
    """Return the key that wraps the keys of persons, derived from a private key that is good for something else."""
    private = _decode(str(key.as_dict(private=True)["d"]))
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"yuyue recipient keys").derive(private)


def generate_keys(folder: Path) -> list[str]:
    """Make whatever is missing in the key folder; return the names of the files made.

    Nothing that exists is ever overwritten, also where two processes do this at once, and no file is ever seen half
    written. A folder with the public half of notify's key alone stays so: there the private half is kept elsewhere.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    contents: dict[str, Callable[[], str]] = {
        SIGNING_KEYS: lambda: _write_set([_MAKERS[SIGNING_KEYS]()]),
        SEALING_KEYS: lambda: _write_set([_MAKERS[SEALING_KEYS]()]),
        PEPPER: lambda: secrets.token_urlsafe(32),
        FEED_TOKEN: lambda: secrets.token_urlsafe(32),
    }
    if not (folder / NOTIFY_PUBLIC_KEYS).exists():
        contents[NOTIFY_KEYS] = lambda: _write_set([_MAKERS[NOTIFY_KEYS]()])
        contents[NOTIFY_PUBLIC_KEYS] = lambda: _notify_public(folder)  # of the file, whoever made it
    return [name for name, content in contents.items() if _create(folder / name, content)]


def rotate_keys(folder: Path, name: str) -> None:
    """Put a new key before those of a `.jwk` file; services use it after their next start.

    Old keys stay and open what they sealed. Delete one by hand when nothing depends on it any more.

    Raises:
        KeysMissing: if there is no such file yet.
        ValueError: if `name` is not a file that can be rotated: the pepper cannot, for every fingerprint hangs on it.
    """
    if name not in _MAKERS:
        raise ValueError(f"{name} cannot be rotated")
    old = load_keys(folder, name, OctKey) if name == SEALING_KEYS else load_keys(folder, name, OKPKey)
    _replace(folder / name, _write_set([_MAKERS[name](), *old]))
    if name == NOTIFY_KEYS:
        _replace(folder / NOTIFY_PUBLIC_KEYS, _notify_public(folder))


def load_keys(folder: Path, name: str, kind: type[AnyKey]) -> list[AnyKey]:
    """Return the keys of a `.jwk` file, newest first.

    Raises:
        KeysMissing: if there are none, or they are of another kind.
    """
    try:
        keys = [kind.import_key(key) for key in json.loads(_read(folder, name))["keys"]]
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise KeysMissing(f"{folder / name} is not a set of {kind.key_type} keys") from error
    if not keys:
        raise KeysMissing(f"{folder / name} holds no key")
    for key in keys:
        key.ensure_kid()
    return keys


def load_secret(folder: Path, name: str) -> str:
    """Return the text of a secret file, such as `FEED_TOKEN`.

    Raises:
        KeysMissing: if there is none.
    """
    return _read(folder, name).decode()


def same_secret(presented: str, expected: str) -> bool:
    """Compare in a time that does not depend on where the two differ."""
    return hmac.compare_digest(presented.encode(), expected.encode())


_MAKERS: Final[dict[str, Callable[[], OctKey | OKPKey]]] = {
    SIGNING_KEYS: lambda: OKPKey.generate_key("Ed25519", {"use": "sig", "alg": "Ed25519"}, auto_kid=True),
    SEALING_KEYS: lambda: OctKey.generate_key(256, {"use": "enc"}, auto_kid=True),
    NOTIFY_KEYS: lambda: OKPKey.generate_key("X25519", {"use": "enc"}, auto_kid=True),
}


def _notify_public(folder: Path) -> str:
    newest = load_keys(folder, NOTIFY_KEYS, OKPKey)[0]
    return json.dumps({"keys": [newest.as_dict(private=False)]})


def _write_set(keys: Sequence[OctKey | OKPKey]) -> str:
    return json.dumps({"keys": [key.as_dict(private=True) for key in keys]}, indent=1)


def _read(folder: Path, name: str) -> bytes:
    try:
        content = (folder / name).read_bytes().strip()
    except OSError as error:
        raise KeysMissing(f"{folder / name} cannot be read: {error.strerror}") from error
    if not content:
        raise KeysMissing(f"{folder / name} is empty")
    return content


def _create(path: Path, content: Callable[[], str]) -> bool:
    """Write a file that is not there; tell whether it was this call that made it."""
    if path.exists():
        return False
    unfinished = _write_beside(path, content())
    try:
        os.link(unfinished, path)  # unlike a rename, fails where the file has appeared meanwhile
    except FileExistsError:
        return False
    finally:
        unfinished.unlink()
    return True


def _replace(path: Path, content: str) -> None:
    _write_beside(path, content).replace(path)


def _write_beside(path: Path, content: str) -> Path:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # readable by its owner alone
    with os.fdopen(handle, "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)


def _associated(*parts: str) -> bytes:
    return "\0".join(parts).encode()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
