"""The images of the CPU, built for real: they import their framework, share layers, and hold dependencies only."""

import functools
import json
import os
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from bench.catalogue import framework_offer, packages_of
from bench.frameworks import FRAMEWORKS
from bench.turns.variables import pair
from harness.environments import cuda, locks
from harness.launchers import images
from harness.launchers.docker import image_name
from tests.engine.project import ROOT, base_image

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1800)]  # the first build fetches and unpacks 5 GB

LIMIT_BYTES = 8_000_000_000  # of the whole set on disk
# The others run in the image of one of these, or are of the exhibit, whose images are built where they are named.
OWN = tuple(name for name in FRAMEWORKS if packages_of(name) == name and not framework_offer(name).exhibit)
EVERY = (*OWN, images.HARNESS)
Told = Callable[[str], dict[str, Any]]

IMPORTS = {
    "fastai": "fastai.basics",
    "flax": "flax.nnx, optax",
    "iree": "iree.runtime",
    "litert": "ai_edge_litert.interpreter",
    images.HARNESS: "docker, pandas, pyarrow",
}
PROBE = r"""
import json, os, re, shutil, sysconfig
from importlib.metadata import distributions

print(json.dumps({
    "user": [os.getuid(), os.getgid()],
    "samestep": os.listdir("/samestep"),
    "opt": sorted(os.listdir("/opt")),
    "installed": sorted(f"{re.sub('[-_.]+', '-', each.name).lower()}=={each.version}" for each in distributions()),
    "compiler": bool(shutil.which("g++") and shutil.which("gcc")),
    "header": os.path.exists(sysconfig.get_path("include") + "/Python.h"),
}))
"""


def imports(name: str) -> str:
    """Return the code that imports what an image is for."""
    if name.startswith("keras_"):
        backend = name.removeprefix("keras_")
        code = f"os.environ['KERAS_BACKEND'] = {backend!r}; import keras; assert keras.backend.backend() == {backend!r}"
        return f"import os; {code}"
    if (package := ROOT / "images" / f"{name}.package.json").exists():
        (asked,) = json.loads(package.read_text(encoding="utf-8"))["dependencies"]
        words = ["node", "-e", f"require('/opt/venv/node_modules/{asked}')"]
        return f"import subprocess; subprocess.run({words!r}, check=True)"
    return f"import {IMPORTS.get(name, name)}"


@pytest.fixture(scope="module")
def built(engine: Any) -> Mapping[str, Any]:
    """Build all that this host has not built yet; return the images by framework."""
    said: list[str] = []
    environ = {**os.environ, **base_image(engine)}
    failed = images.build(EVERY, "cpu", said.append, environ=environ, client=engine)
    assert failed == {}, "\n".join(said)
    return {name: engine.images.get(image_name(name, device="cpu")) for name in EVERY}


def python(engine: Any, image: Any, code: str) -> str:
    """Run `code` in a container as locked up as a worker's, and return what it prints."""
    options = {"network_mode": "none", "read_only": True, "cap_drop": ["ALL"], "tmpfs": {"/tmp": "exec"}}
    output: bytes = engine.containers.run(image.id, ["python", "-c", code], remove=True, stderr=False, **options)
    return output.decode().strip()


def layers(image: Any) -> list[str]:
    found: list[str] = image.attrs["RootFS"]["Layers"]
    return found


@pytest.fixture(scope="module")
def told(engine: Any, built: Mapping[str, Any]) -> Told:
    """Return what a container of an image by that name tells, asked once."""

    @functools.cache
    def ask(name: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(python(engine, built[name], imports(name) + "\n" + PROBE).splitlines()[-1])
        return answer

    return ask


@pytest.mark.parametrize("name", EVERY)
def test_each_image_imports_what_it_is_for_as_a_user_without_rights(told: Told, name: str) -> None:
    assert told(name)["user"] == [65532, 65532]


@pytest.mark.parametrize("name", EVERY)
def test_each_image_holds_its_lock_and_nothing_of_ours(told: Told, name: str) -> None:
    assert (told(name)["samestep"], told(name)["opt"]) == ([], ["locks", "venv"])


@pytest.mark.parametrize("name", OWN)
def test_what_is_installed_is_what_is_locked(told: Told, name: str) -> None:
    text = locks.lock_file(locks.ROOT, name, "cpu").read_text()
    assert set(told(name)["installed"]) == {line.split()[0] for line in text.splitlines() if "==" in line}


@pytest.mark.parametrize("name", OWN)
def test_compilers_and_their_header_are_where_torch_compiles(told: Told, name: str) -> None:
    """On a processor it runs g++; on a GPU Triton runs gcc."""
    expected = "\ntorch==" in locks.lock_file(locks.ROOT, name, "cpu").read_text()
    assert (told(name)["compiler"], told(name)["header"]) == (expected, expected)


@pytest.mark.parametrize("name", EVERY)
def test_each_image_says_what_it_is(built: Mapping[str, Any], name: str) -> None:
    labels = built[name].labels
    assert labels["org.opencontainers.image.title"] == f"samestep: {name} on cpu"
    assert labels["org.opencontainers.image.base.name"]
    assert labels["org.opencontainers.image.version"]
    assert (labels["samestep.framework"], labels["samestep.device"]) == (name, "cpu")
    assert labels[images.RECIPE] == images.recipe(name, device="cpu")


@pytest.mark.parametrize("name", EVERY)
def test_each_image_demands_the_driver_that_its_lock_needs_on_a_gpu(built: Mapping[str, Any], name: str) -> None:
    variables = dict(map(pair, built[name].attrs["Config"]["Env"]))
    assert variables["NVIDIA_REQUIRE_CUDA"] == cuda.requirement(name)
    assert variables["NVIDIA_DRIVER_CAPABILITIES"] == "compute,utility"
    assert "NVIDIA_VISIBLE_DEVICES" not in variables  # the engine says which


@pytest.mark.parametrize("name", [name for name in OWN if name != locks.BASE])
def test_an_image_begins_with_every_layer_of_the_one_it_builds_on(built: Mapping[str, Any], name: str) -> None:
    base = built[locks.parent(locks.ROOT, name, "cpu") or locks.BASE]
    assert layers(built[name])[: len(layers(base))] == layers(base)


def test_the_whole_set_fits_its_limit(built: Mapping[str, Any]) -> None:
    sizes = {name: image.attrs["Size"] for name, image in built.items()}
    bases = {name: locks.parent(locks.ROOT, name, "cpu") for name in OWN}
    own = {name: size - sizes.get(bases.get(name) or "", 0) for name, size in sizes.items()}
    assert all(size >= 0 for size in own.values())
    assert sum(own.values()) < LIMIT_BYTES


def test_torch_compiles_in_its_image(engine: Any, built: Mapping[str, Any]) -> None:
    code = "import torch; f = torch.compile(lambda x: (x * 2).sin() + 1); print(f(torch.zeros(3)).tolist())"
    assert python(engine, built["torch"], code) == "[1.0, 1.0, 1.0]"


def test_a_second_build_builds_nothing(engine: Any, built: Mapping[str, Any]) -> None:
    said: list[str] = []
    images.build(["torch"], "cpu", said.append, environ={**os.environ, **base_image(engine)}, client=engine)
    assert [line for line in said if "[" in line] == []
    assert engine.images.get(image_name("torch", device="cpu")).id == built["torch"].id
