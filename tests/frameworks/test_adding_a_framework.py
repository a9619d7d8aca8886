"""A framework is four files and a line: what docs/adding.md says, followed, with a library that only it needs."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.records.codec import from_json
from bench.records.record import Record
from harness.doctor.adding import service
from harness.environments.checkout import ROOT
from tests.copies import copy_of_the_checkout, run

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1500)]

TOY = ROOT / "tests" / "toy"
TOOLS = (("ruff", "check"), ("ruff", "format", "--check"), ("mypy",))
PLACE = "      toy: *if-started\n"  # in depends_on of the service harness
FAST = (
    "-m",
    "not frameworks and not engine and not browser and not slurm",
    "-q",
    "-p",
    "no:cacheprovider",
    "-n",
    "2",
    "--maxfail=20",
    "--ignore=tests/emulated",  # has a copy of the checkout of its own, and frameworks of its own
)
# Of the fast tests the files that go over all frameworks, their locks, images or services. What draws, what reads a
# finished run and what computes statistics knows none.
PLACES = ("bench", "harness/doctor", "harness/environments", "harness/launchers", "harness/plan", "harness/validity")
ALL_FRAMEWORKS = re.compile(r"\bFRAMEWORKS\b|\bcatalogue\(|compose\.yaml|\bimages/")
LISTING = (
    *(
        f"tests/{file.relative_to(ROOT / 'tests')}"
        for place in PLACES
        for file in sorted((ROOT / "tests" / place).rglob("test_*.py"))
        if ALL_FRAMEWORKS.search(file.read_text(encoding="utf-8"))
    ),
    "tests/harness/test_composed.py",
    "tests/harness/test_hello.py",
    "tests/test_order.py",
)
LIBRARY = {
    "toyarith.py": "from statistics import fmean as fmean\n",
    "toyarith-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: toyarith\nVersion: 1.0\n",
    "toyarith-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}


def wheel(folder: Path) -> None:
    """Write the wheel of the toy's own library into `folder`."""
    record = "toyarith-1.0.dist-info/RECORD"
    with zipfile.ZipFile(folder / "toyarith-1.0-py3-none-any.whl", "w") as file:
        for name, text in LIBRARY.items():
            file.writestr(name, text)
        file.writestr(record, "".join(f"{name},,\n" for name in (*LIBRARY, record)))


def with_its_library(source: str) -> str:
    """Return the toy's file as a stranger's would be: it imports a library that no other framework has."""
    assert "from statistics import fmean\n" in source
    source = source.replace("from statistics import fmean\n", "")
    return source.replace("import numpy as np\n", "import numpy as np\nfrom toyarith import fmean\n", 1)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the repository with the toy added as docs/adding.md's "Add a framework" says, and nothing else."""
    wheels = tmp_path_factory.mktemp("wheels")
    wheel(wheels)
    root = copy_of_the_checkout(tmp_path_factory.mktemp("adding") / "samestep")
    source = (TOY / "framework.py").read_text()
    (root / "bench" / "frameworks" / "toy.py").write_text(with_its_library(source))
    (root / "images" / "toy.in").write_text("-r bench.in\ntoyarith==1.0\n")
    shutil.copy2(TOY / "hello.py", root / "bench" / "hello" / "toy.py")
    compose = (root / "compose.yaml").read_text()
    compose = compose.replace("\n  harness:\n", f"{service('toy', root)}\n\n  harness:\n", 1)
    (root / "compose.yaml").write_text(
        compose.replace("      torch: *if-started\n", f"{PLACE}      torch: *if-started\n")
    )
    for command in (
        ("init", "-q"),
        ("add", "-A"),
        ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "toy"),
    ):
        subprocess.run(["git", *command], cwd=root, check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_FIND_LINKS", str(wheels))
        assert "toy.cpu-py311.txt" in run(root, "-m", "harness", "check", "toy", code=3)
        run(root, "-m", "harness.environments.locks", "toy")
        yield root


def test_nothing_is_missing(checkout: Path) -> None:
    assert "toy is complete" in run(checkout, "-m", "harness", "check", "toy")


@pytest.mark.parametrize("tool", TOOLS, ids=" ".join)
def test_lint_and_types_accept_it(checkout: Path, tool: tuple[str, ...]) -> None:
    if not (Path(sys.executable).parent / tool[0]).is_file():
        pytest.skip(f"{tool[0]} is not installed")
    found = subprocess.run(
        [Path(sys.executable).parent / tool[0], *tool[1:]], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize(
    "these", [pytest.param((), id="all", marks=pytest.mark.whole), pytest.param(LISTING, id="those of frameworks")]
)
def test_fast_tests_accept_it(checkout: Path, these: tuple[str, ...]) -> None:
    run(checkout, "-m", "pytest", *FAST, *these)


def test_a_forgotten_line_is_named(checkout: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(checkout, root, ignore=shutil.ignore_patterns(".envs", "results", ".git"))
    compose = root / "compose.yaml"
    line = service("toy", root)
    compose.write_text(compose.read_text().replace(f"{line}\n", "").replace(PLACE, ""))

    printed = run(root, "-m", "harness", "check", "toy", code=3)

    assert line in printed
    assert f"add to depends_on of the service harness:\n{PLACE}" in printed


def test_it_is_listed_measured_and_reported_like_any_other(checkout: Path) -> None:
    assert "toy" in run(checkout, "-m", "harness", "list")

    words = ("--framework", "toy", "--launcher", "venv", "--profile", "quick", "--blocks", "2")
    run(checkout, "-m", "harness", "run", *words)

    (folder,) = (checkout / "results").glob("*-quick")
    records = [from_json(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    by_mode: dict[str, list[Record]] = {}
    for record in records:
        if record.cell.track != "memory":
            by_mode.setdefault(record.cell.mode, []).append(record)
    assert {mode: {one.status for one in found} for mode, found in by_mode.items()} == {
        "loop": {"ok"},
        "capture": {"ok"},
        "silent": {"ok"},
        "gpu": {"skipped"},
        "hello": {"ok"},
        "sentinel": {"ok"},  # by NumPy's probes: the toy has none
    }
    assert by_mode["gpu"][0].reason == "Toy's mode gpu needs a GPU"
    calls = {mode: {settling(one) for one in by_mode[mode]} for mode in ("loop", "capture", "silent")}
    assert calls == {"loop": {0}, "capture": {1}, "silent": {1}}
    assert json.loads((folder / "run.json").read_text())["frameworks"][0]["title"] == "Toy"
    assert "Toy" in (folder / "report" / "index.html").read_text()


def settling(record: Record) -> int:
    """Return how many calls after the first still compiled or captured."""
    assert record.timing is not None
    return len(record.timing.settling_ns)
