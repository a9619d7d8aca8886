"""From a selection to cells. Pure; the message for an unknown name has the nearest valid names."""

import dataclasses
import difflib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypedDict, TypeVar

from bench.catalogue import (
    DEFAULT_POLICY,
    HELLO,
    PERIODS,
    SCALINGS,
    STREAM,
    STRONG,
    Catalogue,
    FrameworkOffer,
    ModeOffer,
    WorkloadOffer,
)
from bench.data import SIZES
from bench.records.record import FORWARD_ONLY, Cell
from bench.reference.precision import FLOAT32, PRECISIONS
from harness.errors import SelectionError
from harness.format import shortened_name
from harness.plan.profiles import PROFILES, TODAY, Profile

MOST_ROWS: Final = 65536  # of a batch
MOST_RANKS: Final = 1024
ALL: Final = "all"  # of the eras
STREAMED_WITH: Final = ("adam",)  # the optimizer of streamed and of data-parallel cells when none is named

V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The names to run, by field of a cell; an empty tuple: the defaults.

    The defaults are the profile's frameworks and modes, else all (on a ladder of sizes, the modes that the framework
    offers for ladders); the workloads without a ladder; the profile's optimizers; the device's sizes; strict float32;
    the default allocator policy. A given mode is looked for in all frameworks. With a batch the cells infer: forward
    passes of the trained workloads, in every framework that is in the profile or runs exported models. With a data set
    to stream the modes are pipelines, of every framework that has some, with Adam at each workload's smallest size.
    With ranks they are strategies, likewise, of the workloads that infer, after the plain modes beside them.
    What is shown for its place in history takes part where it or its period (`era`) is named; with it run today's.
    """

    framework: tuple[str, ...] = ()
    workload: tuple[str, ...] = ()
    mode: tuple[str, ...] = ()
    optimizer: tuple[str, ...] = ()
    size: tuple[str, ...] = ()
    precision: tuple[str, ...] = ()
    allocator: tuple[str, ...] = ()
    batch: tuple[str, ...] = ()
    stream: tuple[str, ...] = ()
    ranks: tuple[str, ...] = ()
    scaling: tuple[str, ...] = ()
    era: tuple[str, ...] = ()

    @property
    def given(self) -> dict[str, tuple[str, ...]]:
        """The names by field, without the empty fields."""
        return {field: names for field in FIELDS if (names := getattr(self, field))}


FIELDS = tuple(field.name for field in dataclasses.fields(Selection))


class _Common(TypedDict):
    framework: str
    device: str


def names(typed: str | None) -> tuple[str, ...]:
    """Return the names in a comma-separated list; an empty tuple for None.

    Raises:
        SelectionError: the list is given, but has no name in it.
    """
    if typed is None:
        return ()
    names = tuple(dict.fromkeys(name.strip() for name in typed.split(",") if name.strip()))
    if not names:
        raise SelectionError(f"The selection {typed!r} names nothing: give names separated by commas.")
    return names


def profile(name: str) -> Profile:
    """Return the profile called `name`; raises SelectionError."""
    return known("profile", name, PROFILES)


def known(kind: str, name: str, valid: Mapping[str, V]) -> V:
    """Return the value of `name` in `valid`; `kind` says in the message what is named, such as "framework".

    Raises:
        SelectionError: it is unknown; the message has the nearest valid names and all of them.
    """
    if name in valid:
        return valid[name]
    name = shortened_name(name)
    near = difflib.get_close_matches(name, valid, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise SelectionError(f"There is no {kind} {name!r}.{hint} Valid: {', '.join(valid)}.")


def cells(offer: Catalogue, selection: Selection, chosen: Profile, device: str) -> tuple[Cell, ...]:
    """Return the selected cells in the order of the catalogue, hello worlds included.

    Raises:
        SelectionError: an unknown name, or no cell is left.
    """
    frameworks = {framework.name: framework for framework in offer.frameworks}
    selection = replace(
        selection,
        framework=tuple(name.replace("-", "_") for name in selection.framework),
        workload=tuple(name.replace("-", "_") for name in selection.workload),
    )
    _require_batches(selection)
    _require_ranks(selection)
    valid = _valid(offer, selection)
    for field, names in selection.given.items():
        for name in names:
            known(field, name, valid[field])
    selected = tuple(
        cell
        for framework in frameworks.values()
        if _is_selected(framework.name, selection.framework, by_default=_is_of(chosen, framework, selection))
        for cell in _kind_of(selection)(framework, offer, selection, chosen, device)
    )
    if not selected:
        given = "; ".join(f"{field} {', '.join(names)}" for field, names in selection.given.items())
        raise SelectionError(f"The selection is empty: no cell has {given}. `samestep list` shows what there is.")
    return selected


def _kind_of(selection: Selection) -> Callable[..., Iterator[Cell]]:
    """Return what yields the cells of a framework."""
    return _streamed if selection.stream else _parallel if selection.ranks else _cells_of


def _valid(offer: Catalogue, selection: Selection) -> dict[str, dict[str, None]]:
    """Return the names that each field of a selection may have."""
    policies = (policy.name for framework in offer.frameworks for policy in framework.allocators)
    return {
        "framework": dict.fromkeys(framework.name for framework in offer.frameworks),
        "workload": dict.fromkeys(workload.name for workload in offer.workloads),
        "mode": dict.fromkeys(mode for framework in offer.frameworks for mode in _modes(framework, selection)),
        "optimizer": dict.fromkeys(name for workload in offer.workloads for name in workload.optimizers),
        "size": dict.fromkeys(size for workload in offer.workloads for size in workload.sizes),
        "precision": dict.fromkeys(offer.precisions),
        "allocator": dict.fromkeys((DEFAULT_POLICY, *policies)),
        "batch": dict.fromkeys(selection.batch),
        "stream": dict.fromkeys(SIZES),
        "ranks": dict.fromkeys(selection.ranks),
        "scaling": dict.fromkeys(SCALINGS),
        "era": dict.fromkeys((ALL, *PERIODS)),
    }


def _require_batches(selection: Selection) -> None:
    """Raise SelectionError for a batch that is no number of rows, and for what inference at a batch does not have."""
    for typed in selection.batch:
        if not typed.isascii() or not typed.isdigit() or not 1 <= int(typed[:8]) <= MOST_ROWS:
            shown = shortened_name(typed)
            raise SelectionError(f"--batch {shown!r} is not a number of rows from 1 to {MOST_ROWS}.")
    trains = [name for name in selection.optimizer if name != FORWARD_ONLY]
    if selection.batch and selection.stream:
        raise SelectionError("--batch infers and --stream trains: leave one of them out.")
    if selection.batch and trains:
        raise SelectionError(
            f"--batch infers with the trained model and --optimizer {trains[0]} trains: leave one of them out."
        )


def _require_ranks(selection: Selection) -> None:
    """Raise SelectionError for ranks that are no number of them, and for what a data-parallel step does not have."""
    if selection.scaling and not selection.ranks:
        raise SelectionError("--scaling: only with --ranks.")
    for typed in selection.ranks:
        if not typed.isascii() or not typed.isdigit() or not 1 <= int(typed[:8]) <= MOST_RANKS:
            raise SelectionError(f"--ranks {shortened_name(typed)!r} is not a number of ranks from 1 to {MOST_RANKS}.")
    if not selection.ranks:
        return
    for option, names in (("--batch", selection.batch), ("--stream", selection.stream)):
        if names:
            raise SelectionError(f"--ranks trains on a batch that lies in memory: leave out {option} or --ranks.")
    if FORWARD_ONLY in selection.optimizer:
        raise SelectionError(f"--ranks trains, --optimizer {FORWARD_ONLY} does not: leave one of them out.")


def _modes(framework: FrameworkOffer, selection: Selection) -> list[str]:
    if selection.ranks:
        return [strategy.name for strategy in framework.strategies]
    if selection.stream:
        return [pipeline.name for pipeline in framework.pipelines]
    own = [mode.name for mode in framework.modes]
    return [*own, HELLO] if framework.hello else own


def _cells_of(
    framework: FrameworkOffer, offer: Catalogue, selection: Selection, chosen: Profile, device: str
) -> Iterator[Cell]:
    optimizers = (FORWARD_ONLY,) if selection.batch else selection.optimizer or chosen.optimizers
    common = _Common(framework=framework.name, device=device)
    policies = [DEFAULT_POLICY, *(policy.name for policy in framework.allocators)]
    policies = [name for name in policies if _is_selected(name, selection.allocator, by_default=name == DEFAULT_POLICY)]
    workloads = [
        workload
        for workload in offer.workloads
        if _is_selected(workload.name, selection.workload, by_default=bool(selection.batch) or not workload.is_ladder)
        and (workload.infers or not selection.batch)
    ]
    for mode, workload in itertools.product(framework.modes, workloads):
        if not _runs(mode, workload, selection, _default_modes(framework, chosen, selection)):
            continue
        for optimizer, size, precision, policy, batch in itertools.product(
            [name for name in workload.optimizers if name in optimizers],
            _sizes(workload, selection, device),
            _precisions(mode, selection),
            policies,
            sorted(map(int, selection.batch)) or (0,),
        ):
            yield Cell(
                **common,
                mode=mode.name,
                workload=workload.name,
                optimizer=optimizer,
                size=size,
                precision=precision,
                allocator=policy,
                batch=batch,
            )
    # The hello world is the regression with Adam, whatever it is called in the framework's documentation.
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
    is_selected = (
        _is_selected(HELLO, selection.mode, by_default=True)
        and _is_selected("base", selection.size, by_default=True)
        and _is_selected(FLOAT32, selection.precision, by_default=True)
        and "adam" in optimizers
        and DEFAULT_POLICY in policies
        and any(workload.name == hello.workload for workload in workloads)
        and not selection.batch
    )
    if framework.hello and is_selected:
        yield hello


def _streamed(
    framework: FrameworkOffer, offer: Catalogue, selection: Selection, chosen: Profile, device: str
) -> Iterator[Cell]:
    """Yield the pipelines of a framework, on every workload that trains on images."""
    workloads = [each for each in offer.workloads if each.streams]
    for pipeline, workload in itertools.product(framework.pipelines, workloads):
        if not _is_selected(pipeline.name, selection.mode, by_default=True):
            continue
        if not _is_selected(workload.name, selection.workload, by_default=True):
            continue
        for optimizer, size, precision, allocator, stream in itertools.product(
            [name for name in workload.optimizers if name in (selection.optimizer or STREAMED_WITH)],
            _sizes(workload, selection, device)[: None if selection.size else 1],
            [name for name in (FLOAT32,) if _is_selected(name, selection.precision, by_default=True)],
            [name for name in (DEFAULT_POLICY,) if _is_selected(name, selection.allocator, by_default=True)],
            [name for name in SIZES if name in selection.stream],
        ):
            yield Cell(
                framework=framework.name,
                mode=pipeline.name,
                workload=workload.name,
                optimizer=optimizer,
                size=size,
                precision=precision,
                device=device,
                allocator=allocator,
                stream=stream,
                track=STREAM,
            )


def _parallel(
    framework: FrameworkOffer, offer: Catalogue, selection: Selection, chosen: Profile, device: str
) -> Iterator[Cell]:
    """Yield the strategies of a framework over the ranks, after the plain modes that they are held beside."""
    main = chosen.parallel_modes.get(framework.name)
    strategies = [
        strategy
        for strategy in framework.strategies
        if _is_selected(strategy.name, selection.mode, by_default=main is None or strategy.name in main)
    ]
    over = [(0, "")] + [
        (ranks, scaling)
        for ranks in sorted(map(int, selection.ranks))
        for scaling in (SCALINGS if ranks > 1 else (STRONG,))
        if ranks == 1 or _is_selected(scaling, selection.scaling, by_default=scaling in chosen.parallel_scalings)
    ]
    for workload in offer.workloads:
        if not workload.infers or not _is_selected(workload.name, selection.workload, by_default=True):
            continue
        for optimizer, size, precision, policy, (ranks, scaling) in itertools.product(
            [name for name in workload.optimizers if name in (selection.optimizer or STREAMED_WITH)],
            _sizes(workload, selection, device)[: None if selection.size else 1],
            [name for name in selection.precision or (FLOAT32,) if not PRECISIONS[name].changes_model],
            [name for name in (DEFAULT_POLICY,) if _is_selected(name, selection.allocator, by_default=True)],
            over,
        ):
            plain = dict.fromkeys(strategy.compared for strategy in strategies)
            for mode in [strategy.name for strategy in strategies] if ranks else plain:
                yield Cell(
                    framework=framework.name,
                    mode=mode,
                    workload=workload.name,
                    optimizer=optimizer,
                    size=size,
                    precision=precision,
                    device=device,
                    allocator=policy,
                    ranks=ranks,
                    scaling=scaling,
                )


def _is_of(chosen: Profile, framework: FrameworkOffer, selection: Selection) -> bool:
    """Return whether the profile runs `framework` when none is named; with a batch also what runs exported models."""
    if (selection.stream and not framework.pipelines) or (selection.ranks and not framework.strategies):
        return False
    if selection.ranks and not selection.mode:
        return not chosen.parallel_modes or framework.name in chosen.parallel_modes
    if framework.exhibit:
        return bool({ALL, framework.period} & {*selection.era})
    if not framework.trains or (selection.batch and any(mode.source for mode in framework.modes)):
        return bool(selection.batch or selection.mode)
    modes = _modes_of(chosen, selection)
    return not modes or framework.name in modes or bool(selection.mode)


def _default_modes(framework: FrameworkOffer, chosen: Profile, selection: Selection) -> Sequence[str]:
    """Return the modes that the profile runs in `framework` when none is named."""
    if not (modes := _modes_of(chosen, selection)):
        return [mode.name for mode in framework.modes]
    return modes.get(framework.name) or [mode.name for mode in framework.modes if mode.on_ladders]


def _modes_of(chosen: Profile, selection: Selection) -> Mapping[str, tuple[str, ...]]:
    """Return the modes that the profile runs by framework; empty: all."""
    if selection.era:
        return TODAY
    return (chosen.batch_modes if selection.batch else {}) or chosen.modes


def _runs(mode: ModeOffer, workload: WorkloadOffer, selection: Selection, default_modes: Sequence[str]) -> bool:
    """Return whether the selection contains `workload` in `mode`."""
    # a ladder's model is exported at a batch, and what changes a model is measured on one that has learnt something
    if mode.source and not selection.batch and (workload.is_ladder or mode.precision):
        return False
    by_default = mode.name in default_modes and (mode.on_ladders or not workload.is_ladder)
    return _is_selected(mode.name, selection.mode, by_default=by_default)


def _precisions(mode: ModeOffer, selection: Selection) -> list[str]:
    """Return the selected precisions that `mode` has: its only one, or those that leave the model as it is."""
    if mode.precision:
        return [mode.precision] if _is_selected(mode.precision, selection.precision, by_default=True) else []
    return [name for name in selection.precision or (FLOAT32,) if not PRECISIONS[name].changes_model]


def _sizes(workload: WorkloadOffer, selection: Selection, device: str) -> list[str]:
    default = (workload.sizes_on_cpu if device == "cpu" else workload.sizes_on_cuda) or workload.sizes
    return [size for size in workload.sizes if _is_selected(size, selection.size, by_default=size in default)]


def _is_selected(name: str, selected: Sequence[str], *, by_default: bool) -> bool:
    """Return whether `name` is in `selected`; where that is empty, whether it runs `by_default`."""
    return name in selected if selected else by_default
