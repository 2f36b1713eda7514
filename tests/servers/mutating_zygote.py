"""A zygote whose children decode many damaged files each: `mutating_zygote.py LANDLOCK_ABI`.

The blob is a small file, and the number is the seed of its mutants, which are damaged copies. The
response is a JSON object with the number of mutants by outcome. The real children decode one file
in the same sandbox.
"""

from __future__ import annotations

import io
import json
import os
import random
import sys
from collections import Counter

from wharf_images.formats import NoPicture, is_webp
from wharf_images.picturing import pictures
from wharf_images.zygote import serve

MUTANTS = 250


def mutant(seed: bytes, chance: random.Random) -> bytes:
    """Return the file with some bytes changed, removed or added. The first four bytes stay."""
    content = bytearray(seed)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        place = chance.randrange(min(4, len(content)), len(content))
        match chance.randrange(5):
            case 0:
                content[place] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 1:
                content[place] ^= 1 << chance.randrange(8)
            case 2:
                del content[place : place + chance.randrange(1, 32)]
            case 3:
                other = chance.randrange(len(content))
                content[place:place] = content[other : other + chance.randrange(1, 32)]
            case _:
                content[place : place + 4] = chance.randbytes(4)
        if len(content) < 8:
            break
    return bytes(content)


def decode(blob: int, number: int) -> bytes:
    """Decode the mutants whose seed is `number`, and return the number of mutants by outcome."""
    seed, outcomes = os.pread(blob, 1 << 20, 0), Counter[str]()
    chance = random.Random(number)
    for _ in range(MUTANTS):
        try:
            good = is_webp(pictures.picture_of(io.BytesIO(mutant(seed, chance)), 64))
            outcomes["made" if good else "nonsense"] += 1
        except NoPicture as none:
            outcomes[none.reason] += 1
    return json.dumps(outcomes).encode()


if __name__ == "__main__":
    pictures.load()
    serve(decode, int(sys.argv[1]))
