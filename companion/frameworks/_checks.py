"""What the losses of this room refuse, in the core's words.

Plain Python on shapes and numbers: a compiler can follow it, and no tensor is looked at.
"""

import numbers

import numpy as np

from companion._core import as_weights


def refuse_blend(temperature, alpha, dtype, tiny):
    """Raise what `companion.distillation_loss` raises for temperature and alpha.

    Parameters
    ----------
    temperature : float
        T > 0, without unit.
    alpha : float
        Weight of the teacher, in 0..1.
    dtype : str
        In which the loss is computed.
    tiny : float
        Its smallest normal number.

    Raises
    ------
    TypeError
        If T or alpha is not a number.
    ValueError
        If T is past its ends, or alpha leaves 0..1.

    Examples
    --------
    >>> refuse_blend(4.0, 1.5, "float64", 2.2e-308)
    Traceback (most recent call last):
    ...
    ValueError: alpha must lie in 0..1, the teacher's weight; got 1.5.
    """
    for name, value in (("temperature", temperature), ("alpha", alpha)):
        if not isinstance(value, numbers.Real):
            raise TypeError(f"{name} must be one number; got {value!r}.")
    least = tiny**0.25  # T**2 and its inverse keep their digits
    if not least <= temperature <= 1 / least:
        raise ValueError(
            f"temperature must lie between {least:.2g} and {1 / least:.2g} "
            f"for {dtype} logits; got {temperature}."
        )
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in 0..1, the teacher's weight; got {alpha}.")


def refuse_logits(student, teacher):
    """Raise what the core raises for shapes of logits that do not match.

    Parameters
    ----------
    student, teacher : sequence of int
        Shapes. None is a length that is not known yet, and fits any.

    Raises
    ------
    ValueError
        If the shapes differ, or are those of a single number without an axis.

    Examples
    --------
    >>> refuse_logits((None, 3), (1, 4))
    Traceback (most recent call last):
    ...
    ValueError: teacher_logits must have the shape of student_logits, (None, 3); got (1, 4).
    """
    if not (len(student) and len(teacher)):
        raise ValueError(
            "an axis of classes is needed, shape (..., K); got one number, shape ()."
        )
    if not fit(student, teacher):
        raise ValueError(
            "teacher_logits must have the shape of student_logits, "
            f"{tuple(student)}; got {tuple(teacher)}."
        )


def refuse_labels(dtype, shape, batch):
    """Raise what the core raises for labels of a wrong type or shape.

    Parameters
    ----------
    dtype : str
        That of the labels.
    shape : sequence of int
        Theirs.
    batch : sequence of int
        That of the logits without the classes.

    Raises
    ------
    TypeError
        If labels are not integers.
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> refuse_labels("int64", (3, 1), (3,))
    Traceback (most recent call last):
    ...
    ValueError: labels must have the shape of the logits without classes, (3,); got (3, 1). \
For one-hot or soft targets use softmax_cross_entropy.
    """
    if not dtype.startswith(("int", "uint")) and 0 not in shape:
        raise TypeError(
            "labels must be integers, one class index per example; "
            f"got dtype {dtype}. For one-hot or soft targets use softmax_cross_entropy."
        )
    if not fit(shape, batch):
        raise ValueError(
            f"labels must have the shape of the logits without classes, {tuple(batch)}; "
            f"got {tuple(shape)}. For one-hot or soft targets use softmax_cross_entropy."
        )


def refuse_weights(shape, batch, values):
    """Raise what the core raises for weights of a wrong shape, or that are not finite.

    Parameters
    ----------
    shape : sequence of int
        Theirs.
    batch : sequence of int
        That of the logits without the classes.
    values : ndarray or None
        What they are; None where nobody can look at them.

    Raises
    ------
    ValueError
        If there is not one for each example, or one is not finite.

    Examples
    --------
    >>> refuse_weights((1,), (3,), None)
    Traceback (most recent call last):
    ...
    ValueError: weights must be one number per example, shape (3,); got (1,). \
For weights of classes pass class_weights[labels].
    """
    if not fit(shape, batch):
        raise ValueError(
            f"weights must be one number per example, shape {tuple(batch)}; "
            f"got {tuple(shape)}. For weights of classes pass class_weights[labels]."
        )
    if values is not None:
        as_weights(values, values.shape, np.float64)


def fit(shape, other):
    """Whether two shapes can be one.

    Parameters
    ----------
    shape, other : sequence of int
        None is a length that is not known yet, and fits any.

    Returns
    -------
    bool

    Examples
    --------
    >>> fit((None, 3), (2, 3)), fit((3,), (2, 3))
    (True, False)
    """
    if len(shape) != len(other):
        return False
    return all(m is None or n is None or m == n for m, n in zip(shape, other, strict=True))
