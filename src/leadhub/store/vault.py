"""Secrets at rest: AES-256-GCM, with the key's id in front and the row's id as associated data.

A sealed value moved to another row does not open, and a key can be replaced while values sealed by the old one
still open.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEY_BYTES = 32
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12


class VaultError(Exception):
    """A key that cannot be used, or a sealed value that no known key opens."""


class Vault:
    """Seals and opens secrets with the newest key; opens with any.

    >>> vault = Vault([base64.b64encode(bytes(32)).decode()])
    >>> vault.open(vault.seal(b"whsec", context="endpoint:1"), context="endpoint:1")
    b'whsec'
    """

    def __init__(self, keys: Sequence[str]) -> None:
        raw = [_decode(key) for key in keys]
        self._newest = _key_id(raw[0])
        self._ciphers = {_key_id(key): AESGCM(key) for key in raw}
        self._seeds = [hmac.digest(key, b"leadhub derived keys", hashlib.sha256) for key in raw]

    def derive(self, purpose: str) -> tuple[bytes, ...]:
        """Return keys for signing of this deployment's own, newest first, that say nothing about those which seal."""
        return tuple(hmac.digest(seed, purpose.encode(), hashlib.sha256) for seed in self._seeds)

    def seal(self, plain: bytes, *, context: str) -> bytes:
        """Return key id, nonce and ciphertext; `context` names the row and must be given again to open."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return self._newest + nonce + self._ciphers[self._newest].encrypt(nonce, plain, context.encode())

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Return what was sealed.

        Raises:
            VaultError: no known key made it, it was changed, or it belongs to another row.
        """
        key_id, rest = sealed[:_KEY_ID_BYTES], sealed[_KEY_ID_BYTES:]
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise VaultError(
                "no key of this deployment sealed this value; is LEADHUB_SECRET_KEY the one it had before?"
            )
        try:
            return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], context.encode())
        except InvalidTag:
            raise VaultError("a sealed value was changed or moved to another row") from None


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"leadhub key id" + key).digest()[:_KEY_ID_BYTES]


def _decode(key: str) -> bytes:
    try:
        raw = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        raise VaultError("a secret key is not base64") from None
    if len(raw) != _KEY_BYTES:
        raise VaultError(f"a secret key is {len(raw)} bytes long; it must be {_KEY_BYTES}")
    return raw
