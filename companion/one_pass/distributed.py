"""Cross-entropy over classes that are spread over processes, on `torch.distributed`.

Each process holds the logits of some classes, as where a vocabulary is too large for one
machine. Two small messages make the states of all slices one: a maximum and a sum, of a few
numbers per example. A tiny one before them makes sure that all speak of the same examples. The
logits stay where they are, and so do the gradients.
"""

import numbers
import re
import zlib
from datetime import timedelta

import numpy as np

from companion._core import as_floating, rounded
from companion.one_pass._rows import as_each, spread, weigh
from companion.one_pass.streaming import State, gradient_of, loss_of, state_of

try:
    import torch
    from torch import distributed as dist
except ImportError as error:
    raise ImportError(
        "companion.one_pass.distributed needs PyTorch: pip install torch. "
        "In one process companion.one_pass.fast has the same function in NumPy alone."
    ) from error

TIMEOUT = 60.0  # seconds to wait for the other processes
# What Gloo says of a process that is gone or late; its other errors are not theirs.
LOST = re.compile("time[d -]*out|connect|clos|reset|broken pipe|peer", re.IGNORECASE)


def softmax_cross_entropy_with_labels_and_grad(
    logits, labels, first_class, *, weights=None, group=None, timeout=TIMEOUT
):
    """Loss and gradient of integer labels, where each process holds a slice of the classes.

    All processes of the group call it with the same labels and weights and with logits of one
    dtype. They all get the same losses, and each the gradient of its own slice.

    Parameters
    ----------
    logits : array_like, shape (N, C)
        Unnormalised log-probabilities of the C classes of this process. C may differ.
    labels : array_like of int, shape (N,)
        True class of each example, counted over the classes of all processes.
    first_class : int
        Which class the first column is.
    weights : array_like, shape (N,), optional
        One number per example, which multiplies both results. Where it is 0 the example does
        not count: both are 0, and its label and logits are not looked at.
    group : torch.distributed.ProcessGroup, optional
        Which processes; all, unless given. Its backend must reach the CPU, as Gloo does.
    timeout : float
        Seconds to wait for the others, for each of the three messages.

    Returns
    -------
    loss : ndarray, shape (N,)
        In nats, one per example; of all classes.
    gradient : ndarray, shape (N, C)
        One per example; of the classes here.

    Raises
    ------
    TypeError
        If labels or `first_class` are not integers, or the logits are not real numbers of at
        most 64 bits.
    ValueError
        If shapes do not match, a label lies in no slice or in several, weights are not one
        finite number per example, or the processes do not agree in labels, weights, number of
        examples, or dtype.
    RuntimeError
        If there is no group, this process is not in it, it has no backend for the CPU, or a
        process of it has ended or does not answer in time.

    Notes
    -----
    With M the maximum over all processes and m, r the maximum and the rest of one slice, the
    rest of all is the sum of exp(m - M) (1 + r), where a slice with m = M gives r and counts
    itself; of those that count themselves one is the maximum, and the others add 1 each.

    References
    ----------
    Shoeybi et al. (2019), "Megatron-LM: training multi-billion parameter language models
    using model parallelism", arXiv:1909.08053, section 3, for the idea of fusing the sharded
    output layer with its loss, so that losses are sent and not logits.

    Examples
    --------
    A group of one process:

    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> softmax_cross_entropy_with_labels_and_grad([[40.0, 0.0]], [7], first_class=7)
    (array([4.24835426e-18]), array([[-4.24835426e-18,  4.24835426e-18]]))
    >>> dist.destroy_process_group()
    """
    x, dtype = as_floating(logits)
    labels = _checked(labels, x, first_class)
    weights = as_each(weights, x)
    _refuse_group(group)
    _agree(dtype, labels, weights, group, timeout)
    kept = np.flatnonzero(weights)  # what does not count is in no message
    x, index = x[kept], labels[kept].astype(np.intp) - first_class
    mine = np.flatnonzero((index >= 0) & (index < x.shape[1]))
    state, own, holders = _meet(state_of(x), x[mine, index[mine]], mine, group, timeout)
    _one_each(holders, labels, kept)
    loss, gradient = loss_of(state, own), gradient_of(x, state, own, index)
    for result in (loss, gradient):
        weigh(weights[kept], result)
    return tuple(rounded(spread(r, kept, weights), dtype) for r in (loss, gradient))


def _checked(labels, x, first_class):
    """What can be said without the other processes."""
    labels = np.asarray(labels)
    if x.ndim != 2 or labels.shape != x.shape[:1]:
        raise ValueError(
            f"logits must have shape (N, C) and labels (N,); got {x.shape} and {labels.shape}."
        )
    if labels.dtype.kind not in "iu" and labels.size:
        raise TypeError(f"labels must be integers; got dtype {labels.dtype}.")
    if not isinstance(first_class, numbers.Integral):
        raise TypeError(f"first_class must be an integer; got {first_class!r}.")
    if x.dtype.itemsize > 8:
        raise TypeError(
            f"logits must have at most 64 bits, which PyTorch can send; got dtype {x.dtype}. "
            "Use float64."
        )
    return labels


def _refuse_group(group):
    """Raise where no message could be sent."""
    if not dist.is_initialized():
        raise RuntimeError(
            "a process group must be there; call torch.distributed.init_process_group first. "
            "In one process companion.one_pass.fast has the same function."
        )
    if dist.get_rank(group) < 0:
        raise RuntimeError("this process must be in the group; it is in another one only.")
    backends = dist.get_backend_config(group)
    if "cpu" not in (part.partition(":")[0] for part in backends.split(",")):
        raise RuntimeError(
            f"the group must have a backend for the CPU, where NumPy is; got {backends!r}. "
            'Make one with torch.distributed.new_group(backend="gloo").'
        )


def _agree(dtype, labels, weights, group, timeout):
    """Raise in all processes where they do not speak of the same: else one would abort."""
    said = {
        "dtype of the logits": (dtype.name, zlib.crc32(dtype.name.encode())),
        "number of examples": (len(labels), len(labels)),
        "labels": (labels, zlib.crc32(labels.astype(np.int64).tobytes())),
        "weights": (weights, zlib.crc32(weights.astype(np.float64).tobytes())),
    }
    mine = np.array([number for _, number in said.values()])
    largest, least = _reduce(np.stack([mine, -mine]), dist.ReduceOp.MAX, group, timeout)
    for (what, (value, _)), same in zip(said.items(), largest == -least, strict=True):
        if not same:
            raise ValueError(
                f"all processes must have the same {what}; got {value} here and "
                "something else in another process."
            )


def _one_each(holders, labels, kept):
    wrong = np.flatnonzero(holders != 1)
    if len(wrong):
        place = kept[wrong[0]]
        raise ValueError(
            "each label must lie in the slice of exactly one process; got "
            f"{labels[place]} at position ({place},), in {int(holders[wrong[0]])} slices."
        )


def _meet(state, logits, mine, group, timeout):
    """What all processes know together: the state, the logits at the labels, who holds them."""
    largest = _reduce(state.largest.copy(), dist.ReduceOp.MAX, group, timeout)
    at_peak = state.largest == largest
    with np.errstate(invalid="ignore"):  # -inf less -inf: at the peak, and not used
        shrunk = np.exp(state.largest - largest) * (1 + state.rest)
    parts = np.zeros((4, len(largest)), largest.dtype)
    parts[0] = np.where(at_peak, state.rest, shrunk)
    parts[1] = at_peak
    parts[2, mine], parts[3, mine] = logits, 1
    rest, peaks, own, holders = _reduce(parts, dist.ReduceOp.SUM, group, timeout)
    rest += np.maximum(peaks - 1, 0)
    return State(largest, rest), own, holders


def _reduce(values, operation, group, timeout):
    """`values` over all processes. Waiting has an end."""
    options = dist.AllreduceOptions()
    options.reduceOp, options.timeout = operation, timedelta(seconds=timeout)
    try:
        # dist.all_reduce would wait as long as the group says: half an hour, unless told.
        (group or dist.group.WORLD).allreduce([torch.from_numpy(values)], options).wait()
    except RuntimeError as error:
        if not LOST.search(str(error)):
            raise
        raise RuntimeError(
            f"all {dist.get_world_size(group)} processes of the group must take part; one has "
            f"ended, raised, or not answered within {timeout} s. Start all of them anew."
        ) from error
    return values
