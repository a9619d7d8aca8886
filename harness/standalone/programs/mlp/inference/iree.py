"""The perceptron in IREE: `python -P programs/mlp/inference/iree.py MODE MODEL BATCH`."""

import runpy
from pathlib import Path

from iree import compiler
from iree import runtime as ireert


def load(model, x):
    """As in IREE's page "Python bindings"."""
    flags = ["--iree-llvmcpu-target-cpu=host"]
    compiled = compiler.compile_file(model, target_backends=["llvm-cpu"], input_type="stablehlo", extra_args=flags)
    config = ireert.Config("local-sync")
    context = ireert.SystemContext(config=config)
    vm_module = ireert.VmModule.copy_buffer(context.instance, compiled)
    context.add_vm_module(vm_module)
    f = context.modules[vm_module.name]["main"]
    given = ireert.asdevicearray(config.device, x)
    return lambda: f(given)


if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("_measure.py")))["main"]("iree", load)
