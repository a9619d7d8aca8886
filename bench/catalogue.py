"""What this suite can run, as data: the output of `python -m bench cells`.

Read from the syntax tree of each framework's file, never by importing it: a host without PyTorch lists PyTorch's cells,
and a framework that does not import still has cells that can be recorded as failed.
"""

import ast
import dataclasses
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench import lines
from bench.data import FORMATS
from bench.frameworks import FRAMEWORKS
from bench.literals import read
from bench.records.record import Cell
from bench.reference.precision import PRECISIONS
from bench.strategies import StrategyOffer, strategies
from bench.workloads import WORKLOADS, docstring, load

HELLO: Final = "hello"  # mode of the idiomatic track
EXPORT: Final = "export"  # track of the turn that writes a trained model for others to run; `export_mode` is its mode
LIMITS: Final = "limits"  # mode of the turn that measures the most that a library reaches on this machine
DRIFT_PROBE: Final = "sentinel"  # mode and track of the short turn that measures whether the machine is still as fast
CONTROL: Final = "twin"  # track of the A/A control
PROBED_WITHOUT_OWN: Final = "numpy"  # the library that is probed in a framework without probes; it is everywhere
STREAM: Final = "stream"  # track of input that is streamed; its modes are a framework's PIPELINES
COLD: Final = "cold"  # track of the start on an emptied page cache
TIMED: Final = ("identical", CONTROL)  # tracks whose steps are timed and compared
LITERALS: Final = (
    "MODES", "BASELINE", "ENVIRONMENT", "SOURCES", "LADDER", "FORMS", "LIMITS", "ALLOCATORS", "ALLOCATOR_DEVICES",
    "DEVICES", "PROGRAMS", "PROGRAM_MODES", "LIBRARIES", "TRAINS", "PACKAGES", "PRECISIONS", "ERA", "PERIOD", "EXHIBIT",
)  # fmt: skip
PERIODS: Final = ("precursors", "war", "pytorch", "today")  # of the history of the frameworks, in their order
PIPELINE_LITERALS: Final = ("PIPELINES", "UNORDERED", "PLAIN")  # of a file under bench/streams
STRONG: Final = "strong"
WEAK: Final = "weak"
SCALINGS: Final = (STRONG, WEAK)
DEVICES: Final = ("cpu", "cuda")
IN_WORDS: Final = {"cpu": "the CPU", "cuda": "a GPU"}
DEFAULT_POLICY: Final = "default"  # of the device allocator: the framework's own


class FrameworkError(Exception):
    """A framework's file does not say, in literals, what it has to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeOffer:
    """One mode of a framework."""

    name: str
    sentence: str  # what happens in it
    baseline: str = ""  # the mode that its speed-up and break-even compare with; empty: none
    source: str = ""  # the framework whose exported model it runs; empty: it trains its own
    format: str = ""  # in which that framework exports it: a package under bench/exports; empty: none, or "onnx"
    precision: str = ""  # the only one that it has; empty: any that leaves the model as it is
    on_ladders: bool = True  # whether a workload of many sizes runs in it when no mode is named


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineOffer:
    """One pipeline of a framework: a file under `bench/streams` has them."""

    name: str
    sentence: str  # what happens in it
    format: str  # in which the data set lies: what its name opens with
    ordered: bool = True  # whether it keeps the order of the samples
    augments: bool = True  # False: it gives the samples as they lie in the files


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyOffer:
    """One policy of a framework's device allocator, other than its default."""

    name: str  # the framework's own name for it
    environment: tuple[tuple[str, ...], ...]  # (name, value) of each variable that sets it
    devices: tuple[str, ...]  # the devices that have it


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameworkOffer:
    """One framework, as its file declares it."""

    name: str
    title: str  # its usual name, such as "PyTorch": the words before the colon of the file's first line
    modes: tuple[ModeOffer, ...]  # in the order of the tables
    baseline: str  # the baseline that all modes share; empty: none, or each has its own
    sentence: str = ""  # first line of the file's docstring
    environment: tuple[tuple[str, ...], ...] = ()  # (name, value) of each variable set before the import
    hello: str = ""  # source of its hello world; empty: it has none
    hello_lines: int = 0  # logical lines of that source
    program: str = ""  # the same of a framework whose guest's interpreter cannot run it beside the others: shown only
    program_lines: int = 0  # logical lines of that
    limits: str = ""  # library whose limits it can measure, shared by all frameworks on that library; empty: none
    allocators: tuple[PolicyOffer, ...] = ()  # policies of its device allocator other than the default
    programs: tuple[tuple[str, ...], ...] = ()  # (name, package of Debian and Ubuntu) of each program that it runs
    program_modes: tuple[str, ...] = ()  # the modes that run them; empty: all
    forms: tuple[tuple[str, ...], ...] = ()  # (workload, the form in which it runs here) where frameworks differ in it
    devices: tuple[str, ...] = DEVICES  # those that it computes on
    trains: bool = True  # False: it runs exported models alone, and only where it or a batch is named
    packages: str = ""  # the framework in whose environment and image it runs; empty: in its own
    pipelines: tuple[PipelineOffer, ...] = ()  # for input that is streamed, in the order of the tables
    strategies: tuple[StrategyOffer, ...] = ()  # for data-parallel steps, in the order of the tables
    era: int = 0  # the year in which it appeared to the public in this form; 0: its file does not say
    period: str = ""  # one of PERIODS; empty: as above
    exhibit: bool = False  # whether it takes part only where it or an era is named


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeOffer:
    """One size of a workload, as `bench.reference.workload.Work` has it."""

    name: str
    samples: int
    flops: int
    bytes: int
    forward_flops: int
    forward_bytes: int
    footprint: int
    parameters: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadOffer:
    """One workload."""

    name: str
    sentence: str
    sizes: tuple[str, ...]
    optimizers: tuple[str, ...]
    sizes_on_cpu: tuple[str, ...] = ()  # sizes that run on this device when none is named; empty: all
    sizes_on_cuda: tuple[str, ...] = ()
    works: tuple[SizeOffer, ...] = ()  # the work of a step of each size
    infers: bool = False  # whether its trained model is inferred at any batch
    streams: bool = False  # whether it trains on images that are streamed

    @property
    def is_ladder(self) -> bool:
        """Whether it has a ladder of sizes; such a workload runs only when it is named."""
        return bool(self.sizes_on_cpu)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Everything that can be selected."""

    frameworks: tuple[FrameworkOffer, ...]
    workloads: tuple[WorkloadOffer, ...]
    precisions: tuple[str, ...] = tuple(PRECISIONS)


def catalogue() -> Catalogue:
    """Read all frameworks and workloads.

    Raises:
        WorkloadError: a workload's file is incomplete or contradicts itself.
    """
    return Catalogue(
        frameworks=tuple(framework_offer(name) for name in FRAMEWORKS),
        workloads=tuple(_workload_offer(name) for name in WORKLOADS),
    )


def framework_offer(name: str, folder: Path = Path(__file__).parent) -> FrameworkOffer:
    """Read one framework's file in `folder`, bench/ of a checkout, without importing it.

    Raises:
        FrameworkError: it cannot be read so.
    """
    try:
        return _framework_offer(name, folder)
    except KeyError as error:
        raise FrameworkError(f"bench/frameworks/{name}.py: the literal {error} is not there") from error
    except SyntaxError as error:
        raise FrameworkError(f"bench/frameworks/{name}.py: line {error.lineno}: {error.msg}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise FrameworkError(f"bench/frameworks/{name}.py: what it declares cannot be read ({error})") from error


def libraries(name: str, folder: Path = Path(__file__).parent) -> Mapping[str, str]:
    """Return LIBRARIES of a framework's file, which `framework_offer` has accepted: shared libraries, with packages."""
    found: Mapping[str, str] = read(
        ast.parse((folder / "frameworks" / f"{name}.py").read_text(encoding="utf-8")), LITERALS
    ).get("LIBRARIES", {})
    return found


def adam_of(name: str, folder: Path = Path(__file__).parent) -> str:
    """Return the name of the formula that a framework's Adam follows, such as "KINGMA_BA"; empty: its file has none."""
    try:
        tree = ast.parse((folder / "frameworks" / f"{name}.py").read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return ""
    assigned = (node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign))
    for node in assigned:
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Name) and target.id == "ADAM" and isinstance(node.value, ast.Name):
            return node.value.id
    return ""


def _framework_offer(name: str, folder: Path) -> FrameworkOffer:
    tree = ast.parse((folder / "frameworks" / f"{name}.py").read_text(encoding="utf-8"))
    literals = read(tree, LITERALS)
    modes: Mapping[str, str] = literals["MODES"]
    environment: Mapping[str, str] = literals["ENVIRONMENT"]
    for literal in ("MODES", "ENVIRONMENT", "PROGRAMS", "LIBRARIES", "SOURCES", "PRECISIONS"):
        if not all(isinstance(text, str) for pair in literals.get(literal, {}).items() for text in pair):
            raise ValueError(f"{literal} has a name or a value that is no text")
    sources = {mode: _source(mode, named) for mode, named in literals.get("SOURCES", {}).items()}
    devices = literals.get("DEVICES", DEVICES)
    if not isinstance(devices, tuple) or not devices or set(devices) - set(DEVICES):
        raise ValueError(f"DEVICES is a tuple of some of {', '.join(DEVICES)}, such as ({DEVICES[0]!r},)")
    ladder: Sequence[str] = literals.get("LADDER", tuple(modes))
    shared = literals["BASELINE"] if isinstance(literals["BASELINE"], str) else ""
    baselines: Mapping[str, str] = dict.fromkeys(modes, shared) if shared else literals["BASELINE"] or {}
    hello = folder / "hello" / f"{name}.py"
    program = next(iter(sorted((folder / "hello" / "eras").glob(f"{name}.*"))), None)
    return FrameworkOffer(
        name=name,
        title=_first_line(ast.get_docstring(tree)).partition(":")[0],
        sentence=_first_line(ast.get_docstring(tree)),
        modes=tuple(
            ModeOffer(
                name=mode,
                sentence=sentence,
                baseline=baselines.get(mode, ""),
                source=sources.get(mode, ("", ""))[0],
                format=sources.get(mode, ("", ""))[1],
                precision=literals.get("PRECISIONS", {}).get(mode, ""),
                on_ladders=mode in ladder,
            )
            for mode, sentence in modes.items()
        ),
        baseline=shared,
        environment=tuple(environment.items()),
        hello=hello.read_text(encoding="utf-8") if hello.exists() else "",
        hello_lines=lines.logical_lines(hello.read_text(encoding="utf-8")) if hello.exists() else 0,
        program=program.read_text(encoding="utf-8") if program else "",
        program_lines=lines.of_file(program) if program else 0,
        limits=literals.get("LIMITS", ""),
        allocators=_policies(literals),
        programs=tuple(literals.get("PROGRAMS", {}).items()),
        program_modes=tuple(literals.get("PROGRAM_MODES", ())),
        forms=tuple(literals.get("FORMS", {}).items()),
        devices=devices,
        trains=bool(literals.get("TRAINS", True)),
        packages=str(literals.get("PACKAGES", "")),
        pipelines=_pipelines(folder / "streams" / f"{name}.py"),
        strategies=strategies(folder / "parallel" / f"{name}.py", tuple(modes), devices),
        era=int(literals.get("ERA", 0)),
        period=_period(literals.get("PERIOD", "")),
        exhibit=bool(literals.get("EXHIBIT", False)),
    )


def _pipelines(path: Path) -> tuple[PipelineOffer, ...]:
    """Return the pipelines that a file under bench/streams declares; none where there is no such file."""
    if not path.exists():
        return ()
    literals = read(ast.parse(path.read_text(encoding="utf-8")), PIPELINE_LITERALS)
    pipelines: Mapping[str, str] = literals["PIPELINES"]
    found = tuple(
        PipelineOffer(
            name=name,
            sentence=sentence,
            format=name.partition("-")[0],
            ordered=name not in literals.get("UNORDERED", ()),
            augments=name not in literals.get("PLAIN", ()),
        )
        for name, sentence in pipelines.items()
    )
    if strange := [each.name for each in found if each.format not in FORMATS]:
        raise ValueError(f"PIPELINES: {strange[0]} opens with none of the formats {', '.join(FORMATS)}")
    return found


def strategy_offer(cell: Cell) -> StrategyOffer:
    """Return the strategy of a cell with ranks.

    Raises:
        FrameworkError: its framework has none of that name.
    """
    for strategy in framework_offer(cell.framework).strategies:
        if strategy.name == cell.mode:
            return strategy
    raise FrameworkError(f"bench/parallel/{cell.framework}.py: there is no strategy {cell.mode!r}")


def _period(named: object) -> str:
    """Return the period that a file names; empty: none."""
    if named and named not in PERIODS:
        raise ValueError(f"PERIOD is one of {', '.join(PERIODS)}")
    return str(named)


def _source(mode: str, named: str) -> tuple[str, str]:
    """Return framework and format of "torch/onnx"."""
    framework, slash, format_ = named.partition("/")
    if not framework or not slash or not format_:
        raise ValueError(f"SOURCES: {mode} has {named!r}, and not a framework and a format such as 'torch/onnx'")
    return framework, format_


def export_mode(format_: str) -> str:
    """Return the mode of the turn that exports in a format: "export-onnx"."""
    return f"{EXPORT}-{format_}"


def packages_of(name: str) -> str:
    """Return the framework whose environment, lock and image the framework `name` uses: mostly its own."""
    return framework_offer(name).packages or name


def programs_missing(offer: FrameworkOffer, which: Callable[[str], str | None] = shutil.which) -> str:
    """Return which of its programs are not on the PATH, as one sentence with the remedy; empty: none is missing."""
    missing = {program: package for program, package in offer.programs if not which(program)}
    if not missing:
        return ""
    runs = f"{offer.title}'s {', '.join(offer.program_modes)}" if offer.program_modes else offer.title
    install = f"apt-get install {' '.join(dict.fromkeys(missing.values()))}"
    return f"{runs} needs {', '.join(missing)}, not on the PATH: {install}"


def plain_mode(offer: FrameworkOffer) -> str:
    """Return a mode that compiles nothing: the last mode that is its own baseline, else the first mode."""
    baselines = [mode.name for mode in offer.modes if mode.baseline == mode.name]
    return baselines[-1] if baselines else offer.modes[0].name


def policy_offer(offer: FrameworkOffer, name: str) -> PolicyOffer | None:
    """Return the policy called `name`; None: the framework has none of that name, or it is its default."""
    return next((policy for policy in offer.allocators if policy.name == name), None)


def device_lacking(offer: FrameworkOffer, device: str) -> str:
    """Return why the framework does not compute on `device`, as one sentence; empty: it does."""
    if device in offer.devices:
        return ""
    where = " and ".join(IN_WORDS[name] for name in offer.devices)
    return f"{offer.title} computes on {where} only; this is {IN_WORDS[device]}"


def policy_lacking(cell: Cell) -> str:
    """Return why the cell's device has no such allocator policy, as one sentence; empty: it has it."""
    if cell.allocator == DEFAULT_POLICY:
        return ""
    policy = policy_offer(framework_offer(cell.framework), cell.allocator)
    if policy is None or cell.device in policy.devices:
        return ""
    device = {"cpu": "the CPU"}.get(cell.device, cell.device)
    return f"{policy.name} is a policy of the allocator on {', '.join(policy.devices)}; this is {device}"


def strategy_lacking(cell: Cell) -> str:
    """Return why the strategy of a cell does not run on its device, as one sentence; empty: it does."""
    if not cell.ranks or cell.device in (strategy := strategy_offer(cell)).devices:
        return ""
    where = " and ".join(IN_WORDS[name] for name in strategy.devices)
    return f"{cell.mode} runs on {where} only; this is {IN_WORDS[cell.device]}"


def _policies(literals: Mapping[str, Any]) -> tuple[PolicyOffer, ...]:
    policies = literals.get("ALLOCATORS", {})
    if isinstance(policies, str):
        return framework_offer(policies).allocators
    devices = tuple(literals.get("ALLOCATOR_DEVICES", ("cuda",)))
    return tuple(
        PolicyOffer(name=name, environment=tuple(variables.items()), devices=devices)
        for name, variables in policies.items()
    )


def _workload_offer(name: str) -> WorkloadOffer:
    module = load(name)
    return WorkloadOffer(
        name=name,
        sentence=_first_line(docstring(module)),
        sizes=tuple(module.SIZES),
        optimizers=tuple(module.OPTIMIZERS),
        sizes_on_cpu=tuple(module.ON_CPU),
        sizes_on_cuda=tuple(module.ON_CUDA),
        works=tuple(SizeOffer(name=size, **dataclasses.asdict(module.work(size))) for size in module.SIZES),
        infers=getattr(module, "INFERS", False),
        streams="streamed" in vars(module),
    )


def _first_line(docstring: str | None) -> str:
    return (docstring or "").strip().partition("\n")[0]
