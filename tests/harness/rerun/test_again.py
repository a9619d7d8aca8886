"""A run made again: the same request, from the facts in its folder; what is not as it was is said, or refused."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness import session
from harness.environments import checkout
from harness.environments.variants import Resolved
from harness.errors import SOME_FAILED, SelectionError, StoreError
from harness.host import machine, processors
from harness.plan.plan import make_plan
from harness.plan.planner import planned_run
from harness.plan.profiles import PROFILES
from harness.plan.request import Request, Setting, parsed
from harness.rerun import again
from harness.store.facts import RunFacts
from harness.store.folder import RunFolder
from tests import factories

WHEEL = Resolved(framework="jax", name="0.9.2.0123abcd", python="3.11", lock="a.txt", sha256="00", wheels=("a.whl",))
PINNED = Resolved(framework="keras_jax", name="keras==3.14,jax==0.9.2", python="3.11", lock="b.txt", sha256="00")
SELECTION = (
    "framework=numpy,jax@0.9.2.0123abcd,keras_jax@keras==3.14,jax==0.9.2",
    "mode=eager,jit",
    "measure=time,memory",
)


def facts(**changes: Any) -> RunFacts:
    return factories.run_facts(**{"id": "before", "selection": SELECTION, "variants": (WHEEL, PINNED), **changes})


def test_the_request_is_that_of_the_run_with_its_variants_by_name() -> None:
    found = again.request_of(facts(profile="quick", device="cpu", seed=7))
    assert found.selection.framework == ("numpy", "jax@0.9.2.0123abcd", "keras_jax@keras==3.14,jax==0.9.2")
    assert found.selection.mode == ("eager", "jit")
    assert found.measures == ("time", "memory")
    assert (found.profile, found.device, found.seed) == ("quick", "cpu", 7)
    assert found.kept == ("jax@0.9.2.0123abcd", "keras_jax@keras==3.14,jax==0.9.2")
    assert found.options == SELECTION


def test_a_variant_that_is_kept_needs_no_wheel_to_be_planned() -> None:
    asked = dataclasses.replace(again.request_of(facts()), profile="look")
    planned = planned_run(asked, launchers="venv", blocks=None, say=lambda line: None)
    assert planned.requested.options == SELECTION
    assert {cell.framework_id for cell in planned.plan.cells if cell.framework == "jax"} == {"jax@0.9.2.0123abcd"}
    assert [variant.framework_id for variant in planned.variants] == [*asked.kept]


def test_the_setting_is_that_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    usable = processors.all_cpus()
    ran = facts(cpus=usable[-1:], threads=3, timeout_s=77.0, env=("A=1",), data=str(tmp_path / "data"), alternates=True)
    found = again.setting_of(ran, tmp_path / "before", tmp_path, 4)
    assert found == Setting(
        results=tmp_path,
        launcher="venv",
        cpus=str(usable[-1]),
        threads=3,
        timeout_s=77.0,
        blocks=4,
        env=("A=1",),
        data=tmp_path / "data",
        alternate=True,
        again=tmp_path / "before",
    )


@pytest.mark.parametrize(
    ("not_alternating", "expected"), [("--no-alternate was given", False), ("processes cannot be stopped", None)]
)
def test_turns_are_taken_as_they_were_asked_for(tmp_path: Path, not_alternating: str, expected: bool | None) -> None:
    ran = facts(cpus=processors.all_cpus()[:1], not_alternating=not_alternating)
    assert again.setting_of(ran, tmp_path, tmp_path, None).alternate is expected


@pytest.mark.parametrize(
    ("before", "usable", "default", "expected"),
    [
        ((1, 2), (0, 1, 2, 3), (1, 2, 3), (1, 2)),
        ((6, 7), (0, 1, 2, 3), (1, 2, 3), (1, 2)),
        ((4, 5, 6, 7), (0, 1, 2, 3), (1, 2, 3), (0, 1, 2, 3)),
        ((), (0, 1), (1,), (0, 1)),
    ],
    ids=["the same", "as many of the others", "all", "all, as it was"],
)
def test_as_many_processors_as_the_run_had(
    before: Sequence[int], usable: Sequence[int], default: Sequence[int], expected: tuple[int, ...]
) -> None:
    assert again.cpus_like(before, usable, default) == expected


def test_too_few_processors_are_refused() -> None:
    with pytest.raises(SelectionError, match="The run had 3 processors, this host gives 2"):
        again.cpus_like((1, 2, 3), (0, 1), (1,))


def code() -> tuple[tuple[str, str], ...]:
    return checkout.code(["torch"], "cpu")


@pytest.fixture
def same_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "host_facts", lambda device, cpus, gpu: facts().host)
    monkeypatch.setattr(checkout, "commit", lambda: ("f" * 40, False))


@pytest.mark.usefixtures("same_host")
def test_of_what_is_as_it_was_nothing_is_said() -> None:
    ran = facts(code=code(), commit="f" * 40, settings=PROFILES["default"].settings)
    assert [*again.differences(ran)] == []


@pytest.mark.usefixtures("same_host")
def test_other_code_is_said_with_the_commit_and_the_locks_are_none_of_it() -> None:
    changed = tuple((name, "00" if name.endswith(("numpy.py", ".txt")) else digest) for name, digest in code())
    (said,) = again.differences(facts(code=changed, commit="0123456789abcdef"))
    assert said.startswith("The code is not that of the run: bench/")
    assert "bench/frameworks/numpy.py" in said
    assert ".txt" not in said
    assert said.endswith("It was commit 0123456789ab, this is ffffffffffff: git checkout 0123456789abcdef")


@pytest.mark.usefixtures("same_host")
def test_another_commit_with_the_same_code_is_said_to_be_the_same() -> None:
    (said,) = again.differences(facts(code=code(), commit="0123456789abcdef", dirty=True))
    assert said.startswith("Commit ffffffffffff runs what 0123456789ab with changes ran")


@pytest.mark.usefixtures("same_host")
def test_another_host_and_another_profile_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = facts(code=code(), commit="f" * 40, settings=PROFILES["quick"].settings)
    other = dataclasses.replace(ran.host, cpu="Another processor")
    monkeypatch.setattr(machine, "host_facts", lambda device, cpus, gpu: other)
    assert [*again.differences(ran)] == [
        "The profile default has other numbers than it had",
        "The host is not that of the run: the processor was A processor, it is Another processor",
    ]


class Again:
    """A session that makes a folder and measures nothing."""

    def __init__(self, environments: tuple[str, ...]) -> None:
        self.environments = environments
        self.asked: list[tuple[Request, Setting]] = []

    def __call__(self, requested: Request, setting: Setting) -> int:
        self.asked.append((requested, setting))
        made = write(setting.results / "after", facts(id="after", again="before", environments=self.environments))
        made.write_facts(dataclasses.replace(made.facts(), started_unix_ns=2 * facts().started_unix_ns))
        return SOME_FAILED


def write(path: Path, ran: RunFacts) -> RunFolder:
    """A run on disk with its locks and the plan of its request."""
    (path / "locks").mkdir(parents=True)
    folder = RunFolder(path)
    folder.write_facts(ran)
    folder.write_plan(make_plan((factories.cell(),), blocks=3, seed=42))
    return folder


def simple(**changes: Any) -> RunFacts:
    return facts(selection=("framework=numpy", "mode=eager"), variants=(), cpus=(0,), **changes)


@pytest.mark.usefixtures("same_host")
def test_a_run_is_made_again_and_both_environments_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "before", simple(environments=("jax: aa", "numpy: bb")))
    made = Again(environments=("jax: aa", "numpy: cc"))
    monkeypatch.setattr(session, "run", made)
    assert again.rerun("before", tmp_path) == SOME_FAILED
    ((requested, setting),) = made.asked
    assert requested.selection.framework == ("numpy",)
    assert (setting.blocks, setting.again) == (3, tmp_path / "before")
    said = " ".join(capsys.readouterr().out.split()) or ""
    assert "Identical in both runs, file by file, is what is installed for jax." in said
    assert "What is installed for numpy is not the same." in said


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"launcher": "here", "interpreter": "/usr/bin/python"}, "in an interpreter of its own (/usr/bin/python)"),
        ({"launcher": "workers"}, "before ran by docker compose up, which makes it again."),
        ({"hosts": "collected"}, "before was collected from a fleet"),
    ],
    ids=["an interpreter", "compose", "a fleet"],
)
def test_a_run_without_environments_of_its_own_is_refused(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    folder = write(tmp_path / "before", simple(**{name: value for name, value in changes.items() if name != "hosts"}))
    if "hosts" in changes:
        data = json.loads((folder.path / "run.json").read_text())
        data["hosts"] = [{"host": "a", "task": 1, "first": 1, "last": 3}]
        (folder.path / "run.json").write_text(json.dumps(data))
    with pytest.raises(StoreError) as error:
        again.rerun("before", tmp_path)
    assert sentence in str(error.value)


def test_a_run_of_an_older_samestep_is_refused_with_its_selection(tmp_path: Path) -> None:
    folder = write(tmp_path / "before", simple())
    (folder.path / "locks").rmdir()
    with pytest.raises(StoreError, match=r"no folder locks: .* Its selection was --framework=numpy --mode=eager\.$"):
        again.rerun("before", tmp_path)


def test_a_run_in_images_needs_the_locks_of_the_checkout(tmp_path: Path) -> None:
    locked = next(pair for pair in code() if pair[0].startswith("images/"))
    write(tmp_path / "before", simple(launcher="docker", code=((locked[0], "00"),), commit="0123abc"))
    with pytest.raises(StoreError) as error:
        again.rerun("before", tmp_path)
    assert str(error.value).endswith(f"{locked[0]} is not that of the run: git checkout 0123abc, then samestep build.")


def test_a_variant_that_was_kept_is_asked_for_where_no_launcher_has_variants() -> None:
    asked = dataclasses.replace(parsed(framework="jax@0.9.2", profile="look"), kept=("jax@0.9.2",))
    with pytest.raises(SelectionError, match="--launcher here has one interpreter"):
        planned_run(asked, launchers="here", blocks=None, say=lambda line: None)
