"""A file that dropzone sends in slices, and checks of the state after all slices were sent."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import Any

from werkzeug.test import TestResponse

from tests.servers.upload import UploadService, form_body
from tests.servers.upload_invariants import assert_nothing_else, assert_sound, live

UUID = "5f1c3e0a-5f6a-4d3a-8b0e-1c9a0f3f2b1d"
SLICE = 20_000


@dataclass
class Sliced:
    """A file that dropzone cuts into slices, and the service that receives it."""

    upload: UploadService
    content: bytes = field(default_factory=lambda: os.urandom(2 * SLICE + 7))
    name: str = "photo.bin"
    fields: dict[str, str] = field(default_factory=dict)
    bucket: str = "default"
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Return the number of slices."""
        return -(-len(self.content) // SLICE)

    def said(self, index: int) -> dict[str, str]:
        """Return the fields of a slice as dropzone sends them."""
        return {
            "dzuuid": UUID,
            "dzchunkindex": str(index),
            "dztotalfilesize": str(len(self.content)),
            "dzchunksize": str(SLICE),
            "dztotalchunkcount": str(self.count),
            "dzchunkbyteoffset": str(index * SLICE),
            **self.fields,
        }

    def bytes_of(self, index: int) -> bytes:
        """Return the bytes of a slice."""
        return self.content[index * SLICE : (index + 1) * SLICE]

    def send(self, index: int, **changed: str) -> TestResponse:
        """Send a slice. `changed` replaces fields."""
        body = form_body([(self.name, self.bytes_of(index))], {**self.said(index), **changed})
        return self.upload.post_form(body, self.headers, bucket=self.bucket)

    def send_all(self) -> TestResponse:
        """Send the slices in order and return the last response."""
        *first, last = [self.send(index) for index in range(self.count)]
        assert [reply.status_code for reply in first] == [202] * len(first)
        return last


def file_of(reply: TestResponse) -> dict[str, object]:
    """Return the only file in the response to a form."""
    assert reply.status_code == 201, reply.text
    assert reply.json
    (found,) = reply.json["files"]
    return dict(found)


def document(reply: TestResponse) -> dict[str, Any]:
    """Return the problem document of a refusal."""
    found: dict[str, Any] = json.loads(reply.headers.get("X-Denied-Problem") or reply.text)
    return found


def refused(reply: TestResponse) -> tuple[int, str]:
    """Return status and problem of a refusal, at the admission or after the body."""
    problem = document(reply)
    return problem["status"], problem["type"].removeprefix("/problems/")


def in_folder(upload: UploadService) -> list[str]:
    """Return the names in the folder of partial uploads."""
    return os.listdir(upload.settings.resumable_folder)


def assert_one_file(sliced: Sliced, key: str = "photo.bin") -> None:
    """Assert that exactly this file exists, complete and charged once, and that
    nothing is left over.
    """
    upload = sliced.upload
    assert live(upload) == {key: hashlib.sha256(sliced.content).hexdigest()}
    assert upload.content(key) == sliced.content
    usage = upload.records.usage("demo")
    assert (usage.bytes, usage.files) == (len(sliced.content), 1)
    assert in_folder(upload) == []
    assert_sound(upload)
    assert_nothing_else(upload)
