"""The image of a variant: built from a context whose locks have the variant's in place of the framework's."""

import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.environments import locks
from harness.launchers import images
from harness.launchers.images import RECIPE
from harness.launchers.variant_images import VariantImages, context
from tests.harness.launchers.test_images import CPU, Engine

TEXT = "jax==0.9.2 \\\n    --hash=sha256:00\nml-dtypes==0.5.4 \\\n    --hash=sha256:11\n"
DIGEST = hashlib.sha256(TEXT.encode()).hexdigest()[:8]


class Buildx:
    """A Docker command line that looks at what it is to build from."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.locks: dict[str, str] = {}
        self.wheels: list[str] = []
        self.arguments: dict[str, str] = {}
        self.tag = ""

    def __call__(self, command: Sequence[str], on_line: Callable[[str], None]) -> int:
        if command[:3] != ["docker", "buildx", "build"]:
            return 0
        folder = Path(command[-1])
        self.locks = {path.name: path.read_text() for path in (folder / "locks").glob("*.txt")}
        assert (folder / "Dockerfile").read_bytes() == (locks.ROOT / "images" / "Dockerfile").read_bytes()
        given = (word.partition("=") for word in command if re.match(r"[A-Z_]+=", word))
        self.arguments = {name: value for name, _, value in given}
        houses = [word.removeprefix("wheelhouse=") for word in command if word.startswith("wheelhouse=")]
        self.wheels = sorted(path.name for house in houses for path in Path(house).iterdir())
        self.tag = command[command.index("--tag") + 1]
        self.engine.labels[self.tag] = {}
        self.engine.identities[self.tag] = "sha256:new"
        return 0


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "locks" / "jax@0.9.2.cpu-py311.txt"
    path.parent.mkdir()
    path.write_text(TEXT)
    return path


def build(lock: Path, framework: str = "jax@0.9.2", **environ: str) -> Buildx:
    engine: Any = Engine()
    buildx = Buildx(engine)
    nowhere = {"HOME": str(lock.parent / "nowhere"), "XDG_CONFIG_HOME": str(lock.parent / "nowhere")}
    of = VariantImages("cpu", {framework: lock}, environ={**CPU, **nowhere, **environ}, run=buildx)
    assert of.build(framework, engine, lambda line: None) == ""
    return buildx


def test_its_name_has_the_python_and_the_digest_of_its_lock(lock: Path) -> None:
    of = VariantImages("cpu", {"jax@0.9.2": lock})
    assert of.name("jax@0.9.2") == f"samestep/jax:cpu-py311-{DIGEST}"
    assert of.name("jax") == of.name("jax@0.9.1") == ""


def test_its_lock_stands_in_place_of_the_frameworks_and_all_else_is_the_same(lock: Path) -> None:
    built = build(lock)

    own = {path.name: path.read_text() for path in (locks.ROOT / "images" / "locks").glob("*.txt")}
    assert built.locks == {**own, "jax.cpu-py311.txt": TEXT}
    assert own["jax.cpu-py311.txt"] != TEXT
    assert built.tag == f"samestep/jax:cpu-py311-{DIGEST}"


def test_it_is_labelled_and_built_as_the_frameworks_image_with_a_recipe_of_its_own(lock: Path) -> None:
    plain = images.command("jax", device="cpu", root=locks.ROOT, environ=CPU)
    expected = {word.partition("=")[0]: word.partition("=")[2] for word in plain if re.match(r"[A-Z_]+=", word)}
    given = build(lock).arguments
    assert {name for name in given if given[name] != expected[name]} == {"RECIPE"}
    assert given.keys() == expected.keys()
    assert given["RECIPE"] == images.recipe("jax", device="cpu", lock=lock) != images.recipe("jax", device="cpu")
    assert RECIPE


def test_in_another_python_every_stage_has_its_lock(lock: Path, tmp_path: Path) -> None:
    newer = lock.rename(lock.with_name("flax@py3.13.cpu-py313.txt"))
    made = context(locks.ROOT, tmp_path / "images", newer, "flax", "cpu")

    found = {path.name for path in (made / "locks").glob("*.cpu-py313.txt")}
    assert found == {f"{name}.cpu-py313.txt" for name in ("flax", "numpy", "torch", "tensorflow", "jax")}
    assert {(made / "locks" / name).read_text() for name in found} == {TEXT}
    assert not [name for name in found if (made / "locks" / name.replace("py313", "py311")).exists()]
    assert (made / "locks" / "numpy.cuda-py312.txt").is_file()


def test_wheels_that_were_given_as_files_are_in_its_wheelhouse_with_the_usual_ones(lock: Path, tmp_path: Path) -> None:
    (lock.parent / "wheels").mkdir()
    (lock.parent / "wheels" / "jax-0.9.2-py3-none-any.whl").write_text("own")
    usual = tmp_path / "usual"
    usual.mkdir()
    (usual / "uv-1.0-py3-none-any.whl").write_text("usual")
    assert build(lock, SAMESTEP_WHEELHOUSE=str(usual)).wheels == [
        "jax-0.9.2-py3-none-any.whl",
        "uv-1.0-py3-none-any.whl",
    ]


def test_of_a_folder_of_pips_it_has_what_is_locked(lock: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("ml_dtypes-0.5.4-cp311-cp311-linux_x86_64.whl", "ml_dtypes-0.5.3-cp311-cp311-linux_x86_64.whl"):
        (folder / name).write_text("")
    (folder / "not-a-wheel.whl").write_text("")
    assert build(lock, PIP_FIND_LINKS=str(folder)).wheels == ["ml_dtypes-0.5.4-cp311-cp311-linux_x86_64.whl"]
    assert build(lock).wheels == []
