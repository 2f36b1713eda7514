"""Vectors about algorithms, keys and signatures (security.md 49 to 52, RFC 8725 section 3)."""

from __future__ import annotations

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.vectors.making import (
    ABSENT,
    Maker,
    Vector,
    b64,
    encoded,
    group,
    sha256_without_name,
)


def vectors(maker: Maker) -> list[Vector]:
    """Return all groups of this file."""
    return [
        *_unsigned(maker),
        *_confused(maker),
        *_other_algorithms(maker),
        *_algorithm_names(maker),
        *_signatures(maker),
        *_key_ids(maker),
        *_keys_in_the_header(maker),
    ]


def _unsigned(maker: Maker) -> list[Vector]:
    found = []
    for name in ("none", "None", "NONE", "nOnE", "none ", " none", "none\0", "", "null", "nonE"):
        head = b64(encoded(maker.header(alg=name)))
        body = b64(encoded(maker.claims()))
        good = maker.signed().rpartition(".")[2]
        found += [
            (f"alg {name!r}, no signature", f"{head}.{body}."),
            (f"alg {name!r}, a signature of another header", f"{head}.{body}.{good}"),
        ]
    return group("alg none", "malformed", found)


def _confused(maker: Maker) -> list[Vector]:
    forms = maker.public_forms()
    return [
        *group(
            "HMAC with the public key",
            "malformed",
            [
                (f"{algorithm} with the {form}", maker.hmacked(algorithm, secret))
                for form, secret in forms.items()
                for algorithm in ("HS256", "HS384", "HS512")
                if algorithm == "HS256" or form in ("PEM", "DER", "JWK")
            ],
        ),
        *group(
            "HMAC with the public key, declared as RS256",
            "signature",
            [
                (f"{form} as the secret", maker.hmacked("HS256", secret, "RS256"))
                for form, secret in forms.items()
            ],
        ),
    ]


def _other_algorithms(maker: Maker) -> list[Vector]:
    others = ("RS384", "RS512", "PS256", "PS384", "PS512")
    elliptic = ec.generate_private_key(ec.SECP256R1())
    by_curve = jwt.encode(maker.claims(), elliptic, "ES256", maker.header(alg="ES256"))
    return [
        *group(
            "another algorithm with the right key",
            "malformed",
            [(name, maker.signed(maker.header(alg=name), algorithm=name)) for name in others],
        ),
        *group(
            "another algorithm, declared as RS256",
            "signature",
            [(name, maker.signed(algorithm=name)) for name in others],
        ),
        *group("another kind of key", "malformed", [("ES256 with a key of its own", by_curve)]),
    ]


def _algorithm_names(maker: Maker) -> list[Vector]:
    names = ("rs256", "RS256 ", " RS256", "RS256\0", "Rs256", "SHA256withRSA", ["RS256"], None,
             {"alg": "RS256"}, 256, True, ABSENT, "RS256,none", "dir", "RSA-OAEP")  # fmt: skip
    return group(
        "names of algorithms",
        "malformed",
        [
            ("no alg" if name is ABSENT else f"alg {name!r}", maker.signed(maker.header(alg=name)))
            for name in names
        ],
    )


def _signatures(maker: Maker) -> list[Vector]:
    token = maker.signed()
    head_and_body, _, text = token.rpartition(".")
    signature = maker.sign(head_and_body.encode())
    number = int.from_bytes(signature, "big")
    modulus = maker.private_key.public_key().public_numbers().n
    other = maker.signed(claims=maker.claims(sub="client-2")).rpartition(".")[2]
    stranger = rsa.generate_private_key(65537, 2048)
    theirs = jwt.get_algorithm_by_name("RS256").sign(head_and_body.encode(), stranger)
    victim = b64(encoded(maker.claims(tid="victim")))
    wrong = {
        "cut by a byte": signature[:-1],
        "with a byte more": signature + b"\0",
        "with a zero byte before it": b"\0" + signature,
        "all zero": bytes(256),
        "one": (1).to_bytes(256, "big"),
        "all ones": b"\xff" * 256,
        "modulus minus one": (modulus - 1).to_bytes(256, "big"),
        "plus the modulus": (number + modulus).to_bytes(257, "big"),
        "first bit changed": bytes([signature[0] ^ 0x80]) + signature[1:],
        "last bit changed": signature[:-1] + bytes([signature[-1] ^ 1]),
        "bytes in reverse": signature[::-1],
        "hash without its name": sha256_without_name(maker, head_and_body.encode()),
        "by another key": theirs,
    }
    head, _, _ = token.split(".")
    return group(
        "signatures",
        "signature",
        [
            *((name, f"{head_and_body}.{b64(value)}") for name, value in wrong.items()),
            ("of other claims", f"{head_and_body}.{other}"),
            ("claims of another tenant under it", f"{head}.{victim}.{text}"),
        ],
    ) + group("no signature", "refused", [("RS256 with nothing", f"{head_and_body}.")])


def _key_ids(maker: Maker) -> list[Vector]:
    kid = maker.kid
    strange = ("../../etc/passwd", "/dev/null", "x' OR '1'='1", "\0", "unknown", "é", kid + " ",
               " " + kid, kid + "\n", kid + "\0", kid[:-1], kid + kid, "k" * 3000, "%00", "*",
               f"{kid}/../{kid}", "| /usr/bin/id", "http://127.0.0.1:9/")  # fmt: skip
    no_text = (None, "", 7, [kid], {kid: 1}, True, 1.5, ABSENT)
    return [
        *group(
            "key ids that are not ours",
            "signature",
            [(f"kid {one[:40]!r}", maker.signed(maker.header(kid=one))) for one in strange],
        ),
        *group(
            "key ids that are no text",
            "malformed",
            [
                ("no kid" if one is ABSENT else f"kid {one!r}", maker.signed(maker.header(kid=one)))
                for one in no_text
            ],
        ),
    ]


def _keys_in_the_header(maker: Maker) -> list[Vector]:
    """Return tokens with a key, or the address of a key, in the header. A stranger signed all of
    them except the last one, which has our signature.
    """
    stranger = Maker(
        rsa.generate_private_key(65537, 2048), maker.kid, maker.issuer, maker.audience, maker.now
    )
    lures = {
        "jku": f"{maker.canary}/jwks.json",
        "jku on a file": "file:///etc/hostname",
        "jku with our issuer in it": f"{maker.canary}/?{maker.issuer}",
        "x5u": f"{maker.canary}/cert.pem",
        "jwk": stranger.jwk(),
        "x5c": [stranger.public_forms()["PEM's Base64 alone"].decode()],
        "x5t": "AAAA",
        "keys": [stranger.jwk()],
        "secret": "secret",
    }
    named = [(name, maker.header(**{name.partition(" ")[0]: lure})) for name, lure in lures.items()]
    without_id = {
        name: {member: value for member, value in header.items() if member != "kid"}
        for name, header in named
    }
    return [
        *group(
            "keys that a stranger brings", "signature", [(n, stranger.signed(h)) for n, h in named]
        ),
        *group(
            "keys that a stranger brings, without a key id",
            "malformed",
            [(name, stranger.signed(header)) for name, header in without_id.items()],
        ),
        *group(
            "keys in a header that we signed are not looked at",
            "valid",
            [(name, maker.signed(header)) for name, header in named if name == "jku"],
        ),
    ]
