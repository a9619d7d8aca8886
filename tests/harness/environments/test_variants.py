"""A variant of a framework's environment: read from what was typed, and resolved into a lock of its own."""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from harness.environments import locks, variants
from harness.environments.variants import Variant
from harness.errors import SamestepError, SelectionError, SetupError
from tests.wheels import wheel

NUMPY = "numpy==2.4.6 \\\n    --hash=sha256:cc\n"
JAX = f"jax==0.10.2 \\\n    --hash=sha256:aa\njaxlib==0.10.2 \\\n    --hash=sha256:bb\n{NUMPY}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with three frameworks: what they ask for, and their locks."""
    root = tmp_path / "checkout"
    (root / "images" / "locks").mkdir(parents=True)
    (root / "images" / "cpu").mkdir()
    asked = {
        "bench.in": "numpy>=2.2\n",
        "numpy.in": "-r bench.in\n",
        "keras_jax.in": "-r jax.in\nkeras==3.15.1\n",
        "theano.in": "-r bench.in\n# a guest\n",
        "cpu/jax.in": "-r bench.in\njax==0.10.2\n",
        "cpu/torch.in": "-r bench.in\ntorch==2.13.0+cpu\n",
    }
    for name, text in asked.items():
        (root / "images" / name).write_text(text)
    texts = {
        "numpy": NUMPY, "theano": NUMPY, "jax": JAX, "keras_jax": f"{JAX}keras==3.15.1 \\\n    --hash=sha256:dd\n",
        "torch": f"{NUMPY}torch==2.13.0+cpu \\\n    --hash=sha256:ee\n",
    }  # fmt: skip
    for name, text in texts.items():
        (root / "images" / "locks" / f"{name}.cpu-py311.txt").write_text(text)
    return root


def parsed(root: Path, spec: str) -> Variant:
    return variants.parsed(spec, root, "cpu")


@pytest.mark.parametrize(
    ("spec", "name", "pins", "python"),
    [
        ("jax@0.9.2", "0.9.2", ("jax==0.9.2",), ""),
        ("jax@ 0.9.2 ", "0.9.2", ("jax==0.9.2",), ""),
        ("jax@jax==0.9.2", "0.9.2", ("jax==0.9.2",), ""),
        ("keras-jax@3.14", "3.14", ("keras==3.14",), ""),
        ("keras_jax@jax==0.9.2,keras==3.14", "keras==3.14,jax==0.9.2", ("keras==3.14", "jax==0.9.2"), ""),
        ("keras_jax@JAX==0.9.2", "jax==0.9.2", ("jax==0.9.2",), ""),
        ("numpy@py3.13", "py3.13", (), "3.13"),
        ("numpy@py3.12,2.3.5", "2.3.5,py3.12", ("numpy==2.3.5",), "3.12"),
        ("torch@2.12.0", "2.12.0+cpu", ("torch==2.12.0+cpu",), ""),
        ("torch@2.12.0+cpu", "2.12.0+cpu", ("torch==2.12.0+cpu",), ""),
    ],
)
def test_what_is_typed_has_one_name_and_its_pins(
    root: Path, spec: str, name: str, pins: tuple[str, ...], python: str
) -> None:
    found = parsed(root, spec)
    assert (found.name, found.pins, found.python, found.wheels) == (name, pins, python, ())
    assert found.framework_id == f"{spec.partition('@')[0].replace('-', '_')}@{name}"


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("jax@", "'jax@' names no variant: write a version, package==version, py3.13 or the path of a wheel after @."),
        ("jax@newest", "'newest' in 'jax@newest' is not a version, package==version, py3.13 or the path of a wheel."),
        ("jax@jaxlib>=0.9", "'jaxlib>=0.9' in 'jax@jaxlib>=0.9' is not a version"),
        ("jax@0.9.2,jax==0.9.1", "'jax@0.9.2,jax==0.9.1' names jax twice: leave one out."),
        ("jax@py3.12,py3.13", "names two Pythons: leave one out."),
        ("numpy@py3.10", "py3.10: what runs beside the frameworks needs Python 3.11 or newer."),
        ("jax@jaxlb==0.9.2", "jaxlb is not in the lock of jax: a variant changes its packages. Did you mean jaxlib"),
        ("theano@1.0", "theano computes in a guest, whose packages a variant does not change."),
        ("jaxx@1.0", "jaxx has no lock for cpu, which a variant of it would change."),
        ("torch@2.12.0+cu126", "torch 2.12.0+cu126 is another build than the lock's 2.13.0+cpu: leave out +cu126."),
        ("jax@nowhere/jax-1-py3-none-any.whl", "nowhere/jax-1-py3-none-any.whl cannot be read: No such file"),
    ],
)
def test_what_cannot_be_a_variant_is_one_sentence(root: Path, spec: str, sentence: str) -> None:
    with pytest.raises(SelectionError) as error:
        parsed(root, spec)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_a_wheel_is_named_by_its_version_and_hash_never_by_its_path(root: Path, tmp_path: Path) -> None:
    path = wheel(tmp_path / "wheels", "jax", "0.10.2")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    found = parsed(root, f"jax@{path}")
    assert (found.name, found.wheels) == (f"0.10.2.{digest}", (path,))
    lib = wheel(tmp_path / "wheels", "jaxlib", "0.10.2")
    both = parsed(root, f"jax@{lib},{path}")
    of_lib = hashlib.sha256(lib.read_bytes()).hexdigest()[:8]
    assert both.name == f"jax==0.10.2.{digest},jaxlib==0.10.2.{of_lib}"
    assert both.wheels == (path, lib)


def test_a_wheel_of_another_distribution_platform_or_python_is_refused(root: Path, tmp_path: Path) -> None:
    other = wheel(tmp_path, "flax", "1")
    with pytest.raises(SelectionError, match="is of flax, which is not in the lock of jax"):
        parsed(root, f"jax@{other}")
    windows = wheel(tmp_path, "jax", "1", tag="cp311-cp311-win_amd64")
    with pytest.raises(SelectionError, match=r"is for cp311-cp311-win_amd64: the environment has CPython 3\.11"):
        parsed(root, f"jax@{windows}")
    newer = wheel(tmp_path, "jax", "2", tag="cp312-cp312-manylinux_2_28_x86_64")
    with pytest.raises(SelectionError, match=r"the environment has CPython 3\.11"):
        parsed(root, f"jax@{newer}")
    assert parsed(root, f"jax@{newer},py3.12").python == "3.12"


class Uv:
    """A resolver that writes a lock, or fails; it keeps what it was asked."""

    def __init__(self, lock: Callable[[str], str], code: int = 0, stderr: str = "") -> None:
        self.lock = lock
        self.failure = code, stderr
        self.arguments: list[str] = []
        self.preferred = ""
        self.asked: dict[str, str] = {}

    def __call__(self, arguments: Sequence[str]) -> tuple[int, str]:
        self.arguments = list(arguments)
        output = Path(self.value("--output-file"))
        self.preferred = output.read_text()
        self.asked = {path.name: path.read_text() for path in output.parent.glob("*.in")}
        output.write_text(self.lock(self.preferred))
        return self.failure

    def value(self, option: str) -> str:
        return self.arguments[self.arguments.index(option) + 1]


def older(text: str) -> str:
    return text.replace("jax==0.10.2", "jax==0.9.2").replace("jaxlib==0.10.2", "jaxlib==0.9.2")


def test_the_resolver_gets_the_lock_as_preferences_and_the_variant_in_place_of_its_pins(
    root: Path, tmp_path: Path
) -> None:
    uv = Uv(older)
    found = variants.resolve(parsed(root, "keras_jax@jax==0.9.2"), root, "cpu", tmp_path / "locks", run=uv)
    assert uv.preferred == (root / "images" / "locks" / "keras_jax.cpu-py311.txt").read_text()
    assert uv.asked["jax.in"] == "-r bench.in\njax==0.9.2\n"
    assert uv.asked["keras_jax.in"] == "-r jax.in\nkeras\n"
    assert uv.asked["variant.in"] == "-r keras_jax.in\njax==0.9.2\n"
    assert uv.arguments[:2] == ["--directory", str(root)]
    assert uv.value("--python-version") == "3.11"
    assert Path(uv.arguments[-1]).name == "variant.in"
    assert {"--generate-hashes", "--no-annotate", "--no-header", "--no-emit-index-url", "--no-build"} <= {*uv.arguments}
    assert found.changed == ("jax 0.10.2 -> 0.9.2", "jaxlib 0.10.2 -> 0.9.2")
    assert found.framework_id == "keras_jax@jax==0.9.2"


def test_the_lock_is_in_the_folder_of_the_run_with_its_hash(root: Path, tmp_path: Path) -> None:
    found = variants.resolve(parsed(root, "jax@0.9.2"), root, "cpu", tmp_path / "locks", run=Uv(older))
    assert found.lock == "jax@0.9.2.cpu-py311.txt"
    path = tmp_path / "locks" / found.lock
    assert path.read_text() == older(JAX)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == found.sha256
    assert locks.python_of(path) == "3.11"


def test_another_python_is_looked_for_and_said(root: Path, tmp_path: Path) -> None:
    looked: list[str] = []

    def find(version: str) -> Path:
        looked.append(version)
        return Path("/usr/bin/python")

    uv = Uv(str)
    found = variants.resolve(parsed(root, "numpy@py3.13"), root, "cpu", tmp_path / "locks", run=uv, find=find)
    assert looked == ["3.13"]
    assert uv.value("--python-version") == "3.13"
    assert (found.python, found.changed, found.lock) == ("3.13", ("python 3.11 -> 3.13",), "numpy@py3.13.cpu-py313.txt")


def test_an_interpreter_that_is_not_at_hand_ends_it_with_its_remedy(root: Path, tmp_path: Path) -> None:
    def find(version: str) -> Path:
        raise SetupError(f"Python {version} is needed")

    with pytest.raises(SetupError, match=r"Python 3\.14 is needed"):
        variants.resolve(parsed(root, "numpy@py3.14"), root, "cpu", tmp_path / "locks", run=Uv(str), find=find)


def test_a_wheel_is_copied_and_stands_in_the_lock_by_its_hash_alone(root: Path, tmp_path: Path) -> None:
    path = wheel(tmp_path / "elsewhere", "jax", "0.10.2")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()

    def with_path(text: str) -> str:
        kept = tmp_path / "locks" / "wheels" / path.name
        of_published = text.partition("jaxlib")[0]
        return text.replace(of_published, f"jax @ {kept.as_uri()} \\\n    --hash=sha256:{digest}\n")

    uv = Uv(with_path)
    found = variants.resolve(parsed(root, f"jax@{path}"), root, "cpu", tmp_path / "locks", run=uv)
    lock = (tmp_path / "locks" / found.lock).read_text()
    assert lock == JAX.replace("sha256:aa", f"sha256:{digest}")
    assert found.wheels == (path.name,)
    assert (tmp_path / "locks" / "wheels" / path.name).read_bytes() == path.read_bytes()
    assert found.changed == (f"jax 0.10.2 -> 0.10.2.{digest[:8]}",)
    assert str(tmp_path) not in f"{lock}{found}"


def test_two_wheels_of_one_file_name_are_both_kept(root: Path, tmp_path: Path) -> None:
    one = wheel(tmp_path / "one", "jax", "0.10.2", files={"jax.py": "1"})
    two = wheel(tmp_path / "two", "jax", "0.10.2", files={"jax.py": "2"})
    found = [
        variants.resolve(parsed(root, f"jax@{path}"), root, "cpu", tmp_path / "locks", run=Uv(str))
        for path in (one, two, one)
    ]
    digest = hashlib.sha256(two.read_bytes()).hexdigest()[:8]
    names = [each.wheels[0] for each in found]
    assert names == [one.name, f"jax-0.10.2-0x{digest}-py3-none-any.whl", one.name]
    kept = [(tmp_path / "locks" / "wheels" / name).read_bytes() for name in names]
    assert kept == [one.read_bytes(), two.read_bytes(), one.read_bytes()]


def test_a_lock_with_a_path_or_an_address_is_never_written(root: Path, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="would have a path or an address"):
        variants.resolve(
            parsed(root, "jax@0.9.2"),
            root,
            "cpu",
            tmp_path / "locks",
            run=Uv(lambda _: "jax @ https://mirror/jax.whl\n"),
        )
    assert not (tmp_path / "locks").exists()


def test_what_cannot_be_resolved_is_explained_with_the_variant_and_its_python(root: Path, tmp_path: Path) -> None:
    given: list[object] = []

    def explain(*what: object) -> SamestepError:
        given.extend(what)
        return SelectionError("because")

    with pytest.raises(SelectionError, match="because"):
        variants.resolve(
            parsed(root, "jax@9.9"), root, "cpu", tmp_path / "locks", run=Uv(str, 1, "no"), explain=explain
        )
    assert given == ["jax@9.9", ("jax==9.9",), "3.11", "no"]


def test_a_long_variant_has_a_lock_whose_name_fits(root: Path, tmp_path: Path) -> None:
    long = dataclasses.replace(parsed(root, "jax@0.9.2"), name="a==1," * 60)
    found = variants.resolve(long, root, "cpu", tmp_path / "locks", run=Uv(older))
    assert len(found.lock) < 130
    assert found.lock.endswith(".cpu-py311.txt")
    assert not {"=", ",", "/"} & {*found.lock}
