"""Softmax and cross-entropy in NumPy: the package that every chapter of the book imports.

These are the public names of the core. The rest is imported by module:
`companion.naive`, `companion.regression`, `companion.datasets`, `companion.plotting`,
`companion.show`, `companion.exercises`.
"""

from companion.derivatives import (
    numerical_gradient,
    softmax_cross_entropy_grad,
    softmax_cross_entropy_with_labels_grad,
    softmax_jacobian,
    softmax_jvp,
    softmax_squared_error_grad,
)
from companion.distillation import distillation_loss, distillation_loss_grad
from companion.functions import log_softmax, logsumexp, one_hot, softmax
from companion.information import cross_entropy, entropy, kl_divergence
from companion.losses import (
    softmax_cross_entropy,
    softmax_cross_entropy_with_labels,
    softmax_squared_error,
)

__all__ = [
    "cross_entropy",
    "distillation_loss",
    "distillation_loss_grad",
    "entropy",
    "kl_divergence",
    "log_softmax",
    "logsumexp",
    "numerical_gradient",
    "one_hot",
    "softmax",
    "softmax_cross_entropy",
    "softmax_cross_entropy_grad",
    "softmax_cross_entropy_with_labels",
    "softmax_cross_entropy_with_labels_grad",
    "softmax_jacobian",
    "softmax_jvp",
    "softmax_squared_error",
    "softmax_squared_error_grad",
]
