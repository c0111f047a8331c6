"""Types of `companion.functions`. Chapters show the source without them."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

_Array: TypeAlias = NDArray[np.floating[Any]]
# One number for one example: a NumPy scalar, not an array.
_PerExample: TypeAlias = NDArray[np.floating[Any]] | Any

def logsumexp(x: ArrayLike, axis: int = -1, keepdims: bool = False) -> _PerExample: ...
def softmax(x: ArrayLike, axis: int = -1) -> _Array: ...
def log_softmax(x: ArrayLike, axis: int = -1) -> _Array: ...
def one_hot(labels: ArrayLike, num_classes: int) -> NDArray[np.float64]: ...
