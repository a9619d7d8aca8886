"""A small run of every kind of record, and ways to damage one value of its files; `tests.faults` has the campaign."""

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from bench.records.observation import Energy, Observation
from bench.records.record import Limit, Memory, Reading, Record
from harness.plan.plan import make_plan
from harness.report import frames
from harness.report.exporters import EXPORTERS, exporter
from harness.report.tables.all import tables
from harness.store.folder import RunFolder, create
from harness.validity import results
from tests import factories

Path_ = tuple[str | int, ...]

VALUES: Final[tuple[Any, ...]] = (
    None, True, -1, 0, 3, 1.5, -1e300, float("nan"), float("inf"), 10**18, 2**63, 10**400, "", "text", "\ud800",
    "\x1b[31m", "a" * 3000, "=1+1", "$x$ [/] <b>", [], [None], [1, 2, 3], ["a"], {}, {"a": 1}, [[[[]]]],
)  # fmt: skip


def records() -> tuple[Record, ...]:
    """One record of each kind, in three blocks where time is measured."""
    cell = factories.cell
    timing = factories.timing(
        round_begin_ns=(1, 2, 3), round_cpu_ns=(9, 9, 9), slice_rounds=(1, 2), switch_round_ns=(5, 5), settling_ns=(7,)
    )
    observed = Observation(sampler_looks=3, sampler_cpu_ns=1, sampler_wall_ns=1000, foreign=(), host_peak_rss_bytes=1)
    moments = ("import", "build", "round")
    readings = tuple(
        Reading(moment=moment, at_ns=at, steps=at, rss_bytes=300 << 20, rss_peak_bytes=None)  # type: ignore[arg-type]
        for at, moment in enumerate(moments)
    )
    limit = Limit(kind="triad", precision="float32", size=1 << 20, work=1 << 20, round_ns=(100_000, 101_000))
    energy = Energy(idle_begin_ns=0, idle_end_ns=10**9, begin_ns=2 * 10**9, end_ns=9 * 10**9, steps=1000)
    accuracy = factories.accuracy(parameters=("w",), gradient_norms=(1.0,), gradient_norm=1.0)
    bare: dict[str, Any] = {"timing": None, "memory": None, "accuracy": None, "proof": None}
    return (
        *(
            factories.record(
                cell(mode=mode),
                block=block,
                timing=timing,
                accuracy=accuracy,
                repeats=(factories.repeat("warm"), factories.repeat("threads")),
                observation=observed,
            )
            for block in (1, 2, 3)
            for mode in ("eager", "compile")
        ),
        factories.idiomatic(),
        factories.export(),
        factories.record(cell(mode="limits", track="limits"), **{**bare, "limits": (limit,)}),
        factories.record(
            cell(track="memory"), **{**bare, "memory": Memory(readings=readings, unix_offset_ns=1, own_bytes=5)}
        ),
        factories.record(cell(track="energy"), **{**bare, "energy": energy, "observation": observed}),
        factories.record(
            cell(mode="fused"), status="failed", reason="build: no", failure=factories.failure(tail=("one", "two"))
        ),
    )


def run(results: Path) -> RunFolder:
    """Write the run into a folder of `results`."""
    folder = create(results, "run")
    made = records()
    cells = tuple(dict.fromkeys(record.cell for record in made if record.cell.track != "export"))
    plan = make_plan(cells, blocks=3, seed=42)
    offer = factories.framework(modes=("eager", "compile", "fused"), environment=(("A", "b"),))
    folder.write_plan(plan)
    folder.write_facts(
        factories.run_facts(
            id="run", blocks=3, replicates=plan.replicates, frameworks=(offer,), code=(("bench/a.py", "00"),)
        )
    )
    for record in made:
        folder.append(record)
    return folder


def paths(data: Any, above: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of every value in JSON data."""
    yield above
    items: Any = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, item in items:
        yield from paths(item, (*above, key))


def changed(data: Any, path: Path_, value: Any) -> Any:
    """Return a copy of JSON data with `value` at `path`."""
    if not path:
        return value
    data = copy.deepcopy(data)
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return data


def report(folder: RunFolder, *, page: bool = True) -> None:
    """Make all that a report prints and writes of the run in `folder`; raises StoreError."""
    run = results.load(folder)
    computed = tables(run)
    for name in EXPORTERS:
        if page or name != "html":
            made = exporter(name)
            texts = [*made.files(run, computed).values(), made.render(run, computed, None)]
            for text in texts:
                assert text if isinstance(text, bytes) else text.encode()
    frames.load(run)


def damage(folder: RunFolder, whole: dict[str, str], rng: random.Random) -> str:
    """Damage one value of one file; return what was changed."""
    file = rng.choice(["run.json", "plan.json", *["records.jsonl"] * 4])
    lines = whole[file].splitlines() if file == "records.jsonl" else [whole[file]]
    number = rng.randrange(len(lines))
    data = json.loads(lines[number])
    places = list(paths(data))
    path = rng.choice(places)
    value = rng.choice(VALUES)
    if rng.random() < 0.3:
        value = data
        for key in rng.choice(places):
            value = value[key]
    lines[number] = json.dumps(changed(data, path, copy.deepcopy(value)))
    (folder.path / file).write_text("\n".join(lines) + "\n")
    return f"{file} {number} {path} {str(value)[:80]!r}"
