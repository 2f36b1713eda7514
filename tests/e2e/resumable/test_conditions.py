"""Conditions of uploads by tus: which file a name means, and when it is decided."""

from __future__ import annotations

from tests.e2e.api_client import ApiClient
from tests.e2e.resumable.tus_client import Tus


def test_if_match_replaces(tus: Tus, api: ApiClient) -> None:
    """With If-Match the file that is named gives way, also where nothing says so otherwise."""
    etag = api.stored("a.txt", b"there")["etag"]
    address = tus.create(3, headers={"If-Match": etag}, filename="a.txt").header("Location")
    assert tus.patch(address, 0, b"new").status == 204
    assert api.listed() == ["a.txt"]
    assert api.file("a.txt").body == b"new"


def test_if_match_and_another_name(tus: Tus, api: ApiClient) -> None:
    """With If-Match a file that is to get another name is refused: it would replace none."""
    api.stored("a.txt", b"there")
    answer = tus.create(3, headers={"If-Match": "*"}, filename="a.txt", on_conflict="rename")
    assert answer.problem(422, "unprocessable")["field"] == "on_conflict"
