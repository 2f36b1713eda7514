"""Tests that every error of domain, records and stores has a problem."""

from __future__ import annotations

import inspect

import pytest

from servicekit.database import DatabaseUnavailable, OutcomeUnknown, OutOfSpace
from servicekit.problems import MALFORMED
from wharf_upload.access import tickets
from wharf_upload.domain import (
    conditions,
    digests,
    keys,
    refusals,
    upload_intent,
)
from wharf_upload.http.errors import as_problem
from wharf_upload.storage import base as stores
from wharf_upload.uploads.multipart import parser

_MADE: dict[type[Exception], Exception] = {
    digests.DigestMismatch: digests.DigestMismatch("sha-256", b"1", b"2"),
    parser.TooManyParts: parser.TooManyParts(5, "files"),
    parser.FieldTooLarge: parser.FieldTooLarge(5),
    tickets.TicketRefused: tickets.TicketRefused("prefix", "text"),
    upload_intent.TooLarge: upload_intent.TooLarge("limit", 5),
    upload_intent.ExtensionNotAllowed: upload_intent.ExtensionNotAllowed("a.exe", ("jpg",)),
    refusals.QuotaExceeded: refusals.QuotaExceeded(
        used_bytes=1,
        limit_bytes=1,
        needed_bytes=1,
        used_files=1,
        limit_files=None,
        needed_files=1,
    ),
    refusals.LimitReached: refusals.LimitReached("buckets", 5),
    refusals.TooManyIdempotencyKeys: refusals.TooManyIdempotencyKeys(5, 60),
    upload_intent.TypeNotAllowed: upload_intent.TypeNotAllowed("text/html", ("image/*",)),
}


def errors() -> list[type[Exception]]:
    """Return the exceptions that the modules of domain, records, stores and forms define."""
    modules = (conditions, digests, keys, parser, tickets, upload_intent, refusals, stores)
    return [
        kind
        for module in modules
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Exception) and kind.__module__.startswith("wharf_upload.")
    ]


# `Refused` is a base class, and `TruncatedSpool` is caught within its module.
_NOT_RAISED = {"Refused", "TruncatedSpool"}


@pytest.mark.parametrize("kind", [one for one in errors() if one.__name__ not in _NOT_RAISED])
def test_every_error(kind: type[Exception]) -> None:
    """No error of domain, records, stores or forms becomes an internal error."""
    error = _MADE.get(kind) or kind("text")
    assert as_problem(error).problem.slug != "internal-error"


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (stores.StoreFull("x"), 507, "storage-full"),
        (OutOfSpace("x"), 507, "storage-full"),
        (stores.StoreError("x"), 500, "storage-failed"),
        (DatabaseUnavailable("x"), 503, "unavailable"),
        (OutcomeUnknown("x"), 503, "unavailable"),
        (refusals.NoSuchFile("x"), 404, "not-found"),
        (ZeroDivisionError("/secret/path"), 500, "internal-error"),
    ],
)
def test_statuses(error: Exception, status: int, slug: str) -> None:
    """A problem's status shows the cause and whether to retry; its text hides internals."""
    problem = as_problem(error)
    assert (problem.problem.status, problem.problem.slug) == (status, slug)
    assert "secret" not in problem.detail


def test_problems_stay() -> None:
    """A problem that was raised is passed on unchanged."""
    error = MALFORMED("text")
    assert as_problem(error) is error
