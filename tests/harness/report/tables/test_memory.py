"""Figures of memory from readings that are made up, so that every number is known; the table, the words, the charts."""

import dataclasses
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from bench.records.observation import Observation
from bench.records.record import Allocator, Cell, Memory, Moment, Reading, Record
from harness.report import write
from harness.report.charts.all import charts
from harness.report.charts.chart import Chart
from harness.report.charts.memory import Life
from harness.report.charts.parts import parts_of
from harness.report.exporters import markdown
from harness.report.exporters.csv import to_csv
from harness.report.summary import summary
from harness.report.tables.all import tables
from harness.report.view import view
from harness.stats.memory import Figures, figures, growth, slope
from harness.store.samples import Samples, no_samples
from harness.validity.results import Run
from tests.factories import cell, framework, record, run
from tests.harness.report.tables.test_all import read

MIB = 1 << 20
NONE = no_samples()
BEGUN = 1_000_000_000_000  # Unix time of the process's start, ns


def reading(moment: Moment, second: float, rss: float, *, steps: int = 0, **told: Any) -> Reading:
    """A reading `second` s after the start, with `rss` MiB resident; bytes of the allocator are given in MiB."""
    bytes_: dict[str, Any] = {
        name: int(value * MIB) if name.endswith("bytes") else value for name, value in told.items()
    }
    return Reading(
        moment=moment,
        at_ns=int(second * 1e9),
        steps=steps,
        rss_bytes=int(rss * MIB),
        rss_peak_bytes=int((rss + 5) * MIB),
        allocator=Allocator(**bytes_),
        rested_ns=300_000_000 if moment == "device" else 0,
    )


def on_cpu(leak: float = 0.0) -> tuple[Reading, ...]:
    """A process that keeps `leak` MiB in every step."""
    rounds = (reading("round", 3 + n / 10, 140 + leak * 10 * n, steps=10 * n, why="none here") for n in range(20))
    return (
        reading("import", 1, 90),
        reading("device", 1.1, 100, why="none here"),
        reading("build", 1.5, 120, why="none here"),
        reading("first step", 2, 150, why="none here"),
        reading("warm-up", 2.5, 140, why="none here"),
        *rounds,
        reading("deleted", 6, 107, why="none here"),
    )


def on_gpu(grows: float = 0.0) -> tuple[Reading, ...]:
    """A process whose allocator has 100 MiB peak, 160 reserved; each step adds `grows` MiB."""
    rounds = (
        reading("round", 3 + n / 10, 900, steps=10 * n, allocated_bytes=80 + grows * 10 * n, allocated_peak_bytes=100,
                reserved_bytes=160, reserved_peak_bytes=160, device_allocations=7, largest_free_bytes=60)
        for n in range(20)
    )  # fmt: skip
    return (
        reading("import", 1, 500),
        reading("device", 1.1, 800, allocated_bytes=0, reserved_bytes=0, device_allocations=0),
        reading("warm-up", 2.5, 900, allocated_bytes=80, reserved_bytes=160, device_allocations=7),
        *rounds,
        reading("deleted", 6, 900, allocated_bytes=1, reserved_bytes=160),
        reading("emptied", 6.1, 900, allocated_bytes=1, reserved_bytes=2),
    )


SEEN = Observation(
    device_before_bytes=10 * MIB, device_peak_bytes=700 * MIB, device_after_bytes=10 * MIB,
    device_process_peak_bytes=650 * MIB,
)  # fmt: skip
SAMPLES = pd.DataFrame(
    {
        "t_ns": [BEGUN + int(second * 1e9) for second in (0.5, 1.2, 1.3, 3.0)],
        "subject": "torch",
        "value": [float(used * MIB) for used in (10, 440, 450, 700)],
    }
)


def replicate(readings: Sequence[Reading], of: Cell | None = None, **changes: Any) -> Record:
    """A memory replicate with these readings."""
    memory = Memory(
        host_peak_rss_bytes=max(one.rss_peak_bytes or 0 for one in readings),
        own_bytes=MIB,
        readings=tuple(readings),
        unix_offset_ns=BEGUN,
    )
    plain = record(dataclasses.replace(of or cell(), track="memory"), memory=memory, timing=None, started_unix_ns=BEGUN)
    return dataclasses.replace(plain, **changes)


class TestFiguresOnACpu:
    FOUND = figures(replicate(on_cpu()), NONE)

    def test_are_the_resident_sets_after_each_phase(self) -> None:
        found = self.FOUND
        assert (found.import_rss_bytes, found.build_rss_bytes) == (90 * MIB, 120 * MIB)
        assert (found.training_peak_rss_bytes, found.host_peak_rss_bytes) == (155 * MIB, 155 * MIB)
        assert (found.host_residue_bytes, found.own_bytes) == (7 * MIB, MIB)

    def test_have_nothing_of_a_device_and_say_why(self) -> None:
        found = self.FOUND
        assert found.why == "none here"
        of_device = (
            found.context_bytes, found.allocated_peak_bytes, found.reserved_peak_bytes, found.device_peak_bytes,
            found.unexplained_bytes, found.reserved_per_allocated, found.residue_bytes, found.fragmentation,
            found.growth, found.device_allocations_timed, found.emptied_bytes, found.exit_bytes,
        )  # fmt: skip
        assert set(of_device) == {None}

    def test_a_peak_that_the_kernel_did_not_count_anew_is_no_peak_of_the_training(self) -> None:
        blind = tuple(dataclasses.replace(one, rss_peak_bytes=None) for one in on_cpu())
        assert figures(replicate(on_cpu(), memory=Memory(readings=blind)), NONE).training_peak_rss_bytes is None


class TestFiguresOnAGpu:
    FOUND = figures(replicate(on_gpu(), observation=SEEN), SAMPLES)

    def test_context_is_what_the_device_held_while_the_process_rested(self) -> None:
        assert self.FOUND.context_bytes == (450 - 10) * MIB

    def test_outer_peak_less_reserved_less_context_is_unexplained(self) -> None:
        found = self.FOUND
        assert (found.allocated_peak_bytes, found.reserved_peak_bytes) == (100 * MIB, 160 * MIB)
        assert found.device_peak_bytes == 690 * MIB
        assert found.unexplained_bytes == (690 - 160 - 440) * MIB
        assert found.reserved_per_allocated == 1.6

    def test_of_two_lower_bounds_the_larger_counts(self) -> None:
        seen = dataclasses.replace(SEEN, device_process_peak_bytes=695 * MIB)
        assert figures(replicate(on_gpu(), observation=seen), SAMPLES).device_peak_bytes == 695 * MIB

    def test_what_remains_after_the_model_the_cache_and_the_process(self) -> None:
        found = self.FOUND
        assert (found.residue_bytes, found.emptied_bytes, found.exit_bytes) == (MIB, 2 * MIB, 0)

    def test_device_allocations_before_the_rounds_and_in_them(self) -> None:
        assert (self.FOUND.device_allocations_warmup, self.FOUND.device_allocations_timed) == (7, 0)

    def test_fragmentation_is_what_is_free_outside_the_largest_block(self) -> None:
        assert self.FOUND.fragmentation == pytest.approx(1 - 60 / 80)

    def test_what_is_allocated_grows_by_what_a_step_keeps(self) -> None:
        found = figures(replicate(on_gpu(grows=0.5)), NONE).growth
        assert found is not None
        assert found.per_step == found.low == found.high == MIB // 2
        assert found.is_seen

    def test_without_samples_there_is_no_context(self) -> None:
        assert figures(replicate(on_gpu(), observation=SEEN), NONE).context_bytes is None


class TestGrowth:
    def test_of_a_noisy_leak_lies_within_its_interval(self) -> None:
        rng = np.random.default_rng(7)
        hits = 0
        for _ in range(200):
            held = [int(n * 10 * MIB + noise) for n, noise in enumerate(rng.normal(0, 4 * MIB, 20))]
            found = growth(self.rounds(20), held)
            assert found is not None
            hits += found.low <= MIB <= found.high
        assert 180 <= hits <= 199  # 95 % of 200, three standard deviations are 9

    @pytest.mark.parametrize("ties", [False, True])
    def test_slope_and_interval_are_those_of_scipy(self, ties: bool) -> None:
        from scipy.stats import theilslopes

        rng = np.random.default_rng(11)
        for count in (5, 6, 20, 41):
            x = np.cumsum(rng.integers(1, 9, count)).astype(np.float64)
            y = (rng.integers(0, 4 if ties else 10**9, count) * 4096).astype(np.float64)
            theirs = theilslopes(y, x, alpha=0.95)
            assert slope(x, y) == pytest.approx((theirs[0], theirs[2], theirs[3]))

    def test_one_reading_that_is_off_does_not_move_it(self) -> None:
        held = [100 * MIB] * 20
        held[7] += 500 * MIB
        found = growth(self.rounds(20), held)
        assert found is not None
        assert (found.per_step, found.is_seen) == (0, False)

    def test_below_what_the_kernel_may_be_off_by_is_not_seen(self) -> None:
        creeping = [n * 4096 for n in range(20)]  # a page a round, 76 KiB in all
        leaking = [n * 40960 for n in range(20)]
        assert [self.seen(held, 256 << 10) for held in (creeping, leaking)] == [False, True]
        assert self.seen(creeping, 0)

    def test_of_too_few_readings_or_of_one_that_is_missing_is_none(self) -> None:
        assert growth(self.rounds(4), [1, 2, 3, 4]) is None
        assert growth(self.rounds(6), [1, 2, 3, None, 5, 6]) is None

    def seen(self, held: Sequence[int], within: int) -> bool:
        found = growth(self.rounds(len(held)), held, within)
        assert found is not None
        return found.is_seen

    @staticmethod
    def rounds(count: int) -> list[Reading]:
        return [reading("round", n, 0, steps=10 * n) for n in range(count)]


class TestTable:
    def test_takes_the_replicates_for_memory_where_there_are_any(self) -> None:
        timed = record(memory=Memory(host_peak_rss_bytes=999 * MIB, device_allocations_timed=0))
        (row,) = read(tables(run([timed, replicate(on_cpu())])).memory)
        assert (row["host_peak_rss_bytes"], row["import_rss_bytes"]) == (str(155 * MIB), str(90 * MIB))
        assert row["device_allocations_timed"] == "0", "only a timed round can say"

    def test_takes_the_timed_replicates_of_an_older_run(self) -> None:
        (row,) = read(tables(run([record(memory=Memory(host_peak_rss_bytes=7))])).memory)
        assert (row["host_peak_rss_bytes"], row["growth_bytes_per_step"]) == ("7", "")

    def test_has_the_highest_of_its_replicates_and_the_steepest_growth(self) -> None:
        both = [replicate(on_cpu()), replicate(on_cpu(leak=1.0), block=2)]
        (row,) = read(tables(run(both)).memory)
        assert row["training_peak_rss_bytes"] == str((140 + 190 + 5) * MIB)
        assert row["host_growth_bytes_per_step"] == row["host_growth_low_bytes_per_step"] == str(MIB)

    def test_growth_is_told_in_kib_or_as_none(self) -> None:
        for leak, told in ((0.0, "none"), (1.0, "1,020")):
            shown = view(tables(run([replicate(on_cpu(leak))])).memory, wide=False)
            place = [heading.text for heading in shown.values].index("host growth")
            assert shown.rows[0].values[place].text == told

    def test_a_replicate_that_failed_is_a_row_with_its_reason(self) -> None:
        failed = record(cell(track="memory"), status="failed", reason="build: no room")
        (row,) = read(tables(run([record(), failed])).memory)
        assert (row["status"], row["reason"], row["host_peak_rss_bytes"]) == ("failed", "build: no room", "")

    def test_policies_have_rows_of_their_own(self) -> None:
        records = [replicate(on_gpu(), cell(allocator=name)) for name in ("default", "cudaMallocAsync")]
        assert [row["allocator"] for row in read(tables(run(records)).memory)] == ["cudaMallocAsync", "default"]


class TestARunWithoutTimes:
    RUN = run([replicate(on_cpu()), replicate(on_cpu(leak=1.0), cell(mode="compile"))], frameworks=(framework(),))

    def test_shows_its_memory_and_the_evidence_and_nothing_else(self) -> None:
        found = tables(self.RUN)
        assert [table.name for table in found.shown(self.RUN)] == ["proof", "memory"]
        assert [row["verdict"] for row in read(found.proof)] == ["proved", "proved"]
        assert to_csv(found.steps).count("\n") == 1, "the file is there, with its header"

    def test_the_page_the_text_and_the_terminal_have_no_empty_table(self, tmp_path: Path) -> None:
        page = write.write(self.RUN, tmp_path).read_text(encoding="utf-8")
        assert re.findall(r'<section id="(\w+)">', page) == ["memory", "doubts", "proof", "modes", "method", "run"]
        assert "no such records" not in page
        assert 'href="#steps"' not in page
        assert "no such records" not in write.render(self.RUN, "md")
        assert "steps.md" not in markdown.index(self.RUN, tables(self.RUN))
        console = Console(width=80, record=True, quiet=True)
        write.show(self.RUN, console)
        assert "no such records" not in console.export_text()

    def test_says_who_takes_most_and_what_grows(self) -> None:
        said = summary(self.RUN, tables(self.RUN))
        assert said[0] == (
            "Peak memory (resident set): from 155 MiB (Torch eager) to 335 MiB (Torch compile)."
            " Memory grows with every step: Torch compile by 1,020 KiB."
        )
        assert not any("No cell" in sentence for sentence in said)

    def test_a_run_with_times_says_nothing_of_it_in_front(self) -> None:
        whole = run([record(), replicate(on_cpu())])
        assert not any(sentence.startswith("Peak memory") for sentence in summary(whole, tables(whole)))


class TestCharts:
    def drawn(self, records: Sequence[Record], samples: Samples | None = None) -> dict[str, Chart]:
        shown = dataclasses.replace(run(records, frameworks=(framework(),)), samples=samples)
        return {chart.name: chart for chart in charts(shown, tables(shown))}

    def test_parts_of_a_bar_add_up_to_the_peak(self) -> None:
        host = parts_of(figures(replicate(on_cpu()), NONE))
        assert [size // MIB for _, size in host] == [90, 30, 35]
        device = parts_of(figures(replicate(on_gpu(), observation=SEEN), SAMPLES))
        assert [(name, size // MIB) for name, size in device] == [
            ("context", 440), ("allocated", 100), ("reserved, not allocated", 60), ("unexplained", 90),
        ]  # fmt: skip
        assert parts_of(Figures()) == ()

    def test_a_panel_has_its_lines_and_the_marks_are_explained(self, tmp_path: Path) -> None:
        sampled = pd.DataFrame(
            [
                (BEGUN + n * 100_000_000, "process", f"{replicate(on_cpu()).cell.id}#1", "rss_bytes", n * 1e6)
                for n in range(40)
            ],
            columns=["t_ns", "source", "subject", "metric", "value"],
        )
        sampled.to_parquet(tmp_path / "samples.parquet")
        chart = self.drawn([replicate(on_cpu())], Samples(tmp_path))["memory"]
        texts = re.findall(r"<text[^>]*>([^<]*)</text>", chart.svg)
        assert {"Torch", "eager"} <= set(texts)
        assert "Line: resident set, with child processes, sampled from outside." in chart.about
        assert chart.about.endswith("▲ imported, ■ built, ● first step, ◆ last round, ▼ model deleted.")

    def test_without_samples_nothing_is_said_of_a_line(self) -> None:
        chart = self.drawn([replicate(on_cpu())])["memory"]
        assert "Line" not in chart.about
        assert "stroke-dasharray" not in chart.svg

    def test_marks_and_lines_are_of_the_memory_that_the_axis_has(self) -> None:
        """On a GPU nothing is known of its memory at the import: the resident set is no part of it."""
        life = partial(Life, seconds=np.zeros(0), bytes=np.zeros(0), begun_ns=0)
        gpu, cpu = life(cell=cell(device="cuda"), readings=on_gpu()), life(cell=cell(), readings=on_cpu())
        assert gpu.last_reading("import") is None
        assert gpu.last_reading("round") == pytest.approx((4.9, 160 * MIB))
        assert cpu.last_reading("import") == (1, 90 * MIB)
        assert dataclasses.replace(cpu, readings=on_gpu()).last_reading("round") == pytest.approx((4.9, 900 * MIB))

    def test_the_caption_says_what_line_and_marks_are(self) -> None:
        def drawn(readings: Sequence[Reading], device: str) -> Chart:
            shown = run([replicate(readings, cell(device=device))])
            return next(chart for chart in charts(shown, tables(shown)) if chart.name == "memory")

        gpu, cpu = drawn(on_gpu(), "cuda"), drawn(on_cpu(), "cpu")
        assert "Mark: what the framework's allocator had reserved of it, which is less by the context" in gpu.about
        assert "imported" not in gpu.about
        assert "last round" in gpu.about
        assert "Mark: resident set of the process alone" in cpu.about
        assert "imported" in cpu.about

    def test_readings_alone_are_drawn_too(self) -> None:
        assert {"memory", "memory-parts"} <= set(self.drawn([replicate(on_cpu()), replicate(on_gpu(), cell(mode="x"))]))

    def test_nothing_is_drawn_of_nothing(self) -> None:
        assert not {"memory", "memory-parts"} & set(self.drawn([record(cell(track="memory"), status="failed")]))


def test_samples_of_one_metric_are_read(tmp_path: Path) -> None:
    rows = [(1, "nvml", "a", "device_used_bytes", 5.0), (2, "process", "a", "rss_bytes", 6.0)]
    pd.DataFrame(rows, columns=["t_ns", "source", "subject", "metric", "value"]).to_parquet(
        tmp_path / "samples.parquet"
    )
    assert Samples(tmp_path).taken("device_used_bytes").to_dict("records") == [
        {"t_ns": 1, "subject": "a", "value": 5.0}
    ]


def test_a_run_of_nothing_is_a_timed_one() -> None:
    assert Run(facts=run([]).facts, records=()).is_timed
