"""`DELETE /v1/files/{bucket}/{key…}`: deletes a file."""

from __future__ import annotations

from flask import g, request

from servicekit.operations import Answer, Operation, Parameter, operation
from servicekit.problems import NOT_FOUND
from servicekit.protected_routes import ProtectedBlueprint
from servicekit.protection import scope
from wharf_upload.access import reach
from wharf_upload.catalog.files import FileCatalog
from wharf_upload.domain import conditions
from wharf_upload.http.request import FILES, file_address, raw_path
from wharf_upload.problems import INVALID_KEY, OUTSIDE_GRANTS, PRECONDITION


def blueprint(files: FileCatalog) -> ProtectedBlueprint:
    """Return the route."""
    routes = ProtectedBlueprint("deletion", __name__, protection=scope("files:delete"))

    @routes.delete("/v1/files/<bucket>/<path:key>")
    @operation(
        Operation(
            id="deleteFile",
            tag="files",
            summary="Delete a file",
            description="New requests get 404 immediately; downloads that have begun continue.",
            answers={204: Answer("The file was deleted.")},
            parameters=(
                Parameter("If-Match", "header", "Delete the file only if it has this entity tag."),
            ),
            problems=(NOT_FOUND, INVALID_KEY, OUTSIDE_GRANTS, PRECONDITION),
        )
    )
    def delete_file(bucket: str, key: str) -> None:
        # Use the path as the client sent it, not the form that uWSGI normalized.
        bucket, key = file_address(raw_path(request.environ), FILES)
        reach.require(g.principal, "delete", bucket, key)
        condition = conditions.for_write(request.headers.get("If-Match"), None)
        files.delete(g.principal.tenant, bucket, key, condition)

    return routes
