"""The dashboard of used resources, of the nearest limit, and of the time until the disk is full."""

from __future__ import annotations

from deploy.observing.overview import VARIABLES
from deploy.observing.panels import Dashboard, Query, Row, bars, graph, stat
from deploy.observing.promql import HERE, INSTALLATION, quantile, rate, series, total

_EACH = "job, instance"


def _mean(metric: str, by: str = "") -> str:
    return f"{rate(f'{metric}_sum', by)} / ({rate(f'{metric}_count', by)} > 0)"


def _disk_left(volume: str) -> str:
    """Return PromQL for the seconds until only the reserve of the volume is free; at most 90 days.

    The expression assumes the pace of the last six hours.
    """
    free = series("wharf_storage_free_bytes", f'volume="{volume}"')
    reserve = series("wharf_storage_reserve_bytes")
    left = f"(min({free}) - max({reserve}))"
    return f"clamp({left} / clamp_min(-min(deriv({free}[6h])), 1), 0, 90 * 86400)"


_LIMITS = Row(
    "What limits first",
    (
        bars(
            "Used of what there is",
            "Each resource as a part of its limit, for the instance with the largest part. The "
            "resource that is nearest to 100 % limits first.",
            "percentunit",
            Query(
                f"max({series('wharf_http_requests_in_progress')} / "
                f"{series('wharf_http_threads')})",
                "threads",
            ),
            Query(
                "max(sum by (instance) ("
                + series("wharf_nginx_connections", 'state=~"active|writing"')
                + ") / on (instance) "
                + series("wharf_nginx_connections_limit")
                + ")",
                "connections",
            ),
            Query(f"1 - min(wharf:storage_free:ratio{{{HERE}}})", "disk"),
            Query(
                f"max(sum by ({_EACH}) ({series('wharf_process_resident_memory_bytes')}) / on "
                f"({_EACH}) max by ({_EACH}) ({series('wharf_memory_limit_bytes')}))",
                "memory",
            ),
            Query(
                f"max(max by ({_EACH}) ({series('wharf_process_open_fds')}) / on ({_EACH}) max "
                f"by ({_EACH}) ({series('wharf_process_max_fds')}))",
                "descriptors of a process",
            ),
            Query(
                f"max({series('wharf_resumable_reserved_bytes')}) / "
                f"min({series('wharf_storage_free_bytes')})",
                "free disk that resumable uploads reserved",
            ),
            width=10,
            height=9,
            steps=(0.7, 0.9),
            bounds=(0, 1),
        ),
        stat(
            "Disk full in",
            "Time until only WHARF_DISK_RESERVE_BYTES are free, at the pace of the last six "
            "hours. The largest value is 90 days.",
            "s",
            Query(_disk_left("data"), "data"),
            Query(_disk_left("spool"), "spool"),
            width=7,
            height=9,
            steps=(2 * 86400, 14 * 86400),
            below=True,
        ),
        graph(
            "Processor for one request",
            "Mean CPU time of the services for one request at the gateway. Use it to size pods: "
            "requests per second = cores / this value.",
            "s",
            Query(
                f"{rate('wharf_process_cpu_seconds_total')} / "
                f"({rate('wharf_gateway_answers_total')} > 0)",
                "for one request",
            ),
            width=7,
            height=9,
        ),
    ),
)
_THREADS = Row(
    "Threads and processor",
    (
        graph(
            "Busy threads",
            "Threads that process a request, and all threads.",
            "short",
            Query(
                total(series("wharf_http_requests_in_progress"), _EACH), "{{job}} {{instance}} busy"
            ),
            Query(total(series("wharf_http_threads"), _EACH), "{{job}} {{instance}} all"),
        ),
        graph(
            "Waiting for a thread",
            "Connections that uWSGI has not accepted yet. If the value stays above 0, use more "
            "threads, processes or pods.",
            "short",
            Query(series("wharf_http_listen_queue"), "{{job}} {{instance}}"),
            steps=(5,),
        ),
        graph(
            "Processor",
            "Cores in use by each service, workers and mule together.",
            "short",
            Query(rate("wharf_process_cpu_seconds_total", _EACH), "{{job}} {{instance}}"),
        ),
        graph(
            "Memory",
            "PSS: memory pages that processes share are divided among them. It does not grow with "
            "the size of files.",
            "bytes",
            Query(
                total(series("wharf_process_resident_memory_bytes"), f"{_EACH}, process"),
                "{{job}} {{instance}} {{process}}",
            ),
            stacked=True,
        ),
        graph(
            "Workers started again",
            "Processes that ended and were replaced.",
            "short",
            Query(
                total(f"increase({series('wharf_http_worker_restarts_total')}[1h])", _EACH),
                "{{job}} {{instance}} per hour",
            ),
        ),
        graph(
            "Descriptors",
            "The largest number of open descriptors of one process.",
            "short",
            Query(
                f"max by ({_EACH}, process) ({series('wharf_process_open_fds')})",
                "{{job}} {{instance}} {{process}}",
            ),
        ),
    ),
)
_GATEWAY = Row(
    "Gateway",
    (
        graph(
            "Connections",
            "writing: requests in flight, each with two connections; reading: nginx receives the "
            "head of a request; waiting: idle connections that are kept open.",
            "short",
            Query(
                total(series("wharf_nginx_connections", 'state!="active"'), "state"), "{{state}}"
            ),
            Query(total(series("wharf_nginx_connections_limit")), "limit"),
        ),
        graph(
            "New connections",
            "New connections, and connections that nginx dropped because it had too many.",
            "short",
            Query(rate("wharf_nginx_connections_accepted_total"), "accepted per second"),
            Query(
                f"{rate('wharf_nginx_connections_accepted_total')} - "
                f"{rate('wharf_nginx_connections_handled_total')}",
                "dropped per second",
            ),
            Query(rate("wharf_nginx_requests_total"), "requests per second"),
        ),
        graph(
            "Bodies in the spool",
            "Large uploads that nginx receives; they stay in the spool until the last byte.",
            "bytes",
            Query(total(series("wharf_spool_bytes"), "instance"), "{{instance}}"),
        ),
        graph(
            "Bodies being received",
            "Bodies that arrive, in the spool and as resumable uploads.",
            "short",
            Query(total(series("wharf_spool_files")), "in the spool"),
            Query(total(series("wharf_receiver_streams")), "resumable"),
            Query(total(series("wharf_follower_files")), "followed for their digest"),
        ),
        graph(
            "Slow requests that were cut",
            "Requests with an average rate below WHARF_BODY_MIN_BYTES_PER_SECOND.",
            "short",
            Query(rate("wharf_gateway_slow_bodies_cut_total") + " * 60", "per minute"),
        ),
        graph(
            "Connections above an address's share",
            "Connections that the gateway closed: above WHARF_ADDRESS_OPEN_CONNECTIONS, or above "
            "the limit of all clients together.",
            "short",
            Query(rate("wharf_gateway_connections_closed_total") + " * 60", "per minute"),
        ),
        graph(
            "Lines about requests",
            "Lines of nginx that the collector read. If lines are lost or malformed, the counts "
            "of requests are too small.",
            "short",
            Query(rate("wharf_collector_lines_total", "result"), "{{result}} per second"),
        ),
    ),
)
_DISK = Row(
    "Disk",
    (
        graph(
            "Free",
            "Free space for Wharf's user. Below the reserve, uploads are refused with 507.",
            "bytes",
            Query(
                f"min by (instance, volume) ({series('wharf_storage_free_bytes')})",
                "{{instance}} {{volume}}",
            ),
            Query(f"max({series('wharf_storage_reserve_bytes')})", "reserve"),
        ),
        graph(
            "Reserved",
            "Bytes reserved for bodies under way, and the part that they have not used yet.",
            "bytes",
            Query(f"max({series('wharf_reserved_bytes')})", "reserved"),
            Query(f"max({series('wharf_reserved_outstanding_bytes')})", "not used yet"),
        ),
        graph(
            "Under way",
            "Bodies with a reservation, their inodes, and bodies refused for lack of space.",
            "short",
            Query(f"max({series('wharf_bodies_under_way')})", "bodies"),
            Query(f"max({series('wharf_reserved_inodes')})", "inodes"),
            Query(rate("wharf_room_refusals_total", "reason"), "refused per second, {{reason}}"),
        ),
        graph(
            "Stored",
            "Bytes of files that became visible.",
            "Bps",
            Query(rate("wharf_upload_stored_bytes_total"), "stored"),
        ),
        graph(
            "Files",
            "New files by protocol, and removed blobs of deleted and replaced files.",
            "short",
            Query(rate("wharf_upload_files_total", "protocol"), "stored per second, {{protocol}}"),
            Query(
                rate("wharf_sweeper_removed_total", where='kind=~"deleted_blobs|rowless_blobs"'),
                "removed per second",
            ),
        ),
        graph(
            "Size of a file, mean",
            "Mean size of the files that were stored in the last minutes.",
            "bytes",
            Query(
                f"{rate('wharf_upload_stored_bytes_total')} / "
                f"({rate('wharf_upload_files_total')} > 0)",
                "a file",
            ),
        ),
        graph(
            "Inodes left",
            "Each file uses one inode. File systems without a fixed number report 0.",
            "short",
            Query(
                f"min by (instance, volume) ({series('wharf_storage_free_inodes')})",
                "{{instance}} {{volume}}",
            ),
        ),
        graph(
            "Sweep",
            "The duration of the last sweep, and the pause between two sweeps.",
            "s",
            Query(series("wharf_sweeper_last_duration_seconds"), "{{instance}} duration"),
            Query(f"max({series('wharf_sweeper_pause_seconds')})", "pause between two"),
        ),
    ),
)
_DATABASE = Row(
    "Database",
    (
        graph(
            "Write transactions",
            "Each transaction may contain the changes of several uploads.",
            "short",
            Query(
                rate("wharf_database_transaction_duration_seconds_count", _EACH),
                "{{job}} {{instance}} per second",
            ),
        ),
        graph(
            "Transactions, 99 % within",
            "The time includes the commit, which on SQLite is mostly the fsync of the disk.",
            "s",
            Query(
                quantile(0.99, "wharf_database_transaction_duration_seconds", _EACH),
                "{{job}} {{instance}}",
            ),
        ),
        graph(
            "Waiting for the database, 99 % within",
            "Waiting for the writer's turn (SQLite) or for a connection (PostgreSQL).",
            "s",
            Query(quantile(0.99, "wharf_database_wait_seconds", _EACH), "{{job}} {{instance}}"),
            steps=(0.5,),
        ),
        graph(
            "Changes in one commit, mean",
            "Uploads that end at the same time share one commit. The number grows with the load, "
            "which limits the number of fsyncs.",
            "short",
            Query(_mean("wharf_commit_group_size"), "changes"),
        ),
        graph(
            "Connections to the database",
            "Open connections of all processes together.",
            "short",
            Query(total(series("wharf_database_connections"), _EACH), "{{job}} {{instance}}"),
        ),
        graph(
            "Errors",
            "unavailable: no connection, or the wait for a lock was too long; out_of_space: the "
            "database's disk is full; outcome_unknown: the connection broke during a commit.",
            "short",
            Query(rate("wharf_database_errors_total", "job, kind"), "{{job}} {{kind}} per second"),
            Query(rate("wharf_ratelimit_fallback_total"), "limits counted without their storage"),
            Query(rate("wharf_log_lines_lost_total"), "log lines lost"),
        ),
    ),
)
_UPLOADS = Row(
    "Large uploads",
    (
        graph(
            "Stages, mean",
            "Mean time of each stage of an upload.",
            "s",
            Query(_mean("wharf_upload_stage_duration_seconds", "stage"), "{{stage}}"),
        ),
        graph(
            "Digests of large bodies",
            "known: the digest daemon had hashed the body when it was complete. computed: the "
            "upload read the body again.",
            "short",
            Query(rate("wharf_follower_answers_total", "result"), "{{result}} per second"),
        ),
        graph(
            "Bytes of bodies",
            "Bytes that were hashed while nginx received them, and bytes of resumable uploads.",
            "Bps",
            Query(rate("wharf_follower_hashed_bytes_total"), "hashed by the digest daemon"),
            Query(rate("wharf_receiver_received_bytes_total"), "received resumably"),
        ),
    ),
)
_MANY = f'count(up{{job="wharf-upload", {INSTALLATION}}} == 1)'
_SIZE = Row(
    "Size of this installation",
    (
        stat(
            "Running",
            "Upload services that respond, tenants with stored files, and auth's keys.",
            "short",
            Query(_MANY, "upload services"),
            Query(f"max({series('wharf_tenants')})", "tenants"),
            Query(f"sum({series('wharf_auth_signing_keys')})", "keys that verify or sign"),
            width=24,
            height=5,
        ),
    ),
)
CAPACITY = Dashboard(
    "wharf-capacity",
    "Wharf: capacity",
    "Used resources, the nearest limit, the time until the disk is full, and the cost of one "
    "request. docs/scaling.md describes the effect of more of each resource.",
    (_LIMITS, _SIZE, _THREADS, _GATEWAY, _DISK, _DATABASE, _UPLOADS),
    VARIABLES,
)
