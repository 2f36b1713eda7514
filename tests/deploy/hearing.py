"""Listens to events and requests a small picture, as a program with a token does."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

import httpx
from PIL import Image

_TIMEOUT_SECONDS = 60


@contextmanager
def heard(
    url: str, fields: Mapping[str, str], listeners: int = 1
) -> Iterator[Callable[[str], bool]]:
    """Open event streams; yield a function that waits until each stream shows an event of a key.

    Args:
        url: the address of the gateway, or of a balancer.
        fields: the header fields, with the token.
        listeners: the number of connections.
    """
    accept = {**fields, "Accept": "text/event-stream"}
    with ExitStack() as stack:
        lines = []
        for _ in range(listeners):
            client = stack.enter_context(httpx.Client(timeout=_TIMEOUT_SECONDS))
            stream = stack.enter_context(client.stream("GET", f"{url}/v1/events", headers=accept))
            assert stream.status_code == 200, stream.read()
            assert stream.headers["Content-Type"].partition(";")[0] == "text/event-stream"
            lines.append(stream.iter_lines())
        yield lambda key: all(any(_tells(line, key) for line in one) for one in lines)


def _tells(line: str, key: str) -> bool:
    return line.startswith("data:") and f'"{key}"' in line


def photograph() -> bytes:
    """Return a picture of 1024 by 512 pixels, as JPEG."""
    file = io.BytesIO()
    Image.linear_gradient("L").resize((1024, 512)).convert("RGB").save(file, "JPEG")
    return file.getvalue()


def small(url: str, fields: Mapping[str, str], key: str) -> None:
    """Assert that a request for a small picture of a file in the bucket `default` gets
    the picture.
    """
    answer = httpx.get(
        f"{url}/v1/files/default/{key}?w=64", headers=fields, timeout=_TIMEOUT_SECONDS
    )
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/webp"), answer.text
    with Image.open(io.BytesIO(answer.content)) as made:
        assert made.size == (64, 32), made.size
