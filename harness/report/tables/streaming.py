"""Streaming: what a pipeline feeds, what the step takes, and how long the step waits for data."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, Literal

from bench.records.record import Record
from harness.format import mebibytes, percent, rounded, significant, whole
from harness.report.tables.column import CELL, FRAMEWORK_AND_MODE, VARIANT, Column, context, interval_hint
from harness.report.tables.row import Row, by_cell, head
from harness.report.tables.table import Table, rows_in_words
from harness.stats import streaming
from harness.stats.estimate import Estimate, estimate
from harness.stats.streaming import Figures
from harness.validity.results import Run

Where = Literal["all", "wide"]  # where a column is shown, as in `Column`


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamingRow(Row):
    """One pipeline with one model; times are of one sample."""

    format: str  # in which the data set lies, of `bench.data.FORMATS`; empty: not known
    augments: bool  # False: it gives the samples as they lie in the files
    keeps_order: bool  # False: its samples are compared whatever their order
    replicates: int  # good ones
    pipeline: Estimate | None
    step: Estimate | None
    both: Estimate | None
    cold: Estimate | None
    by_block: Mapping[int, float]  # time of a sample in training, in ns, by block
    by_block_alone: Mapping[int, float]  # of the pipeline alone
    stall: float | None  # median of the replicates, as the following
    pipeline_cpu_ns: float | None
    both_cpu_ns: float | None
    cores: float | None
    memory_bytes: float | None
    memory_kind: str
    first_batch_ns: float | None
    processes: float | None
    threads: float | None
    cpus: str  # that the processes may use
    of_page_cache: float | None
    samples: str  # SHA-256 of the samples of an epoch; empty: not known
    multiset: str  # the same, whatever their order
    why_not_cold: str

    @property
    def per_second(self) -> float | None:
        """Samples a second in training."""
        return rate(self.both)


def rate(sample: Estimate | None) -> float | None:
    """Return samples a second of a time of one sample in ns."""
    return 1e9 / sample.value if sample else None


def streaming_rows(run: Run) -> tuple[StreamingRow, ...]:
    """Return a row for each cell of the track "stream"."""
    return tuple(_row(run, records) for records in by_cell(run, "stream").values())


def _row(run: Run, records: list[Record]) -> StreamingRow:
    good = {each.block: each.streaming for each in records if each.status == "ok" and each.streaming is not None}
    told = next((each.streaming for each in records if each.streaming), None)
    figures = {block: streaming.of(each) for block, each in good.items()}

    def median(value: Callable[[Figures], float | None]) -> float | None:
        known = [found for each in figures.values() if (found := value(each)) is not None]
        return statistics.median(known) if known else None

    def mean(value: Callable[[Figures], float | None]) -> Estimate | None:
        known = _by_block(figures, value)
        return estimate(list(known.values())) if known else None

    return StreamingRow(
        **head(run, records[0].cell, records),
        format=told.format if told else "",
        augments=told.augments if told else True,
        keeps_order=told.ordered if told else True,
        replicates=len(good),
        pipeline=mean(attrgetter("pipeline_ns")),
        step=mean(attrgetter("step_ns")),
        both=mean(attrgetter("both_ns")),
        cold=mean(attrgetter("cold_ns")),
        by_block=_by_block(figures, attrgetter("both_ns")),
        by_block_alone=_by_block(figures, attrgetter("pipeline_ns")),
        stall=median(attrgetter("stall")),
        pipeline_cpu_ns=median(attrgetter("pipeline_cpu_ns")),
        both_cpu_ns=median(attrgetter("both_cpu_ns")),
        cores=median(attrgetter("cores")),
        memory_bytes=median(attrgetter("memory_bytes")),
        memory_kind=" ".join(dict.fromkeys(each.memory_kind for each in figures.values() if each.memory_kind)),
        first_batch_ns=median(attrgetter("first_batch_ns")),
        processes=median(attrgetter("processes")),
        threads=median(attrgetter("threads")),
        cpus=",".join(map(str, sorted({cpu for each in figures.values() for cpu in each.cpus}))),
        of_page_cache=median(attrgetter("of_page_cache")),
        samples=" ".join(dict.fromkeys(each.sha256 for each in good.values())),
        multiset=" ".join(dict.fromkeys(each.multiset for each in good.values())),
        why_not_cold=next((each.why_not_cold for each in figures.values() if each.why_not_cold), ""),
    )


def _by_block(figures: Mapping[int, Figures], value: Callable[[Figures], float | None]) -> dict[int, float]:
    return {block: found for block, each in figures.items() if (found := value(each)) is not None}


def remarks(rows: Iterable[StreamingRow]) -> tuple[str, ...]:
    """Return what a reader of these rows needs to know besides their figures."""
    rows = tuple(rows)
    missing = Counter(row.why_not_cold for row in rows if row.why_not_cold)
    sentences = [
        f"No figure with a cold page cache in {rows_in_words(count)}: {why}." for why, count in missing.items()
    ]
    if plain := [row.cell.mode for row in rows if not row.augments and row.format]:
        sentences.append(f"Without augmentation, as the samples lie in the files: {', '.join(dict.fromkeys(plain))}.")
    if same := _same_samples([row for row in rows if row.samples]):
        sentences.append(same)
    return tuple(sentences)


def _same_samples(rows: Sequence[StreamingRow]) -> str:
    """Return the sentence that all gave the same samples; empty: they did not, or there is none."""
    digests: dict[tuple[str, bool], set[str]] = {}
    orders: dict[tuple[str, bool], set[str]] = {}
    for row in rows:
        of = row.cell.stream, row.augments
        digests.setdefault(of, set()).add(row.multiset)
        if row.keeps_order:
            orders.setdefault(of, set()).add(row.samples)
    if not digests or any(len(found) > 1 for found in (*digests.values(), *orders.values())):
        return ""
    if without := dict.fromkeys(row.cell.mode for row in rows if not row.keeps_order):
        but = (
            f"The same samples from all pipelines, each pixel and label; in an order of its own: {', '.join(without)}."
        )
        return f"{but} All others had the same order (SHA-256)." if orders else but
    return "All pipelines gave the same samples in the same order, each pixel and label (SHA-256)."


def _rate(name: str, heading: str, explanation: str, where: Where = "all") -> tuple[Column[StreamingRow], ...]:
    """Return the columns of one rate: in people's unit, and in the CSV the time of a sample."""
    get = attrgetter(name)

    def hint(row: StreamingRow) -> str:
        known: Estimate | None = get(row)
        return interval_hint(known, 1e3, "µs a sample")

    return (
        Column(
            heading=heading,
            unit="samples/s",
            format=rounded,
            where=where,
            get=lambda row: rate(get(row)),
            hint=hint,
            explanation=explanation,
        ),
        Column(key=f"{name}_sample_ns", get=lambda row: known.value if (known := get(row)) else None),
    )


def _us(name: str) -> Callable[[StreamingRow], float | None]:
    get = attrgetter(name)
    return lambda row: None if get(row) is None else get(row) / 1e3


STREAMING_COLUMNS: Final[tuple[Column[StreamingRow], ...]] = (
    *FRAMEWORK_AND_MODE,
    *CELL,
    *context("stream"),
    Column(key="format", type="string", get=attrgetter("format")),
    *_rate(
        "both",
        "training",
        "Pipeline and step, one after the other, with the page cache warm: take a batch, make the step, wait for it.",
    ),
    Column(
        key="stall",
        heading="waiting",
        format=percent,
        get=attrgetter("stall"),
        explanation="Share of the training's time in which the step had no batch.",
    ),
    *_rate("pipeline", "pipeline alone", "The batches taken and dropped."),
    *_rate("step", "step alone", "The step on one batch that is held."),
    *_rate(
        "cold",
        "training, cold",
        "Once the kernel has dropped these files from its page cache; only where as many bytes were read from the"
        " device as were consumed. The host of a virtual machine may still have them in memory.",
        "wide",
    ),
    Column(
        key="both_cpu_sample_us",
        heading="CPU",
        unit="µs/sample",
        format=significant,
        get=_us("both_cpu_ns"),
        explanation="Processor time of all threads of all processes in training, for one sample.",
    ),
    Column(
        key="pipeline_cpu_sample_us",
        heading="CPU, pipeline",
        unit="µs/sample",
        format=significant,
        where="wide",
        get=_us("pipeline_cpu_ns"),
    ),
    Column(key="cores", heading="cores", format=significant, where="wide", get=attrgetter("cores")),
    Column(
        key="memory_bytes",
        heading="memory",
        unit="MiB",
        format=mebibytes,
        get=attrgetter("memory_bytes"),
        explanation="The most that all processes held together; pages that several share count once (PSS) where the"
        " kernel says it.",
    ),
    Column(key="memory_kind", type="string", get=lambda row: row.memory_kind or None),
    Column(
        key="first_batch_ms",
        heading="first batch",
        unit="ms",
        format=significant,
        where="wide",
        get=lambda row: None if row.first_batch_ns is None else row.first_batch_ns / 1e6,
        explanation="Of the first epoch: workers start, graphs are traced.",
    ),
    Column(key="processes", heading="processes", format=rounded, where="wide", get=attrgetter("processes")),
    Column(key="threads", heading="threads", format=rounded, where="wide", get=attrgetter("threads")),
    Column(
        key="stream_cpus",
        type="string",
        heading="on CPU",
        kind="text",
        where="wide",
        folds="always",
        get=attrgetter("cpus"),
    ),
    Column(
        key="of_page_cache",
        heading="of page cache",
        format=percent,
        where="wide",
        get=attrgetter("of_page_cache"),
        explanation="Bytes a second of the pipeline alone ÷ those of plain reading of the same files by one thread.",
    ),
    Column(key="samples_sha256", type="string", get=lambda row: row.samples or None),
    Column(
        key="stream_replicates",
        type="integer",
        heading="replicates",
        format=whole,
        where="wide",
        get=attrgetter("replicates"),
    ),
    VARIANT,
)


def table(rows: tuple[StreamingRow, ...]) -> Table[StreamingRow]:
    """Return the table of streamed input."""
    return Table(
        name="streaming",
        title="Streamed input",
        about="Training that takes its batches from a pipeline: how many samples a second, and how long the step waits"
        " for them. Each mode is a pipeline of the framework; its name opens with where the data lie.",
        columns=STREAMING_COLUMNS,
        rows=rows,
        is_optional=True,
        is_timed=False,
        is_hole=lambda row: row.both is None and row.pipeline is None,
        remarks=remarks(rows),
    )
