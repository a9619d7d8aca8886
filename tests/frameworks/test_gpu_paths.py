"""What a GPU's process would say of itself, by the locked libraries on a processor and devices that are made up."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.catalogue import framework_offer
from tests.frameworks.interpreters import run_in

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(600)]

GIB = 1 << 30
MIB = 1 << 20
LIMIT = 60 * GIB + 100  # three quarters of a GPU need not be a multiple of what is allocated at once
WHOLE = LIMIT // 256 * 256


def said(framework: str, scratch: Path, script: str, **environment: str) -> Any:
    asked = {name: value.format(threads=1, scratch=scratch) for name, value in framework_offer(framework).environment}
    return json.loads(run_in(framework, scratch, "-c", script, **asked, **environment).splitlines()[-1])


def test_the_threads_of_the_cpu_s_pool_are_no_proof_on_a_gpu(tmp_path: Path) -> None:
    """JAX makes a client for the CPU beside that for the GPU, and with it a pool that computes nothing."""
    script = """
import json
from types import SimpleNamespace
from bench.frameworks._jax.proof import Body, proof_of
def on(platform):
    parameter = SimpleNamespace(devices=lambda: [SimpleNamespace(platform=platform, id=0)], dtype="float32")
    return proof_of("jit", Body(), parameter, None, 1)
import jax.numpy
(jax.numpy.ones((512, 512)) @ jax.numpy.ones((512, 512))).block_until_ready()
found = [on("cpu"), on("gpu")]
print(json.dumps([[one.device, one.threads, "XLAEigen" in one.evidence] for one in found]))
"""
    assert said("jax", tmp_path, script) == [["cpu", 1, True], ["cuda:0", None, False]]


def test_the_policy_of_a_pool_is_told_only_where_it_shows(tmp_path: Path) -> None:
    pools: dict[str, tuple[int, int]] = {  # pool, and the most of it that was in use
        "whole": (WHOLE, 10 * MIB),
        "backed off": (int(WHOLE * 0.9**5), GIB),
        "whole and full": (WHOLE, 50 * GIB),
        "grown": (14 * MIB, 9 * MIB),
        "grown by one request": (2 * GIB, GIB),
        "grown to the limit": (WHOLE, 55 * GIB),
        "grown to a third": (20 * GIB, 19 * GIB),
        "unused": (0, 0),
    }
    script = f"""
import json
from bench.frameworks._jax.device import _policy
told = lambda pool, used: _policy({{"pool_bytes": pool, "bytes_limit": {LIMIT}, "peak_bytes_in_use": used}})
print(json.dumps({{name: told(*sizes) for name, sizes in {pools!r}.items()}}))
"""
    assert said("jax", tmp_path, script) == {
        "whole": "default",
        "backed off": "default",
        "whole and full": "",
        "grown": "no_preallocation",
        "grown by one request": "no_preallocation",
        "grown to the limit": "",
        "grown to a third": "",
        "unused": "",
    }


def test_tensorflow_s_device_is_initialised_when_it_has_started(tmp_path: Path) -> None:
    script = """
import json
from bench.frameworks import tensorflow as framework
import tensorflow as tf
framework.start("cpu", 1)
try:
    tf.config.set_visible_devices([], "CPU")
    print(json.dumps("not yet"))
except RuntimeError:
    print(json.dumps("initialised"))
"""
    assert said("tensorflow", tmp_path, script) == "initialised"


def test_an_xla_that_keeps_no_executables_of_a_gpu_has_compiled_all_the_same(tmp_path: Path) -> None:
    script = """
import json
from pathlib import Path
from bench.frameworks import tensorflow as framework
from bench.frameworks._tensorflow import device
from bench.workloads import regression
import shutil, tensorflow as tf
framework.start("cpu", 1)
step = framework.build(regression.make("base", "adam"), "xla", "float32")
framework.wait(step.run(2))
cpu = step.proof()
shutil.rmtree(Path("xla"))
empty = step.proof()
tf.config.get_visible_devices = lambda kind: ["GPU"]
gpu = step.proof()
print(json.dumps([[one.mode, one.cache_hits, one.cache_misses] for one in (cpu, empty, gpu)]))
"""
    found = said("tensorflow", tmp_path, script)
    assert found[0] == ["xla", 0, 1]
    assert found[1][0] == "function", "on the CPU it writes all that it compiles"
    assert found[2] == ["xla", None, None]


def test_the_triad_of_jax_moves_the_bytes_that_it_counts(tmp_path: Path) -> None:
    """An array of ones that the program closes over is folded to a scalar: two passes where three are counted."""
    script = """
import json, jax
jit, moved = jax.jit, []
def counting(function, **options):
    compiled = jit(function, **options)
    def call(*arrays):
        moved.append(compiled.lower(*arrays).compile().cost_analysis()["bytes accessed"])
        return compiled(*arrays)
    return call
jax.jit = counting
from bench.frameworks._jax import probes
task = probes._triad(1 << 20)
task.call().block_until_ready()
print(json.dumps([moved[0], task.work]))
"""
    moved, counted = said("jax", tmp_path, script)
    assert counted == pytest.approx(moved, rel=0.01)
