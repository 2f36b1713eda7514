"""Tests of the type that a stored file gets under another name or in another bucket."""

from __future__ import annotations

import pytest

from tests.servers.upload import new_file
from wharf_upload.domain.buckets import Policy
from wharf_upload.domain.files import File
from wharf_upload.domain.upload_intent import (
    ExtensionNotAllowed,
    TypeNotAllowed,
    check_type,
    type_elsewhere,
)

CSV, JSON, TEXT = "text/csv", "application/json", "text/plain"
DNG, TIFF = "image/x-adobe-dng", "image/tiff"


def stored(recorded: str, declared: str | None = None, size: int = 1) -> File:
    return new_file("old", media_type=recorded, declared_type=declared, size=size)


@pytest.mark.parametrize(
    ("recorded", "declared", "allowed", "name", "there"),
    [
        (TEXT, None, (), "data", TEXT),
        # The recorded type was plain text, and the policy needs nothing more specific.
        (TEXT, CSV, (), "data", TEXT),
        (CSV, None, (), "data", CSV),
        (CSV, None, (TEXT,), "a.csv", CSV),
        (CSV, None, (CSV,), "data", CSV),
        (TEXT, CSV, (CSV,), "data", CSV),
        (TEXT, None, (CSV,), "a.csv", CSV),
        (CSV, CSV, (JSON,), "a.json", JSON),
        (CSV, None, (CSV, JSON), "a.json", JSON),
        (DNG, None, ("image/*",), "a.dng", DNG),
        (DNG, None, (TIFF,), "a.dng", DNG),
        (DNG, None, (DNG,), "a.dng", DNG),
        (TIFF, None, (DNG,), "a.dng", DNG),
    ],
)
def test_a_type_stays_where_it_can(
    recorded: str, declared: str | None, allowed: tuple[str, ...], name: str, there: str
) -> None:
    """A file keeps its type if the policy allows its bytes; else it gets an allowed type by its
    record, its client's claim or its name.
    """
    assert type_elsewhere(stored(recorded, declared), name, Policy(allowed_types=allowed)) == there


@pytest.mark.parametrize("recorded", [CSV, JSON])
@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.md", "a.txt", "data"])
@pytest.mark.parametrize("allowed", [(CSV, JSON), (JSON,), ("application/*", CSV)])
def test_a_move_gives_what_an_upload_gives(
    recorded: str, name: str, allowed: tuple[str, ...]
) -> None:
    """A move of a file gives the same type as an upload that claims the recorded type."""
    policy = Policy(allowed_types=allowed)
    try:
        uploaded = check_type(TEXT, name, policy, declared=recorded)
    except TypeNotAllowed:
        with pytest.raises(TypeNotAllowed):
            type_elsewhere(stored(recorded), name, policy)
        return
    assert type_elsewhere(stored(recorded), name, policy) == uploaded


@pytest.mark.parametrize("size", [0, 1])
def test_names_and_types_are_judged(size: int) -> None:
    """Name and type must fit the bucket; an empty file is judged by its name alone."""
    pictures = Policy(allowed_types=("image/*",), allowed_extensions=("png", "txt"))
    kept = stored("image/png" if size else "application/octet-stream", size=size)
    assert type_elsewhere(kept, "a.png", pictures) == kept.media_type
    with pytest.raises(ExtensionNotAllowed):
        type_elsewhere(kept, "a.jpg", pictures)
    with pytest.raises(TypeNotAllowed, match=r"a\.txt" if size else "takes image"):
        type_elsewhere(kept, "a.txt", pictures)
    with pytest.raises(TypeNotAllowed, match="takes text"):
        type_elsewhere(kept, "a.png", Policy(allowed_types=("text/*",)))
