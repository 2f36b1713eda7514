"""The small pictures' row of the dashboard that is opened first."""

from __future__ import annotations

from deploy.observing.panels import Query, Row, graph
from deploy.observing.promql import quantile, rate, series

IMAGES = Row(
    "Small pictures",
    (
        graph(
            "Small pictures asked for",
            "Those that were not in nginx's cache. no-preview: answered 404, pages show an icon; "
            "busy and failed: 503, the client tries again.",
            "reqps",
            Query(rate("wharf_images_pictures_total", "outcome"), "{{outcome}}"),
            stacked=True,
        ),
        graph(
            "Why there is no small picture",
            "unknown: of no format that has pictures; broken: it cannot be decoded; too-large and "
            "too-slow: more than is allowed; gone: deleted meanwhile.",
            "reqps",
            Query(rate("wharf_images_no_preview_total", "reason"), "{{reason}}"),
            stacked=True,
        ),
        graph(
            "Time for a small picture",
            "From the request to the answer: the wait, the file's bytes and the picture.",
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
            "Each picture has a process of its own; how it ended. Killed ones met a limit or "
            "tried what the sandbox forbids.",
            "short",
            Query(rate("wharf_images_child_ends_total", "how") + " * 60", "{{how}} per minute"),
            Query(rate("wharf_images_zygote_restarts_total") + " * 60", "zygote per minute"),
        ),
        graph(
            "Landlock",
            "1: Landlock keeps the sandbox away from files; 0: the kernel has none, and seccomp "
            "alone does.",
            "short",
            Query(series("wharf_images_sandbox_landlock"), "{{instance}}"),
            bounds=(0, 1),
        ),
    ),
)
