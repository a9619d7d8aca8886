"""From a request to a plan: the same for `samestep run` and `samestep plan`."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.catalogue import COLD, Catalogue, catalogue
from bench.records.record import Cell
from harness.errors import SelectionError
from harness.launchers import choose
from harness.plan import capacity, companions, left_out, models, request, selection
from harness.plan.plan import Plan, make_plan
from harness.plan.profiles import Profile
from harness.plan.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A run before it begins."""

    offer: Catalogue
    profile: Profile
    device: str
    launchers: tuple[str, ...]  # with several, the run is repeated in each, side by side
    plan: Plan
    left_out: str  # what was named and has no cell, and the sizes that cannot fit into memory; empty: nothing


def planned_run(
    requested: Request,
    *,
    launchers: str | None,
    blocks: int | None,
    say: Callable[[str], None],
    elsewhere: bool = False,
) -> Planned:
    """Return what a run of `requested` does.

    Args:
        requested: what to run.
        launchers: names as they were typed; None: auto.
        blocks: how many; None: as many as the profile has.
        say: called with the launcher that "auto" chooses.
        elsewhere: another host runs it, so that what fits into the memory of this one does not matter.

    Raises:
        SelectionError: an unknown name, no cell, or a size that cannot fit into memory.
        SetupError: SAMESTEP_MEMORY is not an amount of memory.
    """
    profile = selection.profile(requested.profile or request.DEFAULT_PROFILE)
    device = request.one_of("device", requested.device or "cpu", request.DEVICES)
    typed = selection.names(launchers or choose.AUTO)
    for name in typed:
        request.one_of("launcher", name, (choose.AUTO, *choose.LAUNCHERS))
    offer = catalogue()
    selected = selection.cells(offer, requested.selection, profile, device)
    used = models.started(offer.frameworks, selected)
    resolved = tuple(choose.resolve(name, used, device=device, say=say) for name in typed)
    available = capacity.available(device, in_container=[choose.LAUNCHERS[name].in_container for name in resolved])
    typed_size = bool(requested.selection.size)
    cells = selected if elsewhere else capacity.fitting(selected, offer.workloads, available, typed=typed_size)
    seed = random.SystemRandom().randrange(2**31) if requested.seed is None else requested.seed
    interim_analyses = () if blocks else profile.interim_analyses
    timed_blocks = blocks or _blocks(profile, cells, offer)
    companied = with_companions(cells, offer, timed_blocks, profile, requested.measures)
    measured = companions.measures(requested.measures, profile, cells, offer.frameworks)
    plan = _plan(
        companied,
        profile,
        blocks=blocks,
        default_blocks=timed_blocks,
        seed=seed,
        interim_analyses=interim_analyses,
    )
    sentences = (
        left_out.sentence(offer, requested.selection, selected, measured),
        _too_large(selected, cells, available),
    )
    return Planned(
        offer=offer,
        profile=profile,
        device=device,
        launchers=resolved,
        plan=plan,
        left_out=" ".join(filter(None, sentences)),
    )


def share(planned: Planned, requested: Request, selected: tuple[Cell, ...], blocks: int, seed: int) -> Plan:
    """Return the plan of some blocks of some of the selected cells of `planned`, with all of their companions."""
    profile = planned.profile
    cells = with_companions(selected, planned.offer, blocks, profile, requested.measures)
    return _plan(cells, profile, blocks=blocks, default_blocks=blocks, seed=seed, interim_analyses=())


def _too_large(selected: Sequence[Cell], cells: Sequence[Cell], available: capacity.Capacity) -> str:
    large = dict.fromkeys(f"{cell.workload} {cell.size}" for cell in selected if cell not in cells)
    return f"Left out, larger than {available}: {', '.join(large)}." if large else ""


def with_companions(
    cells: tuple[Cell, ...], offer: Catalogue, blocks: int, profile: Profile, measures: tuple[str, ...]
) -> tuple[Cell, ...]:
    """Return all cells of a run that measures `measures`, as typed, else what the profile says.

    For time the companions are among them: the limits, the A/A control and the drift probe.

    Raises:
        SelectionError: an unknown name in `measures`, or they measure nothing of `cells`.
    """
    measured = companions.measures(measures, profile, cells, offer.frameworks)
    limited = cells if profile.limits_blocks == 0 else companions.with_limits(cells, offer.frameworks)
    companied = companions.with_control(limited, offer.frameworks, blocks)
    probed = companions.with_drift_probe(companied, offer.frameworks, blocks)
    found = companions.with_measures(probed, measured, memory_cells=None if measures else profile.memory_cells)
    if not found:
        raise SelectionError(
            f"The selection has hello worlds only, which have no {' and no '.join(measured)}: name other modes, or"
            f" --measure {companions.TIME}."
        )
    return found


def _plan(
    cells: tuple[Cell, ...],
    profile: Profile,
    *,
    blocks: int | None,
    default_blocks: int,
    seed: int,
    interim_analyses: tuple[int, ...],
) -> Plan:
    """Return a plan with the `blocks` of the request; None: `default_blocks`, fewer where the last would be empty."""
    limited = {"memory": profile.memory_blocks, "energy": profile.energy_blocks, COLD: 1}
    if all(cell.track in limited for cell in cells):  # nothing is timed: no requested block may be empty
        default_blocks = min(default_blocks, max(limited[cell.track] for cell in cells))
        limited, interim_analyses = dict.fromkeys(limited, blocks or default_blocks), ()
    return make_plan(
        cells,
        blocks=blocks or default_blocks,
        seed=seed,
        hello_blocks=profile.hello_blocks,
        limits_blocks=profile.limits_blocks,
        interim_analyses=interim_analyses,
        memory_blocks=limited["memory"],
        energy_blocks=limited["energy"],
        cold_blocks=limited[COLD],
    )


def _blocks(profile: Profile, cells: Sequence[Cell], offer: Catalogue) -> int:
    """Return how many blocks the profile gives to `cells`."""
    if profile.parallel_blocks and any(cell.ranks for cell in cells):
        return profile.parallel_blocks
    if profile.exhibit_blocks and companions.has_exhibits(cells, offer.frameworks):
        return profile.exhibit_blocks
    if profile.stream_blocks and all(cell.stream for cell in cells):
        return profile.stream_blocks
    if profile.batch_blocks and all(cell.batch for cell in cells):
        return profile.batch_blocks
    ladders = {workload.name for workload in offer.workloads if workload.is_ladder}
    only_ladders = all(cell.workload in ladders for cell in cells)
    return profile.ladder_blocks if only_ladders and profile.ladder_blocks else profile.blocks
