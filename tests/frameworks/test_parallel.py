"""PyTorch's data-parallel strategies: they train as one process does, all ranks the same, and faults are caught."""

from pathlib import Path

import pytest

from bench.catalogue import framework_offer
from bench.records.codec import from_json
from bench.records.record import Record
from harness.environments.checkout import ROOT
from tests.bench.parallel.conftest import FINDER
from tests.frameworks.interpreters import run_in
from tests.frameworks.sampling import marked, sampled

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1200)]

HERE = ROOT / "tests" / "frameworks"
PROCESSES = [
    (name, strategy.name)
    for name in ("torch", "lightning")
    for strategy in framework_offer(name).strategies
    if strategy.in_processes
]
CASES = [
    (framework, strategy, workload, "strong")
    for framework, strategy in PROCESSES
    for workload in ("mlp", "convnet", "transformer")
] + [(framework, strategy, "mlp", "weak") for framework, strategy in PROCESSES]


def replicate(
    framework: str, mode: str, workload: str, scaling: str, scratch: Path, *, ranks: int = 2, planted: str = ""
) -> Record:
    script = str(HERE / "check_parallel.py")
    arguments = (framework, mode, workload, str(ranks), scaling)
    environment = {"GLOO_SOCKET_IFNAME": "lo"}
    if planted:
        finder = FINDER.replace("bench.parallel.numpy", f"bench.parallel.{framework}")
        path = str(HERE / "planted_parallel.py")
        (scratch / "sitecustomize.py").write_text(finder.format(path=path), encoding="utf-8")
        environment |= {"PLANTED": planted, "PYTHONPATH": f"{scratch}:{ROOT}"}
    return from_json(run_in(framework, scratch, script, *arguments, **environment).splitlines()[-1])


@pytest.mark.parametrize(
    ("framework", "mode", "workload", "scaling"), sampled(CASES, ("torch", "ddp", "mlp", "strong"))
)
def test_two_processes_train_as_one_does(
    framework: str, mode: str, workload: str, scaling: str, tmp_path: Path
) -> None:
    record = replicate(framework, mode, workload, scaling, tmp_path)
    assert (record.status, record.reason) == ("ok", "")
    found = record.parallel
    assert found
    assert (found.ranks, found.processes, found.backend) == (2, 2, "gloo")
    assert len({rank.parameters_sha256 for rank in found.placed}) == 1
    assert len({rank.pid for rank in found.placed}) == 2
    assert found.collectives
    if found.operations == ("all-reduce",):
        parameters = sum(array for array in _bytes_of(workload))
        assert found.reduced_bytes == parameters


def _bytes_of(workload: str) -> list[int]:
    from bench.workloads import make

    made = make(workload, size="tiny", optimizer="adam")
    return [array.nbytes for array in made.parameters.values()]


@pytest.mark.parametrize(
    ("planted", "status", "said"),
    [
        ("shard", "invalid", "before timing: "),
        marked(("sum", "invalid", "before timing: the gradient of ")),
        marked(("alone", "invalid", "rank 1 has other parameters than rank 0")),
        marked(("kill", "failed", "rank 1 of 2, told to run, was ended by SIGKILL")),
    ],
)
def test_a_fault_between_the_ranks_is_caught(planted: str, status: str, said: str, tmp_path: Path) -> None:
    record = replicate("torch", "ddp", "mlp", "strong", tmp_path, planted=planted)
    assert record.status == status
    assert said in record.reason


@pytest.mark.whole
@pytest.mark.parametrize(("framework", "mode"), PROCESSES)
def test_one_rank_is_a_group_of_one(framework: str, mode: str, tmp_path: Path) -> None:
    record = replicate(framework, mode, "mlp", "strong", tmp_path, ranks=1)
    assert (record.status, record.reason) == ("ok", "")
    assert record.parallel
    assert (record.parallel.ranks, record.parallel.processes, record.parallel.start_ns) == (1, 1, None)
