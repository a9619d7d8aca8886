"""The cells that a run has in addition to the selected ones.

Memory and energy have replicates of their own, so that no measurement disturbs another. The A/A control, the limits of
the machine and the drift probe show how reliable the times are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from bench.catalogue import COLD, CONTROL, DRIFT_PROBE, LIMITS, FrameworkOffer
from bench.records.record import FORWARD_ONLY, Cell, Track
from harness.errors import SelectionError
from harness.plan import selection
from harness.plan.profiles import Profile

TIME: Final = "time"
REPEATING: Final[dict[str, Track]] = {
    "memory": "memory",
    "energy": "energy",
    COLD: "cold",
}  # the tracks that repeat a cell
MEASURES: Final = (TIME, *REPEATING)

# By device, the frameworks that the drift probe runs in if they are selected, the first one first.
PREFERRED: Final[Mapping[str, tuple[str, ...]]] = {"cpu": ("numpy",), "cuda": ("torch", "jax")}
PROBE_FEWEST_BLOCKS: Final = 2  # a drift is a change from one block to another

NO_WORK: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("workload", "optimizer", "size", "precision", "scaling"), ""),
    **dict.fromkeys(("batch", "ranks"), 0),
}
CONTROL_FEWEST_BLOCKS: Final = 2  # fewer give no interval, and therefore no noise floor


def has_exhibits(cells: Sequence[Cell], frameworks: Sequence[FrameworkOffer]) -> bool:
    """Return whether a framework takes part that is shown for its place in history."""
    return not {cell.framework for cell in cells}.isdisjoint(offer.name for offer in frameworks if offer.exhibit)


def measures(
    given: tuple[str, ...],
    profile: Profile,
    cells: Sequence[Cell] = (),
    frameworks: Sequence[FrameworkOffer] = (),
) -> tuple[str, ...]:
    """Return what is to be measured: the names `given`, else those of the profile; of data-parallel steps the time.

    Raises:
        SelectionError: an unknown name, or one that data-parallel steps do not have.
    """
    has_ranks = any(cell.ranks for cell in cells)
    is_brief = has_exhibits(cells, frameworks) or (bool(cells) and all(cell.batch for cell in cells))
    by_default = (profile.brief_measures if is_brief else None) or profile.measures
    chosen = given or ((TIME,) if has_ranks else by_default)
    for name in chosen:
        selection.known("measure", name, dict.fromkeys(MEASURES))
    if has_ranks and (others := [name for name in chosen if name != TIME]):
        raise SelectionError(
            f"--measure {','.join(others)} is of one process: with --ranks the time is measured, and beside it the"
            " memory of each rank."
        )
    return tuple(name for name in MEASURES if name in chosen)


def with_measures(
    cells: Sequence[Cell], measured: Sequence[str], *, memory_cells: int | None = None
) -> tuple[Cell, ...]:
    """Return the cells for the names in `measured`: those for time, then each identical cell again on the other tracks.

    A hello world is for time alone: it measures the cold start of a whole program. Of each framework at most
    `memory_cells` cells are repeated for memory, the first ones in the order of the tables; None: all. The cold starts
    are those of inference, each path at the smallest batch of its work.

    Raises:
        SelectionError: cold starts are to be measured, and no cell infers at a batch.
    """
    timed = tuple(cells) if TIME in measured else ()
    identical = [cell for cell in cells if cell.track == "identical"]
    repeated: dict[str, Sequence[Cell]] = {
        **dict.fromkeys(REPEATING, identical),
        "memory": _first_of_each_framework(identical, memory_cells),
        COLD: _at_smallest_batch(identical),
    }
    if COLD in measured and not repeated[COLD]:
        raise SelectionError(f"--measure {COLD} is of inference: name a batch, as in --batch 1.")
    again = (
        replace(cell, track=track) for name, track in REPEATING.items() if name in measured for cell in repeated[name]
    )
    return (*timed, *again)


def _at_smallest_batch(cells: Iterable[Cell]) -> list[Cell]:
    """Return of the cells at a batch those at the smallest one of their path and work."""
    smallest: dict[Cell, Cell] = {}
    for cell in cells:
        key = replace(cell, batch=0)
        if cell.batch and (key not in smallest or cell.batch < smallest[key].batch):
            smallest[key] = cell
    return list(smallest.values())


def _first_of_each_framework(cells: Iterable[Cell], most: int | None) -> list[Cell]:
    """Return the first `most` cells of each framework; None: all."""
    by_framework: dict[str, list[Cell]] = {}
    for cell in cells:
        by_framework.setdefault(cell.framework, []).append(cell)
    return [cell for of_one in by_framework.values() for cell in of_one[:most]]


def with_drift_probe(cells: Sequence[Cell], frameworks: Iterable[FrameworkOffer], blocks: int) -> tuple[Cell, ...]:
    """Return `cells` and the drift probe.

    It runs in NumPy (on a GPU in PyTorch, else JAX) if that is among `cells`, else in the first framework that has
    probes. Where none has, it is NumPy's on the CPU, which every environment holds, and there is none on a GPU. There
    is no drift probe with one block only, nor for input that is streamed.
    """
    probed = [cell for cell in cells if not cell.stream]  # what is streamed is measured in one process, part by part
    device = probed[0].device if probed else ""
    has_probes = {offer.name for offer in frameworks if offer.limits and device in offer.devices}
    able = list(dict.fromkeys(cell.framework for cell in probed if cell.framework in has_probes))
    if not able and device == "cpu":
        able = [probed[0].framework]
    if blocks < PROBE_FEWEST_BLOCKS or not able:
        return tuple(cells)
    name = next((preferred for preferred in PREFERRED.get(device, ()) if preferred in able), able[0])
    template = next(cell for cell in probed if cell.framework == name)
    probe = replace(template, mode=DRIFT_PROBE, track=DRIFT_PROBE, **NO_WORK)
    return (*cells, probe)


def with_control(cells: Sequence[Cell], frameworks: Iterable[FrameworkOffer], blocks: int) -> tuple[Cell, ...]:
    """Return `cells` and the A/A control: one of them, run a second time under another label.

    It is the first cell, in the order of the tables, that trains with a library itself (not with a layer on top of one)
    in a mode that is compared with another mode; else the first cell that trains. With one block there is no control.
    """
    offers = {offer.name: offer for offer in frameworks}
    training = [cell for cell in cells if _trains(cell, offers)]
    typical = [cell for cell in training if _is_typical(cell, offers[cell.framework])]
    chosen = (typical or training)[:1] if blocks >= CONTROL_FEWEST_BLOCKS else []
    return (*cells, *(replace(cell, track=CONTROL) for cell in chosen))


def _trains(cell: Cell, offers: Mapping[str, FrameworkOffer]) -> bool:
    offer = offers.get(cell.framework)
    if offer is None or cell.track != "identical" or cell.optimizer == FORWARD_ONLY or cell.ranks:
        return False
    if cell.device not in offer.devices:
        return False
    return not any(mode.source for mode in offer.modes if mode.name == cell.mode)


def _is_typical(cell: Cell, offer: FrameworkOffer) -> bool:
    baseline = next((mode.baseline for mode in offer.modes if mode.name == cell.mode), "")
    return offer.limits == offer.name and baseline not in ("", cell.mode)


def with_limits(cells: Sequence[Cell], frameworks: Iterable[FrameworkOffer]) -> tuple[Cell, ...]:
    """Return `cells` and, for each library that they train with, a turn that measures its limits.

    The turn is one of the first framework of `cells` that computes with the library.
    """
    libraries = {
        (offer.name, mode.name, device): offer.limits
        for offer in frameworks
        if offer.limits
        for mode in offer.modes
        if not mode.source
        for device in offer.devices
    }
    first: dict[str, Cell] = {}
    for cell in cells:
        if (key := (cell.framework, cell.mode, cell.device)) in libraries:  # not so for a hello world
            first.setdefault(libraries[key], cell)
    turns = (replace(cell, mode=LIMITS, track=LIMITS, **NO_WORK) for cell in first.values())
    return (*cells, *turns)
