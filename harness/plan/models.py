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
    """Return the cell of the export that `cell` runs; None: it runs none.

    The model is from the locked environment of the framework that trains, whatever variant of an engine runs it: so
    the variants run the same bytes.
    """
    if (key := (cell.framework, cell.mode)) not in (of := sources(offers)):
        return None
    mode = export_mode(formats(offers)[key])
    return dataclasses.replace(
        cell, framework=of[key], variant="", mode=mode, precision=FLOAT32, track=EXPORT, allocator=DEFAULT_POLICY
    )


def needed(offers: Sequence[FrameworkOffer], cells: Sequence[Cell]) -> tuple[str, ...]:
    """Return every framework that `cells` need: their own, then those that train for them."""
    trains_for = sources(offers)
    trained = (trains_for.get((cell.framework, cell.mode)) for cell in cells)
    own = (cell.framework for cell in cells)
    return tuple(dict.fromkeys([*own, *(name for name in trained if name)]))


def started(offers: Sequence[FrameworkOffer], cells: Sequence[Cell]) -> tuple[str, ...]:
    """Return the environments of those of `needed` that compute on the device of `cells`: "jax", "jax@0.9.2".

    Nothing is prepared or started of the others. Of a framework that runs in variants alone it is no locked one, unless
    it trains for another.
    """
    devices = {cell.device for cell in cells}
    absent = {offer.name for offer in offers if not devices & set(offer.devices)}
    trains_for = sources(offers)
    trained = (trains_for.get((cell.framework, cell.mode)) for cell in cells)
    own = [(cell.framework, cell.framework_id) for cell in cells]
    both = [*own, *((name, name) for name in trained if name)]
    return tuple(dict.fromkeys(environment for name, environment in both if name not in absent))
