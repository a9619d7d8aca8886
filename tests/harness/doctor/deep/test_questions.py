"""What could not be told without a GPU is answered from readings and records, each answer with what follows from it."""

from dataclasses import replace
from typing import Any

import pytest

from bench.records.observation import Observation
from bench.records.record import Cell, Record
from harness.doctor.checks import Check
from harness.doctor.deep.gpu import GpuReadings, Lock
from harness.doctor.deep.questions import Seen, answers
from harness.doctor.deep.readings import AtRest, Buffer, CallCost
from harness.doctor.deep.remedies import OWN, Place
from harness.doctor.deep.under_load import UnderLoad
from harness.stats.memory import Figures
from tests import factories

GIB = 1 << 30
LOCKED = ("applications clocks setting",)
EAGER = factories.cell(device="cuda")
MEMORY = replace(EAGER, track="memory")


def rest(**changes: Any) -> AtRest:
    plain = AtRest(
        compute_capability="9.0",
        costs=(
            CallCost(function="nvmlDeviceGetPowerUsage", times=20, median_ns=300_000, longest_ns=900_000, error=""),
        ),
        buffers=(Buffer(metric="power_mw", samples=100, apart_ms=20.0, clock="time since boot"),),
        used_1_bytes=2 * GIB,
        used_2_bytes=1 * GIB,
        reserved_bytes=1 * GIB,
        power_mw=70_000,
        sm_clock_mhz=345,
        clock_events=("gpu idle",),
    )
    return replace(plain, **changes)


def load(**changes: Any) -> UnderLoad:
    plain = UnderLoad(
        looks=30,
        tick_mj=1500,
        tick_ms=20.0,
        clock_events=(),
        sm_clock_most_mhz=1980,
        power_most_mw=120_000,
        gpu_percent_most=40,
        programs=1,
        alive=1,
        with_memory=1,
    )
    return replace(plain, **changes)


def worked(cell: Cell = EAGER, **changes: Any) -> Record:
    proof = factories.proof(mode=cell.mode, device="cuda:0")
    plain = factories.record(cell, proof=proof, observation=Observation())
    return replace(plain, **changes)


def seen(**changes: Any) -> Seen:
    gpu = GpuReadings(rest=rest(), load=load(), settled_s=0.4)
    place = Place(device="cuda", launcher="venv", in_container=False)
    return replace(
        Seen(place=place, gpu=gpu, model="NVIDIA H100", driver="580.95.05", records={EAGER: worked()}), **changes
    )


def of(name: str, **changes: Any) -> Check:
    (check,) = (check for check in answers(seen(**changes)) if check.name == name)
    return check


def gpu(**changes: Any) -> GpuReadings:
    return replace(GpuReadings(rest=rest(), load=load(), settled_s=0.4), **changes)


def test_a_gpu_on_which_all_is_as_samestep_takes_it_to_be_warns_of_nothing_but_the_lock_that_was_not_tried() -> None:
    assert [check.name for check in answers(seen()) if check.status != "ok"] == ["clocks under lock"]
    assert "--lock-clocks" in of("clocks under lock").remedy


def test_every_line_that_is_not_ok_has_its_remedy() -> None:
    poor = gpu(
        rest=rest(costs=(replace(rest().costs[0], median_ns=4_000_000),), used_1_bytes=GIB, power_mw=None),
        load=load(tick_mj=None, programs=0),
        settled_s=None,
        lock=Lock(error="NoPermission"),
    )
    wrong = worked(proof=factories.proof(threads=7), wall_ns=170 * 10**9)
    found = answers(seen(gpu=poor, records={EAGER: wrong}))
    assert [check.name for check in found if check.status != "ok" and not check.remedy] == []
    assert len([check for check in found if check.status != "ok"]) >= 7


@pytest.mark.parametrize(
    ("lock", "status", "says"),
    [
        (Lock(mhz=1400, load=load(clock_events=LOCKED, sm_clock_most_mhz=1395)), "ok", "1400 MHz asked for"),
        (Lock(mhz=1400, load=load(sm_clock_most_mhz=1395)), "ok", "gives no reason"),
        (Lock(mhz=1400, load=load()), "warn", "did not hold"),
        (Lock(mhz=1400, load=load(clock_events=LOCKED)), "warn", "did not hold"),
        (Lock(error="NoPermission"), "warn", "sudo"),
        (Lock(error="NotSupported"), "warn", "NotSupported"),
        (Lock(mhz=1400), "warn", "no cell worked"),
    ],
)
def test_whether_a_lock_sets_the_bit_of_applications_clocks_is_told(lock: Lock, status: str, says: str) -> None:
    check = of("clocks under lock", gpu=gpu(lock=lock))
    assert check.status == status
    assert says in f"{check.found} {check.remedy}"


@pytest.mark.parametrize(
    ("used_1", "says"), [(2 * GIB, "leaves out"), (1 * GIB, "has in it, too"), (None, "cannot be told")]
)
def test_whether_used_leaves_out_what_is_reserved_is_told(used_1: int | None, says: str) -> None:
    check = of("reserved memory", gpu=gpu(rest=rest(used_1_bytes=used_1)))
    assert (check.status, says in check.found) == ("ok", True)


@pytest.mark.parametrize(
    ("context", "says"), [(70 * GIB, "the pool is in it"), (GIB // 2, "the pool comes later"), (None, "not seen")]
)
def test_whether_a_pool_is_taken_when_the_context_is_read_is_told(context: int | None, says: str) -> None:
    figures = Figures(context_bytes=context, device_peak_bytes=72 * GIB, reserved_peak_bytes=71 * GIB)
    check = of("pool of torch", records={MEMORY: worked(MEMORY)}, figures={MEMORY: figures})
    assert says in check.found
    assert (check.status == "ok") == (context is not None)


@pytest.mark.parametrize(
    ("threads", "status", "says"),
    [(1, "ok", "as asked: torch"), (None, "ok", "not said: torch"), (7, "fail", "torch 7 instead of 1")],
)
def test_the_threads_of_each_framework_are_told(threads: int | None, status: str, says: str) -> None:
    check = of("threads", records={EAGER: worked(proof=factories.proof(threads=threads))})
    assert (check.status, says in check.found) == (status, True)


def test_a_part_of_an_exported_model_that_has_no_kernel_on_the_gpu_is_told() -> None:
    good, bad = (factories.cell(framework="onnxruntime", mode=mode) for mode in ("from-torch", "from-jax"))
    records = {good: worked(good), bad: factories.record(bad, status="failed", reason="build: fallback to CPU")}
    exported = {(cell.framework, cell.mode) for cell in records}
    check = of("exported models", records=records, exported=exported)
    assert check.found == "from-torch: on the GPU alone; from-jax: build: fallback to CPU"
    assert check.status == "warn"


def test_the_cell_that_takes_longest_is_held_to_the_time_of_the_short_profiles() -> None:
    slow = replace(EAGER, mode="max-autotune")
    check = of("longest cell", records={EAGER: worked(), slow: worked(slow, wall_ns=120 * 10**9)})
    assert check.status == "warn"
    assert check.found.startswith("torch max-autotune, 120 s")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"programs": 0, "alive": 0, "with_memory": 0}, "pid: host"),
        ({"alive": 0}, "not of this namespace"),
        ({"with_memory": 0}, "without their memory"),
    ],
)
def test_what_nvml_does_not_show_of_programs_is_told(changes: dict[str, Any], says: str) -> None:
    check = of("GPU programs", gpu=gpu(load=load(**changes)))
    assert check.status == "warn"
    assert says in f"{check.found} {check.remedy}"


def test_stamps_of_no_known_clock_are_told() -> None:
    check = of("samples of power_mw", gpu=gpu(rest=rest(buffers=(replace(rest().buffers[0], clock=""),))))
    assert (check.status, OWN in check.remedy) == ("warn", True)


def test_a_board_that_comes_to_rest_late_is_told() -> None:
    assert of("power at rest", gpu=gpu(settled_s=2.5)).status == "warn"
    assert of("power at rest").found == "70 W, again 0.4 s after a cell"


def test_fields_that_stay_empty_are_named_with_their_reason() -> None:
    observed = Observation(missing=("energy_mj, energy_window_mj: Not Supported", "host_peak_pss_bytes: no rights"))
    check = of("NVML fields", records={EAGER: worked(observation=observed)})
    assert check.found == "empty: energy_mj, energy_window_mj"
    assert "Not Supported" in check.remedy
    assert "no rights" not in check.remedy


def test_a_gpu_on_which_nothing_worked_is_answered_all_the_same() -> None:
    nothing = GpuReadings(rest=rest(costs=(), buffers=(), power_mw=None))
    found = answers(seen(gpu=nothing, records={}))
    assert "NVML fields" in [check.name for check in found]
