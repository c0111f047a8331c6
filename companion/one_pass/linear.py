"""A linear layer and its cross-entropy over a vocabulary, without the logits of all of it."""

import operator

import numpy as np

from companion._core import (
    as_floating,
    common_dtype,
    label_index,
    only,
    rounded,
)
from companion.one_pass._rows import as_each, spread, weigh
from companion.one_pass.streaming import gradient_of, loss_of, merge, state_of

CHUNK = 2**21  # bytes of the logits that exist at one time
WIDTH = 1024  # classes that a chunk has at least: products of thin matrices are slow


def linear_cross_entropy(hidden, weight, labels, *, weights=None, chunk=CHUNK):
    """Cross-entropy of softmax(hidden @ weight), and its gradients, by chunks of classes.

    The logits, N x V, are never held. A first pass over the vocabulary merges the states of
    its chunks; a second computes each chunk's logits anew, turns them into gradients, and
    forgets them. Of very many examples some are taken at a time.

    PyTorch has a function of this name with another contract: its weight has shape (V, D), and
    it returns a loss alone, for autograd. A square weight fits both: nothing can tell which is
    meant.

    Parameters
    ----------
    hidden : array_like, shape (N, D)
        One row per example, such as a token.
    weight : array_like, shape (D, V)
        One column per class.
    labels : array_like of int, shape (N,)
        True classes, in 0..V-1.
    weights : array_like, shape (N,), optional
        One number per example, which multiplies its loss and its part of the gradients. Where
        it is 0 the example does not count: neither its label nor its row is looked at.
    chunk : int
        Bytes of logits to hold at one time, at least one logit. It decides the memory, and of
        the results no more than the last digits: sums are cut where the chunks are.

    Returns
    -------
    loss : ndarray, shape (N,)
        In nats, one per example; nan, with NumPy's "invalid value" warning, where a row of
        logits has no softmax. All results have the float type of the arguments, and are
        computed in float32 where that has 16 bits.
    hidden_grad : ndarray, shape (N, D)
        Gradient of the sum of the losses. For their mean divide by N, or by the sum of the
        weights. A class that is ruled out, by weights that make its logit -inf, adds nothing.
    weight_grad : ndarray, shape (D, V)
        Gradient of the sum of the losses.

    Raises
    ------
    TypeError
        If labels are not integers, the others hold no real numbers or have no common dtype,
        or `chunk` is not a whole number.
    ValueError
        If shapes do not match, a label leaves 0..V-1, or weights are not one finite number per
        example.

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
    hidden, weight, dtype = _checked(hidden, weight)
    # Only the shape of the logits is looked at: an array of it that takes no memory.
    logits = np.broadcast_to(hidden.dtype.type(0), (len(hidden), weight.shape[1]))
    weights = as_each(weights, logits)
    index = label_index(only(weights != 0, labels), logits)[:, 0]
    kept = np.flatnonzero(weights)
    given = hidden[kept], weight, index[kept], weights[kept]
    loss, hidden_grad, weight_grad = _by_chunks(*given, _as_bytes(chunk))
    loss, hidden_grad = spread(loss, kept, weights), spread(hidden_grad, kept, weights)
    return rounded(loss, dtype), rounded(hidden_grad, dtype), rounded(weight_grad, dtype)


def _by_chunks(hidden, weight, index, weights, size):
    """Losses and gradients of examples that all count, in working precision."""
    loss = np.empty(len(hidden), hidden.dtype)
    hidden_grad, weight_grad = np.zeros_like(hidden), np.zeros_like(weight)
    entries = size // hidden.itemsize
    for rows, parts in _pieces(len(hidden), weight.shape[1], entries):
        total, own = _first_pass(hidden[rows], weight, index[rows], parts)
        loss[rows] = loss_of(total, own)
        for part in parts:
            logits, columns = _product(hidden[rows], weight[:, part]), weight[:, part]
            by_logits = gradient_of(logits, total, own, index[rows] - part.start)
            weigh(weights[rows], by_logits)
            hidden_grad[rows] += _of_slopes(by_logits, columns)
            weight_grad[:, part] += _product(hidden[rows].T, by_logits)
    weigh(weights, loss)
    return loss, hidden_grad, weight_grad


def _product(a, b):
    with np.errstate(under="ignore"):
        return a @ b


def _of_slopes(slopes, columns):
    """slopes @ columns.T, but a slope of 0 takes nothing, also of a weight of -inf.

    That rules its class out: the class has no probability, and the loss no slope there.
    """
    finite = np.isfinite(columns)
    if finite.all():
        return _product(slopes, columns.T)
    product = _product(slopes, np.where(finite, columns, 0).T)
    for k in np.flatnonzero(~finite.all(axis=0)):
        (rows,) = np.nonzero(slopes[:, k])  # of labels that are ruled out, or of nan
        product[rows] += slopes[rows, k, np.newaxis] * np.where(finite[:, k], 0, columns[:, k])
    return product


def _as_bytes(chunk):
    try:
        return operator.index(chunk)
    except TypeError:
        raise TypeError(
            f"chunk must be a whole number, the bytes of logits to hold; got {chunk!r}."
        ) from None


def _pieces(num_examples, num_classes, entries):
    """Slices of examples, each with the slices of classes to take at one time."""
    entries = max(1, entries)
    height = max(1, entries // max(1, min(WIDTH, num_classes)))
    for start in range(0, num_examples, height):
        rows = slice(start, min(start + height, num_examples))
        width = max(1, entries // (rows.stop - rows.start))
        yield rows, [slice(a, a + width) for a in range(0, num_classes, width)]


def _first_pass(hidden, weight, index, parts):
    """The merged state of all chunks, and the logit at each label."""
    state = state_of(np.empty((len(hidden), 0), hidden.dtype))
    own = np.empty(len(hidden), hidden.dtype)
    for part in parts:
        logits = _product(hidden, weight[:, part])
        mine = np.flatnonzero((index >= part.start) & (index < part.start + logits.shape[1]))
        own[mine] = logits[mine, index[mine] - part.start]
        state = merge(state, state_of(logits))
    return state, own


def _checked(hidden, weight):
    """Both in one working precision, and the dtype of the results."""
    (hidden, dtype), (weight, other) = as_floating(hidden), as_floating(weight)
    if hidden.ndim != 2 or weight.ndim != 2 or hidden.shape[1] != weight.shape[0]:
        raise ValueError(
            "hidden must have shape (N, D) and weight (D, V); "
            f"got {hidden.shape} and {weight.shape}."
        )
    work = np.result_type(hidden, weight)
    dtype = common_dtype([dtype, other], "hidden and weight")
    return hidden.astype(work, copy=False), weight.astype(work, copy=False), dtype
