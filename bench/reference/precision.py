"""What products are rounded to, and what of a model is left out, by name.

Parameters, optimiser and loss are float32 in all of them.

    float32    strict: no product is rounded to TF32
    tf32       operands of float32 products are rounded to 11 significant bits; an NVIDIA GPU of 2020 or later
    bfloat16   products of bfloat16, 8 significant bits; each framework mixes precisions in its own way (autocast, a
               mixed policy, a cast) and keeps some operations in float32, such as norms and the softmax
    pruned-50  float32, and of each weight matrix the half of the numbers that is nearest to zero is zero; pruned-90
               likewise. Of engines alone, in modes of their own: a matrix is as large and is multiplied as before
    int8       weights are whole numbers of 8 bits with scales, and so are the values that they are multiplied with;
               all else is float32. Of engines alone, in modes of their own: nothing is trained so

The reasons for the tolerances are in docs/adr/0013-precisions-and-forward-passes.md; those of int8
and pruning in docs/adr/0045-int8-bfloat16-and-pruning.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

FLOAT32: Final = "float32"
TF32: Final = "tf32"
BFLOAT16: Final = "bfloat16"
INT8: Final = "int8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """A precision, and its tolerances where they are larger than the workload's own for float32."""

    sentence: str
    products: str  # dtype of the operands of a product
    loss: float = 0.0  # least tolerance of a loss or a prediction, |value - reference| / max(1, |reference|)
    rms: float = 0.0  # tolerance of rms(prediction - reference) / rms(reference), in the place of `loss`; 0: of no use
    gradient: float = 0.0  # least tolerance of rms(g - reference) / rms(reference), by parameter
    pruned: int = 0  # per cent of the numbers of each weight matrix that are zero
    changes_model: bool = False  # only of modes that have it alone, as their framework's PRECISIONS says
    compares_parameters: bool = True  # Adam's first step is the gradient's sign: rounding may flip it, then runs differ


PRECISIONS: Final[Mapping[str, Precision]] = {
    FLOAT32: Precision(sentence="strict: no product is rounded to TF32", products="float32"),
    TF32: Precision(
        sentence="products of float32 rounded to TF32; NVIDIA GPUs",
        products="float32",
        loss=1e-2,
        gradient=5e-2,
        compares_parameters=False,
    ),
    BFLOAT16: Precision(
        sentence="products of bfloat16, mixed in each framework's own way; parameters in float32",
        products="bfloat16",
        loss=5e-2,
        gradient=2e-1,
        compares_parameters=False,
    ),
    INT8: Precision(
        sentence="weights and their operands quantised to 8 bits; engines that infer, in modes of their own",
        products="int8",
        loss=2e-1,  # of records before schema 9, which have no other figure
        rms=1.5e-1,
        changes_model=True,
    ),
    **{
        f"pruned-{percent}": Precision(
            sentence=f"float32 with {percent} % of each weight matrix zero; engines that infer, in modes of their own",
            products="float32",
            pruned=percent,
            changes_model=True,
        )
        for percent in (50, 90)
    },
}
