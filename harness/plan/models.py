"""Which frameworks train and export a model that other frameworks of the run infer with."""

import dataclasses
from collections.abc import Sequence

from bench.catalogue import DEFAULT_POLICY, EXPORT, FrameworkOffer, export_mode
from bench.records.record import Cell
from bench.reference.precision import FLOAT32


def sources(offers: Sequence[FrameworkOffer]) -> dict[tuple[str, str], str]:
    """Return, by framework and mode, the framework that trains the model."""
    return {(offer.name, mode.name): mode.source for offer in offers for mode in offer.modes if mode.source}


def formats(offers: Sequence[FrameworkOffer]) -> dict[tuple[str, str], str]:
    """Return, by framework and mode, the format in which it is exported."""
    return {(offer.name, mode.name): mode.format or "onnx" for offer in offers for mode in offer.modes if mode.source}


def export_of(offers: Sequence[FrameworkOffer], cell: Cell) -> Cell | None:
    """Return the cell of the export that `cell` runs; None: it runs none."""
    if (key := (cell.framework, cell.mode)) not in (of := sources(offers)):
        return None
    mode = export_mode(formats(offers)[key])
    return dataclasses.replace(
        cell, framework=of[key], mode=mode, precision=FLOAT32, track=EXPORT, allocator=DEFAULT_POLICY
    )


def needed(offers: Sequence[FrameworkOffer], cells: Sequence[Cell]) -> tuple[str, ...]:
    """Return every framework that `cells` need: their own, then those that train for them."""
    trains_for = sources(offers)
    trained = (trains_for.get((cell.framework, cell.mode)) for cell in cells)
    own = (cell.framework for cell in cells)
    return tuple(dict.fromkeys([*own, *(name for name in trained if name)]))


def started(offers: Sequence[FrameworkOffer], cells: Sequence[Cell]) -> tuple[str, ...]:
    """Return those of `needed` that compute on the device of `cells`: nothing is prepared or started of the others."""
    devices = {cell.device for cell in cells}
    absent = {offer.name for offer in offers if not devices & set(offer.devices)}
    return tuple(name for name in needed(offers, cells) if name not in absent)
