"""Types of `companion.derivatives`. Chapters show the source without them."""

from collections.abc import Callable
from typing import Any, SupportsFloat, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

_Array: TypeAlias = NDArray[np.floating[Any]]
# One number for one example: a NumPy scalar, not an array.
_PerExample: TypeAlias = NDArray[np.floating[Any]] | Any

def softmax_jacobian(logits: ArrayLike) -> _Array: ...
def softmax_jvp(logits: ArrayLike, tangents: ArrayLike) -> _Array: ...
def softmax_cross_entropy_grad(
    logits: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None
) -> _Array: ...
def softmax_cross_entropy_with_labels_grad(
    logits: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None
) -> _Array: ...
def softmax_cross_entropy_with_labels_and_grad(
    logits: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None
) -> tuple[_PerExample, _Array]: ...
def softmax_entropy_grad(logits: ArrayLike, *, weights: ArrayLike | None = None) -> _Array: ...
def softmax_kl_divergence_grad(
    logits: ArrayLike, target_logits: ArrayLike, *, weights: ArrayLike | None = None
) -> _Array: ...
def softmax_kl_divergence_target_grad(
    logits: ArrayLike, target_logits: ArrayLike, *, weights: ArrayLike | None = None
) -> _Array: ...
def softmax_js_divergence_grad(
    logits: ArrayLike, other_logits: ArrayLike, *, weights: ArrayLike | None = None
) -> _Array: ...
def softmax_squared_error_grad(
    logits: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None
) -> _Array: ...
def sigmoid_cross_entropy_grad(
    logits: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None
) -> _PerExample: ...
def numerical_gradient(
    f: Callable[[NDArray[np.float64]], SupportsFloat], x: ArrayLike, step: float = 6e-6
) -> NDArray[np.float64]: ...
