"""Log-sum-exp in pieces: a state that merges, for logits that never meet.

A pair (largest logit, sum of the other exponentials relative to it) holds all that softmax
needs to know of the logits it has seen. Two pairs merge into the pair of both. Merging is
associative, so the pieces may be blocks in a cache, chunks of a stream, or slices on other
machines, in any order and any grouping.
"""

from typing import NamedTuple

import numpy as np

from companion._core import (
    as_floating,
    as_labels,
    as_real,
    as_weights,
    common_dtype,
    only,
    rounded,
    scaled,
    sum_parts,
)


class State(NamedTuple):
    """What is known of the logits seen so far: their sum is exp(largest) * (1 + rest).

    Parameters
    ----------
    largest : ndarray, shape (...)
        The largest logit; -inf before the first.
    rest : ndarray, shape (...)
        Sum of exp(x - largest) over all logits but the largest, at least 0. Kept without the
        largest, whose term is 1, so that a tiny rest is not rounded away.
    """

    largest: np.ndarray
    rest: np.ndarray


EMPTY = State(np.float64(-np.inf), np.float64(0))


def state_of(x):
    """The state of one chunk.

    Parameters
    ----------
    x : array_like, shape (..., C)
        Logits of C classes, C >= 0.

    Returns
    -------
    State, of arrays of shape (...)
        In float32 or wider.

    Raises
    ------
    TypeError
        If `x` does not hold real numbers.
    ValueError
        If `x` is a single number without an axis.

    Examples
    --------
    >>> state_of([3.0, 3.0, -np.inf])
    State(largest=array(3.), rest=array(1.))
    """
    x, _ = as_floating(x)
    with np.errstate(invalid="ignore"):  # inf - inf: the rest of an infinite maximum is 0
        largest, _, rest = sum_parts(x)
    return State(largest[..., 0], np.where(np.isinf(largest), 0, rest)[..., 0])


def merge(a, b):
    """The state of all that two states have seen.

    Commutative, with EMPTY as its zero, and associative but for rounding.

    ::

        largest = max(a.largest, b.largest)
        rest = rest of the larger + exp(-|a.largest - b.largest|) * (1 + rest of the smaller)

    Parameters
    ----------
    a, b : State
        Of shapes that broadcast.

    Returns
    -------
    State

    References
    ----------
    Milakov & Gimelshein (2018), "Online normalizer calculation for softmax",
    arXiv:1805.02867, section 3.

    Examples
    --------
    >>> merge(state_of([140.0]), state_of([100.0])) == state_of([140.0, 100.0])
    True
    """
    first = a.largest >= b.largest
    largest = np.maximum(a.largest, b.largest)  # nan where either is
    # inf - inf, gaps past the largest float, and terms below the smallest
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        shrunk = np.exp(-np.abs(a.largest - b.largest))
        if_a, if_b = a.rest + shrunk * (1 + b.rest), b.rest + shrunk * (1 + a.rest)
        rest = np.where(first, if_a, if_b)
    return State(largest, np.where(np.isinf(largest), 0, rest)[()])


def value_of(state):
    """log of the sum of exponentials that a state stands for.

    Parameters
    ----------
    state : State
        Of arrays of shape (...).

    Returns
    -------
    ndarray, shape (...)

    Examples
    --------
    >>> value_of(EMPTY), value_of(state_of([0.0, -40.0]))
    (np.float64(-inf), np.float64(4.248354255291589e-18))
    """
    with np.errstate(under="ignore"):
        return (state.largest + np.log1p(state.rest))[()]


def loss_of(state, own):
    """Cross-entropy of labels whose logits are `own`, among all that the state has seen.

    Parameters
    ----------
    state : State
        Of arrays of shape (...).
    own : ndarray, shape (...)
        The logit at each label.

    Returns
    -------
    ndarray, shape (...)
        In nats; nan, with NumPy's "invalid value" warning, where the largest logit is infinite.

    Examples
    --------
    >>> loss_of(state_of([40.0, 0.0]), np.array(40.0))
    np.float64(4.248354255291589e-18)
    """
    with np.errstate(over="ignore", under="ignore"):  # a gap past the largest float is inf
        # The gap first: a large maximum would round the logarithm away.
        return ((state.largest - own) + np.log1p(_rest_of_finite(*state)))[()]


def _rest_of_finite(largest, rest):
    """The rest; nan, with NumPy's warning, where the largest is infinite: no softmax there."""
    return rest + (largest - largest)


def gradient_of(logits, state, own, index):
    """Gradient of the loss for the logits of one chunk; written over them.

    Parameters
    ----------
    logits : ndarray, shape (N, C)
        Those of C classes, which are lost.
    state : State
        Of arrays of shape (N,), of all classes.
    own : ndarray, shape (N,)
        The logit at each label, wherever that is.
    index : ndarray of int, shape (N,)
        Labels, counted from the first class of this chunk; some lie outside.

    Returns
    -------
    ndarray, shape (N, C)
        softmax of the chunk, less 1 at the labels that it holds.

    Examples
    --------
    >>> gradient_of(np.zeros((1, 2)), state_of(np.zeros((1, 4))), np.zeros(1), np.array([3]))
    array([[0.25, 0.25]])
    """
    largest, rest = (part[:, np.newaxis] for part in state)
    with np.errstate(over="ignore", under="ignore"):
        logits -= largest
        np.exp(logits, out=logits)
        logits /= 1 + _rest_of_finite(largest, rest)
        mine = np.flatnonzero((index >= 0) & (index < logits.shape[1]))
        # expm1(log p) is p - 1 with its digits, also where p rounds to 1.
        logits[mine, index[mine]] = np.expm1(-loss_of(state, own)[mine])
    return logits


def logsumexp_of_chunks(chunks):
    """`companion.logsumexp` over chunks of classes that are seen once, one at a time.

    Parameters
    ----------
    chunks : iterable of array_like, shapes (..., C)
        The logits, cut along the last axis. C may differ from chunk to chunk.

    Returns
    -------
    ndarray, shape (...)
        With the dtype that the chunks promote to.

    Raises
    ------
    TypeError
        If `chunks` is a mapping, a table or text, a chunk does not hold real numbers, or their
        dtypes do not promote to one.
    ValueError
        If there is no chunk, one is a single number without an axis, or the shapes differ in
        more than C.

    Examples
    --------
    >>> logsumexp_of_chunks([[0.0, 1.0], [1000.0], [999.0, 2.0]])
    np.float64(1000.3132616875182)
    """
    state, dtype = _read(chunks)
    return rounded(value_of(state), dtype)


def softmax_of_chunks(chunks):
    """`companion.softmax` of chunks, one at a time: a pass to sum, a pass to divide.

    Parameters
    ----------
    chunks : sequence of array_like, shapes (..., C)
        The logits, cut along the last axis. They are read twice.

    Returns
    -------
    iterator of ndarray, shapes (..., C)
        Probabilities of the classes of a chunk, with the dtype that the chunks promote to.

    Raises
    ------
    TypeError
        If `chunks` can be read only once, is a mapping, a table or text, a chunk does not hold
        real numbers, or their dtypes do not promote to one.
    ValueError
        If there is no chunk, one is a single number without an axis, or the shapes differ in
        more than C.

    Examples
    --------
    >>> [probs.round(4) for probs in softmax_of_chunks([[1.0, 2.0], [3.0]])]
    [array([0.09  , 0.2447]), array([0.6652])]
    """
    if _each_of(chunks) is chunks:
        raise TypeError(
            "chunks must be a sequence that can be read twice; got an iterator. "
            "Pass a list, or an object whose __iter__ starts anew."
        )
    return _probs_of(chunks, *_read(chunks))


def softmax_cross_entropy_with_labels_of_chunks(chunks, labels, *, weights=None):
    """`companion.softmax_cross_entropy_with_labels` over chunks of classes, seen once.

    Parameters
    ----------
    chunks : iterable of array_like, shapes (..., C)
        The logits, cut along the last axis.
    labels : array_like of int, shape (...)
        True class of each example, counted over all chunks.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its loss. Where it is 0 the example does not
        count: its loss is 0, and its label and logits are not looked at.

    Returns
    -------
    ndarray, shape (...)
        In nats, with the dtype that the chunks promote to.

    Raises
    ------
    TypeError
        If labels are not integers, `chunks` is a mapping, a table or text, a chunk does not
        hold real numbers, or their dtypes do not promote to one.
    ValueError
        If there is no chunk, one is a single number without an axis, the shapes differ in more
        than C, labels have the wrong shape or leave 0..K-1, or weights are not one finite
        number per example.

    Examples
    --------
    >>> softmax_cross_entropy_with_labels_of_chunks([[40.0], [0.0]], 0)
    np.float64(4.248354255291589e-18)
    """
    counts = None if weights is None else as_real(weights)[0] != 0
    own = _OwnLogit(_counting(counts, labels))
    state, dtype = _read((_counting(counts, chunk) for chunk in _each_of(chunks)), own.look)
    if weights is not None:
        weights = as_weights(weights, np.shape(state.largest), state.largest.dtype)
    index = as_labels(_counting(counts, labels), own.num_classes)
    if index.shape != np.shape(state.largest):
        raise ValueError(
            f"labels must have the shape of the logits without classes, "
            f"{np.shape(state.largest)}; got {index.shape}. "
            "For one-hot or soft targets use softmax_cross_entropy."
        )
    loss = loss_of(state, own.logit)
    return rounded(loss if weights is None else scaled(weights, loss), dtype)


def _counting(counts, x):
    """`x`, with 0 where an example does not count, if that was said."""
    return x if counts is None else only(counts, x)


class _OwnLogit:
    """Picks the logit at the label out of the chunk that has it.

    What labels may not be is said at the end, when the number of classes is known.
    """

    def __init__(self, labels):
        labels = np.asarray(labels)
        # Differences of small or unsigned integers would be wrong without a word.
        self.labels = labels.astype(np.intp) if labels.dtype.kind in "iu" else None
        self.logit, self.num_classes = np.float64(np.nan), 0

    def look(self, chunk):
        first, self.num_classes = self.num_classes, self.num_classes + chunk.shape[-1]
        if (
            chunk.shape[-1]
            and self.labels is not None
            and self.labels.shape == chunk.shape[:-1]
        ):
            here = self.labels - first
            inside = (here >= 0) & (here < chunk.shape[-1])
            index = np.where(inside, here, 0)[..., np.newaxis]
            found = np.take_along_axis(chunk, index, axis=-1)[..., 0]
            self.logit = np.where(inside, found, self.logit)


def _read(chunks, look=lambda chunk: None):
    state, dtypes = None, []
    for chunk in _each_of(chunks):
        work, dtype = as_floating(chunk)
        dtypes.append(dtype)
        look(work)
        state = state_of(work) if state is None else _with(state, work)
    if state is None:
        raise ValueError("at least one chunk is needed; got none. A chunk may have no classes.")
    return state, common_dtype(dtypes, "chunks")


def _with(state, chunk):
    batch = np.shape(state.largest)
    if chunk.shape[:-1] != batch:  # merge would broadcast, as the logits of one array cannot
        raise ValueError(
            "chunks must have the same shape but for the last axis; "
            f"got {chunk.shape[:-1]} without it, after {batch}."
        )
    return merge(state, state_of(chunk))


def _each_of(chunks):
    """The chunks one by one; not the keys of a mapping, the columns of a table, or letters."""
    if not isinstance(chunks, (str, bytes)) and not hasattr(chunks, "keys"):
        try:
            return iter(chunks)
        except TypeError:
            pass
    raise TypeError(
        "chunks must be an iterable of arrays, the logits cut along the last axis; "
        f"got {type(chunks).__name__}. Pass a list of arrays."
    )


def _probs_of(chunks, state, dtype):
    largest, rest = (np.expand_dims(part, -1) for part in state)
    for chunk in chunks:
        x, _ = as_floating(chunk)
        with np.errstate(over="ignore", under="ignore"):
            probs = np.exp(x - largest) / (1 + _rest_of_finite(largest, rest))
        yield rounded(probs, dtype)
