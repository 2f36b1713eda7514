"""The row for background work on the overview dashboard."""

from __future__ import annotations

from deploy.observing.panels import Query, Row, bars, graph, stat, table
from deploy.observing.promql import quantile, rate, series, total

BACKGROUND = Row(
    "Behind the scenes",
    (
        graph(
            "Ages",
            "Time since the last run of each task. Usual values: feed of revocations one or two "
            "seconds; key set up to 5 min; sweep up to its pause.",
            "s",
            Query(f"max({series('wharf_revocation_feed_age_seconds')})", "feed of revocations"),
            Query(f"max({series('wharf_verification_keys_age_seconds')})", "issuer's key set"),
            Query(
                f"time() - max({series('wharf_sweeper_last_success_timestamp_seconds')})", "sweep"
            ),
            Query(
                f"time() - min({series('wharf_collector_last_run_timestamp_seconds')})",
                "collector of requests",
            ),
        ),
        graph(
            "Sweeper",
            "Objects that the worker removed. Find the cause of rowless_blobs and leftovers that "
            "appear without a crash.",
            "short",
            Query(rate("wharf_sweeper_removed_total", "kind") + " * 60", "{{kind}} per minute"),
        ),
        graph(
            "Age of jobs",
            "Time for which the oldest job of each lane has been due.",
            "s",
            Query(f"max by (lane) ({series('wharf_jobs_oldest_seconds')})", "{{lane}}"),
        ),
        graph(
            "Jobs",
            "Jobs that wait, that a process has taken, and that are dead.",
            "short",
            Query(f"max by (lane) ({series('wharf_jobs_waiting')})", "{{lane}}, waiting"),
            Query(f"max by (lane) ({series('wharf_jobs_taken')})", "{{lane}}, taken"),
            Query(f"max by (lane) ({series('wharf_jobs_dead')})", "{{lane}}, dead"),
        ),
        graph(
            "Runs of jobs",
            "Runs that ended, by result. Leases expire when a process is killed.",
            "short",
            Query(
                rate("wharf_jobs_done_total", "lane, result") + " * 60",
                "{{lane}}: {{result}} per minute",
            ),
            Query(
                rate("wharf_jobs_leases_lost_total", "lane") + " * 60",
                "{{lane}}: leases lost per minute",
            ),
        ),
        graph(
            "Time of a job",
            "99th percentile of a run, by lane.",
            "s",
            Query(quantile(0.99, "wharf_jobs_duration_seconds", "lane"), "{{lane}}"),
        ),
        graph(
            "Webhooks",
            "Tries to deliver events, by result, and endpoints that were disabled or missed "
            "events.",
            "short",
            Query(rate("wharf_webhook_tries_total", "result") + " * 60", "{{result}} per minute"),
            Query(
                rate("wharf_webhook_endpoints_disabled_total", "reason") + " * 3600",
                "disabled per hour: {{reason}}",
            ),
            Query(rate("wharf_webhook_gaps_total") + " * 3600", "missed events per hour"),
        ),
        graph(
            "Time of a delivery",
            "Median and 99th percentile of the time that receivers take; a request ends after "
            "15 s.",
            "s",
            Query(quantile(0.5, "wharf_webhook_duration_seconds"), "p50"),
            Query(quantile(0.99, "wharf_webhook_duration_seconds"), "p99"),
        ),
        graph(
            "Signed links",
            "Links that were made, and links that were ended before they expired. Pages with "
            "pictures make unlisted links.",
            "short",
            Query(rate("wharf_links_made_total", "kind") + " * 60", "{{kind}}, made per minute"),
            Query(
                rate("wharf_links_ended_total", "reason") + " * 60", "ended per minute: {{reason}}"
            ),
        ),
        graph(
            "Resumable uploads",
            "Unfinished uploads, and the number of them that receive bytes now.",
            "short",
            Query(f"max({series('wharf_resumable_uploads')})", "unfinished"),
            Query(f"sum({series('wharf_receiver_streams')})", "receiving now"),
        ),
        graph(
            "Long work",
            "Large bodies that are stored in turns. If many wait, raise WHARF_LONG_WORK_THREADS.",
            "short",
            Query(total(series("wharf_long_work"), "state"), "{{state}}"),
        ),
        graph(
            "Wait for long work's turn",
            "99th percentile. A tenant that stores much waits for its own turns.",
            "s",
            Query(quantile(0.99, "wharf_long_work_wait_seconds"), "p99"),
        ),
        table(
            "Versions",
            "Versions of the running services. Two versions of one service: a rolling update runs.",
            "short",
            Query(f"count by (service, version, python) ({series('wharf_build_info')})"),
            columns=(("processes", "short"),),
        ),
        stat(
            "Signing key",
            "Age of the key that signs tokens; rotate once a quarter (docs/operating.md).",
            "s",
            Query(f"max({series('wharf_auth_signing_key_age_seconds')})"),
            steps=(100 * 86400,),
        ),
        bars(
            "Running since",
            "Time since the start of each service.",
            "s",
            Query(f"time() - {series('wharf_process_start_time_seconds')}", "{{job}} {{instance}}"),
        ),
    ),
)
