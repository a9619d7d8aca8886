"""Whole runs: beside hostile variables, with named ones, and with code that is edited under them."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bench.records.record import Record
from harness.environments.checkout import PREFIX
from harness.store.folder import RunFolder, find
from tests.copies import copy_of_the_checkout

RUN = (
    *("run", "--launcher", "here", "--profile", "quick", "--measure", "time", "--seed", "5"),
    *("--framework", "numpy", "--mode", "eager"),
)
HOSTILE = {
    "PYTHONTRACEMALLOC": "25", "PYTHONMALLOC": "debug", "PYTHONDEVMODE": "1", "MALLOC_PERTURB_": "165",
    "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0", "LD_PRELOAD": "/nowhere/alloc.so", "OMP_NUM_THREADS": "7",
    "OPENBLAS_NUM_THREADS": "7", "OPENBLAS_CORETYPE": "Prescott", "GOMP_SPINCOUNT": "9", "KMP_AFFINITY": "disabled",
    "MKL_NUM_THREADS": "7", "XLA_FLAGS": "--xla_nothing", "JAX_ENABLE_X64": "1", "NOOPT": "1", "SLURM_NTASKS": "4",
    "PYTHONOPTIMIZE": "2", "PYTHONPATH": "/nowhere", "PYTEST_ADDOPTS": "--benchmark-disable", "GIT_DIR": "/nowhere",
    "NPY_DISABLE_CPU_FEATURES": "AVX2",
}  # fmt: skip


COMMAND = """import sys
sys.path.insert(0, {root!r})
from harness.entry import main
main()
"""


def command(root: Path, *arguments: str, **variables: str) -> dict[str, Any]:
    """Return how to start the command as `root` would install it, with these variables beside the usual ones."""
    script = root / "samestep"
    script.write_text(COMMAND.format(root=str(root)), encoding="utf-8")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment = {**inherited, "COLUMNS": "200", **variables}
    return {"args": [sys.executable, str(script), *arguments], "cwd": root, "env": environment}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_the_checkout(tmp_path_factory.mktemp("checkout"))


def ran(root: Path, results: Path, *arguments: str, code: int = 0, beside: Mapping[str, str] | None = None) -> str:
    started = command(root, *arguments, "--results", str(results), **(beside or {}))
    ended = subprocess.run(**started, capture_output=True, text=True, check=False)
    assert ended.returncode == code, ended.stdout + ended.stderr
    return str(ended.stdout + ended.stderr)


@pytest.fixture(scope="module")
def plain(root: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run beside no hostile variable."""
    results = tmp_path_factory.mktemp("plain")
    ran(root, results, *RUN, "--blocks", "1")
    return find(results, "latest")


def timeless(record: Record) -> tuple[object, ...]:
    return (record.cell, record.block, record.status, record.reason, record.accuracy, record.proof, record.environment)


def test_hostile_variables_change_nothing_but_the_time(root: Path, plain: RunFolder, tmp_path: Path) -> None:
    ran(root, tmp_path, *RUN, "--blocks", "1", beside=HOSTILE)
    hostile = find(tmp_path, "latest")

    assert [*map(timeless, hostile.records())] == [*map(timeless, plain.records())]
    assert {record.status for record in plain.records()} == {"ok"}
    assert all(record.environment and record.environment.variables for record in plain.records())
    assert [
        record.accuracy.fingerprint for record in plain.records() if record.accuracy and record.accuracy.fingerprint
    ]
    assert (hostile.facts().code, hostile.facts().commit) == (plain.facts().code, plain.facts().commit)


def test_what_is_named_reaches_the_replicates_and_is_told(root: Path, plain: RunFolder, tmp_path: Path) -> None:
    named = ("--env", "SOME_SWITCH=on", "--env", "FROM_HERE")
    told = ran(root, tmp_path, *RUN, "--blocks", "1", *named, beside={"FROM_HERE": "a b"})
    run = find(tmp_path, "latest")

    assert "launcher here, variables 'FROM_HERE=a b' SOME_SWITCH=on" in told
    assert run.facts().env == ("FROM_HERE=a b", "SOME_SWITCH=on")
    for record in run.records():
        assert record.environment is not None
        assert record.environment.named == run.facts().env
        assert set(run.facts().env) <= set(record.environment.variables)
    for page in ("index.html", "index.md"):
        shown = (run.report_path / page).read_text(encoding="utf-8")
        assert "FROM_HERE=a b, SOME_SWITCH=on (named with --env)" in shown.replace("\\", "")
    compared = ran(root, tmp_path, "compare", str(plain.path), run.id)
    assert "numpy: variable SOME_SWITCH not set (A), on (B)" in compared
    refused = ran(root, tmp_path, "run", "--resume", "latest", "--env", "SOME_SWITCH=off", code=1)
    assert "cannot be resumed without FROM_HERE=a b, SOME_SWITCH=on; with SOME_SWITCH=off" in refused
    refused = ran(root, tmp_path, *RUN, "--env", "OMP_NUM_THREADS=4", code=1)
    assert "bench/frameworks/numpy.py sets OMP_NUM_THREADS itself" in refused


def test_code_that_is_edited_under_a_run_reaches_none_of_its_replicates(root: Path, tmp_path: Path) -> None:
    temporary, results = tmp_path / "tmp", tmp_path / "results"
    temporary.mkdir()
    framework = root / "bench" / "frameworks" / "numpy.py"
    before = framework.read_text(encoding="utf-8")
    started = command(root, *RUN, "--blocks", "2", "--results", str(results), TMPDIR=str(temporary))
    with subprocess.Popen(**started, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            while process.poll() is None and not list(results.glob("*/records.jsonl")):
                time.sleep(0.05)
            assert len(list(temporary.glob(f"{PREFIX}*"))) == 1
            framework.write_text(f"{before}\nraise RuntimeError('as edited')\n", encoding="utf-8")
            output, _ = process.communicate(timeout=240)
            assert process.returncode == 0, output
            assert {record.status for record in find(results, "latest").records()} == {"ok"}
            refused = ran(root, results, "run", "--resume", "latest", code=1)
            assert "bench/frameworks/numpy.py has changed" in refused
        finally:
            process.kill()
            framework.write_text(before, encoding="utf-8")
    assert list(temporary.iterdir()) == []
