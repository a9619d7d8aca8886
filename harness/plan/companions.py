"""The cells that a run has besides the selected ones.

Memory and energy have replicates of their own, so that none disturbs another. The A/A control, the limits of the
machine and the drift probe say how far the times can be trusted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from bench.catalogue import DRIFT_PROBE, LIMITS, FrameworkOffer
from bench.records.record import FORWARD_ONLY, Cell, Track
from harness.plan import selection
from harness.plan.profiles import Profile

TIME: Final = "time"
REPEATING: Final[dict[str, Track]] = {"memory": "memory", "energy": "energy"}  # the tracks that repeat a cell
MEASURES: Final = (TIME, *REPEATING)

PREFERRED: Final[Mapping[str, tuple[str, ...]]] = {"cpu": ("numpy",), "cuda": ("torch", "jax")}  # by what it loads
PROBE_FEWEST_BLOCKS: Final = 2  # with one there is nothing to drift between

CONTROL: Final = "twin"
CONTROL_FEWEST_BLOCKS: Final = 2  # fewer give no interval, and so no noise floor


def measures(given: tuple[str, ...], profile: Profile) -> tuple[str, ...]:
    """Return what is to be measured: what was `given`, else what the profile measures.

    Raises:
        SelectionError: an unknown name.
    """
    chosen = given or profile.measures
    for name in chosen:
        selection.known("measure", name, dict.fromkeys(MEASURES))
    return tuple(name for name in MEASURES if name in chosen)


def with_measures(cells: Sequence[Cell], measured: Sequence[str]) -> tuple[Cell, ...]:
    """Return the cells of what is `measured`: those of time, then each identical cell again on the other tracks.

    A hello world is a matter of time: it is a whole program's cold start.
    """
    timed = tuple(cells) if TIME in measured else ()
    again = (
        replace(cell, track=track)
        for name, track in REPEATING.items()
        if name in measured
        for cell in cells
        if cell.track == "identical"
    )
    return (*timed, *again)


def with_drift_probe(cells: Sequence[Cell], frameworks: Iterable[FrameworkOffer], blocks: int) -> tuple[Cell, ...]:
    """Return `cells` and the drift probe: NumPy's if it is among them (on a GPU PyTorch's), else the first library's.

    With one block there is none, and none where no framework among them has probes.
    """
    has_probes = {one.name for one in frameworks if one.limits}
    able = list(dict.fromkeys(cell.framework for cell in cells if cell.framework in has_probes))
    if blocks < PROBE_FEWEST_BLOCKS or not able:
        return tuple(cells)
    device = cells[0].device
    name = next((one for one in PREFERRED.get(device, ()) if one in able), able[0])
    model = next(cell for cell in cells if cell.framework == name)
    empty = replace(model, mode=DRIFT_PROBE, workload="", optimizer="", size="", precision="", track=DRIFT_PROBE)
    return (*cells, empty)


def with_control(cells: Sequence[Cell], frameworks: Iterable[FrameworkOffer], blocks: int) -> tuple[Cell, ...]:
    """Return `cells` and the A/A control, one of them under a second label.

    It is the first, in the order of the tables, of a library itself rather than of a layer upon it, in a mode that
    compares with another; where there is none, the first cell that trains. With one block there is none.
    """
    offers = {one.name: one for one in frameworks}
    training = [cell for cell in cells if _trains(cell, offers)]
    typical = [cell for cell in training if _is_typical(cell, offers[cell.framework])]
    chosen = (typical or training)[:1] if blocks >= CONTROL_FEWEST_BLOCKS else []
    return (*cells, *(replace(cell, track=CONTROL) for cell in chosen))


def _trains(cell: Cell, offers: Mapping[str, FrameworkOffer]) -> bool:
    offer = offers.get(cell.framework)
    if offer is None or cell.track != "identical" or cell.optimizer == FORWARD_ONLY:
        return False
    return not any(mode.source for mode in offer.modes if mode.name == cell.mode)


def _is_typical(cell: Cell, offer: FrameworkOffer) -> bool:
    baseline = next((mode.baseline for mode in offer.modes if mode.name == cell.mode), "")
    return offer.limits == offer.name and baseline not in ("", cell.mode)


def with_limits(cells: Sequence[Cell], frameworks: Iterable[FrameworkOffer]) -> tuple[Cell, ...]:
    """Return `cells` and, for each library that they train with, the turn of its first framework that measures it."""
    libraries = {
        (one.name, mode.name): one.limits for one in frameworks if one.limits for mode in one.modes if not mode.source
    }
    first: dict[str, Cell] = {}
    for cell in cells:
        if (cell.framework, cell.mode) in libraries:  # a hello world is none of the modes
            first.setdefault(libraries[cell.framework, cell.mode], cell)
    turns = (
        replace(cell, mode=LIMITS, workload="", optimizer="", size="", precision="", track=LIMITS)
        for cell in first.values()
    )
    return (*cells, *turns)
