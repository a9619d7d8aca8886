"""Which frameworks train and export a model that other frameworks of the run infer with."""

from collections.abc import Sequence

from bench.catalogue import FrameworkOffer
from bench.records.record import Cell


def sources(offers: Sequence[FrameworkOffer]) -> dict[tuple[str, str], str]:
    """Return, by framework and mode, the framework that trains the model."""
    return {(offer.name, mode.name): mode.source for offer in offers for mode in offer.modes if mode.source}


def formats(offers: Sequence[FrameworkOffer]) -> dict[tuple[str, str], str]:
    """Return, by framework and mode, the format in which it is exported."""
    return {(offer.name, mode.name): mode.format or "onnx" for offer in offers for mode in offer.modes if mode.source}


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
