"""pytest-benchmark's layout: its own command reads it, and so does what CI actions look at."""

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.report.exporters import EXPORTERS
from harness.report.exporters.pytest_benchmark import to_json
from harness.report.write import render
from tests import factories
from tests.factories import cell, record

EAGER, COMPILE = cell(), cell(mode="compile")


def written(*steps_us: float, **changes: Any) -> str:
    records = [
        record(of, block=block, round_ns=(round(1000 * step / faster),) * 3)
        for block, step in enumerate(steps_us, start=1)
        for of, faster in ((EAGER, 1), (COMPILE, 2))
    ]
    records.append(record(cell(mode="fused"), status="invalid", reason="it fell back"))
    return to_json(factories.run(records, **changes))


def test_a_round_is_a_replicate_and_a_cell_without_a_time_is_left_out() -> None:
    told = json.loads(written(100, 110, 90, 104))
    eager, fast = told["benchmarks"]
    data = [step / 1e6 for step in (100, 110, 90, 104)]
    assert eager["fullname"] == "torch/eager/regression/adam/base/float32/cpu/default"
    assert (eager["name"], fast["name"]) == ("torch eager regression adam", "torch compile regression adam")
    assert eager["stats"]["data"] == pytest.approx(data)
    assert (eager["stats"]["rounds"], eager["stats"]["iterations"]) == (4, 1)
    assert eager["stats"]["mean"] == pytest.approx(statistics.fmean(data))
    assert eager["stats"]["stddev"] == pytest.approx(statistics.stdev(data))
    assert fast["stats"]["ops"] == pytest.approx(1 / statistics.fmean(one / 2 for one in data))
    assert eager["extra_info"]["step_us"] == pytest.approx(statistics.geometric_mean((100, 110, 90, 104)))
    assert told["commit_info"]["id"] == "0123456789abcdef"


def test_its_statistics_are_those_of_pytest_benchmark() -> None:
    from pytest_benchmark.stats import Stats

    data = [100, 110, 90, 104, 102, 130, 99, 101]
    theirs: Any = Stats  # it has no types
    theirs = theirs()
    for step in data:
        theirs.update(step / 1e6)
    ours = json.loads(written(*data))["benchmarks"][0]["stats"]
    for name in ("min", "max", "mean", "stddev", "median", "rounds", "ops", "total", "stddev_outliers"):
        assert ours[name] == pytest.approx(getattr(theirs, name)), name
    assert set(theirs.as_dict()) <= set(ours)


def test_one_replicate_has_no_spread() -> None:
    stats = json.loads(written(100))["benchmarks"][0]["stats"]
    assert (stats["rounds"], stats["stddev"], stats["iqr"]) == (1, 0, 0)


def test_the_real_command_compares_two_runs(tmp_path: Path) -> None:
    (tmp_path / "before.json").write_text(written(100, 110, 90, 104))
    (tmp_path / "after.json").write_text(written(200, 220, 180, 208))
    command = [sys.executable, "-m", "pytest_benchmark", "compare", "before.json", "after.json"]
    ended = subprocess.run(
        [*command, "--group-by", "fullname", "--columns", "mean,stddev,rounds,ops", "--sort", "mean"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    printed = ended.stdout
    assert "Failed to load" not in printed + ended.stderr
    assert "benchmark 'torch/eager/regression/adam/base/float32/cpu/default': 2 tests" in printed
    assert "(2.00)" in printed


def test_what_the_common_action_reads_is_there() -> None:
    for one in json.loads(written(100, 110))["benchmarks"]:
        assert isinstance(one["fullname"], str)
        assert all(isinstance(one["stats"][name], int | float) for name in ("ops", "stddev", "mean", "rounds"))


def test_it_is_a_format_of_the_report() -> None:
    assert "pytest-benchmark" in EXPORTERS
    assert json.loads(render(factories.run([record()]), "pytest-benchmark"))["benchmarks"]
