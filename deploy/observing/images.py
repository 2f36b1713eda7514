"""The row for small pictures on the overview dashboard."""

from __future__ import annotations

from deploy.observing.panels import Query, Row, graph
from deploy.observing.promql import quantile, rate, series

IMAGES = Row(
    "Small pictures",
    (
        graph(
            "Small pictures asked for",
            "Requests for pictures that were not in nginx's cache. no-preview: status 404, pages "
            "show an icon; busy and failed: status 503, the client tries again.",
            "reqps",
            Query(rate("wharf_images_pictures_total", "outcome"), "{{outcome}}"),
            stacked=True,
        ),
        graph(
            "Why there is no small picture",
            "unknown: the format is not supported; broken: the file cannot be decoded; too-large "
            "and too-slow: above a limit; gone: the file was deleted during the request.",
            "reqps",
            Query(rate("wharf_images_no_preview_total", "reason"), "{{reason}}"),
            stacked=True,
        ),
        graph(
            "Time for a small picture",
            "Time from request to response: waiting, reading the file and making the picture.",
            "s",
            *(
                Query(quantile(part, "wharf_images_seconds"), name)
                for part, name in ((0.5, "half within"), (0.95, "95 % within"))
            ),
            steps=(1,),
        ),
        graph(
            "Small pictures under way",
            "Pictures that are being made (at most WHARF_IMAGES_WORKERS) and requests that wait "
            "(at most WHARF_IMAGES_WAITING).",
            "short",
            Query(f"sum({series('wharf_images_busy')})", "being made"),
            Query(f"sum({series('wharf_images_waiting')})", "waiting"),
        ),
        graph(
            "Ends of sandboxed processes",
            "Each picture has a separate process; this shows how it ended. Killed processes "
            "reached a limit or tried a forbidden system call.",
            "short",
            Query(rate("wharf_images_child_ends_total", "how") + " * 60", "{{how}} per minute"),
            Query(rate("wharf_images_zygote_restarts_total") + " * 60", "zygote per minute"),
        ),
        graph(
            "Landlock",
            "1: Landlock denies the sandbox access to files; 0: the kernel has no Landlock, and "
            "only seccomp denies it.",
            "short",
            Query(series("wharf_images_sandbox_landlock"), "{{instance}}"),
            bounds=(0, 1),
        ),
    ),
)
