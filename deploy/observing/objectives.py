"""The service level objectives. After a change, run `make observing`."""

from __future__ import annotations

from deploy.observing.slos import Objective

_ANSWERS = "wharf_gateway_answers_total"
_SECONDS = "wharf_gateway_service_duration_seconds"
_UPLOADS, _DOWNLOADS = 'operation=~"upload_.+"', 'operation=~"download.*"'
#: The time of a resumable upload is not measured: the service receives the body, so the time
#: depends on the client.
_TIMED_UPLOADS = 'operation=~"upload_small|upload_large|upload_form"'


def _sum(*rates: str) -> str:
    return f"sum by (installation) ({' or '.join(rates)})"


def _slow(labels: str, seconds: float) -> str:
    """Return PromQL for requests per second that took longer than `seconds`.

    `seconds` is an edge of the histogram's buckets. Prometheus 3 always writes an edge as a float
    (1.0). Prometheus 2 keeps the edge as the service wrote it. The expression accepts both forms.
    """
    written = "|".join(dict.fromkeys((f"{seconds:g}", f"{float(seconds)}")))
    every = f"rate({_SECONDS}_count{{{labels}}}[WINDOW])"
    timely = f'rate({_SECONDS}_bucket{{{labels}, le=~"{written}"}}[WINDOW])'
    return f"({_sum(every)} - {_sum(timely)})"


def _answered(labels: str) -> str:
    """Return PromQL for requests per second, without those of clients that disconnected."""
    return _sum(f'rate({_ANSWERS}{{{labels}, class!="closed"}}[WINDOW])')


def _failed(labels: str) -> str:
    return f'rate({_ANSWERS}{{{labels}, class="5xx"}}[WINDOW])'


OBJECTIVES = (
    Objective(
        slo="upload-availability",
        alert="WharfUploadsFailing",
        ratio=0.999,
        # 507 has a separate class: a used-up quota is not a failure, but a full disk is.
        bad=_sum(_failed(_UPLOADS), 'rate(wharf_problems_total{slug="storage-full"}[WINDOW])'),
        total=_answered(_UPLOADS),
        what="uploads failed",
    ),
    Objective(
        slo="upload-latency",
        alert="WharfUploadsSlow",
        ratio=0.99,
        bad=_slow(_TIMED_UPLOADS, 1),
        total=_sum(f"rate({_SECONDS}_count{{{_TIMED_UPLOADS}}}[WINDOW])"),
        what="uploads took the services more than 1 s",
    ),
    Objective(
        slo="download-availability",
        alert="WharfDownloadsFailing",
        ratio=0.999,
        bad=_sum(_failed(_DOWNLOADS)),
        total=_answered(_DOWNLOADS),
        what="downloads failed",
    ),
    Objective(
        slo="download-latency",
        alert="WharfDownloadsSlow",
        ratio=0.99,
        bad=_slow(_DOWNLOADS, 0.1),
        total=_sum(f"rate({_SECONDS}_count{{{_DOWNLOADS}}}[WINDOW])"),
        what="downloads took the services more than 0.1 s",
    ),
)
