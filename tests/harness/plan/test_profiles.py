"""The profiles, above all `look`: what it selects, what it leaves out, and that it fits into its five minutes."""

from collections import Counter
from typing import Any, Final

import pytest

from bench.catalogue import catalogue
from harness.plan import models, planner
from harness.plan.plan import Plan
from harness.plan.profiles import MAIN_MODES, MAIN_PATHS, PROFILES
from harness.plan.request import DEFAULT_PROFILE, parsed

# Seconds of a turn on two cores of which one is half busy: what runs of `quick` took there, rounded up. A timed
# one has some 1.2 s of time slices, and its share of what its neighbours of TensorFlow and Inductor take longer.
SECONDS: Final = {"identical": 7.4, "twin": 7.4, "idiomatic": 5.0, "memory": 3.4, "sentinel": 1.5, "limits": 4.0}
BUDGET_S: Final = 4.3 * 60


def planned(**requested: Any) -> Plan:
    request = parsed(**{"profile": "look", **requested})
    return planner.planned_run(request, launchers="venv", blocks=None, say=lambda line: None).plan


def modes(**requested: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for cell in planned(**requested).cells:
        if cell.track in ("identical", "idiomatic"):
            found.setdefault(cell.framework, []).append(cell.mode)
    return found


def test_the_first_profile_is_look_and_run_without_one_is_default() -> None:
    assert next(iter(PROFILES)) == "look"
    assert DEFAULT_PROFILE == "default"


def test_no_profile_has_fewer_time_slices_than_the_one_before() -> None:
    slices = [profile.settings.slices for profile in PROFILES.values()]
    assert slices == sorted(slices)
    assert min(slices) >= 2


def test_look_names_modes_that_exist() -> None:
    offered = {framework.name: {mode.name for mode in framework.modes} for framework in catalogue().frameworks}
    for named in (MAIN_MODES, MAIN_PATHS):
        assert [name for name, names in named.items() if not set(names) <= offered[name]] == []


def test_look_infers_in_one_block_on_one_path_or_more_of_each_engine() -> None:
    plan = planned(workload="mlp,convnet,transformer", size="S", batch="1,256")
    assert plan.blocks == 1
    assert plan.replicates <= 130  # ten minutes
    paths = {(cell.framework, cell.mode) for cell in plan.cells if cell.track == "identical"}
    engines = {offer.name for offer in catalogue().frameworks if all(mode.source for mode in offer.modes)}
    assert {framework for framework, _ in paths} == {*MAIN_PATHS, *engines}
    assert {mode for framework, mode in paths if framework == "onnxruntime"} == {"from-torch", "from-keras", "from-jax"}


def test_look_runs_the_modes_of_a_framework_that_is_named_with_a_batch() -> None:
    assert modes(batch="1", framework="flax", workload="mlp", size="S") == {"flax": ["eager", "jit"]}


def test_look_runs_the_main_modes_of_six_frameworks_and_their_hello_worlds() -> None:
    assert modes() == {
        "fastai": ["fit", "hello"],
        "jax": ["op-by-op", "jit", "scan", "hello"],
        "keras_tensorflow": ["fit", "batch-jit", "hello"],
        "numpy": ["eager"],
        "tensorflow": ["eager", "function", "xla", "hello"],
        "torch": ["eager", "compile", "compile-step", "hello"],
    }
    assert {(cell.workload, cell.optimizer) for cell in planned().cells} == {("regression", "adam"), ("", "")}


def test_look_needs_the_environments_of_these_frameworks_alone() -> None:
    """`session` prepares what this names: no environment is made and no worker waited for beyond it."""
    assert set(models.needed(catalogue().frameworks, planned().cells)) == set(MAIN_MODES)


def test_look_fits_into_its_budget() -> None:
    turns = Counter(replicate.cell.track for replicate in planned().in_order())
    assert sum(SECONDS[track] * count for track, count in turns.items()) <= BUDGET_S


def test_look_repeats_one_cell_of_each_framework_for_memory_and_measures_no_limits() -> None:
    memory = [
        (replicate.cell.framework, replicate.block) for replicate in planned().in_order() if _is_memory(replicate)
    ]
    assert sorted(memory) == [(name, 1) for name in sorted(MAIN_MODES)]
    assert "limits" not in {cell.track for cell in planned().cells}


def test_look_repeats_every_cell_for_memory_when_memory_is_asked_for() -> None:
    cells = sum(map(len, MAIN_MODES.values()))
    assert sum(cell.track == "memory" for cell in planned(measure="time,memory").cells) == cells


def _is_memory(replicate: Any) -> bool:
    return bool(replicate.cell.track == "memory")


@pytest.mark.parametrize(
    ("requested", "expected"),
    [
        ({"framework": "torch"}, {"torch": ["eager", "compile", "compile-step", "hello"]}),
        ({"framework": "flax"}, {"flax": ["eager", "jit", "hello"]}),  # not in look: its modes for ladders
        ({"mode": "cached-partial"}, {"flax": ["cached-partial"]}),
        ({"framework": "torch", "mode": "fused"}, {"torch": ["fused"]}),
        ({"framework": "jax", "workload": "mlp", "size": "S"}, {"jax": ["op-by-op", "jit"]}),  # a ladder without scan
    ],
)
def test_what_is_named_takes_the_place_of_looks_selection(
    requested: dict[str, str], expected: dict[str, list[str]]
) -> None:
    assert modes(**requested) == expected


def test_the_other_profiles_run_every_mode() -> None:
    every = {
        # what changes a model runs at a batch alone
        framework.name: [mode.name for mode in framework.modes if not mode.precision]
        for framework in catalogue().frameworks
        if framework.trains and not framework.exhibit
    }
    found = modes(profile="quick")
    assert {name: [mode for mode in of_one if mode != "hello"] for name, of_one in found.items()} == every
