"""The recipes of docs/ci.md, run as they stand there: `samestep run` hands out runs that were made before."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.environments.checkout import ROOT
from harness.plan.plan import make_plan
from harness.store import folder as store
from tests import factories
from tests.harness.compare.test_compare import made
from tests.harness.compare.test_sessions import sentinel

PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
STEPS = (100.0, 101.0, 99.0)
SAMESTEP = """#!/bin/bash
# hands out the next run, as `samestep run` would make one
if [ "$1" = run ]; then
  mkdir -p measured && cd "$RUNS" && next=$(ls | head -1) && mv "$next" "$OLDPWD/measured/"
else
  exec "$PYTHON" -m harness.cli "$@"
fi
"""


def block(language: str) -> str:
    """The one block of this language on the page."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def commands() -> str:
    """What the jobs of the workflow run, one command a line; setting up is not measured here."""
    found = re.findall(r"- run: (?:>-\n((?: {10}.*\n)+)|(.*))", block("yaml"))
    lines = [" ".join((folded or plain).split()) for folded, plain in found]
    return "\n".join(line for line in lines if not line.startswith("make "))


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    for name in ("bin", "base/.venv/bin", "head/.venv/bin"):
        path = tmp_path / name / "samestep"
        path.parent.mkdir(parents=True)
        path.write_text(SAMESTEP)
        path.chmod(0o755)
    return {
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHON": sys.executable,
        "RUNS": str(tmp_path / "runs"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }


def prepared(runs: Path, factor: float) -> None:
    """Two sessions of three blocks; the steps of the second take `factor` times as long."""
    for number, by in enumerate((1.0, factor), start=1):
        run_id = f"20261120-10150{number}-quick"
        run = made([by * step for step in STEPS], seed=number, id=run_id, profile="quick")
        folder = store.create(runs, run_id)
        folder.write_facts(run.facts)
        probes = [sentinel(block) for block in (1, 2, 3, 4)]
        folder.write_plan(make_plan((factories.cell(), probes[0].cell), blocks=3, seed=number))
        for record in (*run.records, *probes):
            folder.append(record)


@pytest.mark.parametrize("recipe", ["bash", "yaml"])
@pytest.mark.parametrize(("factor", "code"), [(1.0, 0), (1.15, 3)])
def test_a_recipe_fails_where_the_step_became_slower(
    recipe: str, factor: float, code: int, tmp_path: Path, environment: Mapping[str, str]
) -> None:
    prepared(tmp_path / "runs", factor)
    script = block("bash") if recipe == "bash" else f"set -e\n{commands()}"
    ended = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (code, "")
    assert (tmp_path / "baseline" / "run.json").is_file()
    if recipe == "yaml":
        written = (tmp_path / "summary.md").read_text()
        assert written.startswith("## baseline against 20261120-101502-quick")
        assert ("1 slower" if code else "1 within") in written


def test_the_workflow_measures_both_states_and_compares_them() -> None:
    lines = commands().splitlines()
    assert [line.split()[0] for line in lines] == [
        "base/.venv/bin/samestep", "mv", "head/.venv/bin/samestep", "head/.venv/bin/samestep",
    ]  # fmt: skip
    assert [line.split()[1] for line in lines if "samestep" in line] == ["run", "run", "compare"]
