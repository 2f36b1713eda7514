"""The object store's row of the dashboard that is opened first; empty on the disk."""

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
            "By operation, each try counted, as on the store's bill. What nginx reads for "
            "downloads is a graph of its own.",
            "reqps",
            Query(rate(_REQUESTS, "operation"), "{{operation}}"),
            stacked=True,
        ),
        graph(
            "Requests to the object store that failed",
            "denied: keys, rights or clock are wrong; busy: the store is overloaded; timeout: it "
            "is silent; failed: all else. missing is an answer, no failure.",
            "reqps",
            Query(
                rate(_REQUESTS, "operation, outcome", 'outcome=~"denied|busy|failed|timeout"'),
                "{{operation}} {{outcome}}",
            ),
        ),
        graph(
            "Object store, 99 % within",
            "Time of a request by operation, with the time in which bytes went there. A put has up "
            "to 64 MiB, a part 16 MiB or more.",
            "s",
            Query(quantile(0.99, _SECONDS, "operation"), "{{operation}}"),
            steps=(2.5,),
        ),
        graph(
            "Bytes to and from the object store",
            "By operation, as upload and its worker move them: uploads out, checks, moves and "
            "restored backups in. Downloads do not pass through Python.",
            "Bps",
            Query(
                rate("wharf_upload_store_bytes_total", "operation, direction"),
                "{{operation}} {{direction}}",
            ),
        ),
        graph(
            "Uploads in parts",
            "Large files go to the store in parts. What is created and neither completed nor "
            "aborted is removed by the worker after a day.",
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
            "Downloads by the store's status. 502: no connection; 504: no answer in time; 403: "
            "what upload has signed is refused.",
            "reqps",
            Query(rate(_READS, "code"), "{{code}}"),
            stacked=True,
        ),
        graph(
            "nginx's reads, first byte within",
            "From nginx's request to the head of the store's answer: what a download waits for "
            "the store.",
            "s",
            *(
                Query(quantile(part, _FIRST_BYTE), name)
                for part, name in ((0.5, "half within"), (0.99, "99 % within"))
            ),
            steps=(1,),
        ),
    ),
)
