"""Softmax regression: one linear layer, softmax, cross-entropy, gradient descent.

The model that the chapters train, small enough to read whole. Its loss is convex in the
weights: a minimum, if there is one, is global. Without l2 there is none for data that a linear
map separates, where the weights grow as long as one trains; and a number that is added to all
weights of one feature changes no probability.
"""

from dataclasses import dataclass

import numpy as np

from companion.derivatives import softmax_cross_entropy_with_labels_grad
from companion.losses import softmax_cross_entropy_with_labels


@dataclass(frozen=True)
class SoftmaxRegression:
    """A linear map from features to logits.

    Parameters
    ----------
    weights : ndarray, shape (D, K)
        One column per class.
    bias : ndarray, shape (K,)
        One number per class.

    Examples
    --------
    >>> model = SoftmaxRegression(weights=np.eye(2), bias=np.zeros(2))
    >>> model.predict(np.array([[0.0, 3.0], [1.0, 0.0]]))
    array([1, 0])
    """

    weights: np.ndarray
    bias: np.ndarray

    def logits(self, features):
        """Scores of the classes, shape (N, K), for features (N, D)."""
        return features @ self.weights + self.bias

    def predict(self, features):
        """The class with the largest logit, shape (N,), for features (N, D)."""
        return self.logits(features).argmax(axis=-1)


def fit(features, labels, num_classes, *, learning_rate, steps, l2=0.0):
    """Train softmax regression from zero weights by full-batch gradient descent.

    Parameters
    ----------
    features : array_like, shape (N, D)
        One example per row.
    labels : array_like of int, shape (N,)
        True classes, in 0..K-1.
    num_classes : int
        Number of classes, K.
    learning_rate : float
        How far to go along the negative gradient of the mean loss.
    steps : int
        How often.
    l2 : float
        Weight of sum(weights ** 2) / 2 in the objective. The bias is left free.

    Returns
    -------
    model : SoftmaxRegression
        After the last step.
    losses : ndarray, shape (steps,)
        Mean cross-entropy in nats before each step, without the l2 term.

    Raises
    ------
    TypeError
        If labels are not integers.
    ValueError
        If shapes do not match or a label leaves 0..K-1.

    Examples
    --------
    >>> model, losses = fit([[0.0], [1.0]], [0, 1], 2, learning_rate=1.0, steps=100)
    >>> model.predict(np.array([[0.1], [0.9]])), bool(losses[-1] < losses[0])
    (array([0, 1]), True)
    """
    features = np.asarray(features, dtype=np.float64)
    shape = features.shape[1], num_classes
    model = SoftmaxRegression(np.zeros(shape), np.zeros(num_classes))
    losses = np.empty(steps)
    for step in range(steps):
        logits = model.logits(features)
        losses[step] = softmax_cross_entropy_with_labels(logits, labels).mean()
        # Mean over the batch: each example's gradient is divided by N.
        grads = softmax_cross_entropy_with_labels_grad(logits, labels)
        grad_logits = grads / len(features)
        grad_weights = features.T @ grad_logits + l2 * model.weights
        model = SoftmaxRegression(
            model.weights - learning_rate * grad_weights,
            model.bias - learning_rate * grad_logits.sum(axis=0),
        )
    return model, losses
