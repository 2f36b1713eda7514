"""Bodies without a length: a location for each body class, and a size limit for each body."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.gateway.test_console import ROOT, gateway
from wharf_gateway import body_classes
from wharf_gateway.nginx import render_configuration
from wharf_upload.domain import body_classes as upload_classes

MOST = 3_000_000
# The limit for bodies that are not files. A form of the console has the largest body.
SMALL = 1100 << 10
UNITS = {"": 1, "k": 1 << 10}
DIRECTIVE = re.compile(r"(?:[^;{}\"']|\"[^\"]*\"|'[^']*')*[;{}]")
INCLUDE = re.compile(r"include \S*?((?:snippets|conf\.d)/\S+\.conf);")


def test_both_services_know_the_same_classes() -> None:
    """The gateway has a location for each body class that the admission can name."""
    assert body_classes.CLASSES == upload_classes.CLASSES


@pytest.mark.parametrize("most", [1, 1000, 1024, 1025, MOST, 100 << 30, 2**63 - 1])
def test_the_largest_class_is_the_gateways_cap(most: int) -> None:
    """Each class has a location with its limit, and no limit is larger than the gateway's."""
    values = body_classes.template_values(most)
    names = dict(re.findall(r"(\S+) _([0-9]+);", values["WHARF_BODY_CLASS_NAMES"]))
    locations = values["WHARF_BODY_CLASS_LOCATIONS"]
    for size in body_classes.CLASSES:
        taken = int(names.get(str(size)) or names["default"])
        assert taken == min(size, most) or (taken == most and most > body_classes.LARGEST_BYTES)
        for way in ("limited", "limited_stream"):
            assert f"@{way}_{taken} {{ client_max_body_size {taken};" in locations


def directives(path: Path, root: Path) -> Iterator[str]:
    """Yield the directives of a file and of the files that it includes, and closing brackets."""
    text = re.sub(r"(?m)^\s*#.*$", "", path.read_text())
    for found in DIRECTIVE.findall(text):
        directive = " ".join(found.split())
        include = INCLUDE.match(directive)
        if include:
            yield from directives(root / include[1], root)
        else:
            yield directive


def limits(words: Iterator[str], inherited: int) -> Iterator[tuple[str, int]]:
    """Yield each location of a server that passes requests on, with its limit for bodies."""
    name, own, passes = "", inherited, False
    for directive in words:
        if directive == "}":
            if passes:
                yield name, own
            name, own, passes = "", inherited, False
        elif directive.startswith("location "):
            name = directive.removesuffix(" {")
        elif size := re.fullmatch(r"client_max_body_size ([0-9]+)(k?);", directive):
            own = int(size[1]) * UNITS[size[2]]
            inherited = inherited if name else own
        elif re.match(r"(uwsgi|proxy)_pass ", directive):
            passes = True


@pytest.mark.parametrize(
    ("server", "settings"),
    [
        ("public", {"WHARF_BLOB_OLD_URL": "s3://blobs?endpoint=http://[::1]:8000&region=eu-1"}),
        ("public", {"WHARF_REPLICA_DOOR": "127.0.0.1:8089", "WHARF_DATA_SHARED": "false"}),
        ("content_origin", {"WHARF_CONTENT_ORIGIN": "https://content.example.net"}),
        ("console_door", {}),
    ],
)
def test_what_is_no_file_is_small(server: str, settings: dict[str, str], tmp_path: Path) -> None:
    """A location that reads a body for a service has a small limit, or the admission's limit."""
    made = gateway(
        WHARF_CONSOLE_SOCKET="/run/console.sock",
        WHARF_LIVE_SOCKET="/run/live.sock",
        WHARF_IMAGES_SOCKET="/run/images.sock",
        WHARF_MAX_BODY_BYTES=str(MOST),
        **settings,
    )
    render_configuration(str(ROOT), str(tmp_path), made.values)
    words = (
        re.sub(r"^if .*|^limit_except .*", "if", word)
        for word in directives(tmp_path / f"conf.d/{server}.conf", tmp_path)
    )
    found = dict(limits(_without_blocks(words), 1 << 20))
    assert len(found) > 5
    # These locations serve admitted bodies, or ask about a body without receiving it.
    admitted = {"@limited", "@limited_stream", "@passed_body", "@passed_on"}
    asking = {"= /_admit", "= /_share", "= /_cors"}
    for name, size in found.items():
        place = name.removeprefix("location ")
        number = place.rpartition("_")[2]
        if place in admitted:
            assert size == MOST, name
        elif place.startswith("@limited") and number.isdigit():
            assert size == int(number), name
        elif place in asking:
            assert size == 0, name
        else:
            assert 0 < size <= SMALL, name


def _without_blocks(words: Iterator[str]) -> Iterator[str]:
    """Yield the directives that are not inside the brackets of an `if`."""
    inside = False
    for word in words:
        if word == "if":
            inside = True
        elif inside and word == "}":
            inside = False
        elif not inside:
            yield word
