"""Functions that build the PromQL of the dashboards."""

from __future__ import annotations

#: The choices at the top of a dashboard; `All` is `.*`, which also matches a missing label.
INSTALLATION = 'installation=~"$installation"'
HERE = f'{INSTALLATION}, instance=~"$instance"'


def series(metric: str, where: str = "", chosen: str = HERE) -> str:
    """Return a selector for the chosen series of a metric."""
    return f"{metric}{{{', '.join(filter(None, (chosen, where)))}}}"


def rate(metric: str, by: str = "", where: str = "", chosen: str = HERE) -> str:
    """Return PromQL for the rate per second of a counter, summed by these labels."""
    return total(f"rate({series(metric, where, chosen)}[$__rate_interval])", by)


def grown(metric: str, by: str = "", where: str = "", chosen: str = HERE) -> str:
    """Return PromQL for the increase of a counter in the time that the dashboard shows."""
    return total(f"increase({series(metric, where, chosen)}[$__range])", by)


def total(expr: str, by: str = "") -> str:
    """Return PromQL for the sum of an expression by these labels."""
    return f"sum by ({by}) ({expr})" if by else f"sum({expr})"


def quantile(part: float, metric: str, by: str = "", where: str = "") -> str:
    """Return PromQL for a quantile of a histogram; `metric` has no `_bucket` at its end."""
    labels = ", ".join(filter(None, (by, "le")))
    return f"histogram_quantile({part}, {rate(f'{metric}_bucket', labels, where)})"


def top(number: int, expr: str) -> str:
    """Return PromQL for the `number` series with the largest values."""
    return f"topk({number}, {expr})"
