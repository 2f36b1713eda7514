"""The exclusive use of an upload by one request: its row, its partial upload, its lease."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from servicekit.problems import NOT_FOUND, ProblemError
from servicekit.tokens import Principal
from wharf_upload.access import reach, tickets
from wharf_upload.access.authorization import ADMINISTER
from wharf_upload.database.upload_contract import UploadRecords
from wharf_upload.domain.conditions import http_date
from wharf_upload.domain.resumable_upload import AtAnotherReplica, Upload
from wharf_upload.hashing.client import DigestClient
from wharf_upload.storage.base import BlobMissing
from wharf_upload.storage.partial_uploads import PartialUpload
from wharf_upload.uploads.resumable.leases import Lease, Leases
from wharf_upload.uploads.resumable.values import PartialUploads

# An upload at a replica that does not respond lives this much longer than its row says, because
# that replica may have received bytes after the last update of the row. The time is longer than a
# sweeper's pause.
OTHERS_GRACE_SECONDS = 600
# The expiry of an upload is extended at most this often, because each extension is a commit.
_RENEW_MILLISECONDS = 60_000


class HeldUploads:
    """Access to uploads: finds them, and gives one request exclusive use of an upload.

    Without a `sender`, a method that gets a `principal` finds only uploads of the principal's own
    subject.
    """

    def __init__(
        self,
        rows: UploadRecords,
        partials: PartialUploads,
        leases: Leases,
        digests: DigestClient,
        clock: Callable[[], float],
        *,
        expiry_seconds: int,
        replica: str = "",
    ) -> None:
        """Create the access to uploads.

        `clock` returns unix seconds. `replica` is the address of this replica if the replicas have
        no common folder, otherwise empty.
        """
        self.replica = replica
        self.rows, self.partials, self.leases = rows, partials, leases
        self._digests, self._clock, self._expiry_seconds = digests, clock, expiry_seconds

    def now(self) -> int:
        """Return the unix time in milliseconds."""
        return int(self._clock() * 1000)

    def expires_at(self) -> int:
        """Return when an upload that receives bytes now will expire, in unix milliseconds."""
        return self.now() + 1000 * self._expiry_seconds

    def find(self, principal: Principal, identifier: str, *, sender: str | None = None) -> Upload:
        """Return the upload; raises the problem `not-found`, `TicketRefused`, `AtAnotherReplica`.

        `sender` is the owner's subject when the caller wants to end an upload of another subject.
        An administrator of buckets may do so, because the upload takes up the quota.
        """
        upload = self.rows.get(principal.tenant, identifier)
        if upload is None or self.is_over(upload):
            raise NOT_FOUND("There is no such upload.")
        self.require_reached(principal, upload)
        if upload.subject != principal.subject:
            if upload.subject != sender or not _may_end_any(principal):
                raise NOT_FOUND("There is no such upload.")
            reach.require_end(principal, upload)
        if upload.options.slicing is not None:
            # a sliced upload gets its bytes from forms only
            raise NOT_FOUND("There is no such upload.")
        if principal.ticket is not None:
            # The creation of the upload has already checked the methods of the ticket.
            method = principal.ticket.methods[0]
            tickets.require(principal.ticket, method, upload.bucket, upload.key or None)
        self.require_here(upload)
        return upload

    def require_reached(self, principal: Principal, upload: Upload) -> None:
        """Raise the problem `not-found` if the upload is outside the caller's reach."""
        if not reach.reaches_upload(principal, upload):
            raise NOT_FOUND("There is no such upload.")

    def require_here(self, upload: Upload) -> None:
        """Raise `AtAnotherReplica` if an incomplete upload is on the disk of another replica."""
        if self.is_elsewhere(upload) and upload.file is None:
            raise AtAnotherReplica(upload.replica)

    def is_elsewhere(self, upload: Upload) -> bool:
        """Tell whether the upload is on the disk of another replica."""
        return bool(self.replica and upload.replica) and upload.replica != self.replica

    def is_over(self, upload: Upload) -> bool:
        """Tell whether the upload has expired."""
        now = self.now()
        if self.is_elsewhere(upload) and upload.file is None:
            return upload.expires_at + 1000 * OTHERS_GRACE_SECONDS <= now
        return upload.expires_at <= now and self.ends_at(upload) <= now

    def ends_at(self, upload: Upload) -> int:
        """Return when the upload expires, in unix milliseconds.

        The time until an incomplete upload expires starts again when bytes arrive.
        """
        changed_at = 0.0 if upload.file else self.partials.changed_at(upload.id)
        return max(upload.expires_at, int(1000 * (changed_at + self._expiry_seconds)))

    def hold(
        self, principal: Principal, identifier: str, *, sender: str | None = None
    ) -> tuple[Upload, Lease]:
        """Return the upload and its lease; ask a request that has the lease to stop.

        `sender` has the meaning that it has in `find`. Raises the problem `not-found`,
        `TicketRefused` and `UploadBusy`.
        """
        releases = self.leases.releases
        upload = self.find(principal, identifier, sender=sender)
        return self.hold_found(principal, upload, releases, sender=sender)

    def hold_found(
        self, principal: Principal, upload: Upload, releases: int, *, sender: str | None = None
    ) -> tuple[Upload, Lease]:
        """Return the upload and its lease, like `hold`.

        `releases` is the value that `leases.releases` had when the caller read the row of the
        upload. The method reads the row again only if another request may have changed it since.
        """
        lease = self.take(upload.id)
        if not lease.was_elsewhere and self.leases.releases == releases:
            return upload, lease
        try:
            return self.find(principal, upload.id, sender=sender), lease
        except BaseException:
            lease.release()
            raise

    def take(self, identifier: str, *, patient: bool = False, queue: bool = True) -> Lease:
        """Return the lease of an upload; raises `UploadBusy`.

        `Leases.take` explains `patient` and `queue`.
        """
        lease = self.leases.take(identifier, patient=patient, queue=queue)
        if lease.was_elsewhere:
            # Another replica may have truncated and rewritten bytes that this process has hashed.
            self._digests.forget(identifier)
        return lease

    def take_free(self, identifier: str) -> Lease | None:
        """Return the lease of an upload, or `None` if a request has it; does not wait."""
        lease = self.leases.take_free(identifier)
        if lease is not None and lease.was_elsewhere:
            self._digests.forget(identifier)
        return lease

    def open(self, upload: str) -> PartialUpload:
        """Return the partial upload; raises the problem `not-found` and `StoreBusy`."""
        try:
            return self.partials.open(upload, alone=self.leases.is_shared)
        except BlobMissing:
            raise NOT_FOUND("There is no such upload.") from None

    def settled_size(self, upload: Upload, part: PartialUpload) -> int:
        """Return the file's size, after discarding bytes without a verified checksum."""
        size = part.size()
        if upload.discard_from is not None and size > upload.discard_from:
            self.truncate(upload, part, upload.discard_from)
            return upload.discard_from
        return size

    def truncate(self, upload: Upload, part: PartialUpload, size: int) -> None:
        """Discard the bytes after the first `size` bytes."""
        part.truncate(size)
        # The digest daemon may have hashed the discarded bytes.
        self._digests.forget(upload.id)

    def note(self, upload: Upload, *, discard_from: int | None, size: int) -> None:
        """Store in the row the values that must survive a crash, if one of them has changed.

        An expiry that is less than a minute later does not count as a change.
        """
        expires_at = self.expires_at()
        if (
            discard_from == upload.discard_from
            and upload.length is not None
            and expires_at - upload.expires_at < _RENEW_MILLISECONDS
        ):
            return
        self.rows.progress(upload, expires_at=expires_at, discard_from=discard_from, size=size)


def _may_end_any(principal: Principal) -> bool:
    return principal.ticket is None and ADMINISTER in principal.scopes


@contextmanager
def released(lease: Lease) -> Iterator[None]:
    """Release a lease at the end of the block."""
    try:
        yield
    finally:
        lease.release()


def expires_field(upload: Upload) -> tuple[str, str]:
    """Return the header field `Upload-Expires`."""
    return ("Upload-Expires", http_date(upload.expires_at // 1000))


def is_refusal(error: BaseException) -> bool:
    """Tell whether a retry would be refused again; an error of the service may be temporary."""
    return isinstance(error, ProblemError) and 400 <= error.problem.status < 500
