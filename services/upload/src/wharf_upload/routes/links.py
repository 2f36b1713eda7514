"""`/v1/links`: signed links, which let their holders read files without a token."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from flask import g

from servicekit.operations import Answer, Operation, operation
from servicekit.problems import (
    MALFORMED,
    NOT_FOUND,
    TENANT_LIMIT,
    UNPROCESSABLE,
    UNSUPPORTED_MEDIA,
)
from servicekit.protected_routes import ProtectedBlueprint
from servicekit.protection import scope
from servicekit.tokens import Principal
from wharf_upload.access import reach
from wharf_upload.access.authorization import ADMINISTER, READ
from wharf_upload.access.link_maker import LinkMaker
from wharf_upload.access.links import Link
from wharf_upload.catalog.links import LinkCatalog
from wharf_upload.domain import keys
from wharf_upload.domain.kept_links import LinkFilter
from wharf_upload.downloads import shared
from wharf_upload.http import link_schemas
from wharf_upload.problems import INVALID_KEY, OUTSIDE_GRANTS

_ID = re.compile(r"[0-9a-f]{32}")


class LinkRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A link to a file (`key`), or to all files below a `prefix`; send one of the two.

    `disposition` tells whether a browser shows the file or saves it; only inert types are ever
    shown.
    """

    bucket: str
    key: str | None = None
    prefix: str | None = None
    expires_in: (
        Annotated[
            int,
            msgspec.Meta(
                ge=1,
                description="In seconds; the default is an hour. A link made with an exchanged "
                "token ends with that token at the latest.",
            ),
        ]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    disposition: Literal["inline", "attachment"] = "inline"
    filename: Annotated[str, msgspec.Meta(description="The name of the download.")] | None = None
    listed: Annotated[
        bool,
        msgspec.Meta(
            description="`false` for a short link that a program makes, with an "
            "`expires_in` of at most 300: it is in no list, has no id, and counts in no limit."
        ),
    ] = True


class LinksQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A filter for links."""

    maker: Annotated[
        Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,255}$(?!\n)")] | None,
        msgspec.Meta(description="Only links of this user or client."),
    ] = None
    bucket: Annotated[str | None, msgspec.Meta(description="Only links to this bucket.")] = None
    key: Annotated[
        str | None,
        msgspec.Meta(
            description="Only links that show the file with this key, also by a prefix; needs "
            "`bucket`."
        ),
    ] = None
    limit: Annotated[
        int, msgspec.Meta(ge=1, le=1000, description="Maximum number of links on a page.")
    ] = 100
    cursor: Annotated[
        str,
        msgspec.Meta(
            description="`next_cursor` of the previous page.",
            pattern=r"^[A-Za-z0-9_-]{0,64}$(?!\n)",
        ),
    ] = ""


_CREATE = Operation(
    id="createLink",
    tag="sharing",
    summary="Create a signed link",
    description="Any person with the link can read the file, or the files, until the link expires "
    "and while its maker may read them. The link ends early with `endLink`, or when the token that "
    "made it, or a parent of that token, is revoked. Only this response has the link's URL.",
    body=LinkRequest,
    answers={201: Answer("The link.", link_schemas.LinkDocument)},
    problems=(
        *(NOT_FOUND, MALFORMED, INVALID_KEY, OUTSIDE_GRANTS, TENANT_LIMIT),
        *(UNPROCESSABLE, UNSUPPORTED_MEDIA),
    ),
)
_LIST = Operation(
    id="listLinks",
    tag="sharing",
    summary="List signed links, newest first",
    description="Lists links that have not expired. A caller sees the links that it made. A caller "
    f"with the scope `{ADMINISTER}` and without grants sees all links of the tenant. Grants narrow "
    "the caller's own links to those that the caller could make now. A page may have fewer links "
    "than `limit`, or none: `next_cursor` tells whether there is another page. Links from releases "
    "before this list existed are not in the list; they are valid until they expire.",
    query=LinksQuery,
    answers={200: Answer("A page of links.", link_schemas.LinkPage)},
    problems=(MALFORMED, INVALID_KEY, OUTSIDE_GRANTS),
)
_GET = Operation(
    id="getLink",
    tag="sharing",
    summary="Read a signed link",
    description="Works for links that the caller sees in the list.",
    answers={200: Answer("The link, without its URL.", link_schemas.ListedLink)},
    problems=(NOT_FOUND,),
)
_END = Operation(
    id="endLink",
    tag="sharing",
    summary="End a signed link",
    description="Works for links that the caller sees in the list. Takes effect within 5 seconds.",
    answers={204: Answer("The link is no longer valid.")},
    problems=(NOT_FOUND,),
)
_ROTATE = Operation(
    id="revokeLinks",
    tag="sharing",
    summary="Revoke all signed links of the tenant",
    description="Takes effect everywhere within 5 seconds; later links are valid.",
    answers={204: Answer("All links made so far are invalid.")},
    problems=(OUTSIDE_GRANTS,),
)


def blueprint(maker: LinkMaker, catalog: LinkCatalog, *, content_origin: str) -> ProtectedBlueprint:
    """Return the routes."""
    routes = ProtectedBlueprint("links", __name__, protection=scope(READ))

    @routes.post("/v1/links")
    @operation(_CREATE)
    def post_link(body: LinkRequest) -> tuple[int, link_schemas.LinkDocument]:
        link = _link(maker, g.principal, body)
        name, token = maker.hand_out(g.principal, link, listed=body.listed)
        url = f"{content_origin}{shared.LINKS}{token}{'/' if link.is_prefix else ''}"
        expires_at = datetime.fromtimestamp(link.expires_at, UTC)
        return 201, link_schemas.LinkDocument(url=url, expires_at=expires_at, id=name or None)

    @routes.get("/v1/links")
    @operation(_LIST)
    def list_links(query: LinksQuery) -> link_schemas.LinkPage:
        page = catalog.page(g.principal, _filter(query), before=query.cursor, limit=query.limit)
        return link_schemas.LinkPage(
            links=tuple(link_schemas.of_link(seen) for seen in page.links),
            next_cursor=page.next_before,
        )

    @routes.get("/v1/links/<link>")
    @operation(_GET)
    def get_link(link: str) -> link_schemas.ListedLink:
        return link_schemas.of_link(catalog.find(g.principal, _checked(link)))

    @routes.delete("/v1/links/<link>")
    @operation(_END)
    def end_link(link: str) -> None:
        catalog.end(g.principal, _checked(link))

    @routes.post("/v1/links/rotate", protection=scope(ADMINISTER))
    @operation(_ROTATE)
    def rotate() -> None:
        reach.require_everything(g.principal)
        maker.revoke_all(g.principal.tenant)

    return routes


def _link(maker: LinkMaker, caller: Principal, body: LinkRequest) -> Link:
    seconds = None if body.expires_in is msgspec.UNSET else body.expires_in
    if body.key is not None and body.prefix is None:
        return maker.to_file(
            caller, body.bucket, body.key, seconds, body.disposition, body.filename
        )
    if body.prefix is None or body.key is not None:
        raise UNPROCESSABLE("Send either key or prefix.")
    if body.filename is not None:
        raise UNPROCESSABLE("A filename is only for a link to one file: send key, not prefix.")
    return maker.to_prefix(caller, body.bucket, body.prefix, seconds, body.disposition)


def _filter(query: LinksQuery) -> LinkFilter:
    """Return the filter of a query; raises `InvalidName` and the problem `malformed-request`."""
    if query.key is not None and query.bucket is None:
        raise MALFORMED("key needs its bucket: send bucket as well.")
    return LinkFilter(
        maker=query.maker,
        bucket=None if query.bucket is None else keys.bucket_name(query.bucket),
        key=None if query.key is None else keys.object_key_text(query.key),
    )


def _checked(name: str) -> str:
    """Return the id; raises `not-found` for a text that cannot be an id.

    PostgreSQL accepts no NUL in a text, so such a text must not reach the database.
    """
    if _ID.fullmatch(name) is None:
        raise NOT_FOUND("There is no link with this id.")
    return name
