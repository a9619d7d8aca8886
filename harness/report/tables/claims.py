"""Claims: what people say of these frameworks, what this run measured of it, and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from bench.records.record import Cell
from harness.format import Value, listed
from harness.report.claims import claim as claims
from harness.report.claims.all import CLAIMS
from harness.report.claims.claim import FAILS, HOLDS, NOT_TOLD, Claim, Finding, Verdict
from harness.report.claims.evidence import Evidence
from harness.report.claims.words import measured, needs
from harness.report.tables.column import Column
from harness.report.tables.row import Row
from harness.report.tables.table import Table
from harness.terminal import shell
from harness.validity.noise_floor import floor_of
from harness.validity.results import Run

NO_CELL: Final = Cell(
    framework="", mode="", workload="", optimizer="", size="", precision="", device="", allocator=""
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRow(Row):
    """One claim. It is about many cells, so it has none of its own."""

    id: str
    words: str  # as people make it
    verdict: Verdict | None  # None: the run has no cells for it
    measured: str  # the figures; empty: none
    needs: str  # what it would take to tell it, without the command; empty: it is told
    command: str  # that measures it; empty: this version of samestep cannot
    rests_on_times: bool = True  # False: a run without times can tell it

    @property
    def remedy(self) -> str:
        """What to do in order to tell it, with the command; empty: it is told, or nothing can be done."""
        is_open = self.verdict is None or self.needs
        return ": ".join(filter(None, (self.needs, self.command))) if is_open else ""


def claim_rows(evidence: Evidence) -> tuple[ClaimRow, ...]:
    """Return a row for each claim; none for a run without records."""
    run = evidence.run
    if not run.records:
        return ()
    found: Sequence[Finding] = [claim.rule(evidence) for claim in CLAIMS]
    if not run.is_first_look:
        found = claims.judged(found, floor_of(run))
    return tuple(_claim_row(run, claim, finding) for claim, finding in zip(CLAIMS, found, strict=True))


def sentence(rows: Sequence[ClaimRow]) -> str:
    """Return the sentence that stands for the table: how many claims hold; empty where none is told."""
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in (HOLDS, FAILS, NOT_TOLD, None)}
    if not counts[HOLDS] + counts[FAILS]:
        return ""
    words = {HOLDS: "hold", FAILS: "do not hold here", NOT_TOLD: "are not told", None: "have no cells here"}
    parts = [f"{counts[verdict]} {said}" for verdict, said in words.items() if counts[verdict]]
    return f"Of {len(rows)} claims that are made of these frameworks, {listed(parts)} (table claims)."


def _claim_row(run: Run, claim: Claim[Evidence], finding: Finding) -> ClaimRow:
    verdict = claims.verdict(finding)
    return ClaimRow(
        cell=NO_CELL,
        title="",
        status="ok",
        reason="",
        id=claim.id,
        words=claim.words,
        verdict=verdict,
        measured=measured(claim.figures, finding, verdict, is_first_look=run.is_first_look),
        needs=needs(claim, finding, verdict, is_first_look=run.is_first_look),
        command=_command(claim, run.facts.device),
        rests_on_times=any(part.comparison for part in finding.parts),
    )


def _command(claim: Claim[Evidence], device: str) -> str:
    """Return the command that measures `claim`, on the device of the run unless the claim names one."""
    if not claim.command:
        return ""
    on_device = () if device == "cpu" or "--device" in claim.command else ("--device", device)
    return shell.command(shell.NAME, "run", *claim.command, *on_device)


def _verdict(row: ClaimRow) -> Value:
    return row.verdict


CLAIM_COLUMNS: Final[tuple[Column[ClaimRow], ...]] = (
    Column(key="claim", type="string", get=attrgetter("id")),
    Column(key="words", type="string", heading="claim", kind="name", get=attrgetter("words")),
    Column(key="verdict", type="string", heading="verdict", kind="text", get=_verdict),
    Column(key="measured", type="string", heading="measured", kind="text", get=attrgetter("measured")),
    Column(key="needs", type="string", get=attrgetter("needs")),
    Column(key="command", type="string", get=attrgetter("command")),
    Column(heading="to tell it", kind="text", where="wide", get=attrgetter("remedy")),
    Column(heading="to tell it", kind="text", where="terminal", get=attrgetter("needs")),
    Column(heading="command", kind="code", where="terminal", get=lambda row: row.command if row.remedy else None),
)


def table(rows: tuple[ClaimRow, ...], *, timed: bool) -> Table[ClaimRow]:
    """Return the table of the claims; `timed`: whether the run has times."""
    return Table(
        name="claims",
        title="Claims",
        about="What talks, surveys and essays say of these frameworks, and what this run measured of it. A claim holds"
        " when all parts of it agree, and does not hold here when one of them contradicts it.",
        columns=CLAIM_COLUMNS,
        rows=rows,
        is_hole=lambda row: False,
        is_timed=timed or not any(row.verdict for row in rows),
        is_printed=False,
    )
