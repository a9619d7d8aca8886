"""The rules of the claims about several ranks. docs/claims.md has the reasons."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from bench.records.record import Cell
from harness.report.claims.claim import Finding, Part
from harness.report.claims.evidence import Evidence, Mode
from harness.report.tables.scaling_row import ScalingRow
from harness.stats.scaling import MOST_OVERHEAD

COMPILED: Final[Mapping[Mode, Mode]] = {("torch", "ddp-compile"): ("torch", "ddp")}  # by it, the same not compiled


def grows_with_work(evidence: Evidence) -> Finding:
    """At the largest size of a workload a strategy's efficiency is higher than at the smallest, for each of them."""
    lines: dict[Cell, dict[int, ScalingRow]] = {}
    for row in _with_efficiency(evidence):
        sizes = evidence.sizes(row.cell.workload)
        if row.cell.size in sizes:
            lines.setdefault(replace(row.cell, size=""), {})[sizes.index(row.cell.size)] = row
    parts = []
    for by_size in lines.values():
        small, large = by_size[min(by_size)], by_size[max(by_size)]
        if small is not large:
            work = f"{large.cell.workload} {large.cell.size} over {small.cell.size}"
            parts.append(_compared(evidence, large, small, work, larger=True))
    return Finding(parts=_known(parts), unusable=_unusable(evidence, several=True))


def compiled_scales_worse(evidence: Evidence) -> Finding:
    """On every work a compiled strategy has a lower efficiency than the same strategy without compilation."""
    rows = {row.cell: row for row in _with_efficiency(evidence)}
    parts = []
    for cell, row in rows.items():
        plain = COMPILED.get((cell.framework, cell.mode))
        other = rows.get(replace(cell, mode=plain[1])) if plain else None
        if other:
            parts.append(_compared(evidence, row, other, f"{cell.workload} {cell.size}", larger=False))
    named = {mode for pair in COMPILED.items() for mode in pair}
    return Finding(parts=_known(parts), unusable=_unusable(evidence, *named, several=True))


def one_rank_costs_nothing(evidence: Evidence) -> Finding:
    """One rank of every strategy takes at most `MOST_OVERHEAD` times as long as the plain step, on every work."""
    parts = []
    for row in evidence.scaling:
        if row.status == "ok" and row.overheads:
            part = evidence.part(f"{row.name} ÷ {row.plain}", row, row.overheads, claimed="below", limit=MOST_OVERHEAD)
            parts.append(part and replace(part, work=f"{row.cell.workload} {row.cell.size}"))
    return Finding(parts=_known(parts), unusable=_unusable(evidence, several=False))


def _with_efficiency(evidence: Evidence) -> list[ScalingRow]:
    return [row for row in evidence.scaling if row.status == "ok" and row.efficiencies]


def _compared(evidence: Evidence, over: ScalingRow, under: ScalingRow, work: str, *, larger: bool) -> Part | None:
    """Return the part on the efficiency of `over` ÷ that of `under`; `larger`: the claim has it above 1."""
    shared = over.efficiencies.keys() & under.efficiencies.keys()
    by_block = {block: over.efficiencies[block] / under.efficiencies[block] for block in shared}
    subject = f"{over.name}{'' if over.cell.mode == under.cell.mode else f' ÷ {under.cell.mode}'}"
    scaling = f"{over.cell.ranks} ranks, {over.cell.scaling}"
    part = evidence.part(subject, over, by_block, claimed="above" if larger else "below")
    return part and replace(part, work=f"{work}, {scaling}")


def _known(parts: list[Part | None]) -> tuple[Part, ...]:
    return tuple(part for part in parts if part is not None)


def _unusable(evidence: Evidence, *modes: Mode, several: bool) -> tuple[str, ...]:
    """Return the data-parallel cells without a valid time, with their status; of `modes`, where some are named."""
    rows = [row for row in evidence.scaling if row.status != "ok" and (row.cell.ranks > 1) is several]
    return evidence.named([row for row in rows if not modes or (row.cell.framework, row.cell.mode) in modes])
