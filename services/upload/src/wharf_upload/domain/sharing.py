"""Files that are served without a token: by a signed link, or from a public bucket.

Whatever is wrong with a link or an address, nobody is told more than that nothing is there.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from servicekit.database import DatabaseUnavailable
from wharf_upload.domain import keys, links, serving
from wharf_upload.domain.dispositions import Kind
from wharf_upload.domain.links import BadLink
from wharf_upload.exchange import path_bytes
from wharf_upload.records.base import File, Policy
from wharf_upload.service import Service

LINKS, PUBLIC = "/s/", "/public/"
# Revalidated soon: what is deleted or suspended is out of shared caches within that time as well.
PUBLIC_CACHE = "public, max-age=2, must-revalidate"


class NotShared(Exception):
    """Nothing is here, for whichever reason."""


class Address(NamedTuple):
    """Where a path leads: the bucket it speaks of, the key, and how the file may be shown.

    `until` is when the address stops working, in unix seconds.
    """

    tenant: str
    bucket: str
    key: str
    is_public: bool
    kind: Kind = "inline"
    name: str = ""
    until: float | None = None


class Shared(NamedTuple):
    """A file that is served, and what its answer says. `until`: unix seconds, if it ends."""

    file: File
    address: Address
    policy: Policy

    @property
    def until(self) -> float | None:
        """When this stops being true: the link's end or the file's."""
        ends = [self.address.until]
        if self.file.expires_at is not None:
            ends.append(self.file.expires_at / 1000)
        return min((end for end in ends if end is not None), default=None)

    @property
    def cache_control(self) -> str:
        """The Cache-Control field."""
        return PUBLIC_CACHE if self.address.is_public else serving.PRIVATE

    def disposition(self, download_name: str | None) -> str:
        """The Content-Disposition field."""
        return serving.disposition_of(
            self.file, download_name, kind=self.address.kind, name=self.address.name
        )


def is_shared(path: str) -> bool:
    """Whether a path as it was sent is a signed link or in a public bucket."""
    return path.startswith((LINKS, PUBLIC))


def address_of(service: Service, path: str, *, ask: bool = True) -> Address:
    """Where a path leads, its signature verified; raises `NotShared` and `DatabaseUnavailable`.

    Without `ask` the database is not asked: only what is remembered counts.
    """
    try:
        if path.startswith(LINKS):
            return _link(service, path[len(LINKS) :], ask=ask)
        if path.startswith(PUBLIC):
            return _public(path[len(PUBLIC) :])
    except (BadLink, keys.InvalidName):
        raise NotShared from None
    raise NotShared


def find(service: Service, path: str, *, ask: bool = True) -> Shared:
    """The file that a path shows now; raises `NotShared` and `DatabaseUnavailable`.

    Without `ask` the latter always, unless signature, time or tenant are wrong: a decision that was
    made earlier may then hold on.
    """
    address = address_of(service, path, ask=ask)
    if not is_active(service, address.tenant):
        raise NotShared
    if not ask:
        raise DatabaseUnavailable("the database did not answer a moment ago")
    bucket = service.records.bucket(address.tenant, address.bucket)
    if bucket is None or (address.is_public and not bucket.policy.public):
        raise NotShared
    file = service.records.file(address.tenant, address.bucket, address.key)
    if file is None or file.state != "available" or file.is_expired(int(service.clock() * 1000)):
        raise NotShared
    return Shared(file, address, bucket.policy)


def is_active(service: Service, tenant: str) -> bool:
    """Whether the tenant is neither suspended nor deleted."""
    return service.revocations.tenant_state(tenant) == "active"


def _link(service: Service, rest: str, *, ask: bool) -> Address:
    token, slash, below = rest.partition("/")
    key_of = partial(service.link_keys.find, ask=ask)
    link = links.verify(token, key_of, service.clock())
    wanted = link.target
    if link.is_prefix:
        wanted = keys.object_key(wanted.encode() + path_bytes(below))
        # Unicode normalisation may join what is sent with the end of the prefix.
        if not wanted.startswith(link.target):
            raise NotShared
    elif slash:
        raise NotShared
    return Address(
        tenant=link.tenant,
        bucket=link.bucket,
        key=wanted,
        is_public=False,
        kind=link.disposition,
        name=link.name,
        until=link.expires_at,
    )


def _public(rest: str) -> Address:
    tenant, _, rest = rest.partition("/")
    bucket, _, key = rest.partition("/")
    return Address(
        tenant=keys.tenant_name(tenant),
        bucket=keys.bucket_name(bucket),
        key=keys.object_key(path_bytes(key)),
        is_public=True,
    )
