"""dropzone 5.7.1 on a page of another origin, with an upload ticket in its header."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.browser.conftest import GATEWAYS_BYTES
from tests.e2e.browser.visitor import BUCKET, EVIL, HTML, PNG, Visitor

LARGE_BYTES = 3_000_000
# With this error handler a page shows the text of a problem
# instead of its JSON (docs/how-to/upload-from-a-page.md).
PAGE = """
<form id=zone class=dropzone action="{action}"></form>
<script src=/dropzone.min.js></script>
<script>
  window.seen = [];
  Dropzone.options.zone = {{
    headers: {headers},
    {more}
    init() {{
      this.on('uploadprogress', (file, percent) => seen.push(['progress', percent]));
      this.on('success', (file, answer) => seen.push(['success', answer]));
      this.on('error', (file, message, xhr) => seen.push(['error', message, xhr && xhr.status]));
      this.on('queuecomplete', () => seen.push(['complete']));
    }}
  }};
</script>
"""
HANDLER = """
    error(file, message) {
      try { message = JSON.parse(message).detail } catch {}
      Dropzone.prototype.defaultOptions.error.call(this, file, message);
    },
"""


def opened(visitor: Visitor, *, more: str = "", host: str = "app.example") -> None:
    """Open the page with a dropzone."""
    headers = json.dumps({"Authorization": f"Bearer {visitor.ticket()}"})
    action = f"{visitor.wharf.url}/v1/files/{BUCKET}"
    visitor.visit(PAGE.format(action=action, headers=headers, more=more), host)
    assert visitor.browser.run("return Dropzone.version") == "5.7.1"


def dropped(visitor: Visitor, *files: tuple[str, bytes]) -> list[list[Any]]:
    """Choose files as a visitor does, and return all events of dropzone until it is done."""
    for name, content in files:
        visitor.choose(".dz-hidden-input", visitor.file(name, content))
    done = "return seen.some(([kind]) => kind === 'complete') && seen"
    found: list[list[Any]] = visitor.awaited(lambda: visitor.browser.run(done))
    return found


def of_kind(seen: list[list[Any]], kind: str) -> list[list[Any]]:
    """Return the events of one kind."""
    return [rest for first, *rest in seen if first == kind]


def test_a_file(visitor: Visitor) -> None:
    """dropzone uploads a file under its name, and reports success."""
    visitor.bucket()
    opened(visitor)
    seen = dropped(visitor, ("日本 photo.png", PNG))
    ((answer,),) = of_kind(seen, "success")
    assert answer["files"][0]["filename"] == "日本 photo.png"
    assert of_kind(seen, "error") == []
    assert visitor.stored() == [answer["files"][0]["key"]]


def test_progress(visitor: Visitor) -> None:
    """dropzone reports the progress of a large file in steps up to 100 %."""
    visitor.bucket()
    opened(visitor)
    visitor.slow(bytes_per_second=2_000_000)
    seen = dropped(visitor, ("large.bin", bytes(LARGE_BYTES)))
    percents = [percent for (percent,) in of_kind(seen, "progress")]
    assert percents == sorted(percents)
    assert any(0 < percent < 100 for percent in percents)
    assert percents[-1] == 100
    assert len(of_kind(seen, "success")) == 1


def test_a_refused_type(visitor: Visitor) -> None:
    """HTML named like an image is refused, and a page with the handler shows the detail."""
    visitor.bucket(allowed_types=["image/*"])
    opened(visitor, more=HANDLER)
    ((message, status),) = of_kind(dropped(visitor, ("photo.png", HTML)), "error")
    assert status == 415
    assert "text/html" in json.loads(message)["detail"]
    assert visitor.text("[data-dz-errormessage]") == json.loads(message)["detail"]
    assert visitor.stored() == []


def test_without_a_handler(visitor: Visitor) -> None:
    """dropzone without the handler shows the problem document, not an error about CORS."""
    visitor.bucket(max_file_bytes=1000)
    opened(visitor)
    ((message, status),) = of_kind(dropped(visitor, ("a.bin", bytes(20_000))), "error")
    assert (status, json.loads(message)["type"]) == (413, "/problems/too-large")
    assert visitor.text("[data-dz-errormessage]") == message


def test_nginx_refuses(visitor: Visitor) -> None:
    """A page with the handler shows the detail of a refusal that nginx makes."""
    visitor.bucket()
    opened(visitor, more=HANDLER)
    ((message, status),) = of_kind(dropped(visitor, ("a.bin", bytes(GATEWAYS_BYTES + 1))), "error")
    assert (status, json.loads(message)["type"]) == (413, "/problems/too-large")
    assert visitor.text("[data-dz-errormessage]") == json.loads(message)["detail"]


@pytest.mark.parametrize("more", ["", "uploadMultiple: true,"])
def test_several_files(visitor: Visitor, more: str) -> None:
    """dropzone uploads several files, each in a separate request or all in one request."""
    visitor.bucket()
    opened(visitor, more=more)
    seen = dropped(visitor, ("a.txt", b"a"), ("b.txt", b"b"))
    assert of_kind(seen, "error") == []
    visitor.awaited(lambda: visitor.stored() == ["a.txt", "b.txt"])


def test_an_origin_that_is_not_listed(visitor: Visitor) -> None:
    """dropzone on a page of an unlisted origin gets no response, and nothing is stored."""
    visitor.bucket()
    opened(visitor, host=EVIL)
    ((_, status),) = of_kind(dropped(visitor, ("a.txt", b"a")), "error")
    assert status == 0
    assert visitor.stored() == []
