"""`diagnose` of arrays: outputs, labels, and the loss that a program printed."""

import numpy as np

from companion._core import as_axis
from companion.diagnose._beside import compared
from companion.diagnose._kinds import found
from companion.diagnose._reading import read
from companion.diagnose.findings import Diagnosis


def diagnose(outputs, labels=None, *, loss=None, axis=-1):
    """Look at what a model gives to a loss, and say what looks wrong.

    Outputs, labels and the loss are compared with what right and wrong programs would have:
    a loss that is exactly that of a softmax taken twice, and not that of one, names the
    mistake. What is sure is told first. A loss that no program here explains, as one with
    weights or smoothed labels, is no finding.

    Parameters
    ----------
    outputs : array_like, shape (..., K)
        What the loss was given: logits, unless it wants probabilities, which are told of
        where no loss says that they are right. Anything that
        converts to an array of numbers: tensors on any device, sparse matrices, lists.
    labels : array_like, optional
        Class indices, shape (...), or distributions, shape (..., K).
    loss : array_like, optional
        What the program printed, in nats: the mean, or one loss per example, shape (...). A
        float of up to 8 digits counts as typed, and is compared to the digits that it has.
    axis : int
        Where the classes are.

    Returns
    -------
    Diagnosis
        A sequence of findings, empty if nothing looks wrong. Whatever the inputs hold,
        nothing is raised, and they are not changed.

    Raises
    ------
    TypeError
        If `axis` is not one integer.

    References
    ----------
    The chapter *Pitfalls* shows the symptoms of most kinds.

    Examples
    --------
    >>> import numpy as np
    >>> logits = np.array([[4.0, 1.0, 0.0], [0.0, 3.0, 1.0]])
    >>> diagnose(logits, [0, 1], loss=0.1179)
    Nothing looks wrong: outputs (2, 3) float64, labels, loss.
    >>> diagnose(logits, [0, 1], loss=0.2357)
    sum (likely): The loss, 0.2357, is the sum over 2 examples; the mean is
        0.1179. The gradient is then 2 times as large.
      Mend: Take the mean. In plain gradient descent a learning rate divided by
        2 does the same.
      See: Framework equivalents: What is a mean?
    Looked at: outputs (2, 3) float64, labels, loss.
    """
    axis, numbers = as_axis(axis), read(outputs, "outputs")
    if numbers.values is None:
        return Diagnosis(numbers.findings, "outputs that cannot be read")
    shape = numbers.values.shape
    if not -len(shape) <= axis < len(shape):
        variant = "" if shape else "number"
        finding = found("axis", "certain", variant, shape=shape, axis=axis)
        return Diagnosis((finding,), f"outputs of shape {shape}")
    labels = None if labels is None else read(labels, "labels")
    printed = None if loss is None else read(loss, "loss")
    with np.errstate(all="ignore"):  # what the numbers do is reported
        return compared(numbers, labels, (loss, printed), axis)
