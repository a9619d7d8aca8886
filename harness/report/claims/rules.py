"""The rule of each claim: what of a run speaks for it or against it.

Every rule looks at the rows of the tables and returns its parts; none of them knows the verdict. A threshold that a
claim leaves open ("small", "close") is a constant here. docs/claims.md has the reasons.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from bench.records.record import FORWARD_ONLY
from bench.reference.precision import PRECISIONS
from harness.format import memory_size, ratio
from harness.report.claims.claim import Finding, Part
from harness.report.claims.evidence import Evidence, Mode, is_good
from harness.report.tables.code import CLAIMED_LINES
from harness.report.tables.memory import MemoryRow
from harness.report.tables.reproducibility import ReproducibilityRow
from harness.report.tables.steps import StepRow
from harness.report.tables.streaming import StreamingRow

LINES_MARGIN: Final = 1  # lines: whether an import or a last print counts is a matter of convention
SMALL: Final = 1.1  # an overhead of a tenth of a step is less than what the choice of a mode changes
CLOSE: Final = 1.25  # "close to", "near": a quarter more time at most
BALLPARK: Final = 2.0  # "in the same ballpark": a factor of two
AHEAD_BYTES: Final = 2 << 30  # no context of a driver is as large: more than that is a pool taken ahead

TALK: Final = tuple(CLAIMED_LINES)  # the frameworks of the talk
# How each of their hello worlds trains, as a mode of the matrix.
AS_IN_HELLO: Final[Mapping[str, str]] = {
    "tensorflow": "eager", "keras_tensorflow": "fit", "torch": "eager", "fastai": "fit",
}  # fmt: skip
GRAPHS: Final[Mapping[Mode, Mode]] = {  # by graph, the eager mode of the same framework
    ("tensorflow", "function"): ("tensorflow", "eager"),
    ("tensorflow", "session"): ("tensorflow", "eager"),
    ("torch", "torchscript"): ("torch", "eager"),
    ("torch", "compile"): ("torch", "eager"),
    ("jax", "jit"): ("jax", "op-by-op"),
}
STATIC_GRAPHS: Final[Sequence[Mode]] = (("tensorflow", "function"), ("tensorflow", "session"))
COMPILED: Final[Sequence[Mode]] = (("torch", "compile"), ("tensorflow", "xla"), ("jax", "jit"))
TRAINER: Final[Mapping[Mode, Mode]] = {  # by Lightning's mode, PyTorch's with the same arithmetic
    ("lightning", "fit"): ("torch", "eager"),
    ("lightning", "fit-compile"): ("torch", "compile"),
}
TAKES_AHEAD: Final[Mapping[str, bool]] = {"tensorflow": True, "torch": False, "jax": True}
DETERMINISTIC: Final = ("torch", "jax")
RUNTIME: Final = "onnxruntime"
FEEDERS: Final[Mapping[str, str]] = {"tensorflow": "records", "torch": "memory"}  # where each is said to be ahead
INFERENCE: Final[Mapping[str, tuple[str, ...]]] = {  # by source of the exported model, its modes that predict
    "torch": ("eager", "compile"),
    "keras_tensorflow": ("batch", "batch-jit"),
    "jax": ("jit",),
}


def lines_of_code(evidence: Evidence) -> Finding:
    """Each count is within `LINES_MARGIN` of the claimed one, and they have the claimed order."""
    rows = {row.cell.framework: row for row in evidence.code if row.cell.framework in TALK}
    counted = {name: row.lines for name, row in rows.items() if row.status == "ok" and row.lines is not None}
    parts = [
        Part(
            subject=evidence.title(name),
            figure=f"{lines}, claimed {CLAIMED_LINES[name]}",
            agrees=abs(lines - CLAIMED_LINES[name]) <= LINES_MARGIN,
        )
        for name, lines in counted.items()
    ]
    ordered = [counted[name] for name in sorted(counted, key=CLAIMED_LINES.__getitem__)]
    if len(ordered) > 1:
        kept = all(fewer < more for fewer, more in itertools.pairwise(ordered))
        parts.append(Part(subject="their order", figure="as claimed" if kept else "not as claimed", agrees=kept))
    return Finding(
        parts=tuple(parts),
        lacking=tuple(evidence.title(name) for name in TALK if name not in counted),
        unusable=evidence.named([row for row in rows.values() if row.status != "ok"]),
    )


def same_accuracy(evidence: Evidence) -> Finding:
    """The hello worlds of all four end within the tolerance: weight and bias within 0.05 of 3 and 2.

    One that ended elsewhere is invalid for that reason; it is what contradicts.
    """
    rows = [row for row in evidence.code if row.cell.framework in TALK]
    ended = [row for row in rows if row.within_tolerance is False or (row.within_tolerance and row.status == "ok")]
    return Finding(
        parts=tuple(
            Part(
                subject=row.title,
                figure=f"{ratio(row.weight)} and {ratio(row.bias)}",
                agrees=row.within_tolerance,
            )
            for row in ended
        ),
        lacking=evidence.lacking(TALK, ended),
        unusable=evidence.named([row for row in rows if row.status != "ok" and row not in ended]),
    )


def convenience_costs(evidence: Evidence) -> Finding:
    """Of any two of the talk's frameworks the one with fewer lines has the longer step on the regression.

    Its step is hardly any arithmetic, so what it takes is overhead. Two with as many lines are not compared.
    """
    lines = {row.cell.framework: row.lines or 0 for row in evidence.code if row.lines and row.status == "ok"}
    modes = [(name, mode) for name, mode in AS_IN_HELLO.items() if name in lines]
    works = [rows for rows in evidence.on_one_work(modes) if rows[0].cell.workload == "regression"]
    parts: list[Part] = []
    for rows in works:
        for fewer, more in itertools.permutations(rows, 2):
            few, many = lines[fewer.cell.framework], lines[more.cell.framework]
            if few >= many:
                continue
            subject = f"{fewer.title} ({few} lines) ÷ {more.title} ({many})"
            part = evidence.part(subject, fewer, evidence.by_block(fewer, more), claimed="above")
            parts += [part] if part else []
    if works and not parts:
        parts.append(Part(subject="all", figure="have as many lines"))
    return Finding(
        parts=tuple(parts),
        lacking=evidence.lacking(TALK, [row for rows in works for row in rows]),
        unusable=evidence.unusable(*AS_IN_HELLO.items(), workload="regression"),
    )


def static_graph(evidence: Evidence) -> Finding:
    """A step of the graph is shorter than the eager step of the same framework, on every work."""
    parts = [
        part
        for graph, eager in GRAPHS.items()
        for part in evidence.compared(f"{evidence.title(graph[0])} {graph[1]}", eager, graph, claimed="above")
    ]
    return Finding(parts=tuple(parts), unusable=evidence.unusable(*GRAPHS, *GRAPHS.values()))


def gpu_memory(evidence: Evidence) -> Finding:
    """TensorFlow and JAX hold a pool before there is a model; PyTorch holds little more than it hands out."""
    rows = [
        row
        for row in evidence.memory
        if row.cell.framework in TAKES_AHEAD and row.cell.device == "cuda" and row.cell.allocator == "default"
    ]
    good = [row for row in rows if row.status == "ok" and _taken_ahead(row) is not None]
    parts = []
    for name, ahead in TAKES_AHEAD.items():
        of = [row for row in good if row.cell.framework == name]
        if of:
            most, least = max(map(_ahead, of)), min(map(_ahead, of))
            span = memory_size(most) if len(of) == 1 else f"{memory_size(least)} to {memory_size(most)}"
            agrees = least >= AHEAD_BYTES if ahead else most < AHEAD_BYTES
            parts.append(Part(subject=evidence.title(name), figure=span, agrees=agrees))
    return Finding(
        parts=tuple(parts),
        lacking=evidence.lacking(tuple(TAKES_AHEAD), good),
        unusable=evidence.named([row for row in rows if row.status != "ok"]),
    )


def trainer_is_cheap(evidence: Evidence) -> Finding:
    """Lightning's step is at most `SMALL` times PyTorch's on the largest work; smaller ones are shown beside it."""
    parts: list[Part] = []
    for trainer, plain in TRAINER.items():
        flops = {evidence.work(row.cell): evidence.flops(row.cell) for row in evidence.training(*trainer)}
        name = f"{trainer[1]} ÷ {evidence.title(plain[0])} {plain[1]}"
        found = evidence.compared(name, trainer, plain, claimed="below", limit=SMALL)
        most = max((flops[part.work] for part in found), default=0)
        parts += [_beside(part, "smaller works") if flops[part.work] < most else part for part in found]
    return Finding(parts=tuple(parts), unusable=evidence.unusable(*TRAINER, *TRAINER.values()))


def ahead_at_large(evidence: Evidence) -> Finding:
    """At the largest size JAX's jit is ahead of PyTorch's compile, by more than at the smallest."""
    jit, compiled = ("jax", "jit"), ("torch", "compile")
    parts: list[Part] = []
    for small, large in _ladders(evidence, jit, compiled):
        cell = large[0].cell
        at_large, at_small = evidence.by_block(*large), evidence.by_block(*small)
        change = {block: at_large[block] / at_small[block] for block in at_large.keys() & at_small.keys()}
        sizes = f"{cell.workload} {cell.size} over {cell.workload} {small[0].cell.size}"
        for subject, by_block in ((f"at {cell.workload} {cell.size}", at_large), (f"change, {sizes}", change)):
            part = evidence.part(subject, large[0], by_block, claimed="below")
            parts += [part] if part else []
    return Finding(parts=tuple(parts), unusable=evidence.unusable(jit, compiled))


def close_to_static(evidence: Evidence) -> Finding:
    """PyTorch's compile takes at most `CLOSE` times as long as a static graph of TensorFlow."""
    compiled = ("torch", "compile")
    parts = [
        part
        for graph in STATIC_GRAPHS
        for part in evidence.compared(
            f"÷ {evidence.title(graph[0])} {graph[1]}", compiled, graph, claimed="below", limit=CLOSE
        )
    ]
    return Finding(parts=tuple(parts), unusable=evidence.unusable(compiled, *STATIC_GRAPHS))


def same_ballpark(evidence: Evidence) -> Finding:
    """Of any two compiled frameworks the slower takes at most `BALLPARK` times as long, on every work."""
    parts: list[Part] = []
    for rows in evidence.on_one_work(COMPILED):
        for one, other in itertools.combinations(rows, 2):
            subject = f"{one.title} {one.cell.mode} and {other.title} {other.cell.mode}"
            by_block = evidence.by_block(one, other)
            estimate = evidence.ratios.estimate(by_block)
            if estimate is not None and estimate.value < 1:
                by_block = {block: 1 / value for block, value in by_block.items()}
            part = evidence.part(subject, one, by_block, claimed="below", limit=BALLPARK)
            parts += [part] if part else []
    return Finding(parts=tuple(parts), unusable=evidence.unusable(*COMPILED))


def deterministic(evidence: Evidence) -> Finding:
    """Repeated runs of every mode have the same bits, in one process and over processes."""
    rows = [row for row in evidence.reproducibility if row.cell.framework in DETERMINISTIC]
    checked = [row for row in rows if row.status == "ok" and _same_bits(row) is not None]
    parts = []
    for name in DETERMINISTIC:
        of = [row for row in checked if row.cell.framework == name]
        if of:
            same = [row for row in of if _same_bits(row)]
            differ = ", ".join(dict.fromkeys(row.cell.mode for row in of if row not in same))
            processes = min(row.two_processes.compared for row in of)
            figure = f"{len(same)} of {len(of)} over {processes} processes" + (f", not {differ}" if differ else "")
            agrees = None if same and differ else bool(same)
            parts.append(Part(subject=evidence.title(name), figure=figure, agrees=agrees))
    return Finding(
        parts=tuple(parts),
        lacking=evidence.lacking(DETERMINISTIC, checked),
        unusable=evidence.named([row for row in rows if row.status != "ok"]),
    )


def near_own_inference(evidence: Evidence) -> Finding:
    """ONNX Runtime takes at most `CLOSE` times as long as the framework whose model it runs, on every work.

    Of the model as it is: what int8 and pruning win is another question.
    """
    runtime = [
        row
        for row in evidence.steps
        if row.source and row.cell.framework == RUNTIME and not PRECISIONS[row.cell.precision].changes_model
    ]
    exported = [row for row in runtime if is_good(row)]
    parts: list[Part] = []
    for row in exported:
        source = evidence.run.source(row.cell.framework, row.cell.mode)
        for own in evidence.steps:
            if own.cell.mode in INFERENCE.get(source, ()) and _predicts_the_same(own, row, source):
                by_block = evidence.ratios.by_block(row.cell, own.cell, row.paired.keys() & own.paired.keys())
                subject = f"{row.cell.mode} ÷ {own.title} {own.cell.mode}"
                part = evidence.part(subject, row, by_block, claimed="below", limit=CLOSE)
                parts += [part] if part else []
    needed = [row for row in runtime if row.cell.batch and not is_good(row)]  # the regression has nothing beside it
    return Finding(parts=tuple(parts), unusable=evidence.named(needed))


def feeds_from_disk(evidence: Evidence) -> Finding:
    """From records the fastest pipeline of TensorFlow trains faster than PyTorch's, from memory PyTorch's is faster.

    The fastest of each is that of this run, on the same model, data set and processors: which form is a framework's
    best is its users' to find. The pipelines alone are shown beside; only training counts.
    """
    works: dict[tuple[str, ...], list[StreamingRow]] = {}
    for row in evidence.streaming:
        if row.cell.framework in FEEDERS and row.format in FEEDERS.values() and row.both and row.status == "ok":
            cell = row.cell
            works.setdefault((cell.workload, cell.size, cell.stream, cell.optimizer, row.format), []).append(row)
    parts: list[Part] = []
    for (*names, format_), rows in works.items():
        best = {row.cell.framework: row for row in sorted(rows, key=lambda row: row.per_second or 0)}
        if len(best) < len(FEEDERS):
            continue
        ahead = next(name for name, place in FEEDERS.items() if place == format_)
        over, under = best[ahead], next(row for name, row in best.items() if name != ahead)
        work = " ".join((names[0], names[2]))
        for what, own, others in (
            ("", over.by_block, under.by_block),
            (", pipelines alone", over.by_block_alone, under.by_block_alone),
        ):
            by_block = {block: own[block] / others[block] for block in own.keys() & others.keys()}
            subject = f"from {format_}{what}, {over.title} ÷ {under.title}"
            part = evidence.part(subject, over, by_block, claimed="below")
            named = f"{work} ({over.cell.mode} ÷ {under.cell.mode})"
            parts += [replace(part, work=named, counts=not what)] if part else []
    formats = {format_ for *_, format_ in works}
    tried = [row for row in evidence.streaming if row.cell.framework in FEEDERS]
    return Finding(
        parts=tuple(parts),
        lacking=tuple(f"{place} in both" for place in FEEDERS.values() if tried and place not in formats),
        unusable=evidence.named([row for row in tried if row.status != "ok"]),
    )


def _ladders(evidence: Evidence, *modes: Mode) -> Iterator[tuple[tuple[StepRow, ...], tuple[StepRow, ...]]]:
    """Yield the rows of both modes at the smallest and at the largest size, for each line with two sizes or more."""
    lines: dict[tuple[str, ...], list[tuple[StepRow, ...]]] = {}
    for rows in evidence.on_one_work(modes):
        cell = rows[0].cell
        if cell.size in evidence.sizes(cell.workload):
            line = (cell.workload, cell.optimizer, cell.precision, cell.device, cell.allocator)
            lines.setdefault(line, []).append(rows)
    for (workload, *_), of in lines.items():
        sizes = evidence.sizes(workload)
        by_size = {sizes.index(rows[0].cell.size): rows for rows in of}
        if len(by_size) > 1:
            yield by_size[min(by_size)], by_size[max(by_size)]


def _beside(part: Part, subject: str) -> Part:
    return Part(subject=subject, work=part.work, comparison=part.comparison, counts=False)


def _taken_ahead(row: MemoryRow) -> int | None:
    """Return what the process held before the model; of PyTorch what it ever held beyond what it handed out."""
    figures = row.figures
    if TAKES_AHEAD[row.cell.framework]:
        return figures.context_bytes
    if figures.device_peak_bytes is None or figures.allocated_peak_bytes is None:
        return None
    return figures.device_peak_bytes - figures.allocated_peak_bytes


def _ahead(row: MemoryRow) -> int:
    return _taken_ahead(row) or 0


def _same_bits(row: ReproducibilityRow) -> bool | None:
    checks = row.one_process.equal, row.two_processes.equal
    return None if None in checks else all(checks)


def _predicts_the_same(own: StepRow, exported: StepRow, source: str) -> bool:
    a, b = own.cell, exported.cell
    fields = ("workload", "size", "precision", "device", "batch")
    is_own = a.framework == source and a.optimizer == FORWARD_ONLY and is_good(own)
    return is_own and all(getattr(a, name) == getattr(b, name) for name in fields)
