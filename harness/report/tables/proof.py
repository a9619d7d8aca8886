"""Proof of mode: what each framework really ran, read back from it after the timed rounds."""

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, Literal

from bench.records.record import ModeProof, Record
from harness.format import Value, plain, whole
from harness.report.tables.column import BATCH, CELL, FRAMEWORK_AND_MODE, RANKS, VARIANT, Column
from harness.report.tables.row import Row, by_cell, good_timings, head
from harness.report.tables.table import Table
from harness.stats import estimate
from harness.validity.results import Run

Verdict = Literal["proved", "invalid", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRow(Row):
    """What was read back from the framework after the timed rounds."""

    proof: ModeProof | None  # None: no replicate ran far enough to give one
    threads_asked: int | None
    threads_used: float | None  # CPU time over wall time of the timed rounds, the highest of the replicates
    verdict: Verdict  # empty: there is no time, so there is nothing to prove


def proof_rows(run: Run) -> tuple[ProofRow, ...]:
    """Return a row for each timed cell; for a run without times, for each cell of the memory track."""
    rows = []
    for cell, records in (by_cell(run, "identical") or by_cell(run, "memory")).items():
        begins = head(run, cell, records)
        used = [estimate.threads_used(record.timing) for record in records if record.timing is not None]
        requested = {record.environment.threads for record in records if record.environment is not None}
        good = bool(good_timings(records)) or any(
            record.status == "ok" for record in records if record.cell.track == "memory"
        )
        rows.append(
            ProofRow(
                **begins,
                proof=_merged(records),
                threads_asked=max(requested, default=None),
                threads_used=max((threads for threads in used if threads is not None), default=None),
                verdict="invalid" if begins["status"] == "invalid" else "proved" if good else "",
            )
        )
    return tuple(rows)


def _merged(records: Iterable[Record]) -> ModeProof | None:
    """Return the highest counts and the distinct texts of all proofs, with the evidence of the worst replicate."""
    worst_first = sorted(records, key=lambda record: record.status != "invalid")
    proofs = [record.proof for record in worst_first if record.proof is not None]
    if not proofs:
        return None
    names = [field.name for field in dataclasses.fields(ModeProof)]
    combined: dict[str, Any] = {name: _combined([getattr(proof, name) for proof in proofs]) for name in names}
    return ModeProof(**{**combined, "evidence": proofs[0].evidence})


def _combined(values: Iterable[Any]) -> Any:
    known = [value for value in values if value is not None]
    if not known:
        return None
    return ", ".join(dict.fromkeys(filter(None, known))) if isinstance(known[0], str) else max(known)


def _proof(name: str) -> Callable[[ProofRow], Any]:
    return lambda row: getattr(row.proof, name) if row.proof else None


def _evidence(row: ProofRow) -> str:
    return row.proof.evidence if row.proof else ""


def _device_and_precision(device: str, precision: str) -> Callable[[ProofRow], Value]:
    def get(row: ProofRow) -> Value:
        texts = [_proof(device)(row), _proof(precision)(row)]
        return " ".join(filter(None, texts)) or None

    return get


def _used(value: Value) -> str:
    return f"{value:.2f}" if isinstance(value, int | float) else plain(value)


def _reported(row: ProofRow) -> Value:
    return row.proof.threads if row.proof else None


PROOF_COLUMNS: Final[tuple[Column[ProofRow], ...]] = (
    *FRAMEWORK_AND_MODE,
    *CELL,
    Column(
        key="verdict",
        type="string",
        heading="verdict",
        get=attrgetter("verdict"),
        explanation="“proved”: every replicate with a time was read back, and no column contradicts what was"
        " requested. “invalid”: the cell has no time, and its reason is given.",
    ),
    Column(
        key="mode_found",
        type="string",
        heading="mode",
        unit="read back",
        where="wide",
        get=_proof("mode"),
        hint=_evidence,
        explanation="The mode that the framework really ran, read from its own state and counters. When a mode falls"
        " back, this is another mode, and the cell is invalid. The list below has the evidence for each cell.",
    ),
    Column(
        heading="parameters",
        folds="always",
        get=_device_and_precision("device", "precision"),
        explanation="Device and dtype of the trained parameters, read from them after the timed rounds. If one differs"
        " from the cell's, the cell is invalid.",
    ),
    Column(key="parameters_device", type="string", get=_proof("device")),
    Column(key="parameters_dtype", type="string", get=_proof("precision")),
    Column(
        heading="output",
        folds="always",
        get=_device_and_precision("output_device", "output_precision"),
        explanation="Device and dtype of what the last step returned. A step that ran on another device or in another"
        " precision is visible here, and its cell is invalid. Absent when the framework returns Python numbers.",
    ),
    Column(key="output_device", type="string", get=_proof("output_device")),
    Column(key="output_dtype", type="string", get=_proof("output_precision")),
    Column(
        key="threads_asked",
        type="integer",
        heading="threads",
        unit="requested",
        format=whole,
        folds="always",
        get=attrgetter("threads_asked"),
        explanation="Number of threads that every framework was set to use; the same for all.",
    ),
    Column(
        key="threads_reported",
        type="integer",
        heading="threads",
        unit="reported",
        format=whole,
        folds="always",
        get=_reported,
        explanation="Threads of one operation as the framework reports them, or the threads of its pool as the kernel"
        " lists them. If the number differs from the requested one, the cell is invalid.",
    ),
    Column(
        key="threads_used",
        heading="threads",
        unit="used",
        format=_used,
        get=attrgetter("threads_used"),
        explanation="CPU time of the process divided by wall time, during the timed rounds; the highest of the"
        " replicates. If it exceeds the requested number by more than 10 %, the setting had no effect and the cell is"
        " invalid. If it is far below, the step waited.",
    ),
    Column(
        key="traces",
        type="integer",
        heading="traces",
        format=whole,
        get=_proof("traces"),
        explanation="How often the Python code of the step was traced, over the life of the process. More traces than"
        " the step needs mean a retrace.",
    ),
    Column(
        key="compilations",
        type="integer",
        heading="compiled",
        format=whole,
        get=_proof("compilations"),
        explanation="Traces and compilations over the life of the process, from the framework's own counters.",
    ),
    Column(
        key="compilations_timed",
        type="integer",
        heading="compiled",
        unit="in rounds",
        format=whole,
        folds="narrow",
        get=_proof("compilations_timed"),
        explanation="Traces and compilations during the timed rounds: the counter after them minus the counter before."
        " If there is any, the cell is invalid.",
    ),
    Column(
        key="graph_breaks",
        type="integer",
        heading="breaks",
        format=whole,
        folds="narrow",
        get=_proof("graph_breaks"),
        explanation="Places where a compiled step returned to Python, as the compiler counts them. If there is one"
        " that the mode does not declare, the cell is invalid.",
    ),
    Column(key="graph_breaks_declared", type="integer", get=_proof("graph_breaks_declared")),
    Column(
        key="guard_failures",
        type="integer",
        heading="guards",
        unit="failed",
        format=whole,
        folds="narrow",
        get=_proof("guard_failures"),
        explanation="Further compilations because the compiled code did not fit the next call, for example for another"
        " shape. If there is any, the cell is invalid.",
    ),
    Column(
        key="graphs",
        type="integer",
        heading="graphs",
        format=whole,
        where="wide",
        get=_proof("graphs"),
        explanation="Compiled graphs or XLA clusters in the step. If the mode compiles and there are none, the step ran"
        " uncompiled.",
    ),
    Column(
        key="cuda_graphs",
        type="integer",
        heading="CUDA",
        unit="graphs",
        format=whole,
        get=_proof("cuda_graphs"),
        explanation="CUDA graphs that were recorded, for a mode that uses them.",
    ),
    Column(
        key="cuda_graphs_skipped",
        type="string",
        heading="CUDA graphs",
        unit="skipped",
        where="wide",
        get=_proof("cuda_graphs_skipped"),
        explanation="Why there are none in a mode that uses them, in the framework's own words.",
    ),
    Column(
        key="matmul_precision",
        type="string",
        heading="matmul",
        unit="precision",
        where="wide",
        folds="always",
        get=_proof("matmul_precision"),
        explanation="How the framework rounds float32 matrix products, in its own words.",
    ),
    Column(
        key="tf32",
        type="boolean",
        heading="TF32",
        folds="always",
        get=_proof("tf32"),
        explanation="Whether float32 matrix products may be rounded to TF32. If yes in a float32 cell, the cell is"
        " invalid.",
    ),
    Column(
        key="deterministic",
        type="boolean",
        heading="deterministic",
        folds="always",
        where="wide",
        get=_proof("deterministic"),
        explanation="The framework's switch for deterministic kernels. The suite leaves the default; the table of"
        " reproducibility shows the effect.",
    ),
    Column(key="evidence", type="string", get=_evidence),
    BATCH,
    *RANKS,
    VARIANT,
)


def table(rows: tuple[ProofRow, ...]) -> Table[ProofRow]:
    """Return the table of the proof of mode."""
    return Table(
        name="proof",
        title="Proof of mode",
        about="What each framework really ran, read back from it after the timed rounds. Counts are the highest of the"
        " replicates. A dash: the mode or the framework does not have this.",
        columns=PROOF_COLUMNS,
        rows=rows,
        is_timed=False,
        is_hole=lambda row: row.proof is None,
        shows_reasons=False,
    )
