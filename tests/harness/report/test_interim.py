"""The report of a run that goes on: how far it is, on disk and in the terminal, and what that costs."""

import itertools
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from bench.records.record import Cell, Record
from harness.plan.plan import Plan, make_plan
from harness.report import interim
from harness.report.interim import Interim, sentence
from harness.store.folder import RunFolder, create
from harness.validity.results import load
from tests import factories
from tests.factories import cell, record

CELLS = (cell(), cell(mode="compile"))
BLOCKS = 2
MANY = tuple(cell(mode=f"mode{number}") for number in range(interim.MOST_ROWS + 1))


def plan_of(cells: Iterable[Cell] = CELLS) -> Plan:
    return make_plan(tuple(cells), blocks=BLOCKS, seed=1)


def folder_of(results: Path, records: Iterable[Record], plan: Plan | None = None) -> RunFolder:
    plan = plan or plan_of()
    folder = create(results, "run")
    folder.write_plan(plan)
    offer = factories.framework(modes=dict.fromkeys(cell.mode for cell in plan.cells))
    facts = factories.run_facts(
        profile="look", blocks=BLOCKS, replicates=plan.replicates, wall_s=0.0, frameworks=(offer,)
    )
    folder.write_facts(facts)
    for one in records:
        folder.append(one)
    return folder


def measured(count: int, cells: Iterable[Cell] = CELLS) -> list[Record]:
    """The first `count` replicates, block by block; compile is twice as fast as eager."""
    planned = itertools.product(range(1, BLOCKS + 1), cells)
    return [
        record(of, block=block, round_ns=(100_000 if of.mode == "eager" else 50_000,) * 3)
        for block, of in itertools.islice(planned, count)
    ]


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, "In block 1 of 2, 1 of 4 replicates: each time stands on 1 block."),
        (2, "After block 1 of 2, 2 of 4 replicates: each time stands on 1 block."),
        (3, "After block 1 of 2, 3 of 4 replicates: each time stands on 1 to 2 blocks."),
        (4, "After block 2 of 2, 4 of 4 replicates: each time stands on 2 blocks."),
    ],
)
def test_says_how_many_blocks_stand_behind_it(tmp_path: Path, count: int, expected: str) -> None:
    folder = folder_of(tmp_path, measured(count))
    assert sentence(load(folder), folder.plan()) == expected


def test_a_replicate_that_failed_is_done_and_no_time_stands_on_it(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [record(status="failed", reason="import: no")])
    assert sentence(load(folder), folder.plan()) == "In block 1 of 2, 1 of 4 replicates: no times yet."


def test_after_a_group_the_table_is_shown_and_lies_on_disk(tmp_path: Path) -> None:
    said: list[str] = []
    folder = folder_of(tmp_path, measured(3))
    Interim(folder, said.append).after_group()
    table, where = said
    assert "After block 1 of 2, 3 of 4 replicates" in table
    assert "compile  50.0" in table
    assert where == f"Report so far: {folder.report_path / 'index.html'}"
    page = (folder.report_path / "index.html").read_text(encoding="utf-8")
    assert "After block 1 of 2, 3 of 4 replicates" in page
    assert "the run goes on" in page
    assert "interrupted" not in page
    assert "<svg" not in page.partition("</style>")[2].partition("<table")[0]  # no plots: they take most of a report
    assert "eager" in (folder.report_path / "csv" / "steps.csv").read_text()
    assert not list(folder.report_path.rglob(".*")), "a file that is being written"


def test_a_pair_of_the_block_that_is_being_measured_counts(tmp_path: Path) -> None:
    """Its group is complete, though the block is not."""
    cells = (*CELLS, cell(mode="foreach"))
    said: list[str] = []
    Interim(folder_of(tmp_path, measured(2, cells), plan_of(cells)), said.append).after_group()
    assert "2.00×" in said[0]


def test_runs_side_by_side_are_renewed_on_disk_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_of(tmp_path, measured(3))
    Interim(folder).after_group()
    assert (folder.report_path / "index.html").is_file()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("count", [0, 4])
def test_nothing_is_shown_before_the_first_replicate_and_after_the_last(tmp_path: Path, count: int) -> None:
    said: list[str] = []
    folder = folder_of(tmp_path, measured(count))
    Interim(folder, said.append).after_group()
    assert said == []
    assert not folder.report_path.exists()


def test_a_block_has_ended_when_its_cells_are_timed_and_nothing_follows_the_last_but_its_report(tmp_path: Path) -> None:
    hello, probe = cell(mode="hello", track="idiomatic"), cell(mode="sentinel", track="sentinel")
    plan = make_plan((*CELLS, hello, probe), blocks=BLOCKS, seed=1, hello_blocks=1)
    said: list[str] = []
    folder = folder_of(tmp_path, [record(probe), *measured(2)], plan)
    Interim(folder, said.append).after_group()
    assert "After block 1 of 2, 3 of 8 replicates" in said[0]
    for one in (factories.idiomatic(), record(probe, block=2), *measured(4)[2:]):
        folder.append(one)
    said.clear()
    Interim(folder, said.append).after_group()  # only the closing drift probe is left
    assert said == []


def test_an_interrupted_run_says_so_on_its_page(tmp_path: Path) -> None:
    said: list[str] = []
    folder = folder_of(tmp_path, measured(3))
    Interim(folder, said.append).at_interrupt()
    assert "After block 1 of 2" in said[0]
    assert "interrupted, samestep run --resume " in (folder.report_path / "index.html").read_text()


def test_renewing_takes_at_most_its_share_of_the_time(tmp_path: Path) -> None:
    said: list[str] = []
    now = 0.0

    def renewed(at: float) -> bool:
        nonlocal now
        now = at
        before = len(said)
        going_on.after_group()
        return len(said) > before

    def clock() -> float:  # each renewal takes a second
        nonlocal now
        now += 1.0
        return now - 1.0

    going_on = Interim(folder_of(tmp_path, measured(3)), said.append, clock)
    assert renewed(at=100.0)
    assert not renewed(at=101.0 + 0.9 / interim.SHARE)
    assert renewed(at=101.0 + 1.0 / interim.SHARE)


def test_a_long_table_is_printed_once_a_block(tmp_path: Path) -> None:
    said: list[str] = []
    folder = folder_of(tmp_path, measured(len(MANY) - 1, MANY), plan_of(MANY))

    def renewed() -> list[str]:
        said.clear()
        going_on.after_group()
        return ["table" if "replicates:" in line else "where" for line in said]

    going_on = Interim(folder, said.append, (1000.0**n for n in itertools.count()).__next__)
    assert renewed() == ["table", "where"]  # thirty rows
    folder.append(measured(len(MANY), MANY)[-1])
    assert renewed() == ["table", "where"]  # a block has ended
    folder.append(measured(len(MANY) + 1, MANY)[-1])
    assert renewed() == ["where"]


def test_a_report_that_cannot_be_written_does_not_end_the_run(tmp_path: Path) -> None:
    said: list[str] = []
    folder = folder_of(tmp_path, measured(3))
    folder.report_path.write_text("a file where the folder should be")
    Interim(folder, said.append).after_group()
    (line,) = said
    assert line.startswith("The report so far cannot be written: ")


def test_it_costs_less_than_a_second_for_the_whole_matrix(tmp_path: Path) -> None:
    cells = tuple(
        cell(framework=name, mode=f"mode{n}") for name in ("torch", "jax", "flax", "numpy") for n in range(12)
    )
    plan = make_plan(cells, blocks=3, seed=1)
    records = [record(planned.cell, block=planned.block) for planned in plan.in_order()]
    folder = folder_of(tmp_path, records[:-1], plan)
    begin = time.process_time()  # other programs do not lengthen it
    Interim(folder, lambda line: None).after_group()
    assert time.process_time() - begin < 1.0
