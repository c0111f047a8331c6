"""Types of `companion.losses`. Chapters show the source without them."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

# One number for one example: a NumPy scalar, not an array.
_PerExample: TypeAlias = NDArray[np.floating[Any]] | Any

def softmax_cross_entropy(
    logits: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None
) -> _PerExample: ...
def softmax_cross_entropy_with_labels(
    logits: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None
) -> _PerExample: ...
def softmax_entropy(logits: ArrayLike, *, weights: ArrayLike | None = None) -> _PerExample: ...
def softmax_kl_divergence(
    logits: ArrayLike, target_logits: ArrayLike, *, weights: ArrayLike | None = None
) -> _PerExample: ...
def softmax_js_divergence(
    logits: ArrayLike, other_logits: ArrayLike, *, weights: ArrayLike | None = None
) -> _PerExample: ...
def softmax_squared_error(
    logits: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None
) -> _PerExample: ...
def sigmoid_cross_entropy(
    logits: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None
) -> _PerExample: ...
