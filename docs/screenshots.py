"""Takes the pictures of README.md and docs/: `make screenshots`.

The command starts a separate Wharf and creates a tenant with people and files. Debian's Chromium
opens pages of the console, and the command writes each picture to `docs/pictures/<name>.png`. A
later run replaces the pictures under the same names.
"""

from __future__ import annotations

import math
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.servers.browser import browsing
from tests.servers.pages.looks import Look
from tests.servers.pages.stage import Stage
from tests.servers.pages.world import Login, World
from tests.servers.webhook_receiver import Received, Reply, webhook_receiver
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.people import PASSWORD
from tests.servers.wharf.tenants import ALL_SCOPES, Signer, Tenants

FOLDER = Path(__file__).parent / "pictures"
_TENANT = "harbour"
_WIDE = Look(scripts=True, width=1280, theme="light", language="en")
_DARK = Look(scripts=True, width=1280, theme="dark", language="en")
_NARROW = Look(scripts=True, width=360, theme="light", language="en")
_CHINESE = Look(scripts=True, width=1280, theme="light", language="zh_Hans")
# Files of the bucket `photos`, each with the phase of its colours.
_PHOTOS = {"crane": 0.0, "ferry": 0.8, "gull": 1.7, "lighthouse": 2.6, "pier": 3.5, "storm": 4.4}
_TEXTS = ("letters/2026-11-02 harbour master.txt", "letters/2026-11-17 customs.txt", "notes.txt")


_CALM = """
const status = document.querySelector("[data-live-status]");
const isThere = (one) => one.complete || one.getBoundingClientRect().top > innerHeight;
const pictures = [...document.querySelectorAll("img.thumb")];
return (!status || status.dataset.state === "live") && pictures.every(isThere);
"""


def _nothing(_: Stage) -> None:
    """Do nothing on a page that is ready when it is open."""


@dataclass(frozen=True)
class Picture:
    """A page, its look, the person who opens it, and the steps on it before the picture."""

    name: str
    path: str
    look: Look = _WIDE
    who: str = "ann"
    before: Callable[[Stage], None] = _nothing


def _ask_to_delete(stage: Stage) -> None:
    for box in stage.all("input[name=key]")[:2]:
        box.click()
    stage.press("button.danger")
    stage.one("dialog[open]")


def _open_endpoint(stage: Stage) -> None:
    stage.press("main th a")
    stage.settle()
    # The page is up to date when each event has a result.
    stage.awaited(lambda: len(stage.all("tbody tr")) == len(_PHOTOS) + len(_TEXTS))
    stage.awaited(lambda: "not tried yet" not in stage.one("tbody").text)
    stage.awaited(lambda: stage.browser.execute_script(_CALM))


def _answer(request: Received) -> Reply:
    """Return what the receiver of webhooks answers: it refuses one file."""
    refuses = request.event["data"]["file"]["key"] == "storm.png"
    return Reply(503, body=b"The index is full.") if refuses else Reply()


def _drop(stage: Stage) -> None:
    for name, phase in list(_PHOTOS.items())[:3]:
        stage.choose(".dz-hidden-input", stage.file(f"{name}.png", picture(phase)))
    stage.awaited(lambda: len(stage.all(".dz-success")) == 3)
    # Dropzone shows its mark of success for three seconds.
    stage.browser.run("await new Promise(done => setTimeout(done, 3500))")


PICTURES = (
    Picture("console-login", "/console/login", who=""),
    Picture("console-overview", "/console/"),
    Picture("console-overview-dark", "/console/", _DARK),
    Picture("console-files", "/console/b/photos/"),
    Picture("console-files-narrow", "/console/b/photos/", _NARROW),
    Picture("console-files-chinese", "/console/b/photos/", _CHINESE),
    Picture("console-delete", "/console/b/photos/", before=_ask_to_delete),
    Picture("console-webhook", "/console/webhooks", before=_open_endpoint),
    Picture("examples-thumbnails", "/console/examples/thumbnails"),
    Picture("examples-dropzone", "/console/examples/dropzone", before=_drop),
    Picture("reference", "/docs", who="", before=lambda stage: stage.awaited(
        lambda: len(stage.all("[data-reference] h5")) > 10
    )),
)  # fmt: skip


def picture(phase: float, width: int = 480, height: int = 360) -> bytes:
    """Return a PNG with a sky and a sea; the phase determines the colours."""
    horizon = height * 0.55

    def pixel(x: int, y: int) -> bytes:
        wave = math.sin(x / 23 + phase * 3) * 6 + math.sin(x / 61 + phase) * 9
        depth = (y - horizon - wave) / height
        base = (0.5 + 0.4 * math.sin(phase + turn) for turn in (0.0, 2.1, 4.2))
        shade = 0.85 + depth if depth < 0 else 0.45 + depth / 2
        return bytes(min(255, max(0, int(255 * part * shade + 60 * shade))) for part in base)

    rows = b"".join(b"\0" + b"".join(pixel(x, y) for x in range(width)) for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def furnish(wharf: Wharf, hook: str) -> World:
    """Create the tenant, its people, its files and an endpoint for webhooks with the URL `hook`."""
    tenants = Tenants(wharf)
    admin = tenants.admin
    names = {"tenant": _TENANT, "display_name": "Harbour Office"}
    _done(admin, "POST", "/auth/v1/tenants", names)
    limits = {"max_bytes": 50_000_000, "max_files": 1000}
    people = {"ann": ("Ann Lindqvist", "owner"), "bao": ("Bao Chen", "editor")}
    for username, (name, role) in people.items():
        user = {"username": username, "display_name": name, "role": role, "password": PASSWORD}
        _done(admin, "POST", f"/auth/v1/tenants/{_TENANT}/users", user)
    signer = Signer(wharf)
    api = signer.client(tid=_TENANT, scope=" ".join((*ALL_SCOPES, "webhooks:admin")))
    _done(signer.client(scope="tenants:admin"), "PUT", f"/v1/tenants/{_TENANT}/limits", limits)
    _done(api, "PUT", "/v1/buckets/photos", {"allowed_types": ["image/*", "text/plain"]})
    _done(api, "PUT", "/v1/buckets/press", {"public": True})
    endpoint = {"url": hook, "bucket": "photos", "description": "Index of the archive"}
    _done(api, "POST", "/v1/webhooks", endpoint)
    for name, phase in _PHOTOS.items():
        api.stored(f"{name}.png", picture(phase), bucket="photos")
        api.stored(f"examples/{name}.png", picture(phase))
    for key in _TEXTS:
        api.stored(quote(key), b"Dear colleagues,\n" * 200, bucket="photos")
    return World(tenants, {name: Login(_TENANT, name) for name in people}, api, {})


def _done(api: ApiClient, method: str, target: str, content: object) -> None:
    answer = api.send_json(method, target, content)
    if answer.status >= 300:
        sys.exit(f"screenshots: {method} {target}: {answer.status} {answer.body.decode()}")


def take(stage: Stage, wanted: Picture) -> None:
    """Take one picture."""
    stage.set(wanted.look)
    stage.become(wanted.who)
    stage.open(wanted.path)
    # A page with a live channel shows when it is connected. Its styles and pictures are loaded by
    # then.
    stage.awaited(lambda: stage.browser.execute_script(_CALM))
    wanted.before(stage)
    # A focused field would have a cursor that blinks.
    stage.browser.execute_script("document.activeElement?.blur()")
    stage.browser.save_screenshot(str(FOLDER / f"{wanted.name}.png"))


def main() -> None:
    """Take all pictures, or those that the command line names."""
    names = sys.argv[1:]
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        webhook_receiver(_answer) as receiver,
        running(WHARF_WEBHOOK_ALLOW="127.0.0.1") as wharf,
        browsing(Path(folder) / "profile") as browser,
    ):
        stage = Stage(browser, wharf, furnish(wharf, receiver.url), Path(folder))
        for wanted in PICTURES:
            if not names or wanted.name in names:
                take(stage, wanted)
                print(f"docs/pictures/{wanted.name}.png")


if __name__ == "__main__":
    main()
