"""The composition of the service's parts, on any store and any database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from flask import g

from servicekit import jwks, logs, metrics, tokens
from servicekit.logs import RequestLog
from servicekit.ratelimits import RateLimits, RateLimitSettings
from servicekit.revocations import Revocations
from servicekit.tokens import Verifier
from wharf_upload.access.authorization import Authorizer
from wharf_upload.access.link_maker import LinkMaker
from wharf_upload.access.links import LinkKeys
from wharf_upload.access.origins import Origins
from wharf_upload.access.tickets import TicketUploadLimit
from wharf_upload.backends import Backends
from wharf_upload.catalog.buckets import BucketCatalog
from wharf_upload.catalog.files import FileCatalog
from wharf_upload.catalog.links import LinkCatalog
from wharf_upload.database.circuit_breaker import CircuitBreaker
from wharf_upload.database.contract import Overview, Records, SharedLeases
from wharf_upload.database.room_contract import Reservations
from wharf_upload.database.upload_contract import UploadRecords
from wharf_upload.domain.long_work import LongWorkRule
from wharf_upload.downloads.files import Downloads
from wharf_upload.downloads.shared import SharedFiles
from wharf_upload.hashing.client import DigestClient
from wharf_upload.http.cors import CrossOrigin
from wharf_upload.http.credentials import Credentials
from wharf_upload.notices.sender import open_sender
from wharf_upload.settings import Settings
from wharf_upload.storage.base import BlobStore
from wharf_upload.storage.parked_slices import ParkedSlices
from wharf_upload.storage.partial_uploads import PartialUploadStore
from wharf_upload.tenancy.limits import TenantLimits
from wharf_upload.tenancy.quotas import QuotaCheck
from wharf_upload.uploads.admission import Admission
from wharf_upload.uploads.body_room import BodyRoom
from wharf_upload.uploads.commit import FileCommit
from wharf_upload.uploads.content_digest import ContentDigests
from wharf_upload.uploads.disk_room import DiskRoom
from wharf_upload.uploads.receive_file import FileReceiver
from wharf_upload.uploads.receive_form import FormReceiver
from wharf_upload.uploads.resumable.append import UploadAppender
from wharf_upload.uploads.resumable.complete import UploadCompleter
from wharf_upload.uploads.resumable.concatenate import UploadConcatenator
from wharf_upload.uploads.resumable.create import UploadCreator
from wharf_upload.uploads.resumable.engine import ResumableUploads
from wharf_upload.uploads.resumable.held import HeldUploads
from wharf_upload.uploads.resumable.leases import Leases
from wharf_upload.uploads.resumable.progress import UploadProgress
from wharf_upload.uploads.resumable.progress_notices import ProgressNotices
from wharf_upload.uploads.resumable.terminate import UploadTerminator
from wharf_upload.uploads.rules import UploadRules
from wharf_upload.uploads.slices.join import SliceJoiner
from wharf_upload.uploads.slices.receive import SliceReceiver

NAME, AUDIENCE = "upload", "upload"


@dataclass(frozen=True)
class AccessParts:
    """The parts that decide about access and limits; `keys_error` returns an error or `None`."""

    verifier: Verifier
    keys_error: Callable[[], str | None]
    revocations: Revocations
    authorizer: Authorizer
    credentials: Credentials
    limits: RateLimits
    tenant_limits: TenantLimits


@dataclass(frozen=True)
class ReceivingParts:
    """The parts that receive bodies, by any protocol."""

    rules: UploadRules
    room: DiskRoom
    body_room: BodyRoom
    admission: Admission
    commit: FileCommit
    digest_client: DigestClient
    digests: ContentDigests
    long_work: LongWorkRule
    file_receiver: FileReceiver


@dataclass(frozen=True)
class AppContext:
    """All parts from which processes and routes are composed; `clock` returns unix seconds."""

    settings: Settings
    clock: Callable[[], float]
    log: RequestLog
    store: BlobStore
    records: Records
    uploads: UploadRecords
    backends: Backends
    parts: PartialUploadStore
    leases: SharedLeases
    reservations: Reservations
    overview: Overview
    access: AccessParts
    receiving: ReceivingParts
    resumable_uploads: ResumableUploads
    form_receiver: FormReceiver
    downloads: Downloads
    buckets: BucketCatalog
    files: FileCatalog
    link_maker: LinkMaker
    links: LinkCatalog
    shared_files: SharedFiles
    cross_origin: CrossOrigin


def app_context(
    settings: Settings,
    backends: Backends,
    *,
    keys: tokens.Keys | None,
    clock: Callable[[], float],
) -> AppContext:
    """Return the parts on the given backends; `clock` returns unix seconds."""
    store, records = backends.store, backends.records
    access = _access(settings, records, keys, clock)
    receiving = _receiving(settings, backends, access, clock)
    held = _held(settings, backends, receiving, clock)
    parked = ParkedSlices(settings.resumable_folder, durable=settings.durable)
    steps = _upload_steps(held, parked, store, receiving, access)
    link_keys, buckets, feed = LinkKeys(records), BucketCatalog(records), access.revocations
    shared_files = SharedFiles(records, link_keys, feed, CircuitBreaker(), clock)
    link_maker = LinkMaker(records, link_keys, feed, clock, max_seconds=settings.link_max_seconds)
    return AppContext(
        settings=settings,
        clock=clock,
        log=logs.RequestLog(NAME, lost=metrics.lost_line, buffer_seconds=0.1, behind=metrics.flush),
        store=store,
        records=records,
        uploads=backends.uploads,
        backends=backends,
        parts=backends.parts,
        leases=backends.leases,
        reservations=backends.reservations,
        overview=backends.overview,
        access=access,
        receiving=receiving,
        resumable_uploads=_resumable(held, steps, receiving, access, settings),
        form_receiver=_forms(held, steps, settings, receiving, store),
        downloads=Downloads(records, store, clock),
        buckets=buckets,
        files=FileCatalog(records, buckets, clock),
        link_maker=link_maker,
        links=LinkCatalog(records, feed, clock),
        shared_files=shared_files,
        cross_origin=CrossOrigin(Origins(records)),
    )


def _access(
    settings: Settings,
    records: Records,
    keys: tokens.Keys | None,
    clock: Callable[[], float],
) -> AccessParts:
    """Return the parts that decide about access and limits."""
    key_file = jwks.KeyFile(settings.key_file)
    verifier = tokens.Verifier(
        keys or key_file, issuer=settings.issuer, audience=AUDIENCE, clock=clock
    )
    revocations = Revocations(settings.revocation_file)
    tenant_limits = TenantLimits(records, settings.tenant_limits)
    limits = RateLimits(
        RateLimitSettings(
            settings.limits_url,
            settings.tenant_requests_per_minute,
            settings.client_requests_per_minute,
            tenant_limits.amounts,
        ),
        lambda: g.get("principal"),
    )
    authorizer = Authorizer(revocations, limits)
    return AccessParts(
        verifier=verifier,
        keys_error=lambda: None if keys or key_file.loaded() else "no key to verify tokens yet",
        revocations=revocations,
        authorizer=authorizer,
        credentials=Credentials(verifier, revocations, authorizer),
        limits=limits,
        tenant_limits=tenant_limits,
    )


def _receiving(
    settings: Settings,
    backends: Backends,
    access: AccessParts,
    clock: Callable[[], float],
) -> ReceivingParts:
    """Return the parts that receive bodies, by any protocol."""
    store, records = backends.store, backends.records
    tenant_limits = access.tenant_limits
    rules = UploadRules(records, tenant_limits, max_file_bytes=settings.max_file_bytes)
    room = _disk_room(settings, backends)
    body_room = BodyRoom(
        room,
        QuotaCheck(records, tenant_limits, clock),
        backends.reservations,
        records,
        tenant_percent=settings.tenant_room_percent,
    )
    commit = FileCommit(
        store,
        records,
        access.authorizer.recheck,
        access.limits.count_more,
        body_room.give_back_at_commit,
    )
    digest_client = DigestClient(settings.follower_socket)
    digests = ContentDigests(digest_client)
    return ReceivingParts(
        rules=rules,
        room=room,
        body_room=body_room,
        admission=Admission(
            rules,
            room,
            body_room,
            records,
            backends.uploads,
            max_form_files=settings.max_form_files,
            clock=clock,
        ),
        commit=commit,
        digest_client=digest_client,
        digests=digests,
        long_work=LongWorkRule(sends_bytes=bool(settings.blob_url)),
        file_receiver=FileReceiver(store, commit, records, digests),
    )


def _disk_room(settings: Settings, backends: Backends) -> DiskRoom:
    return DiskRoom(
        backends.store,
        backends.reservations,
        reserve_bytes=settings.disk_reserve_bytes,
        reserve_inodes=settings.disk_reserve_inodes,
    )


def _held(
    settings: Settings, backends: Backends, receiving: ReceivingParts, clock: Callable[[], float]
) -> HeldUploads:
    """Return the access to resumable uploads, which gives an upload to one request at a time."""
    return HeldUploads(
        backends.uploads,
        backends.parts,
        Leases(backends.leases if settings.leases_are_shared else None),
        receiving.digest_client,
        clock,
        expiry_seconds=settings.upload_expiry_seconds,
        replica=settings.replica_address,
    )


class _UploadSteps(NamedTuple):
    """The steps and files that resumable uploads and slices in forms have in common."""

    parked: ParkedSlices
    creator: UploadCreator
    completer: UploadCompleter
    terminator: UploadTerminator


def _upload_steps(
    held: HeldUploads,
    parked: ParkedSlices,
    store: BlobStore,
    receiving: ReceivingParts,
    access: AccessParts,
) -> _UploadSteps:
    rules, terminator = receiving.rules, UploadTerminator(held, parked)
    ticket_limit = TicketUploadLimit(access.limits.counted)
    return _UploadSteps(
        parked,
        UploadCreator(
            held, rules, receiving.room, receiving.admission, ticket_limit, access.limits.count_more
        ),
        UploadCompleter(
            held, rules, store, receiving.commit, receiving.digests, terminator, receiving.long_work
        ),
        terminator,
    )


def _resumable(
    held: HeldUploads,
    steps: _UploadSteps,
    receiving: ReceivingParts,
    access: AccessParts,
    settings: Settings,
) -> ResumableUploads:
    rules, recheck = receiving.rules, access.authorizer.recheck
    _, creator, completer, terminator = steps
    concatenator = UploadConcatenator(held, completer)
    notices = ProgressNotices(open_sender(settings.notices_place).progress, held.now)
    return ResumableUploads(
        held,
        rules,
        creator,
        UploadAppender(
            held, rules, receiving.body_room, completer, concatenator, terminator, recheck, notices
        ),
        concatenator,
        UploadProgress(held, completer, concatenator),
        terminator,
    )


def _forms(
    held: HeldUploads,
    steps: _UploadSteps,
    settings: Settings,
    receiving: ReceivingParts,
    store: BlobStore,
) -> FormReceiver:
    return FormReceiver(
        store,
        receiving.commit,
        _slices(held, steps, receiving),
        receiving.long_work,
        max_files=settings.max_form_files,
    )


def _slices(held: HeldUploads, steps: _UploadSteps, receiving: ReceivingParts) -> SliceReceiver:
    """Return the receiver of forms that contain slices of files."""
    parked, creator, completer, terminator = steps
    joiner = SliceJoiner(held, parked, receiving.rules, completer, terminator)
    return SliceReceiver(held, parked, creator, joiner)
