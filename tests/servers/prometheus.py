"""A real Prometheus (Debian's package) that scrapes every second, with Wharf's rules
without `for`.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from tests.servers.ports import free_port

FOLDER = Path(__file__).parents[2] / "deploy/prometheus"
_START_SECONDS = 60
Sample = tuple[dict[str, str], float]


class Prometheus:
    """One server. All its files are in `folder`."""

    def __init__(self, folder: Path, metrics_port: int) -> None:
        self._folder, self._metrics_port = folder, metrics_port
        self._process: subprocess.Popen[bytes] | None = None
        self._port = free_port()

    def start(self) -> None:
        """Start the server and wait until it is ready."""
        self._configure()
        with (self._folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={self._folder}/prometheus.yml",
                    f"--storage.tsdb.path={self._folder}/data",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._ready():
            assert self._process.poll() is None, (self._folder / "output").read_text()
            assert time.monotonic() < deadline, (self._folder / "output").read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the server."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_START_SECONDS)

    def _configure(self) -> None:
        """Write deploy/prometheus/prometheus.yml with a scrape each second,
        and rules without `for`.
        """
        config = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
        config["global"] = {
            "scrape_interval": "1s",
            "scrape_timeout": "1s",
            "evaluation_interval": "1s",
        }
        for job in config["scrape_configs"]:
            job["static_configs"] = [{"targets": [f"127.0.0.1:{self._metrics_port}"]}]
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        (self._folder / "rules").mkdir()
        for path in (FOLDER / "rules").glob("*.yml"):
            text = re.sub(r"^ +for: .*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
            (self._folder / "rules" / path.name).write_text(text, encoding="utf-8")

    def _ready(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _api(self, path: str, **arguments: str) -> Any:
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urlencode(arguments, doseq=True)}"
        try:
            with urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except HTTPError as error:
            raise AssertionError(f"{arguments}: {error.read().decode()}") from None

    def query(self, expr: str) -> list[Sample]:
        """Return the newest samples of an expression."""
        found = self._api("query", query=expr)
        if found["resultType"] == "scalar":
            return [({}, float(found["result"][1]))]
        return [(one["metric"], float(one["value"][1])) for one in found["result"]]

    def label_values(self, selector: str, label: str) -> list[str]:
        """Return the values of a label in the series of a selector."""
        found: list[str] = self._api(f"label/{label}/values", **{"match[]": selector})
        return found

    def firing(self) -> set[str]:
        """Return the names of the firing alerts."""
        return {one["labels"]["alertname"] for one in self._firing()}

    def summaries(self) -> set[str]:
        """Return the summaries of the firing alerts."""
        return {one["annotations"]["summary"] for one in self._firing()}

    def _firing(self) -> list[dict[str, Any]]:
        return [one for one in self._api("alerts")["alerts"] if one["state"] == "firing"]

    def broken_rules(self) -> list[str]:
        """Return the rules whose last evaluation failed, with the error."""
        groups = self._api("rules")["groups"]
        return [
            f"{rule['name']}: {rule['lastError']}"
            for group in groups
            for rule in group["rules"]
            if rule["health"] == "err"
        ]
