"""What the tables say of replicates that were run again, and of a block that was interrupted."""

import dataclasses

import pytest

from bench.records.record import Cell, Record
from harness.report.exporters import markdown
from harness.report.exporters.html import page
from harness.report.tables.all import tables
from harness.report.view import view
from harness.stats.flags import Flag
from harness.validity.results import Run
from harness.validity.validity import judged
from tests import factories
from tests.factories import again, cell, record

EAGER, COMPILE = cell(), cell(mode="compile")
POWER = Flag(name="POWER", letter="P", sentence="the power cap was reached")


def timed(of: Cell, block: int, step_ns: int) -> Record:
    return record(of, block=block, round_ns=(step_ns,) * 3)


def judged_run(records: list[Record]) -> Run:
    found = judged(records, factories.run_facts())
    run = factories.run(found.records)
    return dataclasses.replace(run, replaced=found.replaced, warnings=found.warnings)


def test_a_replicate_that_was_run_again_is_counted_flagged_and_told() -> None:
    wrong = record(block=2, status="invalid", reason="another process ran on the GPU.")
    run = judged_run([record(), wrong, again(wrong)])

    found = tables(run)
    text = markdown.section(view(found.steps, wide=True))

    (row,) = found.steps.rows
    assert (row.status, row.replicates, row.replaced) == ("ok", 2, 1)
    assert "| 2 (+1 invalid) |" in text
    assert "| B R |" in text
    assert "- **R** RERUN: some replicate was invalid" in text
    assert "no longer invalid: torch eager regression adam, block 2 (another process ran on the GPU)." in text
    assert "2 (+1 invalid)" in page(run, found)


class TestForms:
    """A workload that runs in each framework's own best form."""

    RUN = factories.run(
        [timed(cell(framework=name, workload="transformer"), 1, 1000) for name in ("torch", "tensorflow", "lightning")],
        frameworks=(
            factories.framework("torch", forms=(("transformer", "its own attention"),)),
            factories.framework("lightning", forms=(("transformer", "its own attention"),)),
            factories.framework("tensorflow", forms=(("transformer", "separate operations"), ("mlp", "another"))),
        ),
    )

    def test_each_row_states_its_form(self) -> None:
        found = tables(self.RUN).steps
        assert {row.title: row.form for row in found.rows} == {
            "Torch": "its own attention",
            "Lightning": "its own attention",
            "Tensorflow": "separate operations",
        }
        assert "| separate operations |" in markdown.section(view(found, wide=True))

    def test_a_sentence_says_it_where_there_is_no_column(self) -> None:
        assert view(tables(self.RUN).steps, wide=False).remarks[0] == (
            "transformer runs in each framework's own form: its own attention in Torch and Lightning;"
            " separate operations in Tensorflow."
        )

    def test_nothing_is_said_of_a_workload_that_all_run_alike(self) -> None:
        found = view(tables(factories.run([timed(EAGER, 1, 1000)])).steps, wide=True)
        assert "form" not in [heading.text for heading in found.values]
        assert not any("own form" in remark for remark in found.remarks)


def test_one_that_stayed_invalid_is_struck_with_both_reasons_in_every_table() -> None:
    wrong = record(status="invalid", reason="it fell back")
    run = judged_run([wrong, again(wrong, status="invalid", reason="it fell back")])
    found = tables(run)
    shown = [view(found.steps, wide=True), view(found.accuracy, wide=True), view(found.proof, wide=True)]
    for one in (*shown, view(found.reproducibility, wide=True), view(found.memory, wide=True)):
        (row,) = one.rows
        assert row.is_struck
        assert row.note == "invalid: it fell back (twice)"
    (cleared,) = found.steps.rows
    assert (cleared.step_ns, cleared.flags) == (None, ())
    assert "no longer invalid" not in markdown.section(view(found.steps, wide=True))


def test_a_warning_of_the_machine_stands_at_the_figure_and_in_the_legend() -> None:
    run = dataclasses.replace(factories.run([timed(EAGER, 1, 100)]), warnings={EAGER: (POWER,)})
    text = markdown.section(view(tables(run).steps, wide=True))
    assert "| B P |" in text
    assert "- **P** POWER: the power cap was reached" in text


def test_an_interrupted_block_counts_in_the_estimate_and_is_compared_with_nothing() -> None:
    records = [timed(of, block, ns) for block in (1, 2) for of, ns in ((EAGER, 200), (COMPILE, 100))]
    extra = [timed(EAGER, 3, 1600), timed(COMPILE, 3, 100)]  # of a third mode block 3 has no replicate
    run = dataclasses.replace(factories.run([*records, *extra]), incomplete=(3,))

    eager, fast = tables(run).steps.rows

    assert eager.step_ns is not None
    assert eager.step_ns.value == pytest.approx((200 * 200 * 1600) ** (1 / 3))
    assert eager.replicates == 3
    assert fast.speedup is not None
    assert fast.speedup.value == pytest.approx(2)
    assert fast.speedup.count == 2
    assert "Block 3 is not complete: used for the times, left out of all comparisons." in (
        view(tables(run).steps, wide=False).remarks
    )


def test_one_replicate_is_too_few_for_an_interval_and_the_table_says_so() -> None:
    alone = tables(factories.run([timed(EAGER, 1, 100)])).steps
    assert (
        "No interval, because it needs two replicates: torch eager regression adam." in view(alone, wide=False).remarks
    )
    two = tables(factories.run([timed(EAGER, block, 100) for block in (1, 2)])).steps
    assert not any("No interval" in remark for remark in view(two, wide=False).remarks)
