"""`/v1/links`: signed links, for whoever gets them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from flask import Blueprint, g

from servicekit.operations import Answer, Operation, operation
from servicekit.problems import MALFORMED, NOT_FOUND, UNPROCESSABLE, UNSUPPORTED_MEDIA
from wharf_upload.domain import admission, keys, links, sharing
from wharf_upload.domain.links import Link
from wharf_upload.problems import INVALID_KEY
from wharf_upload.service import Service


class LinkRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A link to a file (`key`), or to everything below a prefix; one of the two.

    `disposition`: whether a browser shows the file or saves it; only inert types are ever shown.
    """

    bucket: str
    key: str | None = None
    prefix: str | None = None
    expires_in: Annotated[int, msgspec.Meta(ge=1, description="Seconds.")] = 3600
    disposition: Literal["inline", "attachment"] = "inline"
    filename: Annotated[str, msgspec.Meta(description="What the download is called.")] | None = None


class LinkDocument(msgspec.Struct, frozen=True):
    """A signed link. `url` is a path on this host, or whole where user content has its own origin.

    To a link to a prefix, append the rest of the key, percent-encoded.
    """

    url: str
    expires_at: datetime


def blueprint(service: Service) -> Blueprint:
    """The routes."""
    routes = Blueprint("links", __name__)

    @routes.post("/v1/links")
    @operation(
        Operation(
            id="createLink",
            tag="sharing",
            summary="Create a signed link",
            description="Whoever has it reads the file, or the files, until it expires.",
            scope="files:read",
            body=LinkRequest,
            answers={201: Answer("The link.", LinkDocument)},
            problems=(NOT_FOUND, MALFORMED, INVALID_KEY, UNPROCESSABLE, UNSUPPORTED_MEDIA),
        )
    )
    def post_link(body: LinkRequest) -> tuple[int, LinkDocument]:
        link = _link(service, g.principal.tenant, body)
        token = links.sign(link, service.link_keys.make(link.tenant))
        url = f"{service.settings.content_origin}{sharing.LINKS}{token}"
        if link.is_prefix:
            url += "/"
        return 201, LinkDocument(url, datetime.fromtimestamp(link.expires_at, UTC))

    @routes.post("/v1/links/rotate")
    @operation(
        Operation(
            id="revokeLinks",
            tag="sharing",
            summary="Revoke all signed links of the tenant",
            description="Holds everywhere within 5 seconds; links made afterwards are good.",
            scope="buckets:admin",
            answers={204: Answer("No link made so far is good any more.")},
        )
    )
    def rotate() -> None:
        service.records.rotate_link_key(g.principal.tenant)
        service.link_keys.forget(g.principal.tenant)

    return routes


def _link(service: Service, tenant: str, body: LinkRequest) -> Link:
    if (body.key is None) == (body.prefix is None):
        raise UNPROCESSABLE("Send key or prefix, one of the two.")
    if body.prefix is not None and body.filename is not None:
        raise UNPROCESSABLE("A filename is for a link to one file: send it with key, not prefix.")
    longest = service.settings.link_max_seconds
    if body.expires_in > longest:
        raise UNPROCESSABLE(f"expires_in is at most {longest} seconds.", limit_seconds=longest)
    admission.find_bucket(service, tenant, body.bucket)
    now = service.clock()
    if body.key is not None:
        target = keys.object_key_text(body.key)
        file = service.records.file(tenant, body.bucket, target)
        if file is None or file.is_expired(int(now * 1000)):
            raise NOT_FOUND("There is no such file.")
    else:
        target = keys.prefix(body.prefix or "")
        # A prefix is a folder: `img` must not open `img-internal/…`.
        if target and not target.endswith("/"):
            target = keys.prefix(target + "/")
    return Link(
        tenant=tenant,
        bucket=body.bucket,
        target=target,
        is_prefix=body.key is None,
        expires_at=int(now) + body.expires_in,
        disposition=body.disposition,
        name="" if body.filename is None else keys.file_name(body.filename),
    )
