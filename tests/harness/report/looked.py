"""What `samestep loop` may have found: one program of each kind, with known figures."""

import dataclasses
from typing import Any, Final

from harness.store.loops import LoopRecord, Loops

NOTHING: Final[dict[str, Any]] = dict.fromkeys(
    (
        *("steps", "every_ns", "last_ns", "every_vs_last", "every_vs_last_low", "every_vs_last_high", "cpu_share"),
        *("every_first_ns", "last_first_ns", "breakpoint", "stops_in_first_call", "stops_in_later_call"),
        *("steps_of_stops", "reason"),
    )
)
OF: Final[dict[str, Any]] = {"era": 2016, "version": "1.0", "python": "3.11.7", "every_lines": 9, "last_lines": 8}


def loop_record(framework: str = "torch", form: str = "eager", **changes: Any) -> LoopRecord:
    values = {**NOTHING, **OF, "status": "ok", "title": framework.title(), **changes}
    return LoopRecord(framework=framework, form=form, **values)


def timed(steps: int, every_us: float, ratio: float, **changes: Any) -> dict[str, Any]:
    ns = {"every_ns": every_us * 1e3, "last_ns": every_us * 1e3 / ratio, "cpu_share": 1.0}
    ends = {"every_vs_last": ratio, "every_vs_last_low": ratio - 0.25, "every_vs_last_high": ratio + 0.25}
    return {"steps": steps, "breakpoint": "each step", **ns, **ends, **changes}


def looked(**changes: Any) -> Loops:
    rows = (
        loop_record(**timed(5, 12.5, 1.5)),
        loop_record(**timed(500, 1250.0, 2.5)),
        loop_record("theano", "scan", era=2010, **timed(5, 40.0, 1.25, breakpoint="once, in the trace", cpu_share=0.5)),
        loop_record("jax", "scan", status="skipped", reason="its lock is missing"),
    )
    programs = {"torch_eager": "def every(steps, x, w):\n    return '<b>'\n"}
    plain = Loops(cpu="A processor", commit="0123456789abcdef", dirty=False, rows=rows, programs=programs)
    return dataclasses.replace(plain, **changes)
