"""The row for the object store on the overview dashboard; empty when blobs are on the disk."""

from __future__ import annotations

from deploy.observing.panels import Query, Row, graph
from deploy.observing.promql import quantile, rate

_REQUESTS = "wharf_upload_store_requests_total"
_SECONDS = "wharf_upload_store_request_seconds"
_READS = "wharf_gateway_store_reads_total"
_FIRST_BYTE = "wharf_gateway_store_first_byte_seconds"
OBJECT_STORE = Row(
    "Object store",
    (
        graph(
            "Requests to the object store",
            "Requests by operation; each attempt counts, as on the store's bill. Another graph "
            "shows nginx's reads for downloads.",
            "reqps",
            Query(rate(_REQUESTS, "operation"), "{{operation}}"),
            stacked=True,
        ),
        graph(
            "Requests to the object store that failed",
            "denied: keys, permissions or clock are wrong; busy: the store is overloaded; timeout: "
            "the store did not respond; failed: other errors. missing is not a failure.",
            "reqps",
            Query(
                rate(_REQUESTS, "operation, outcome", 'outcome=~"denied|busy|failed|timeout"'),
                "{{operation}} {{outcome}}",
            ),
        ),
        graph(
            "Object store, 99 % within",
            "Time of a request by operation, with the transfer of its bytes. A put has up to "
            "64 MiB, a part 16 MiB or more.",
            "s",
            Query(quantile(0.99, _SECONDS, "operation"), "{{operation}}"),
            steps=(2.5,),
        ),
        graph(
            "Bytes to and from the object store",
            "Bytes that upload and its worker transfer, by operation. Out: uploads; in: checks, "
            "moves and restored backups. Downloads do not pass through Python.",
            "Bps",
            Query(
                rate("wharf_upload_store_bytes_total", "operation, direction"),
                "{{operation}} {{direction}}",
            ),
        ),
        graph(
            "Uploads in parts",
            "Large files are sent to the store in parts. The worker removes an upload that was "
            "neither completed nor aborted after a day.",
            "short",
            *(
                Query(
                    rate(_REQUESTS, "", f'operation="{operation}_multipart"') + " * 60",
                    f"{name} per minute",
                )
                for operation, name in (
                    ("create", "created"),
                    ("complete", "completed"),
                    ("abort", "aborted"),
                )
            ),
        ),
        graph(
            "nginx's reads from the object store",
            "Downloads by the store's status. 502: no connection; 504: no response in time; 403: "
            "the store refused upload's signature.",
            "reqps",
            Query(rate(_READS, "code"), "{{code}}"),
            stacked=True,
        ),
        graph(
            "nginx's reads, first byte within",
            "Time from nginx's request to the head of the store's response. A download waits this "
            "long for the store.",
            "s",
            *(
                Query(quantile(part, _FIRST_BYTE), name)
                for part, name in ((0.5, "half within"), (0.99, "99 % within"))
            ),
            steps=(1,),
        ),
    ),
)
