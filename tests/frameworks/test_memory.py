"""Memory replicates of the real frameworks, and the one allocator policy that a processor has."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.records import codec
from bench.records.record import Record
from bench.turns import turn
from bench.turns.turn import Settings, Turn
from harness.stats.memory import figures
from harness.store.samples import no_samples
from tests.factories import cell
from tests.frameworks import sampling
from tests.frameworks.check_arena import ELEMENTS
from tests.frameworks.interpreters import run_in

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(600)]

MIB = 1 << 20
MODEL = f"""
from onnx import TensorProto, helper, save
chain = [("Add", ["input", "input"], "a"), ("Sin", ["a"], "b"), ("Cos", ["b"], "c"), ("Mul", ["c", "a"], "d")]
nodes = [helper.make_node(kind, given, [made]) for kind, given, made in chain]
nodes.append(helper.make_node("ReduceSum", ["d"], ["output"], keepdims=1))
given = helper.make_tensor_value_info("input", TensorProto.FLOAT, [{ELEMENTS}])
made = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1])
graph = helper.make_graph(nodes, "chain", [given], [made])
save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), "chain.onnx")
"""


def looked_at(scratch: Path, **changes: Any) -> Record:
    asked = Turn(
        cell=cell(**changes, track="memory"),
        block=1,
        position=1,
        settings=Settings(rounds=1, warmup_floor_ns=0, warmup_cap_ns=1),
        calls_per_round=None,
        cpus=(),
        threads=1,
        hash_seed=1,
        timeout_s=300,
        launcher="here",
    )
    (scratch / turn.TURN_FILE).write_text(turn.to_json(asked), encoding="utf-8")
    run_in(asked.cell.framework, scratch, "-m", "bench", "turn", str(scratch))
    return codec.from_json((scratch / turn.RECORD_FILE).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("framework", "mode"),
    sampling.sampled([
        ("numpy", "eager"), ("torch", "eager"), ("tensorflow", "function"), ("jax", "jit"), ("flax", "jit"),
        ("keras_tensorflow", "batch"), ("keras_jax", "fit"), ("keras_torch", "batch"), ("lightning", "fit"),
        ("fastai", "fit"),
    ], ("torch", "eager"), ("tensorflow", "function"), ("jax", "jit"), ("keras_jax", "fit")),
)  # fmt: skip
def test_every_framework_is_read_at_every_moment(framework: str, mode: str, tmp_path: Path) -> None:
    found = looked_at(tmp_path, framework=framework, mode=mode)
    assert (found.status, found.reason, found.timing) == ("ok", "", None)
    told = figures(found, no_samples())
    assert told.why, "a processor has no allocator statistics, and the record says so"
    assert told.import_rss_bytes is not None
    assert told.training_peak_rss_bytes is not None
    assert 20 * MIB < told.import_rss_bytes < told.training_peak_rss_bytes
    assert told.host_growth is not None
    assert not told.host_growth.per_step * 1000 > MIB, "a step keeps no kibibyte"


def test_a_deleted_model_is_gone(tmp_path: Path) -> None:
    """JAX's state lies in its module, which has to let go of it; its batch is a copy of the suite's own."""
    found = looked_at(tmp_path, framework="jax", mode="jit", workload="regression_wide", size="S")
    assert found.memory is not None
    assert found.memory.own_bytes is not None
    resident = {one.moment: one.rss_bytes for one in found.memory.readings}
    assert resident["round"] - resident["deleted"] > found.memory.own_bytes // 2


def test_an_arena_grows_as_its_policy_says(tmp_path: Path) -> None:
    """By powers of two it maps more than it was asked for; a session that does not use the arena is found out."""
    run_in("jax", tmp_path, "-c", MODEL)

    def told(*arguments: str) -> dict[str, Any]:
        script = Path(__file__).with_name("check_arena.py")
        answer: dict[str, Any] = json.loads(run_in("onnxruntime", tmp_path, str(script), "chain.onnx", *arguments))
        return answer

    default, doubling, exact = (told(name) for name in ("default", "kNextPowerOfTwo", "kSameAsRequested"))
    assert [one["policy"] for one in (default, doubling, exact)] == ["default", "kNextPowerOfTwo", "kSameAsRequested"]
    assert doubling["mapped"] - exact["mapped"] > 16 * MIB
    assert abs(default["mapped"] - doubling["mapped"]) < 4 * MIB
    assert told("kSameAsRequested", "unshared")["policy"] == "default"
