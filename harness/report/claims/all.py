"""All claims, in the order of the table: the words, the rule, and the command that measures it."""

from typing import Final

from harness.report.claims import rules, scaling
from harness.report.claims.claim import Claim
from harness.report.claims.evidence import Evidence
from harness.report.claims.rules import TALK

CLAIMS: Final[tuple[Claim[Evidence], ...]] = (
    Claim(
        id="lines-of-code",
        words="TensorFlow needs 8 lines of code, Keras 4, PyTorch 10, fastai 2",
        figures="lines of samestep's own hello worlds",
        rule=rules.lines_of_code,
        command=("--framework", ",".join(TALK), "--mode", "hello", "--profile", "quick"),
    ),
    Claim(
        id="same-accuracy",
        words="TensorFlow, Keras, PyTorch and fastai reach the same accuracy",
        figures="weight and bias that their hello worlds find (the truth: 3 and 2)",
        rule=rules.same_accuracy,
        command=("--framework", ",".join(TALK), "--mode", "hello", "--profile", "quick"),
    ),
    Claim(
        id="convenience-costs",
        words="Convenience costs control: fewer lines of code mean more overhead",
        figures="step of fewer lines ÷ step of more lines",
        rule=rules.convenience_costs,
        command=("--framework", ",".join(TALK), "--mode", "eager,fit,hello", "--optimizer", "adam"),
    ),
    Claim(
        id="static-graph",
        words="A static graph is faster than eager execution",
        figures="speed-up of a step over eager",
        rule=rules.static_graph,
        command=(
            *("--framework", "tensorflow,torch,jax", "--optimizer", "adam"),
            *("--mode", "eager,function,session,torchscript,compile,op-by-op,jit"),
        ),
    ),
    Claim(
        id="gpu-memory",
        words="TensorFlow takes GPU memory greedily, PyTorch step by step, JAX beforehand",
        figures="held before there is a model, of PyTorch held and not handed out",
        rule=rules.gpu_memory,
        command=("--framework", "tensorflow,torch,jax", "--measure", "memory", "--device", "cuda"),
    ),
    Claim(
        id="trainer-overhead",
        words="The overhead of Lightning is small",
        figures="Lightning's step ÷ PyTorch's",
        rule=rules.trainer_is_cheap,
        command=(
            *("--framework", "torch,lightning", "--workload", "regression,mlp", "--optimizer", "adam"),
            *("--mode", "eager,fit,compile,fit-compile"),
        ),
    ),
    Claim(
        id="large-batches",
        words="JAX pulls ahead at large batches",
        figures="step of JAX jit ÷ step of PyTorch compile",
        rule=rules.ahead_at_large,
        command=(
            *("--framework", "torch,jax", "--workload", "mlp,transformer", "--optimizer", "adam"),
            *("--mode", "compile,jit"),
        ),
    ),
    Claim(
        id="compile-is-close",
        words="PyTorch 2's compile brings it close to static graphs",
        figures="step of PyTorch compile ÷ step of the graph",
        rule=rules.close_to_static,
        command=(
            *("--framework", "torch,tensorflow", "--workload", "regression,mlp", "--optimizer", "adam"),
            *("--mode", "compile,function,session"),
        ),
    ),
    Claim(
        id="same-ballpark",
        words="Compiled frameworks are in the same ballpark",
        figures="slower step ÷ faster step",
        rule=rules.same_ballpark,
        command=(
            *("--framework", "torch,tensorflow,jax", "--workload", "regression,mlp,transformer"),
            *("--mode", "compile,xla,jit", "--optimizer", "adam"),
        ),
    ),
    Claim(
        id="deterministic",
        words="Deterministic operation is possible in PyTorch and JAX",
        figures="cells with the same bits each time",
        rule=rules.deterministic,
        command=("--framework", "torch,jax", "--optimizer", "adam"),
    ),
    Claim(
        id="onnx-inference",
        words="ONNX Runtime comes near the framework's own inference",
        figures="inference of ONNX Runtime ÷ of the framework",
        rule=rules.near_own_inference,
        command=(
            *("--framework", "onnxruntime,torch,keras_tensorflow,jax", "--workload", "mlp,transformer"),
            *("--mode", "from-torch,from-keras,from-jax,eager,compile,batch,batch-jit,jit", "--batch", "1,256"),
        ),
    ),
    Claim(
        id="feeding-data",
        words="TensorFlow feeds data faster from disk, PyTorch is ahead in memory",
        figures="time of a sample in training, by the fastest pipeline of each",
        rule=rules.feeds_from_disk,
        command=("--framework", "tensorflow,torch", "--stream", "64MB"),
    ),
    Claim(
        id="scales-with-work",
        words="Data-parallel training scales better the more a step has to do",
        figures="efficiency at the largest size ÷ at the smallest",
        rule=scaling.grows_with_work,
        command=(
            *("--framework", "torch,tensorflow,jax", "--workload", "mlp,transformer", "--size", "S,M"),
            *("--ranks", "1,2"),
        ),
    ),
    Claim(
        id="compiled-scales-worse",
        words="A compiled step scales worse, because there is less to hide the exchange behind",
        figures="efficiency of the compiled strategy ÷ of the same one without compilation",
        rule=scaling.compiled_scales_worse,
        command=("--framework", "torch", "--workload", "mlp,transformer", "--size", "S", "--ranks", "1,2"),
    ),
    Claim(
        id="one-rank-is-free",
        words="A strategy for several devices costs nothing on one",
        figures="step over one rank ÷ plain step",
        rule=scaling.one_rank_costs_nothing,
        command=("--framework", "torch,tensorflow,jax", "--workload", "mlp", "--size", "S", "--ranks", "1"),
    ),
)
