"""A framework whose library has twelve published versions, one of which changes something on purpose.

The toy of tests/toy takes its mean from the library toyarith. Its wheels lie in a folder, as those of a host without
internet do (PIP_FIND_LINKS, UV_FIND_LINKS).
"""

import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from harness.environments.checkout import ROOT
from tests.copies import copy_of_the_checkout, run

TOY: Final = ROOT / "tests" / "toy"
PLAIN: Final = """\
import statistics


def fmean(values):
    return statistics.fmean([*values])
"""
# The toy's step multiplies 600 pairs of numbers in loops of Python; so many more are some 5 % of its time.
MORE: Final = 32
SLOWER: Final = f"""\
import statistics


def fmean(values):
    values = [*values]
    sum(value * value for value in values[:{MORE}])
    return statistics.fmean(values)
"""
OTHER_BITS: Final = PLAIN.replace("fmean([*values])", "fmean([*values]) * (1 + 1e-9)")
BROKEN: Final = "raise ImportError('this version was built wrongly')\n"


def wheel(folder: Path, version: str, source: str, requires: str = "") -> None:
    """Write the wheel of one version into `folder`; `requires`: a distribution that it needs."""
    info = f"toyarith-{version}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    files = {
        "toyarith.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: toyarith\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(folder / f"toyarith-{version}-py3-none-any.whl", "w") as file:
        for name, text in files.items():
            file.writestr(name, text)
        file.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD")))


def variables(wheels: Path) -> Mapping[str, str]:
    """Return the variables by which pip and uv find the wheels."""
    return {"PIP_FIND_LINKS": str(wheels), "UV_FIND_LINKS": str(wheels)}


def checkout(root: Path, version: str) -> Path:
    """Copy the repository to `root` with the toy and its library in this version, and lock it."""
    copy_of_the_checkout(root)
    source = (TOY / "framework.py").read_text(encoding="utf-8")
    source = source.replace("from statistics import fmean\n", "")
    source = source.replace("import numpy as np\n", "import numpy as np\nfrom toyarith import fmean\n", 1)
    (root / "bench" / "frameworks" / "toy.py").write_text(source, encoding="utf-8")
    (root / "images" / "toy.in").write_text(f"-r bench.in\ntoyarith=={version}\n", encoding="utf-8")
    shutil.copy2(TOY / "hello.py", root / "bench" / "hello" / "toy.py")
    commit = ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "toy")
    for command in (("init", "-q"), ("add", "-A"), commit):
        subprocess.run(["git", *command], cwd=root, check=True)
    run(root, "-m", "harness.environments.locks", "toy")
    return root
