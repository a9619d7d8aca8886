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
from tests.harness.report.varied import resolved

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


def block(language: str, of: str = "") -> str:
    """The one block of this language on the page that has the text `of` in it."""
    found = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (one,) = (text for text in found if of in text)
    return str(one)


def commands(workflow: str = "step times") -> str:
    """What the jobs of the workflow run, one command a line; setting up is not measured here."""
    found = re.findall(r"run: (?:>-\n((?: {10}.*\n)+)|(.*))", block("yaml", f"name: {workflow}\n"))
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


@pytest.mark.parametrize(("factor", "code"), [(1.0, 0), (1.15, 3)])
def test_a_bumped_lock_is_compared_with_the_version_before_it(
    factor: float, code: int, tmp_path: Path, environment: Mapping[str, str]
) -> None:
    old, new = factories.cell(framework="jax", mode="jit", variant="0.9.2"), factories.cell(framework="jax", mode="jit")
    records = [
        factories.record(each, block=block, round_ns=(round(1000 * by * step),) * 5)
        for block, step in enumerate(STEPS, start=1)
        for each, by in ((old, 1.0), (new, factor))
    ]
    facts = {"frameworks": (factories.framework("jax", ("jit",)),), "variants": (resolved("jax", "0.9.2"),)}
    run = factories.run(records, id="20261120-101501-quick", **facts)
    folder = store.create(tmp_path / "runs", run.facts.id)
    folder.write_facts(run.facts)
    folder.write_plan(make_plan((old, new), blocks=3, seed=run.facts.seed))
    for record in records:
        folder.append(record)
    program(tmp_path / "bin" / "git", "echo 'absl-py==2.5.1 \\'; echo 'jax==0.9.2 \\'; echo 'jaxlib==0.9.3 \\'")
    program(tmp_path / "bin" / "gh", 'echo "$@" > said')
    program(tmp_path / ".venv" / "bin" / "samestep", SAMESTEP.removeprefix("#!/bin/bash\n"))
    lines = [f'set -a; . "$GITHUB_ENV"; set +a; {line}' for line in commands("lock bump").splitlines()]
    *steps, comment = lines
    told = {**environment, "GITHUB_ENV": str(tmp_path / "env"), "PR": "12"}
    (tmp_path / "env").touch()
    ended = subprocess.run(
        ["bash", "-c", "set -e\n" + "\n".join(steps)],
        cwd=tmp_path, env=told, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (code, "")
    subprocess.run(["bash", "-c", comment], cwd=tmp_path, env=told, check=True)
    assert (tmp_path / "env").read_text() == "OLD=0.9.2\n"
    assert (tmp_path / "said").read_text() == "pr comment 12 --body-file comment.md\n"
    assert ("1 slower" if code else "1 within") in (tmp_path / "comment.md").read_text()


def program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)


def test_the_workflow_measures_both_states_and_compares_them() -> None:
    lines = commands().splitlines()
    assert [line.split()[0] for line in lines] == [
        "base/.venv/bin/samestep", "mv", "head/.venv/bin/samestep", "head/.venv/bin/samestep",
    ]  # fmt: skip
    assert [line.split()[1] for line in lines if "samestep" in line] == ["run", "run", "compare"]
