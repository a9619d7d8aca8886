"""Proof of mode: what each framework was found to have run."""

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, Literal

from bench.records.record import ModeProof, Record
from harness.format import Value, plain, whole
from harness.report.tables.column import CELL, WHO, Column
from harness.report.tables.row import Row, by_cell, good_timings, head
from harness.report.tables.table import Table
from harness.stats import estimate
from harness.validity.results import Run

Verdict = Literal["proved", "invalid", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRow(Row):
    """What the framework was found to have run."""

    proof: ModeProof | None  # None: no replicate came as far
    threads_asked: int | None
    threads_used: float | None  # CPU time over wall time of the timed rounds, the highest of the replicates
    verdict: Verdict  # empty: there is no time, so nothing to be proved


def proof_rows(run: Run) -> tuple[ProofRow, ...]:
    """Return a row for each cell that was timed, or whose memory was looked at where nothing was timed."""
    rows = []
    for cell, records in (by_cell(run, "identical") or by_cell(run, "memory")).items():
        begins = head(run, cell, records)
        used = [estimate.threads_used(record.timing) for record in records if record.timing is not None]
        asked = {record.environment.threads for record in records if record.environment is not None}
        good = bool(good_timings(records)) or any(one.status == "ok" for one in records if one.cell.track == "memory")
        rows.append(
            ProofRow(
                **begins,
                proof=_merged(records),
                threads_asked=max(asked, default=None),
                threads_used=max((one for one in used if one is not None), default=None),
                verdict="invalid" if begins["status"] == "invalid" else "proved" if good else "",
            )
        )
    return tuple(rows)


def _merged(records: Iterable[Record]) -> ModeProof | None:
    """Return the highest counts and the distinct words of all proofs, with the evidence of the worst replicate."""
    worst_first = sorted(records, key=lambda record: record.status != "invalid")
    proofs = [record.proof for record in worst_first if record.proof is not None]
    if not proofs:
        return None
    names = [field.name for field in dataclasses.fields(ModeProof)]
    together: dict[str, Any] = {name: _together([getattr(proof, name) for proof in proofs]) for name in names}
    return ModeProof(**{**together, "evidence": proofs[0].evidence})


def _together(values: Iterable[Any]) -> Any:
    told = [value for value in values if value is not None]
    if not told:
        return None
    return ", ".join(dict.fromkeys(filter(None, told))) if isinstance(told[0], str) else max(told)


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


def table(found: tuple[ProofRow, ...]) -> Table[ProofRow]:
    """Return the table of the proof of mode."""
    return Table(
        name="proof",
        title="Proof of mode",
        about="What each framework was found to have run, read back from it after the timed rounds; counts are the"
        " highest of the replicates, a dash says that the mode or the framework has no such thing.",
        columns=PROOF_COLUMNS,
        rows=found,
        is_timed=False,
        is_hole=lambda row: row.proof is None,
        tells_reasons=False,
    )
