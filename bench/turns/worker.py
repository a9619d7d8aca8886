"""A worker in a container: waits for turns of one framework and runs each in a fresh process. Stdlib only.

    connect ─→ hello ─→ wait for a message ─→ do it, watch the connection ─→ answer ─┐
       ↑                     ↑   └─ bye: leave with 0                                │
       └── connection lost ──┴───────────────────────────────────────────────────────┘

A message is a whole turn, or the start, a time slice or the end of a replicate that takes turns with others
(`bench.turns.members`). Nothing may run during a measurement. So a worker imports no framework, sleeps in the kernel
while it waits, ends its processes at once when the harness is gone, and leaves none behind. It reads and writes only on
the socket and in its own temporary folder: its container has a read-only root and no writable mount.
"""

import argparse
import dataclasses
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final

from bench.turns.channel import Channel, Hello, LostError, connect
from bench.turns.members import PREFIX, Members, decoded, not_begun, with_kernels
from bench.turns.supervise import adopt_orphans, end_strays, supervise
from bench.turns.turn import Outcome, Turn
from bench.turns.watch import PHASE_EVERY_S, PhaseWatch

PATIENCE_S: Final = 60.0  # an idle worker without a harness exits after so long: no container waits for ever
RETRY_FIRST_S: Final = 0.1
RETRY_LONGEST_S: Final = 2.0
LOCKS: Final = Path("/opt/locks")  # where images/Dockerfile keeps the locks of the installed packages

Say = Callable[[str], None]


def main(argv: Sequence[str]) -> int:
    """Serve turns until the harness says goodbye or has been away for too long; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench worker", description="Run turns that the harness hands out.")
    parser.add_argument("address", type=Path, help="the Unix socket at which the harness listens")
    parser.add_argument("framework", help="whose turns this worker takes")
    parser.add_argument("--patience", type=float, default=PATIENCE_S, metavar="SECONDS", help="leave without a harness")
    parser.add_argument(
        "--phases", type=float, default=PHASE_EVERY_S, metavar="SECONDS", help="between two phases told"
    )
    parser.add_argument("--once", action="store_true", help="leave when the connection ends")
    options = parser.parse_args(argv)
    hello = Hello(
        framework=options.framework,
        pid=os.getpid(),
        cpus=tuple(sorted(os.sched_getaffinity(0))),
        image=identity(options.framework),
    )
    adopt_orphans()
    try:
        serve(
            options.address,
            hello,
            patience_s=options.patience,
            phase_every_s=options.phases,
            once=options.once,
        )
    except KeyboardInterrupt:
        return 130
    return 0


def identity(framework: str, locks: Path = LOCKS) -> str:
    """Return what identifies this image: its lock files, because a container does not know its image's digest."""
    digest = hashlib.sha256()
    files = sorted(path for kind in ("*.txt", "*.json") for path in locks.glob(kind))
    for path in files:
        digest.update(path.read_bytes())
    return f"samestep/{framework}, locks sha256:{digest.hexdigest()}" if files else ""


def print_line(line: str) -> None:
    """Print for `docker compose logs`."""
    print(line, file=sys.stderr, flush=True)


def serve(
    address: Path,
    hello: Hello,
    *,
    patience_s: float = PATIENCE_S,
    phase_every_s: float = PHASE_EVERY_S,
    once: bool = False,
    say: Say = print_line,
) -> None:
    """Take turns from whichever harness listens at `address`, one after another, until one says goodbye.

    Args:
        address: of the harness's socket.
        hello: what the harness is told.
        patience_s: leave when no harness listens for so long.
        phase_every_s: between two reads of the phase of a running turn.
        once: take turns from one harness only.
        say: gets what happens.
    """
    while True:
        channel = reach(address, patience_s)
        if channel is None:
            say(f"no harness at {address} for {patience_s:g} s: leaving")
            return
        with channel:
            try:
                # A worker for one connection has one replicate, and nothing outlives its container.
                take_turns(channel, hello, phase_every_s, (lambda turn: turn) if once else with_kernels)
            except LostError as error:
                say(f"lost the harness: {error}")
            else:
                return
        if once:
            return


def reach(address: Path, patience_s: float) -> Channel | None:
    """Connect, trying again for `patience_s`; None when there is no answer."""
    deadline = time.monotonic() + patience_s
    pause = RETRY_FIRST_S
    while True:
        try:
            return connect(address)
        except OSError:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            time.sleep(min(pause, left))
            pause = min(2 * pause, RETRY_LONGEST_S)


def take_turns(
    channel: Channel,
    hello: Hello,
    phase_every_s: float = PHASE_EVERY_S,
    made_ready: Callable[[Turn], Turn] = with_kernels,
) -> None:
    """Do what the harness says; return at goodbye, raise LostError when the harness is gone."""
    channel.send("hello", dataclasses.asdict(hello))
    with Members(channel, phase_every_s, made_ready) as members:
        while True:
            kind, body = channel.receive()
            if kind == "bye":
                return
            if kind == "turn":
                outcome = run(made_ready(decoded(body)), channel, members.alive, phase_every_s)
                channel.send("outcome", dataclasses.asdict(outcome))
            else:
                channel.send(*members.answer(kind, body))


def run(turn: Turn, channel: Channel, alive: Collection[int], phase_every_s: float) -> Outcome:
    """Run one turn in a fresh process in a folder of its own; raise LostError when the harness is gone.

    Processes in sessions of the leaders `alive` are spared.
    """
    begin = time.time_ns()
    try:
        with (
            tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name,
            PhaseWatch(channel, Path(name), phase_every_s) as watch,
        ):
            try:
                outcome = supervise(turn, Path(name), on_start=watch.started)
            finally:
                end_strays(alive)
    except OSError as error:
        return not_begun(begin, error)
    if watch.lost:
        raise LostError("the turn was ended")
    return outcome
