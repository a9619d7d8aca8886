"""Variants: what another version of a framework, or of its packages, changes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Final

from bench.records.record import Cell
from harness.format import NONE, Value, listed, mebibytes, percent, ratio, scientific, shortened, significant
from harness.plan.label import ranks
from harness.report.tables.column import (
    BATCH,
    CELL,
    FRAMEWORK,
    MODE,
    RANKS,
    SHOWN_MODE,
    VARIANT,
    Column,
    extent_span,
    interval_hint,
    narrow_half_width,
    narrow_interval,
    wide_span,
)
from harness.report.tables.table import Table
from harness.report.tables.variant_row import VariantRow
from harness.report.words import FEW, count, labelled
from harness.stats.estimate import WIDE, Estimate
from harness.validity.variants import LOCKED

NAMED: Final = 6  # packages of a variant that a sentence names
WORK: Final = ("workload", "size", "optimizer", "precision", "device", "allocator")


def sentences(rows: Sequence[VariantRow]) -> tuple[str, ...]:
    """Return a sentence for each variant whose steps are told from those of the reference; none where none is.

    A first look, which gives no verdicts, has it in other words: measured slower, not told slower.
    """
    return tuple(
        labelled(f"{said}.", min(len(row.ratios) for row in of if row.told))
        for of in _by_variant(rows)
        if (said := _told(of, varying(rows)))
    )


def _told(rows: Sequence[VariantRow], names: Sequence[str]) -> str:
    """Return in which cells a variant is slower or faster than the reference, or as fast; empty: it is not told."""
    known = [row for row in rows if row.ratio is not None and row.told is not None]
    other = _name(rows[0].framework, rows[0].reference.variant)
    parts = []
    for verdict in ("slower", "faster"):
        of = sorted((row for row in known if row.told == verdict), key=_distance, reverse=True)
        if of:
            named = [f"{where(row.cell, names)}: {_in_words(row.ratio)}" for row in of[:FEW]]
            more = [f"{len(of) - FEW} more"] if len(of) > FEW else []
            parts.append(f"{verdict} than {other} in {', in '.join(named)}{' and in ' + more[0] if more else ''}")
    same = [row for row in known if row.told == "same"]
    if same:
        place = where(same[0].cell, names) if len(same) == 1 else f"{len(same)} of {count(len(known), 'cell')}"
        parts.append(f"as fast as {other} within 1 % in {place}")
    is_judged = any(row.verdict for row in known)  # in a first look none is
    return f"{rows[0].title} {'is told' if is_judged else 'measured'} {'; '.join(parts)}" if parts else ""


def _distance(row: VariantRow) -> float:
    value = row.ratio.value if row.ratio else 1.0
    return max(value, 1 / value)


def _by_variant(rows: Iterable[VariantRow]) -> list[list[VariantRow]]:
    """Return the rows of each variant that is not a reference."""
    groups: dict[str, list[VariantRow]] = {}
    for row in rows:
        if not row.is_reference:
            groups.setdefault(row.cell.framework_id, []).append(row)
    return list(groups.values())


def varying(rows: Iterable[VariantRow]) -> list[str]:
    """Return the fields of a work that a sentence has to name: the workload, and those in which the rows differ."""
    rows = list(rows)
    return [name for name in WORK if name == WORK[0] or len({getattr(row.cell, name) for row in rows}) > 1]


def where(cell: Cell, names: Sequence[str]) -> str:
    """Return the mode and the work of `cell` in words: the values of the fields in `names`, which `varying` returns."""
    work = " ".join(str(getattr(cell, name)) for name in names)
    batch = f" batch {cell.batch}" if cell.batch else ""
    return f"{cell.mode} on {work}{batch}{ranks(cell)}"


def _name(title: str, variant: str) -> str:
    return f"{title}@{variant}" if variant else f"{title} as locked"


def _near(value: Value) -> str:
    """Return a ratio with three decimals where it is near 1, with three digits elsewhere; exactly 1 is 1."""
    if value == 1:
        return "1"
    return ratio(value) if isinstance(value, int | float) and 1 / WIDE < value < WIDE else significant(value)


def _in_words(of: Estimate | None) -> str:
    if of is None:
        return NONE
    return _near(of.value) + (f" ({_near(of.interval.low)} to {_near(of.interval.high)})" if of.interval else "")


def remarks(rows: Sequence[VariantRow]) -> tuple[str, ...]:
    """Return what a reader of these rows needs to know besides their figures."""
    return (*_references(rows), *_packages(rows), *_bits(rows))


def _references(rows: Iterable[VariantRow]) -> Iterator[str]:
    names = dict.fromkeys(_name(row.framework, row.reference.variant) for row in rows)
    if names:
        yield f"Compared with {listed(list(names))}."


def _packages(rows: Iterable[VariantRow]) -> Iterator[str]:
    for title, changed in dict.fromkeys((row.title, row.changed) for row in rows if row.changed):
        shown = [each.replace(" -> ", " → ") for each in changed[:NAMED]]
        more = [count(len(changed) - NAMED, "other package")] if len(changed) > NAMED else []
        yield f"{title} differs from the lock in {listed([*shown, *more])}."


def _bits(rows: Iterable[VariantRow]) -> Iterator[str]:
    """Yield for each variant in how many cells it computes what the reference computes, to the last bit."""
    for of in _by_variant(rows):
        known = [row for row in of if row.bits in ("equal", "differ")]
        differ = [row for row in known if row.bits == "differ"]
        if known:
            names = listed(list(dict.fromkeys(row.cell.mode for row in differ)))
            yield (
                f"{of[0].title} has the bits of {_name(of[0].framework, of[0].reference.variant)} in"
                f" {len(known) - len(differ)} of {count(len(known), 'cell')}{f' (not {names})' if differ else ''}."
            )


def _value(name: str, size: float = 1.0) -> Callable[[VariantRow], Value]:
    get = attrgetter(name)
    return lambda row: known.value / size if (known := get(row)) else None


def _end(name: str, end: str) -> Callable[[VariantRow], Value]:
    get = attrgetter(name)
    return lambda row: getattr(known.interval, end) if (known := get(row)) and known.interval else None


def _ratio(row: VariantRow) -> Value:
    """Return the ratio of the steps; 1 for the reference, as the baseline has it in the table of steps."""
    if row.is_reference:
        return 1 if row.step.step_ns else None
    return row.ratio.value if row.ratio else None


def _interval(name: str) -> Callable[[VariantRow], Value]:
    low, high = _end(name, "low"), _end(name, "high")
    return lambda row: None if low(row) is None else f"{_near(low(row))} – {_near(high(row))}"


def _quotient(
    name: str, heading: str, explanation: str, value: Callable[[VariantRow], Value] | None = None
) -> tuple[Column[VariantRow], ...]:
    """Return the columns of a ratio to the reference: its value, and in the CSV both ends of its interval."""
    get = attrgetter(name)
    return (
        Column(
            key=name,
            heading=heading,
            unit="÷ reference",
            format=_near,
            instead=lambda row: wide_span(get(row)),
            interval=lambda row: narrow_interval(get(row)),
            hint=lambda row: interval_hint(get(row), 1, "times"),
            explanation=explanation,
            get=value or _value(name),
        ),
        Column(key=f"{name}_low", get=_end(name, "low")),
        Column(key=f"{name}_high", get=_end(name, "high")),
    )


VARIANT_COLUMNS: Final[tuple[Column[VariantRow], ...]] = (
    FRAMEWORK,
    Column(heading="framework", kind="name", get=attrgetter("framework")),
    MODE,
    *SHOWN_MODE,
    *CELL,
    BATCH,
    *RANKS,
    Column(heading="variant", kind="context", get=lambda row: row.cell.variant or LOCKED),
    *_quotient(
        "ratio",
        "step",
        "Step ÷ that of the reference variant in the same mode on the same work, paired by block, from neighbouring"
        " time slices where the processes took turns.",
        value=_ratio,
    ),
    Column(heading="95 % interval", unit="step ÷ reference", where="wide", get=_interval("ratio")),
    Column(heading="95 %", unit="±", where="terminal", format=percent, get=lambda row: narrow_half_width(row.ratio)),
    Column(
        key="verdict",
        type="string",
        heading="is",
        format=shortened,
        get=attrgetter("verdict"),
        explanation="As in the table of steps, with Holm's procedure over the rows of this one; from six blocks on.",
    ),
    Column(
        key="step_us",
        heading="step",
        unit="µs",
        format=significant,
        get=_value("step.step_ns", 1e3),
        instead=lambda row: extent_span(row.step.step_ns, 1e3),
        interval=lambda row: narrow_interval(row.step.step_ns, 1e3),
        hint=lambda row: interval_hint(row.step.step_ns, 1e3, "µs"),
    ),
    Column(key="blocks", type="integer", get=lambda row: row.ratio.count if row.ratio else None),
    Column(key="first_step_ms", get=_value("step.first_step_ns", 1e6)),
    *_quotient("first_step_ratio", "first step", "First step ÷ that of the reference, paired by block."),
    Column(
        key="peak_bytes",
        type="integer",
        heading="memory",
        unit="MiB",
        format=mebibytes,
        get=attrgetter("peak_bytes"),
        explanation="Peak resident set of the process; on a GPU the peak that the framework's allocator reserved.",
    ),
    Column(
        key="import_ms",
        heading="import",
        unit="ms",
        format=significant,
        get=_value("import_ns", 1e6),
        hint=lambda row: interval_hint(row.import_ns, 1e6, "ms"),
        explanation="Importing the framework, which other versions of its packages change as well.",
    ),
    Column(key="import_ratio", get=_value("import_ratio")),
    Column(
        key="installed_bytes",
        type="integer",
        heading="installed",
        unit="MiB",
        format=mebibytes,
        get=attrgetter("installed_bytes"),
        explanation="Files of all packages of the environment, without bytecode.",
    ),
    Column(
        key="max_loss_deviation",
        heading="loss",
        unit="max deviation",
        format=scientific,
        get=attrgetter("deviation"),
        explanation="Largest deviation of a loss from the float64 reference, as in the table of accuracy.",
    ),
    Column(
        key="bits",
        type="string",
        heading="bits",
        get=attrgetter("bits"),
        explanation="The losses of the first 20 steps and the parameters after them, against the reference's, by"
        " SHA-256. Not reproducible: the processes of one of the two differ among themselves already.",
    ),
    Column(
        key="loss_difference",
        heading="losses",
        unit="differ by",
        format=scientific,
        where="wide",
        get=attrgetter("loss_difference"),
        explanation="Largest difference between the losses of a step, of the first replicates of both.",
    ),
    Column(key="python", type="string", heading="Python", folds="always", get=lambda row: row.python or None),
    Column(key="changed", type="string", get=lambda row: "; ".join(row.changed) or None),
    Column(key="reference", type="string", get=lambda row: row.reference.variant or LOCKED),
    VARIANT,
)


def table(rows: tuple[VariantRow, ...]) -> Table[VariantRow]:
    """Return the table of variants."""
    return Table(
        name="variants",
        title="Variants",
        about="One framework in several environments: other versions of its packages, a wheel, another Python. Each"
        " mode is compared with the same mode of the reference: the locked environment, or the variant that was named"
        " first.",
        columns=VARIANT_COLUMNS,
        rows=rows,
        is_optional=True,
        is_hole=lambda row: row.step.step_ns is None,
        remarks=remarks(rows),
    )
