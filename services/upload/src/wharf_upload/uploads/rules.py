"""The rules for an upload: those of its bucket, its ticket, its tenant and the service."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from servicekit.tokens import Principal
from wharf_upload.access import reach, tickets
from wharf_upload.domain.buckets import Bucket, Policy
from wharf_upload.domain.refusals import NoSuchBucket
from wharf_upload.domain.upload_intent import SizeLimit, UploadIntent, smallest
from wharf_upload.domain.upload_request import UploadRequest
from wharf_upload.tenancy.limits import TenantLimits


class FileRules(NamedTuple):
    """The rules for one file: the bucket's policy, and the smallest of all size limits."""

    policy: Policy
    largest: SizeLimit


class Buckets(Protocol):
    """The buckets; see `database.contract`."""

    def bucket(self, tenant: str, name: str) -> Bucket | None:
        """Return the bucket; `default` exists for every tenant."""


class UploadRules:
    """Finds the rules for a caller's uploads to a bucket."""

    def __init__(
        self, buckets: Buckets, tenant_limits: TenantLimits, *, max_file_bytes: int
    ) -> None:
        """Create the rules; `max_file_bytes` is the limit of the service."""
        self._buckets, self._tenant_limits = buckets, tenant_limits
        self._max_file_bytes = max_file_bytes

    def of(self, caller: Principal, bucket: str) -> FileRules:
        """Return the rules without checking the caller's grants; raises `NoSuchBucket`."""
        found = self._buckets.bucket(caller.tenant, bucket)
        if found is None:
            raise NoSuchBucket
        policy, ticket = found.policy, caller.ticket
        largest = smallest(
            ("bucket's file limit", policy.max_file_bytes),
            ("ticket's file limit", ticket.max_file_bytes if ticket else None),
            ("tenant's file limit", self._tenant_limits.of(caller.tenant).max_file_bytes),
            ("service's file limit", self._max_file_bytes),
        )
        return FileRules(policy, largest)

    def of_allowed(self, caller: Principal, bucket: str, key: str = "") -> FileRules:
        """Return the rules for an upload that the caller's grants allow.

        Without a key, the caller checks the keys later, one by one. Raises `NoSuchBucket` and
        `OutsideGrants`.
        """
        reach.require_upload(caller, bucket, key)
        return self.of(caller, bucket)

    def intent_of(self, upload: UploadRequest) -> UploadIntent:
        """Return the intent: the request together with its rules.

        Raises `NoSuchBucket` and `OutsideGrants`.
        """
        caller = upload.caller
        rules = self.of_allowed(caller, upload.bucket, upload.key)
        return UploadIntent(
            tenant=caller.tenant,
            subject=caller.subject,
            bucket=upload.bucket,
            key=upload.key,
            policy=rules.policy,
            largest=rules.largest,
            within=reach.within(caller, upload.bucket),
            declared_type=upload.declared_type,
            digests=upload.digests,
            condition=upload.condition,
            idempotency=upload.idempotency,
            on_conflict="replace" if tickets.may_replace(caller.ticket) else "error",
            ticket=caller.ticket,
            use=tickets.use_of(caller),
            room=upload.room,
        )
