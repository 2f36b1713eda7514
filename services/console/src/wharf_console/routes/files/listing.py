"""The page with the folders and files of a bucket, as rows or as a grid."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from wharf_console.api import buckets
from wharf_console.context import AppContext
from wharf_console.forms.files import ViewForm
from wharf_console.routes.files import ordering, previews
from wharf_console.routes.files.folders import folder_of, folders_above
from wharf_console.web import content, paging, reaching
from wharf_console.web.access import needs
from wharf_console.web.current import api
from wharf_console.web.remembered import remember
from wharf_console.web.targets import below_console

_VIEW_COOKIE = "wharf_console_files"


def add(routes: Blueprint, context: AppContext) -> None:
    """Add the routes of the list, and of the choice between rows and grid."""

    @routes.get("/")
    @needs("files:read")
    def listing(bucket: str) -> str:
        prefix, order = request.args.get("prefix", ""), _order()
        found = buckets.read(api(), bucket)
        rows, _ = paging.at_cursor(
            lambda cursor: ordering.rows(api(), bucket, prefix, order, cursor)
        )
        sort = "" if order == ordering.BY_KEY else order
        content.let_play(context.settings)
        has_thumbs = content.is_apart(context.settings)
        readable = {one.key for one in rows.files if reaching.may("read", bucket, one.key)}
        return render_template(
            "files/listing.html",
            bucket=found,
            rows=rows,
            prefix=prefix,
            folder=folder_of(prefix),
            above=folders_above(prefix),
            order=order,
            is_grid=request.cookies.get(_VIEW_COOKIE) == "grid",
            thumbs={
                one.key
                for one in rows.files
                if has_thumbs and one.key in readable and previews.has_thumb(one)
            },
            readable=readable,
            first=_address(bucket, prefix, sort),
            next=_address(bucket, prefix, sort, rows.next) if rows.next else "",
        )

    @routes.post("/view")
    @needs("files:read")
    def view(bucket: str) -> Response:
        form = ViewForm()
        back = below_console(form.back.data, url_for("files.listing", bucket=bucket))
        response = redirect(back, 303)
        if form.validate():
            remember(response, _VIEW_COOKIE, form.view.data)
        return response


def _order() -> str:
    wanted = request.args.get("sort", "")
    return wanted if wanted in ordering.ORDERS else ordering.BY_KEY


def _address(bucket: str, prefix: str, sort: str, place: str = "") -> str:
    return url_for(
        "files.listing",
        bucket=bucket,
        prefix=prefix or None,
        sort=sort or None,
        cursor=place or None,
    )
