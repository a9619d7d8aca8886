"""The command that a first look ends with: the same selection, in the next profile; it can be typed as it stands."""

from typing import Any

import pytest

from harness.environments.variants import Resolved
from harness.plan.profiles import PROFILES
from harness.report.onward import next_command, next_sentence, resume_command
from harness.report.summary import summary
from harness.report.tables.all import tables
from harness.store.facts import MeasuredOn
from tests.factories import record, run, run_facts


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"profile": "look"}, "samestep run --profile quick"),
        ({"profile": "quick"}, "samestep run --profile default"),
        ({"profile": "default", "blocks": 2}, "samestep run --profile default"),
        (
            {"profile": "look", "selection": ("framework=torch,jax", "measure=time")},
            "samestep run --profile quick --framework torch,jax --measure time",
        ),
        ({"profile": "look", "device": "cuda"}, "samestep run --profile quick --device cuda"),
        (
            {"profile": "look", "launcher": "here", "interpreter": "/my envs/bin/python"},
            "samestep run --profile quick --launcher here --python '/my envs/bin/python'",
        ),
        (
            {"profile": "look", "launcher": "workers", "selection": ("framework=torch",), "device": "cuda"},
            "SAMESTEP_PROFILE=quick SAMESTEP_FRAMEWORK=torch docker compose up",
        ),
        (
            {"profile": "look", "launcher": "workers"},
            "SAMESTEP_PROFILE=quick docker compose --env-file images/cpu.env up",
        ),
    ],
)
def test_the_command_has_the_same_selection(facts: dict[str, Any], expected: str) -> None:
    assert next_command(run_facts(**facts)) == expected


def test_variants_are_named_as_they_can_be_typed_and_wheels_by_their_files_in_the_run() -> None:
    plain = Resolved(framework="jax", name="0.9.2", python="3.11", lock="a", sha256="")
    wheel = Resolved(
        framework="torch", name="2.13.0.0123abcd,py3.12", python="3.12", lock="b", sha256="", wheels=("torch-2.13.whl",)
    )
    facts = run_facts(
        profile="look", variants=(plain, wheel), selection=("framework=jax,jax@0.9.2,torch@2.13.0.0123abcd,py3.12",)
    )
    assert next_command(facts) == (
        "samestep run --profile quick --framework"
        f" jax,jax@0.9.2,torch@py3.12,results/{facts.id}/locks/wheels/torch-2.13.whl"
    )


def test_a_collected_run_goes_on_as_a_fleet() -> None:
    facts = run_facts(profile="look", hosts=(MeasuredOn(host="a-1", task=1, first=1, last=2),))
    blocks = PROFILES["default"].blocks
    assert next_command(facts) == f"samestep fleet submit RUN.toml --profile default --blocks {blocks}"
    assert next_sentence(facts).startswith(f"Go on with {blocks} blocks, with verdicts: samestep fleet submit")
    assert resume_command(facts) == "samestep fleet status FOLDER --watch"


def test_the_sentence_says_what_is_added() -> None:
    assert next_sentence(run_facts(profile="look")).startswith("Go on with every mode in 3 blocks: samestep run ")
    with_mode = run_facts(profile="look", selection=("mode=jit",))
    assert next_sentence(with_mode) == "Go on with 3 blocks: samestep run --profile quick --mode jit"
    assert next_sentence(run_facts(profile="quick")).startswith("Go on with 6 blocks, with verdicts: samestep run ")


@pytest.mark.parametrize("profile", PROFILES)
def test_it_ends_a_first_look_and_nothing_else(profile: str) -> None:
    shown = run([record(block=block) for block in (1, 2)], profile=profile, blocks=2)
    assert summary(shown, tables(shown))[-1].endswith(next_command(shown.facts))
    full = run([record(block=block) for block in range(1, 7)], profile="default", blocks=6)
    assert "Go on with" not in " ".join(summary(full, tables(full)))
