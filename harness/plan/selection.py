"""From what a person asked for to cells: pure, with the nearest valid name for whatever is unknown."""

import difflib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from bench.catalogue import DEFAULT_POLICY, HELLO, Catalogue, FrameworkOffer
from bench.records.record import Cell
from bench.reference.precision import FLOAT32
from harness.errors import SelectionError
from harness.plan.profiles import PROFILES, Profile

V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Names as they were typed; an empty tuple means all.

    Optimizers: those of the profile. Precisions: strict float32. Allocators: the default policy. Workloads: those that
    are no ladder of sizes. On a ladder, modes: those that the framework offers for it; sizes: those of the device.
    """

    frameworks: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    optimizers: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    allocators: tuple[str, ...] = ()


def names(typed: str | None) -> tuple[str, ...]:
    """Return the names in a comma-separated list; an empty tuple for None.

    Raises:
        SelectionError: something was typed, but no name is in it.
    """
    if typed is None:
        return ()
    found = tuple(dict.fromkeys(name.strip() for name in typed.split(",") if name.strip()))
    if not found:
        raise SelectionError(f"The selection {typed!r} names nothing: give names separated by commas.")
    return found


def profile(name: str) -> Profile:
    """Return the profile called `name`; raises SelectionError."""
    return known("profile", name, PROFILES)


def known(kind: str, name: str, valid: Mapping[str, V]) -> V:
    """Return the value of `name`.

    Raises:
        SelectionError: it is unknown; the message has the nearest valid names and all of them.
    """
    if name in valid:
        return valid[name]
    near = difflib.get_close_matches(name, valid, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise SelectionError(f"There is no {kind} {name!r}.{hint} Valid: {', '.join(valid)}.")


def cells(offer: Catalogue, selection: Selection, chosen: Profile, device: str) -> tuple[Cell, ...]:
    """Return the selected cells in the order of the catalogue, the idiomatic programs among them.

    Raises:
        SelectionError: an unknown name, or no cell is left.
    """
    frameworks = {one.name: one for one in offer.frameworks}
    selection = replace(
        selection,
        frameworks=tuple(name.replace("-", "_") for name in selection.frameworks),
        workloads=tuple(name.replace("-", "_") for name in selection.workloads),
    )
    workloads = {one.name: one for one in offer.workloads}
    all_modes = dict.fromkeys(mode for one in offer.frameworks for mode in _modes(one))
    all_optimizers = dict.fromkeys(optimizer for one in offer.workloads for optimizer in one.optimizers)
    _check("framework", selection.frameworks, frameworks)
    _check("workload", selection.workloads, workloads)
    _check("mode", selection.modes, all_modes)
    _check("optimizer", selection.optimizers, all_optimizers)
    _check("size", selection.sizes, (size for one in offer.workloads for size in one.sizes))
    _check("precision", selection.precisions, offer.precisions)
    policies = [policy.name for one in offer.frameworks for policy in one.allocators]
    _check("allocator", selection.allocators, (DEFAULT_POLICY, *policies))
    picked = tuple(
        cell
        for framework in frameworks.values()
        if not selection.frameworks or framework.name in selection.frameworks
        for cell in _cells_of(framework, offer, selection, chosen, device)
    )
    if not picked:
        asked = "; ".join(
            f"{kind} {', '.join(given)}"
            for kind, given in (
                ("framework", selection.frameworks),
                ("mode", selection.modes),
                ("workload", selection.workloads),
                ("optimizer", selection.optimizers),
                ("size", selection.sizes),
                ("precision", selection.precisions),
                ("allocator", selection.allocators),
            )
            if given
        )
        raise SelectionError(f"The selection is empty: no cell has {asked}. `samestep list` shows what there is.")
    return picked


def _modes(framework: FrameworkOffer) -> list[str]:
    own = [mode.name for mode in framework.modes]
    return [*own, HELLO] if framework.hello else own


def _cells_of(
    framework: FrameworkOffer, offer: Catalogue, selection: Selection, chosen: Profile, device: str
) -> Iterator[Cell]:
    optimizers = selection.optimizers or chosen.optimizers
    common: dict[str, Any] = {"framework": framework.name, "device": device}
    policies = [DEFAULT_POLICY, *(one.name for one in framework.allocators)]
    policies = [one for one in policies if _is_asked(one, selection.allocators, one == DEFAULT_POLICY)]
    workloads = [one for one in offer.workloads if _is_asked(one.name, selection.workloads, not one.is_ladder)]
    for mode in framework.modes:
        for workload in workloads:
            if workload.is_ladder and mode.source:  # nobody exports it
                continue
            if not _is_asked(mode.name, selection.modes, mode.on_ladders or not workload.is_ladder):
                continue
            usual = (workload.sizes_on_cpu if device == "cpu" else workload.sizes_on_cuda) or workload.sizes
            for optimizer in (one for one in workload.optimizers if one in optimizers):
                for size in (one for one in workload.sizes if _is_asked(one, selection.sizes, one in usual)):
                    for precision, policy in itertools.product(selection.precisions or (FLOAT32,), policies):
                        yield Cell(
                            **common,
                            mode=mode.name,
                            workload=workload.name,
                            optimizer=optimizer,
                            size=size,
                            precision=precision,
                            allocator=policy,
                        )
    # The hello world is the regression with Adam, whatever its author's documentation calls it.
    hello = Cell(
        **common,
        mode=HELLO,
        workload="regression",
        optimizer="adam",
        size="base",
        precision=FLOAT32,
        allocator=DEFAULT_POLICY,
        track="idiomatic",
    )
    wanted = (
        _is_asked(HELLO, selection.modes, True)
        and _is_asked("base", selection.sizes, True)
        and _is_asked(FLOAT32, selection.precisions, True)
        and "adam" in optimizers
        and DEFAULT_POLICY in policies
        and any(one.name == hello.workload for one in workloads)
    )
    if framework.hello and wanted:
        yield hello


def _is_asked(name: str, typed: Sequence[str], usual: bool) -> bool:
    """Return whether `name` was typed or, where nothing was, is what usually runs."""
    return name in typed if typed else usual


def _check(kind: str, given: Sequence[str], valid: Iterable[str]) -> None:
    table = dict.fromkeys(valid)
    for name in given:
        known(kind, name, table)
