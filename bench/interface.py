"""The one interface that a framework satisfies: it is a module under `bench/frameworks`, not a class.

A framework's file opens with these literals; the first three are required. `bench.catalogue` reads them from the syntax
tree, so that a host without the framework can list its cells:

    MODES = {"eager": "one sentence", …}    in the order of the tables
    BASELINE = "eager"                      the mode that speed-ups and break-even compare with; "" for none; a
                                            dictionary where modes have different ones: {"fit-jit": "fit-eager", …}
    ENVIRONMENT = {"NAME": "value", …}      set before anything is imported; "{threads}" and "{scratch}" are filled in
    SOURCES = {"from-torch": "torch/onnx", …}   only where a mode runs the trained model that another framework
                                            exported: that framework and the format, a package under `bench/exports`.
                                            The file with the model lies where SAMESTEP_MODEL says, a variable of
                                            ENVIRONMENT such as "{scratch}/model.onnx"
    TRAINS = False                          only for an engine, which runs such models alone: it takes part in the runs
                                            that name it or a batch
    PRECISIONS = {"from-keras-int8": "int8"}    only where a mode has one precision alone, which then no other mode
                                            has; such a mode runs at a batch alone
    PACKAGES = "torch"                      only where it runs in another framework's environment and image
    LADDER = ("eager", "compile")           only where a workload of many sizes does not run in all modes by default
    FORMS = {"transformer": "a function"}   only for workloads that run in each framework's own best form: which that is
    LIMITS = "torch"                        the library that it computes with, if the file has `probes` for its limits;
                                            without, the drift probes that a comparison of two sessions needs are
                                            NumPy's on the CPU, and there are none on a GPU
    ALLOCATORS = {"policy": {"NAME": "value"}}  policies of its device allocator besides the default, by its own names,
                                            with the variables that set each; "torch": those of that file
    ALLOCATOR_DEVICES = ("cpu", "cuda")     the devices that have these policies; if left out, only "cuda"
    DEVICES = ("cpu",)                      the devices that it computes on; if left out, "cpu" and "cuda". On any other
                                            all its cells are skipped, with the reason, and nothing of it is started
    PROGRAMS = {"clang": "clang"}           programs that it runs, each with the package of Debian and Ubuntu that has
                                            it: `samestep doctor` looks for them, its image installs them, and a run
                                            skips the framework without them, with the command that installs them
    LIBRARIES = {"libSM.so.6": "libsm6"}    shared libraries that no wheel of its lock brings, each with the package
                                            of Debian and Ubuntu that has it: its image installs them
    PROGRAM_MODES = ("compile",)            only where not all modes need them: `build` returns a `Skip` for these
    ERA = 2015                              the year in which it appeared to the public in this form, for the timeline
    PERIOD = "war"                          the period of that history: one of `bench.catalogue.PERIODS`
    EXHIBIT = True                          only for what is shown for its place in history: it takes part in the runs
                                            that name it or an era, and its formula of Adam is told by a second run

then imports its framework at the top, and defines the functions of `Framework`. It derives every mode from one
forward pass per workload, written in its own idiom. Every replicate runs in the main thread of its process, so a
library may set handlers of signals. `probes() -> Probes` returns the library's own calls that measure
the limits of the machine (`bench.tracks.limits`); all frameworks that compute with one library share them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.records.record import Allocator, ModeProof
from bench.reference.workload import Workload

Output = Any  # a framework's own array or tensor: the loss or losses of one call


@dataclass(frozen=True, slots=True)
class Skip:
    """A mode that cannot run here, with the reason as one sentence."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestRound:
    """A round of calls that a guest made and timed: a program in a process of its own (`bench.guests`)."""

    outputs: Sequence[Output]
    begin_ns: int  # by the monotonic clock that all processes of a host share, as time.perf_counter_ns
    end_ns: int
    cpu_ns: int  # processor time of the guest meanwhile, all threads


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A workload built in one mode, at its initial parameters: closures over the framework's own state.

    `call()` makes `steps_per_call` optimiser updates and returns their losses without waiting for the device: the
    clock waits, see `bench.protocol.replicate`. Instead of `call` a trainer that owns its loop gives `fit`, and a
    program in a process of its own gives `guest`, which makes rounds of so many calls one after the other, waits at the
    end of each for its last call, and times them itself.

    The outputs of a round are all kept until its end. Where the next call overwrites what the last one returned (the
    replay of a captured graph, a buffer that is used again), `call` returns a copy.

    With `--optimizer none` the workload is not trained (`workload.trains` is false): `inference` is true, `call`
    returns the predictions at the initial parameters, and the parameters stay as they are. `build` may return a `Skip`
    instead.

    `proof` says what the framework did, read back from its own state, not repeated from what was asked. Its counts
    (compilations, traces, graphs) are of the whole life of the process: calls after the first in which one rises belong
    to the first step, and a rise in the timed rounds makes the cell invalid. What it cannot tell is None or empty.
    """

    call: Callable[[], Output] | None = None  # one call of the training step
    fit: Callable[[int], Output] | None = None  # n updates inside the framework's own loop, with a cost of its own
    guest: Callable[[int, int], Sequence[GuestRound]] | None = None  # (calls, rounds): a guest makes and times them
    steps_per_call: int = 1  # updates that one `call` makes: 1, or the length of a whole compiled loop
    reset: Callable[[], None]  # back to the initial parameters and a fresh optimiser; no recompilation
    parameters: Callable[[], Mapping[str, NDArray[np.float32]]]  # as they are now; names and shapes of the workload
    proof: Callable[[], ModeProof]  # what the framework says it did; cheap enough to be called between rounds
    gradient: Callable[[], Mapping[str, NDArray[np.float32]]] | None = None  # of the loss, by the current parameters
    inference: bool = False  # a call is a forward pass of a trained model: it returns predictions, no loss
    release: Callable[[], None] = lambda: None  # drop the references to this step that the framework's module holds

    def __post_init__(self) -> None:
        if sum(way is not None for way in (self.call, self.fit, self.guest)) != 1:
            raise TypeError("a Step has one of `call`, `fit` and `guest`")

    def run(self, calls: int) -> Sequence[Output]:
        """Advance by `calls` calls (a trainer: by `calls` updates) and keep every output alive."""
        if self.fit is not None:
            return [self.fit(calls)]
        if self.guest is not None:
            return self.guest(calls, 1)[-1].outputs
        assert self.call is not None
        call = self.call
        return [call() for _ in range(calls)]


@dataclass(frozen=True, slots=True)
class Task:
    """One call of a library and its work: floating-point operations, bytes read and written, or launches."""

    call: Callable[[], Output]  # returns without waiting for the device; the last output is waited for
    work: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """A library's own calls that measure limits, as its users would write them. Each is measured before the next."""

    matmul: Callable[[int, str], Task | None]  # product of two n × n matrices in a precision; None: it has none
    triad: Callable[[int], Task]  # on two arrays of float32, of so many bytes together
    launch: Task  # the smallest operation on one element
    # 3 × 3, channels to channels, of a batch of 32 × 32 images: (batch, channels, precision); None: it has none
    convolution: Callable[[int, int, str], Task | None] = lambda batch, channels, precision: None
    replay: Task | None = None  # of a recorded graph of that operation; None: the device has no graphs


class Framework(Protocol):
    """What `bench.protocol.replicate` needs from a module under `bench/frameworks`."""

    MODES: Mapping[str, str]
    ENVIRONMENT: Mapping[str, str]
    FORWARD: Mapping[str, Any]  # the workloads that it has, each with its forward pass in the framework's own form
    ADAM: str  # the formula of its Adam: "kingma-ba" or "epsilon-hat", see bench.reference.workload

    def start(self, device: str, threads: int) -> None:
        """Initialise `device` ("cpu" or "cuda") and set the thread counts, before anything is built.

        Raises:
            RuntimeError: there is no such device.
        """
        ...

    def build(self, workload: Workload, mode: str, precision: str) -> Step | Skip:
        """Return `workload` in `mode` at its initial parameters; nothing is traced or compiled yet.

        A `Skip` where the framework lacks the mode, the precision, the optimizer or, with `--optimizer none`, a forward
        pass alone; `workload.optimizer` raises ValueError there.
        """
        ...

    def wait(self, outputs: Sequence[Output]) -> None:
        """Block until the device has finished everything, `outputs` included; `wait(())` waits for the device alone."""
        ...

    def to_numpy(self, outputs: Sequence[Output]) -> NDArray[np.float64]:
        """Return the losses in `outputs` as one flat array, shape (steps,); of an inference step, its last output."""
        ...

    def memory(self) -> Allocator:
        """Return the statistics of the device's allocator; all None, with the reason, where there are none."""
        ...

    def empty_cache(self) -> bool:
        """Return the allocator's unused memory to the device; return whether the framework has such a call."""
        ...

    def versions(self) -> Sequence[str]:
        """Return "name==version" of the framework and of the libraries it computes with."""
        ...
