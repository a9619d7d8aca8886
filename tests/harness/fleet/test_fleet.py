"""A fleet on a simulated cluster: its tasks, their states, what is submitted again, what is collected."""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from bench.catalogue import CONTROL, DRIFT_PROBE
from bench.records.codec import to_json
from harness import session
from harness.compare.compare import compare
from harness.compare.sessions import same_session
from harness.errors import OK, SOME_FAILED, StoreError
from harness.fleet import split
from harness.fleet.attempts import MOST_ATTEMPTS
from harness.fleet.collect import collect
from harness.fleet.folder import FleetFolder
from harness.fleet.rehearsed import REQUEST, Harness, fleet_of, planned
from harness.fleet.request import HostType
from harness.fleet.simulated import Host, Simulated, Weather
from harness.fleet.status import standing
from harness.fleet.submit import hand_over
from harness.fleet.watch import watch
from harness.plan.request import Request, Setting
from harness.report import frames
from harness.report.tables.all import tables
from harness.store.folder import RunFolder
from harness.validity import results
from harness.validity.drift import drifts
from harness.validity.hosts import largest_spread
from harness.validity.noise_floor import floor, floor_of

BLOCKS = 4


class Small:
    """A run of three workloads on two types of hosts, and the cluster that it runs on."""

    def __init__(
        self,
        path: Path,
        *,
        weather: Weather | None = None,
        hosts: Mapping[str, int] | None = None,
        tasks: int = 2,
        requeue: bool = True,
        seed: int = 0,
        **harness: object,
    ) -> None:
        counts = hosts or {"h200": 2, "l4": 1}
        whole = planned(3, 2, blocks=BLOCKS)
        self.folder = FleetFolder(path / "fleet")
        kinds = [HostType(name=name, tasks=tasks) for name in counts]
        self.folder.create(fleet_of(whole, *kinds, blocks=BLOCKS, requeue=requeue), "")
        work = Harness(self.folder, whole, scratch=path / "scratch", **harness)  # type: ignore[arg-type]
        names = [Host(name=f"{name}-node{at}", host_type=name) for name, count in counts.items() for at in range(count)]
        self.cluster = Simulated(names, work, weather, seed)
        self.said: list[str] = []
        self._results = path / "results"

    def submit(self) -> None:
        for kind in self.folder.fleet.host_types:
            numbers = [task.number for task in self.folder.fleet.tasks if task.host_type == kind.name]
            hand_over(self.folder, self.cluster, numbers, clock=self.cluster.clock)

    def watch(self, sleep: Callable[[float], None] | None = None) -> int:
        return watch(self.folder, self.cluster, self.said.append, sleep or self.cluster.sleep, self.cluster.clock)

    def states(self) -> list[str]:
        return [state.word for state in standing(self.folder, self.cluster, self.cluster.clock()).tasks]

    def collect(self) -> tuple[RunFolder, ...]:
        return collect(self.folder, self._results, self.said.append, report=False).runs


def test_a_task_has_whole_blocks_of_one_workload_with_all_modes() -> None:
    whole = planned(3, 2, blocks=7)
    tasks = list(split.tasks(whole, REQUEST, [HostType(name="a", tasks=3), HostType(name="b")], 7))
    assert [(task.host_type, task.workload, task.blocks) for task in tasks[:3]] == [
        ("a", "work0000", 3),
        ("a", "work0000", 2),
        ("a", "work0000", 2),
    ]
    assert [task.blocks for task in tasks if task.host_type == "b"] == [7, 7, 7]
    assert [task.number for task in tasks] == list(range(1, 13))
    assert {task.cells for task in tasks} == {2}
    assert len({task.seed for task in tasks}) == len(tasks)
    # two modes, the A/A control, in 3 blocks, and a drift probe before each and after the last
    assert tasks[0].replicates == 3 * 3 + 4


@pytest.mark.parametrize(("blocks", "parts", "sizes"), [(6, 4, [2, 2, 2]), (1, 3, [1]), (5, 2, [3, 2]), (2, 2, [2])])
def test_no_task_has_a_single_block_unless_there_is_only_one(blocks: int, parts: int, sizes: list[int]) -> None:
    assert list(split.even(blocks, parts)) == sizes


def test_every_task_goes_from_pending_to_done(tmp_path: Path) -> None:
    small = Small(tmp_path)
    assert set(small.states()) == {"LOST"}, "nothing was submitted yet"
    small.submit()
    assert sorted(small.states()) == ["PENDING"] * 9 + ["RUNNING"] * 3
    assert small.watch() == OK
    assert set(small.states()) == {"DONE"}
    assert len(small.folder.submissions()) == 2


def test_a_host_that_is_lost_loses_no_task(tmp_path: Path) -> None:
    small = Small(tmp_path, weather=Weather(lost=0.4), hosts={"h200": 4}, seed=2)
    small.submit()
    assert small.watch() == OK
    again = [several for several in small.folder.attempts().values() if len(several) > 1]
    assert again
    assert all(several[0].ended is None for several in again)
    assert len(small.folder.submissions()) == 1


def test_what_the_cluster_does_not_begin_again_is_submitted_again(tmp_path: Path) -> None:
    small = Small(tmp_path, weather=Weather(lost=0.4), hosts={"h200": 5}, requeue=False, seed=2)
    small.submit()
    assert small.watch() == OK
    assert any("submitting 1 again" in line for line in small.said)


def test_a_bad_host_is_left_out_after_two_failures(tmp_path: Path) -> None:
    small = Small(tmp_path, hosts={"h200": 2}, requeue=False, bad_hosts=("h200-node1",))
    small.submit()
    assert small.watch() == OK
    assert "h200-node1" in small.folder.submissions()[-1].excluded
    failed = [a for several in small.folder.attempts().values() for a in several if a.ended and a.ended.code]
    assert len(failed) >= 2
    assert {begun.host for begun in small.folder.done().values()} == {"h200-node0"}


def test_a_task_is_tried_four_times_then_its_reason_stays(tmp_path: Path) -> None:
    names = tuple(f"h200-node{number}" for number in range(9))
    small = Small(tmp_path, hosts={"h200": 9}, requeue=False, bad_hosts=names, tasks=1)
    small.submit()
    assert small.watch() == SOME_FAILED
    assert set(small.states()) == {"ERROR"}
    assert all(len(several) == MOST_ATTEMPTS for several in small.folder.attempts().values())
    assert any(line.endswith("ERROR  (no engine; tried 4 times)") for line in small.said)


def test_without_a_host_left_it_ends_and_says_so(tmp_path: Path) -> None:
    small = Small(tmp_path, hosts={"h200": 1}, requeue=False, bad_hosts=("h200-node0",))
    small.submit()
    assert small.watch() == SOME_FAILED
    assert "No host of that type is left." in small.said
    assert len([line for line in small.said if "submitting" in line]) <= 2 * len(small.folder.fleet.tasks)


def test_a_watcher_that_was_killed_is_followed_by_one_that_knows_only_the_folder(tmp_path: Path) -> None:
    small = Small(tmp_path, weather=Weather(lost=0.4), hosts={"h200": 4}, requeue=False, seed=2)
    small.submit()
    sleeps = 0

    def killed_soon(seconds: float) -> None:
        nonlocal sleeps
        sleeps += 1
        if sleeps == 20:
            raise KeyboardInterrupt
        small.cluster.sleep(seconds)

    with pytest.raises(KeyboardInterrupt):
        small.watch(killed_soon)
    done = set(small.folder.done())
    assert done
    assert len(done) < len(small.folder.fleet.tasks)
    small.folder = FleetFolder(small.folder.path)
    assert small.watch() == OK
    assert done < set(small.folder.done())


def test_a_task_is_lost_only_when_the_cluster_has_had_time_to_know_it(tmp_path: Path) -> None:
    small = Small(tmp_path)
    small.submit()
    submitted = small.folder.submissions()[0].submitted_unix_ns / 1e9
    small.cluster._states.clear()  # the cluster has forgotten all
    early, late = (standing(FleetFolder(small.folder.path), small.cluster, submitted + s).tasks for s in (5, 60))
    started = set(small.folder.attempts())
    assert {state.word for state in early if state.task.number not in started} == {"PENDING"}
    assert {state.word for state in late} == {"LOST"}


def test_a_host_that_does_not_see_the_folder_is_named_and_left_out(tmp_path: Path) -> None:
    small = Small(tmp_path, hosts={"h200": 2}, requeue=False, blind_hosts=("h200-node1",))
    small.submit()
    assert small.watch() == OK
    assert any("LOST  (it ended before it began, FAILED: does h200-node1 see the folder" in line for line in small.said)
    assert small.folder.submissions()[-1].excluded == ("h200-node1",)


def test_the_first_result_stays_and_a_second_one_is_named(tmp_path: Path) -> None:
    small = Small(tmp_path)
    small.submit()
    small.watch()
    first = small.folder.done()[1]
    again = dataclasses.replace(first, host="h200-node9", restart=1)
    assert not small.folder.keep(small.folder.result(2), again)
    assert FleetFolder(small.folder.path).done()[1] == first
    assert standing(small.folder, small.cluster).doubles == (again.name,)
    assert small.watch() == OK
    assert f"A second result, in doubles/{again.name}, does not count." in small.said


def test_cancelled_tasks_are_not_submitted_again(tmp_path: Path) -> None:
    small = Small(tmp_path)
    small.submit()
    small.cluster.sleep(100)
    (small.folder.path / "cancelled").touch()
    small.cluster.cancel([each.name for each in small.folder.submissions()])
    assert small.watch() == SOME_FAILED
    assert set(small.states()) == {"DONE", "CANCELLED"}
    assert len(small.folder.submissions()) == 2


def test_results_become_a_run_for_each_type_that_the_report_takes(tmp_path: Path) -> None:
    small = Small(tmp_path, speeds={"h200-node1": 1.5})
    small.submit()
    small.watch()
    runs = {folder.id: results.load(folder) for folder in small.collect()}
    assert list(runs) == ["fleet-1-h200", "fleet-1-l4"]
    h200 = runs["fleet-1-h200"]
    assert {(each.cell.mode, each.cell.workload) for each in h200.records if each.cell.track == "identical"} == {
        (mode, f"work000{number}") for mode in ("eager", "mode1") for number in range(3)
    }
    assert h200.facts.blocks == BLOCKS
    assert h200.facts.ended == "all 4 blocks were run"
    assert h200.facts.replicates == len(h200.records)
    assert h200.incomplete == ()
    assert {each.host for each in h200.facts.hosts} == {"h200-1", "h200-2"}
    frame = frames.load(h200).replicates
    slow = frame[(frame["step_ns"] > 140_000) & (frame["track"] == "identical")]
    assert set(slow["host"]) == {"h200-2"}
    assert set(frame["host"]) == {"h200-1", "h200-2"}
    assert not same_session(h200, runs["fleet-1-l4"])


def test_no_block_and_no_drift_is_of_two_hosts(tmp_path: Path) -> None:
    small = Small(tmp_path, speeds={"h200-node1": 1.5}, hosts={"h200": 2})
    small.submit()
    small.watch()
    (folder,) = small.collect()
    run = results.load(folder)
    host_of = {block: each.host for each in run.facts.hosts for block in range(each.first, each.last + 1)}
    steps: dict[int, set[int]] = {}
    for record in run.records:
        if record.timing:
            steps.setdefault(record.block, set()).update(round(ns / 50_000) for ns in record.timing.round_ns)
    assert steps.keys() == host_of.keys()
    assert all(len(levels) == 1 for levels in steps.values())
    assert len({(host_of[block], *levels) for block, levels in steps.items()}) == 2
    found = drifts(run.records, run.facts.frameworks)
    assert found.keys() == host_of.keys()
    assert all(math.isclose(drift.largest[1], 0, abs_tol=1e-4) for drift in found.values())


def test_positions_and_blocks_of_a_collected_run_are_those_of_its_plan(tmp_path: Path) -> None:
    small = Small(tmp_path, hosts={"h200": 2})
    small.submit()
    small.watch()
    (folder,) = small.collect()
    planned_at = {each.position: (each.cell, each.block) for each in folder.plan().in_order()}
    records = folder.records()
    assert {record.position: (record.cell, record.block) for record in records} == planned_at
    first = RunFolder(small.folder.result(1)).records()
    assert records[: len(first)] == first, "nothing else of a record changes"
    closing = [record.block for record in records if record.cell.track == DRIFT_PROBE]
    assert len(closing) == len(set(closing)) == 6 * 3


def test_hosts_with_another_processor_become_another_run(tmp_path: Path) -> None:
    small = Small(tmp_path, hosts={"h200": 2}, other_machines=("h200-node1",))
    small.submit()
    small.watch()
    runs = small.collect()
    assert [run.id for run in runs] == ["fleet-1", "fleet-1-other2"]
    assert {run.facts().host.cpu for run in runs} == {"a processor", "another processor"}


def test_a_run_that_lacks_tasks_says_that_it_is_not_finished(tmp_path: Path) -> None:
    small = Small(tmp_path, hosts={"h200": 1}, tasks=1)
    small.submit()
    small.cluster.sleep(100)
    collected = collect(small.folder, tmp_path / "results", small.said.append, report=False)
    assert collected.missing == ("00002 h200 work0001, 4 blocks", "00003 h200 work0002, 4 blocks")
    facts = collected.runs[0].facts()
    assert facts.ended == ""
    assert facts.replicates == 3 * len(collected.runs[0].records())
    small.watch()
    assert collect(small.folder, tmp_path / "results", small.said.append, report=False).missing == ()
    assert collected.runs[0].facts().ended != "", "collected anew"


def test_no_result_at_all_and_a_run_of_another_kind_are_said(tmp_path: Path) -> None:
    small = Small(tmp_path, hosts={"h200": 1}, tasks=1)
    with pytest.raises(StoreError, match="has no result yet"):
        small.collect()
    small.submit()
    small.watch()
    (folder,) = small.collect()
    facts = json.loads((folder.path / "run.json").read_text())
    (folder.path / "run.json").write_text(json.dumps({**facts, "hosts": []}))
    with pytest.raises(StoreError, match="is no collected run"):
        small.collect()


def test_the_table_of_hosts_has_each_cell_on_each_host_and_their_spread(tmp_path: Path) -> None:
    small = Small(tmp_path, speeds={"h200-node1": 1.5}, hosts={"h200": 2})
    small.submit()
    small.watch()
    run = results.load(small.collect()[0])
    table = tables(run).hosts
    slow = {row.host for row in table.rows if row.to_fastest > 1.4}
    assert slow == {"h200-2"}
    both = [row for row in table.rows if row.spread is not None]
    assert both, "some workload was measured on both hosts"
    assert all(math.isclose(row.spread or 0, 0.5, rel_tol=1e-3) for row in both)
    assert sum(row.blocks for row in table.rows) == 6 * BLOCKS
    assert "hosts of one type differ by up to 50 %" in table.remarks[0]


def test_runs_of_one_host_each_say_that_the_spread_is_not_known(tmp_path: Path) -> None:
    small = Small(tmp_path, hosts={"h200": 1})
    small.submit()
    small.watch()
    run = results.load(small.collect()[0])
    assert largest_spread(run) is None
    assert tables(run).hosts.remarks == (
        "No cell was measured on two hosts: how far hosts of this type differ is not known.",
    )


def test_no_difference_between_types_is_called_one_that_hosts_of_one_type_have(tmp_path: Path) -> None:
    small = Small(tmp_path, speeds={"h200-node1": 1.5}, hosts={"h200": 2, "l4": 1})
    small.submit()
    small.watch()
    a, b = map(results.load, small.collect())
    comparison = compare(a, b)
    assert math.isclose(comparison.floor, 0.5, rel_tol=1e-3)
    assert "hosts of one type differ by 50.0%" in comparison.basis


def test_the_floor_of_a_collected_run_is_that_of_its_worst_control(tmp_path: Path) -> None:
    small = Small(tmp_path, hosts={"h200": 1})
    small.submit()
    small.watch()
    (folder,) = small.collect()
    lines = folder.records()
    noisy = [
        dataclasses.replace(
            line, timing=dataclasses.replace(line.timing, round_ns=(200_000 + 40_000 * line.block,) * 10)
        )
        if line.timing and line.cell.track == CONTROL and line.cell.workload == "work0002"
        else line
        for line in lines
    ]
    plain, worse = results.load(folder), None
    folder.records_path.write_text("".join(f"{to_json(line)}\n" for line in noisy))
    worse = results.load(folder)
    found = floor(worse)
    assert found is not None
    assert found.cell.workload == "work0002"
    assert floor_of(worse) > floor_of(plain)


def test_a_collected_run_is_not_resumed(tmp_path: Path) -> None:
    small = Small(tmp_path, hosts={"h200": 1})
    small.submit()
    small.watch()
    (folder,) = small.collect()
    with pytest.raises(StoreError, match="was collected from a fleet"):
        session.resume(str(folder.path), Request(), Setting(results=tmp_path))


def test_the_owner_of_a_host_is_not_in_the_run(tmp_path: Path) -> None:
    small = Small(tmp_path, hosts={"h200": 2})
    small.submit()
    small.watch()
    (folder,) = small.collect()
    for name in ("run.json", "plan.json", "records.jsonl"):
        assert "node" not in (folder.path / name).read_text()
    assert any("h200-1 = h200-node0" in line for line in small.said)
