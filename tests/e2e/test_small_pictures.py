"""Small pictures: made by a separate process, cached by nginx, and refused like their files."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import Image

from tests.e2e.test_links import link
from tests.servers.promised import holds
from tests.servers.wharf.api_client import SMALL, ApiClient
from tests.servers.wharf.instance import ROOT, Wharf
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tenants import Tenants

_MADE = re.compile(r'^wharf_images_pictures_total\{outcome="made"\} (\S+)$', re.MULTILINE)


def photo() -> bytes:
    """Return a JPEG of 1200 by 800 pixels."""
    picture = Image.linear_gradient("L").resize((1200, 800)).convert("RGB")
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=95)
    return out.getvalue()


def made(wharf: Wharf) -> float:
    """Return how many pictures have been made, by the metrics."""
    address = f"http://127.0.0.1:{wharf.metrics_port}/metrics/images"
    with urllib.request.urlopen(address, timeout=30) as answer:
        found = _MADE.search(answer.read().decode())
    return float(found[1]) if found else 0.0


def test_every_way(wharf: Wharf, api: ApiClient) -> None:
    """A picture of each width is served by token, link and public address, and made only once."""
    api.send_json("PUT", "/v1/buckets/shown", {"public": True})
    content = photo()
    api.stored("a.jpg", content, bucket="shown")
    targets = ("/v1/files/shown/a.jpg", link(api, "a.jpg", bucket="shown"))
    before = made(wharf)
    for target in (*targets, f"/public/{api.tenant}/shown/a.jpg"):
        for width, size in ((64, (64, 43)), (256, (256, 171)), (1024, (1024, 683))):
            answer = api.get(f"{target}?w={width}")
            assert (answer.status, answer.header("Content-Type")) == (200, "image/webp")
            picture = Image.open(io.BytesIO(answer.body))
            assert (picture.format, picture.size) == ("WEBP", size)
            assert answer.header("ETag").endswith(f'-w{width}"')
            assert answer.header("Content-Disposition") == 'inline; filename="a.webp"'
            assert len(answer.body) < len(content) / 2
    assert until(lambda: made(wharf) - before == 3)
    assert api.get(targets[0]).body == content


def test_refusals(api: ApiClient) -> None:
    """A file that is no valid picture has no small picture, and an unknown width is refused."""
    api.stored("a.txt", SMALL)
    api.stored("half.jpg", photo()[:200])
    for key in ("a.txt", "half.jpg"):
        for target in (f"/v1/files/default/{key}", link(api, key)):
            api.get(f"{target}?w=64").problem(404, "no-preview")
            api.get(f"{target}?w=65").problem(
                *((400, "malformed-request") if target[1] == "v" else (404, "not-found"))
            )


def test_others_and_suspended_tenants(tenants: Tenants) -> None:
    """A client that may not read a file gets no picture of the file, not even a cached picture."""
    api, other = tenants.tenant(), tenants.tenant()
    api.stored("a.jpg", photo())
    target = link(api, "a.jpg")
    assert api.file("a.jpg?w=64").status == api.get(f"{target}?w=64").status == 200
    other.file("a.jpg?w=64").problem(404, "not-found")
    api.using(None).file("a.jpg?w=64").problem(401, "token-missing")
    assert tenants.admin.request("POST", f"/auth/v1/tenants/{api.tenant}/suspend").status == 204
    assert holds(lambda: api.get(f"{target}?w=64").status == 404)
    assert holds(lambda: api.file("a.jpg?w=64").status in (401, 403))


def test_a_crowd(wharf: Wharf, api: ApiClient) -> None:
    """Ten concurrent requests for a new picture get the same picture, which is made once."""
    api.stored("a.jpg", photo())
    before = made(wharf)
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: api.file("a.jpg?w=256"), range(10)))
    assert {(one.status, one.body) for one in answers} == {(200, answers[0].body)}
    assert until(lambda: made(wharf) - before == 1)


def test_without_the_maker(wharf: Wharf, api: ApiClient) -> None:
    """While the image process is down, cached pictures are served and new pictures get a 503."""
    api.stored("a.jpg", photo())
    have = api.file("a.jpg?w=64")
    assert have.status == 200
    with away(wharf):
        assert api.file("a.jpg?w=64").body == have.body
        refused = api.file("a.jpg?w=256")
        refused.problem(503, "unavailable")
        assert refused.header("Retry-After") == "1"
    assert until(lambda: api.file("a.jpg?w=256").status == 200)


def test_the_page_about_them(wharf: Wharf, api: ApiClient, tmp_path: Path) -> None:
    """The commands of docs/how-to/show-small-pictures.md store the described pictures."""
    api.stored("photo.jpg", photo())
    page = (ROOT / "docs/how-to/show-small-pictures.md").read_text()
    commands = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    assert len(commands) == 2
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "".join(commands)],
        env={**os.environ, "WHARF": wharf.url, "TOKEN": str(api.token)},
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    for name, size in (("photo.webp", (256, 171)), ("from-link.webp", (64, 43))):
        assert Image.open(io.BytesIO((tmp_path / name).read_bytes())).size == size


@contextmanager
def away(wharf: Wharf) -> Iterator[None]:
    """Kill the process that makes pictures while the context lasts, and hide its socket."""
    # The test stops the process manager, so that it cannot restart the image process.
    os.kill(wharf.process.pid, signal.SIGSTOP)
    try:
        for pid in wharf.processes("images"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        (wharf.data / "run" / "images.sock").rename(wharf.data / "run" / "images.away")
        yield
    finally:
        (wharf.data / "run" / "images.away").rename(wharf.data / "run" / "images.sock")
        os.kill(wharf.process.pid, signal.SIGCONT)
