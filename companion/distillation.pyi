"""Types of `companion.distillation`. Chapters show the source without them."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

_Array: TypeAlias = NDArray[np.floating[Any]]
# One number for one example: a NumPy scalar, not an array.
_PerExample: TypeAlias = NDArray[np.floating[Any]] | Any

def distillation_loss(
    student_logits: ArrayLike,
    teacher_logits: ArrayLike,
    labels: ArrayLike,
    *,
    temperature: float,
    alpha: float,
    weights: ArrayLike | None = None,
) -> _PerExample: ...
def distillation_loss_grad(
    student_logits: ArrayLike,
    teacher_logits: ArrayLike,
    labels: ArrayLike,
    *,
    temperature: float,
    alpha: float,
    weights: ArrayLike | None = None,
) -> _Array: ...
