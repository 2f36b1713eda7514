"""The few forms of PromQL that the dashboards are made of."""

from __future__ import annotations

#: What was chosen at the top of a dashboard; All is `.*`, which a missing label matches as well.
INSTALLATION = 'installation=~"$installation"'
HERE = f'{INSTALLATION}, instance=~"$instance"'


def series(metric: str, where: str = "", chosen: str = HERE) -> str:
    """The series of a metric that were chosen."""
    return f"{metric}{{{', '.join(filter(None, (chosen, where)))}}}"


def rate(metric: str, by: str = "", where: str = "", chosen: str = HERE) -> str:
    """Per second, summed by these labels."""
    return total(f"rate({series(metric, where, chosen)}[$__rate_interval])", by)


def grown(metric: str, by: str = "", where: str = "", chosen: str = HERE) -> str:
    """How much was added in the time that the dashboard shows."""
    return total(f"increase({series(metric, where, chosen)}[$__range])", by)


def total(expr: str, by: str = "") -> str:
    """The sum, by these labels."""
    return f"sum by ({by}) ({expr})" if by else f"sum({expr})"


def quantile(part: float, metric: str, by: str = "", where: str = "") -> str:
    """A quantile of a histogram; `metric` without `_bucket`."""
    labels = ", ".join(filter(None, (by, "le")))
    return f"histogram_quantile({part}, {rate(f'{metric}_bucket', labels, where)})"


def top(number: int, expr: str) -> str:
    """The largest ones."""
    return f"topk({number}, {expr})"
