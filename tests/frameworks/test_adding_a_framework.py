"""A framework is one file, one `.in` file, one service line and one hello world: what docs/adding.md says, followed."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.records.codec import from_json
from bench.records.record import Record
from harness.environments.checkout import ROOT
from tests.copies import copy_of_the_checkout, run

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(600)]

TOY = ROOT / "tests" / "toy"
SERVICE = (
    '  toy: { extends: numpy, image: "samestep/toy:${SAMESTEP_DEVICE:-cuda}", '
    "build: { args: { FRAMEWORK: toy, PARENT: numpy } }, command: toy }\n"
)
TESTS = (
    "bench/test_catalogue", "harness/launchers/test_compose", "harness/launchers/test_images",
    "harness/environments/test_locks", "harness/plan/test_selection",
)  # fmt: skip


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with the toy added as docs/adding.md's "Add a framework" says, and nothing else."""
    root = copy_of_the_checkout(tmp_path_factory.mktemp("adding") / "samestep")
    shutil.copy2(TOY / "framework.py", root / "bench" / "frameworks" / "toy.py")
    (root / "images" / "toy.in").write_text("-r bench.in\n")
    shutil.copy2(TOY / "hello.py", root / "bench" / "hello" / "toy.py")
    compose = (root / "compose.yaml").read_text()
    compose = compose.replace("\n  harness:\n", f"{SERVICE}\n  harness:\n", 1).replace("[numpy, ", "[toy, numpy, ", 1)
    (root / "compose.yaml").write_text(compose)
    run(root, "-m", "harness.environments.locks", "toy")
    return root


def test_the_projects_own_tests_accept_it(checkout: Path) -> None:
    run(checkout, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(f"tests/{file}.py" for file in TESTS))
    assert (checkout / "images" / "locks" / "toy.cpu-py311.txt").is_file()


def test_a_forgotten_line_is_named(checkout: Path, tmp_path: Path) -> None:
    if not shutil.which("docker") or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("docker compose reads compose.yaml")
    shutil.copytree(checkout, tmp_path / "copy", ignore=shutil.ignore_patterns(".envs", "results"))
    compose = tmp_path / "copy" / "compose.yaml"
    compose.write_text(compose.read_text().replace(SERVICE, "").replace("[toy, numpy, ", "[numpy, "))

    printed = run(
        tmp_path / "copy",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/harness/launchers/test_compose.py",
        code=1,
    )

    assert "toy" in printed


def test_it_is_listed_measured_and_reported_like_any_other(checkout: Path) -> None:
    assert "toy" in run(checkout, "-m", "harness", "list")

    run(checkout, "-m", "harness", "run", "--framework", "toy", "--launcher", "venv", "--profile", "quick")

    (folder,) = (checkout / "results").glob("*-quick")
    records = [from_json(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    by_mode: dict[str, list[Record]] = {}
    for record in records:
        by_mode.setdefault(record.cell.mode, []).append(record)
    assert {mode: {one.status for one in found} for mode, found in by_mode.items()} == {
        "loop": {"ok"},
        "gpu": {"skipped"},
        "hello": {"ok"},
    }
    assert by_mode["gpu"][0].reason == "Toy's mode gpu needs a GPU"
    assert json.loads((folder / "run.json").read_text())["frameworks"][0]["title"] == "Toy"
    assert "Toy" in (folder / "report" / "index.html").read_text()
