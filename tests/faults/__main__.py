"""Plant faults and print what samestep did not stand.

    python -m tests.faults                          all of it: an hour or two
    python -m tests.faults --short                  a sample, in three minutes
    python -m tests.faults --kind folders,commands  some of the kinds
    python -m tests.faults --only folders/123       one fault once more, with all that is wrong about it
    python -m tests.faults --format md              the table as it stands in docs/faults.md

A campaign that was stopped goes on where it was, as long as nothing in the code has changed; `--anew` begins anew.
Exit code 3: something was not stood.
"""

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.environments.checkout import ROOT
from harness.errors import INTERRUPTED, OK, SOME_FAILED, USAGE
from harness.format import rough_duration
from tests.faults import commands, folders, kills, pool, room, surroundings, table
from tests.faults.outcome import Outcome
from tests.faults.state import State, digest

FOLDER: Final = ROOT / "build" / "faults"
EVERY_S: Final = 15.0  # between two lines about the time that is left
SENTENCES: Final[Mapping[str, str]] = {
    kind.KIND: kind.SENTENCE for kind in (folders, commands, kills, surroundings)  # in the order of the table
}  # fmt: skip
COUNTS: Final[Mapping[str, tuple[int, int]]] = {  # of the long and of the short form; surroundings: each case once
    folders.KIND: (10_000, 50),
    commands.KIND: (2_000, 120),
    kills.KIND: (100, 2),
}
DEAR: Final[Mapping[str, float]] = {
    folders.KIND: 2.0,
    commands.KIND: 0.3,
    kills.KIND: 25.0,
    surroundings.KIND: 12.0,
}  # s


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The faults of one kind to be planted."""

    kind: str
    numbers: Sequence[int]


def main() -> int:
    """Plant, print the table; return the exit code."""
    options = _options()
    for number in (signal.SIGINT, signal.SIGTERM):  # a background job begins with an ignored SIGINT
        signal.signal(number, signal.default_int_handler)
    chosen = _chosen(options)
    state = State(FOLDER, options.seed, "short" if options.short else "long")
    if options.anew:
        state.forget()
    known = {} if options.only else state.known()
    show = Progress(chosen, known, processes=options.processes, most=sys.maxsize if options.only else 2)
    outcomes = [known[name] for name in show.names if name in known]
    begin = time.monotonic()
    interrupted = False
    FOLDER.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="campaign-", dir=options.scratch))
    scratch.chmod(0o755)
    try:
        for outcome in _planted(chosen, known, options, scratch):
            outcomes.append(outcome)
            show.outcome(outcome)
            if not options.only:
                state.add(outcome)
    except KeyboardInterrupt:
        interrupted = True
        show.say("Interrupted: the same command goes on from here. So far:")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if lines := table.found(outcomes):
        print(f"\n{lines}\n", file=sys.stderr)
    seconds = time.monotonic() - begin + sum(each.seconds for each in known.values()) / options.processes
    as_markdown = options.format == "md"
    print(
        table.markdown(outcomes, SENTENCES, seed=options.seed, seconds=seconds)
        if as_markdown
        else table.text(outcomes, SENTENCES)
    )
    return INTERRUPTED if interrupted else SOME_FAILED if any(outcome.wrong for outcome in outcomes) else OK


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="a sample, in three minutes")
    parser.add_argument("--seed", type=int, default=1, help="of the faults; default: 1")
    parser.add_argument("--kind", default=",".join(SENTENCES), help=f"of {', '.join(SENTENCES)}; default: all")
    parser.add_argument("--only", default="", help="these faults, as folders/123,kills/7; or numbers, with one --kind")
    parser.add_argument("--count", type=int, default=None, help="so many of each kind, instead of the form's number")
    parser.add_argument("--format", choices=("text", "md"), default="text", help="of the table")
    parser.add_argument("--anew", action="store_true", help="plant again what this code has stood already")
    parser.add_argument("--processes", type=int, default=min(4, len(os.sched_getaffinity(0))), help="side by side")
    parser.add_argument("--scratch", type=Path, default=None, help="folder of the mutants; default: the temporary one")
    return parser.parse_args()


def _chosen(options: argparse.Namespace) -> list[Chosen]:
    kinds = [kind for kind in options.kind.split(",") if kind]
    if unknown := [kind for kind in kinds if kind not in SENTENCES]:
        _refuse(f"there is no kind {unknown[0]!r}, only {', '.join(SENTENCES)}")
    if options.only:
        names = [name if "/" in name else f"{kinds[0]}/{name}" for name in options.only.split(",")]
        if wrong := [name for name in names if not _is_fault(name)]:
            _refuse(f"{wrong[0]!r} is no fault: write it as folders/123")
        split = [name.split("/") for name in names]
        return [Chosen(kind=kind, numbers=[int(n) for of, n in split if of == kind]) for kind in SENTENCES]
    return [Chosen(kind=kind, numbers=_numbers(kind, options)) for kind in SENTENCES if kind in kinds]


def _is_fault(name: str) -> bool:
    kind, _, number = name.partition("/")
    most = len(surroundings.CASES) if kind == surroundings.KIND else sys.maxsize
    return kind in SENTENCES and number.isdecimal() and 1 <= int(number) <= most


def _numbers(kind: str, options: argparse.Namespace) -> Sequence[int]:
    if kind == surroundings.KIND:
        return surroundings.numbers(short=options.short)[: options.count]
    count = COUNTS[kind][options.short] if options.count is None else options.count
    return range(1, count + 1)


def _refuse(sentence: str) -> None:
    print(f"faults: {sentence}.", file=sys.stderr)
    sys.exit(USAGE)


def _planted(
    chosen: Sequence[Chosen], known: Mapping[str, Outcome], options: argparse.Namespace, scratch: Path
) -> Iterator[Outcome]:
    """Yield the outcomes of the faults that are not known yet: first those in forked processes, then real runs."""
    for each in chosen:
        left = [number for number in each.numbers if f"{each.kind}/{number}" not in known]
        if not left:
            continue
        if each.kind == folders.KIND:
            plant = folders.Folders(options.seed, scratch, FOLDER / f"fresh-{digest()}")
            yield from pool.outcomes(each.kind, plant.one, left, options.processes)
        elif each.kind == commands.KIND:
            yield from pool.outcomes(each.kind, commands.Commands(options.seed, scratch).one, left, options.processes)
        elif each.kind == kills.KIND:
            yield from _side_by_side(kills.Kills(options.seed, scratch).one, left, options.processes)
        else:
            yield from _side_by_side(surroundings.Surroundings(scratch).one, left, options.processes)


def _side_by_side(one: Callable[[int], Outcome], numbers: Sequence[int], processes: int) -> Iterator[Outcome]:
    """Yield the outcomes of real runs, as they come; each has processes of its own, so threads are enough."""
    with ThreadPoolExecutor(processes) as threads:
        try:
            for done in as_completed([threads.submit(one, number) for number in numbers]):
                yield done.result()
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            room.interrupt()  # the threads that plant end at once
            raise


class Progress:
    """Says what was not stood as soon as it is known, and now and then how much is left."""

    def __init__(self, chosen: Sequence[Chosen], known: Mapping[str, Outcome], *, processes: int, most: int) -> None:
        """Count the faults of `chosen` that are not `known`; print at most so many things that are wrong with one."""
        self._most = most
        self.names = [f"{each.kind}/{number}" for each in chosen for number in each.numbers]
        self._left = {name for name in self.names if name not in known}
        self._seconds = {kind: [seconds] for kind, seconds in DEAR.items()}
        self._processes = processes
        self._said = 0.0
        if known:
            self.say(f"{len(self.names) - len(self._left)} of {len(self.names)} are known already")

    def outcome(self, outcome: Outcome) -> None:
        """Take an outcome; print what was wrong."""
        self._left.discard(outcome.name)
        self._seconds[outcome.kind].append(outcome.seconds)
        for wrong in outcome.wrong[: self._most]:
            self.say(f"{outcome.name} ({outcome.planted[:160]}): {wrong.of}: {wrong.what[:400]}")
        if outcome.skipped:
            self.say(f"{outcome.name} ({outcome.planted}): not possible here: {outcome.skipped}")
        if time.monotonic() - self._said > EVERY_S or not self._left:
            self._said = time.monotonic()
            done = len(self.names) - len(self._left)
            self.say(f"[{done}/{len(self.names)}] {rough_duration(self._time_left())} left")

    def _time_left(self) -> float:
        means = {kind: sum(seconds) / len(seconds) for kind, seconds in self._seconds.items()}
        return sum(means[name.partition("/")[0]] for name in self._left) / self._processes

    def say(self, line: str) -> None:
        """Print a line, on standard error: standard output has the table alone."""
        with contextlib.suppress(OSError):
            print(line.encode("utf-8", "backslashreplace").decode(), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
