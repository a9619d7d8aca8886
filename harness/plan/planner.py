"""From what was typed to what will be run: the same for `samestep run` and `samestep plan`."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.catalogue import Catalogue, catalogue
from bench.records.record import Cell
from harness.launchers import choose
from harness.plan import capacity, companions, models, request, selection
from harness.plan.plan import Plan, make_plan
from harness.plan.profiles import Profile
from harness.plan.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A run before it is begun."""

    offer: Catalogue
    profile: Profile
    device: str
    launchers: tuple[str, ...]  # several: side by side
    plan: Plan
    left_out: str  # the sentence on the sizes that cannot fit into memory; empty: all can


def planned_run(requested: Request, launchers: str | None, blocks: int | None, say: Callable[[str], None]) -> Planned:
    """Return what a run of `requested` does.

    Args:
        requested: what to run.
        launchers: names as they were typed; None: auto.
        blocks: how many; None: the profile's.
        say: told what "auto" came to.

    Raises:
        SelectionError: an unknown name, no cell, or a size that cannot fit into memory.
        SetupError: a limit of memory is not an amount.
    """
    profile = selection.profile(requested.profile or request.DEFAULT_PROFILE)
    device = request.one_of("device", requested.device or "cpu", request.DEVICES)
    named = selection.names(launchers or choose.AUTO)
    for name in named:
        request.one_of("launcher", name, (choose.AUTO, *choose.LAUNCHERS))
    offer = catalogue()
    picked = selection.cells(offer, requested.selection, profile, device)
    used = models.needed(offer.frameworks, picked)
    resolved = tuple(choose.resolve(name, used, device, say) for name in named)
    available = capacity.available(device, in_container=[choose.LAUNCHERS[name].in_container for name in resolved])
    cells = capacity.fitting(picked, offer.workloads, available, typed=bool(requested.selection.size))
    left_out = ""
    if len(cells) < len(picked):
        large = dict.fromkeys(f"{cell.workload} {cell.size}" for cell in picked if cell not in cells)
        left_out = f"Left out, larger than {available}: {', '.join(large)}."
    seed = random.SystemRandom().randrange(2**31) if requested.seed is None else requested.seed
    measured = companions.measures(requested.measures, profile)
    looks = () if blocks else profile.looks
    timed_blocks = blocks or _blocks(profile, cells, offer)
    whole = with_companions(cells, offer, timed_blocks, measured)
    plan = _plan(whole, blocks, timed_blocks, seed, profile, looks)
    return Planned(offer=offer, profile=profile, device=device, launchers=resolved, plan=plan, left_out=left_out)


def with_companions(
    cells: tuple[Cell, ...], offer: Catalogue, blocks: int, measured: Sequence[str]
) -> tuple[Cell, ...]:
    """Return all cells of a run: the `measured` ones; timed ones with limits, A/A control and drift probe."""
    companied = companions.with_control(companions.with_limits(cells, offer.frameworks), offer.frameworks, blocks)
    return companions.with_measures(companions.with_drift_probe(companied, offer.frameworks, blocks), measured)


def _plan(
    cells: tuple[Cell, ...], asked: int | None, usual: int, seed: int, profile: Profile, looks: tuple[int, ...]
) -> Plan:
    """Return the plan: `asked` blocks, else the `usual` ones, else as many as have anything in them."""
    aside = {"memory": profile.memory_blocks, "energy": profile.energy_blocks}
    if all(cell.track in aside for cell in cells):  # nothing is timed: a block that was asked for is not left empty
        usual = min(usual, max(aside[cell.track] for cell in cells))
        aside, looks = dict.fromkeys(aside, asked or usual), ()
    return make_plan(
        cells,
        blocks=asked or usual,
        seed=seed,
        hello_blocks=profile.hello_blocks,
        limits_blocks=profile.limits_blocks,
        looks=looks,
        memory_blocks=aside["memory"],
        energy_blocks=aside["energy"],
    )


def _blocks(profile: Profile, cells: Sequence[Cell], offer: Catalogue) -> int:
    """Return how many blocks the profile gives to `cells`."""
    ladders = {workload.name for workload in offer.workloads if workload.is_ladder}
    only_ladders = all(cell.workload in ladders for cell in cells)
    return profile.ladder_blocks if only_ladders and profile.ladder_blocks else profile.blocks
