"""From what was typed to the one cell that is bisected, and to the request of each of its runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, cast, get_args

from bench.catalogue import catalogue
from bench.records.record import Cell
from harness.bisect.facts import Asked, Measure
from harness.errors import SelectionError
from harness.launchers import choose
from harness.plan import request, selection, specs
from harness.plan.profiles import Profile
from harness.plan.request import Request, Setting
from harness.stats.estimate import FEW_BLOCKS

MEASURES: Final[tuple[str, ...]] = get_args(Measure)
BLOCKS_OF_BITS: Final = 2  # bits are equal or not; the second block says whether they are so every time
DEFAULT_WORKLOAD: Final = "regression"


def asked(
    framework: str,
    fields: Mapping[str, str | None],
    *,
    measure: str,
    profile: str | None,
    device: str | None,
    setting: Setting,
    seed: int | None,
) -> Asked:
    """Return what was typed, with the one cell that it means.

    Args:
        framework: whose versions are walked.
        fields: mode, workload, optimizer, size and precision by name; None: the first that the framework has.
        measure: one of MEASURES.
        profile: name of the profile; None: the default.
        device: "cpu" or "cuda"; None: "cpu".
        setting: where and with what to run.
        seed: of the order within the blocks; None: random.

    Raises:
        SelectionError: an unknown name, several names for one field, or too few blocks for a verdict.
    """
    request.one_of("measure", measure, MEASURES)
    _require_one(framework, {"framework": framework, "launcher": setting.launcher, **fields})
    if setting.launcher and setting.launcher != choose.AUTO:
        choose.require_variants([request.one_of("launcher", setting.launcher, tuple(choose.LAUNCHERS))])
    device = request.one_of("device", device or "cpu", request.DEVICES)
    chosen = selection.profile(profile or request.DEFAULT_PROFILE)
    cell = _cell(framework, fields, chosen, device)
    return Asked(
        framework=cell.framework,
        mode=cell.mode,
        workload=cell.workload,
        optimizer=cell.optimizer,
        size=cell.size,
        precision=cell.precision,
        measure=cast("Measure", measure),
        profile=chosen.name,
        device=device,
        launcher=setting.launcher,
        cpus=setting.cpus,
        threads=setting.threads,
        timeout_s=setting.timeout_s,
        blocks=_blocks(setting.blocks, chosen, measure),
        seed=seed,
    )


def _require_one(framework: str, typed: Mapping[str, str | None]) -> None:
    """Raise SelectionError where one of what was typed, by its name, is several names, or a variant."""
    for name, text in typed.items():
        if text is not None and len(selection.names(text)) > 1:
            raise SelectionError(f"A bisection measures one cell: {name} {text!r} names several.")
    if specs.is_variant(framework):
        raise SelectionError(f"{framework!r}: name the framework alone; its two versions come after it.")


def _cell(framework: str, fields: Mapping[str, str | None], chosen: Profile, device: str) -> Cell:
    """Return the first cell that has these names; raises SelectionError."""
    requested = request.parsed(
        framework=framework,
        mode=fields["mode"],
        workload=fields["workload"] or DEFAULT_WORKLOAD,
        optimizer=fields["optimizer"],
        size=fields["size"],
        precision=fields["precision"],
    )
    for cell in selection.cells(catalogue(), requested.selection, chosen, device):
        if cell.track == "identical":
            return cell
    raise SelectionError(f"{framework} {fields['mode']} has no step that is timed: name another --mode.")


def _blocks(typed: int | None, chosen: Profile, measure: str) -> int | None:
    """Return the blocks of a measurement, None for the profile's; raises SelectionError for too few."""
    if measure == "bits":
        return typed or BLOCKS_OF_BITS
    if (typed or chosen.blocks) < FEW_BLOCKS:
        few = f"--blocks {typed}" if typed else f"--profile {chosen.name} has {chosen.blocks} blocks"
        raise SelectionError(f"{few}: a verdict needs {FEW_BLOCKS}; add --blocks {FEW_BLOCKS}, or take another.")
    return typed


def request_of(asked: Asked, versions: Sequence[str]) -> Request:
    """Return the request of the run that measures `versions`."""
    return request.parsed(
        framework=",".join(f"{asked.framework}@{version}" for version in versions),
        mode=asked.mode,
        workload=asked.workload,
        optimizer=asked.optimizer,
        size=asked.size,
        precision=asked.precision,
        measure="time",
        profile=asked.profile,
        device=asked.device,
        seed=asked.seed,
    )


def setting_of(asked: Asked, results: Path) -> Setting:
    """Return where and with what it runs, with its folder in `results`."""
    return Setting(
        results=results,
        launcher=asked.launcher,
        cpus=asked.cpus,
        threads=asked.threads,
        timeout_s=asked.timeout_s,
        blocks=asked.blocks,
        tables=False,
    )


def what(asked: Asked) -> str:
    """Return the cell in words, without the framework: "jit mlp S adam float32 on the cpu"."""
    return f"{asked.mode} {asked.workload} {asked.size} {asked.optimizer} {asked.precision} on {asked.device}"
