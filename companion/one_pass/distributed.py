"""Cross-entropy over classes that are spread over processes, on `torch.distributed`.

Each process holds the logits of some classes, as where a vocabulary is too large for one
machine. Two small messages make the states of all slices one: a maximum and a sum, of a few
numbers per example. The logits stay where they are, and so do the gradients.
"""

from datetime import timedelta

import numpy as np
import torch
from torch import distributed as dist

from companion._core import as_floating, rounded
from companion.one_pass.streaming import State, gradient_of, loss_of, state_of

TIMEOUT = 60.0  # seconds to wait for the other processes


def softmax_cross_entropy_with_labels_and_grad(
    logits, labels, first_class, *, group=None, timeout=TIMEOUT
):
    """Loss and gradient of integer labels, where each process holds a slice of the classes.

    All processes of the group call it with the same labels. They all get the same losses, and
    each the gradient of its own slice.

    Parameters
    ----------
    logits : array_like, shape (N, C)
        Unnormalised log-probabilities of the C classes of this process. C may differ.
    labels : array_like of int, shape (N,)
        True class of each example, counted over the classes of all processes.
    first_class : int
        Which class the first column is.
    group : torch.distributed.ProcessGroup, optional
        Which processes; all, unless given.
    timeout : float
        Seconds to wait for the others, for each of the two messages.

    Returns
    -------
    loss : ndarray, shape (N,)
        In nats, one per example; of all classes.
    gradient : ndarray, shape (N, C)
        One per example; of the classes here.

    Raises
    ------
    TypeError
        If labels are not integers.
    ValueError
        If shapes do not match, or a label lies in no slice or in several.
    RuntimeError
        If there is no group, or a process of it has ended or does not answer in time.

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
    labels = _checked(labels, x)
    index = labels.astype(np.intp) - first_class
    mine = np.flatnonzero((index >= 0) & (index < x.shape[1]))
    state, own, holders = _meet(state_of(x), x[mine, index[mine]], mine, group, timeout)
    _one_each(holders, labels)
    gradient = gradient_of(np.array(x), state, own, index)
    return rounded(loss_of(state, own), dtype), rounded(gradient, dtype)


def _checked(labels, x):
    """What can be said before anything is sent."""
    labels = np.asarray(labels)
    if x.ndim != 2 or labels.shape != x.shape[:1]:
        raise ValueError(
            f"logits must have shape (N, C) and labels (N,); got {x.shape} and {labels.shape}."
        )
    if labels.dtype.kind not in "iu" and labels.size:
        raise TypeError(f"labels must be integers; got dtype {labels.dtype}.")
    if not dist.is_initialized():
        raise RuntimeError(
            "a process group must be there; call torch.distributed.init_process_group first. "
            "In one process companion.one_pass.fast has the same function."
        )
    return labels


def _one_each(holders, labels):
    wrong = np.flatnonzero(holders != 1)
    if len(wrong):
        raise ValueError(
            "each label must lie in the slice of exactly one process; got "
            f"{labels[wrong[0]]} at position ({wrong[0]},), in {int(holders[wrong[0]])} slices."
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
        raise RuntimeError(
            f"all {dist.get_world_size(group)} processes of the group must take part; one has "
            f"ended, raised, or not answered within {timeout} s. Start all of them anew."
        ) from error
    return values
