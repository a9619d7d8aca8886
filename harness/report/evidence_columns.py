"""The columns of what backs the times: proof of mode, compile cost, reproducibility; see `harness.report.columns`."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

from harness.format import Value, plain, rounded, scientific, significant, whole
from harness.report.columns import CELL, WHO, Column, break_even_hint, break_even_steps, interval_hint
from harness.report.tables.compile import Check, CompileRow, ProofRow, ReproducibilityRow, Start


def _proof(name: str) -> Callable[[ProofRow], Any]:
    return lambda row: getattr(row.proof, name) if row.proof else None


def _evidence(row: ProofRow) -> str:
    return row.proof.evidence if row.proof else ""


def _where_and_what(device: str, precision: str) -> Callable[[ProofRow], Value]:
    def get(row: ProofRow) -> Value:
        told = [_proof(device)(row), _proof(precision)(row)]
        return " ".join(filter(None, told)) or None

    return get


def _used(value: Value) -> str:
    return f"{value:.2f}" if isinstance(value, int | float) else plain(value)


def _reported(row: ProofRow) -> Value:
    return row.proof.threads if row.proof else None


PROOF_COLUMNS: Final[tuple[Column[ProofRow], ...]] = (
    *WHO,
    *CELL,
    Column(
        key="verdict",
        heading="verdict",
        get=attrgetter("verdict"),
        says="“proved” when every replicate that gave a time was read back and nothing below contradicts what was"
        " asked; “invalid” takes the time away and says why.",
    ),
    Column(
        key="mode_found",
        heading="found",
        unit="mode",
        where="wide",
        get=_proof("mode"),
        hint=_evidence,
        says="The mode that the framework was found in, from its own state and counters, not from what was asked. A"
        " mode that fell back is found under another name, which makes the cell invalid. The evidence for each cell is"
        " at its value and in the list below.",
    ),
    Column(
        heading="parameters",
        folds="always",
        get=_where_and_what("device", "precision"),
        says="Device and dtype of the trained parameters, read from them after the timed rounds. Another device or"
        " dtype than the cell's makes it invalid.",
    ),
    Column(key="parameters_device", get=_proof("device")),
    Column(key="parameters_dtype", get=_proof("precision")),
    Column(
        heading="output",
        folds="always",
        get=_where_and_what("output_device", "output_precision"),
        says="Device and dtype of what the last step returned. A step that silently ran elsewhere or in another"
        " precision shows here, and is invalid. Absent where the framework hands out Python numbers.",
    ),
    Column(key="output_device", get=_proof("output_device")),
    Column(key="output_dtype", get=_proof("output_precision")),
    Column(
        key="threads_asked",
        heading="threads",
        unit="asked",
        format=whole,
        folds="always",
        get=attrgetter("threads_asked"),
        says="Threads that every framework was told to use, the same for all.",
    ),
    Column(
        key="threads_reported",
        heading="threads",
        unit="reported",
        format=whole,
        folds="always",
        get=_reported,
        says="Threads of one operation as the framework reports them, or its pool's threads as the kernel lists them."
        " Any other number than was asked for is invalid.",
    ),
    Column(
        key="threads_used",
        heading="threads",
        unit="used",
        format=_used,
        get=attrgetter("threads_used"),
        says="CPU time of the process over wall time during the timed rounds, the highest of the replicates. A tenth"
        " more than was asked for means that a setting did nothing, and is invalid; much less means that the step"
        " waited.",
    ),
    Column(
        key="traces",
        heading="traces",
        format=whole,
        get=_proof("traces"),
        says="How often the step's Python was run to be traced, over the life of the process. More than the step needs"
        " shows a retrace.",
    ),
    Column(
        key="compilations",
        heading="compiled",
        format=whole,
        get=_proof("compilations"),
        says="Traces and compilations over the life of the process, from the framework's own counters.",
    ),
    Column(
        key="compilations_timed",
        heading="compiled",
        unit="in rounds",
        format=whole,
        folds="narrow",
        get=_proof("compilations_timed"),
        says="Those of them that fell into the timed rounds: the counter after them less the counter before. Any at"
        " all is invalid.",
    ),
    Column(
        key="graph_breaks",
        heading="breaks",
        format=whole,
        folds="narrow",
        get=_proof("graph_breaks"),
        says="Places where a compiled step went back to Python, as the compiler counts them. Any that the mode's"
        " sentence does not own up to is invalid.",
    ),
    Column(key="graph_breaks_declared", get=_proof("graph_breaks_declared")),
    Column(
        key="guard_failures",
        heading="guards",
        unit="failed",
        format=whole,
        folds="narrow",
        get=_proof("guard_failures"),
        says="Compilations beyond the first because what was compiled did not fit the next call, such as another"
        " shape. Any at all is invalid.",
    ),
    Column(
        key="graphs",
        heading="graphs",
        format=whole,
        where="wide",
        get=_proof("graphs"),
        says="Compiled graphs or XLA clusters that make up the step. None although the mode compiles means that it ran"
        " without them.",
    ),
    Column(
        key="cuda_graphs",
        heading="CUDA",
        unit="graphs",
        format=whole,
        get=_proof("cuda_graphs"),
        says="CUDA graphs that were recorded, where the mode asks for them.",
    ),
    Column(
        key="cuda_graphs_skipped",
        heading="CUDA graphs",
        unit="skipped",
        where="wide",
        get=_proof("cuda_graphs_skipped"),
        says="Why there are none although the mode asks for them, in the framework's own words.",
    ),
    Column(
        key="matmul_precision",
        heading="matmul",
        unit="precision",
        where="wide",
        folds="always",
        get=_proof("matmul_precision"),
        says="How the framework says it rounds float32 products, in its own words.",
    ),
    Column(
        key="tf32",
        heading="TF32",
        folds="always",
        get=_proof("tf32"),
        says="Whether float32 products may be rounded to TF32. Yes in a float32 cell is invalid.",
    ),
    Column(
        key="deterministic",
        heading="deterministic",
        folds="always",
        where="wide",
        get=_proof("deterministic"),
        says="The framework's switch for deterministic kernels, as it stood. It is left as it comes; the table of"
        " reproducibility says what came of it.",
    ),
    Column(key="evidence", get=_evidence),
)


def _classes(start: Start) -> Value:
    return ", ".join(start.found)


def _counts(start: Start) -> Value:
    counts = (start.hits, start.misses, start.entries)
    return None if all(one is None for one in counts) else " · ".join(whole(one) for one in counts)


def _start_columns(
    state: str, who: Callable[[CompileRow], Start], says: str, excluded: str, counted: str
) -> tuple[Column[CompileRow], ...]:
    """Return the columns of the first steps that met the caches in `state`, "cold" or "warm"."""

    def first_step_ms(row: CompileRow) -> Value:
        first = who(row).first_step_ns
        return first.value / 1e6 if first else None

    def count(row: CompileRow) -> Value:
        first = who(row).first_step_ns
        return first.count if first else 0

    def hint(row: CompileRow) -> str:
        return who(row).why or interval_hint(who(row).first_step_ns, 1e6, "ms")

    return (
        Column(
            key=f"first_step_{state}_ms",
            heading=state,
            unit="ms",
            format=significant,
            get=first_step_ms,
            hint=hint,
            says=says,
        ),
        Column(key=f"{state}_count", heading=state, unit="n", format=whole, where="wide", folds="always", get=count),
        Column(
            key=f"{state}_class",
            heading=state,
            unit="found",
            folds="always",
            get=lambda row: _classes(who(row)),
            says=f"What those processes found, derived from the counters beside it. {excluded} “none”: the mode keeps"
            " nothing that a later process could use.",
        ),
        Column(
            heading=state,
            unit="hit · missed · new",
            where="wide",
            get=lambda row: _counts(who(row)),
            says="Cache hits and misses as the framework counts them, and files that the first step added where every"
            f" cache lies; the highest of the processes. {counted}",
        ),
        Column(key=f"{state}_cache_hits", get=lambda row: who(row).hits),
        Column(key=f"{state}_cache_misses", get=lambda row: who(row).misses),
        Column(key=f"{state}_cache_entries", get=lambda row: who(row).entries),
    )


def _saving_us(row: CompileRow) -> Value:
    return row.saving_ns.value / 1e3 if row.saving_ns else None


def _saving_end(end: str) -> Callable[[CompileRow], Value]:
    def get(row: CompileRow) -> Value:
        interval = row.saving_ns.interval if row.saving_ns else None
        return getattr(interval, end) / 1e3 if interval else None

    return get


def _saving_hint(row: CompileRow) -> str:
    told = interval_hint(row.saving_ns, 1e3, "µs")
    return f"against {row.baseline}, {told}" if told else ""


def _even_columns(state: str, says: str) -> tuple[Column[CompileRow], ...]:
    def found(row: CompileRow) -> Any:
        return getattr(row, f"break_even_{state}")

    def end(name: str) -> Callable[[CompileRow], Value]:
        return lambda row: getattr(getattr(found(row), "interval", None), name, None)

    return (
        Column(
            key=f"break_even_{state}_steps",
            heading="break-even",
            unit=f"{state}, steps",
            format=rounded,
            get=lambda row: break_even_steps(found(row)),
            hint=lambda row: break_even_hint(found(row)),
            says=says,
        ),
        Column(key=f"break_even_{state}_low", get=end("low")),
        Column(key=f"break_even_{state}_high", get=end("high")),
    )


COMPILE_COLUMNS: Final[tuple[Column[CompileRow], ...]] = (
    *WHO,
    *CELL,
    Column(key="baseline", heading="against", where="wide", get=attrgetter("baseline")),
    *_start_columns(
        "cold",
        attrgetter("cold"),
        says="First step of a process whose caches were empty: trace, compile, run, waited for. Of a loop compiled as a"
        " whole it is the whole loop.",
        excluded="A process that found all of it compiled is not in the time.",
        counted="Hits and misses are those of its whole life.",
    ),
    *_start_columns(
        "warm",
        attrgetter("warm"),
        says="The same in a second process, on the caches that the first one left.",
        excluded="A process that compiled everything anew is not in the time.",
        counted="Hits and misses are those of its first step.",
    ),
    Column(
        key="saving_us",
        heading="saving",
        unit="µs a step",
        format=significant,
        get=_saving_us,
        hint=_saving_hint,
        says="What a step takes less than one of the baseline: the mean of the differences within each block.",
    ),
    Column(key="saving_low_us", get=_saving_end("low")),
    Column(key="saving_high_us", get=_saving_end("high")),
    *_even_columns(
        "cold",
        "Steps after which the mode has earned back its dearer first step, from empty caches: Δ first step ÷ saving per"
        " step. “never”: the interval of the saving includes zero, or lies below it.",
    ),
    *_even_columns(
        "warm", "The same when the caches are already there. The baseline's first step is its own cold one."
    ),
)


def _equal(name: str) -> Callable[[ReproducibilityRow], Value]:
    return lambda row: _check(row, name).equal


def _why(name: str) -> Callable[[ReproducibilityRow], str]:
    def hint(row: ReproducibilityRow) -> str:
        check = _check(row, name)
        return f"not checked: {check.why}" if check.why else f"{check.compared} runs compared"

    return hint


def _check(row: ReproducibilityRow, name: str) -> Check:
    found: Check = getattr(row, name)
    return found


def _threads(row: ReproducibilityRow) -> Value:
    return None if row.threads_of_repeat is None else f"{row.threads} and {row.threads_of_repeat}"


def unchecked(row: ReproducibilityRow) -> str:
    """Return what was not compared and why, as one text; empty when all was."""
    checks = {"one process": row.one_process, "processes": row.two_processes, "threads": row.other_threads}
    return "; ".join(f"{name}: {check.why}" for name, check in checks.items() if check.why)


REPRODUCIBILITY_COLUMNS: Final[tuple[Column[ReproducibilityRow], ...]] = (
    *WHO,
    *CELL,
    Column(
        key="one_process",
        heading="equal in",
        unit="one process",
        get=_equal("one_process"),
        hint=_why("one_process"),
        says="The gate's first 20 steps before the timed rounds and the same after them, in every good replicate: one"
        " fingerprint (SHA-256 over the bytes of their losses and of the parameters after them).",
    ),
    Column(
        key="two_processes",
        heading="equal in",
        unit="processes",
        get=_equal("two_processes"),
        hint=_why("two_processes"),
        says="The fingerprints of all good replicates, each a process of its own, with a hash seed of its own.",
    ),
    Column(
        key="processes",
        heading="processes",
        unit="compared",
        format=whole,
        folds="always",
        get=lambda row: row.two_processes.compared or None,
    ),
    Column(
        key="other_threads",
        heading="equal at",
        unit="other threads",
        get=_equal("other_threads"),
        hint=_why("other_threads"),
        says="The fingerprint of a further process with another number of threads, against its replicate's.",
    ),
    Column(heading="threads", unit="compared", folds="always", get=_threads),
    Column(key="threads", get=attrgetter("threads")),
    Column(key="threads_of_repeat", get=attrgetter("threads_of_repeat")),
    Column(
        key="largest_loss_difference",
        heading="losses",
        unit="differ by",
        format=scientific,
        get=attrgetter("largest_loss_difference"),
        says="Where processes differ: the largest difference between their losses of the same step. Zero: only the"
        " trained parameters differ.",
    ),
    Column(key="unchecked", get=unchecked),
)
