"""The result of one replicate, typed, frozen and versioned: what `bench` writes and `harness` reads.

Standard library only, so that every interpreter on either side can import it. The rules:

* Raw integers with their unit in the name (`_ns`, `_bytes`); no statistic is stored, only what was measured.
* `None` means "not applicable or not measured"; an empty tuple means "none seen". A number is never invented.
* A cell that was skipped, failed, timed out or gave a wrong result has a record too: tables show the reason.
* `SCHEMA` is the number of the layout (`bench.records.schema`, with its history). Reading a record upgrades an older
  one step by step and refuses a newer one with a sentence (`bench.records.codec`).
"""

import dataclasses
from dataclasses import dataclass
from typing import Final, Literal

from bench.records.observation import Energy, Observation
from bench.records.parallel import Parallel
from bench.records.schema import SCHEMA
from bench.records.streaming import Streaming

Status = Literal["ok", "skipped", "invalid", "failed", "timeout", "oom"]
Track = Literal["identical", "idiomatic", "export", "limits", "twin", "sentinel", "memory", "energy", "stream", "cold"]
CompileCache = Literal["cold", "warm", "partly warm", "none"]
RepeatKind = Literal["warm", "threads"]
LimitKind = Literal["matmul", "convolution", "triad", "launch", "replay"]
Moment = Literal["import", "device", "build", "first step", "warm-up", "round", "deleted", "emptied"]

FORWARD_ONLY: Final = "none"  # the optimizer of a cell that does not train: a step is a forward pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One combination that is measured; two cells are the same when all fields are equal."""

    framework: str  # module name under bench/frameworks, such as "torch"
    mode: str  # one of that module's MODES; "hello" on the idiomatic track, "limits", "sentinel" on theirs, and
    # "export-" with the format on the track "export"; with ranks one of its STRATEGIES under bench/parallel
    workload: str  # module name under bench/workloads, such as "regression"
    optimizer: str  # "adam" or "sgd"; or FORWARD_ONLY
    size: str  # name of the workload's size, such as "base"
    precision: str  # one of PRECISIONS: what products are rounded to; parameters and loss are float32
    device: str  # "cpu" or "cuda"
    allocator: str  # policy of the device allocator; "default" is the framework's own
    batch: int = 0  # above 0: inference of the trained model at this batch; 0: the workload's own batch
    stream: str = ""  # size of the data set that is streamed, such as "64MB"; empty: the input is resident
    ranks: int = 0  # above 0: a data-parallel step over so many ranks, by a strategy under bench/parallel
    scaling: str = ""  # "strong": the ranks share the workload's batch; "weak": each has as many rows; empty: no ranks
    variant: str = ""  # of the framework's environment: "0.9.2", "keras==3.14,jax==0.10.2", "py3.13"; empty: as locked
    track: Track = "identical"  # "identical": proved to do the same arithmetic; "idiomatic": the hello world
    # "memory" and "energy": the identical cell again, in separate replicates that are not timed; "cold": its start.
    # On the tracks "limits" and "sentinel" (the drift probe) workload, optimizer, size and precision are empty.
    # "stream": the mode is one of its PIPELINES under bench/streams, and the size is that of the workload
    # "twin": the A/A control, an identical cell under a second label (`harness.validity.noise_floor`).

    @property
    def enlarged(self) -> int:
        """How many times as many rows as the workload has its batch has: more than once with ranks by weak scaling."""
        return self.ranks if self.scaling == "weak" else 1

    @property
    def framework_id(self) -> str:
        """The framework and its variant, as on the command line: "jax@0.9.2"; what an environment is made for."""
        return f"{self.framework}@{self.variant}" if self.variant else self.framework

    @property
    def id(self) -> str:
        """Fields joined by slashes: unique, stable, fit for messages and file names once slashes are replaced."""
        fields = [self.framework_id, self.mode, self.workload, self.optimizer, self.size, self.precision, self.device]
        batch = [f"b{self.batch}"] if self.batch else []
        stream = [self.stream] if self.stream else []
        ranks = [f"r{self.ranks}-{self.scaling}"] if self.ranks else []
        named = self.track in ("twin", "memory", "energy", "cold")  # the mode names the other tracks
        track = [self.track] if named else []
        return "/".join([*fields, self.allocator, *batch, *stream, *ranks, *track])


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """Wall time of each phase of the process, on `time.perf_counter_ns`; together at least 95 % of its life."""

    startup_ns: int  # from the start of the process (10 ms resolution) to that of the protocol: Python, NumPy, pytest
    import_ns: int  # importing the framework
    device_ns: int = 0  # setting threads, initialising the device
    build_ns: int = 0  # inputs, reference, model, optimiser; for graph modes without the trace
    first_step_ns: int = 0  # the first call (trace, compile, run, wait), and those that look whether more compile
    check_ns: int = 0  # the correctness gate before and after the timed rounds, reading back the proof
    warmup_ns: int = 0  # from the end of the gate until the rounds agree
    rounds_ns: int = 0  # the timed rounds and the time between them
    teardown_ns: int = 0  # from the last measurement to the writing of the record
    export_ns: int = 0  # writing the trained model for another framework
    repeats_ns: int = 0  # the further processes of `Record.repeats`
    parked_ns: int = 0  # between its time slices, stopped while others had theirs; in no other phase

    def total_ns(self) -> int:
        """Sum of all phases in which the process ran."""
        spent: list[int] = [getattr(self, field.name) for field in dataclasses.fields(self)]
        return sum(spent) - self.parked_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Raw durations of one replicate, each round measured by pytest-benchmark's `pedantic`."""

    steps_per_call: int  # optimiser updates that one call makes: 1, or the length of a whole compiled loop
    calls_per_round: int  # calls in one round; frozen for the cell in the first block
    first_step_ns: int  # the first call, from before the trace until the device finished
    load_ns: int | None = None  # of the build the framework's part: of an engine reading and preparing the model
    compile_cache: CompileCache  # how the first step used the caches, by their counters and new files
    settling_ns: tuple[int, ...] = ()  # calls after the first up to the last that compiled or captured; empty: none did
    warmup_rounds: int  # rounds run before the timed ones
    steady: bool  # False: the warm-up reached its cap before the rounds agreed (flag NOSTEADY)
    clock_ns: int  # median cost of reading the clock twice with one wait between
    round_ns: tuple[int, ...]  # duration of each timed round: calls_per_round calls, then the wait
    round_begin_ns: tuple[int, ...] = ()  # when each began, by the monotonic clock that all processes of a host share
    double_round_ns: tuple[int, ...] = ()  # for a trainer that owns its loop: rounds of twice the calls, interleaved
    process_cpu_ns: int = 0  # CPU time of this process in the phase of the timed rounds, all threads
    process_wall_ns: int = 0  # wall time of the same phase: CPU over wall is the number of threads used
    cache_entries: int | None = None  # files that the first step added under the scratch folder, where every cache lies
    slice_rounds: tuple[int, ...] = ()  # of processes that took turns: rounds of each time slice; empty: all in one go
    switch_round_ns: tuple[int, ...] = ()  # the first round of each slice, which is not in `round_ns`: another process
    # had used the caches. Empty: none was left out, because a round is as long as a slice.
    round_cpu_ns: tuple[int, ...] = ()  # CPU time of the process in each round of `round_ns`, all threads; of a trainer
    # in both fits. Where it is less than their duration, another process had the processor.
    pipe_ns: tuple[int, ...] = ()  # of a guest, whose own clock has each round of `round_ns`: how much longer its order
    # took for the process that gave it, divided by the rounds of the order. Empty: it is no guest.

    @property
    def steps_per_round(self) -> int:
        """Optimiser updates in one round of `round_ns`."""
        return self.steps_per_call * self.calls_per_round


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocator:
    """What a framework reports of its device allocator at one moment; None: it has no such figure."""

    policy: str = ""  # the one that ran, "default" or one of the framework's ALLOCATORS; empty: unknown
    allocated_bytes: int | None = None  # handed out now
    allocated_peak_bytes: int | None = None  # the most so far
    reserved_bytes: int | None = None  # taken from the device now
    reserved_peak_bytes: int | None = None  # the most so far
    requests: int | None = None  # allocations requested from it since the process began
    device_allocations: int | None = None  # times that it requested memory from the device, since the process began
    largest_free_bytes: int | None = None  # largest block that is reserved and not handed out
    inactive_bytes: int | None = None  # free, but next to live blocks, so it cannot be returned (inactive splits)
    why: str = ""  # one sentence: why figures are missing; empty: none is missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The memory of a process at a named moment of a replicate on the track "memory", garbage collected."""

    moment: Moment  # what has just ended; "deleted": the model, "emptied": the allocator's cache
    at_ns: int  # by the monotonic clock that all processes of a host share
    steps: int  # optimiser updates, or inferences, that the process has made
    rss_bytes: int  # resident set of the process
    rss_peak_bytes: int | None  # highest resident set since the last reading; None: the kernel cannot reset its peak
    allocator: Allocator = Allocator()  # empty before the device is initialised
    rested_ns: int = 0  # rest of the process after the reading, for a sampler outside that samples seldom


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Memory of one replicate. Device fields are None on a device whose framework keeps no such statistic."""

    host_peak_rss_bytes: int | None = None  # peak resident set of the process at its end, VmHWM
    host_rss_after_import_bytes: int | None = None  # resident set once the framework was imported
    context_bytes: int | None = None  # device memory held before the first allocation
    allocated_peak_bytes: int | None = None  # the allocator's own peak of bytes handed out
    reserved_peak_bytes: int | None = None  # the allocator's own peak of bytes taken from the device
    device_peak_bytes: int | None = None  # NVML's peak for the process: a lower bound
    device_allocations_warmup: int | None = None  # device allocations from the first step to the end of the warm-up
    device_allocations_timed: int | None = None  # device allocations during the timed rounds; must be 0
    residue_bytes: int | None = None  # device memory still held after the last output was dropped
    readings: tuple[Reading, ...] = ()  # of a turn on the track "memory", in their order
    own_bytes: int | None = None  # inputs and initial parameters that the suite itself holds on the host
    unix_offset_ns: int | None = None  # added to the clock of `readings` it gives time.time_ns; None: no readings


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """What a trained model's predictions at a batch are worth as classes, beside those of float64.

    Loss and share are those of the rows that it was trained on, as many as the batch has: of others it knows nothing.
    """

    labels: int  # of these rows: one for each, or for each token
    loss: float  # mean cross-entropy
    reference_loss: float  # float64's
    correct: float  # share of these labels that the largest prediction names, from 0 to 1
    reference_correct: float  # float64's
    agreement: float  # share of all predictions, also of other rows, that are largest at float64's class


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How far the losses of a run with an epsilon at which the formulas of Adam differ are from one of them."""

    formula: str  # as in Accuracy
    deviation: float  # largest |loss - reference| / max(1, |reference|)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """What was computed, compared with the float64 NumPy reference of the same formula."""

    formula: str  # the update rule of the framework and of its reference: one of FORMULAS of Adam, or "sgd"
    losses: tuple[float, ...]  # loss of each step of the gate's whole run before timing, from the framework
    reference_losses: tuple[float, ...]  # the float64 reference's losses of the same steps
    max_loss_deviation: float | None  # largest |loss - reference| / max(1, |reference|); of a forward pass: predictions
    # (of a trained model at a batch: over the rms of the reference's)
    weight: float | None  # the trained weight (regression)
    bias: float | None  # the trained bias (regression)
    reference_weight: float | None  # the float64 reference's weight after the same steps
    reference_bias: float | None  # the float64 reference's bias after the same steps
    within_tolerance: bool | None  # weight and bias within 0.05 of the truth that made the data; None: there is none
    data_sha256: str  # of the bytes of the inputs as handed to the framework
    init_sha256: str  # of the bytes of the initial parameters as read back from the framework
    max_parameter_deviation: float | None = None  # largest |parameter - reference| after the same steps
    prediction_norm: float | None = None  # Euclidean norm of what a forward pass returned; None: it trained
    gradient_norm: float | None = None  # Euclidean norm of the gradient at the initial parameters, over all of them
    max_gradient_deviation: float | None = None  # largest over parameters of rms(gradient - reference) / rms(reference)
    parameters: tuple[str, ...] = ()  # names of the workload's parameters, sorted
    gradient_norms: tuple[float, ...] = ()  # Euclidean norm of the gradient of each of them, in their order
    worst_gradient: str = ""  # the parameter with that deviation; empty: nothing was compared
    fingerprint: str = ""  # SHA-256 of losses and parameters of the gate's first steps: same bits, same fingerprint
    fingerprint_after: str = ""  # of the same steps after timing, in the same process
    rms_deviation: float | None = None  # of a trained model at a batch: rms(prediction - reference) / rms(reference)
    classes: Classes | None = None  # of a trained model at a batch; None: no reference, or predictions are missing
    fits: tuple[Fit, ...] = ()  # of a second run, at the epsilon `fits_epsilon`: every formula; empty: there was none
    fits_epsilon: float | None = None  # None: there was none


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeProof:
    """Evidence that the mode ran, read back from the framework after the timed rounds."""

    mode: str  # the mode that the framework ran, by its name in MODES
    device: str  # where the framework says the parameters are, such as "cpu" or "cuda:0"
    threads: int | None  # threads of one operation, as the framework reports them; None: it reports none
    precision: str  # dtype of the parameters
    compute_precision: str = ""  # dtype of the model's products; empty: unknown
    compilations: int | None  # traces and compilations seen in the life of the process; None: the mode has none
    compilations_timed: int | None = None  # those during the timed rounds; must be 0
    graph_breaks: int | None = None  # places where a compiled step returned to Python; None: not a compiled mode
    graph_breaks_declared: int = 0  # how many of these the framework always makes, as the mode's sentence says
    cache_hits: int | None = None  # compile-cache hits, where the framework counts them
    cache_misses: int | None = None  # compile-cache misses, where the framework counts them
    evidence: str = ""  # one sentence: where this was read
    output_device: str = ""  # where the last output was; empty: the framework returns Python numbers
    output_precision: str = ""  # dtype of the last output; empty: as above
    matmul_precision: str = ""  # how the framework rounds float32 products, in its own words
    tf32: bool | None = None  # whether float32 products may be rounded to TF32; None: unknown
    deterministic: bool | None = None  # the framework's switch for deterministic kernels; None: it has none
    traces: int | None = None  # times the step's Python code was traced; None: the mode traces nothing
    guard_failures: int | None = None  # compilations beyond the first because what was compiled did not fit; must be 0
    graphs: int | None = None  # compiled graphs or XLA clusters of the step; None: not a compiled mode
    cuda_graphs: int | None = None  # CUDA graphs recorded; None: the mode does not use them
    cuda_graphs_skipped: str = ""  # why there are none although the mode uses them, in the framework's words
    allocator: str = ""  # policy of the device allocator that ran, as in Cell; empty: unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """The same cell again, in a further process: its first step and its gate, without timed rounds.

    "warm" starts with the compile caches of the replicate; "threads" uses another number of threads.
    """

    kind: RepeatKind  # what differs from the replicate
    threads: int  # requested
    status: Status  # as in Record
    reason: str = ""  # one sentence; empty when the status is "ok"
    first_step_ns: int | None = None  # None: it ended before
    settling_ns: tuple[int, ...] = ()  # as in Timing; only of "warm"
    compile_cache: CompileCache | None = None  # how its first step used the caches
    cache_hits: int | None = None  # up to the end of its first step
    cache_misses: int | None = None  # up to the end of its first step
    cache_entries: int | None = None  # files that its first step added under the scratch folder
    fingerprint: str = ""  # as in Accuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A trained model that a framework wrote in a format that others run: the artifact."""

    format: str  # package under bench/exports, such as "onnx"
    sha256: str = ""  # of the artifact's bytes; the run's folder keeps them as models/<sha256>
    size_bytes: int = 0  # of the artifact
    zipped_bytes: int | None = None  # of the artifact compressed by zlib at its level 6; None: not measured
    export_ns: int | None = None  # writing it, without the import of framework and exporter; None: not measured
    operators: tuple[str, ...] = ()  # of the graph, in its order; empty: the format does not tell
    producer: str = ""  # the program that wrote it, as the file says
    versions: tuple[str, ...] = ()  # "name==version" of framework and exporter
    ir_version: int | None = None  # of ONNX's intermediate representation; None: another format
    opset: int | None = None  # of ONNX's default operator set; None: another format
    model_base64: str = ""  # the bytes, as they come from the process; empty in the records of a run's folder


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """The start of a process whose files the kernel was asked to forget before it; import and device are phases."""

    load_ns: int  # reading the model and preparing it for the first call
    first_step_ns: int  # the first call
    read_bytes: int | None  # from storage, in all of these (/proc/self/io); None: the kernel does not count


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The most that a library reached on the machine in one kind of work, as raw rounds (`bench.tracks.limits`)."""

    kind: LimitKind  # product of matrices, 3 × 3 convolution, a += s·b, smallest launch, replay of a graph of it
    precision: str  # of the arithmetic, as in Cell; empty where it does not matter
    size: int  # matmul: n of the n × n matrices; convolution: channels; triad: bytes of both arrays; else elements
    work: int  # of one round: floating-point operations, bytes read and written, or launches
    round_ns: tuple[int, ...]  # duration of each round


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where the process ran, read inside the process."""

    python: str  # the interpreter's version, build and compiler: two builds of one version differ by 10 % and more
    platform: str  # kernel and C library, as platform.platform() says
    cpu: str  # model name of the processor
    cpus: tuple[int, ...]  # the CPU set this process was allowed
    threads: int  # the requested thread count
    device_name: str  # model of the accelerator, or the processor's on the CPU; empty: an accelerator without a name
    versions: tuple[str, ...]  # "name==version" of the framework and of the libraries it computes with
    flags: tuple[str, ...]  # "NAME=value" of each environment variable that bench set, sorted
    launcher: str  # "venv", "here", "docker" or "workers"
    image: str = ""  # digest of the container image; empty outside a container
    variables: tuple[str, ...] = ()  # "NAME=value" of each environment variable of the process, sorted
    named: tuple[str, ...] = ()  # those of `variables` that the user named with --env
    ran_on: tuple[int, ...] = ()  # processors on which it was seen in the timed rounds; empty: not looked
    installed_bytes: int | None = None  # files of all packages of the environment; None: not looked, as after block 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Idiomatic:
    """One cold run of a framework's hello world (`bench/hello`)."""

    lines: int  # logical lines of code, counted from the syntax tree
    total_ns: int  # from starting the interpreter until it ended
    weight: float  # as the program printed it
    bias: float  # as the program printed it
    within_tolerance: bool  # both within 0.05 of the truth


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no result."""

    phase: str  # the phase of the protocol that was under way, or "launch"
    exit_code: int | None = None  # of the process; None when it was killed by a signal or never started
    signal: str = ""  # name of the signal that ended it, such as "SIGKILL"
    tail: tuple[str, ...] = ()  # the last lines it printed


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One replicate: one fresh process running one cell."""

    cell: Cell
    block: int  # replicate number of the cell, from 1; the block it belongs to
    position: int  # index in the run's order, from 1
    attempt: int = 1  # 2: run again at the end of its block because the first was invalid
    status: Status  # "ok", or why there is no number
    reason: str = ""  # one sentence; empty when the status is "ok"
    started_unix_ns: int = 0  # when the process was started, time.time_ns
    wall_ns: int = 0  # life of the process, measured by the launcher from start to exit
    phases: Phases | None = None
    timing: Timing | None = None
    memory: Memory | None = None
    accuracy: Accuracy | None = None
    proof: ModeProof | None = None
    environment: Environment | None = None
    idiomatic: Idiomatic | None = None
    repeats: tuple[Repeat, ...] = ()  # further processes of this replicate, in their order
    export: Export | None = None  # of a turn on the track "export"
    limits: tuple[Limit, ...] = ()  # of a turn on the track "limits" or "sentinel"
    energy: Energy | None = None  # of a turn on the track "energy"
    cold: ColdStart | None = None  # of a turn on the track "cold"
    streaming: Streaming | None = None  # of a turn on the track "stream"
    parallel: Parallel | None = None  # of a cell with ranks
    observation: Observation | None = None  # filled by the harness when the turn has ended
    failure: Failure | None = None
    schema: int = SCHEMA
