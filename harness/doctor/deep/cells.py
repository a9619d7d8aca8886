"""The cells of a deep check, in the order in which they are tried. Pure.

One mode of each framework comes first, the one that compiles nothing; then, on a GPU, what answers a question about
memory or TF32; then one inference of each engine; then the second mode of each framework, and so on. So the first
minute says something of every framework, and what does not fit into the time is what fewest people use.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from bench.catalogue import DEFAULT_POLICY, HELLO, Catalogue, FrameworkOffer, plain_mode
from bench.records.record import Cell
from bench.reference.precision import FLOAT32, TF32
from bench.turns.turn import Settings
from harness.errors import SelectionError
from harness.plan import selection, specs
from harness.plan.plan import Plan, PlannedReplicate
from harness.plan.profiles import Profile
from harness.plan.selection import Selection

MILLI: Final = 1_000_000  # ns
WORKLOAD: Final = "regression"  # the smallest, and the one that runs in every mode
OPTIMIZER: Final = "adam"
INFERRED: Final = Selection(workload=("mlp",), size=("tiny",), batch=("1",))  # by engines
WARM_NS: Final[Mapping[str, int]] = {"cpu": 20 * MILLI, "cuda": 500 * MILLI}  # on a GPU: some looks of the sampler
USUAL: Final = (FLOAT32, DEFAULT_POLICY)  # what a name does not say


def protocol(device: str) -> Profile:
    """Return the shortest measurement of the usual kind: no time of it is shown."""
    settings = Settings(
        rounds=3,
        warmup_floor_ns=WARM_NS[device],
        warmup_cap_ns=WARM_NS[device],
        round_floor_ns=MILLI,
        warm_blocks=0,
        other_threads=False,
    )
    return Profile(name="doctor", sentence="", blocks=1, optimizers=(OPTIMIZER,), settings=settings, timeout_s=0)


def selected(offer: Catalogue, names: Selection, device: str) -> tuple[Cell, ...]:
    """Return a tiny cell of each framework and mode that `names` selects; of a hello world only where it is named.

    Of an engine, which trains nothing, it is an inference in its first mode, or in those that are named.

    Raises:
        SelectionError: an unknown name, a variant, or nothing is selected.
    """
    specs.require_locked(names.framework, whom="a deep check")
    only = replace(names, workload=(WORKLOAD,), optimizer=(OPTIMIZER,))
    found = selection.cells(offer, only, protocol(device), device)
    engines = {framework.name for framework in offer.frameworks if not framework.trains}
    trains = (cell for cell in found if cell.framework not in engines)
    own = tuple(cell for cell in trains if cell.track == "identical" or HELLO in names.mode)
    return (*own, *_inferring(offer, names, device)) or found


def _inferring(offer: Catalogue, names: Selection, device: str) -> Iterator[Cell]:
    """Yield an inference of each engine that `names` selects and that computes on `device`."""
    named = {name.replace("-", "_") for name in names.framework}
    engines = (each for each in offer.frameworks if not each.trains and device in each.devices)
    for name in (each.name for each in engines if not named or each.name in named):
        only = replace(INFERRED, framework=(name,), mode=names.mode)
        with contextlib.suppress(SelectionError):  # it has none of the modes that are named
            yield from selection.cells(offer, only, protocol(device), device)[: None if names.mode else 1]


def in_order(cells: Sequence[Cell], offers: Sequence[FrameworkOffer]) -> tuple[Cell, ...]:
    """Return the cells and, on a GPU, those that answer a question, in the order in which they are tried."""
    by_name = {offer.name: offer for offer in offers}
    of_each: dict[str, list[Cell]] = {}
    engines = [cell for cell in cells if cell.batch]
    for cell in cells:
        if not cell.batch:
            of_each.setdefault(cell.framework, []).append(cell)
    ranked = [sorted(own, key=_rank(by_name[framework])) for framework, own in of_each.items()]
    rounds = [[cell for cell in one if cell is not None] for one in itertools.zip_longest(*ranked)]
    plain = [cell for cell in cells if cell.device == "cuda" and _is_of_a_library(cell, by_name[cell.framework])]
    early = [replace(cell, track="memory") for cell in plain] + [replace(cell, precision=TF32) for cell in plain]
    first, *later = rounds or [[]]
    return (*first, *early, *engines, *itertools.chain.from_iterable(later), *_policies(plain, by_name))


def plan(cells: Sequence[Cell]) -> Plan:
    """Return the plan of one block in just this order."""
    return Plan(seed=0, cells=tuple(cells), order=(tuple(range(len(cells))),))


def repeated(planned: PlannedReplicate, *, position: int) -> PlannedReplicate:
    """Return the same replicate once more, in a second block."""
    return replace(planned, block=planned.block + 1, position=position)


def name(cell: Cell) -> str:
    """Return the name of a cell in a table: framework, mode, and what is not as usual."""
    track = () if cell.track in ("identical", "idiomatic") else (cell.track,)
    mode = () if cell.mode == cell.track else (cell.mode,)
    unusual = [part for part in (cell.precision, cell.allocator) if part not in USUAL]
    return " ".join((cell.framework, *mode, *unusual, *track))


def _rank(offer: FrameworkOffer) -> Callable[[Cell], tuple[bool, bool]]:
    """Return the place of a cell among those of its framework: plain, then those for ladders, then as in its file."""
    plain = plain_mode(offer)
    ladder = {mode.name for mode in offer.modes if mode.on_ladders}
    return lambda cell: (cell.mode != plain, cell.mode not in ladder)


def _is_of_a_library(cell: Cell, offer: FrameworkOffer) -> bool:
    """Whether it is the plain mode of a library with a device allocator of its own, not of a layer on top of one."""
    return bool(offer.allocators) and offer.limits == offer.name and cell.mode == plain_mode(offer)


def _policies(plain: Sequence[Cell], offers: Mapping[str, FrameworkOffer]) -> Iterator[Cell]:
    for cell in plain:
        for policy in offers[cell.framework].allocators:
            if cell.device in policy.devices:
                yield replace(cell, allocator=policy.name)
