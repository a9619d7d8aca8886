"""The image of a variant on the real engine: built when a run needs it, of the variant's lock, and found again."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.turns.turn import to_record
from harness.environments import variants
from harness.launchers import images
from harness.launchers.docker import DockerLauncher
from harness.launchers.variant_images import VariantImages
from tests.engine.project import ROOT, base_image
from tests.engine.test_docker_runs import TURN

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

OLDER = "2.3.5"
NAMES = ("numpy", f"numpy@{OLDER}")


@pytest.fixture(scope="module")
def lock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("locks")
    found = variants.resolve(variants.parsed(NAMES[1], ROOT, "cpu"), ROOT, "cpu", folder)
    return folder / found.lock


@pytest.fixture
def of_variants(engine: Any, lock: Path) -> Iterator[VariantImages]:
    made = VariantImages("cpu", {NAMES[1]: lock}, environ={**os.environ, **base_image(engine)})
    yield made
    engine.images.remove(made.name(NAMES[1]))


def test_a_variant_runs_in_an_image_of_its_lock_beside_the_locked_one(
    engine: Any, lock: Path, of_variants: VariantImages
) -> None:
    said: list[str] = []
    launcher = DockerLauncher("cpu", code=ROOT, variants=of_variants)
    assert launcher.prepare(NAMES, said.append) == {}, "\n".join(said)

    of_variant = dataclasses.replace(TURN, cell=dataclasses.replace(TURN.cell, variant=OLDER))
    plain, varied = (to_record(turn, launcher.take(turn, lambda pid, folder: None)) for turn in (TURN, of_variant))

    assert (plain.status, varied.status) == ("ok", "ok"), (plain.reason, varied.reason)
    assert plain.environment
    assert varied.environment
    assert f"numpy=={OLDER}" in varied.environment.versions
    assert f"numpy=={OLDER}" not in plain.environment.versions
    name = of_variants.name(NAMES[1])
    image = engine.images.get(name)
    assert varied.environment.image == f"{name}@{image.id}"
    usual = engine.images.get("samestep/numpy:cpu").labels
    assert image.labels.keys() == {label for label in usual if not label.startswith("com.docker.compose")}
    assert image.labels["samestep.framework"] == "numpy"
    assert image.labels[images.RECIPE] == images.recipe("numpy", device="cpu", lock=lock)
    launcher.close()

    built = len(said)
    again = DockerLauncher("cpu", code=ROOT, variants=of_variants)
    assert again.prepare(NAMES, said.append) == {}
    assert said[built:] == []
    again.close()
