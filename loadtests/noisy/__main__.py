"""`make noisy`: measure the latency of quiet tenants next to a noisy one, with default settings.

The command starts a Wharf, measures quiet tenants alone and next to a noisy one in turn, and prints
both latencies and their ratio. The exit status is 1 when the ratio of the p99 is above `--most`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from loadtests.bench import machine, servers
from loadtests.load.administrator import Administrator
from loadtests.load.api import SiteFailed
from loadtests.load.site import Site
from loadtests.noisy import noise
from loadtests.noisy.quiet import QuietFailed, Times, measured

_QUIET_TENANTS = 4
_SETTLE_SECONDS = 2.0


class DefaultWharf(servers.Wharf):
    """A Wharf with default settings, and with the `WHARF_…` variables of the environment.

    Only the life of its tokens is longer.
    """

    def _environment(self) -> Mapping[str, str]:
        return {
            "WHARF_DATA": str(self.folder / "data"),
            "WHARF_PORT": str(self.port),
            "WHARF_METRICS_PORT": str(self._next_port),
            "WHARF_TOKEN_TTL_SECONDS": "3600",
        }


@contextmanager
def noises(port: int, site: Site, source: Path, told: argparse.Namespace) -> Iterator[Counter[str]]:
    """Run the noisy tenant during a block; after the block, count its responses.

    The counts are by kind of noise and status.
    """
    assert site.noisy is not None
    environ = {
        **os.environ,
        "NOISE_PORT": str(port),
        "NOISE_TOKEN": site.token(site.noisy),
        "NOISE_CLIENT": site.noisy.client_id,
        "NOISE_SECRET": site.noisy.secret,
        "NOISE_SOURCE": str(source),
        "NOISE_LINK_MBIT": str(told.link),
    }
    answers: Counter[str] = Counter()
    command = [sys.executable, "-m", "loadtests.noisy.noise"]
    children = {
        kind: subprocess.Popen(
            [*command, kind], env=environ, cwd=servers.ROOT, stdout=subprocess.PIPE, text=True
        )
        for kind in told.noise
    }
    try:
        yield answers
    finally:
        for child in children.values():
            child.terminate()
        for kind, child in children.items():
            output, _ = child.communicate()
            for status, count in json.loads(output or "{}").items():
                answers[f"{kind} {status}"] += count


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="make noisy", description=__doc__)
    parser.add_argument("--seconds", type=float, default=25.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--calm", type=float, default=10.0, help="seconds to wait for quiet")
    parser.add_argument("--pause", type=float, default=0.1, help="between a client's requests")
    parser.add_argument("--most", type=float, default=1.5, help="largest ratio that is good")
    parser.add_argument("--noise", default=",".join(noise.KINDS), help="kinds of noise")
    parser.add_argument("--link", type=float, default=100.0, help="noisy tenant's Mbit/s, 0: any")
    told = parser.parse_args()
    told.noise = told.noise.split(",")
    if unknown := set(told.noise) - set(noise.KINDS):
        parser.error(f"no such noise: {', '.join(unknown)}; there are {', '.join(noise.KINDS)}")
    base = Path(os.environ.get("BENCH_WORK") or tempfile.gettempdir()).resolve()
    base.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="wharf-noisy-", dir=base))
    try:
        with DefaultWharf(work / "wharf", servers.FULL) as wharf:
            ratio = _run(wharf, work, told)
    except (servers.ServerFailed, SiteFailed, QuietFailed) as error:
        sys.exit(f"noisy: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if ratio > told.most:
        sys.exit(f"noisy: the quiet tenants' p99 moved by {ratio:.2f}, {told.most:.2f} is allowed")


def _run(wharf: DefaultWharf, work: Path, told: argparse.Namespace) -> float:
    """Print the table; return the ratio of the p99."""
    source = work / "source.jpg"
    source.write_bytes(bytes.fromhex("ffd8ffe000104a464946") + os.urandom(noise.TRANSFER_BYTES))
    site = Site(f"http://127.0.0.1:{wharf.port}")
    Administrator(site, *_administrator(wharf)).set_up(_QUIET_TENANTS, noisy_limits={})
    for account in site.quiet:
        site.token(account)
    alone, beside, answers = Times(), Times(), Counter[str]()
    seconds = 0.0
    for turn in range(1, told.rounds + 1):
        machine.wait_calm(told.calm)
        alone.add(measured(wharf.port, site.quiet, told.seconds, told.pause))
        with noises(wharf.port, site, source, told) as found:
            begin = time.monotonic()
            time.sleep(_SETTLE_SECONDS)
            beside.add(measured(wharf.port, site.quiet, told.seconds, told.pause))
            seconds += time.monotonic() - begin
        answers.update(found)
        print(
            f"noisy: round {turn}: p99 {alone.quantile(0.99):.1f} ms alone, "
            f"{beside.quantile(0.99):.1f} ms beside (all rounds so far)",
            file=sys.stderr,
            flush=True,
        )
    return _report(alone, beside, answers, seconds)


def _administrator(wharf: DefaultWharf) -> tuple[str, str]:
    found = json.loads((wharf.folder / "data/credentials.json").read_text())["admin"]
    return found["client_id"], found["client_secret"]


def _report(alone: Times, beside: Times, answers: Counter[str], seconds: float) -> float:
    print("| quiet tenants' | alone p50 ms | p99 ms | beside p50 ms | p99 ms | ratio of p99 |")
    print("| --- | --- | --- | --- | --- | --- |")
    for kind in (*sorted(alone.by_kind), ""):
        values = [times.quantile(part, kind) for times in (alone, beside) for part in (0.5, 0.99)]
        cells = [f"{value:.1f}" for value in values]
        ratio = f"{values[3] / values[1]:.2f}"
        print(f"| {' | '.join([kind or '**all requests**', *cells, ratio])} |")
    print(
        f"\n{alone.number()} requests alone, {beside.number()} beside the noisy tenant, which got"
    )
    for name, count in sorted(answers.items()):
        if count:
            print(f"  {name}: {count / seconds:,.0f} a second")
    return beside.quantile(0.99) / alone.quantile(0.99)


if __name__ == "__main__":
    main()
