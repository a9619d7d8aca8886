"""Mutated run folders, read by every command that reads runs."""

import contextlib
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.records.schema import UPGRADES
from harness.errors import StoreError
from harness.report import frames
from harness.report.exporters import EXPORTERS
from tests.faults import bases, inside, mutations, rules
from tests.faults.mutations import Mutation
from tests.faults.outcome import OTHER, Ended, Outcome, Wrong

KIND: Final = "folders"
SENTENCE: Final = "run folders with one to three mutations, read by report, compare, plan, resume, selftest faults"
CSV: Final = ("--format", "csv")
OTHERS: Final = 3  # commands for a mutant, beside those that each gets
SELDOM: Final = 0.1
FILES: Final = ("run.json", "plan.json", "records.jsonl")
HOWS: Final[Mapping[Callable[[random.Random, Path, str], Mutation], int]] = {
    mutations.of_value: 70,
    mutations.of_text: 20,
    mutations.of_place: 4,
    mutations.of_company: 6,
}


class Folders:
    """Plants a mutation for each number."""

    def __init__(self, seed: int, folder: Path, fresh: Path | None = None) -> None:
        """Make the runs to be mutated in `folder`, and `fresh` as one of them."""
        self._seed = seed
        self._folder = folder
        self._runs = bases.make(folder / "bases", fresh)
        self._steps: dict[Path, bytes] = {}  # steps.csv of the runs as they are

    def one(self, number: int) -> Outcome:
        """Mutate a copy of a run, read it with every command, and judge."""
        rng = random.Random(f"{self._seed}/{KIND}/{number}")
        base = rng.choice(self._runs)
        with tempfile.TemporaryDirectory(prefix="mutant-", dir=self._folder) as name:
            results = Path(name) / "results"
            shutil.copytree(base, results / "good")
            shutil.copytree(base, results / "mutant")
            done = list(mutate(rng, results / "mutant"))
            planted = f"{base.name}: " + "; ".join(f"{each.file} {each.what}" for each in done)
            wrong = list(self._judged(rng, results, base, done, Path(name)))
        return Outcome(kind=KIND, number=number, planted=planted, wrong=tuple(wrong))

    def _judged(
        self, rng: random.Random, results: Path, base: Path, done: Sequence[Mutation], scratch: Path
    ) -> Iterator[Wrong]:
        before = self._steps.get(base)
        if before is None:
            as_it_is = ("report", "good", *CSV, "--results", str(results))
            before = self._steps[base] = inside.samestep(as_it_is, scratch).out
        beside = _files(results / "mutant" / "report")  # planted, or of the run that was mutated
        for command in commands(rng):
            ended = inside.samestep((*command, "--results", str(results)), scratch)
            if command[0] == "report" and ended.code == 0:
                ended = _with_files(ended, results / "mutant" / "report", beside)
            ended = _without_folder(ended, command)
            yield from rules.judged(ended)
            if command == ("report", "mutant", *CSV) and ended.code == 0:
                silent = rules.changed_in_silence(before, ended.out, _touched(done))
                yield from (Wrong(of=OTHER, what=f"a number changed in silence: {what}") for what in silent)
        yield from rules.judged(_in_pandas(results / "mutant", scratch))


def mutate(rng: random.Random, run: Path) -> Iterator[Mutation]:
    for _ in range(rng.choices((1, 2, 3), (70, 20, 10))[0]):
        how = rng.choices(list(HOWS), list(HOWS.values()))[0]
        name = rng.choices(FILES, (2, 1, 7))[0]
        try:
            yield how(rng, run, name)
        except (OSError, ValueError, LookupError, TypeError, RecursionError, OverflowError):
            # The mutation before this one left nothing that it could change.
            yield Mutation(file=name, what="is not there for one more", cells=None)


def commands(rng: random.Random) -> Iterator[tuple[str, ...]]:
    """Yield the commands that read a run: two of them always, and some of the others, the costly ones seldom.

    Each mutant is loaded by each command anew, which takes most of the time: more mutants find more than more commands.
    """
    yield ("report", "mutant")
    yield ("report", "mutant", *CSV)
    forms = [("report", "mutant", "--format", form) for form in EXPORTERS if form not in ("csv", "html")]
    table = rng.choice(("compile", "memory", "proof", "growth", "limits", "accuracy", "session", "reproducibility"))
    compared = rng.choice(((), *(("--format", form) for form in ("csv", "md", "json", "line"))))
    others: list[tuple[str, ...]] = [
        *forms,
        ("report", "mutant", *CSV, "--table", table),
        ("compare", "good", "mutant", *compared),
        ("compare", "mutant", "good", "--fail-on", "slower,undetermined"),
        ("plan", "--framework", "numpy", "--profile", "quick"),
    ]
    yield from rng.sample(others, OTHERS)
    yield ("run", "--resume", "mutant")
    if rng.random() < SELDOM:
        yield ("report", "mutant", "--format", "html")
    if rng.random() < SELDOM:
        yield ("selftest", "faults", "mutant")


def _touched(done: Sequence[Mutation]) -> set[str] | None:
    """Return the keys of the cells whose records were mutated, by their present names; None: any may have been."""
    cells: list[Mapping[str, Any]] = []
    for each in done:
        if each.cells is None:
            return None
        cells += each.cells
    return {rules.key_of(UPGRADES[1]({"cell": dict(cell)})["cell"]) for cell in cells}


def _in_pandas(run: Path, scratch: Path) -> Ended:
    """Read the run as a notebook does: it is read, or a StoreError says why not."""

    def load() -> None:
        with contextlib.suppress(StoreError):
            frames.load(run)

    return inside.called(load, ("harness.report.frames.load",), scratch)


def _files(report: Path) -> Mapping[str, bytes]:
    return dict(inside.written(report)) if report.is_dir() else {}


def _with_files(ended: Ended, report: Path, before: Mapping[str, bytes]) -> Ended:
    written = {name: text for name, text in _files(report).items() if before.get(name) != text}
    return Ended(command=ended.command, code=ended.code, out=ended.out, err=ended.err, written=written)


def _without_folder(ended: Ended, command: tuple[str, ...]) -> Ended:
    """Return it with the command as it is typed, without the path of a folder that is gone afterwards."""
    return Ended(
        command=command, code=ended.code, out=ended.out, err=ended.err, crash=ended.crash, written=ended.written
    )
