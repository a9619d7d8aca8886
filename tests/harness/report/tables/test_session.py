"""What the report says of a session's noise, and what that noise does to verdicts."""

import csv
import dataclasses
import io

import pytest
from rich.console import Console

from bench.records.record import Record
from harness.report import write
from harness.report.exporters import markdown
from harness.report.exporters.csv import to_csv
from harness.report.exporters.html import page
from harness.report.summary import summary
from harness.report.tables.all import Tables, tables
from harness.report.tables.steps import StepRow
from harness.report.view import view
from harness.validity.results import Run
from tests.factories import cell, record, run
from tests.harness.report.example import example
from tests.harness.validity.test_drift import sentinels
from tests.harness.validity.test_noise_floor import session

EAGER, COMPILE = cell(), cell(mode="compile")
QUIET = (1.001, 0.999) * 3


def pair(ratio: float, blocks: int = 6) -> list[Record]:
    """Eager, and compile in `ratio` of its time, give or take 0.1 %."""
    found = []
    for block in range(1, blocks + 1):
        found.append(record(EAGER, block=block, round_ns=(100_000_000,) * 5))
        off = 1 + (0.001 if block % 2 else -0.001)
        found.append(record(COMPILE, block=block, round_ns=(round(100_000_000 * ratio * off),) * 5))
    return found


def noisy(*ratios: float) -> list[Record]:
    """The second label alone, of a session whose first is eager."""
    return [
        dataclasses.replace(one, timing=dataclasses.replace(one.timing, round_ns=(round(1e8 * ratio),) * 5))
        for one, ratio in zip(session(*ratios)[1::2], ratios, strict=True)
        if one.timing
    ]


def compiled(found: Tables) -> StepRow:
    return next(row for row in found.steps.rows if row.cell == COMPILE)


def read(found: Tables) -> list[dict[str, str]]:
    return list(csv.DictReader(to_csv(found.session).splitlines()))


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(0.9, "faster"), (1.1, "slower"), (1.0, "same"), (0.99, "undetermined")]
)
def test_a_mode_is_judged_against_its_baseline(ratio: float, verdict: str) -> None:
    found = tables(run([*pair(ratio), *noisy(*QUIET)]))
    assert compiled(found).verdict == verdict
    assert [row.verdict for row in found.steps.rows if row.is_baseline] == [None]
    assert to_csv(found.steps).splitlines()[-1].split(",")[-9] == verdict


def test_nothing_within_the_floor_of_the_session_is_faster() -> None:
    made = run([*pair(0.9), *noisy(*(1.12, 0.88) * 3)])
    found = tables(made)
    assert compiled(found).verdict == "undetermined"
    assert "which this run cannot distinguish" in summary(made, found)[0]
    quiet = run([*pair(0.9), *noisy(*QUIET)])
    assert summary(quiet, tables(quiet))[0].startswith("The fastest step: Torch compile")


def test_the_steps_say_what_a_verdict_takes() -> None:
    (said,) = tables(run([*pair(0.9), *noisy(*[1.05] * 6)])).steps.remarks
    assert said == (
        "A verdict requires a difference of more than ±5 %, the noise floor: Torch eager under two labels (A/A control)"
        " gave a ratio of 1.050, interval 1.050 to 1.050."
    )
    (said,) = tables(run(pair(0.9))).steps.remarks
    assert said == "Without times of an A/A control, a verdict requires a difference of more than 1 %."


@pytest.mark.parametrize("facts", [{"profile": "quick", "blocks": 6}, {"blocks": 3}])
def test_a_first_look_has_no_verdict_and_says_so(facts: dict[str, object]) -> None:
    found = tables(run([*pair(0.5), *noisy(*QUIET)], **facts))
    assert {row.verdict for row in found.steps.rows} == {None}
    assert found.steps.remarks == (f"{facts['blocks']} blocks are a first look: no verdicts.",)
    assert "verdict" not in [heading.text for heading in view(found.steps, wide=True).values]


def test_a_block_that_was_interrupted_counts_for_steps_and_not_for_comparisons() -> None:
    *whole, _ = pair(0.9, blocks=7)  # compile is missing in block 7
    odd = record(EAGER, block=7, round_ns=(400_000_000,) * 5)
    found = tables(dataclasses.replace(run([*whole[:-1], odd, *noisy(*QUIET)]), incomplete=(7,)))
    eager = next(row for row in found.steps.rows if row.cell == EAGER)
    assert (eager.replicates, sorted(eager.paired)) == (7, [1, 2, 3, 4, 5, 6])
    assert eager.step_ns is not None
    assert eager.step_ns.value > 100_000_000
    assert compiled(found).verdict == "faster"
    assert found.steps.remarks[-1] == "Block 7 is not complete: used for the times, left out of all comparisons."


def test_an_invalid_cell_is_not_judged() -> None:
    first, *others = pair(0.5)
    found = tables(run([dataclasses.replace(first, status="invalid", reason="it was wrong"), *others]))
    assert compiled(found).verdict is None


def test_spreads_and_the_shape_of_the_rounds_are_in_the_csv() -> None:
    rounds = (100, 99, 101, 100, 102)  # median 100, deviations 0 1 1 0 2: their median 1
    records = [record(EAGER, block=block, round_ns=tuple(one * block for one in rounds)) for block in (1, 2)]
    (row,) = csv.DictReader(to_csv(tables(run(records)).steps).splitlines())
    assert float(row["spread_within"]) == pytest.approx(0.014826)
    assert float(row["spread_between"]) == pytest.approx(0.4901, abs=1e-4)  # ln 2 / √2
    assert row["rounds_shape"] == "flat"


def test_the_session_s_table_has_the_pair_and_each_probe() -> None:
    records = [*pair(0.9), *noisy(*[1.05] * 6), *sentinels((100, 500), (103, 450), (103, 450))]
    twin, launch, product = read(tables(run(records)))
    assert (twin["figure"], twin["mode"], twin["count"], twin["ratio"]) == ("A/A", "eager", "6", "1.05")
    assert float(twin["floor"]) == pytest.approx(0.05)
    assert (launch["figure"], launch["kind"], launch["count"], launch["floor"]) == ("sentinel", "launch", "3", "")
    assert launch["largest_drift_block"] == "1"
    assert float(launch["largest_drift"]) == pytest.approx(0.03)
    assert float(product["largest_drift"]) == pytest.approx(-0.1)


def test_a_sentinel_that_failed_is_a_row_with_its_reason() -> None:
    (lost, *_) = sentinels((100,), status="failed", reason="device: no driver")
    found = tables(run([dataclasses.replace(lost, limits=())])).session
    (row,) = csv.DictReader(to_csv(found).splitlines())
    assert (row["status"], row["reason"], row["kind"]) == ("failed", "device: no driver", "")
    assert "device: no driver" in markdown.section(view(found, wide=True))


def test_the_twin_is_in_no_other_table() -> None:
    with_it, without = tables(run([*pair(0.9), *noisy(*QUIET)])), tables(run(pair(0.9)))
    others = [table.name for table in with_it if table.name != "session"]
    assert [to_csv(getattr(with_it, name)) for name in others] == [to_csv(getattr(without, name)) for name in others]


def printed(shown: Run) -> str:
    written = io.StringIO()
    write.show(shown, Console(file=written, width=80))
    return written.getvalue()


def test_it_fits_a_terminal_and_stands_on_the_page() -> None:
    text = printed(example())
    lines = text[text.index("Session. ") :].splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    with_it = run([*pair(0.9), *noisy(*QUIET)])
    assert 'id="t-session"' in page(with_it, tables(with_it))
    assert 'id="t-session"' not in page(run(pair(0.9)), tables(run(pair(0.9))))
