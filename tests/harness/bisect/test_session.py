"""A bisection with a measurer that computes: what is asked, kept, said; Ctrl-C, resuming, versions that do not run."""

import itertools
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from harness.bisect import session
from harness.bisect.facts import Asked, Bisection, Bits, Failed, Measure, Measurement, Ratio
from harness.bisect.folder import SCHEMA, BisectFolder
from harness.errors import OK, SetupError
from harness.store.folder import RunFolder

VERSIONS = tuple(f"1.{number}" for number in range(12))
FITS: Callable[[str], str] = lambda version: ""  # noqa: E731


def asked(**changes: object) -> Asked:
    plain = Asked(
        framework="jax",
        mode="jit",
        workload="mlp",
        optimizer="adam",
        size="S",
        precision="float32",
        measure="step",
        profile="default",
        device="cpu",
        launcher="venv",
        cpus=None,
        threads=None,
        timeout_s=None,
        blocks=6,
        seed=None,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def bisection(measure: Measure = "step") -> Bisection:
    return Bisection(
        schema=SCHEMA,
        id="20261130-101500-bisect-jax",
        started_unix_ns=1,
        asked=asked(measure=measure),
        distribution="jax",
        versions=VERSIONS,
    )


@dataclass
class Computed:
    """Measures versions whose step costs so much, six blocks with a spread of 0.3 %."""

    cost: Mapping[str, float]
    broken: Mapping[str, str] = field(default_factory=dict)
    measure: Measure = "step"
    stops_at: int = 0  # number of the measurement in which Ctrl-C is typed; 0: none
    asked: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    was_begun: tuple[str, ...] = ()

    def begun(self, number: int) -> tuple[str, ...]:
        return self.was_begun if number == self.stops_at else ()

    def __call__(self, number: int, versions: Sequence[str]) -> Measurement:
        self.asked.append((number, tuple(versions)))
        if number == self.stops_at and not self.was_begun:
            self.was_begun = tuple(versions)
            raise KeyboardInterrupt
        held = tuple(version for version in versions if version not in self.broken)
        rng = random.Random(number)
        ratios = tuple(
            Ratio(older=a, newer=b, by_block=tuple(self.cost[b] / self.cost[a] * rng.gauss(1, 0.003) for _ in range(6)))
            for a, b in itertools.combinations(held, 2)
        )
        return Measurement(
            number=number,
            run=f"measurement-{number}/run",
            versions=tuple(versions),
            held=held,
            floor=0.01,
            ratios=() if self.measure == "bits" else ratios,
            bits=tuple(Bits(version=each, fingerprint=str(self.cost[each])) for each in held)
            if self.measure == "bits"
            else (),
            failed=tuple(Failed(version=each, reason=self.broken[each]) for each in versions if each in self.broken),
        )


def rising(at: int, by: float = 1.05) -> dict[str, float]:
    return {version: by if number >= at else 1.0 for number, version in enumerate(VERSIONS)}


def packages(run: RunFolder, version: str) -> Mapping[str, str]:
    return {"jax": version, "jaxlib": version, "numpy": "2.4.6"}


def bisected(
    path: Path, measurer: Computed, start: Bisection | None = None, why_not: Callable[[str], str] = FITS
) -> tuple[int, Bisection]:
    folder = BisectFolder(path)
    code = session.go_on(folder, start or bisection(measurer.measure), measurer, why_not, packages)
    return code, folder.read()


@pytest.mark.parametrize("at", range(1, 12))
def test_a_change_of_five_percent_is_found_in_at_most_two_measurements(at: int, tmp_path: Path) -> None:
    code, kept = bisected(tmp_path, Computed(rising(at)))
    assert code == OK
    assert len(kept.measurements) <= 2
    assert kept.outcome is not None
    assert (kept.outcome.older, kept.outcome.newer) == (VERSIONS[at - 1], VERSIONS[at])
    assert kept.outcome.ratio == pytest.approx(1.05, rel=0.01)
    assert (kept.outcome.low or 0) < 1.05 < (kept.outcome.high or 0)
    assert kept.outcome.changed == (f"jaxlib {VERSIONS[at - 1]} -> {VERSIONS[at]}",)


def test_the_answer_is_said_with_what_else_differs_and_how_to_look(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bisected(tmp_path, Computed(rising(7)))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(
        "jax 1.0 to 1.11, 12 published versions: time of a step of jax jit mlp S adam float32 on cpu"
    )
    assert lines[1].startswith("2 measurements of up to 5 versions each")
    assert "Measurement 1: 1.0, 1.3, 1.6, 1.8, 1.11" in lines
    assert any(line.startswith("  1.6 → 1.8  1.0") and line.endswith("slower") for line in lines)
    (answer,) = [line for line in lines if line.startswith("jax 1.6 → 1.7: slower: 1.0")]
    assert "times the time of a step of jax jit mlp S adam float32 on cpu." in answer
    assert "In the same environments also: jaxlib 1.6 -> 1.7." in lines
    assert f"{tmp_path}/measurement-2/run" in lines[-3]
    assert "report" in lines[-3]
    assert ":variant=1.6" in lines[-2]
    assert lines[-1].endswith("bisect.json")


def test_no_difference_between_the_ends_is_said_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, kept = bisected(tmp_path, Computed(dict.fromkeys(VERSIONS, 1.0)))
    assert code == OK
    assert len(kept.measurements) == 1
    assert kept.outcome is not None
    assert not kept.outcome.found
    assert "jax 1.0 and 1.11: the same within 1 %, time of a step 1.00" in capsys.readouterr().out.replace(
        "0.99", "1.00"
    )


def test_bits_are_bisected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, kept = bisected(tmp_path, Computed(rising(4), measure="bits"))
    assert kept.outcome is not None
    assert (kept.outcome.older, kept.outcome.newer, kept.outcome.ratio) == ("1.3", "1.4", None)
    printed = capsys.readouterr().out
    assert "jax 1.3 → 1.4: other bits: not equal to the last bit any more" in printed
    assert "samestep compare" not in printed


def test_versions_that_cannot_be_resolved_cost_no_measurement_and_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lacking = {"1.5": "it needs Python 3.12", "1.6": "it needs Python 3.12"}
    measurer = Computed(rising(6))
    _, kept = bisected(tmp_path, measurer, why_not=lambda version: lacking.get(version, ""))
    assert kept.outcome is not None
    assert (kept.outcome.older, kept.outcome.newer) == ("1.4", "1.7")
    assert kept.outcome.between == ("1.5", "1.6")
    assert {each.version for each in kept.failed} == {"1.5", "1.6"}
    assert not {version for _, versions in measurer.asked for version in versions} & set(lacking)
    printed = capsys.readouterr().out
    assert "Between them, not measured: 1.5: it needs Python 3.12; 1.6: it needs Python 3.12." in printed
    assert "So the change came with one of 1.5, 1.6 and 1.7." in printed


def test_versions_that_do_not_run_are_gone_round(tmp_path: Path) -> None:
    broken = dict.fromkeys(("1.3", "1.6", "1.8"), "import: no module jaxlib")
    _, kept = bisected(tmp_path, Computed(rising(5), broken=broken))
    assert kept.outcome is not None
    assert (kept.outcome.older, kept.outcome.newer, kept.outcome.between) == ("1.4", "1.5", ())
    assert len(kept.measurements) <= 5


@pytest.mark.parametrize("end", ["1.0", "1.11"])
def test_an_end_that_does_not_run_is_an_error(end: str, tmp_path: Path) -> None:
    sentence = rf"^jax {end}, an end of the bisection, cannot be measured: it ends\. Name another version\.$"
    with pytest.raises(SetupError, match=sentence):
        bisected(tmp_path, Computed(rising(5), broken={end: "it ends."}))
    with pytest.raises(SetupError, match=sentence):
        bisected(tmp_path, Computed(rising(5)), why_not=lambda version: "it ends" if version == end else "")


@pytest.mark.parametrize("stops_at", [1, 2])
def test_an_interrupted_bisection_goes_on_where_it_was(stops_at: int, tmp_path: Path) -> None:
    measurer = Computed(rising(7), stops_at=stops_at)
    BisectFolder(tmp_path).write(bisection())
    with pytest.raises(KeyboardInterrupt):
        bisected(tmp_path, measurer)
    kept = BisectFolder(tmp_path).read()
    assert (len(kept.measurements), kept.outcome) == (stops_at - 1, None)

    _, whole = bisected(tmp_path, measurer, kept)

    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    _, expected = bisected(undisturbed, Computed(rising(7)))
    assert whole.measurements == expected.measurements
    assert whole.outcome == expected.outcome
    assert [number for number, _ in measurer.asked].count(stops_at) == 2
    assert measurer.asked[stops_at - 1] == measurer.asked[stops_at]


def test_a_finished_bisection_says_its_answer_again_and_measures_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, kept = bisected(tmp_path, Computed(rising(7)))
    first = capsys.readouterr().out.splitlines()
    again = Computed(rising(7))
    bisected(tmp_path, again, kept)
    assert again.asked == []
    assert capsys.readouterr().out.splitlines()[-5:] == first[-5:]


def test_several_changes_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cost = {version: rising(2, 1.03)[version] * rising(9, 1.06)[version] for version in VERSIONS}
    _, kept = bisected(tmp_path, Computed(cost))
    assert kept.outcome is not None
    assert (kept.outcome.older, kept.outcome.newer, kept.outcome.others) == ("1.8", "1.9", (("1.0", "1.3"),))
    assert "Not the only one: a difference appears in 1.0 → 1.3, too." in capsys.readouterr().out


class NoisyEnds(Computed):
    """The two ends are compared with a spread of 20 %."""

    def __call__(self, number: int, versions: Sequence[str]) -> Measurement:
        measured = super().__call__(number, versions)
        ends = (VERSIONS[0], VERSIONS[-1])
        wide = tuple(0.8 + 0.1 * block for block in range(6))
        ratios = (
            replace(each, by_block=wide) if (each.older, each.newer) == ends else each for each in measured.ratios
        )
        return replace(measured, ratios=tuple(ratios))


@pytest.mark.parametrize(
    ("measurer", "said"),
    [
        (
            Computed,
            r"The ends, 1\.0 and 1\.11, are the same within 1 %, \d.*\): what changed here was undone, or made up",
        ),
        (NoisyEnds, r"Whether the ends, 1\.0 and 1\.11, differ is not told, \d\.\d+ \(.*\); more blocks tell\."),
    ],
)
def test_of_ends_that_are_not_told_apart_no_more_is_said_than_is_known(
    measurer: type[Computed], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cost = {version: 1.05 if version in VERSIONS[4:8] else 1.0 for version in VERSIONS}
    code, _ = bisected(tmp_path, measurer(cost))
    assert code == OK
    assert re.search(said, capsys.readouterr().out)
