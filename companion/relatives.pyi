"""Types of `companion.relatives`. Chapters show the source without them."""

from typing import Any, SupportsFloat, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

_Array: TypeAlias = NDArray[np.floating[Any]]
# One number for one example: a NumPy scalar, not an array.
_PerExample: TypeAlias = NDArray[np.floating[Any]] | Any

def sparsemax(logits: ArrayLike) -> _Array: ...
def entmax15(logits: ArrayLike) -> _Array: ...
def sparsemax_jvp(logits: ArrayLike, tangents: ArrayLike) -> _Array: ...
def entmax15_jvp(logits: ArrayLike, tangents: ArrayLike) -> _Array: ...
def sparsemax_loss(
    logits: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None
) -> _PerExample: ...
def sparsemax_loss_grad(
    logits: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None
) -> _Array: ...
def entmax15_loss(
    logits: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None
) -> _PerExample: ...
def entmax15_loss_grad(
    logits: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None
) -> _Array: ...
def gumbel_softmax(
    logits: ArrayLike, *, temperature: SupportsFloat, rng: np.random.Generator
) -> _Array: ...
def smooth_labels(targets: ArrayLike, alpha: SupportsFloat) -> _Array: ...
def focal_loss(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    gamma: SupportsFloat,
    weights: ArrayLike | None = None,
) -> _PerExample: ...
def focal_loss_grad(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    gamma: SupportsFloat,
    weights: ArrayLike | None = None,
) -> _Array: ...
def additive_margin_loss(
    cosines: ArrayLike,
    labels: ArrayLike,
    *,
    margin: SupportsFloat,
    scale: SupportsFloat,
    weights: ArrayLike | None = None,
) -> _PerExample: ...
def additive_margin_loss_grad(
    cosines: ArrayLike,
    labels: ArrayLike,
    *,
    margin: SupportsFloat,
    scale: SupportsFloat,
    weights: ArrayLike | None = None,
) -> _Array: ...
def additive_angular_margin_loss(
    cosines: ArrayLike,
    labels: ArrayLike,
    *,
    margin: SupportsFloat,
    scale: SupportsFloat,
    weights: ArrayLike | None = None,
) -> _PerExample: ...
def additive_angular_margin_loss_grad(
    cosines: ArrayLike,
    labels: ArrayLike,
    *,
    margin: SupportsFloat,
    scale: SupportsFloat,
    weights: ArrayLike | None = None,
) -> _Array: ...
def large_margin_loss(
    cosines: ArrayLike,
    labels: ArrayLike,
    *,
    margin: int,
    scale: SupportsFloat,
    weights: ArrayLike | None = None,
) -> _PerExample: ...
def large_margin_loss_grad(
    cosines: ArrayLike,
    labels: ArrayLike,
    *,
    margin: int,
    scale: SupportsFloat,
    weights: ArrayLike | None = None,
) -> _Array: ...
def info_nce_loss(
    queries: ArrayLike,
    keys: ArrayLike,
    *,
    temperature: SupportsFloat,
    weights: ArrayLike | None = None,
) -> _PerExample: ...
def info_nce_grad(
    queries: ArrayLike,
    keys: ArrayLike,
    *,
    temperature: SupportsFloat,
    weights: ArrayLike | None = None,
) -> tuple[_Array, _Array]: ...
def multiclass_hinge_loss(
    logits: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None
) -> _PerExample: ...
def multiclass_hinge_loss_grad(
    logits: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None
) -> _Array: ...
