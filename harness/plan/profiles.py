"""The profiles: how many blocks, how many rounds, and how long, as a table of frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bench.catalogue import SCALINGS, STRONG
from bench.turns.turn import Settings

SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How much a run measures."""

    name: str
    sentence: str
    blocks: int  # replicates of each cell
    optimizers: tuple[str, ...]  # run when --optimizer is not given
    # By framework, the modes that run when --framework and --mode are not given; empty: all. A framework that is named
    # and not in it runs the modes that it offers for ladders.
    modes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    batch_modes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # the same at a batch; empty: `modes`
    parallel_modes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # the same with ranks; empty: all
    parallel_scalings: tuple[str, ...] = SCALINGS  # run when --scaling is not given
    settings: Settings
    parallel_blocks: int | None = None  # with ranks; None: as `ladder_blocks`
    exhibit_blocks: int | None = None  # where an exhibit takes part; None: as `blocks`
    batch_blocks: int | None = None  # where all cells infer at a batch; None: as `ladder_blocks`
    stream_blocks: int | None = None  # where all input is streamed; None: as `ladder_blocks`
    ladder_blocks: int | None = None  # where all workloads have a ladder of sizes; None: as `blocks`
    hello_blocks: int | None = None  # blocks that hold the hello worlds; None: all
    limits_blocks: int | None = None  # blocks that measure limits; None: all, 0: no limits
    interim_analyses: tuple[int, ...] = ()  # blocks after which the run ends if its intervals are narrow enough
    measures: tuple[str, ...] = ("time", "memory")  # measured when --measure is not given
    # Where all cells infer at a batch or an exhibit takes part, whose tables have each one's peak; None: the same.
    brief_measures: tuple[str, ...] | None = None
    memory_blocks: int = 2  # blocks with memory replicates
    memory_cells: int | None = None  # cells of a framework with them when --measure is not given; None: all
    energy_blocks: int = 2  # blocks with energy replicates
    timeout_s: float  # of one replicate


# The modes by which most people know the frameworks, and what compiling is worth in each.
MAIN_MODES: Final[Mapping[str, tuple[str, ...]]] = {
    "torch": ("eager", "compile", "compile-step"),
    "tensorflow": ("eager", "function", "xla"),
    "keras_tensorflow": ("fit", "batch-jit"),
    "jax": ("op-by-op", "jit", "scan"),
    "fastai": ("fit",),
    "numpy": ("eager",),
}

# Of inference at a batch: a forward pass of each exporter, and each engine on one of them. What `torch.compile` makes
# is AOTInductor's, too.
MAIN_PATHS: Final[Mapping[str, tuple[str, ...]]] = {
    "torch": ("eager",),
    "tensorflow": ("function",),
    "keras_tensorflow": ("batch-jit",),
    "jax": ("jit",),
    "onnxruntime": ("from-torch", "from-keras", "from-jax"),
    "onnxruntime_node": ("from-torch",),
    "onnxruntime_web": ("from-torch",),
    "openvino": ("from-torch",),
    "tract": ("from-torch",),
    "litert": ("from-keras",),
    "iree": ("from-jax",),
    "jax_export": ("from-jax",),
    "saved_model": ("from-tensorflow",),
}

# Of data-parallel steps: the strategies that most people know, one for each way of them.
MAIN_STRATEGIES: Final[Mapping[str, tuple[str, ...]]] = {
    "torch": ("ddp",),
    "tensorflow": ("mirrored",),
    "jax": ("sharded-jit",),
}

# Beside the frameworks of the past: the modes of today's that a timeline ends with.
TODAY: Final[Mapping[str, tuple[str, ...]]] = {
    "numpy": ("eager",),
    "torch": ("eager", "compile"),
    "tensorflow": ("function",),
    "jax": ("jit",),
}

PROFILES: Final[Mapping[str, Profile]] = {
    profile.name: profile
    for profile in (
        Profile(
            name="look",
            sentence="the main modes of six frameworks and their hello worlds in five minutes: 2 blocks, Adam only",
            blocks=2,
            batch_blocks=1,
            stream_blocks=1,
            parallel_blocks=1,
            exhibit_blocks=1,
            optimizers=("adam",),
            modes=MAIN_MODES,
            batch_modes=MAIN_PATHS,
            parallel_modes=MAIN_STRATEGIES,
            parallel_scalings=(STRONG,),
            settings=Settings(
                rounds=10,
                slices=20,
                batch_slices=10,
                warmup_floor_ns=SECOND // 5,
                warmup_cap_ns=SECOND,
                warm_blocks=0,
                other_threads=False,
            ),
            hello_blocks=1,
            limits_blocks=0,
            memory_blocks=1,
            memory_cells=1,
            brief_measures=("time",),
            energy_blocks=1,
            timeout_s=180,
        ),
        Profile(
            name="quick",
            sentence="every mode in some 20 minutes: 3 blocks (1 for ladders of sizes), Adam only, no verdicts",
            blocks=3,
            ladder_blocks=1,
            optimizers=("adam",),
            settings=Settings(
                rounds=10,
                slices=20,
                warmup_floor_ns=3 * SECOND // 10,
                warmup_cap_ns=3 * SECOND // 2,
                other_threads=False,
            ),
            hello_blocks=1,
            limits_blocks=1,
            memory_blocks=1,
            energy_blocks=1,
            timeout_s=180,
        ),
        Profile(
            name="default",
            sentence="6 blocks, every optimizer: intervals to compare modes with",
            blocks=6,
            optimizers=("adam", "sgd"),
            settings=Settings(rounds=20, slices=40, warmup_floor_ns=SECOND, warmup_cap_ns=10 * SECOND, warm_blocks=6),
            timeout_s=300,
        ),
        Profile(
            name="publish",
            sentence="10 to 20 blocks, every optimizer: ends after block 10 or 15 if the intervals are narrow enough",
            blocks=20,
            interim_analyses=(10, 15),
            optimizers=("adam", "sgd"),
            settings=Settings(
                rounds=30, slices=60, warmup_floor_ns=2 * SECOND, warmup_cap_ns=60 * SECOND, warm_blocks=6
            ),
            hello_blocks=6,
            timeout_s=900,
        ),
    )
}
