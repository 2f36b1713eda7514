"""`make bench-webhooks`: measure the effect of a dead endpoint on the deliveries of healthy ones.

The command starts a Wharf with healthy endpoints in five tenants. In each round it uploads files
and measures the time until their events arrive: first with the healthy endpoints only, then with a
dead endpoint in one of the tenants. It prints both times and their ratio. The exit status is 1 when
the ratio of the p99 is above `--most`.
"""

from __future__ import annotations

import argparse
import sys

from loadtests.webhooks.delays import quantile, ratio_of_p99, table
from loadtests.webhooks.receivers import Healthy, dead_endpoint
from tests.servers.webhook_receiver import webhook_receiver
from tests.servers.wharf.instance import running


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="make bench-webhooks", description=__doc__)
    parser.add_argument("--endpoints", type=int, default=50, help="healthy ones, up to 95")
    parser.add_argument("--uploads", type=int, default=100, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    # The fan-out runs once a second: the uploads fall on all parts of a second.
    parser.add_argument("--pause", type=float, default=0.21, help="seconds between uploads")
    parser.add_argument("--most", type=float, default=1.25, help="largest ratio that is good")
    told = parser.parse_args()
    try:
        alone, beside = _measured(told)
    except AssertionError as error:
        sys.exit(f"bench-webhooks: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    print(table(alone, beside))
    print(f"\n{len(alone)} deliveries without a dead endpoint, {len(beside)} with one")
    ratio = ratio_of_p99(alone, beside)
    if ratio > told.most:
        sys.exit(f"bench-webhooks: the p99 moved by {ratio:.2f}, {told.most:.2f} is allowed")


def _measured(told: argparse.Namespace) -> tuple[list[float], list[float]]:
    """Return the delays in ms of all rounds, without and with a dead endpoint."""
    alone: list[float] = []
    beside: list[float] = []
    with webhook_receiver() as receiver, running(WHARF_WEBHOOK_ALLOW="127.0.0.1") as wharf:
        healthy = Healthy(wharf, receiver, told.endpoints)
        # The first deliveries load code and open connections, which is not measured.
        healthy.measured(5, told.pause)
        for turn in range(1, told.rounds + 1):
            alone += healthy.measured(told.uploads, told.pause)
            with dead_endpoint(healthy.neighbour):
                beside += healthy.measured(told.uploads, told.pause)
            print(
                f"bench-webhooks: round {turn}: p99 {quantile(alone, 0.99):.0f} ms without, "
                f"{quantile(beside, 0.99):.0f} ms with a dead endpoint (all rounds so far)",
                file=sys.stderr,
                flush=True,
            )
    return alone, beside


if __name__ == "__main__":
    main()
