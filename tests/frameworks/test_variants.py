"""Two NumPys side by side, really: each in its own environment, proved to be the one that was asked for."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.environments import locks
from harness.environments.checkout import ROOT
from harness.store.folder import find

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(900)]

OLDER = "2.3.5"


def test_a_version_of_numpy_beside_the_locked_one(tmp_path: Path) -> None:
    options = ("--mode", "eager", "--workload", "regression", "--optimizer", "adam", "--profile", "look")
    command = ["run", "--framework", f"numpy,numpy@{OLDER}", *options, "--blocks", "1", "--launcher", "venv"]
    ended = subprocess.run(
        [sys.executable, "-m", "harness", *command, "--results", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    run = find(tmp_path, "latest")
    found = re.search(r"^numpy==(\S+)", locks.lock_file(ROOT, "numpy", "cpu").read_text(), re.MULTILINE)
    assert found
    locked = found[1]

    (variant,) = run.facts().variants
    assert variant.changed == (f"numpy {locked} -> {OLDER}",)
    assert f"numpy@{OLDER}: numpy {locked} -> {OLDER}; the rest as locked" in ended.stdout
    assert f"numpy=={OLDER} " in (run.path / "locks" / variant.lock).read_text()
    timed = [record for record in run.records() if record.cell.track == "identical"]
    assert {record.cell.variant: record.status for record in timed} == {"": "ok", OLDER: "ok"}
    for record in timed:
        assert record.environment
        assert f"numpy=={record.cell.variant or locked}" in record.environment.versions
        assert record.timing
        assert record.timing.slice_rounds  # they took turns
    spans = [record.timing.round_begin_ns for record in timed if record.timing]
    assert spans[0][0] < spans[1][-1]
    assert spans[1][0] < spans[0][-1]
    memory = [record.cell.variant for record in run.records() if record.cell.track == "memory"]
    assert sorted(memory) == ["", OLDER]
