"""The ways to upload files to the servers: by `PUT`, in a form, or by tus."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import urlsplit

from loadtests.bench.machine import MIB
from loadtests.bench.servers import Server
from loadtests.bench.small import Ask
from loadtests.bench.transfers import Client, form_edges

_TUS = {"Tus-Resumable": "1.0.0"}
_TYPE = "application/offset+octet-stream"


def uploading(server: Server, source: Path) -> Ask:
    """Return the request of a small upload with a new name each time, for wrk."""
    if server.way == "form":
        assert server.form is not None
        before, after, content_type = form_edges("one.jpg")
        # wrk inserts the name at the end of the first part.
        name, quote, rest = before.partition('one.jpg"')
        begin, end = server.folder / "form-begin", server.folder / "form-end"
        begin.write_text(f"{name}{server.new_name()}-", encoding="ascii")
        end.write_bytes((quote[len("one.jpg") :] + rest).encode() + source.read_bytes() + after)
        fields = {**server.headers, "Content-Type": content_type}
        return Ask("POST", server.form, fields, begin, end, named="body")
    if server.way == "tus":
        assert server.uploads is not None
        creation = _creation(source.stat().st_size, "small.jpg")
        fields = {**server.headers, **creation, "Content-Type": _TYPE}
        return Ask("POST", server.uploads, fields, source)
    fields = {**server.headers, "Content-Type": "image/jpeg"}
    return Ask("PUT", f"{server.files}{server.new_name()}-", fields, source, named="path")


def store(server: Server, source: Path, name: str = "one.jpg") -> str:
    """Upload a file; return the path for its download."""
    client = Client(server.port, server.headers)
    try:
        if server.way == "form":
            assert server.form is not None
            client.post(server.form, source, name)
        elif server.way == "tus":
            return send_by_tus(client, server, source, 64 * MIB, name)
        else:
            client.put(f"{server.files}{name}", source)
        return f"{server.files}{name}"
    finally:
        client.close()


def send_by_tus(client: Client, server: Server, source: Path, chunk: int, name: str) -> str:
    """Create an upload and send the file in requests of `chunk` bytes; return its address."""
    assert server.uploads is not None
    size = source.stat().st_size
    answer, _ = client.ask("POST", server.uploads, _creation(size, name))
    address = urlsplit(str(answer["Location"])).path
    for offset in range(0, size, chunk):
        client.patch(address, source, offset, min(chunk, size - offset))
    return address


def _creation(size: int, name: str) -> dict[str, str]:
    encoded = base64.b64encode(name.encode()).decode()
    return {**_TUS, "Upload-Length": str(size), "Upload-Metadata": f"filename {encoded}"}
