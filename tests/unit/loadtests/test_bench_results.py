"""The benchmark's numbers: spreads, medians, tables, stored results and their comparison."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from loadtests.bench import compare, report
from loadtests.bench.results import Record, Run, load
from loadtests.bench.servers import FULL, NGINX, RELAXED
from loadtests.bench.spread import Verdict, change, is_unsteady, spread
from loadtests.bench.spread import compare as judge

Rounds = tuple[tuple[float, float], ...]
# The rate and the CPU time of each round.
STEADY: Rounds = ((100, 10), (104, 10), (102, 11))


def run(
    full: Rounds, nginx: Rounds = STEADY, *, hotpath: tuple[float, ...] = (), commit: str = "abc"
) -> Run:
    """Return a run of one workload on nginx and on Wharf."""
    records = tuple(
        Record("put10k", target, turn, rate, 20_000_000, 1.0, 9.0, cpu_per_request=cpu)
        for target, rounds in ((NGINX, nginx), (FULL, full))
        for turn, (rate, cpu) in enumerate(rounds, 1)
    )
    prices = tuple({"PUT": price} for price in hotpath)
    return Run(commit, "2 cores", quick=False, records=records, hotpath=prices)


def cells(table: str) -> list[list[str]]:
    """Return the cells of each row of a table, without the heading row."""
    return [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]


@pytest.mark.parametrize(
    ("values", "found"),
    [((), None), ((7,), None), ((7, 7), 0.0), ((8, 10, 9), 0.25), ((0, 1), float("inf"))],
)
def test_spread(values: tuple[float, ...], found: float | None) -> None:
    """The spread is the largest value divided by the smallest, minus 1. One value has no spread."""
    assert spread(values) == found


def test_fifteen_percent_is_steady() -> None:
    """Rounds are unsteady if they differ by more than 15 %. A single round is never unsteady."""
    assert not is_unsteady((20, 23))
    assert is_unsteady((20, 23.1))
    assert not is_unsteady((20,))


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        # The medians differ by 10 %, with a spread of 10 %, and of 5 %.
        ((100, 105, 110), (105, 115.5, 115.5), Verdict.SAME),
        ((100, 102, 105), (112, 112.5, 115), Verdict.BETTER),
        ((112, 112.5, 115), (100, 102, 105), Verdict.WORSE),
        # The wider spread of both runs counts.
        ((100, 100, 100), (104, 110, 116), Verdict.SAME),
        # The spread is too wide for any distance of the medians.
        ((100, 100, 116), (300, 300, 300), Verdict.UNSTEADY),
        ((100,), (300, 300, 300), Verdict.ONE_ROUND),
    ],
)
def test_verdict(before: tuple[float, ...], after: tuple[float, ...], verdict: Verdict) -> None:
    """Two steady rows differ if their medians differ by more than the wider of both spreads."""
    assert judge(before, after, more_is_better=True)[0] == verdict
    turned = {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER}
    assert judge(before, after, more_is_better=False)[0] == turned.get(verdict, verdict)


def test_change() -> None:
    """A change is computed from the medians of two runs."""
    assert change((9, 10, 20), (1, 11, 12)) == pytest.approx(0.1)


def test_ratios_are_those_of_a_round() -> None:
    """The ratio to nginx is the median of the rounds' ratios, not the ratio of the medians."""
    found = run(((50, 500), (100, 500), (2, 500)), ((100, 10), (1000, 10), (10, 10)))
    nginx, full = cells(report.table(found))
    assert nginx[1:5] == ["nginx", "", "100 files/s", "1"]
    assert full[1:5] == ["Wharf full", "yes", "50 files/s", "0.20"]
    assert (full[9], full[10]) == ("500 µs", "0 %")


def test_an_unsteady_row_is_named() -> None:
    """The table marks a ratio with a wide spread as unsteady, and the last line rejects its row."""
    found = run(((50, 400), (61, 440), (51, 500)))
    nginx, full = cells(report.table(found))
    assert nginx[5] == "4 %"
    assert full[5] == "unsteady 17 %"
    assert full[10] == "unsteady 25 %"
    last = report.remarks(found)[-1]
    assert last == ("This run cannot be used to judge: put10k full (rate 17 %, CPU 25 %).")


def test_a_machine_that_drifts_keeps_its_ratios() -> None:
    """If all servers slow down by the same factor, Wharf's row is steady and nginx's row is not."""
    found = run(((10, 50), (5, 50), (20, 50)), ((100, 10), (50, 10), (200, 10)))
    assert report.remarks(found)[-1] == (
        "This run cannot be used to judge: put10k nginx (rate 300 %)."
    )


def test_python_alone_stands_beside() -> None:
    """A separate table has the median of Python's CPU time, and a remark on each of its rows."""
    found = run(STEADY, hotpath=(200.0, 210.0, 260.0))
    assert cells(report.hotpath_table(found)) == [["PUT", "210 µs", "unsteady 30 %"]]
    assert "PUT in Python (CPU 30 %)" in report.remarks(found)[-1]
    assert report.hotpath_table(run(STEADY)) == ""


def test_steady_and_single_runs_say_so() -> None:
    """The last line says that all rows can be used, or that a run of one round cannot."""
    assert report.remarks(run(STEADY))[-1].startswith("Every row is steady")
    assert "cannot be used" in report.remarks(run(STEADY[:1], STEADY[:1]))[-1]


def test_a_kept_result_is_read_back(tmp_path: Path) -> None:
    """A result that is saved and read again is unchanged."""
    kept = run(STEADY, hotpath=(200.0,))
    kept.save(tmp_path / "new/result.json")
    assert load(tmp_path / "new/result.json") == kept


def test_comparison_of_two_runs() -> None:
    """Ratio, CPU time and memory of each row get a verdict; nginx's row gets no verdict."""
    slow = tuple((rate * 0.7, cpu * 2) for rate, cpu in STEADY)
    before, after = run(STEADY, hotpath=(200, 204)), run(slow, slow, hotpath=(200, 250))
    text, verdicts = compare.comparison(before, after)
    nginx, full, put = cells(text)
    assert nginx[2].endswith("(-30 %, spread 4 %): worse")
    assert full[2] == "1.00 → 1.00 (+0 %, spread 0 %): same"
    assert full[3] == "10 µs → 20 µs (+100 %, spread 10 %): worse"
    assert full[4] == "20 → 20 (+0 %, spread 0 %): same"
    assert put[3] == "202 µs → 225 µs (+11 %, spread 25 %): unsteady"
    assert verdicts == {Verdict.SAME: 2, Verdict.WORSE: 1, Verdict.UNSTEADY: 1}


def test_rows_of_one_run_alone_are_left_out() -> None:
    """The comparison has only rows of both runs, even for workloads that no longer exist."""
    other = tuple(
        Record("put2k", target, 1, 1.0, 1) for target in (NGINX, RELAXED)
    )  # a workload of another revision
    both = Run("def", "2 cores", quick=False, records=(*run(STEADY).records, *other))
    text, _ = compare.comparison(run(STEADY), both)
    assert [line[1] for line in cells(text)] == [NGINX, FULL]
    text, _ = compare.comparison(both, both)
    assert [line[0] for line in cells(text)][2:] == ["put2k", "put2k"]


def test_the_command_fails_when_a_row_is_worse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command ends with 1 if the second run is worse, and names a file that is no result."""
    worse = tuple((rate * 0.5, cpu) for rate, cpu in STEADY)
    for name, rounds in (("a", STEADY), ("b", worse)):
        run(rounds, commit=name).save(tmp_path / name)

    def status(before: str, after: str) -> object:
        paths = [str(tmp_path / name) for name in (before, after)]
        monkeypatch.setattr(sys, "argv", ["bench-compare", *paths])
        with pytest.raises(SystemExit) as ended:
            compare.main()
        return ended.value.code

    assert status("a", "b") == 1
    assert "0 better, 1 worse, 2 within the spread, 0 cannot be judged" in capsys.readouterr().out
    assert status("b", "a") == 0
    assert "1 better" in capsys.readouterr().out
    (tmp_path / "c").write_text("{}")
    assert "two results of make bench" in str(status("a", "c"))
