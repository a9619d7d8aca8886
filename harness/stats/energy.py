"""Energy per step: the GPU's counter over a window of work, less what the GPU takes when it rests. Pure.

    energy of a step = (E(window) − P(idle) × length of the window) ÷ steps in it,   P(idle) = E(idle) ÷ its length

The counter ticks some ten times a second, and a board needs a second to come to its power, so that a short window says
nothing: below LEAST_WINDOW_NS there is no figure. The idle stretch is the replicate's own, with its model on the GPU:
what a context costs in power is not a step's.
"""

from dataclasses import dataclass
from typing import Final

from bench.records.observation import Energy, Observation
from bench.records.record import Record

LEAST_WINDOW_NS: Final = 5_000_000_000
LEAST_IDLE_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnergy:
    """What a step costs, or why nobody knows."""

    step_uj: float | None = None  # energy of one step above idle
    window_mj: float | None = None  # energy of the whole window above idle
    idle_mw: float | None = None  # power at rest
    reason: str = ""  # why the figures are empty


def of(record: Record) -> StepEnergy:
    """Return the energy of a step of an energy replicate."""
    window, seen = record.energy, record.observation
    if record.cell.device != "cuda":
        return StepEnergy(reason="n/a: only a GPU counts its energy")
    if window is None:
        return StepEnergy(reason=f"n/a: {record.reason or 'the replicate noted no window'}")
    if reason := _unfit(window, seen):
        return StepEnergy(reason=f"n/a: {reason}")
    assert seen is not None
    assert seen.energy_window_mj is not None
    assert seen.energy_idle_mj is not None
    idle_mw = seen.energy_idle_mj / ((window.idle_end_ns - window.idle_begin_ns) / 1e9)  # mJ per second
    above = seen.energy_window_mj - idle_mw * (window.end_ns - window.begin_ns) / 1e9
    if above <= 0:
        return StepEnergy(idle_mw=idle_mw, reason="n/a: the work took no more power than the GPU at rest")
    return StepEnergy(step_uj=above / window.steps * 1e3, window_mj=above, idle_mw=idle_mw)


def _unfit(window: Energy, seen: Observation | None) -> str:
    """Say why there is no figure; empty when there is one."""
    if window.end_ns - window.begin_ns < LEAST_WINDOW_NS:
        return f"the window of {(window.end_ns - window.begin_ns) / 1e9:.1f} s is shorter than 5 s"
    if window.idle_end_ns - window.idle_begin_ns < LEAST_IDLE_NS:
        return "the GPU was not at rest for a second before"
    if seen is None:
        return "nobody watched the GPU"
    if seen.gpu.startswith("MIG-"):
        return "a MIG instance shares its GPU's counter with the others"
    if None in (seen.energy_window_mj, seen.energy_idle_mj):
        said = [one for one in seen.missing if "energy_window_mj" in one or one.startswith("gpu:")]
        return said[0].partition(": ")[2] if said else "the counter was not read"
    if seen.energy_window_mj == 0:
        return "the counter did not tick"
    return ""
