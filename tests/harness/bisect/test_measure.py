"""What is kept of a run: which versions have a result, their ratios in each block, the noise floor, and the request."""

import functools
import math
from dataclasses import replace
from pathlib import Path

import pytest

from bench.catalogue import catalogue
from bench.records.record import Memory, Record
from harness.bisect import asked as asking
from harness.bisect.facts import Asked, Measure, Measurement
from harness.bisect.folder import FILE, SCHEMA, BisectFolder
from harness.bisect.measure import UNSTABLE, taken
from harness.errors import SelectionError, StoreError
from harness.plan.request import Setting
from tests.factories import accuracy, cell, record, run, timing
from tests.harness.bisect.test_session import asked as asked_for
from tests.harness.bisect.test_session import bisection

BLOCKS = range(1, 7)


def of(version: str, block: int, step_ns: int = 100_000, *, track: str = "identical", **changes: object) -> Record:
    """A replicate of this version."""
    first = changes.pop("first_ns", 4_000_000)
    found = record(
        cell(framework="jax", mode="jit", variant=version, track=track),
        block=block,
        timing=timing(round_ns=(step_ns,) * 3, first_step_ns=first),
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def measured(records: list[Record], versions: tuple[str, ...], measure: Measure = "step") -> Measurement:
    asked = replace(asked_for(), measure=measure)
    return taken(run(records, blocks=6), number=1, path=Path("measurement-1/r"), versions=versions, asked=asked)


def test_each_pair_has_a_ratio_in_each_block() -> None:
    records = [of(v, block, ns + block) for block in BLOCKS for v, ns in (("1.0", 100_000), ("1.1", 105_000))]
    kept = measured(records, ("1.0", "1.1"))
    assert (kept.held, kept.failed, kept.run) == (("1.0", "1.1"), (), "measurement-1/r")
    ((older, newer, by_block),) = [(each.older, each.newer, each.by_block) for each in kept.ratios]
    assert (older, newer) == ("1.0", "1.1")
    assert by_block == pytest.approx([(105_000 + block) / (100_000 + block) for block in BLOCKS])


def test_what_is_measured_beside_the_versions_is_left_out() -> None:
    records = [of(version, block) for block in BLOCKS for version in ("1.0", "1.1")]
    others = [of("1.0", 1, 7, track="memory"), record(cell(framework="numpy", variant="1.1"))]
    assert measured([*records, *others], ("1.0", "1.1")).ratios == measured(records, ("1.0", "1.1")).ratios


def test_a_version_that_does_not_run_has_its_reason_and_no_ratio() -> None:
    broken = [of("1.1", block, status="failed", reason="import: no module") for block in BLOCKS]
    broken = [replace(each, timing=None, accuracy=None) for each in broken]
    kept = measured(
        [*(of(v, block) for block in BLOCKS for v in ("1.0", "1.2")), *broken], ("1.0", "1.1", "1.2", "1.3")
    )
    assert kept.held == ("1.0", "1.2")
    assert [(each.version, each.reason) for each in kept.failed] == [
        ("1.1", "import: no module"),
        ("1.3", "it was not measured"),
    ]
    assert [(each.older, each.newer) for each in kept.ratios] == [("1.0", "1.2")]


def test_a_version_that_failed_in_some_blocks_keeps_the_others() -> None:
    records = [of(version, block) for block in BLOCKS for version in ("1.0", "1.1")]
    records[1] = replace(records[1], status="failed", reason="it ended", timing=None)
    kept = measured(records, ("1.0", "1.1"))
    assert kept.held == ("1.0", "1.1")
    assert len(kept.ratios[0].by_block) == 5


def test_first_steps_are_compared_without_the_further_step_in_them() -> None:
    records = [of(v, block, first_ns=ns) for block in BLOCKS for v, ns in (("1.0", 4_100_000), ("1.1", 8_100_000))]
    (ratio,) = measured(records, ("1.0", "1.1"), "first-step").ratios
    assert ratio.by_block == pytest.approx([8.1 / 4.1] * 6)


def test_memory_is_the_peak_of_the_timed_processes() -> None:
    records = [
        of(v, block, memory=Memory(host_peak_rss_bytes=mib << 20))
        for block in BLOCKS
        for v, mib in (("1", 300), ("2", 330))
    ]
    (ratio,) = measured(records, ("1", "2"), "memory").ratios
    assert ratio.by_block == pytest.approx([1.1] * 6)


def test_the_floor_of_first_steps_is_that_of_first_steps() -> None:
    """The A/A control is the same cell under another label: what it shows of first steps is noise of first steps."""
    records = [of(v, block, first_ns=4_000_000) for block in BLOCKS for v in ("1.0", "1.1")]
    control = [of("1.0", block, first_ns=round(4_000_000 * 1.2), track="twin") for block in BLOCKS]
    kept = measured([*records, *control], ("1.0", "1.1"), "first-step")
    assert kept.floor == pytest.approx(0.2, abs=0.01)
    assert measured([*records, *control], ("1.0", "1.1")).floor == 0.01
    assert math.isclose(measured(records, ("1.0", "1.1"), "first-step").floor, 0.01)


def test_bits_that_differ_between_processes_are_left_out() -> None:
    prints = {"1.0": "aa", "1.1": "ba", "1.2": "cc"}
    records = [
        of(v, block, accuracy=accuracy(fingerprint=digits[block - 1]))
        for block in (1, 2)
        for v, digits in prints.items()
    ]
    kept = measured(records, ("1.0", "1.1", "1.2"), "bits")
    assert [(each.version, each.fingerprint) for each in kept.bits] == [("1.0", "a"), ("1.2", "c")]
    assert [(each.version, each.reason) for each in kept.failed] == [("1.1", UNSTABLE)]
    assert kept.ratios == ()


@pytest.fixture(autouse=True)
def _one_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test reads the same frameworks, which are parsed once."""
    monkeypatch.setattr(asking, "catalogue", OFFER)


OFFER = functools.cache(catalogue)
FIELDS: dict[str, str | None] = {
    "mode": "jit", "workload": "mlp", "size": "S", "optimizer": None, "precision": None,
}  # fmt: skip


def typed(framework: str = "jax", measure: str = "step", **changes: str | int | None) -> Asked:
    profile, blocks, launcher = (changes.pop(name, None) for name in ("profile", "blocks", "launcher"))
    return asking.asked(
        framework,
        {**FIELDS, **changes},  # type: ignore[dict-item]
        measure=measure,
        profile=profile,  # type: ignore[arg-type]
        device=None,
        setting=Setting(blocks=blocks, launcher=launcher),  # type: ignore[arg-type]
        seed=3,
    )


def test_the_one_cell_is_that_of_its_names_and_the_first_of_what_was_not_named() -> None:
    chosen = typed(size=None)
    assert (chosen.mode, chosen.workload, chosen.size, chosen.optimizer) == ("jit", "mlp", "S", "adam")
    assert (chosen.precision, chosen.device, chosen.profile, chosen.blocks) == ("float32", "cpu", "default", None)
    assert typed(workload=None, size=None).workload == "regression"
    assert typed(measure="bits").blocks == 2


def test_a_run_has_all_versions_and_the_time_alone() -> None:
    requested = asking.request_of(typed(), ("0.8.0", "0.9.0"))
    assert requested.selection.framework == ("jax@0.8.0", "jax@0.9.0")
    assert (requested.measures, requested.seed, requested.selection.size) == (("time",), 3, ("S",))
    assert not asking.setting_of(typed(), Path("there")).tables


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"framework": "jaxx"}, r"^There is no framework 'jaxx'\. Did you mean jax"),
        ({"framework": "jax@0.9.0"}, "^'jax@0.9.0': name the framework alone"),
        ({"framework": "jax,torch"}, "^A bisection measures one cell: framework 'jax,torch' names several"),
        ({"mode": "jit,scan"}, "^A bisection measures one cell: mode 'jit,scan' names several"),
        ({"mode": "jitt"}, r"^There is no mode 'jitt'\. Did you mean jit"),
        (
            {"mode": "hello", "workload": None, "size": None},
            "^jax hello has no step that is timed",
        ),
        ({"launcher": "venv,docker"}, "^A bisection measures one cell: launcher 'venv,docker' names several"),
        ({"launcher": "here"}, "^--launcher here has one interpreter for all frameworks, so it has no variants"),
        ({"launcher": "vnev"}, r"^There is no launcher 'vnev'\. Did you mean venv"),
        ({"measure": "steps"}, r"^There is no measure 'steps'\. Did you mean step"),
        ({"profile": "look"}, r"^--profile look has 2 blocks: a verdict needs 6; add --blocks 6"),
        ({"blocks": 5}, r"^--blocks 5: a verdict needs 6"),
    ],
)
def test_bad_input_gets_a_sentence(changes: dict[str, str | int], sentence: str) -> None:
    with pytest.raises(SelectionError, match=sentence):
        typed(**changes)  # type: ignore[arg-type]


def test_a_folder_that_is_none_or_is_damaged_gets_a_sentence(tmp_path: Path) -> None:
    folder = BisectFolder(tmp_path)
    with pytest.raises(StoreError, match=r"is not the folder of a bisection: it has no bisect\.json\.$"):
        folder.read()
    (tmp_path / "run.json").touch()
    with pytest.raises(StoreError, match=r"it is a run's: samestep run --resume goes on with that\.$"):
        folder.read()
    (tmp_path / FILE).write_text('{"schema": 1}')
    with pytest.raises(StoreError, match=r"bisect\.json is damaged: "):
        folder.read()
    folder.write(replace(bisection(), schema=SCHEMA + 1))
    with pytest.raises(StoreError, match=r"has schema 2, and this samestep reads 1\.$"):
        folder.read()


def test_a_folder_without_a_run_is_removed_and_one_with_a_run_stays(tmp_path: Path) -> None:
    for name in ("without", "with"):
        (tmp_path / name).mkdir()
        BisectFolder(tmp_path / name).write(bisection())
    begun = tmp_path / "with" / "measurement-1" / "run"
    begun.mkdir(parents=True)
    (begun / "run.json").write_text("{}")
    for name in ("without", "with"):
        BisectFolder(tmp_path / name).discard()
    assert [path.name for path in tmp_path.iterdir()] == ["with"]


def test_a_folder_is_bisected_by_one_process_at_a_time(tmp_path: Path) -> None:
    first = BisectFolder(tmp_path)
    first.lock()
    with pytest.raises(StoreError, match="another samestep is bisecting there"):
        BisectFolder(tmp_path).lock()
    first.unlock()
    second = BisectFolder(tmp_path)
    second.lock()
    second.unlock()
