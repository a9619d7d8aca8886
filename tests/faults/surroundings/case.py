"""A case: one way in which a machine is not as usual, and what a short real run must do there."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tests.faults.outcome import Wrong
from tests.faults.room import Room

Plant = Callable[[Room], Iterator[Wrong]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One of the surroundings."""

    name: str
    plant: Plant
    short: bool  # it is in the sample that CI plants


def case(name: str, *, short: bool = False, into: list[Case]) -> Callable[[Plant], Plant]:
    """Add the decorated function to the cases of its module."""

    def add(plant: Plant) -> Plant:
        into.append(Case(name=name, plant=plant, short=short))
        return plant

    return add


def each(cases: Iterable[Case], into: list[Case]) -> None:
    """Add cases that differ in their data only."""
    into.extend(cases)
