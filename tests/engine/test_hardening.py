"""What a benchmark container may do, tried from inside one: a worker of compose, and the docker launcher's."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from harness.launchers.container import open_folder, remove
from harness.launchers.docker import DockerLauncher
from harness.launchers.hardening import Allowance
from tests.engine.project import ROOT, Project, until

pytestmark = pytest.mark.engine

MEMORY = 256 << 20
PROBE = r"""
import json, os, socket, subprocess
from pathlib import Path

def attempt(what):
    try:
        return repr(what())
    except OSError as error:
        return error.strerror

def read(*names):
    for name in names:
        if Path("/sys/fs/cgroup", name).exists():
            return Path("/sys/fs/cgroup", name).read_text().strip()

def executes():
    script = Path("/tmp/script")
    script.write_text("#!/bin/sh\necho executed\n")
    script.chmod(0o700)
    return subprocess.run([script], capture_output=True, text=True, check=True).stdout

PSEUDO = ("proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2")
mounts = []
for line in Path("/proc/self/mountinfo").read_text().splitlines():
    fields = line.split()
    if "rw" in fields[5].split(",") and fields[fields.index("-") + 1] not in PSEUDO:
        mounts.append(fields[4])
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps({
    "user": [os.getuid(), os.geteuid(), os.getgid(), os.getgroups()],
    "capabilities": {name: int(status[name], 16) for name in status if name.startswith("Cap")},
    "no_new_privileges": status["NoNewPrivs"].strip(),
    "seccomp": status["Seccomp"].strip(),
    "interfaces": sorted(os.listdir("/sys/class/net")),
    "connect": attempt(lambda: socket.create_connection(("1.1.1.1", 53), timeout=3)),
    "resolve": attempt(lambda: socket.getaddrinfo("example.org", 443)),
    "become_root": attempt(lambda: os.setuid(0)),
    "write": {
        name: attempt(lambda: Path(name, "written").write_text(""))
        for name in ("/", "/etc", "/opt/venv", "/samestep", "/samestep/bench", "/usr/bin", "/var/tmp")
    },
    "writable_mounts": mounts,
    "execute": attempt(executes),
    "tmp_bytes": os.statvfs("/tmp").f_blocks * os.statvfs("/tmp").f_frsize,
    "memory": read("memory.max", "memory/memory.limit_in_bytes"),
    "processes": read("pids.max", "pids/pids.max"),
    "processors": sorted(os.sched_getaffinity(0)),
    "engine_sockets": [name for name in ("/var/run/docker.sock", "/run/docker.sock") if os.path.exists(name)],
}))
"""


@pytest.fixture(params=["workers", "docker"])
def inside(request: pytest.FixtureRequest, project: Callable[..., Project]) -> tuple[str, dict[str, Any]]:
    """Return a launcher's name and what the probe says in a container of it."""
    answer = _in_worker(project) if request.param == "workers" else _in_fresh_container()
    return request.param, json.loads(answer)


def _in_worker(project: Callable[..., Project]) -> str:
    made = project(SAMESTEP_MEMORY=str(MEMORY), SAMESTEP_TMP="16m")
    made.compose("up", "--detach", "--no-build", "--no-deps", "numpy")
    until(lambda: any("bench worker" in line for line in made.processes("numpy")))
    return made.docker("exec", made.container("numpy"), "python", "-c", PROBE)


def _in_fresh_container() -> str:
    launcher = DockerLauncher("cpu", code=ROOT)
    launcher.prepare(["numpy"], lambda line: None)
    allowance = Allowance(memory=str(MEMORY), tmp="16m", cpus="1")
    with open_folder() as folder:
        container = launcher._create(
            "numpy", ["python", "-c", PROBE], allowance, variables={}, volumes=[f"{folder}:/out"]
        )
        try:
            container.start()
            container.wait(timeout=30)
            return container.logs().decode()
        finally:
            remove(container)
            launcher.close()


def test_a_container_is_shut_in(inside: tuple[str, dict[str, Any]]) -> None:
    launcher, told = inside
    assert told["user"] == [65532, 65532, 65532, [65532]]
    assert set(told["capabilities"].values()) == {0}
    assert set(told["capabilities"]) == {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}
    assert (told["no_new_privileges"], told["seccomp"]) == ("1", "2")
    assert told["become_root"] == "Operation not permitted"
    assert told["interfaces"] == ["lo"]
    assert told["connect"] == "Network is unreachable"
    assert told["resolve"] == "Temporary failure in name resolution"
    assert set(told["write"].values()) == {"Read-only file system"}
    assert told["writable_mounts"] == (["/out"] if launcher == "docker" else [])
    assert told["execute"] == repr("executed\n")
    assert told["tmp_bytes"] == 16 << 20
    assert (told["memory"], told["processes"], told["processors"]) == (str(MEMORY), "4096", [1])
    assert told["engine_sockets"] == []


def test_the_harness_of_compose_has_no_right_left_but_its_files(project: Callable[..., Project]) -> None:
    made = project()
    probe = (
        "import os; print(os.getuid(), *[l.split()[1] for l in open('/proc/self/status') if l.startswith('CapEff')])"
    )
    script = f'exec setpriv --reuid "$(stat -c %u results)" --clear-groups --regid 1 python -c "{probe}"'
    done = made.compose("run", "--rm", "--no-deps", "--entrypoint", "sh", "harness", "-c", script)
    uid = made.results.stat().st_uid
    assert done.stdout.splitlines()[-1] == f"{uid} {'0' * 16}"
