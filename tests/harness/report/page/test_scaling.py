"""What the page and the terminal say of a run of data-parallel steps."""

import re

from harness.report import interim, overview
from harness.report.exporters.html import page
from harness.report.page.doubts import doubts
from harness.report.page.opening import answers, opening
from harness.report.summary import accuracy_sentence, skipped_sentence, summary
from harness.report.tables.all import tables
from tests.factories import accuracy, cell, framework, parallel, ranked, record, run, strategy
from tests.harness.report.scaled import scaled_run

RUN = scaled_run()
TORCH = framework(title="PyTorch", strategies=(strategy(),))
REASON = "rank 1 ended with SIGKILL in the timed rounds"
BROKEN = run(
    [ranked(1), ranked(2, status="failed", reason=REASON, parallel=None), record(cell(workload="mlp", size="S"))],
    frameworks=(TORCH,),
)


def test_the_section_comes_first_and_only_where_there_are_such_steps() -> None:
    shown = page(RUN, tables(RUN))
    places = [shown.index(f'<section id="{name}"') for name in ("scaling", "overview", "steps")]
    assert places == sorted(places)
    assert re.search(r'<figure data-chart="([^"]*)"', shown)[1] == "scaling"  # type: ignore[index]
    assert '<a href="#scaling"><b>What do more ranks bring?</b>' in shown
    plain = run([record()])
    assert '<section id="scaling">' not in page(plain, tables(plain))


def test_the_strategies_of_the_run_are_explained() -> None:
    assert "what ddp-compile does" in page(RUN, tables(RUN))


def test_the_page_opens_with_the_efficiency_and_the_plain_steps_follow() -> None:
    computed = tables(RUN)
    top = opening(RUN, computed, overview.cells(RUN, computed), "").top
    assert top[0].startswith("Scaling efficiency over 2 ranks: strong from ")
    assert top[1].startswith("The shortest steps: PyTorch compile on mlp S with 90")
    assert not any("ddp" in sentence for sentence in top[1:])


def test_the_questions_have_its_answer() -> None:
    computed = tables(RUN)
    said = answers(overview.cells(RUN, computed), computed.scaling.rows)
    assert re.fullmatch(r"efficiency from 0\.38\d to 0\.98\d", said["scaling"])
    assert said["doubts"] == "2 of 32 with a warning"


def test_the_overview_compares_plain_steps_alone() -> None:
    assert {each.mode for each in overview.cells(RUN, tables(RUN))} == {"eager", "compile", "function", "jit"}


def test_a_rank_that_died_is_among_what_not_to_trust() -> None:
    computed = tables(BROKEN)
    cells = (*overview.cells(BROKEN, computed), *overview.parallel_cells(computed))
    (entry,) = doubts(BROKEN, computed, cells).without
    assert (entry.status, entry.reason, entry.names) == ("failed", REASON, "PyTorch ddp, 2 ranks, strong")
    assert f"Not ranked: PyTorch ddp, 2 ranks, strong (failed): {REASON}." in summary(BROKEN, computed)
    assert REASON in page(BROKEN, computed)


def test_what_was_skipped_names_the_table_with_the_reason() -> None:
    skipped = ranked(2, status="skipped", reason="gloo is missing", parallel=None)
    alone, both = run([skipped]), run([skipped, record(status="skipped", reason="no")])
    assert skipped_sentence(tables(alone)).startswith("Skipped, with the reason below the table of scaling: ")
    assert skipped_sentence(tables(both)).startswith("Skipped, with the reason below their tables: ")


def test_a_run_of_which_only_such_steps_have_a_time_has_a_time() -> None:
    failed = record(cell(workload="mlp", size="S"), status="failed", reason="x")
    assert "No cell of this run has a time." not in summary(run([failed, ranked(1)]), tables(run([failed, ranked(1)])))


def test_weak_scaling_has_other_inputs_than_the_plain_step_and_that_is_no_fault() -> None:
    other = accuracy(data_sha256="1" * 64, init_sha256="2" * 64)
    plain, strong = record(cell(workload="mlp", size="S")), ranked(2)
    weak = ranked(2, "weak", accuracy=other, parallel=parallel(2, "weak"))
    assert "from the same data" in accuracy_sentence(tables(run([plain, strong, weak])))
    wrong = ranked(2, accuracy=other)
    assert "NOT from the same bytes" in accuracy_sentence(tables(run([plain, wrong])))


def test_a_run_that_goes_on_prints_both_tables() -> None:
    said = interim.text(tables(RUN), "After block 1.")
    assert "efficiency" in said
    assert "first" in said
    assert said.index("shard-map") < said.index("jit ")
