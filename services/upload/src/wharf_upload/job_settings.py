"""Settings of jobs: the engine that runs them, and the rules of each lane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from servicekit.settings import SettingsError, setting
from wharf_upload.domain.lane_rules import LaneRules, parse_lane_rules
from wharf_upload.notices.places import REDIS, check_url

THREADS, DRAMATIQ = "threads", "dramatiq"
_LANES = ("webhook", "bulk")


def _rules_of(lane: str, purpose: str, defaults: str) -> Any:
    return setting(
        "",
        doc=(
            f"Rules of the lane `{lane}`, {purpose}, that differ from the default `{defaults}`: "
            "one or more of `lease` (seconds until another worker may take a job), `window` "
            "(jobs of one share that are taken at the same time), `at_once` (jobs of all shares) "
            "and `tries`. docs/jobs.md explains them."
        ),
    )


@dataclass(frozen=True, kw_only=True)
class JobSettings:
    """The settings for jobs."""

    jobs_engine: str = setting(
        THREADS,
        doc="The engine that runs jobs. `threads`: threads of the worker, for one machine. "
        "`dramatiq`: any number of processes `wharf-upload jobs`, which get the jobs through "
        "Redis and need the extra `wharf-upload[dramatiq]` (docs/jobs.md).",
        choices=(THREADS, DRAMATIQ),
    )
    jobs_url: str = setting(
        "",
        doc="The Redis of the engine `dramatiq`: `redis://…`. Wharf loses no job if this Redis "
        "loses its data. Empty: the Redis of `WHARF_LIMITS_URL`.",
        secret=True,
    )
    jobs_dead_seconds: int = setting(
        30 * 24 * 3600,
        doc="How long dead jobs are kept, in seconds. An operator can retry a dead job "
        "(`wharf-upload jobs retry`).",
        minimum=3600,
    )
    jobs_webhook: str = _rules_of(
        "webhook", "which sends webhooks", "lease=30 window=4 at_once=32 tries=10"
    )
    jobs_bulk: str = _rules_of(
        "bulk", "which changes many files of a tenant", "lease=60 window=1 at_once=2 tries=20"
    )

    @property
    def lane_rules(self) -> Mapping[str, LaneRules]:
        """Return the rules that differ from the defaults, by lane; raise `SettingsError`."""
        found = {}
        for lane in _LANES:
            text = getattr(self, f"jobs_{lane}")
            try:
                found[lane] = parse_lane_rules(text)
            except ValueError as error:
                raise SettingsError(f"WHARF_JOBS_{lane.upper()}={text!r}: {error}") from None
        return found

    def jobs_place(self, limits_url: str) -> str:
        """Return the URL of the Redis of the engine `dramatiq`; raise `SettingsError` if none."""
        url = self.jobs_url or limits_url
        if not url.startswith(REDIS):
            raise SettingsError(
                "WHARF_JOBS_ENGINE=dramatiq: WHARF_JOBS_URL is missing; it must be the URL of a "
                f"Redis ({', '.join(REDIS)}), because WHARF_LIMITS_URL is none"
            )
        return url

    def check_jobs(self, limits_url: str) -> None:
        """Raise `SettingsError` if a rule of a lane is wrong, or the engine has no Redis."""
        check_url("WHARF_JOBS_URL", self.jobs_url)
        if self.jobs_engine == DRAMATIQ:
            self.jobs_place(limits_url)
        _ = self.lane_rules
