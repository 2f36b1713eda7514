"""Vectors about the form of a token: Base64, JSON, header, size (security.md 56, 58, 59)."""

from __future__ import annotations

import json
import string

from tests.vectors.making import ABSENT, Maker, Vector, b64, encoded, group

_MAX_TOKEN_BYTES = 8192
_ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


def vectors(maker: Maker) -> list[Vector]:
    """Return all groups of this file."""
    return [
        Vector("good", "as auth makes them", maker.signed(), "valid"),
        *_types(maker),
        *_critical(maker),
        *_base64(maker),
        *_parts(maker),
        *_json(maker),
        *_twice(maker),
        *_sizes(maker),
    ]


def _types(maker: Maker) -> list[Vector]:
    good = ("at+jwt", "AT+JWT", "application/at+jwt", "application/AT+JWT")
    bad = ("JWT", "jwt", "rt+jwt", "refresh", "id+jwt", "", None, 7, ["at+jwt"], "at+jwt ",
           "at+jwt+x", "text/at+jwt", "application/application/at+jwt", True, ABSENT)  # fmt: skip
    return [
        *group("types", "valid", [(f"{one}", maker.signed(maker.header(typ=one))) for one in good]),
        *group(
            "types",
            "malformed",
            [
                ("no typ" if one is ABSENT else f"typ {one!r}", maker.signed(maker.header(typ=one)))
                for one in bad
            ],
        ),
    ]


def _critical(maker: Maker) -> list[Vector]:
    """Return tokens with extensions other than `wharf-narrows`, the only known one.

    See RFC 7515 section 4.1.11 and RFC 7797.
    """
    demands: tuple[object, ...] = (["exp"], ["b64"], ["x"], [], "b64", None, {}, 1, ["alg"])
    found = [
        (f"crit {one!r}", maker.signed(maker.header(crit=one, b64=True, x=1, exp=1)))
        for one in demands
    ]
    body = encoded(maker.claims()).decode()
    for crit in (["b64"], ABSENT):
        head = b64(encoded(maker.header(crit=crit, b64=False)))
        with_it = "without crit" if crit is ABSENT else "with crit"
        raw = b64(maker.sign(f"{head}.{body}".encode()))
        coded = maker.signed(maker.header(crit=crit, b64=False))
        found += [
            (f"b64 false {with_it}, over plain claims", f"{head}.{b64(body.encode())}.{raw}"),
            (f"b64 false {with_it}, plain claims in place", f"{head}.{body}.{raw}"),
            (f"b64 false {with_it}, over Base64", coded),
            (f"b64 false {with_it}, detached", f"{head}..{raw}"),
        ]
    return group("demands of the header", "malformed", found)


def _base64(maker: Maker) -> list[Vector]:
    """Return other Base64 spellings of a valid token. A verifier must refuse all of them."""
    token = maker.signed()
    head, body, signature = token.split(".")
    # The last character of 256 bytes has four bits without a meaning.
    last = _ALPHABET[_ALPHABET.index(signature[-1]) ^ 1]
    standard = signature.replace("-", "+").replace("_", "/")
    if standard == signature:
        standard = "+" + signature[1:]
    found = {
        "padded header": f"{head}=.{body}.{signature}",
        "padded claims": f"{head}.{body}==.{signature}",
        "padded signature": f"{token}==",
        "one sign of padding": f"{token}=",
        "padding in the middle": f"{head}.{body}.{signature[:8]}={signature[8:]}",
        "unused bits set": f"{head}.{body}.{signature[:-1]}{last}",
        "standard alphabet": f"{head}.{body}.{standard}",
        "a tilde in the signature": f"{head}.{body}.{signature[:8]}~{signature[8:]}",
        "tildes after the signature": f"{token}~~~~",
        "a line end after it": f"{token}\n",
        "a line end in it": f"{head}.{body}.{signature[:8]}\n{signature[8:]}",
        "blanks around it": f" {token} ",
        "percent-encoded": f"{head}.{body}.{signature[:-1]}%{ord(signature[-1]):x}",
        "a zero byte in it": f"{head}.{body}.{signature[:8]}\0{signature[8:]}",
    }
    return [
        *group("other spellings of a good token", "malformed", found.items()),
        Vector("a longer signature", "a character too many", f"{token}A", "signature"),
    ]


def _parts(maker: Maker) -> list[Vector]:
    token = maker.signed()
    head, body, signature = token.split(".")
    flattened = {"protected": head, "payload": body, "signature": signature}
    found = {
        "nothing": "",
        "a dot": ".",
        "two dots": "..",
        "four dots": "....",
        "two parts": f"{head}.{body}",
        "no header": f".{body}.{signature}",
        "four parts": f"{token}.{signature}",
        "five parts, as JWE has": f"{head}.AAAA.AAAA.{body}.{signature}",
        "five parts of a JWE": f"{b64(encoded({'alg': 'dir', 'enc': 'A128GCM'}))}..AAAA.AAAA.AAAA",
        "JWS in JSON": json.dumps(flattened),
        "JWS in JSON, general": json.dumps({"payload": body, "signatures": [flattened]}),
        "not Base64": "{}.{}.{}",
        "empty objects": "e30.e30.e30",
        "null as header": f"{b64(b'null')}.{body}.{signature}",
        "a list as header": f"{b64(b'[]')}.{body}.{signature}",
        "a text as header": f"{b64(encoded('RS256'))}.{body}.{signature}",
        "a number as header": f"{b64(b'1')}.{body}.{signature}",
        "two tokens": f"{token},{token}",
        "no ASCII": f"ä{token}",
        "half a character": f"\ud83e{token}",
        "the scheme again": f"Bearer {token}",
    }
    nested = maker.signed(maker.header(cty="JWT"), maker.signed().encode())
    return [
        *group("parts", "malformed", [*found.items(), ("a token as the claims", nested)]),
        Vector("parts", "no claims", f"{head}..{signature}", "refused"),
    ]


def _json(maker: Maker) -> list[Vector]:
    """Return tokens with a valid signature over content that is no JSON object, or that only a
    loose JSON parser accepts.
    """
    good = encoded(maker.claims())
    claims = {
        "a list": b"[]",
        "null": b"null",
        "a text": b'"x"',
        "a number": b"7",
        "nothing": b"",
        "blanks": b"  ",
        "half an object": good[:-1],
        "an object and more": good + b"{}",
        "a comma too many": good[:-1] + b",}",
        "no UTF-8": good.replace(b"client-1", b"client-\xff"),
        "single quotes": good.replace(b'"', b"'"),
        "a comment": b"/* */" + good,
        "deep lists": b'{"x":' + b"[" * 2500 + b"]" * 2500 + b"}",
        "deep objects": b'{"x":' * 900 + b"1" + b"}" * 900,
        "a number of 5,000 digits": good[:-1] + b', "x": ' + b"9" * 5000 + b"}",
    }
    headers = {
        "deep lists": b"[" * 2500 + b"]" * 2500,
        "half an object": encoded(maker.header())[:-1],
        "no UTF-8": encoded(maker.header(x="?")).replace(b"?", b"\xff"),
        "an object and more": encoded(maker.header()) + b"x",
        "nothing": b"",
    }
    # Python's JSON parser accepts these, and they have the issuer's signature.
    loose = {
        "blanks around": b" \n" + good + b"\n ",
        "a byte order mark": b"\xef\xbb\xbf" + good,
        "UTF-16": good.decode().encode("utf-16"),
        "half a character, escaped": good.replace(b"client-1", b"client-\\ud83e"),
        "not a number, in a member nobody reads": good[:-1] + b', "x": NaN}',
        "infinity, in a member nobody reads": good[:-1] + b', "x": 1e999}',
    }
    return [
        *group("claims", "malformed", [(n, maker.signed(None, c)) for n, c in claims.items()]),
        *group("headers", "malformed", [(n, maker.signed(h)) for n, h in headers.items()]),
        *group("loose JSON", "acceptable", [(n, maker.signed(None, c)) for n, c in loose.items()]),
    ]


def _twice(maker: Maker) -> list[Vector]:
    """Return tokens with duplicate members. A reader may refuse such a token, or use the last
    member of a name (RFC 7515 section 4).
    """
    header, claims = encoded(maker.header()), encoded(maker.claims())
    return [
        *group(
            "members twice, the last is bad",
            "refused",
            [
                ("alg", maker.signed(header[:-1] + b', "alg": "none"}')),
                ("typ", maker.signed(header[:-1] + b', "typ": "JWT"}')),
                ("kid", maker.signed(header[:-1] + b', "kid": "unknown"}')),
                ("aud", maker.signed(None, claims[:-1] + b', "aud": "auth"}')),
                ("exp", maker.signed(None, claims[:-1] + b', "exp": 1}')),
                ("tid", maker.signed(None, claims[:-1] + b', "tid": 7}')),
            ],
        ),
        *group(
            "members twice, the first is bad",
            "acceptable",
            [
                ("alg", maker.signed(b'{"alg": "none", ' + header[1:])),
                ("aud", maker.signed(None, b'{"aud": "auth", ' + claims[1:])),
                ("tid", maker.signed(None, b'{"tid": "other", ' + claims[1:])),
            ],
        ),
    ]


def _sizes(maker: Maker) -> list[Vector]:
    def of(size: int) -> str:
        """Return a valid token of exactly this size. Characters in the header give the sizes that
        the Base64 of the claims cannot give.
        """
        for fill in range(4):
            header = maker.header(fill="x" * fill)
            room = size - len(maker.signed(header, maker.claims(pad="")))
            for pad in range(max(0, room * 3 // 4 - 3), room * 3 // 4 + 3):
                token = maker.signed(header, maker.claims(pad="x" * pad))
                if len(token) == size:
                    return token
        raise AssertionError(f"no token of {size} bytes")

    many = maker.claims(scope=" ".join(f"s{number}" for number in range(900)))
    return [
        Vector("sizes", "as long as may be", of(_MAX_TOKEN_BYTES), "valid"),
        Vector("sizes", "900 scopes", maker.signed(None, many), "valid"),
        Vector("sizes", "a byte longer", of(_MAX_TOKEN_BYTES + 1), "malformed"),
        Vector("sizes", "64 KB", maker.signed(None, maker.claims(pad="x" * 48_000)), "malformed"),
        Vector("sizes", "dots", "." * _MAX_TOKEN_BYTES, "malformed"),
        Vector("sizes", "long garbage", "A" * 4000 + "." + "A" * 4000 + ".A", "malformed"),
    ]
