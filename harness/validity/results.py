"""The results of a run: its facts and its records as they count. Reports and comparisons begin here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from bench.catalogue import COLD, ModeOffer
from bench.records.record import Cell, Record
from harness.host import emulated
from harness.stats.estimate import FEW_BLOCKS
from harness.stats.flags import Flag
from harness.store import loops, reading, replicates
from harness.store.facts import RunFacts, renamed, upgraded
from harness.store.folder import RunFolder
from harness.store.loops import Loops
from harness.store.samples import Samples
from harness.validity import validity

QUICK: Final = "quick"
UNTIMED: Final = ("memory", "energy", "export", "stream", COLD)  # tracks without a time to report


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything a report is made from."""

    facts: RunFacts
    records: tuple[Record, ...]  # one for each replicate, in the order in which they were made
    samples: Samples | None = None  # what was sampled from outside; None: nothing
    replaced: tuple[Record, ...] = ()  # attempts that another one, in `records`, replaces
    warnings: Mapping[Cell, tuple[Flag, ...]] = field(default_factory=dict)  # in addition to those of the statistics
    incomplete: tuple[int, ...] = ()  # blocks that were begun and not finished: nothing is paired in them
    logs: frozenset[str] = frozenset()  # paths of the replicates' logs that are there, in the folder of the run
    loops: Loops | None = None  # what `samestep loop` wrote into the folder of the run; None: nothing

    @property
    def is_timed(self) -> bool:
        """Whether time was measured, and not memory or energy alone."""
        return not self.records or any(record.cell.track not in UNTIMED for record in self.records)

    @property
    def is_first_look(self) -> bool:
        """Whether it is too small for verdicts."""
        return self.facts.profile == QUICK or self.facts.blocks < FEW_BLOCKS

    @property
    def caveat(self) -> str:
        """What has to stand beside every figure of it; empty: nothing."""
        return emulated.caveat(self._said_of_the_gpu())

    def title(self, framework: str) -> str:
        """Return the title of `framework`, its name when the run's facts lack it; of "jax@0.9.2" with the variant."""
        name, at, variant = framework.partition("@")
        return next((facts.title for facts in self.facts.frameworks if facts.name == name), name) + at + variant

    def baseline(self, framework: str, mode: str) -> str:
        """Return the mode that `mode` of `framework` is compared with, itself for a baseline; empty: there is none."""
        shared = next((facts.baseline for facts in self.facts.frameworks if facts.name == framework), "")
        return self._mode(framework, mode).baseline or shared

    def plain(self, framework: str, strategy: str) -> str:
        """Return the mode of `framework` that a data-parallel `strategy` is held beside; empty: there is none."""
        offered = (each for facts in self.facts.frameworks if facts.name == framework for each in facts.strategies)
        return next((each.compared for each in offered if each.name == strategy), "")

    def source(self, framework: str, mode: str) -> str:
        """Return the framework whose exported model `mode` runs, so that it is inference; empty when it trains."""
        return self._mode(framework, mode).source

    def format(self, framework: str, mode: str) -> str:
        """Return the format of the exported model that `mode` runs, such as "onnx"; empty when it trains."""
        return self._mode(framework, mode).format

    def form(self, framework: str, workload: str) -> str:
        """Return the form in which `framework` runs `workload`; empty: that of all."""
        offered = (facts.forms for facts in self.facts.frameworks if facts.name == framework)
        return next((form for forms in offered for name, form in forms if name == workload), "")

    def _said_of_the_gpu(self) -> Iterator[str]:
        """Yield all that driver and GPU said of themselves, to the harness and in the replicates."""
        yield from (self.facts.host.gpu, self.facts.host.driver)
        for record in (*self.records, *self.replaced):
            if record.observation is not None:
                yield record.observation.gpu
            if record.environment is not None and record.cell.device != "cpu":
                yield record.environment.device_name.removeprefix(record.environment.cpu)

    def _mode(self, framework: str, mode: str) -> ModeOffer:
        offered = (offer for facts in self.facts.frameworks if facts.name == framework for offer in facts.modes)
        return next((offer for offer in offered if offer.name == mode), ModeOffer(name=mode, sentence=""))


def load(folder: RunFolder) -> Run:
    """Return everything a report is made from, its records after all rules of validity; raises StoreError.

    A run is called by its folder, which may have been renamed since run.json was written.
    """
    facts = upgraded(folder.facts())
    plan, lines = folder.plan(), folder.records()
    reading.require_one_run(folder.records_path, lines, facts, plan)
    facts = replace(facts, id=folder.path.resolve().name)
    judgement = validity.judged(replicates.standing(folder.records_path, lines), facts)
    planned = ((renamed(replicate.cell), replicate.block) for replicate in plan.in_order())
    return Run(
        facts=facts,
        records=judgement.records,
        replaced=judgement.replaced,
        warnings=judgement.warnings,
        incomplete=validity.incomplete(judgement.records, planned),
        samples=None if folder.samples.is_empty else folder.samples,
        logs=folder.logs(),
        loops=loops.read(folder.path),
    )
