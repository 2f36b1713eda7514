"""The operations of the service on its records, each for any spread of files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import islice

import msgspec

from loadtests.scale.case import Case
from loadtests.scale.job_operations import JOB_OPERATIONS
from loadtests.scale.operation import Operation as Operation
from loadtests.scale.operation import Run
from loadtests.scale.spread import ARCHIVE, END_MILLISECONDS, HASHED
from loadtests.scale.webhook_operations import WEBHOOK_OPERATIONS
from servicekit.ids import uuid7_hex
from wharf_upload.domain.buckets import Bucket, Policy
from wharf_upload.domain.file_writes import Idempotency, Move, TicketUse, Write
from wharf_upload.domain.files import File, FileAddress
from wharf_upload.domain.kept_links import LinkFilter
from wharf_upload.domain.refusals import QuotaExceeded
from wharf_upload.domain.tenant_limits import Limits

# The name of a tenant that may store one byte.
NO_ROOM = "no-room"
BLOBS_A_TIME = 200
# A time before which no generated row expires.
_PAST, _FUTURE_MILLISECONDS = 1, 1_000_000_000_000


def _get(case: Case) -> Run:
    place = case.place()
    return lambda: case.records.file(*place)


def _get_missing(case: Case) -> Run:
    tenant, bucket, key = case.place()
    return lambda: case.records.file(tenant, bucket, f"{key}~")


def _put(case: Case) -> Run:
    write = Write(files=(case.new_file(),))
    return lambda: case.records.write(write)


def _put_ticket(case: Case) -> Run:
    use = TicketUse(id=uuid7_hex(), max_files=3, expires_at=_FUTURE_MILLISECONDS)
    write = Write(files=(case.new_file(),), ticket=use)
    return lambda: case.records.write(write)


def _put_once(case: Case) -> Run:
    key = Idempotency(subject="client-1", key=uuid7_hex(), fingerprint="0" * 64)
    write = Write(files=(case.new_file(),), idempotency=key)
    return lambda: case.records.write(write)


def _replace(case: Case) -> Run:
    old = case.stored()
    blob = uuid7_hex()
    write = Write(files=(msgspec.structs.replace(old, id=blob, blob=blob),))
    return lambda: case.records.write(write)


def _rename(case: Case) -> Run:
    old = case.stored()
    blob = uuid7_hex()
    new = msgspec.structs.replace(old, id=blob, blob=blob)
    return lambda: case.records.write(Write(files=(new,), on_conflict="rename"))


def _delete(case: Case) -> Run:
    file = case.stored()
    return lambda: case.records.delete(file.tenant, file.bucket, file.key, None)


def _change(case: Case) -> Run:
    file = case.stored()

    def edit(old: File) -> File:
        return msgspec.structs.replace(old, metadata={"seen": "yes"})

    return lambda: case.records.change(file, edit, None)


def _move(case: Case) -> Run:
    file = case.stored()

    def edit(old: File) -> File:
        return msgspec.structs.replace(old, key=f"{old.key}~")

    return lambda: case.records.change(file, edit, None)


def _move_elsewhere(case: Case) -> Run:
    file = case.stored()
    target = FileAddress("default", f"{file.key}~")
    move = Move(tenant=file.tenant, source=file.address, target=target, on_conflict="rename")

    def place(old: File, key: str) -> File:
        return msgspec.structs.replace(old, bucket=target.bucket, key=key)

    return lambda: case.records.move(move, place)


def _listing(style: str = ARCHIVE, part: float | None = None, **how: str) -> Callable[[Case], Run]:
    def prepare(case: Case) -> Run:
        after = how.get("after", "") if part is None else case.archived(part)
        question = {**how, "after": after}
        return lambda: case.page(style, **question)

    return prepare


def _granted(**how: str) -> Callable[[Case], Run]:
    # Two folders with files, and one without files.
    within = ("archive/", "nothing/", "summary ")
    return lambda case: lambda: case.page(ARCHIVE, within=within, **how)


def _list_prefix(case: Case) -> Run:
    # A page has room for more files than have this prefix. The list must end with the prefix.
    prefix = case.archived(0.5)[:-8]
    return lambda: case.page(ARCHIVE, prefix=prefix)


def _refused(case: Case) -> Run:
    case.records.put_limits(NO_ROOM, Limits(max_bytes=1))
    file = msgspec.structs.replace(case.new_file(), tenant=NO_ROOM, bucket="default")

    def run() -> None:
        with suppress(QuotaExceeded):
            case.records.write(Write(files=(file,)))

    return run


def _events(case: Case) -> Run:
    # The last events of the largest tenant, which are more than a page.
    name = case.of_style(ARCHIVE).name
    return lambda: case.records.events(name, 0, 10)


def _last_events(case: Case) -> Run:
    name = case.of_style(ARCHIVE).name
    return lambda: case.records.events_before(name, 1 << 62, 10)


def _under_way(subject: str | None = None) -> Callable[[Case], Run]:
    def prepare(case: Case) -> Run:
        # Rows of the largest tenant, which are more than a page.
        uploads, name = case.records.uploads, case.of_style(ARCHIVE).name
        return lambda: uploads.under_way(name, subject=subject, after="", limit=10)

    return prepare


def _purge(case: Case) -> Run:
    tenant = f"gone-{uuid7_hex()[-12:]}"
    case.records.put_bucket(Bucket(tenant=tenant, name="photos", policy=Policy(), created_at=0))
    files = [msgspec.structs.replace(case.new_file(), tenant=tenant) for _ in range(10)]
    for file in files:
        key = Idempotency(subject="client-1", key=uuid7_hex(), fingerprint="0" * 64)
        new = msgspec.structs.replace(file, bucket="default")
        case.records.write(Write(files=(new,), idempotency=key))

    def run() -> None:
        while case.records.purge_tenant(tenant, BLOBS_A_TIME):
            pass

    return run


def _link_key(case: Case) -> Run:
    name = case.tenant().name
    return lambda: case.records.link_key(name)


def _tokens_of_link(case: Case) -> Run:
    tenant = case.tenant().name
    found = case.records.kept_links(tenant, LinkFilter(), now=0, before="", limit=1)
    name = found[0].id if found else "0" * 32
    return lambda: case.records.tokens_of_link(tenant, name)


def _links(**wanted: str) -> Callable[[Case], Run]:
    def prepare(case: Case) -> Run:
        tenant = case.everybody[0].name
        chosen = LinkFilter(**wanted)
        return lambda: case.records.kept_links(tenant, chosen, now=0, before="", limit=100)

    return prepare


def _lists_origin(case: Case) -> Run:
    # An origin that one tenant lists, or no tenant.
    origin = f"https://{case.tenant().name}.{case.random.choice(('example', 'invalid'))}"
    return lambda: case.records.lists_origin(origin)


def _delete_bucket(case: Case) -> Run:
    name = case.tenant().name
    case.records.put_bucket(Bucket(tenant=name, name="empty", policy=Policy(), created_at=0))
    return lambda: case.records.delete_bucket(name, "empty")


def _expire_tenant(case: Case) -> Run:
    name = case.tenant().name
    return lambda: case.records.expire_tenant(name, _PAST)


def _forget_some(case: Case) -> Run:
    key = Idempotency(subject="client-1", key=uuid7_hex(), fingerprint="0" * 64)
    case.records.write(Write(files=(case.new_file(),), idempotency=key))
    # All generated rows are newer than this time, so the operation removes only the row above.
    before = END_MILLISECONDS + 300 * 86_400_000
    return lambda: case.records.forget_idempotency(before)


def _usage(case: Case) -> Run:
    name = case.tenant().name
    return lambda: case.records.usage(name)


def _limits(case: Case) -> Run:
    name = case.tenant().name
    return lambda: case.records.limits(name)


def _bucket(case: Case) -> Run:
    name = case.tenant().name
    return lambda: case.records.bucket(name, "photos")


def _buckets(case: Case) -> Run:
    name = case.tenant().name
    return lambda: case.records.buckets(name)


def _expire_none(case: Case) -> Run:
    return lambda: case.records.expire(_PAST, BLOBS_A_TIME)


def _expire(case: Case) -> Run:
    tenant = case.tenant().name
    for _ in range(10):
        file = case.new_file(expires_at=_FUTURE_MILLISECONDS)
        new = msgspec.structs.replace(file, tenant=tenant, bucket="default")
        case.records.write(Write(files=(new,)))
    return lambda: case.records.expire(_FUTURE_MILLISECONDS, BLOBS_A_TIME)


def _known_blobs(case: Case) -> Run:
    names = [(case.tenant().name, uuid7_hex()) for _ in range(BLOBS_A_TIME)]
    for name in range(0, BLOBS_A_TIME, 2):
        file = case.records.file(*case.place())
        if file is not None:
            names[name] = file.tenant, file.blob
    return lambda: case.records.known_blobs(names)


def _doomed(case: Case) -> Run:
    return lambda: case.records.pending_deletion(_FUTURE_MILLISECONDS * 9, BLOBS_A_TIME)


def _forget_pending_deletions(case: Case) -> Run:
    file = case.stored()
    case.records.delete(file.tenant, file.bucket, file.key, None)
    return lambda: case.records.forget_pending_deletions([file.blob])


def _forget_idempotency(case: Case) -> Run:
    return lambda: case.records.forget_idempotency(_PAST)


def _forget_ticket_uses(case: Case) -> Run:
    return lambda: case.records.forget_ticket_uses(_PAST)


def _live_files(case: Case) -> Run:
    return lambda: list(islice(case.records.live_files(), 1000))


OPERATIONS = (
    *JOB_OPERATIONS,
    *WEBHOOK_OPERATIONS,
    Operation("file", _get),
    Operation("file that is not there", _get_missing),
    Operation("write", _put),
    Operation("write, Idempotency-Key", _put_once),
    Operation("write, by ticket", _put_ticket),
    Operation("write, replacing", _replace),
    Operation("write, renaming", _rename),
    Operation("delete", _delete),
    Operation("change metadata", _change),
    Operation("change the key", _move),
    Operation("move", _move_elsewhere),
    Operation("list, start", _listing()),
    Operation("list, middle", _listing(part=0.5)),
    Operation("list, end", _listing(after="summary")),
    Operation("list, prefix", _listing(prefix="archive/")),
    Operation("list, short prefix's end", _list_prefix),
    Operation("list, prefix behind a large folder", _listing(prefix="summary ")),
    Operation("list, grants", _granted(), lookups=3),
    Operation("list, grants, delimiter", _granted(delimiter="/"), lookups=3),
    Operation("list, delimiter, start", _listing(delimiter="/")),
    Operation("list, delimiter, over a large folder", _listing(delimiter="/", after="Report ~")),
    Operation("list, delimiter, large folders only", _listing(prefix="days/", delimiter="/")),
    Operation("list, delimiter, 100 folders", _listing(HASHED, delimiter="/")),
    Operation("usage", _usage),
    Operation("write, refused by quota", _refused),
    Operation("events", _events),
    Operation("events, newest first", _last_events),
    Operation("uploads under way", _under_way()),
    Operation("uploads under way, of one", _under_way("client-2")),
    Operation("link_key", _link_key),
    Operation("link, is it kept", _tokens_of_link),
    Operation("links", _links()),
    Operation("links, of one", _links(maker="client-2")),
    Operation("lists_origin", _lists_origin),
    Operation("delete_bucket", _delete_bucket),
    Operation("limits", _limits),
    Operation("bucket", _bucket),
    Operation("buckets", _buckets),
    Operation("expire, nothing to do", _expire_none, hot=False),
    Operation("expire, 10 files", _expire, hot=False),
    Operation("known_blobs, 200", _known_blobs, hot=False, lookups=BLOBS_A_TIME),
    Operation("doomed", _doomed, hot=False),
    Operation("forget_idempotency, one", _forget_some, hot=False),
    Operation("expire_tenant, nothing to do", _expire_tenant, hot=False),
    Operation("purge_tenant, 10 files", _purge, hot=False),
    Operation("forget_pending_deletions", _forget_pending_deletions, hot=False),
    Operation("forget_idempotency", _forget_idempotency, hot=False),
    Operation("forget_ticket_uses", _forget_ticket_uses, hot=False),
    Operation("live_files, 1000", _live_files, hot=False),
)
