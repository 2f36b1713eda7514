"""The services accept and return the examples in the OpenAPI documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from tests.unit.openapi.documents import Described, members, values
from wharf_auth.openapi.guide import GUIDE as AUTH
from wharf_upload.http.openapi.guide import GUIDE as UPLOAD

GUIDES = {"auth": AUTH, "upload": UPLOAD}
_TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?Z")
_SECRETS = {"access_token", "client_secret", "refresh_token", "subject_token", "ticket", "token"}


def strict(schema: Any) -> Any:
    """Return a copy of the schema that forbids additional members in each object."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: strict(one) for name, one in schema.items()}
    if isinstance(closed.get("properties"), dict) and "type" in closed:
        closed.setdefault("additionalProperties", False)
    return closed


def errors(document: dict[str, Any], schema: dict[str, Any], value: Any) -> list[str]:
    """Return the errors of an example against its schema."""
    whole = strict({**schema, "components": document["components"]})
    validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
    return [str(error) for error in validator.iter_errors(value)]


def shown(operations: list[Described]) -> Iterator[tuple[str, str, object]]:
    """Yield each single value in an example, with the place of the example and the name of the
    member.
    """
    for one in operations:
        for where, _, value in one.examples():
            for name, member in members(value, where.rpartition(" ")[2]):
                yield where, name, member


def test_examples_fit_their_schemas(operations: list[Described]) -> None:
    """Each example of a body, parameter or header field is valid and has no unknown member."""
    checked = 0
    for one in operations:
        for where, schema, value in one.examples():
            assert errors(one.document, schema, value) == [], where
            checked += 1
    assert checked > 3 * len(operations)


@pytest.mark.parametrize(
    "wrong",
    [{"size": "14"}, {"size": None}, {"metadata": {"a": 1}}, {"surplus": 1}, {"links": {}}],
)
def test_a_wrong_example_is_noticed(
    documents: dict[str, dict[str, Any]], wrong: dict[str, Any]
) -> None:
    """The test finds a wrong type, an unknown member and a missing member in an example."""
    document = documents["upload"]
    described = document["paths"]["/v1/metadata/{bucket}/{key}"]["get"]["responses"]["200"]
    content = described["content"]["application/json"]
    assert errors(document, content["schema"], content["example"]) == []
    assert errors(document, content["schema"], content["example"] | wrong) != []


def test_each_body_has_an_example(operations: list[Described]) -> None:
    """Each request body and each body of a success has an example."""
    for one in operations:
        for where, content in one.media_types():
            assert values(content), where


def test_each_header_field_and_parameter_has_an_example(operations: list[Described]) -> None:
    """Each header field of a success and each parameter has an example."""
    for one in operations:
        for where, header in one.fields():
            assert values(header), where
        for parameter in one.parameters():
            assert values(parameter), (one.name, parameter["name"])


@pytest.mark.parametrize("service", GUIDES)
def test_no_example_is_without_its_operation(
    documents: dict[str, dict[str, Any]], service: str
) -> None:
    """Each example belongs to an existing operation."""
    paths = documents[service]["paths"].values()
    ids = {operation["operationId"] for methods in paths for operation in methods.values()}
    assert set(GUIDES[service].examples) <= ids


def test_times_are_those_of_the_api(operations: list[Described]) -> None:
    """Each time in an example is in the format of RFC 3339, in UTC, with a `Z`."""
    times = [
        (where, text)
        for where, name, text in shown(operations)
        if (name == "at" or name.endswith("_at")) and text is not None
    ]
    assert len(times) > 20
    for where, text in times:
        assert _TIME.fullmatch(str(text)), where


def test_no_example_looks_like_a_secret(operations: list[Described]) -> None:
    """Tokens and secrets in examples end with "…", so that no scanner reports them as real."""
    found = [(where, str(text)) for where, name, text in shown(operations) if name in _SECRETS]
    assert len(found) > 10
    for where, text in found:
        assert text.startswith("{") or (text.endswith("…") and len(text) < 16), where


def test_a_key_is_not_ascii(operations: list[Described]) -> None:
    """At least one example of a key has characters outside ASCII, to show that keys are Unicode."""
    keys = {text for _, name, text in shown(operations) if name == "key" and isinstance(text, str)}
    assert any(not key.isascii() for key in keys)
