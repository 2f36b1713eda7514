"""uppy with its tus plugin on a page of another origin, over a network with interruptions."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

import pytest

from tests.e2e.browser.visitor import BUCKET, HTML, Visitor
from tests.servers.browser import UPPY

SIZE, CHUNK = 5_000_000, 1_000_000
PAGE = """
<input type=file id=file>
<script src=/uppy.min.js></script>
<script>
  window.seen = [];
  const uppy = new Uppy.Uppy({{ id: 'test', autoProceed: false }});
  uppy.use(Uppy.Tus, {{
    endpoint: {endpoint},
    headers: {headers},
    chunkSize: {chunk},
    retryDelays: [100, 200, 400, 800, 1600, 1600, 1600, 1600],
    {more}
  }});
  uppy.on('upload-progress', (file, p) => seen.push(['progress', p.bytesUploaded]));
  uppy.on('upload-success', (file, answer) => seen.push(['success', answer.uploadURL]));
  uppy.on('upload-error', (file, error) => seen.push(['error', String(error)]));
  uppy.on('complete', () => seen.push(['complete']));
  document.getElementById('file').addEventListener('change', (event) => {{
    for (const file of event.target.files) uppy.addFile({{ name: file.name, data: file }});
    uppy.upload();
  }});
</script>
"""


def opened(visitor: Visitor, ticket: str, *, more: str = "") -> None:
    """Open the page with an uppy whose credential is a ticket."""
    visitor.site.pages["/uppy.min.js"] = ("text/javascript", UPPY.read_bytes())
    visitor.visit(
        PAGE.format(
            endpoint=json.dumps(f"{visitor.wharf.url}/v1/uploads"),
            headers=json.dumps({"Authorization": f"Bearer {ticket}"}),
            chunk=CHUNK,
            more=more,
        )
    )


def seen(visitor: Visitor, kind: str) -> list[list[Any]]:
    """Return the events of one kind that have happened so far."""
    told: list[list[Any]] = visitor.browser.run("return seen")
    return [rest for first, *rest in told if first == kind]


def offline(visitor: Visitor, *, off: bool) -> None:
    """Take the browser offline, or back online with a slow connection."""
    visitor.browser.command("Network.enable")
    visitor.browser.command(
        "Network.emulateNetworkConditions",
        offline=off,
        latency=0,
        downloadThroughput=-1,
        uploadThroughput=1_500_000,
    )


def assert_stored(visitor: Visitor, name: str, content: bytes) -> None:
    """Check that only this file is stored, with all its bytes, and that it alone uses quota."""
    assert visitor.stored() == [name]
    found = visitor.api.get(f"/v1/metadata/{BUCKET}/{name}").json()
    assert found["sha256"] == hashlib.sha256(content).hexdigest()
    assert visitor.api.used() == (len(content), 1)


@pytest.mark.parametrize("more", ["", "parallelUploads: 3,", "uploadDataDuringCreation: true,"])
def test_a_file(visitor: Visitor, more: str) -> None:
    """uppy uploads a file in chunks, with a ticket as its only credential."""
    visitor.bucket()
    opened(visitor, visitor.ticket(), more=more)
    content = os.urandom(SIZE)
    visitor.choose("#file", visitor.file("photo.bin", content))
    visitor.awaited(lambda: seen(visitor, "complete"))
    assert seen(visitor, "error") == []
    assert_stored(visitor, "photo.bin", content)


def test_the_network_goes_and_comes_back(visitor: Visitor) -> None:
    """An upload that the network interrupts continues at its offset when the network is back."""
    visitor.bucket()
    offline(visitor, off=False)
    opened(visitor, visitor.ticket(max_files=1))
    content = os.urandom(SIZE)
    visitor.choose("#file", visitor.file("train.bin", content))
    visitor.awaited(lambda: any(sent > CHUNK for (sent,) in seen(visitor, "progress")))
    offline(visitor, off=True)
    refused = visitor.browser.run("try { await fetch(args[0]) } catch (e) { return e.name }", "/x")
    assert refused == "TypeError"
    assert seen(visitor, "complete") == []
    offline(visitor, off=False)
    visitor.awaited(lambda: seen(visitor, "complete"))
    assert seen(visitor, "error") == []
    assert_stored(visitor, "train.bin", content)
    # The log shows a single creation, so uppy continued the first upload.
    lines = [line for line in visitor.wharf.log_lines("upload") if line.get("tenant")]
    mine = [line for line in lines if line["tenant"] == visitor.api.tenant]
    created = [line for line in mine if line.get("outcome") == "upload-created"]
    assert len(created) == 1


def test_the_page_is_loaded_again(visitor: Visitor) -> None:
    """A visitor who reloads the page and chooses the file again continues the upload."""
    visitor.bucket()
    offline(visitor, off=False)
    ticket = visitor.ticket()
    content = os.urandom(SIZE)
    path = visitor.file("back.bin", content)
    opened(visitor, ticket)
    visitor.choose("#file", path)
    visitor.awaited(lambda: any(sent > 2 * CHUNK for (sent,) in seen(visitor, "progress")))
    opened(visitor, ticket)
    visitor.choose("#file", path)
    visitor.awaited(lambda: seen(visitor, "complete"))
    assert seen(visitor, "error") == []
    assert_stored(visitor, "back.bin", content)


def test_a_refused_type(visitor: Visitor) -> None:
    """HTML named like an image is refused, the page can read the reason, and nothing is stored."""
    visitor.bucket(allowed_types=["image/*"])
    opened(visitor, visitor.ticket())
    visitor.choose("#file", visitor.file("photo.png", HTML))
    visitor.awaited(lambda: seen(visitor, "error"))
    ((message,),) = seen(visitor, "error")
    assert '"type":"/problems/type-not-allowed"' in message
    assert visitor.stored() == []
    assert visitor.api.used() == (0, 0)


def test_outside_of_the_ticket(visitor: Visitor) -> None:
    """A file over its ticket's limit is refused before its first byte; the page can read why."""
    visitor.bucket()
    opened(visitor, visitor.ticket(max_file_bytes=1000))
    visitor.choose("#file", visitor.file("big.bin", bytes(SIZE)))
    visitor.awaited(lambda: seen(visitor, "error"))
    ((message,),) = seen(visitor, "error")
    assert '"limit":"ticket\'s file limit"' in message
    assert visitor.api.used() == (0, 0)
