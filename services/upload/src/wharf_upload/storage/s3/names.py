"""The names of objects: `{prefix}{yyyymmddhh}/{tenant}/{blob}`.

The hour (UTC) is the one in which the blob's identifier was created. So the blob's name determines
the object's name, and the service can list the objects of one hour without the others.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

from wharf_upload.storage.base import BlobName, Made

_HOUR_SECONDS = 3600
_OBJECT = re.compile(r"(?P<hour>[0-9]{10})/(?P<tenant>[a-z0-9-]{1,63})/(?P<blob>[0-9a-f]{32})")


def object_name(prefix: str, name: BlobName) -> str:
    """Return the name of a blob's object."""
    return f"{prefix}{_hour(name.made_at)}/{name.tenant}/{name.blob}"


def blob_name(prefix: str, key: str) -> BlobName | None:
    """Return the blob of an object; `None` for an object that is not Wharf's."""
    found = _OBJECT.fullmatch(key, len(prefix)) if key.startswith(prefix) else None
    if found is None:
        return None
    name = BlobName(found["tenant"], found["blob"])
    return name if _hour(name.made_at) == found["hour"] else None


def hour_prefixes(prefix: str, made: Made) -> Iterator[str]:
    """Yield the prefix of each hour that a time span touches."""
    begin = int(made.since // _HOUR_SECONDS) * _HOUR_SECONDS
    while begin < made.until:
        yield f"{prefix}{_hour(begin)}/"
        begin += _HOUR_SECONDS


def _hour(seconds: float) -> str:
    return time.strftime("%Y%m%d%H", time.gmtime(seconds))
