"""Replicates that take turns: who is in a group, in which order they run, what memory allows, and how each may end."""

import dataclasses
import itertools
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.catalogue import FrameworkOffer, ModeOffer
from bench.records.codec import from_json, to_json
from bench.records.record import Cell, Record
from bench.turns.turn import Outcome, Turn
from harness.environments.variants import Resolved
from harness.plan.plan import make_plan
from harness.run import groups
from harness.run.active import ActiveRun
from harness.run.loop import Lane, execute
from harness.run.room import Need, Room
from harness.store.folder import create
from tests import factories
from tests.fakes import FakeLauncher
from tests.harness.run.test_loop import SETTINGS, Quiet, good

MODES = ("eager", "compile", "step")
CELLS = tuple(factories.cell(framework=framework, mode=mode) for framework in ("torch", "jax") for mode in MODES)
TWIN = dataclasses.replace(CELLS[0], track="twin")
HELLO = factories.cell(mode="hello", track="idiomatic")
PROBE = factories.cell(mode="sentinel", track="sentinel")


def offer(name: str) -> FrameworkOffer:
    modes = tuple(ModeOffer(name=mode, sentence="", baseline="eager") for mode in MODES)
    return FrameworkOffer(name=name, title=name, modes=modes, baseline="eager", hello="")


def start(tmp_path: Path, cells: tuple[Cell, ...] = CELLS, *, blocks: int = 1, slices: int = 12) -> ActiveRun:
    facts = factories.run_facts(cpus=(), alternates=True, frameworks=(offer("torch"), offer("jax")))
    return ActiveRun(
        folder=create(tmp_path, "run"),
        plan=make_plan(cells, blocks=blocks, seed=42),
        facts=facts,
        settings=dataclasses.replace(SETTINGS, slices=slices),
    )


def run(run: ActiveRun, launcher: FakeLauncher, show: Quiet | None = None) -> tuple[Record, ...]:
    execute([Lane(run=run, launcher=launcher)], show or Quiet())
    return run.folder.records()


def of(launcher: FakeLauncher, what: str) -> list[int]:
    return [position for event, position in launcher.events if event == what]


def test_each_is_started_alone_then_all_take_turns_then_each_is_finished(tmp_path: Path) -> None:
    launcher = FakeLauncher(good)

    records = run(start(tmp_path), launcher)

    kinds = [event for event, _ in launcher.events]
    assert kinds == ["start"] * 6 + ["slice"] * 72 + ["finish"] * 6
    assert all(turn.alternates for turn in launcher.turns)
    assert {record.cell for record in records} == set(CELLS)
    assert all(record.status == "ok" for record in records)


def test_in_every_cycle_each_runs_once_and_the_modes_of_a_framework_are_neighbours(tmp_path: Path) -> None:
    launcher = FakeLauncher(good)
    run(start(tmp_path), launcher)
    framework = {turn.position: turn.cell.framework for turn in launcher.turns}

    slices = of(launcher, "slice")

    cycles = [slices[at : at + 6] for at in range(0, len(slices), 6)]
    assert all(sorted(cycle) == sorted(framework) for cycle in cycles)
    assert len({tuple(cycle) for cycle in cycles}) > 6
    for cycle in cycles:
        assert len({framework[position] for position in cycle[:3]}) == 1


def test_the_drift_probe_comes_first_and_what_is_not_timed_runs_alone_after_the_groups(tmp_path: Path) -> None:
    launcher = FakeLauncher(good)

    records = run(start(tmp_path, (*CELLS, TWIN, HELLO, PROBE)), launcher)

    tracks = [record.cell.track for record in records]
    assert (tracks[0], tracks[-2:]) == ("sentinel", ["idiomatic", "sentinel"])
    assert {turn.cell.track for turn in launcher.turns if turn.alternates} == {"identical", "twin"}


def test_a_large_block_is_split_and_one_process_stays_in_every_group_of_its_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "MOST", 3)
    launcher = FakeLauncher(good)

    records = run(start(tmp_path), launcher)

    slices = Counter(of(launcher, "slice"))
    cell_of = {turn.position: turn.cell for turn in launcher.turns}
    linking = [position for position, count in slices.items() if count > 12]
    assert len(records) == 6
    assert linking
    assert all(cell_of[position].mode == "eager" for position in linking)
    assert max(_parked(launcher)) == 3


def test_works_are_not_mixed_in_a_group(tmp_path: Path) -> None:
    launcher = FakeLauncher(good)

    run(start(tmp_path, (*CELLS, *(dataclasses.replace(cell, workload="mlp") for cell in CELLS))), launcher)

    assert max(_parked(launcher)) == 6
    workload = {turn.position: turn.cell.workload for turn in launcher.turns}
    order = [workload[position] for position in of(launcher, "slice")]
    assert len([left for left, right in itertools.pairwise(order) if left != right]) == 1


def test_a_long_slice_gives_fewer_slices_and_never_fewer_than_ten(tmp_path: Path) -> None:
    launcher = FakeLauncher(good)
    launcher.slice_ns = 400_000_000
    run(start(tmp_path, CELLS[:1], slices=40), launcher)
    assert len(of(launcher, "slice")) == 20
    launcher = FakeLauncher(good)
    launcher.slice_ns = 5_000_000_000
    run(start(tmp_path, CELLS[:1], slices=40), launcher)
    assert len(of(launcher, "slice")) == 10


@pytest.mark.parametrize(
    ("batch", "slice_ms", "count"),
    [(0, 50, 20), (0, 500, 10), (256, 50, 14), (256, 280, 10), (256, 5000, 7)],
)
def test_inference_at_a_batch_has_slices_of_its_own_and_half_as_many_where_they_are_long(
    batch: int, slice_ms: int, count: int
) -> None:
    settings = dataclasses.replace(SETTINGS, slices=20, batch_slices=14)
    assert groups.slices_of(settings, dataclasses.replace(CELLS[0], batch=batch), slice_ms * 1_000_000) == count


def test_memory_for_one_process_gives_groups_of_one_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Room, "has", lambda self, need, parked: not parked)
    said: list[str] = []
    show = Quiet()
    monkeypatch.setattr(show, "say", said.append)
    launcher = FakeLauncher(good)

    records = run(start(tmp_path), launcher, show)

    assert len(records) == 6
    assert max(_parked(launcher)) == 1
    assert [line for line in said if "groups of one" in line]


def test_what_stayed_from_the_group_before_makes_room_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Room, "has", lambda self, need, parked: len(parked) < 2)
    launcher = FakeLauncher(good)

    assert len(run(start(tmp_path), launcher)) == 6
    assert max(_parked(launcher)) == 2


@pytest.mark.parametrize("when", ["start", "slice", "finish"])
def test_a_member_that_dies_is_a_record_and_the_others_go_on(tmp_path: Path, when: str) -> None:
    launcher = FakeLauncher(good)
    launcher.dies = {3: when}

    records = {record.position: record for record in run(start(tmp_path), launcher)}

    assert len(records) == 6
    assert records[3].status == "failed"
    assert "SIGKILL" in records[3].reason
    assert all(record.status == "ok" for position, record in records.items() if position != 3)
    assert not of(launcher, "kill")


def test_an_interruption_ends_everyone_who_is_parked_and_a_resumed_run_measures_each_once(tmp_path: Path) -> None:
    active = start(tmp_path, blocks=2)

    def interrupt(turn: Turn) -> Outcome:
        if turn.block == 2:
            raise KeyboardInterrupt
        return good(turn)

    launcher = FakeLauncher(interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(active, launcher)
    assert len(of(launcher, "kill")) == 5  # the one that was interrupted has ended itself
    assert len(active.folder.records()) == 6

    records = run(active, FakeLauncher(good))

    assert Counter((record.cell, record.block) for record in records) == Counter(
        (cell, block) for cell in CELLS for block in (1, 2)
    )


def test_an_invalid_member_is_run_again_alone(tmp_path: Path) -> None:
    def wrong_first(turn: Turn) -> Outcome:
        outcome = good(turn)
        if turn.cell == CELLS[1] and len([each for each in launcher.turns if each.cell == CELLS[1]]) == 1:
            wrong = dataclasses.replace(from_json(outcome.record), status="invalid", reason="wrong")
            return dataclasses.replace(outcome, record=to_json(wrong))
        return outcome

    launcher = FakeLauncher(wrong_first)
    records = run(start(tmp_path), launcher)
    again = [record for record in records if record.attempt == 2]
    assert [record.cell for record in again] == [CELLS[1]]
    assert not launcher.turns[-1].alternates


def test_a_framework_without_environment_is_recorded_and_takes_no_turns(tmp_path: Path) -> None:
    active, launcher = start(tmp_path), FakeLauncher(good)

    execute([Lane(run=active, launcher=launcher, unprepared={"jax": "no wheel"})], Quiet())

    reasons = {record.cell.framework: record.reason for record in active.folder.records()}
    assert reasons == {"torch": "", "jax": "launch: no wheel"}


def test_runs_side_by_side_are_in_one_group(tmp_path: Path) -> None:
    launchers = [FakeLauncher(good), FakeLauncher(good)]
    running: list[int] = []
    for number, launcher in enumerate(launchers):
        launcher.events = _Noted(lambda number=number: running.append(number))  # type: ignore[misc]
    lanes = [Lane(run=start(tmp_path / str(n)), launcher=each) for n, each in enumerate(launchers)]

    execute(lanes, Quiet())

    assert all(len(lane.run.folder.records()) == 6 for lane in lanes)
    assert [max(_parked(launcher)) for launcher in launchers] == [6, 6]
    assert len([1 for left, right in itertools.pairwise(running) if left != right]) > 40


class TestRoom:
    GIB = 1 << 30

    def need(self, **changes: object) -> Need:
        plain = Need(framework="torch", in_container=False, host_bytes=self.GIB, device_bytes=None)
        return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]

    def room(self, monkeypatch: pytest.MonkeyPatch, free: int, gpu: int | None = None, **limits: object) -> Room:
        monkeypatch.setattr("harness.run.room.psutil.virtual_memory", lambda: type("M", (), {"available": free}))
        monkeypatch.setattr("harness.run.room.capacity.limits", lambda: limits.get("own", []))
        return Room(gpu_bytes=gpu, variables=limits.get("variables", {}))  # type: ignore[arg-type]

    def test_is_what_the_host_has_free_less_a_reserve(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.room(monkeypatch, 2 * self.GIB).has(self.need(), [self.need()] * 9)
        assert not self.room(monkeypatch, self.GIB).has(self.need(), [])

    def test_a_limit_of_the_control_group_is_shared_by_all_who_are_parked(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limited = self.room(monkeypatch, 99 * self.GIB, own=[4 * self.GIB])
        assert limited.has(self.need(), [self.need()] * 2)
        assert not limited.has(self.need(), [self.need()] * 3)

    def test_an_allowance_of_a_container_is_shared_by_its_framework(self, monkeypatch: pytest.MonkeyPatch) -> None:
        boxed = self.room(monkeypatch, 99 * self.GIB, variables={"SAMESTEP_MEMORY": "2g"})
        need = self.need(in_container=True)
        assert boxed.has(need, [need, *[dataclasses.replace(need, framework="jax")] * 9])
        assert not boxed.has(need, [need, need])

    def test_who_is_not_known_is_taken_for_the_largest_of_its_framework(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tight = self.room(monkeypatch, 3 * self.GIB)
        unknown = self.need(host_bytes=None)
        assert tight.has(unknown, [])
        assert not tight.has(unknown, [self.need(host_bytes=3 * self.GIB)])

    def test_a_gpu_is_shared_only_by_known_peaks_that_fit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        gpu = self.room(monkeypatch, 99 * self.GIB, gpu=10 * self.GIB)
        known = self.need(device_bytes=4 * self.GIB)
        assert gpu.has(known, [known])
        assert not gpu.has(known, [known, known])
        assert not gpu.has(self.need(), [known])
        assert not gpu.has(known, [self.need()])
        assert gpu.has(self.need(), [])

    def test_several_that_start_together_need_memory_for_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        room = self.room(monkeypatch, 4 * self.GIB)
        assert room.has_all([self.need()] * 3, [self.need()])
        assert not room.has_all([self.need()] * 4, [self.need()])
        limited = self.room(monkeypatch, 99 * self.GIB, own=[4 * self.GIB])
        assert limited.has_all([self.need()] * 2, [self.need()])
        assert not limited.has_all([self.need()] * 3, [self.need()])
        unknown = self.need(host_bytes=None)
        assert room.has_all([unknown] * 3, [])
        assert not room.has_all([unknown] * 2, [self.need(host_bytes=2 * self.GIB)])

    def test_several_containers_have_an_allowance_each(self, monkeypatch: pytest.MonkeyPatch) -> None:
        boxed = self.room(monkeypatch, 9 * self.GIB, variables={"SAMESTEP_MEMORY": "2g"})
        needs = [self.need(in_container=True, framework=f"jax@{number}") for number in range(8)]
        assert boxed.has_all(needs, [])
        assert not boxed.has_all([*needs, *needs], [])

    def test_several_share_a_gpu_when_all_peaks_fit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        gpu = self.room(monkeypatch, 99 * self.GIB, gpu=10 * self.GIB)
        known = self.need(device_bytes=4 * self.GIB)
        assert gpu.has_all([known, known], [])
        assert not gpu.has_all([known, known], [known])
        assert not gpu.has_all([self.need(), self.need()], [])


def test_slices_of_unequal_members_are_spread_evenly() -> None:
    due = [cycle for cycle in range(40) if groups._is_due(10, cycle, 40)]
    assert len(due) == 10
    assert {right - left for left, right in itertools.pairwise(due)} == {4}


def test_order_is_seeded() -> None:
    items = [(name, number) for name in "abc" for number in range(4)]

    def order(seed: int) -> list[list[tuple[str, int]]]:
        return groups._shuffled_by(items, lambda item: (item[0],), random.Random(seed))

    assert order(1) == order(1) != order(2)
    assert sorted(item for group in order(1) for item in group) == items


class _Noted(list[tuple[str, int]]):
    """A list of events that says when a slice was run."""

    def __init__(self, ran: Callable[[], None]) -> None:
        super().__init__()
        self._ran = ran

    def append(self, event: tuple[str, int]) -> None:
        super().append(event)
        if event[0] == "slice":
            self._ran()


def _parked(launcher: FakeLauncher) -> list[int]:
    """Return how many members were there after each event."""
    now, counts = set(), [0]
    for event, position in launcher.events:
        now.discard(position) if event in ("finish", "kill") else now.add(position)
        counts.append(len(now))
    return counts


class TestVariants:
    """The variants of a cell take turns in one group, whatever the size of the block, and follow one another."""

    NAMES = ("", "1.0", "2.0")
    VARIED = tuple(
        dataclasses.replace(cell, variant=name) for name in NAMES for cell in CELLS if cell.framework == "jax"
    )
    TORCH = tuple(cell for cell in CELLS if cell.framework == "torch")

    def varied(self, tmp_path: Path, cells: tuple[Cell, ...], *, blocks: int = 1) -> ActiveRun:
        active = start(tmp_path, cells, blocks=blocks)
        found = (
            Resolved(framework="jax", name=name, python="3.11", lock="a", sha256="") for name in self.NAMES if name
        )
        return dataclasses.replace(active, facts=dataclasses.replace(active.facts, variants=tuple(found)))

    def groups(self, launcher: FakeLauncher) -> list[set[Cell]]:
        """Return who ran slices between two changes of the group."""
        cell_of = {turn.position: turn.cell for turn in launcher.turns}
        found: list[set[Cell]] = []
        for what, events in itertools.groupby(launcher.events, key=lambda event: event[0] == "slice"):
            if what:
                found.append({cell_of[position] for _, position in events})
        return found

    @pytest.mark.parametrize("most", [4, 5, 7, 16])
    @pytest.mark.parametrize("block", range(3))
    def test_stand_in_one_group(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, block: int) -> None:
        monkeypatch.setattr(groups, "MOST", most)
        cells = (*self.TORCH, *self.VARIED)[block:]  # other orders
        launcher = FakeLauncher(good)

        records = run(self.varied(tmp_path, cells, blocks=3), launcher)

        assert len(records) == 3 * len(cells)
        for mode in MODES:
            together = {cell for cell in cells if (cell.framework, cell.mode) == ("jax", mode)}
            assert sum(together <= group for group in self.groups(launcher)) >= 3  # one in each block
        assert max(_parked(launcher)) <= most

    def test_follow_one_another_in_every_cycle_in_random_order(self, tmp_path: Path) -> None:
        launcher = FakeLauncher(good)
        run(self.varied(tmp_path, (*self.TORCH, *self.VARIED)), launcher)
        cell_of = {turn.position: turn.cell for turn in launcher.turns}
        slices = [cell_of[position] for position in of(launcher, "slice")]

        orders = set()
        for at in range(0, len(slices), 12):
            jax = [cell for cell in slices[at : at + 12] if cell.framework == "jax"]
            for three in (jax[:3], jax[3:6], jax[6:]):
                assert len({cell.mode for cell in three}) == 1
                orders.add(tuple(cell.variant for cell in three))
        assert len(orders) == 6

    def test_start_side_by_side(self, tmp_path: Path) -> None:
        launcher = FakeLauncher(good)
        run(self.varied(tmp_path, (*self.TORCH, *self.VARIED)), launcher)
        started = [(turn.cell.framework, turn.cell.mode) for turn in launcher.turns]
        runs = [(cell, len(list(each))) for cell, each in itertools.groupby(started)]
        assert sorted(runs) == sorted(
            (pair, 3 if pair[0] == "jax" else 1) for pair in itertools.product(("torch", "jax"), MODES)
        )

    def test_are_measured_one_by_one_where_memory_is_for_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Room, "has", lambda self, need, parked: not parked)
        monkeypatch.setattr(Room, "has_all", lambda self, needs, parked: len(needs) == 1 and not parked)
        launcher = FakeLauncher(good)
        assert len(run(self.varied(tmp_path, self.VARIED), launcher)) == 9
        assert max(_parked(launcher)) == 1

    def test_more_baselines_than_seats_do_not_stop_the_run(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(groups, "MOST", 2)
        assert len(run(self.varied(tmp_path, self.VARIED), FakeLauncher(good))) == 9
