"""The guest in node infers what was exported as float64 NumPy does, proves what it ran, and is believed nothing else.

In CI the smallest model that the other engines run is run a few times.
"""

import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from bench.catalogue import framework_offer
from bench.guests.node import PROGRAM
from bench.reference.inference import TOLERANCE
from harness.environments.checkout import ROOT
from tests.frameworks.interpreters import python_of, run_in
from tests.frameworks.sampling import sampled
from tests.frameworks.test_engines import TINY, Path4, environment_of, exported, inferred, printed_by
from tests.frameworks.test_engines_other import refused

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.timeout(1200),
    pytest.mark.xdist_group("exports"),  # in one worker, so that each model is exported once
]

NODE, WEB = "onnxruntime_node", "onnxruntime_web"
PATHS: Final = [
    (guest, mode.name, mode.source, mode.format) for guest in (NODE, WEB) for mode in framework_offer(guest).modes
]
ONE_EACH: Final = [path for path in PATHS if path[1] == "from-keras"]
OURS: Final[Path4] = ONE_EACH[0]


def planted(folder: Path, fault: str, guest: str = NODE) -> dict[str, Any]:
    file, _ = exported(folder, *OURS[2:], *TINY)
    arguments = ("check_planted.py", f"{guest}-{fault}", OURS[1], "float32", *TINY)
    return printed_by(guest, file.parent, *arguments, SAMESTEP_MODEL=str(file))


@pytest.mark.parametrize(("engine", "mode", "source", "format_"), sampled(PATHS, *ONE_EACH))
def test_a_guest_predicts_as_numpy_does_in_float64_and_proves_what_it_ran(
    engine: str, mode: str, source: str, format_: str, folder: Path
) -> None:
    path = (engine, mode, source, format_)
    found = inferred(folder, path, *TINY)
    assert found["deviation"] <= TOLERANCE
    assert found["inference"]
    proof = found["proof"]
    assert (proof["mode"], proof["device"], proof["threads"]) == (path[1], "cpu", 1)
    assert {proof[name] for name in ("precision", "output_precision")} == {"float32"}
    file, _ = exported(folder, *path[2:], *TINY)
    digest = subprocess.run(["sha256sum", file], capture_output=True, text=True, check=True).stdout.split()[0]
    assert digest in proof["evidence"]
    assert "int8" in found["int8"]
    version = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    assert [name.partition("==")[0] for name in found["versions"]] == [
        engine.replace("_", "-"), "node", "numpy",
    ]  # fmt: skip
    assert f"node=={version.removeprefix('v')}" in found["versions"]


def test_two_threads_are_counted(folder: Path) -> None:
    found = planted(folder, "two-threads")
    assert "threads: 1 was asked for, the framework ran 2" in refused(NODE, found["proof"], path=OURS)
    assert refused(NODE, found["proof"], threads=2, path=OURS) == ""
    assert planted(folder, "two-threads", WEB)["skip"].endswith("computes on one thread, 2 are asked for")


@pytest.mark.parametrize(
    ("fault", "said"),
    sampled(
        [
            ("cut-off", "node, told to build, says: Error: Failed to load model because"),
            ("other-bytes", "node loaded other bytes than the model's: 000000000000…, not "),
            ("one-short", "node wrote 159 numbers for float32 of shape [16, 10]"),
            ("killed", "node, told to build, was ended by SIGKILL, exit code -9"),
        ],
        ("cut-off", "node, told to build, says: Error: Failed to load model because"),
        ("one-short", "node wrote 159 numbers for float32 of shape [16, 10]"),
    ),
)
def test_a_guest_that_does_not_do_what_it_is_told_is_an_error(fault: str, said: str, folder: Path) -> None:
    error = planted(folder, fault)["error"]
    assert error.startswith(said)
    assert "\n" not in error


@pytest.mark.whole
def test_one_number_that_is_wrong_is_far_outside_the_tolerance(folder: Path) -> None:
    assert planted(folder, "wrong-number")["deviation"] > 100 * TOLERANCE


@pytest.mark.parametrize("guest", sampled([NODE, WEB], NODE))
def test_a_guest_keeps_nothing_about_its_use(guest: str, folder: Path, tmp_path: Path) -> None:
    file, _ = exported(folder, *OURS[2:], *TINY)
    script = str(ROOT / "tests" / "frameworks" / "check_engine.py")
    variables = environment_of(guest, tmp_path) | {"SAMESTEP_MODEL": str(file), "HOME": str(tmp_path)}
    run_in(guest, tmp_path, script, guest, OURS[1], *TINY, **variables)
    assert list(tmp_path.iterdir()) == []


def test_other_systems_libraries_are_not_kept() -> None:
    packages = python_of(NODE).parents[1] / "node_modules" / "onnxruntime-node" / "bin" / "napi-v6"
    assert [str(path.relative_to(packages)) for path in packages.glob("*/*")] == ["linux/x64"]
    packages = python_of(WEB).parents[1] / "node_modules" / "onnxruntime-web" / "dist"
    assert sum(path.stat().st_size for path in packages.rglob("*") if path.is_file()) < 20_000_000


@pytest.mark.whole
@pytest.mark.parametrize("batch", ["1", "256"])
@pytest.mark.parametrize("workload", ["mlp", "convnet", "transformer"])
@pytest.mark.parametrize("path", PATHS, ids="-".join)
def test_the_three_models_are_inferred_at_a_batch(path: Path4, workload: str, batch: str, folder: Path) -> None:
    found = inferred(folder, path, workload, "S", batch)
    assert found["deviation"] <= TOLERANCE
    assert found["proof"]["mode"] == path[1]
