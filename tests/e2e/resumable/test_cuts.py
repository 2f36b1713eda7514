"""Connections that break many times during one upload."""

from __future__ import annotations

import hashlib
import random

from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tus_client import Tus

CUTS = 200
SIZE = 24_000_000


def finished(tus: Tus, address: str, content: bytes) -> bool:
    """Continue the upload at its offset as clients do, and tell whether the upload is complete."""
    offset = tus.offset(address)
    return tus.patch(address, offset, content[offset:]).status == 204


def test_two_hundred_cuts(tus: Tus, api: ApiClient) -> None:
    """A file whose upload breaks up to 200 times at random offsets is stored exactly as sent."""
    chance = random.Random(20_261_120)
    content = chance.randbytes(SIZE)
    address = tus.created(SIZE, filename="cut.bin")
    for _ in range(CUTS):
        offset = tus.offset(address)
        left = SIZE - offset
        if left < 2:
            break
        sent = min(left - 1, chance.randrange(1, 2 * SIZE // CUTS))
        tus.cut(address, offset, left, content[offset : offset + sent])
    # Wharf may still process the last cut request, so the offset may be outdated.
    assert until(lambda: finished(tus, address, content))
    found = api.get("/v1/metadata/default/cut.bin").json()
    assert found["sha256"] == hashlib.sha256(content).hexdigest()
    assert found["size"] == SIZE
