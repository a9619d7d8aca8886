"""The variables of a process that is measured: those stated, and no other of the caller."""

from pathlib import Path

from bench.turns.variables import measured, of_tools

HOSTILE = {
    "PYTHONTRACEMALLOC": "25", "XLA_FLAGS": "--x", "NOOPT": "1", "MALLOC_PERTURB_": "165", "LD_PRELOAD": "/x.so",
    "GLIBC_TUNABLES": "x", "JAX_DEBUG_NANS": "1", "SLURM_NTASKS": "4", "MPLBACKEND": "x", "PYTHONPATH": "/x",
    "PYTHONOPTIMIZE": "2", "PYTHONSTARTUP": "/x", "PYTHONINSPECT": "1", "PYTHONHOME": "/x", "OPENBLAS_CORETYPE": "x",
    "OMP_PROC_BIND": "true", "KMP_AFFINITY": "x", "GOMP_SPINCOUNT": "0", "SOME_LIBRARY_OF_TOMORROW": "1",
    "PYTEST_ADDOPTS": "-x", "XDG_CACHE_HOME": "/x", "HTTPS_PROXY": "http://secret", "AWS_SECRET_ACCESS_KEY": "secret",
    "VIRTUAL_ENV": "/x", "HOME": "/home/me", "USER": "me", "LC_ALL": "de_DE.ISO-8859-1", "TMPDIR": "/mine",
}  # fmt: skip


def test_nothing_of_the_caller_reaches_a_replicate_but_its_choice_of_the_machine(tmp_path: Path) -> None:
    machine = {"PATH": "/usr/bin:/bin", "CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}

    given = measured({**HOSTILE, **machine}, tmp_path)

    assert given == {
        **machine,
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "LC_ALL": "C.UTF-8",
        "USER": "samestep",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def test_what_the_user_named_is_there_and_samesteps_own_stays(tmp_path: Path) -> None:
    given = measured(HOSTILE, tmp_path, named=("XLA_FLAGS=--a=b --c=d", "HOME=/mine"))
    assert (given["XLA_FLAGS"], given["HOME"]) == ("--a=b --c=d", str(tmp_path))


def test_a_path_does_not_depend_on_the_working_directory(tmp_path: Path) -> None:
    assert measured({"PATH": ".:/a::b:/c"}, tmp_path)["PATH"] == "/a:/c"
    assert measured({}, tmp_path)["PATH"] == "/bin:/usr/bin"


def test_of_the_loaders_path_only_the_driver_of_the_gpu_stays(tmp_path: Path) -> None:
    driver = tmp_path / "driver"
    driver.mkdir()
    (driver / "libcuda.so.1").touch()
    path = {"LD_LIBRARY_PATH": f"/opt/other:{driver}:"}
    assert measured(path, tmp_path)["LD_LIBRARY_PATH"] == str(driver)
    assert "LD_LIBRARY_PATH" not in measured({"LD_LIBRARY_PATH": "/opt/other"}, tmp_path)
    assert measured(path, tmp_path, in_image=True)["LD_LIBRARY_PATH"] == f"/opt/other:{driver}:"


def test_tools_keep_the_mirror_and_lose_what_leads_them_elsewhere() -> None:
    mirror = {
        "HOME": "/home/me", "HTTPS_PROXY": "x", "SSL_CERT_FILE": "x", "PIP_INDEX_URL": "x", "PIP_FIND_LINKS": "x",
        "PIP_CERT": "x", "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": "x", "UV_DEFAULT_INDEX": "x", "UV_SYSTEM_CERTS": "1",
        "UV_INDEX_OURS_PASSWORD": "x", "UV_CACHE_DIR": "x", "UV_PYTHON_INSTALL_MIRROR": "x", "UV_KEYRING_PROVIDER": "x",
        "PYTHON_KEYRING_BACKEND": "x",
    }  # fmt: skip
    elsewhere = {
        "PIP_USER": "1", "PIP_TARGET": "x", "PIP_PREFIX": "x", "UV_TARGET": "x", "UV_PYTHON": "x", "UV_PROJECT": "x",
        "UV_SYSTEM_PYTHON": "1", "UV_CONSTRAINT": "x", "UV_NO_BINARY": "1", "PYTHONPATH": "x", "PYTHONHOME": "x",
        "PYTHONOPTIMIZE": "2", "VIRTUAL_ENV": "x", "CONDA_PREFIX": "x", "GIT_DIR": "x", "GIT_INDEX_FILE": "x",
    }  # fmt: skip
    assert of_tools({**mirror, **elsewhere}) == mirror


def test_the_drivers_kernels_are_kept_where_the_run_says_or_the_user(tmp_path: Path) -> None:
    machine = {"CUDA_CACHE_PATH": "/home/me/.nv/ComputeCache", "HOME": "/home/me"}
    assert "CUDA_CACHE_PATH" not in measured(machine, tmp_path), "what an earlier program left is no part of a run"
    assert measured(machine, tmp_path, kernels="/run/kernels")["CUDA_CACHE_PATH"] == "/run/kernels"
    named = ("CUDA_CACHE_PATH=/mine",)
    assert measured(machine, tmp_path, named=named, kernels="/run/kernels")["CUDA_CACHE_PATH"] == "/mine"


def test_a_process_in_a_container_has_what_the_container_was_made_with(tmp_path: Path) -> None:
    made_with = {"NVIDIA_REQUIRE_CUDA": "cuda>=13.0", "PYTHONDONTWRITEBYTECODE": "1"}
    assert made_with.items() <= measured(made_with, tmp_path, in_image=True).items()
    assert not made_with.keys() & measured(made_with, tmp_path).keys()
