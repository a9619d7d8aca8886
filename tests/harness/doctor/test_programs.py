"""The programs that frameworks run beside Python: where they are declared, and what is said where one is missing."""

from pathlib import Path

import pytest

from bench.catalogue import framework_offer, programs_missing
from harness.doctor import programs
from harness.launchers import local
from harness.launchers.local import LocalLauncher
from tests import factories

CLANG = factories.framework("mine", programs=(("clang", "clang"), ("ld.lld", "lld")))
COMPILES = factories.framework("torch", programs=(("g++", "g++"),), program_modes=("compile",))


def nothing(program: str) -> None:
    return None


def everything(program: str) -> str:
    return f"/usr/bin/{program}"


def test_what_is_missing_is_one_sentence_with_its_remedy() -> None:
    title = CLANG.title
    assert programs_missing(CLANG, everything) == ""
    sentence = f"{title} needs clang, ld.lld, not on the PATH: apt-get install clang lld"
    assert programs_missing(CLANG, nothing) == sentence
    only_one = programs_missing(CLANG, lambda program: None if program == "ld.lld" else "there")
    assert only_one == f"{title} needs ld.lld, not on the PATH: apt-get install lld"


def test_modes_that_alone_need_it_are_named() -> None:
    assert programs_missing(COMPILES, nothing).startswith(f"{COMPILES.title}'s compile needs g++, not on the PATH")


def test_the_doctor_names_the_framework_the_program_and_the_remedy() -> None:
    first, second = programs.checks((CLANG, COMPILES, factories.framework("jax")), nothing)
    assert (first.name, first.status, first.found) == (
        "programs", "warn", f"{CLANG.title} needs clang, ld.lld, not on the PATH",
    )  # fmt: skip
    assert first.remedy == "apt-get install clang lld; its image has it"
    assert "compile needs g++" in second.found


def test_the_doctor_says_that_all_are_there() -> None:
    (only,) = programs.checks((CLANG, COMPILES), everything)
    assert (only.status, only.found) == ("ok", "clang, g++, ld.lld")


@pytest.mark.parametrize("name", ["torch", "keras_torch", "lightning", "fastai"])
def test_what_compiles_cplusplus_says_so(name: str) -> None:
    offer = framework_offer(name)
    assert ("g++", "g++") in offer.programs
    assert set(offer.program_modes) < {mode.name for mode in offer.modes}


class Interpreters:
    """Notes for which frameworks an environment is made."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def make(self, frameworks: list[str], say: object) -> dict[str, str]:
        self.made += frameworks
        return {}

    def python(self, framework: str) -> Path | None:
        return None


def test_a_run_refuses_that_framework_alone_before_its_environment_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    offers = {"numpy": factories.framework("numpy"), "jax": CLANG, "torch": COMPILES}
    monkeypatch.setattr(local, "framework_offer", offers.__getitem__)
    monkeypatch.setenv("PATH", str(tmp_path))  # nothing is there
    monkeypatch.setattr(local, "remove_left_behind", lambda: None)
    monkeypatch.setattr(local, "adopt_orphans", lambda: None)
    interpreters = Interpreters()
    launcher = LocalLauncher("venv", interpreters)  # type: ignore[arg-type]

    reasons = launcher.prepare(["numpy", "jax", "torch"], print)

    assert interpreters.made == ["numpy", "torch"]  # PyTorch has modes that do not need it
    assert reasons == {"jax": f"{CLANG.title} needs clang, ld.lld, not on the PATH: apt-get install clang lld"}
