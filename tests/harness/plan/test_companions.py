"""What is measured, and under which allocator policies: from what was typed to cells, plans and variables."""

import os
import subprocess
import sys
from typing import Any

import pytest

from bench.catalogue import catalogue, framework_offer, policy_lacking, policy_offer
from bench.frameworks import FRAMEWORKS
from bench.records.record import Cell
from bench.turns import turn as turns
from harness.environments.checkout import ROOT
from harness.errors import SelectionError, StoreError
from harness.plan import companions, planner, selection
from harness.plan.plan import Plan, make_plan
from harness.plan.profiles import PROFILES
from harness.plan.request import parsed
from harness.store.resume import require_fit
from tests.bench.protocol.test_replicate import turn
from tests.factories import cell, run_facts

CELLS = (cell(), cell(mode="compile"), cell(mode="hello", track="idiomatic"), cell(mode="limits", track="limits"))


def tracks(measured: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(cell.mode, cell.track) for cell in companions.with_measures(CELLS, measured)]


def planned(*, blocks: int | None = None, **requested: Any) -> Plan:
    names = {"framework": "torch", "mode": "eager,compile", "profile": "quick", **requested}
    return planner.planned_run(parsed(**names), launchers="here", blocks=blocks, say=lambda line: None).plan


class TestMeasures:
    def test_only_an_identical_cell_is_repeated(self) -> None:
        again = [("eager", "memory"), ("compile", "memory"), ("eager", "energy"), ("compile", "energy")]
        assert tracks(("time", "memory", "energy")) == [(cell.mode, cell.track) for cell in CELLS] + again
        assert tracks(("memory",)) == again[:2]
        assert tracks(("time",)) == [(cell.mode, cell.track) for cell in CELLS]

    def test_cold_starts_are_those_of_inference_at_the_smallest_batch_of_each_path(self) -> None:
        cells = [cell(batch=batch, mode=mode) for mode in ("eager", "compile") for batch in (256, 1, 32)]
        found = companions.with_measures([*cells, cell()], ("cold",))
        assert [(one.mode, one.batch, one.track) for one in found] == [("eager", 1, "cold"), ("compile", 1, "cold")]
        with pytest.raises(SelectionError, match=r"^--measure cold is of inference: name a batch, as in --batch 1\.$"):
            companions.with_measures(CELLS, ("time", "cold"))

    def test_come_from_the_profile_when_none_is_named(self) -> None:
        for profile in PROFILES.values():
            assert companions.measures((), profile) == ("time", "memory")
        assert companions.measures((), PROFILES["look"], (cell(batch=1),)) == ("time",)
        assert companions.measures((), PROFILES["look"], (cell(batch=1), cell())) == ("time", "memory")
        assert companions.measures((), PROFILES["quick"], (cell(batch=1),)) == ("time", "memory")
        assert companions.measures(("energy", "time"), PROFILES["quick"]) == ("time", "energy")

    def test_a_look_at_an_exhibit_is_one_block_of_times(self) -> None:
        plan = planned(framework="chainer", mode="define-by-run", profile="look")
        assert (plan.blocks, {each.track for each in plan.cells} & {"memory", "twin"}) == (1, set())
        assert planned(framework="chainer", mode="define-by-run", profile="look", measure="memory").blocks == 1
        assert planned(framework="chainer", mode="define-by-run", profile="quick").blocks == 3

    def test_an_unknown_one_is_one_sentence(self) -> None:
        with pytest.raises(SelectionError, match=r"There is no measure 'memroy'. Did you mean memory"):
            companions.measures(("memroy",), PROFILES["quick"])

    def test_are_among_the_options_of_a_run(self) -> None:
        assert parsed(measure="memory", allocator="default").options == ("allocator=default", "measure=memory")


class TestPlan:
    def test_memory_has_the_first_blocks_of_the_profile(self) -> None:
        for profile, blocks in (("quick", [1]), ("default", [1, 2])):
            replicates = planned(profile=profile, optimizer="adam").in_order()
            assert sorted({each.block for each in replicates if each.cell.track == "memory"}) == blocks

    def test_says_how_many_turns_are_for_what(self) -> None:
        line = str(planned(measure="time,memory,energy", seed=1))
        assert line.startswith("2 cells × 3 blocks + 1 turn for limits + 3 turns for A/A control + ")
        assert line.endswith(" + 2 turns for memory + 2 turns for energy = 18 replicates, seed 1")
        assert str(planned(measure="memory", seed=1)) == "2 turns for memory = 2 replicates, seed 1"

    def test_where_nothing_is_timed_there_are_no_empty_blocks_and_no_limits(self) -> None:
        plan = planned(measure="memory,energy", profile="default", optimizer="adam")
        assert [len(block) for block in plan.order] == [4, 4]
        assert {one.track for one in plan.cells} == {"memory", "energy"}
        assert [len(block) for block in planned(measure="memory", blocks=5).order] == [2] * 5

    def test_a_cold_start_is_measured_once_and_where_nothing_else_is_in_each_block(self) -> None:
        names: dict[str, Any] = {"batch": "1,256", "workload": "mlp", "size": "S", "profile": "default"}
        plan = planned(measure="time,cold", **names)
        assert [(each.block, each.cell.batch) for each in plan.in_order() if each.cell.track == "cold"] == [(1, 1)] * 2
        assert str(plan).partition(", seed")[0].endswith(" + 2 turns for cold starts = 39 replicates")
        assert [len(block) for block in planned(measure="cold", **names).order] == [2]
        assert [len(block) for block in planned(measure="cold", blocks=2, **names).order] == [2, 2]

    def test_a_run_is_resumed_with_the_same_measures_alone(self) -> None:
        plan = make_plan(
            companions.with_measures(CELLS, ("time", "memory")), blocks=3, seed=42, memory_blocks=1, energy_blocks=1
        )
        require_fit("run", plan=plan, facts=run_facts(), records=(), code=(), cells=plan.cells)
        timed = companions.with_measures(CELLS, ("time",))
        with pytest.raises(StoreError, match=r"torch eager regression adam memory is planned but not selected now"):
            require_fit("run", plan=plan, facts=run_facts(), records=(), code=(), cells=timed)

    def test_ids_of_cells_and_their_replicates_for_memory_differ(self) -> None:
        assert cell(track="memory").id == f"{cell().id}/memory"


class TestPolicies:
    def test_only_of_the_frameworks_that_have_them(self) -> None:
        cells = selected(framework="torch,jax,numpy", mode="eager,jit", allocator="default,expandable_segments")
        assert [(one.framework, one.mode, one.allocator) for one in cells] == [
            ("jax", "jit", "default"), ("numpy", "eager", "default"), ("torch", "eager", "default"),
            ("torch", "eager", "expandable_segments"),
        ]  # fmt: skip

    def test_the_default_alone_when_none_is_named(self) -> None:
        assert {one.allocator for one in selected()} == {"default"}

    def test_a_hello_world_has_the_default_alone(self) -> None:
        assert {one.track for one in selected(framework="torch", allocator="cudaMallocAsync")} == {"identical"}

    def test_an_unknown_one_is_one_sentence(self) -> None:
        with pytest.raises(SelectionError, match=r"no allocator 'expandable'. Did you mean expandable_segments\?"):
            selected(allocator="expandable")

    def test_nothing_selected_is_one_sentence(self) -> None:
        with pytest.raises(SelectionError, match=r"no cell has framework numpy; allocator platform"):
            selected(framework="numpy", allocator="platform")

    def test_are_shared_by_all_that_compute_with_one_library(self) -> None:
        assert framework_offer("lightning").allocators == framework_offer("torch").allocators != ()
        assert framework_offer("numpy").allocators == ()

    @pytest.mark.parametrize("name", FRAMEWORKS)
    def test_each_sets_a_variable_and_says_on_which_device(self, name: str) -> None:
        for policy in framework_offer(name).allocators:
            assert policy.name != "default"
            assert policy.environment
            assert set(policy.devices) <= {"cpu", "cuda"} != set()

    def test_a_device_without_it_says_so(self) -> None:
        assert policy_lacking(cell(allocator="cudaMallocAsync", device="cuda")) == ""
        assert "this is the CPU" in policy_lacking(cell(allocator="cudaMallocAsync"))
        assert policy_lacking(cell(framework="onnxruntime", mode="from-torch", allocator="kSameAsRequested")) == ""
        assert policy_offer(framework_offer("torch"), "default") is None

    def test_their_variables_are_set_before_the_framework_is_imported(self) -> None:
        """In a process of its own: `prepare` ties it to the life of its parent."""
        with_policy = turn(cell=cell(allocator="expandable_segments", device="cuda"))
        code = (
            "import os, sys; from bench.turns import prepare, turn;"
            "prepare.prepare(turn.turn_from_json(sys.argv[1]));"
            "assert 'torch' not in sys.modules and 'numpy' not in sys.modules;"
            "print(os.environ.get('PYTORCH_CUDA_ALLOC_CONF'))"
        )

        def variable(job: turns.Turn) -> str:
            command = [sys.executable, "-c", code, turns.to_json(job)]
            variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTORCH")}
            done = subprocess.run(
                command, env={**variables, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
            )
            return done.stdout.strip()

        assert variable(with_policy) == "expandable_segments:True"
        assert variable(turn()) == "None"


def selected(**requested: Any) -> tuple[Cell, ...]:
    return selection.cells(catalogue(), parsed(**requested).selection, PROFILES["quick"], "cpu")
