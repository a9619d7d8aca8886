"""Which versions of a distribution are published, as pip finds them: by the caller's own settings of index and folders.

pip obeys both bounds of Requires-Python, leaves out what was withdrawn (yanked), and answers in JSON. What uv is told
of the index by variables is told to pip, too, so that both look at the same place.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from packaging.version import Version

from bench.records import text as texts
from bench.turns import variables
from harness.environments import locks, wheels
from harness.errors import SetupError

RunPip = Callable[[Sequence[str]], tuple[int, str, str]]  # with pip's arguments: exit code, stdout, stderr
UNREACHABLE: Final = ("connection broken", "could not fetch url", "newconnectionerror", "max retries exceeded")


def run_pip(arguments: Sequence[str]) -> tuple[int, str, str]:
    """Run the harness's pip; return its exit code and what it wrote."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env=variables.of_tools(os.environ),
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def versions(
    distribution: str,
    python: str = locks.PYTHONS["cpu"],
    platform: str = locks.WHEELS_FOR,
    *,
    run: RunPip = run_pip,
    environ: Mapping[str, str] = os.environ,
) -> tuple[str, ...]:
    """Return the published versions that have a wheel for an environment, oldest first; no pre-releases.

    Args:
        distribution: such as "jax".
        python: of the environment.
        platform: of the environment, as uv writes it.
        run: runs pip.
        environ: has the settings of the index.

    Raises:
        SetupError: the index cannot be reached, or has no such wheel.
    """
    asked = [
        "index",
        "versions",
        distribution,
        "--json",
        "--retries",
        "1",
        *_target(python, platform),
        *_index(environ),
    ]
    code, stdout, stderr = run(asked)
    if code == 0:
        try:
            found = json.loads(stdout)["versions"]
            return tuple(sorted(map(str, found), key=Version))
        except (ValueError, KeyError, TypeError) as error:
            raise SetupError(
                f"pip says nothing readable of the versions of {distribution}: {texts.line(stdout, 80)}"
            ) from error
    if any(sign in stderr.lower() for sign in UNREACHABLE):
        raise SetupError(
            f"The versions of {distribution} cannot be asked for: check the network, its proxy and its certificates."
        )
    raise SetupError(f"No wheel of {distribution} is published for Python {python} where pip looks.")


def requires_python(distribution: str, version: str, python: str, *, run: RunPip = run_pip) -> str:
    """Return the Requires-Python of a published version, such as ">=3.12"; empty: it has none, or it is not known.

    Args:
        distribution: such as "jax".
        version: that has a wheel for `python`.
        python: such as "3.12".
        run: runs pip.
    """
    asked = ["install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet", "--report", "-"]
    target = [*_target(python, locks.WHEELS_FOR), *_index(os.environ)]
    code, stdout, _ = run([*asked, *target, f"{distribution}=={version}"])
    if code:
        return ""
    try:
        return str(json.loads(stdout)["install"][0]["metadata"].get("requires_python", ""))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return ""


def _target(python: str, platform: str) -> Iterator[str]:
    """Yield pip's options for what an environment takes."""
    yield from ("--only-binary", ":all:", "--implementation", "cp", "--python-version", python)
    yield from ("--abi", f"cp{python.replace('.', '')}", "--abi", "abi3", "--abi", "none")
    for each in wheels.platforms(platform):
        yield from ("--platform", each)


def _index(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield pip's options for the index that uv's variables name; pip reads its own."""
    if index := environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL"):
        yield from ("--index-url", index)
    for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL"):
        for url in environ.get(name, "").split():
            yield from ("--extra-index-url", url.rpartition("=")[2] if "=" in url.partition("://")[0] else url)
    for folder in filter(None, environ.get("UV_FIND_LINKS", "").split(",")):
        yield from ("--find-links", folder)
