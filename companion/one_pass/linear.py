"""A linear layer and its cross-entropy over a vocabulary, without the logits of all of it."""

import numpy as np

from companion._core import as_floating, label_index
from companion.one_pass.streaming import gradient_of, loss_of, merge, state_of

CHUNK = 2**21  # bytes of the logits that exist at one time


def linear_cross_entropy(hidden, weight, labels, *, chunk=CHUNK):
    """Cross-entropy of softmax(hidden @ weight), and its gradients, by chunks of classes.

    The logits, N x V, are never held. A first pass over the vocabulary merges the states of
    its chunks; a second computes each chunk's logits anew, turns them into gradients, and
    forgets them.

    Parameters
    ----------
    hidden : array_like, shape (N, D)
        One row per example, such as a token.
    weight : array_like, shape (D, V)
        One column per class.
    labels : array_like of int, shape (N,)
        True classes, in 0..V-1.
    chunk : int
        Bytes of logits to hold at one time. It decides the memory, not the result.

    Returns
    -------
    loss : ndarray, shape (N,)
        In nats, one per example.
    hidden_grad : ndarray, shape (N, D)
        Gradient of the sum of the losses. For their mean divide by N.
    weight_grad : ndarray, shape (D, V)
        Gradient of the sum of the losses.

    Raises
    ------
    TypeError
        If labels are not integers, or the others hold no real numbers.
    ValueError
        If shapes do not match or a label leaves 0..V-1.

    References
    ----------
    Milakov & Gimelshein (2018), "Online normalizer calculation for softmax",
    arXiv:1805.02867, for the merged state.

    Examples
    --------
    >>> hidden, weight = np.ones((1, 2)), np.zeros((2, 4))
    >>> loss, hidden_grad, weight_grad = linear_cross_entropy(hidden, weight, [1])
    >>> loss.round(4), weight_grad[0]
    (array([1.3863]), array([ 0.25, -0.75,  0.25,  0.25]))
    """
    hidden, weight = _as_pair(hidden, weight)
    # Only the shape of the logits is looked at: an array of it that takes no memory.
    index = label_index(labels, np.broadcast_to(0.0, (len(hidden), weight.shape[1])))[:, 0]
    width = max(1, chunk // max(1, len(hidden) * hidden.itemsize))
    slices = [slice(a, a + width) for a in range(0, weight.shape[1], width)]
    total, own = _first_pass(hidden, weight, index, slices)
    hidden_grad, weight_grad = np.zeros_like(hidden), np.empty_like(weight)
    for part in slices:
        columns = weight[:, part]
        by_logits = gradient_of(hidden @ columns, total, own, index - part.start)
        hidden_grad += by_logits @ columns.T
        weight_grad[:, part] = hidden.T @ by_logits
    return loss_of(total, own), hidden_grad, weight_grad


def _first_pass(hidden, weight, index, slices):
    """The merged state of all chunks, and the logit at each label."""
    state = state_of(np.empty((len(hidden), 0), hidden.dtype))
    own = np.empty(len(hidden), hidden.dtype)
    for part in slices:
        logits = hidden @ weight[:, part]
        mine = np.flatnonzero((index >= part.start) & (index < part.start + logits.shape[1]))
        own[mine] = logits[mine, index[mine] - part.start]
        state = merge(state, state_of(logits))
    return state, own


def _as_pair(hidden, weight):
    (hidden, _), (weight, _) = as_floating(hidden), as_floating(weight)
    if hidden.ndim != 2 or weight.ndim != 2 or hidden.shape[1] != weight.shape[0]:
        raise ValueError(
            "hidden must have shape (N, D) and weight (D, V); "
            f"got {hidden.shape} and {weight.shape}."
        )
    dtype = np.result_type(hidden, weight)
    return hidden.astype(dtype, copy=False), weight.astype(dtype, copy=False)
