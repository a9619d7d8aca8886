"""A stand-in for the MPI that CNTK is linked to: what has to be there so that its libraries load, in one process.

Its 14 libraries ask for libmpi.so.12 and libmpi_cxx.so.1 of Open MPI 1.10, which no package has. Their functions are
looked up when they are first called, and one process calls none of them; data are looked up when a library is loaded.
"""

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile

DATA = (
    "ompi_mpi_char", "ompi_mpi_comm_null", "ompi_mpi_comm_world", "ompi_mpi_cxx_op_intercept", "ompi_mpi_double",
    "ompi_mpi_float", "ompi_mpi_int", "ompi_mpi_long_long_int", "ompi_mpi_op_sum",
    "_ZN3MPI3Win4FreeEv", "_ZN3MPI4CommC2Ev", "_ZN3MPI8Datatype4FreeEv",  # in tables of virtual functions
)  # fmt: skip
LIBRARIES = ("libmpi.so.12", "libmpi_cxx.so.1")
LOADED = []  # which the libraries find by their names


def stand_in():
    """Compile and load both; raises OSError or CalledProcessError."""
    source = "".join("char %s[1024];\n" % name for name in DATA)
    folder = tempfile.mkdtemp(prefix="samestep-mpi-")
    try:
        for name in LIBRARIES:
            path = os.path.join(folder, name)
            command = ["g++", "-x", "c", "-shared", "-fPIC", "-Wl,-soname," + name, "-o", path, "-"]
            subprocess.run(command, input=source.encode(), check=True)
            LOADED.append(ctypes.CDLL(path, ctypes.RTLD_GLOBAL))
            source = ""
    finally:
        shutil.rmtree(folder)
    sys.setdlopenflags(os.RTLD_LAZY | os.RTLD_GLOBAL)
