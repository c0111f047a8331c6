"""Types of `companion.information`. Chapters show the source without them."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

# One number for one example: a NumPy scalar, not an array.
_PerExample: TypeAlias = NDArray[np.floating[Any]] | Any

def entropy(p: ArrayLike) -> _PerExample: ...
def cross_entropy(p: ArrayLike, q: ArrayLike) -> _PerExample: ...
def kl_divergence(p: ArrayLike, q: ArrayLike) -> _PerExample: ...
