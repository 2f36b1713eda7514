"""The page of a file: its details, a preview, and the possible actions."""

from __future__ import annotations

from urllib.parse import quote

from flask import Blueprint, render_template, request, url_for

from wharf_console.api import buckets, files
from wharf_console.api.buckets import Bucket
from wharf_console.context import AppContext
from wharf_console.routes.files import previews, versions
from wharf_console.routes.files.folders import folders_above
from wharf_console.web import content, origins
from wharf_console.web.access import needs
from wharf_console.web.current import api, person
from wharf_console.web.request_checks import comes_from_here


def add(routes: Blueprint, context: AppContext) -> None:
    """Add the route of the page."""

    @routes.get("/f/<path:key>")
    @needs("files:read")
    def details(bucket: str, key: str) -> str:
        file = files.read(api(), bucket, key)
        apart = content.is_apart(context.settings)
        content.let_play(context.settings)
        return render_template(
            "files/details.html",
            bucket=bucket,
            file=file,
            kind=previews.kind_of(file),
            is_small=previews.is_shown_small(file),
            shows=apart,
            version=versions.written(file),
            above=folders_above(file.key),
            back=url_for("files.listing", bucket=bucket, prefix=file.folder or None),
            public=_public_address(context, buckets.read(api(), bucket), key),
            is_replaced="replaced" in request.args and comes_from_here(),
        )


def _public_address(context: AppContext, bucket: Bucket, key: str) -> str:
    """Return the file's address in a public bucket; an empty text for other buckets."""
    if not bucket.public:
        return ""
    path = f"/public/{person().tenant}/{bucket.name}/{quote(key, safe='/')}"
    origin = context.settings.content_origin
    return origin + path if origin else origins.for_others(path)
