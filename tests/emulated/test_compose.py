"""The path of `docker compose up` on an emulated host: the harness and its workers as processes, without containers."""

import contextlib
import subprocess
from collections.abc import Iterator

from harness.host.emulated import CAVEAT
from tests.emulated.host import CLOCK_MHZ, UUID, WORK_MW, Host, socket_of

WORDS = ("--launcher", "workers", "--measure", "time,memory")


@contextlib.contextmanager
def worker(host: Host, framework: str = "emulated") -> Iterator[subprocess.Popen[str]]:
    words = ("worker", str(socket_of(host.checkout)), framework)
    with host.started(*words, module="bench") as process:
        yield process


def test_workers_are_watched_as_local_replicates_are(host: Host) -> None:
    with worker(host) as process:
        ran = host.run(*WORDS)
        assert process.wait(timeout=30) == 0, "the harness has said goodbye"
    assert ran.code == 0, ran.out + ran.said
    assert CAVEAT in ran.out
    (timed,), (memory,) = host.records(), host.records("memory")
    for record in (timed, memory):
        observed = record.observation
        assert observed is not None
        assert record.environment is not None
        assert (record.environment.launcher, observed.gpu, observed.foreign) == ("workers", UUID, ())
        assert observed.device_process_peak_bytes == 302 << 20, "its PID is known"
    assert timed.observation is not None
    figures = (timed.observation.power_median_mw, timed.observation.sm_clock_median_mhz)
    assert figures == (WORK_MW, CLOCK_MHZ), "its phases are known"
    page = (host.folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "memory of the GPU, sampled from outside" in page
    assert CAVEAT in page


def test_a_program_that_comes_during_the_run_is_found_beside_workers(host: Host) -> None:
    with subprocess.Popen(["sleep", "300"]) as stranger:
        try:
            with worker(host), host.started(*host.measuring("--launcher", "workers")) as process:
                host.wait_for_work()
                host.program(stranger.pid)
                out, said = process.communicate(timeout=200)
        finally:
            stranger.kill()
    assert process.returncode == 3, said
    assert f"sleep ({stranger.pid}) used the GPU as well" in out + said
