"""The results of a run as they count: its facts and its judged records. Reports and comparisons begin here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.catalogue import ModeOffer
from bench.records.record import Cell, Record
from harness.stats.estimate import FEW_BLOCKS
from harness.stats.flags import Flag
from harness.store.facts import RunFacts, renamed, upgraded
from harness.store.folder import RunFolder
from harness.validity import validity

QUICK: Final = "quick"

UNTIMED: Final = ("memory", "energy", "export")  # tracks of turns whose durations tell nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything a report is made from."""

    facts: RunFacts
    records: tuple[Record, ...]  # one for each replicate, in the order they were made
    samples: Path | None = None  # samples.parquet of the run; None: nothing was sampled
    replaced: tuple[Record, ...] = ()  # invalid replicates that another attempt, one of `records`, stands for
    warnings: Mapping[Cell, tuple[Flag, ...]] = field(default_factory=dict)  # beside those of the statistics
    incomplete: tuple[int, ...] = ()  # blocks that were begun and not finished: nothing is paired in them

    @property
    def is_timed(self) -> bool:
        """Whether time was measured; a run for memory or energy alone has nothing to say of it."""
        return not self.records or any(record.cell.track not in UNTIMED for record in self.records)

    @property
    def is_first_look(self) -> bool:
        """Whether it is too small for verdicts."""
        return self.facts.profile == QUICK or self.facts.blocks < FEW_BLOCKS

    def title(self, framework: str) -> str:
        """Return what people call `framework`; its own name when the run's facts lack it."""
        return next((facts.title for facts in self.facts.frameworks if facts.name == framework), framework)

    def baseline(self, framework: str, mode: str) -> str:
        """Return the mode that `mode` of `framework` compares with, itself for a baseline; empty when there is none."""
        shared = next((facts.baseline for facts in self.facts.frameworks if facts.name == framework), "")
        return self._mode(framework, mode).baseline or shared

    def source(self, framework: str, mode: str) -> str:
        """Return the framework whose exported model `mode` runs, so that it is inference; empty when it trains."""
        return self._mode(framework, mode).source

    def _mode(self, framework: str, mode: str) -> ModeOffer:
        offered = (one for facts in self.facts.frameworks if facts.name == framework for one in facts.modes)
        return next((one for one in offered if one.name == mode), ModeOffer(name=mode, sentence=""))


def load(folder: RunFolder) -> Run:
    """Return everything a report is made from, with what only all records together can judge; raises StoreError."""
    samples = folder.samples.merged
    facts = upgraded(folder.facts())
    found = validity.judged(folder.records(), facts)
    planned = ((renamed(place.cell), place.block) for place in folder.plan().in_order())
    return Run(
        facts=facts,
        records=found.records,
        replaced=found.replaced,
        warnings=found.warnings,
        incomplete=validity.incomplete(found.records, planned),
        samples=samples if samples.is_file() else None,
    )
