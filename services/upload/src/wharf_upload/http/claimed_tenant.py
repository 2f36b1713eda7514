"""Reads the tenant that a request claims, before its credential is verified.

The claim only decides in which tenant's turn the request waits for its verification. A request with
a false claim is refused as soon as it is verified.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any

import msgspec

from wharf_upload.http.request import TICKETS


class _Principal(msgspec.Struct):
    tenant: str


class _Admission(msgspec.Struct):
    principal: _Principal


class _Claims(msgspec.Struct):
    tid: str


_admission = msgspec.json.Decoder(_Admission)
_claims = msgspec.json.Decoder(_Claims)


def claimed_tenant(environ: Mapping[str, Any]) -> str:
    """Return the tenant in the request's admission, or in its token, or an empty text."""
    try:
        if admission := environ.get("ADMISSION"):
            return _admission.decode(urlsafe_b64decode(admission)).principal.tenant
        payload = _token(environ).partition(".")[2].partition(".")[0]
        padding = "=" * (-len(payload) % 4)
        return _claims.decode(urlsafe_b64decode(payload + padding)).tid
    except (ValueError, msgspec.MsgspecError, RecursionError):
        return ""


def _token(environ: Mapping[str, Any]) -> str:
    path: str = environ.get("REQUEST_URI") or ""
    if path.startswith(TICKETS):
        return path[len(TICKETS) :].partition("?")[0].partition("/")[0]
    credential: str = environ.get("HTTP_AUTHORIZATION") or ""
    return credential.rpartition(" ")[2]
