"""pytest-benchmark's layout: its own command reads it, and so does what CI actions look at."""

import json
import os
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


def test_data_parallel_steps_are_in_groups_of_their_own() -> None:
    found = factories.run([record(cell(workload="mlp", size="S")), factories.ranked(1), factories.ranked(2, "weak")])
    told = json.loads(to_json(found))["benchmarks"]
    assert [each["group"] for each in told] == [
        "mlp adam S float32 cpu", "mlp adam S float32 cpu, 1 rank", "mlp adam S float32 cpu, 2 ranks, weak",
    ]  # fmt: skip
    assert (told[2]["extra_info"]["ranks"], told[2]["extra_info"]["scaling"]) == (2, "weak")
    assert "ranks" not in told[0]["extra_info"]


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
    assert "stddev" not in stats
    assert (stats["rounds"], stats["iqr"]) == (1, 0)


def compared(folder: Path, *names: str) -> str:
    """What `pytest-benchmark compare` prints of these files."""
    command = [sys.executable, "-m", "pytest_benchmark", "compare", *names]
    ended = subprocess.run(
        [*command, "--group-by", "fullname", "--columns", "mean,stddev,rounds,ops", "--sort", "mean"],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "Failed to load" not in ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.parametrize("before", [(100, 110, 90, 104), (100,)])
def test_the_real_command_compares_two_runs(tmp_path: Path, before: tuple[float, ...]) -> None:
    (tmp_path / "before.json").write_text(written(*before))
    (tmp_path / "after.json").write_text(written(*(2 * step for step in before)))
    printed = compared(tmp_path, "before.json", "after.json")
    assert "benchmark 'torch/eager/regression/adam/base/float32/cpu/default': 2 tests" in printed
    assert "(2.00)" in printed


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What pytest-benchmark itself writes."""
    folder = tmp_path_factory.mktemp("theirs")
    (folder / "test_one.py").write_text("def test_one(benchmark):\n    benchmark.pedantic(len, ((),), rounds=3)\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", "."]
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}  # of a worker of xdist
    subprocess.run([*command, "--benchmark-json", "out.json"], cwd=folder, env=own, check=True, capture_output=True)
    told: dict[str, Any] = json.loads((folder / "out.json").read_text())
    return told


def test_the_layout_is_the_one_that_pytest_benchmark_writes(theirs: dict[str, Any]) -> None:
    ours = json.loads(written(100, 110, 90, branch="main", commit_time="2026-11-28T18:24:38+00:00"))
    parts: list[tuple[Any, Any]] = [(theirs[name], ours[name]) for name in ("machine_info", "commit_info")] + [
        (theirs, ours),
        (theirs["benchmarks"][0], ours["benchmarks"][0]),
    ]
    parts.append((theirs["benchmarks"][0]["stats"], ours["benchmarks"][0]["stats"]))
    for their, our in parts:
        assert set(their) <= set(our)
        for name, value in their.items():
            if value is not None and name not in ("time", "author_time", "group", "data"):
                assert isinstance(our[name], int | float if isinstance(value, int | float) else type(value)), name
    assert {"brand_raw", "count", "arch", "arch_string_raw", "bits"} <= set(ours["machine_info"]["cpu"])


def test_machine_and_commit_are_those_of_the_run() -> None:
    python = "3.12.9 (main, May 9 2026, 07:35:25) [GCC 12.2.0]"
    environment = factories.environment(python=python, platform="Linux-6.1.0-23-cloud-aarch64-with-glibc2.36")
    run = factories.run(
        [record(environment=environment)], branch="feature", commit_time="2026-11-28T18:24:38+00:00",
        author_time="2026-11-27T08:00:00+00:00",
    )  # fmt: skip
    told = json.loads(to_json(run))
    machine = {name: told["machine_info"][name] for name in ("system", "release", "machine", "python_version")}
    assert machine == {"system": "Linux", "release": "6.1.0-23-cloud", "machine": "aarch64", "python_version": "3.12.9"}
    assert told["machine_info"]["python_build"] == ["main", "May 9 2026, 07:35:25"]
    assert told["machine_info"]["python_compiler"] == "GCC 12.2.0"
    assert (told["machine_info"]["cpu"]["arch"], told["machine_info"]["cpu"]["brand_raw"]) == ("ARM_8", "A processor")
    assert told["commit_info"] == {
        "id": "0123456789abcdef", "time": "2026-11-28T18:24:38+00:00", "author_time": "2026-11-27T08:00:00+00:00",
        "dirty": False, "project": "samestep", "branch": "feature",
    }  # fmt: skip


def test_of_an_older_run_branch_and_time_are_unknown() -> None:
    commit = json.loads(written(100))["commit_info"]
    assert (commit["branch"], commit["time"], commit["author_time"]) == ("(unknown)", None, None)


def test_what_the_common_action_reads_is_there() -> None:
    for one in json.loads(written(100, 110))["benchmarks"]:
        assert isinstance(one["fullname"], str)
        assert all(isinstance(one["stats"][name], int | float) for name in ("ops", "stddev", "mean", "rounds"))


def test_it_is_a_format_of_the_report() -> None:
    assert "pytest-benchmark" in EXPORTERS
    assert json.loads(render(factories.run([record()]), "pytest-benchmark"))["benchmarks"]
