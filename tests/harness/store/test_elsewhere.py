"""A run goes on only where it began: what differs is named, before a replicate where it can be known."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from harness.errors import MachineError, StoreError
from harness.host.machine import HostFacts, host_facts
from harness.plan.plan import make_plan
from harness.store.resume import require_fit
from harness.store.sameness import Sameness
from tests import factories
from tests.factories import cell, environment, record

HOST = HostFacts(
    cpu="A processor",
    cores=2,
    memory_bytes=24 << 30,
    os="Linux 6.1",
    python="3.11.7",
    gpu="A GPU",
    driver="580.1",
    governor="performance",
    smt="on",
)


def go_on(host: HostFacts, cpus: tuple[int, ...] = (0, 1), before: HostFacts = HOST) -> None:
    plan = make_plan((cell(),), blocks=2, seed=1)
    facts = factories.run_facts(host=before, cpus=(1,))
    require_fit("run", plan=plan, facts=facts, records=(), code=(), cells=None, host=host, cpus=cpus)


def test_on_the_same_machine_a_run_goes_on() -> None:
    go_on(HOST)
    go_on(dataclasses.replace(HOST, python="3.12.1"))  # the harness measures nothing itself
    go_on(dataclasses.replace(HOST, memory_bytes=(24 << 30) - (200 << 20)))  # a kernel keeps some
    go_on(HOST, before=dataclasses.replace(HOST, governor="", smt=""))  # an older run did not look


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"cpu": "Another"}, "the processor was A processor, it is Another"),
        ({"cores": 4}, "the number of processors was 2, it is 4"),
        ({"os": "Linux 6.2"}, "the system was Linux 6.1, it is Linux 6.2"),
        ({"memory_bytes": 12 << 30}, "its memory was 24 GiB, it is 12 GiB"),
        ({"gpu": ""}, "the GPU was A GPU, it is not there"),
        ({"driver": "590.2"}, "the GPU's driver was 580.1, it is 590.2"),
        ({"governor": "powersave"}, "the governor of the clocks was performance, it is powersave"),
        ({"smt": "off"}, "SMT was on, it is off"),
        ({"quota": 0.6}, "its CPU quota was none, it is 0.6 processors"),
    ],
)
def test_another_machine_is_refused_with_the_difference(changes: dict[str, Any], difference: str) -> None:
    with pytest.raises(StoreError, match="run cannot be resumed") as error:
        go_on(dataclasses.replace(HOST, **changes))
    assert difference in str(error.value)


def test_a_cpu_set_that_is_not_there_is_refused_before_anything_runs() -> None:
    with pytest.raises(StoreError, match="CPU 1 of its CPU set 1 cannot be used here; usable: 0"):
        go_on(HOST, cpus=(0,))


def test_the_facts_of_this_host_have_governor_and_smt(tmp_path: Path) -> None:
    for cpu, governor in ((1, "performance"), (2, "performance"), (3, "powersave")):
        (tmp_path / f"cpu{cpu}/cpufreq").mkdir(parents=True)
        (tmp_path / f"cpu{cpu}/cpufreq/scaling_governor").write_text(f"{governor}\n")
    (tmp_path / "smt").mkdir()
    (tmp_path / "smt/control").write_text("on\n")
    facts = host_facts("cpu", (1, 2), tmp_path)
    assert (facts.governor, facts.smt) == ("performance", "on")
    assert host_facts("cpu", (1, 3), tmp_path).governor == "performance, powersave"
    assert host_facts("cpu", (1,), tmp_path / "nothing").governor == ""


KEPT = environment(
    python="3.11.7 (main) [GCC 12]",
    image="samestep/torch:cpu@sha256:1",
    flags=("OMP_NUM_THREADS=1", "XLA_FLAGS=--dump=/tmp/samestep-turn-12-ab/scratch/x"),
)


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        (
            {"python": "3.11.7 (main) [Clang 18]"},
            r"the interpreter was 3.11.7 (main) [GCC 12], it is 3.11.7 (main) [Cl",
        ),
        ({"platform": "Linux-6.2"}, "the kernel or the C library was Linux, it is Linux-6.2"),
        ({"image": "samestep/torch:cpu@sha256:2"}, "the image was samestep/torch:cpu@sha256:1, it is"),
        ({"cpus": (0, 1)}, "the CPU set was 1, it is 0,1"),
        ({"versions": ("torch==2.14.0",)}, "packages: torch was 2.13.0, it is 2.14.0"),
        ({"flags": ("OMP_NUM_THREADS=2", KEPT.flags[1])}, "variables: OMP_NUM_THREADS was 1, it is 2"),
        ({"flags": (*KEPT.flags, "TF_X=1")}, "variables: TF_X was not there, it is 1"),
    ],
)
def test_a_replicate_from_elsewhere_ends_the_run(changes: dict[str, Any], difference: str) -> None:
    sameness = Sameness([record(environment=KEPT)])
    with pytest.raises(MachineError, match="did not run where the records so far were measured") as error:
        sameness.require(record(block=2, environment=dataclasses.replace(KEPT, **changes)))
    assert difference in str(error.value)


@pytest.mark.parametrize(
    "later",
    [
        record(block=2, environment=dataclasses.replace(KEPT, flags=(KEPT.flags[0], KEPT.flags[1].replace("12", "9")))),
        record(cell(framework="jax"), environment=environment(python="3.13.1")),  # its own interpreter
        record(block=2, environment=dataclasses.replace(KEPT, versions=())),  # ended before the import
        record(block=2, status="failed"),
    ],
)
def test_what_differs_between_any_two_replicates_is_no_difference(later: Any) -> None:
    Sameness([record(environment=KEPT)]).require(later)


def test_of_all_variables_those_that_say_only_where_things_are_may_differ() -> None:
    then = environment(variables=("A=1", "HOME=/tmp/turn-a/scratch", "PATH=/bin", "SAMESTEP_PARENT=3", "TMPDIR=/x"))
    now = environment(variables=("A=1", "HOME=/tmp/turn-b/scratch", "PATH=/usr/bin", "TMPDIR=/y"))
    Sameness([record(environment=then)]).require(record(block=2, environment=now))
    with pytest.raises(MachineError, match="variables: A was 1, it is 2"):
        Sameness([record(environment=then)]).require(record(environment=environment(variables=("A=2",))))


def test_cells_of_other_ranks_have_other_cpu_sets() -> None:
    plain = record(environment=environment(cpus=(1,)))
    ranked = record(cell(mode="ddp", ranks=2, scaling="strong"), environment=environment(cpus=(1, 2)))
    seen = Sameness([plain, ranked])
    seen.require(ranked)
    moved = dataclasses.replace(ranked, environment=environment(cpus=(1, 3)))
    with pytest.raises(MachineError, match="the CPU set was 1,2, it is 1,3"):
        seen.require(moved)


def test_variants_of_a_framework_have_interpreters_of_their_own() -> None:
    other = {"python": "3.13.1", "image": "samestep/torch:cpu-py313@sha256:1"}
    newer = record(cell(variant="py3.13"), environment=environment(**other))
    sameness = Sameness([record(environment=environment())])

    sameness.require(newer)

    with pytest.raises(MachineError, match=r"torch@py3\.13 eager .* the interpreter was 3\.13\.1, it is 3\.11\.7"):
        sameness.require(record(cell(variant="py3.13"), block=2, environment=environment()))
