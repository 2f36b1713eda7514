"""The parser of nginx's log lines, and the counts of many lines."""

from __future__ import annotations

from bisect import bisect_left

import msgspec

from wharf_upload.observability.nginx_logs.tenants import NOBODY, Tenants

# The values of $wharf_operation. The `log_format wharf_metrics` defines all fields of a line.
OPERATIONS = (
    *("upload_small", "upload_large", "upload_form", "upload_resumable"),
    *("download", "download_shared", "picture", "delete", "list", "api", "auth", "console"),
    *("health", "live", "other"),
)
# nginx writes the line of a live connection when the connection ends. Its duration is not a wait
# for a response.
_LISTENING = "live"
# A 507 does not count as 5xx: in nearly all cases it means that a tenant has used up its quota, and
# not that the service has failed.
NO_ROOM = "507"
CLASSES = ("2xx", "3xx", "4xx", "5xx", NO_ROOM, "closed")
METHODS = frozenset(("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"))
CODES = frozenset(
    (
        *(
            "101",
            "200",
            "201",
            "204",
            "206",
            "303",
            "304",
            "400",
            "401",
            "403",
            "404",
            "405",
            "408",
        ),
        *("409", "411", "412", "413", "414", "415", "416", "421", "422", "429", "431", "460"),
        *("499", "500", "501", "502", "503", "504", "507"),
    )
)
OWN_REFUSALS = (
    *("400", "403", "404", "405", "408", "411", "413", "414", "416", "421", "429", "431"),
    *("499", "500", "501", "502", "503", "504", "507", "other"),
)
# The store's responses to nginx. nginx itself writes 502 or 504 if the store did not respond.
STORE_CODES = ("200", "206", "403", "404", "416", "500", "502", "503", "504", "other")
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_FIELDS = 15
# The numbers of fields in earlier releases: without an object store, and without reservations.
_FIELDS_BEFORE = (12, 14)
# The value of $wharf_bytes_from for a file from the object store. nginx may also fetch files from a
# disk by HTTP.
_STORE = "store"
# If a client disconnects within this time, nginx stops waiting for the store, so the line does not
# count as a failure of the store.
_PATIENCE_SECONDS = 3.0


class Line(msgspec.Struct, frozen=True):
    """The fields of a line; times are in seconds.

    `service_seconds` is `None` if nginx responded without a service.
    """

    operation: str
    method: str
    code: str
    closed: bool
    seconds: float
    service_seconds: float | None
    received_bytes: int
    sent_bytes: int
    tenant: str
    # The store's status code and the time until its first byte, if nginx has read from the store.
    store_code: str = ""
    store_seconds: float | None = None
    # The id of the reservation that ended with the request.
    reservation: str = ""

    @property
    def answer(self) -> str:
        """Return the class of the response, one of `CLASSES`."""
        if self.closed:
            return "closed"
        if self.code == "101":
            return "2xx"  # a WebSocket was opened
        return NO_ROOM if self.code == NO_ROOM else f"{self.code[0]}xx"


def parse(text: bytes) -> Line:
    """Parse a line; raise `ValueError` or `IndexError` for a malformed one."""
    fields = text.decode("utf-8", "replace").split("\t")
    if len(fields) in _FIELDS_BEFORE:
        fields += [""] * (_FIELDS - len(fields))
    if len(fields) != _FIELDS:
        raise ValueError(f"{len(fields)} fields")
    operation, method, code, completion, seconds, *times, denied, received, sent, who = fields[:12]
    if operation not in OPERATIONS:
        raise ValueError(operation)
    store_code, store_seconds = "", None
    if bytes_from := fields[12]:
        if bytes_from == _STORE and not _has_left(code, seconds, fields[13]):
            store_code, store_seconds = _store_read(fields[13], times[0])
        times[:2] = (_of_services(one) for one in times[:2])
    header_time, response_time, admission_time = (_first_sum(one) for one in times)
    answered = header_time is not None or denied != ""
    if operation == _LISTENING:
        response_time, completion = 0.0, "OK"
    return Line(
        operation=operation,
        method=method if method in METHODS else "other",
        code=f"{int(code):03}",
        # 499: the client closed the connection. `completion` is empty instead of "OK" if nginx
        # could not send the complete response.
        closed=code == "499" or completion == "",
        seconds=float(seconds),
        service_seconds=(response_time or 0.0) + (admission_time or 0.0) if answered else None,
        received_bytes=int(received),
        sent_bytes=int(sent),
        tenant=who.partition("/")[0] or NOBODY,
        store_code=store_code,
        store_seconds=store_seconds,
        reservation=fields[14],
    )


def _store_read(codes: str, header_times: str) -> tuple[str, float | None]:
    """Return the store's last status code and the total time of its tries.

    The store is the last upstream in the list.
    """
    code = codes.rpartition(" : ")[2].split(", ")[-1]
    seconds = _first_sum(header_times.rpartition(" : ")[2])
    return (code if code in STORE_CODES else "other"), seconds


def _has_left(code: str, seconds: str, codes: str) -> bool:
    """Tell whether the client disconnected before the store could respond."""
    return code == "499" and codes.endswith("-") and float(seconds) < _PATIENCE_SECONDS


def _of_services(times: str) -> str:
    """Return nginx's list of times without the last upstream, which sent the bytes."""
    return times.rpartition(" : ")[0]


def _first_sum(text: str) -> float | None:
    """Return the sum of upstream times such as `0.004 : 0.001`, `None` if there are none."""
    numbers = [float(word) for word in text.replace(",", " ").split() if word[0].isdigit()]
    return sum(numbers) if numbers else None


class Durations(msgspec.Struct):
    """A histogram: the count of each bucket (not cumulative) and the sum of the observations."""

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def observe(self, seconds: float) -> None:
        """Add one observation."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def in_these_buckets(self) -> Durations:
        """Return this histogram, or an empty one if another release used other buckets."""
        return self if len(self.counts) == len(BOUNDS) + 1 else Durations()


class Operation(msgspec.Struct):
    """The counts of one operation."""

    answers: dict[str, int] = msgspec.field(default_factory=lambda: dict.fromkeys(CLASSES, 0))
    # The key is "method code answered_by".
    requests: dict[str, int] = {}
    durations: Durations = msgspec.field(default_factory=Durations)
    service_durations: Durations = msgspec.field(default_factory=Durations)
    received_bytes: int = 0
    sent_bytes: int = 0


class Counted(msgspec.Struct):
    """All counts that survive a restart, and the position in nginx's file to which they belong."""

    inode: int = 0
    offset: int = 0
    lines: dict[str, int] = msgspec.field(
        default_factory=lambda: dict.fromkeys(("counted", "malformed", "lost"), 0)
    )
    operations: dict[str, Operation] = msgspec.field(
        default_factory=lambda: {name: Operation() for name in OPERATIONS}
    )
    refusals: dict[str, int] = msgspec.field(default_factory=lambda: dict.fromkeys(OWN_REFUSALS, 0))
    tenants: Tenants = msgspec.field(default_factory=Tenants)
    store_reads: dict[str, int] = msgspec.field(
        default_factory=lambda: dict.fromkeys(STORE_CODES, 0)
    )
    store_durations: Durations = msgspec.field(default_factory=Durations)

    def complete(self) -> None:
        """Add the counts that another release did not have; reset durations with other buckets."""
        new = Counted()
        self.lines = new.lines | self.lines
        self.operations = new.operations | self.operations
        self.refusals = new.refusals | self.refusals
        self.store_reads = new.store_reads | self.store_reads
        self.store_durations = self.store_durations.in_these_buckets()
        for operation in self.operations.values():
            operation.durations = operation.durations.in_these_buckets()
            operation.service_durations = operation.service_durations.in_these_buckets()

    def add(self, text: bytes) -> Line | None:
        """Count one line and return it; return `None` for a malformed line."""
        try:
            line = parse(text)
        except (ValueError, IndexError):
            self.lines["malformed"] += 1
            return None
        self.lines["counted"] += 1
        self._add_operation(line)
        self.tenants.add(line)
        if line.store_code:
            self.store_reads[line.store_code] += 1
            if line.store_seconds is not None:
                self.store_durations.observe(line.store_seconds)
        if line.service_seconds is None and line.code >= "400":
            self.refusals[line.code if line.code in self.refusals else "other"] += 1
        return line

    def _add_operation(self, line: Line) -> None:
        operation = self.operations[line.operation]
        answered_by = "nginx" if line.service_seconds is None else "service"
        key = f"{line.method} {line.code if line.code in CODES else 'other'} {answered_by}"
        operation.requests[key] = operation.requests.get(key, 0) + 1
        operation.answers[line.answer] = operation.answers.get(line.answer, 0) + 1
        operation.received_bytes += line.received_bytes
        operation.sent_bytes += line.sent_bytes
        if line.closed or line.code >= "500" or line.operation == _LISTENING:
            return
        operation.durations.observe(line.seconds)
        if line.service_seconds is not None:
            operation.service_durations.observe(line.service_seconds)
