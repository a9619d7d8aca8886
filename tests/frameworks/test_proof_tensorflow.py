"""What TensorFlow did instead of the mode asked for is seen in the proof."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.environments.checkout import ROOT
from tests.frameworks.interpreters import run_in
from tests.frameworks.sampling import sampled

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1200)]

TRACED = ["function", "xla", "loop", "loop-xla"]


def proof(scratch: Path, mode: str, fault: str = "") -> dict[str, Any]:
    script = ROOT / "tests" / "frameworks" / "check_proof_keras.py"
    found: dict[str, Any] = json.loads(run_in("tensorflow", scratch, str(script), "tensorflow", mode, fault))
    return found


@pytest.mark.parametrize("mode", sampled([*TRACED, "session"], "session"))
def test_a_graph_is_traced_once_and_fits_every_call(mode: str, tmp_path: Path) -> None:
    found = proof(tmp_path, mode)

    assert (found["mode"], found["traces"], found["graphs"]) == (mode, 1, 1)
    assert (found["guard_failures"], found["graph_breaks"]) == (0, 0)
    assert (found["device"], found["precision"], found["output_precision"]) == ("cpu", "float32", "float32")
    assert (found["threads"], found["tf32"], found["deterministic"]) == (1, False, False)


@pytest.mark.parametrize("mode", sampled(TRACED, "loop-xla"))
def test_a_retrace_by_a_changed_shape_is_counted(mode: str, tmp_path: Path) -> None:
    found = proof(tmp_path, mode, "shape")

    assert (found["traces"], found["guard_failures"]) == (5, 4)
    assert found["compilations"] >= 5


@pytest.mark.parametrize("mode", sampled(TRACED, "function"))
def test_a_function_that_ran_eagerly_is_called_eager(mode: str, tmp_path: Path) -> None:
    assert proof(tmp_path, mode, "eagerly")["mode"] == "eager"


@pytest.mark.parametrize(("mode", "ran"), sampled([("xla", "function"), ("loop-xla", "loop")], ("xla", "function")))
def test_a_function_that_xla_did_not_compile_is_a_plain_one(mode: str, ran: str, tmp_path: Path) -> None:
    assert proof(tmp_path, mode, "no-xla")["mode"] == ran


@pytest.mark.parametrize(
    ("fault", "field", "seen", "mode"),
    sampled(
        [
            (*setting, mode)
            for mode in ("eager", "function", "session")
            for setting in (("threads", "threads", 0), ("tf32", "tf32", True), ("deterministic", "deterministic", True))
        ],
        ("threads", "threads", 0, "eager"),
        ("tf32", "tf32", True, "function"),
        ("deterministic", "deterministic", True, "session"),
    ),
)
def test_a_setting_that_is_not_as_asked_is_seen(mode: str, fault: str, field: str, seen: Any, tmp_path: Path) -> None:
    assert proof(tmp_path, mode, fault)[field] == seen


@pytest.mark.parametrize("mode", sampled(["xla", "loop-xla"], "xla"))
def test_a_second_process_finds_what_xla_compiled_on_disk(mode: str, tmp_path: Path) -> None:
    cold, warm = proof(tmp_path, mode), proof(tmp_path, mode)

    assert (cold["cache_hits"], cold["cache_misses"]) == (0, 1)
    assert (warm["cache_hits"], warm["cache_misses"]) == (1, 0)
    assert warm["mode"] == mode
