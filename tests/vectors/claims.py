"""Vectors about claims: presence, type, time limits, sessions, tickets, and unknown claims
(security.md 54 to 58, 77).
"""

from __future__ import annotations

from typing import Any

from tests.vectors.making import ABSENT, Maker, Result, Vector, group

LEEWAY_SECONDS = 60
# The value is repeated here, because auth and upload must agree on it.
NARROWS = "wharf-narrows"
MAX_LIFETIME_SECONDS = 86_400


def vectors(maker: Maker) -> list[Vector]:
    """Return all groups of this file."""
    return [
        *_missing(maker),
        *_issuers(maker),
        *_audiences(maker),
        *_texts(maker),
        *_times_by_type(maker),
        *_borders(maker),
        *_tickets(maker),
        *_unknown(maker),
        *_narrowing(maker),
    ]


def _with(maker: Maker, **changes: Any) -> str:
    return maker.signed(None, maker.claims(**changes))


def _missing(maker: Maker) -> list[Vector]:
    needed = ("iss", "aud", "sub", "tid", "iat", "exp", "jti")
    return group(
        "claims that are missing",
        "malformed",
        [(f"no {name}", _with(maker, **{name: ABSENT})) for name in needed],
    ) + group("claims that may be missing", "valid", [("no scope", _with(maker, scope=ABSENT))])


def _issuers(maker: Maker) -> list[Vector]:
    ours = maker.issuer
    alike = (f"{ours}/", f"{ours}.evil.example", f"https://evil.example/?{ours}", ours[:-1],
             ours[1:], ours.upper(), f" {ours}", f"{ours}\0", f"{ours}#", [ours], "", 7, None,
             {"iss": ours}, True)  # fmt: skip
    return group(
        "issuers (CVE-2024-53861 compared parts)",
        "malformed",
        [(f"iss {one!r}", _with(maker, iss=one)) for one in alike],
    )


def _audiences(maker: Maker) -> list[Vector]:
    ours = maker.audience
    good = ([ours], [ours, "auth"], ["auth", ours])
    bad: tuple[object, ...] = (
        *("auth", f"{ours}s", f"{ours} ", ours.upper(), "", f"auth {ours}", "*"),
        *([], ["auth"], 7, [7], None, {ours: 1}, [[ours]], [None], True, [ours, 7]),
    )
    return [
        *group("audiences", "valid", [(f"aud {one!r}", _with(maker, aud=one)) for one in good]),
        *group("audiences", "malformed", [(f"aud {one!r}", _with(maker, aud=one)) for one in bad]),
    ]


def _texts(maker: Maker) -> list[Vector]:
    wrong: tuple[Any, ...] = (7, ["vectors"], {}, True, None, 1.5)
    names = ("sub", "tid", "jti", "scope", "sid")
    found = [(f"{n} {one!r}", _with(maker, **{n: one})) for n in names for one in wrong]
    found += [(f"{name} empty", _with(maker, **{name: ""})) for name in ("sub", "tid", "jti")]
    # A tenant names a folder. auth never issues such names, but upload does not rely on that.
    odd = ("..", ".", "../vectors", "vectors/..", "a/b", "/etc", "vectors\0", "Vectors", "vectors ",
           "vectors\n", "-vectors", "vectors-", "v" * 64, "v", "véctors", "%2e%2e")  # fmt: skip
    found += [(f"tid {one[:20]!r}", _with(maker, tid=one)) for one in odd]
    return [
        *group("texts", "malformed", found),
        *group("texts", "valid", [("a session", _with(maker, sid="session-1"))]),
    ]


def _times_by_type(maker: Maker) -> list[Vector]:
    now = maker.now
    wrong: dict[str, Any] = {
        "a word": "soon",
        "a number as text": str(now + 100),
        "a fraction": now + 100.5,
        "a whole number with a point": float(now + 100),
        "true": True,
        "null": None,
        "a list": [now],
        "an object": {},
        "minus one": -1,
        "zero": 0,
        "past 2^40": 1 << 41,
        "past 2^63": 1 << 63,
        "past 2^64": 1 << 65,
        "not a number": float("nan"),
        "infinity": float("inf"),
        "a date": "2026-11-20T00:00:00Z",
        "milliseconds": now * 1000,
    }
    return group(
        "times that are none",
        "malformed",
        [
            (f"{claim} is {name}", _with(maker, **{claim: value}))
            for claim in ("exp", "iat", "nbf")
            for name, value in wrong.items()
        ],
    )


def _borders(maker: Maker) -> list[Vector]:
    now, life = maker.now, MAX_LIFETIME_SECONDS
    cases: tuple[tuple[str, Result, dict[str, int]], ...] = (
        ("expires in a second", "valid", {"exp": now + 1}),
        ("expires now, within the leeway", "valid", {"exp": now}),
        ("the last second of the leeway", "valid", {"exp": now - LEEWAY_SECONDS + 1}),
        ("the leeway is over", "expired", {"iat": now - 500, "exp": now - LEEWAY_SECONDS}),
        ("expired an hour ago", "expired", {"iat": now - 7200, "exp": now - 3600}),
        ("issued within the leeway", "valid", {"iat": now + LEEWAY_SECONDS}),
        ("issued after the leeway", "malformed", {"iat": now + LEEWAY_SECONDS + 1}),
        ("valid from within the leeway", "valid", {"nbf": now + LEEWAY_SECONDS}),
        ("valid from after the leeway", "malformed", {"nbf": now + LEEWAY_SECONDS + 1}),
        ("lives as long as may be", "valid", {"iat": now, "exp": now + life}),
        ("lives a second longer", "malformed", {"iat": now, "exp": now + life + 1}),
        ("lives too long, nearly over", "malformed", {"iat": now - life, "exp": now + 60}),
        ("issued in 1970", "malformed", {"iat": 1}),
        ("expires before it was issued", "expired", {"iat": now - 100, "exp": now - 200}),
        ("expires in ten years", "malformed", {"exp": now + 10 * 365 * 86_400}),
    )
    return [Vector("borders of time", name, _with(maker, **c), result) for name, result, c in cases]


def _tickets(maker: Maker) -> list[Vector]:
    least: dict[str, Any] = {"bucket": "photos", "prefix": "in/"}
    good: dict[str, Any] = {
        "a prefix": least,
        "the whole bucket": {"bucket": "photos", "prefix": ""},
        "a key": {"bucket": "photos", "key": "a.txt"},
        "every rule": {
            **least,
            "methods": ["PUT"],
            "max_file_bytes": 100,
            "allowed_types": ["image/*"],
            "max_files": 1,
            "redirect": ["https://app.example/done"],
        },
    }
    wrong: dict[str, Any] = {
        "null": None,
        "true": True,
        "a number": 1,
        "a text": "photos",
        "a list": [least],
        "an empty object": {},
        "no bucket": {"prefix": ""},
        "no key and no prefix": {"bucket": "photos"},
        "key and prefix": {**least, "key": "a"},
        "key and prefix null": {"bucket": "photos", "key": None, "prefix": None},
        "bucket a number": {**least, "bucket": 7},
        "bucket null": {**least, "bucket": None},
        "prefix a list": {**least, "prefix": ["in/"]},
        "methods a text": {**least, "methods": "PUT"},
        "methods that are none": {**least, "methods": ["GET"]},
        "methods in lower case": {**least, "methods": ["put"]},
        "methods null": {**least, "methods": None},
        "size a text": {**least, "max_file_bytes": "100"},
        "size true": {**least, "max_file_bytes": True},
        "size a fraction": {**least, "max_file_bytes": 1.5},
        "size negative": {**least, "max_file_bytes": -1},
        "size past 2^64": {**least, "max_file_bytes": 1 << 65},
        "types a text": {**least, "allowed_types": "image/*"},
        "types of numbers": {**least, "allowed_types": [7]},
        "types null": {**least, "allowed_types": None},
        "count a text": {**least, "max_files": "1"},
        "count negative": {**least, "max_files": -1},
        "redirect a text": {**least, "redirect": "https://app.example/done"},
        # A rule that this version does not know narrows the ticket nevertheless.
        "a rule nobody knows": {**least, "max_total_bytes": 5},
        "a rule misspelled": {**least, "max_file_byte": 5},
    }
    return [
        *group("tickets", "valid", [(n, _with(maker, ticket=t)) for n, t in good.items()]),
        *group("tickets", "malformed", [(n, _with(maker, ticket=t)) for n, t in wrong.items()]),
    ]


def _unknown(maker: Maker) -> list[Vector]:
    """Return tokens with unknown claims. A verifier ignores an unknown claim unless the header
    lists the claim as narrowing.
    """
    found: dict[str, Any] = {
        "next": {"next": [1]},
        "act": {"act": {"sub": "another"}},
        "cnf": {"cnf": {"jkt": "x"}},
        "the name of the header's parameter": {NARROWS: ["next"]},
        "crit": {"crit": ["next"]},
    }
    return group(
        "claims that nobody knows", "valid", [(n, _with(maker, **c)) for n, c in found.items()]
    )


def _narrowing(maker: Maker) -> list[Vector]:
    """Return tokens with claims that narrow the token's permissions. The header lists these claims
    in a parameter that `crit` names (RFC 7515 section 4.1.11).
    """
    marked = {"crit": [NARROWS], NARROWS: ["ticket"]}
    rules = {"ticket": {"bucket": "photos", "prefix": "in/"}}
    good: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "a ticket, as auth makes it": (marked, rules),
        "a ticket, not marked, as 0.1.0 makes it": ({}, rules),
        "a ticket, named and not critical": ({NARROWS: ["ticket"]}, rules),
        "a ticket and a claim that nobody knows": (marked, {**rules, "next": 1}),
    }
    bad: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "nothing named": ({"crit": [NARROWS], NARROWS: []}, rules),
        "named by nothing": ({"crit": [NARROWS]}, rules),
        "nothing critical": ({"crit": [], NARROWS: ["ticket"]}, rules),
        "critical twice": ({"crit": [NARROWS, NARROWS], NARROWS: ["ticket"]}, rules),
        "critical as a text": ({"crit": NARROWS, NARROWS: ["ticket"]}, rules),
        "critical and another": ({"crit": [NARROWS, "x"], "x": 1, NARROWS: ["ticket"]}, rules),
        "critical and b64": ({"crit": [NARROWS, "b64"], "b64": True, NARROWS: ["ticket"]}, rules),
        "the claim itself critical": ({"crit": ["ticket"], **rules}, rules),
        "named twice": ({**marked, NARROWS: ["ticket", "ticket"]}, rules),
        "named as a text": ({**marked, NARROWS: "ticket"}, rules),
        "named as an object": ({**marked, NARROWS: {"ticket": 1}}, rules),
        "named null": ({**marked, NARROWS: None}, rules),
        "a number named": ({**marked, NARROWS: [7]}, rules),
        "a list named": ({**marked, NARROWS: [["ticket"]]}, rules),
        "a claim that nobody knows": ({**marked, NARROWS: ["next"]}, {"next": 1}),
        "one that nobody knows beside a ticket": (
            {**marked, NARROWS: ["ticket", "next"]},
            {**rules, "next": 1},
        ),
        "one that nobody knows, not critical": ({NARROWS: ["next"]}, {"next": 1}),
        "a claim that narrows nothing": ({**marked, NARROWS: ["scope"]}, {}),
        "a claim that is missing": (marked, {}),
    }
    return [
        *group("claims that narrow", "valid", [(n, _marked(maker, *c)) for n, c in good.items()]),
        *group(
            "claims that narrow", "malformed", [(n, _marked(maker, *c)) for n, c in bad.items()]
        ),
    ]


def _marked(maker: Maker, header: dict[str, Any], claims: dict[str, Any]) -> str:
    return maker.signed(maker.header(**header), maker.claims(**claims))
