"""Descriptions of each operation in the OpenAPI documents."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask

from servicekit import openapi
from tests.unit.openapi.documents import Described

# A summary begins with one of these verbs.
VERBS = re.compile(
    "(Add|Append|Ask|Change|Create|Delete|Deliver|Disable|Download|Enable|End|Get|Give|List|Log|Move|Read|Remove|Replace|Resume|"
    "Retire|Revoke|Send|Set|Suspend|Upload) "
)


@pytest.mark.parametrize("service", ["auth", "upload"])
def test_each_operation_has_one_tag_of_the_list(
    documents: dict[str, dict[str, Any]], service: str
) -> None:
    """Each operation has one tag. Each tag is used and has a description."""
    document = documents[service]
    listed = [tag["name"] for tag in document["tags"]]
    assert all(tag["description"].endswith(".") for tag in document["tags"])
    assert len(listed) == len(set(listed))
    used = [one["tags"] for path in document["paths"].values() for one in path.values()]
    assert all(len(tags) == 1 for tags in used)
    assert {tag for (tag,) in used} == set(listed)


def test_each_operation_has_a_summary(operations: list[Described]) -> None:
    """A summary is one short sentence in the imperative, and is unique."""
    for one in operations:
        summary = one.declared["summary"]
        assert VERBS.match(summary), one.name
        assert len(summary) <= 60, one.name
        assert not set(summary) & set(".:;()"), one.name
    assert len({one.declared["summary"] for one in operations}) == len(operations)


def test_each_parameter_is_described(operations: list[Described]) -> None:
    """Each parameter has a description that is a sentence."""
    for one in operations:
        for parameter in one.parameters():
            assert parameter["description"].endswith("."), (one.name, parameter["name"])


def test_what_replicas_without_a_shared_folder_refuse(operations: list[Described]) -> None:
    """Operations on unfinished uploads describe the refusal by replicas without a shared folder."""
    found: dict[str, set[str]] = {"parts-apart": set(), "upload-apart": set()}
    for one in operations:
        told = " ".join(answer["description"] for answer in one.declared["responses"].values())
        for slug, names in found.items():
            if f"`{slug}`" in told:
                names.add(one.declared["operationId"].removesuffix("ByTicket"))
    assert found["parts-apart"] == {"createUpload"}
    assert found["upload-apart"] == {
        *("createUpload", "headUpload", "getUpload", "appendToUpload", "appendToUploadByPost"),
        *("deleteUpload", "uploadForm"),
    }


def test_the_document_is_built_once_when_it_is_asked_for() -> None:
    """The OpenAPI document is built at the first request and served again to later requests."""
    built: list[dict[str, Any]] = []

    def build() -> dict[str, Any]:
        built.append({"openapi": "3.1.0"})
        return built[0]

    app = Flask(__name__)
    app.add_url_rule("/openapi.json", view_func=openapi.served(build))
    assert built == []
    replies = [app.test_client().get("/openapi.json") for _ in range(2)]
    assert [reply.get_json() for reply in replies] == [{"openapi": "3.1.0"}] * 2
    assert len(built) == 1


def test_what_grants_refuse_is_told(operations: list[Described]) -> None:
    """Each operation that grants can refuse describes the refusal `outside-grants`."""
    # Without a grant these operations respond as for an absent entry, or omit some entries.
    silent = {
        *("listFiles", "listBuckets", "getBucket", "listEvents", "listUploads", "deleteUpload"),
        *("deleteUploadByTicket", "getTenantLimits", "setTenantLimits", "getLink", "endLink"),
    }
    for one in operations:
        if not one.path.startswith(("/v1/", "/u/")):
            continue
        told = one.declared["responses"]["403"]["description"]
        is_told = "outside-grants" in told
        assert is_told == (one.declared["operationId"] not in silent), one.name
