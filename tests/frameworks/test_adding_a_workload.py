"""A workload is one file and one short function per framework: what docs/adding.md says, followed, and measured."""

import json
import shutil
from pathlib import Path

import pytest

from bench.records.codec import from_json
from bench.records.record import Record
from harness.environments.checkout import ROOT
from tests.copies import copy_of_the_checkout, run
from tests.frameworks.interpreters import python_of

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(900)]

FORWARDS = {  # file: (the forward pass, its entry in FORWARD)
    "_torch/models": (
        """def _logistic(workload: Workload) -> nn.Module:
    return nn.Linear(*workload.parameters["weight"].shape)
""",
        "Forward(_logistic, nn.functional.cross_entropy)",
    ),
    "_keras/models": (
        """def _logistic(workload: Workload) -> keras.Model:
    return keras.Sequential([keras.Input(workload.batch.x.shape[1:]), keras.layers.Dense(3)])
""",
        "Forward(_logistic, CROSS_ENTROPY)",
    ),
    "_jax/models": (
        """def _logistic(parameters: Arrays, x: jax.Array) -> jax.Array:
    return x @ parameters["weight"] + parameters["bias"]
""",
        "Model(_logistic, _cross_entropy)",
    ),
    "_tensorflow/models": (
        """def _logistic(parameters: Tensors, x: tf.Tensor) -> tf.Tensor:
    return tf.matmul(x, parameters["weight"]) + parameters["bias"]
""",
        "Forward(_logistic, _cross_entropy)",
    ),
}
TESTS = (
    "bench/test_catalogue", "bench/reference/test_derivative", "bench/reference/test_trajectory",
    "bench/workloads/test_workloads", "harness/plan/test_selection",
)  # fmt: skip
EXPRESSED = {"torch": "eager", "lightning": "fit", "keras_jax": "batch", "tensorflow": "eager", "jax": "jit"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with the toy added as docs/adding.md's "Add a workload" says, and nothing else."""
    root = copy_of_the_checkout(tmp_path_factory.mktemp("adding") / "samestep")
    shutil.copy2(ROOT / "tests" / "toy" / "workload.py", root / "bench" / "workloads" / "logistic.py")
    for name, (function, entry) in FORWARDS.items():
        file = root / "bench" / "frameworks" / f"{name}.py"
        above, table, entries = file.read_text().partition("\nFORWARD")
        kind, brace, entries = entries.partition("{\n")
        assert table, name
        file.write_text(f'{above}\n{function}\n{table}{kind}{brace}    "logistic": {entry},\n{entries}')
    return root


def test_the_projects_own_tests_accept_it(checkout: Path) -> None:
    printed = run(checkout, "-m", "pytest", "-v", "-p", "no:cacheprovider", *(f"tests/{file}.py" for file in TESTS))

    quotient = "test_the_gradient_of_a_workload_is_the_difference_quotient_in_random_directions"
    assert f"{quotient}[logistic] PASSED" in printed


def test_it_is_measured_and_held_to_the_reference_like_any_other(checkout: Path) -> None:
    frameworks = [*EXPRESSED, "numpy"]
    for framework in frameworks:
        python_of(framework)  # skips where it has no environment
    (checkout / ".envs").symlink_to((ROOT / ".envs").resolve())

    run(
        checkout, "-m", "harness", "run", "--workload", "logistic", "--size", "tiny", "--mode", "eager,fit,batch,jit",
        "--framework", ",".join(frameworks), "--launcher", "venv", "--profile", "look", "--blocks", "1",
        "--measure", "time",
    )  # fmt: skip

    (folder,) = (checkout / "results").glob("*-look")
    records = [from_json(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    by_cell: dict[tuple[str, str], Record] = {(one.cell.framework, one.cell.mode): one for one in records}
    for cell in EXPRESSED.items():
        found = by_cell[cell]
        assert (found.status, found.cell.workload, found.cell.size) == ("ok", "logistic", "tiny"), found.reason
        assert found.accuracy
        assert found.accuracy.max_loss_deviation is not None
        assert found.accuracy.max_loss_deviation <= 1e-4
        assert found.accuracy.max_gradient_deviation is not None
        assert found.accuracy.max_gradient_deviation <= 1e-4
    skipped = by_cell["numpy", "eager"]
    assert (skipped.status, skipped.reason) == ("skipped", "numpy does not express the logistic")
    assert [one["name"] for one in json.loads((folder / "run.json").read_text())["workloads"]] == ["logistic"]
    assert "logistic" in (folder / "report" / "index.html").read_text()
