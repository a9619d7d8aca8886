"""Every framework that declares a library measures its limits, in its own environment."""

from pathlib import Path

import pytest

from bench.catalogue import catalogue
from bench.records import codec
from bench.records.record import Record
from bench.turns import turn
from bench.turns.turn import Settings, Turn
from tests.factories import cell
from tests.frameworks.interpreters import run_in
from tests.frameworks.sampling import sampled

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1200)]

MEASURING = [offer.name for offer in catalogue().frameworks if offer.limits]


def asked(framework: str, track: str) -> Turn:
    empty = dict.fromkeys(("workload", "optimizer", "size", "precision"), "")
    return Turn(
        cell=cell(framework=framework, mode=track, track=track, **empty),
        block=1,
        position=1,
        settings=Settings(rounds=1, warmup_floor_ns=0, warmup_cap_ns=1),
        calls_per_round=None,
        cpus=(),
        threads=1,
        hash_seed=1,
        timeout_s=600,
        launcher="here",
    )


def measured(framework: str, track: str, folder: Path) -> Record:
    (folder / turn.TURN_FILE).write_text(turn.to_json(asked(framework, track)), encoding="utf-8")
    run_in(framework, folder, "-m", "bench", "turn", str(folder))
    found = codec.from_json((folder / turn.RECORD_FILE).read_text(encoding="utf-8"))
    assert (found.status, found.reason) == ("ok", "")
    return found


@pytest.mark.parametrize("framework", sampled(MEASURING, "numpy", "torch"))
def test_a_turn_measures_the_limits_of_the_processor(framework: str, tmp_path: Path) -> None:
    found = measured(framework, "limits", tmp_path)
    kinds = {(one.kind, one.precision) for one in found.limits}
    assert {("launch", ""), ("triad", ""), ("matmul", "float32")} <= kinds
    assert ("matmul", "tf32") not in kinds, "a processor has no TF32"
    assert all(len(one.round_ns) >= 5 for one in found.limits)
    best = {(one.kind, one.precision, one.size): one.work / min(one.round_ns) for one in found.limits}
    assert best["launch", "", 1] > 1e-5  # less than 100 µs
    assert 1 < best["matmul", "float32", 512] < 1e5  # Gflop/s
    memory, cache = best["triad", "", 256 << 20], best["triad", "", 4 << 20]
    assert 0.1 < memory < cache < 1e4  # GB/s


@pytest.mark.parametrize("framework", sampled(["numpy", "torch", "jax", "tensorflow"], "jax", "tensorflow"))
def test_a_sentinel_takes_four_probes_in_turns(framework: str, tmp_path: Path) -> None:
    found = measured(framework, "sentinel", tmp_path)
    assert [(one.kind, one.size) for one in found.limits] == [
        ("launch", 1), ("triad", 64 << 10), ("triad", 32 << 20), ("matmul", 512),
    ]  # fmt: skip
    assert len({len(one.round_ns) for one in found.limits}) == 1
    assert 1.2e9 <= sum(sum(one.round_ns) for one in found.limits) <= 3e9
