"""Softmax and cross-entropy in NumPy: the package that every chapter of the book imports.

These are the public names of the core, which needs NumPy alone. The rest is imported by module:

- `companion.naive`: the formulas as they stand on paper; they overflow on purpose
- `companion.relatives`: sparsemax, margins, focal and contrastive losses, and other relatives
- `companion.regression`, `companion.datasets`: the model and the digits that chapters train on
- `companion.one_pass`: the core for large inputs, in blocks, compiled, streamed, distributed
- `companion.equivalents`: the losses of PyTorch, TensorFlow and Keras, specified in NumPy
- `companion.frameworks`: code that runs inside PyTorch and Keras, and the table of equivalents
- `companion.diagnose`: what looks wrong in outputs, labels and loss; also a command
- `companion.exercises`: the exercises of each chapter, and the checker
- `companion.book`: what chapters use to show figures, sources and measured times
"""

from companion.derivatives import (
    numerical_gradient,
    sigmoid_cross_entropy_grad,
    softmax_cross_entropy_grad,
    softmax_cross_entropy_with_labels_and_grad,
    softmax_cross_entropy_with_labels_grad,
    softmax_entropy_grad,
    softmax_jacobian,
    softmax_js_divergence_grad,
    softmax_jvp,
    softmax_kl_divergence_grad,
    softmax_kl_divergence_target_grad,
    softmax_squared_error_grad,
)
from companion.distillation import distillation_loss, distillation_loss_grad
from companion.functions import log_softmax, logsumexp, one_hot, softmax
from companion.information import cross_entropy, entropy, kl_divergence
from companion.losses import (
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    softmax_cross_entropy_with_labels,
    softmax_entropy,
    softmax_js_divergence,
    softmax_kl_divergence,
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
    "sigmoid_cross_entropy",
    "sigmoid_cross_entropy_grad",
    "softmax",
    "softmax_cross_entropy",
    "softmax_cross_entropy_grad",
    "softmax_cross_entropy_with_labels",
    "softmax_cross_entropy_with_labels_and_grad",
    "softmax_cross_entropy_with_labels_grad",
    "softmax_entropy",
    "softmax_entropy_grad",
    "softmax_jacobian",
    "softmax_js_divergence",
    "softmax_js_divergence_grad",
    "softmax_jvp",
    "softmax_kl_divergence",
    "softmax_kl_divergence_grad",
    "softmax_kl_divergence_target_grad",
    "softmax_squared_error",
    "softmax_squared_error_grad",
]

__version__ = "0.1.0"  # pyproject.toml takes it from here
