"""Energy per step: what the GPU's counter grew by over a window of work, less the GPU's energy at rest.

    energy of a step = (E(window) − P(idle) × length of the window) ÷ steps in it,   P(idle) = E(idle) ÷ its length

The counter ticks about ten times a second, and a board needs a second to reach its power. So a short window tells
nothing: below LEAST_WINDOW_NS there is no figure. The replicate itself is idle for P(idle), with its model on the GPU:
the power that a context takes does not belong to a step.
"""

from dataclasses import dataclass
from typing import Final

from bench.records.observation import Energy, Observation
from bench.records.record import Record

LEAST_WINDOW_NS: Final = 5_000_000_000
LEAST_IDLE_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnergy:
    """The energy of a step, or why it is not known."""

    step_uj: float | None = None  # energy of one step above idle
    window_mj: float | None = None  # energy of the whole window above idle
    idle_mw: float | None = None  # power at rest
    reason: str = ""  # why the figures are empty


def of(record: Record) -> StepEnergy:
    """Return the energy of a step of an energy replicate."""
    window, observation = record.energy, record.observation
    if record.cell.device != "cuda":
        return StepEnergy(reason="n/a: only a GPU counts its energy")
    if window is None:
        return StepEnergy(reason=f"n/a: {record.reason or 'the replicate noted no window'}")
    if reason := _unfit(window, observation):
        return StepEnergy(reason=f"n/a: {reason}")
    assert observation is not None
    assert observation.energy_window_mj is not None
    assert observation.energy_idle_mj is not None
    idle_mw = observation.energy_idle_mj / ((window.idle_end_ns - window.idle_begin_ns) / 1e9)  # mJ per second
    above = observation.energy_window_mj - idle_mw * (window.end_ns - window.begin_ns) / 1e9
    if above <= 0:
        return StepEnergy(idle_mw=idle_mw, reason="n/a: the work took no more power than the GPU at rest")
    return StepEnergy(step_uj=above / window.steps * 1e3, window_mj=above, idle_mw=idle_mw)


def _unfit(window: Energy, observation: Observation | None) -> str:
    """Say why there is no figure; empty when there is one."""
    if window.end_ns - window.begin_ns < LEAST_WINDOW_NS:
        return f"the window of {(window.end_ns - window.begin_ns) / 1e9:.1f} s is shorter than 5 s"
    if window.idle_end_ns - window.idle_begin_ns < LEAST_IDLE_NS:
        return "the GPU was not at rest for a second before"
    if observation is None:
        return "the GPU was not observed"
    if observation.gpu.startswith("MIG-"):
        return "a MIG instance shares its GPU's counter with the others"
    if None in (observation.energy_window_mj, observation.energy_idle_mj):
        reasons = [line for line in observation.missing if "energy_window_mj" in line or line.startswith("gpu:")]
        return reasons[0].partition(": ")[2] if reasons else "the counter was not read"
    if observation.energy_window_mj == 0:
        return "the counter did not tick"
    return ""
