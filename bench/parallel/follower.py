"""A rank beside the leader: `python -m bench.parallel.follower DESCRIPTOR`, started by `bench.parallel.group`.

It has its processors and its variables from its start on: NumPy, which this package imports, takes them when it is
loaded. What it prints goes to a file, whose end the leader tells when the follower does not end well.
"""

import dataclasses
import gc
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn

from bench.interface import Output, Skip
from bench.parallel import ParallelStep, World, messages
from bench.parallel.strategies import strategies_of
from bench.protocol.placement import Placement
from bench.records import codec
from bench.records.parallel import Rank
from bench.reference.workload import sha256
from bench.turns import prepare
from bench.turns import reason as reasons
from bench.turns.environment import peak_resident_bytes
from bench.turns.turn import Turn

FAILED: Final = 1  # exit code of a follower that could not do what it was told


class Follower:
    """The rank of a turn, as it is ordered."""

    def __init__(self, turn: Turn, rank: int) -> None:
        """Import the strategies and start the device."""
        self._turn = turn
        self._rank = rank
        self._module = strategies_of(turn.cell)
        self._module.start(turn.cell.device, turn.threads)
        self._placement = Placement()
        self._outputs: Sequence[Output] = ()
        self._digest = ""
        self._step: ParallelStep | None = None
        self.answers: Mapping[str, tuple[Callable[[Any], Any], str]] = {
            "run": (self._run, "ran"),
            "losses": (self._losses, "losses"),
            "reset": (lambda _: self.step.reset(), "reset"),
            "parameters": (self._parameters, "parameters"),
            "gradient": (self._gradient, "gradient"),
            "unsynchronised": (self._unsynchronised, "unsynchronised"),
            "collectives": (self._collectives, "collectives"),
            "report": (self._report, "report"),
        }

    @property
    def step(self) -> ParallelStep:
        """What was built."""
        assert self._step, "build it first"
        return self._step

    def build(self, address: str) -> Skip | None:
        """Build the step; return why it is skipped, None where it is built."""
        cell = self._turn.cell
        world = World(rank=self._rank, size=cell.ranks, scaling=cell.scaling, address=address)
        built: ParallelStep | Skip = self._module.build(
            prepare.workload_of(self._turn), cell.mode, cell.precision, world
        )
        if isinstance(built, Skip):
            return built
        self._step = built
        gc.collect()
        gc.freeze()
        gc.disable()  # a collection in a round would delay all ranks
        return None

    def _run(self, calls: int) -> None:
        self._outputs = ()
        self._outputs = self.step.run(calls)
        self._rest()

    def _rest(self) -> None:
        self._module.wait(self._outputs)
        self._placement.look()
        gc.collect()

    def _losses(self, _: None) -> list[float]:
        return [float(loss) for loss in self._module.to_numpy(self._outputs)]

    def _parameters(self, _: None) -> str:
        self._digest = sha256(self.step.parameters())
        return self._digest

    def _gradient(self, _: None) -> None:
        if self.step.gradient:
            self.step.gradient()

    def _unsynchronised(self, calls: int) -> None:
        assert self.step.unsynchronised
        self._outputs = ()
        self._outputs = [self.step.unsynchronised() for _ in range(calls)]
        self._rest()

    def _collectives(self, _: None) -> None:
        self.step.collectives()

    def _report(self, _: None) -> Any:
        proof = self.step.proof()
        self._placement.look_at_all()
        rank = Rank(
            rank=self._rank,
            pid=os.getpid(),
            device=proof.device,
            cpus=tuple(sorted(os.sched_getaffinity(0))),
            ran_on=self._placement.processors,
            threads=proof.threads,
            peak_rss_bytes=peak_resident_bytes(),
            parameters_sha256=self._digest,
        )
        return dataclasses.asdict(messages.Report(rank=rank, proof=proof))


def serve(orders: Callable[[], bytes], answer: Callable[[bytes], None]) -> None:
    """Do what the leader says until its orders end."""
    word, body = messages.read(orders())
    follower = Follower(codec.decode(Turn, body["turn"]), int(body["rank"]))
    answer(messages.line("started"))
    while text := orders():
        word, body = messages.read(text)
        if word == "build":
            skipped = follower.build(body)
            answer(messages.line("skipped", skipped.reason) if skipped else messages.line("built"))
            continue
        act, said = follower.answers[word]
        answer(messages.line(said, act(body)))


def main(argv: Sequence[str]) -> NoReturn:
    """Serve on standard input and the descriptor in `argv`; end without unloading the framework."""
    descriptor = int(argv[0])
    os.set_inheritable(descriptor, False)
    prepare.end_with_parent()
    orders = sys.stdin.buffer

    def answer(text: bytes) -> None:
        while text:
            text = text[os.write(descriptor, text) :]

    try:
        serve(orders.readline, answer)
    except BrokenPipeError:  # the leader is gone
        os._exit(FAILED)
    except Exception as error:  # noqa: BLE001 - a framework may raise anything: the leader tells it
        sys.excepthook(type(error), error, error.__traceback__)
        sys.stderr.flush()
        answer(messages.line("failed", reasons.of_exception(error).text))
        os._exit(FAILED)
    os._exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group: the leader decides
    main(sys.argv[1:])
