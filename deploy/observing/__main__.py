"""Generates files for Prometheus and Grafana from the declarations in this folder.

python -m deploy.observing            writes slo.yml and the dashboards (`make observing`)
python -m deploy.observing --check    prints the stale files; the exit code is 1 if there are any
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import yaml

from deploy.observing import slos
from deploy.observing.capacity import CAPACITY
from deploy.observing.drawing import document
from deploy.observing.objectives import OBJECTIVES
from deploy.observing.overview import OVERVIEW
from deploy.observing.tenants import TENANTS

DEPLOY = Path(__file__).resolve().parents[1]
_MADE = (
    "# `make observing` generates this file from deploy/observing. Change the text there.\n"
    "# docs/runbooks explains the alerts; docs/observing.md states the objectives.\n"
)


class _Dumper(yaml.SafeDumper):
    """A dumper that keeps the line breaks of PromQL."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def files() -> dict[str, str]:
    """Return the content of the generated files, by path below deploy/."""
    rules = yaml.dump(slos.rules(OBJECTIVES), Dumper=_Dumper, sort_keys=False, width=120)
    made = {"prometheus/rules/slo.yml": _MADE + rules}
    for dashboard in (OVERVIEW, TENANTS, CAPACITY):
        text = json.dumps(document(dashboard), indent=2, ensure_ascii=False)
        made[f"grafana/dashboards/{dashboard.uid}.json"] = text + "\n"
    return made


def stale(folder: Path = DEPLOY) -> list[str]:
    """Return the paths of files that differ from the generated content."""
    return [
        path
        for path, content in files().items()
        if not (folder / path).exists() or (folder / path).read_text(encoding="utf-8") != content
    ]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, print the stale files")
    if parser.parse_args().check:
        found = stale()
        if found:
            sys.exit(f"stale, run `make observing`: {', '.join(found)}")
        return
    for path, content in files().items():
        (DEPLOY / path).parent.mkdir(parents=True, exist_ok=True)
        (DEPLOY / path).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
