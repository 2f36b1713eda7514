"""Signatures of deliveries, by Standard Webhooks (https://www.standardwebhooks.com)."""

from __future__ import annotations

import hmac
import secrets
from base64 import b64encode
from collections.abc import Callable, Iterable

import msgspec

from servicekit.sealing import KeyRing, SealingError
from wharf_upload.domain.webhooks import Endpoint, Secret

_SECRET_BYTES = 32
_PREFIX = "whsec_"


class SigningSecrets:
    """Makes the signing secrets of endpoints, and opens sealed ones.

    `keys` returns the keys that seal secrets.
    """

    def __init__(self, keys: Callable[[], KeyRing]) -> None:
        self._keys = keys

    def new(self, tenant: str, endpoint: str) -> tuple[str, Secret]:
        """Return a new secret as the receiver needs it, and sealed for the database."""
        secret = secrets.token_bytes(_SECRET_BYTES)
        sealed = self._keys().seal(secret, _context(tenant, endpoint))
        return _PREFIX + b64encode(secret).decode(), Secret(sealed)

    def current(self, endpoint: Endpoint, at: int) -> list[bytes]:
        """Return the secrets that sign at a time in unix milliseconds; raises `SealingError`."""
        context = _context(endpoint.tenant, endpoint.id)
        return [
            self._keys().open(secret.sealed, context)
            for secret in endpoint.secrets
            if secret.ends_at is None or secret.ends_at > at
        ]

    def opens(self, endpoint: Endpoint, secret: Secret) -> bool:
        """Tell whether the keys open a secret of the endpoint."""
        try:
            self._keys().open(secret.sealed, _context(endpoint.tenant, endpoint.id))
        except SealingError:
            return False
        return True

    def resealed(self, endpoint: Endpoint) -> Endpoint:
        """Return the endpoint with all secrets sealed by the current key.

        A secret that cannot be opened stays as it is. Without anything to do, the result is
        `endpoint` itself.
        """
        keys, context = self._keys(), _context(endpoint.tenant, endpoint.id)
        current = keys.current_id
        if all(secret.sealed.startswith(f"{current}.") for secret in endpoint.secrets):
            return endpoint
        sealed = tuple(
            msgspec.structs.replace(
                secret, sealed=keys.seal(keys.open(secret.sealed, context), context)
            )
            if not secret.sealed.startswith(f"{current}.") and self.opens(endpoint, secret)
            else secret
            for secret in endpoint.secrets
        )
        return msgspec.structs.replace(endpoint, secrets=sealed)


def _context(tenant: str, endpoint: str) -> str:
    return f"endpoint/{tenant}/{endpoint}"


def signature(keys: Iterable[bytes], message: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: one signature for each secret.

    `message` is the value of `webhook-id`, `timestamp` of `webhook-timestamp`.
    """
    signed = f"{message}.{timestamp}.".encode() + body
    return " ".join(f"v1,{b64encode(hmac.digest(key, signed, 'sha256')).decode()}" for key in keys)
