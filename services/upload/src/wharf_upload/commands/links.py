"""The command `wharf-upload links`, with which operators list and end signed links."""

from __future__ import annotations

import re
import sys
import time
from datetime import UTC, datetime

import click
import msgspec

from wharf_upload.domain.kept_links import KeptLink, LinkFilter
from wharf_upload.settings import Settings

_PAGE = 500
_ID = re.compile(r"[0-9a-f]{32}")


@click.group()
def links() -> None:
    """List or end the signed links of a tenant."""


@links.command("list")
@click.argument("tenant")
@click.option("--maker", help="List only links that the user or client with this id made.")
@click.option("--bucket", help="List only links to this bucket.")
@click.option(
    "--key", help="List only links that show this key of the bucket; links to a folder count too."
)
@click.pass_obj
def list_links(
    own: Settings, tenant: str, maker: str | None, bucket: str | None, key: str | None
) -> None:
    """Print the links of TENANT.

    The command prints one link per line, the newest first, without expired ones. The database does
    not contain the addresses of links, so the list does not show them. Links that were made by
    releases without this list are missing.
    """
    from wharf_upload import bootstrap

    if key is not None and bucket is None:
        sys.exit("wharf-upload: --key needs --bucket")
    records = bootstrap.open_live_records(own)
    wanted, now, before = LinkFilter(maker=maker, bucket=bucket, key=key), _now(), ""
    while page := records.kept_links(tenant, wanted, now=now, before=before, limit=_PAGE):
        for link in page:
            click.echo(_line(link))
        before = page[-1].id


@links.command("end")
@click.argument("tenant")
@click.argument("names", metavar="ID...", nargs=-1)
@click.option(
    "--all", "everything", is_flag=True, help="End all links, also links that `list` does not show."
)
@click.pass_obj
def end_links(own: Settings, tenant: str, names: tuple[str, ...], *, everything: bool) -> None:
    """End links of TENANT.

    All replicas refuse the links within 5 seconds. Exit with 1 for an unknown ID.
    """
    from wharf_upload import bootstrap

    if everything == bool(names):
        sys.exit("wharf-upload: give the ids of links, or --all")
    records = bootstrap.open_live_records(own)
    if everything:
        records.rotate_link_key(tenant)
        click.echo(f"ended: all; removed: {records.end_links(tenant, _now())}")
        return
    unknown = [name for name in names if not _is_id(name) or not records.end_link(tenant, name)]
    click.echo(f"ended: {len(names) - len(unknown)}")
    if unknown:
        sys.exit(f"wharf-upload: there is no link with this id: {' '.join(unknown)}")


def _is_id(name: str) -> bool:
    """Tell whether a text can be an id; PostgreSQL refuses texts that contain NUL."""
    return _ID.fullmatch(name) is not None


def _line(link: KeptLink) -> str:
    """Return a link as one line of JSON, because a key may contain any character."""
    document = {
        "id": link.id,
        "bucket": link.bucket,
        "prefix" if link.is_prefix else "key": link.target,
        "maker": link.maker.subject,
        "created_at": _moment(link.created_at),
        "expires_at": _moment(link.expires_at),
    }
    return msgspec.json.encode(document).decode()


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1000, UTC)


def _now() -> int:
    return int(time.time() * 1000)
