"""A run with variants: resolved once, their locks in its folder, and taken from there when it goes on."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import pytest

from harness import session
from harness.environments import variants as environments
from harness.environments.variants import Resolved, Variant
from harness.errors import SelectionError, StoreError
from harness.launchers import choose
from harness.plan.request import Request, Setting, parsed
from harness.store.folder import RunFolder, find
from tests.fakes import FakeLauncher
from tests.harness.run.test_loop import good

ASKED: dict[str, Any] = {"framework": "numpy,numpy@2.3.4", "mode": "eager", "profile": "quick", "seed": 1}


@dataclasses.dataclass
class Made:
    """What the session made: its launchers' wishes, its jobs, what was resolved."""

    wanted: list[choose.Wanted] = dataclasses.field(default_factory=list)
    locks: list[dict[str, str]] = dataclasses.field(default_factory=list)  # as the launcher finds them
    jobs: list[session.Job] = dataclasses.field(default_factory=list)
    resolved: list[str] = dataclasses.field(default_factory=list)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    """Nothing is installed and nothing runs."""
    found = Made()

    def resolve(variant: Variant, root: Path, device: str, folder: Path) -> Resolved:
        found.resolved.append(variant.framework_id)
        if variant.name == "9.9":
            raise SelectionError("There is no numpy 9.9.")
        folder.mkdir(exist_ok=True)
        text = f"numpy=={variant.name}\n"
        (folder / f"{variant.framework_id}.txt").write_text(text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        lock = f"{variant.framework_id}.txt"
        return Resolved(framework="numpy", name=variant.name, python="3.11", lock=lock, sha256=digest, changed=("one",))

    def kind(name: str) -> choose.Kind:
        def launcher(wanted: choose.Wanted) -> FakeLauncher:
            found.wanted.append(wanted)
            found.locks.append({variant: path.read_text() for variant, path in wanted.variants.items()})
            fake = FakeLauncher(good)
            fake.name = name
            return fake

        return choose.Kind(make=launcher, in_container=name == "docker")

    def end(jobs: list[session.Job]) -> int:
        found.jobs = jobs
        for job in jobs:
            job.run.folder.unlock()
        return 0

    kinds = {name: kind(name) for name in ("venv", "docker")}
    monkeypatch.setattr(choose, "LAUNCHERS", {**choose.LAUNCHERS, **kinds})
    monkeypatch.setattr(environments, "resolve", resolve)
    monkeypatch.setattr(session, "_session", end)
    return found


def run(results: Path, launcher: str = "venv", **changes: Any) -> None:
    session.run(parsed(**{**ASKED, **changes}), Setting(results=results, launcher=launcher))


def go_on(results: Path, requested: Request | None = None) -> None:
    session.resume("latest", requested or parsed(), Setting(results=results))


def folder_of(results: Path) -> RunFolder:
    return find(results, "latest", empty=True)


def test_the_lock_is_in_the_folder_and_run_json_says_what_differs(
    tmp_path: Path, made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path)

    folder = folder_of(tmp_path)
    (variant,) = folder.facts().variants
    assert (variant.framework_id, variant.changed) == ("numpy@2.3.4", ("one",))
    assert (folder.path / "locks" / variant.lock).read_text() == "numpy==2.3.4\n"
    assert folder.facts().selection == ("framework=numpy,numpy@2.3.4", "mode=eager")
    assert {cell.variant for cell in folder.plan().cells} == {"", "2.3.4"}
    assert made.locks == [{"numpy@2.3.4": "numpy==2.3.4\n"}]
    assert session._frameworks(made.jobs[0]) == ("numpy", "numpy@2.3.4")
    assert "numpy@2.3.4: one; the rest as locked" in capsys.readouterr().out


def test_side_by_side_in_two_launchers_it_is_resolved_once(tmp_path: Path, made: Made) -> None:
    run(tmp_path, "venv,docker")
    assert made.resolved == ["numpy@2.3.4"]
    for job in made.jobs:
        assert (job.run.folder.path / "locks" / "numpy@2.3.4.txt").read_text() == "numpy==2.3.4\n"


def test_what_cannot_be_resolved_leaves_no_run(tmp_path: Path, made: Made) -> None:
    with pytest.raises(SelectionError, match=r"no numpy 9\.9"):
        run(tmp_path, framework="numpy@9.9")
    assert not list(tmp_path.iterdir())


def test_it_goes_on_with_the_lock_of_its_folder_and_resolves_nothing(tmp_path: Path, made: Made) -> None:
    run(tmp_path)
    made.resolved.clear()

    go_on(tmp_path)
    go_on(tmp_path, parsed(framework="numpy,numpy@numpy==2.3.4", mode="eager"))

    assert made.resolved == []
    assert made.wanted[-1].variants == {"numpy@2.3.4": folder_of(tmp_path).path / "locks" / "numpy@2.3.4.txt"}


@pytest.mark.parametrize("framework", ["numpy", "numpy,numpy@2.3.3", "numpy@2.3.4"])
def test_it_does_not_go_on_with_other_variants(tmp_path: Path, made: Made, framework: str) -> None:
    run(tmp_path)
    with pytest.raises(StoreError, match=r"cannot be resumed: numpy.* is (planned but not selected|selected) now"):
        go_on(tmp_path, parsed(framework=framework, mode="eager"))


def test_it_does_not_go_on_with_a_lock_that_was_changed(tmp_path: Path, made: Made) -> None:
    run(tmp_path)
    (folder_of(tmp_path).path / "locks" / "numpy@2.3.4.txt").write_text("numpy==2.3.5\n")
    with pytest.raises(StoreError, match="is not the lock that the run began with"):
        go_on(tmp_path)


def test_a_run_without_variants_has_the_lock_of_its_framework_alone(tmp_path: Path, made: Made) -> None:
    run(tmp_path, framework="numpy")
    assert folder_of(tmp_path).facts().variants == ()
    assert [path.name for path in (folder_of(tmp_path).path / "locks").iterdir()] == ["numpy.cpu-py311.txt"]
    assert made.resolved == []
