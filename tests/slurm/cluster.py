"""A Slurm of two hosts on this machine: gpu1 has a "h200", gpu2 an "l4". The GPUs are /dev/null and /dev/zero.

    python -m tests.slurm.cluster FOLDER     start one, say how to use it, end it with Ctrl-C

Each host is a slurmd in a namespace of processes of its own: killing the namespace is a host that loses its power.
Needs root and the packages slurm-wlm, slurm-wlm-basic-plugins and munge; everything is under one folder.
"""

import contextlib
import os
import secrets
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

HOSTS: Mapping[str, tuple[str, str]] = {"gpu1": ("h200", "/dev/null"), "gpu2": ("l4", "/dev/zero")}
LOST_AFTER_S = 5  # without an answer a host is down

CONFIG = """
ClusterName=samestep
SlurmctldHost={node}(127.0.0.1)
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={base}/munge/socket,cred_expire=5
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={base}/state
SlurmdSpoolDir={base}/spool.%n
SlurmctldPidFile={base}/slurmctld.pid
SlurmdPidFile={base}/slurmd.%n.pid
SlurmctldLogFile={base}/log/slurmctld.log
SlurmdLogFile={base}/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,batch_sched_delay=1
GresTypes=gpu
JobRequeue=1
RequeueExit={requeue_exit}
ReturnToService=2
SlurmdTimeout={lost_after}
MessageTimeout=3
KillWait=10
MinJobAge=3600
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
JobAcctGatherType=jobacct_gather/none
PartitionName=bench Nodes={nodes} Default=YES MaxTime=04:00:00 OverSubscribe=EXCLUSIVE State=UP
"""
NODE = (
    "NodeName={name} NodeHostname={node} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} RealMemory=1000 Gres=gpu:{gpu}:1"
    " Feature={gpu},fake State=UNKNOWN\n"
)


class Cluster:
    """The two hosts, their controller and what authenticates them."""

    def __init__(self, base: Path, *, port: int = 16817, requeue_exit: int = 75) -> None:
        self.base = base.absolute()
        self._port = port
        self._requeue_exit = requeue_exit
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def environ(self) -> dict[str, str]:
        """The variables with which Slurm's commands find this cluster."""
        return {**os.environ, "SLURM_CONF": str(self.base / "etc" / "slurm.conf")}

    def start(self) -> None:
        """Start everything; return when both hosts are idle."""
        for name in ("etc", "state", "log", "munge", "scratch"):
            (self.base / name).mkdir(parents=True)
        (self.base / "munge").chmod(0o700)
        self._configure()
        key = self.base / "munge" / "key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        munge = self.base / "munge"
        self._start(
            "munged", "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={munge / 'socket'}",
            f"--pid-file={munge / 'pid'}", f"--log-file={munge / 'log'}", f"--seed-file={munge / 'seed'}",
        )  # fmt: skip
        self._until(lambda: (munge / "socket").exists(), "munged has no socket")
        self._start("slurmctld", "slurmctld", "-D")
        for name in HOSTS:
            self.power_on(name)
        self._until(lambda: self.said("sinfo", "-h", "-N", "-o", "%T").split() == ["idle"] * 2, "no idle hosts")

    def power_on(
        self, host: str, *, scratch_bytes: int | None = None, others: Mapping[Path, Path] | None = None
    ) -> None:
        """Start a host; with `scratch_bytes` for scratch files, and `others` in place of some files."""
        slurmd = f"slurmd -D -N {host} & exec sleep infinity"  # which lives on when slurmd alone is killed
        if scratch_bytes is not None:
            folder = shlex.quote(str(self.base / "scratch"))
            slurmd = f"mount -t tmpfs -o size={scratch_bytes} none {folder}; {slurmd}"
        for file, other in (others or {}).items():
            slurmd = f"{shlex.join(['mount', '--bind', str(other), str(file)])}; {slurmd}"
        # unshare ignores TERM, and its death by KILL takes the whole namespace along
        self._start(host, "unshare", "--pid", "--mount-proc", "--fork", "--kill-child=KILL", "bash", "-c", slurmd)

    def power_off(self, host: str) -> None:
        """A host loses its power."""
        process = self._processes.pop(host)
        process.kill()
        process.wait()

    def kill_slurmd(self, host: str) -> None:
        """Kill a host's slurmd alone: the jobs on it run on."""
        pid = self.said("pgrep", "-f", f"^slurmd -D -N {host}$").split()
        os.kill(int(pid[0]), signal.SIGKILL)

    def stop(self) -> None:
        """End everything that was started here."""
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            self.said("scancel", "--quiet", "--user=root")
        for name in [*HOSTS, "slurmctld", "munged"]:
            if process := self._processes.pop(name, None):
                process.kill() if name in HOSTS else process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def wait_idle(self, host: str) -> None:
        """Wait until a host takes jobs."""
        self._until(lambda: "idle" in self.said("sinfo", "-h", "-N", "-n", host, "-o", "%T"), f"{host} is not idle")

    def said(self, *words: str) -> str:
        """Return what a command prints."""
        done = subprocess.run(words, env=self.environ, capture_output=True, text=True, check=False, timeout=60)
        return done.stdout

    def _configure(self) -> None:
        node = os.uname().nodename.split(".")[0]
        text = CONFIG.format(
            base=self.base,
            node=node,
            port=self._port,
            requeue_exit=self._requeue_exit,
            lost_after=LOST_AFTER_S,
            nodes=",".join(HOSTS),
        )
        gres = ""
        for number, (name, (gpu, file)) in enumerate(HOSTS.items(), start=1):
            cpus = os.cpu_count() or 1
            text += NODE.format(name=name, node=node, port=self._port + number, cpus=cpus, gpu=gpu)
            gres += f"NodeName={name} Name=gpu Type={gpu} File={file}\n"
        (self.base / "etc" / "slurm.conf").write_text(text)
        (self.base / "etc" / "gres.conf").write_text(gres)

    def _start(self, name: str, *words: str) -> None:
        with (self.base / "log" / f"{name}.out").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                words, env=self.environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _until(self, holds: object, otherwise: str, seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not holds():  # type: ignore[operator]
            assert time.monotonic() < end, f"{otherwise}: see {self.base / 'log'}"
            time.sleep(0.1)


def main() -> None:
    """Start a cluster, and end it with Ctrl-C."""
    cluster = Cluster(Path(sys.argv[1]))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        cluster.start()
        print(f"export SLURM_CONF={cluster.environ['SLURM_CONF']}", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        cluster.stop()


if __name__ == "__main__":
    main()
