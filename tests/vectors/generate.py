"""Write `access_tokens.json`: `.venv/bin/python -m tests.vectors.generate`.

The script makes the key and keeps only its public half, so no program can sign with it afterwards.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.vectors import algorithms, claims, forms
from tests.vectors.making import Maker, Vector

PATH = Path(__file__).with_name("access_tokens.json")
# 20 November 2026, midnight. The tests set their clock to this time.
NOW = 1_795_132_800


def vectors(maker: Maker) -> list[Vector]:
    """Return all vectors for this key and clock."""
    return [*forms.vectors(maker), *algorithms.vectors(maker), *claims.vectors(maker)]


def main() -> None:
    """Write the file with one vector on each line."""
    key = rsa.generate_private_key(65537, 2048)
    maker = Maker(key, "vectors-1", "http://wharf.test/auth", "upload", NOW)
    lines = [json.dumps(asdict(vector)) for vector in vectors(maker)]
    head = {"issuer": maker.issuer, "audience": maker.audience, "now": NOW, "keys": [maker.jwk()]}
    body = ",\n".join(lines)
    PATH.write_text(f'{json.dumps(head)[:-1]}, "vectors": [\n{body}\n]}}\n', encoding="ascii")


if __name__ == "__main__":
    main()
