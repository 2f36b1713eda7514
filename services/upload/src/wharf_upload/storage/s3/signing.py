"""Signatures of frequent requests (AWS Signature Version 4).

Each download needs a presigned address. This module makes an address in 15 µs; boto3 needs 100 µs.
The tests compare the results. Paths consist of characters that need no encoding; only the access
key may need encoding.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from urllib.parse import quote

from wharf_upload.domain.bucket_place import BucketPlace
from wharf_upload.storage.s3.keys import KeyFile, Keys

UNSIGNED = "UNSIGNED-PAYLOAD"
_ALGORITHM = "AWS4-HMAC-SHA256"


class Signer:
    """Signs requests to one store; several threads may use it."""

    def __init__(self, place: BucketPlace, keys: KeyFile) -> None:
        """Create the signer; each signature uses the present keys."""
        self._keys, self._region, self._host = keys, place.region, place.signed_host
        # The signing key of a day takes four hashes, so it is cached while the keys and the day are
        # the same.
        self._day_key: tuple[Keys, str, bytes] | None = None

    def presigned(self, path: str, seconds: int, now: float | None = None) -> str:
        """Return the path and query by which any client may GET an object during `seconds`."""
        keys, stamp = self._keys.keys(), _stamp(now)
        scope = self._scope(stamp)
        path = quote(path)
        query = (
            f"X-Amz-Algorithm={_ALGORITHM}"
            f"&X-Amz-Credential={quote(f'{keys.access}/{scope}', safe='')}"
            f"&X-Amz-Date={stamp}&X-Amz-Expires={seconds}&X-Amz-SignedHeaders=host"
        )
        canonical = f"GET\n{path}\n{query}\nhost:{self._host}\n\nhost\n{UNSIGNED}"
        return f"{path}?{query}&X-Amz-Signature={self._signature(keys, stamp, scope, canonical)}"

    def fields(
        self,
        method: str,
        path: str,
        query: str,
        fields: Mapping[str, str],
        payload: str,
        now: float | None = None,
    ) -> dict[str, str]:
        """Return the header fields of a signed request, including `fields` (lower case).

        `query` is encoded and sorted by name. `payload` is the digest of the body in hexadecimal
        digits, or `UNSIGNED`.
        """
        keys, stamp = self._keys.keys(), _stamp(now)
        scope = self._scope(stamp)
        all_fields = {
            **fields,
            "host": self._host,
            "x-amz-content-sha256": payload,
            "x-amz-date": stamp,
        }
        names = sorted(all_fields)
        signed = ";".join(names)
        lines = "".join(f"{name}:{all_fields[name]}\n" for name in names)
        canonical = f"{method}\n{quote(path)}\n{query}\n{lines}\n{signed}\n{payload}"
        signature = self._signature(keys, stamp, scope, canonical)
        all_fields["authorization"] = (
            f"{_ALGORITHM} Credential={keys.access}/{scope}, SignedHeaders={signed}, "
            f"Signature={signature}"
        )
        return all_fields

    def _scope(self, stamp: str) -> str:
        return f"{stamp[:8]}/{self._region}/s3/aws4_request"

    def _signature(self, keys: Keys, stamp: str, scope: str, canonical: str) -> str:
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{digest}"
        return hmac.digest(self._key_of_day(keys, stamp[:8]), text.encode(), "sha256").hex()

    def _key_of_day(self, keys: Keys, day: str) -> bytes:
        kept = self._day_key
        if kept is not None and kept[0] is keys and kept[1] == day:
            return kept[2]
        key = f"AWS4{keys.secret}".encode()
        for part in (day, self._region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._day_key = (keys, day, key)
        return key


def _stamp(now: float | None) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
