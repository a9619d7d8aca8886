"""One turn: what a launcher gives to a fresh process, and what comes back. Standard library only.

A turn is a folder. The launcher writes `turn.json` into it and starts `python -m bench turn FOLDER`; the process writes
`phase` (the current phase, known even when the process is killed) and, at its end, `record.json`.
"""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.records import codec, text
from bench.records.record import Cell, Failure, Record, RepeatKind, Status
from bench.records.text import LOG_CHARACTERS as LOG_CHARACTERS
from bench.records.text import TAIL_LINES as TAIL_LINES
from bench.turns import reason as reasons

TURN_FILE: Final = "turn.json"
PHASE_FILE: Final = "phase"
RECORD_FILE: Final = "record.json"
REPEATS: Final = "repeats"  # content of the phase file while a further process of the same turn runs
LONGEST_PHASE: Final = 100  # characters
IN_CONTAINERS: Final = ("docker", "workers")  # launchers


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The numbers of the protocol that a profile may choose."""

    rounds: int  # timed rounds of one replicate
    warmup_floor_ns: int  # least time spent in warm-up rounds
    warmup_cap_ns: int  # warm-up ends here even when the rounds do not agree yet (flag NOSTEADY)
    round_floor_ns: int = 5_000_000  # least duration of one round
    warm_blocks: int = 1  # blocks whose compiled cells are run again with the caches that they left
    other_threads: bool = True  # in the first block, run each cell again with another number of threads
    slices: int = 0  # time slices of a replicate where processes take turns; fewer where its rounds are long
    batch_slices: int | None = None  # those of one that infers at a batch; None: `slices`


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One file of the run's folder that a turn needs: where it is, or its bytes."""

    sha256: str  # of its bytes; the turn refuses others
    path: str = ""  # where the turn's process can read it; empty: it cannot, as in a container
    base64: str = ""  # of its bytes; empty: `path` has them


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The trained model of a turn that runs one; what it needs of these depends on the cell."""

    artifact: Artifact | None = None  # as another framework exported it; None: it runs its own forward pass, or exports
    init_sha256: str = ""  # of the initial parameters that the training began with
    trained: Artifact | None = None  # the parameters, of a cell with a batch (bench.reference.inference)
    expected: Artifact | None = None  # the float64 predictions of such a cell; None: the turn computes them


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One replicate to be run: all that its fresh process needs."""

    cell: Cell
    block: int  # from 1
    position: int  # index in the run's order, from 1
    settings: Settings
    calls_per_round: int | None  # frozen in the cell's first block; None: calibrate
    cpus: tuple[int, ...]  # CPU set of the process; empty: leave as it is (a container has its own)
    threads: int  # threads that the framework is told to use
    hash_seed: int  # PYTHONHASHSEED, differs between replicates
    timeout_s: float  # the launcher ends the turn after this long
    launcher: str  # name of the launcher, for the record
    image: str = ""  # digest of the container image, for the record
    repeats: tuple[RepeatKind, ...] = ()  # what to run again when the replicate is good, each in its own process
    model: Model | None = None  # of a cell that runs a trained model
    reference: Artifact | None = None  # the float64 reference (bench.reference.known); None: the replicate computes it
    data: str = ""  # folder with the data sets, as the process sees it; of a cell whose input is streamed
    named: tuple[str, ...] = ()  # "NAME=value" of each variable that the user named for it
    code: str = ""  # folder that holds the `bench` to import; empty: the one that its launcher or worker runs
    unchanged_since_unix_ns: int = 0  # no file that it loads may have changed since; 0: an image, which cannot change
    kernels: str = ""  # folder in which CUDA's driver keeps the kernels that it compiles; empty: the scratch folder
    alternates: bool = False  # it parks after the warm-up, and runs its rounds in time slices (bench.turns.parking)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the process of a turn ended, seen by the process that started it."""

    started_unix_ns: int
    wall_ns: int  # from start to exit
    exit_code: int | None  # None: ended by a signal, or never started
    signal: str = ""  # such as "SIGKILL"
    timed_out: bool = False  # ended by the launcher because timeout_s had passed
    out_of_memory: bool = False  # the kernel's OOM killer ended it, or a process that it had started
    phase: str = "launch"  # content of the phase file
    tail: tuple[str, ...] = ()  # last lines of stdout and stderr together
    record: str = ""  # content of record.json; empty when there is none
    log: str = ""  # what it printed, or the end of a long text; kept next to the records


def to_json(turn: Turn | Outcome) -> str:
    """Return one line of JSON."""
    return json.dumps(dataclasses.asdict(turn), separators=(",", ":"), allow_nan=False)


def turn_from_json(text: str) -> Turn:
    """Return the turn in `text`; raises `bench.records.codec.RecordError`."""
    return codec.decode(Turn, _parsed(text))


def outcome_from_json(text: str) -> Outcome:
    """Return the outcome in `text`; raises `bench.records.codec.RecordError`."""
    return codec.decode(Outcome, _parsed(text))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise codec.RecordError(f"not JSON: {error}") from error


def last_phase(folder: Path) -> str:
    """Return the phase that a turn's process last entered, "launch" when it entered none."""
    try:
        with (folder / PHASE_FILE).open("rb") as file:
            written = file.read(8 * LONGEST_PHASE).decode(errors="replace")
    except OSError:
        return "launch"
    return text.line(written, LONGEST_PHASE) or "launch"


def to_record(turn: Turn, outcome: Outcome, read: Callable[[str], Record] = codec.from_json) -> Record:
    """Return the record of a turn: the one its process wrote, or one that says why there is none.

    Args:
        turn: what was to be run.
        outcome: how its process ended.
        read: reads what the process wrote, which a framework may have damaged; raises RecordError.
    """
    if outcome.record and (outcome.phase == REPEATS or not outcome.timed_out):
        try:
            written = read(outcome.record)
        except codec.RecordError as error:
            return _failed(turn, outcome, "failed", f"its process wrote a damaged record: {error}")
        if (written.cell, written.block, written.position) != (turn.cell, turn.block, turn.position):
            return _failed(turn, outcome, "failed", "its process wrote the record of another replicate")
        written = dataclasses.replace(written, started_unix_ns=outcome.started_unix_ns, wall_ns=outcome.wall_ns)
        return _child_killed(written) if outcome.out_of_memory else written
    if outcome.timed_out:
        return _failed(turn, outcome, "timeout", f"{outcome.phase}: still running after {turn.timeout_s:g} s")
    if outcome.out_of_memory:
        remedy = " (SAMESTEP_MEMORY gives a container more)" if turn.launcher in IN_CONTAINERS else ""
        return _failed(turn, outcome, "oom", f"{outcome.phase}: killed for memory{remedy}")
    told = reasons.of_log(outcome.log or "\n".join(outcome.tail))
    return _failed(
        turn, outcome, "oom" if told.out_of_memory else "failed", f"{outcome.phase}: {_ending(outcome, told.text)}"
    )


def _child_killed(record: Record) -> Record:
    """Return a record of a turn in which the kernel killed a process for memory."""
    tail = record.failure.tail if record.failure else ()
    if record.status != "failed" or not reasons.tells_of_killed_child("\n".join((record.reason, *tail))):
        return record
    return dataclasses.replace(record, status="oom", reason=f"{record.reason}: the kernel killed it for memory")


def _ending(outcome: Outcome, told: str) -> str:
    if outcome.exit_code is None and not outcome.signal:  # it never started, or its end was not observed
        return told or "no process"
    ending = f"ended by {outcome.signal}" if outcome.signal else f"exit code {outcome.exit_code}"
    return f"{ending} ({told})" if told else ending


def _failed(turn: Turn, outcome: Outcome, status: Status, reason: str) -> Record:
    record = Record(
        cell=turn.cell,
        block=turn.block,
        position=turn.position,
        status=status,
        reason=reason,
        started_unix_ns=outcome.started_unix_ns,
        wall_ns=outcome.wall_ns,
        failure=Failure(
            phase=outcome.phase, exit_code=outcome.exit_code, signal=outcome.signal, tail=outcome.tail[-TAIL_LINES:]
        ),
    )
    return codec.keepable(record)
