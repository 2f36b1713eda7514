"""`/v1/links`: signed links, for whoever gets them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from flask import g

from servicekit.operations import Answer, Operation, operation
from servicekit.problems import MALFORMED, NOT_FOUND, UNPROCESSABLE, UNSUPPORTED_MEDIA
from servicekit.protected_routes import ProtectedBlueprint
from servicekit.protection import scope
from servicekit.tokens import Principal
from wharf_upload.access import reach
from wharf_upload.access.link_maker import LinkMaker
from wharf_upload.access.links import Link
from wharf_upload.downloads import shared
from wharf_upload.problems import INVALID_KEY, OUTSIDE_GRANTS


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


def blueprint(maker: LinkMaker, *, content_origin: str) -> ProtectedBlueprint:
    """The routes."""
    routes = ProtectedBlueprint("links", __name__, protection=scope("files:read"))

    @routes.post("/v1/links")
    @operation(
        Operation(
            id="createLink",
            tag="sharing",
            summary="Create a signed link",
            description="Whoever has it reads the file, or the files, until it expires, and for "
            "as long as its maker may read them.",
            body=LinkRequest,
            answers={201: Answer("The link.", LinkDocument)},
            problems=(
                *(NOT_FOUND, MALFORMED, INVALID_KEY, OUTSIDE_GRANTS),
                *(UNPROCESSABLE, UNSUPPORTED_MEDIA),
            ),
        )
    )
    def post_link(body: LinkRequest) -> tuple[int, LinkDocument]:
        link = _link(maker, g.principal, body)
        url = f"{content_origin}{shared.LINKS}{maker.sign(link)}"
        if link.is_prefix:
            url += "/"
        return 201, LinkDocument(url, datetime.fromtimestamp(link.expires_at, UTC))

    @routes.post("/v1/links/rotate", protection=scope("buckets:admin"))
    @operation(
        Operation(
            id="revokeLinks",
            tag="sharing",
            summary="Revoke all signed links of the tenant",
            description="Holds everywhere within 5 seconds; links made afterwards are good.",
            answers={204: Answer("No link made so far is good any more.")},
            problems=(OUTSIDE_GRANTS,),
        )
    )
    def rotate() -> None:
        reach.require_everything(g.principal)
        maker.revoke_all(g.principal.tenant)

    return routes


def _link(maker: LinkMaker, caller: Principal, body: LinkRequest) -> Link:
    if body.key is not None and body.prefix is None:
        return maker.to_file(
            caller, body.bucket, body.key, body.expires_in, body.disposition, body.filename
        )
    if body.prefix is None or body.key is not None:
        raise UNPROCESSABLE("Send key or prefix, one of the two.")
    if body.filename is not None:
        raise UNPROCESSABLE("A filename is for a link to one file: send it with key, not prefix.")
    return maker.to_prefix(caller, body.bucket, body.prefix, body.expires_in, body.disposition)
