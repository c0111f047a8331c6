"""The distillation loss: a student that learns from labels and from a teacher's logits."""

import numbers
from functools import partial

import numpy as np

from companion._core import as_pair, compared, rounded, weighed
from companion.derivatives import softmax_cross_entropy_with_labels_grad
from companion.losses import softmax_cross_entropy_with_labels


def distillation_loss(
    student_logits, teacher_logits, labels, *, temperature, alpha, weights=None
):
    """A blend of the teacher's softened opinion and the true labels.

    With student logits z, teacher logits v, label y and temperature T::

        loss = alpha * T**2 * KL(softmax(v / T), softmax(z / T))
             + (1 - alpha) * cross-entropy of y under softmax(z)

    At high T the factor T**2 keeps the first gradient in scale: it is T * (softmax(z / T) -
    softmax(v / T)), which tends to the difference of the centred logits over K. The divergence
    is taken as `softmax_kl_divergence` takes it: T**2 would multiply what cancels.

    Parameters
    ----------
    student_logits : array_like, shape (..., K)
        Logits of the model that is trained.
    teacher_logits : array_like, shape (..., K)
        Logits of the model that it learns from.
    labels : array_like of int, shape (...)
        True class of each example.
    temperature : float
        T > 0, without unit. Both distributions are softened by it. Between 1.3e-77 and 8e76;
        for logits of 32 bits or fewer between 3.3e-10 and 3e9.
    alpha : float
        Weight of the teacher, in 0..1.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its loss. Where it is 0 the example does not
        count: its loss is 0, and its label and logits are not looked at.

    Returns
    -------
    ndarray, shape (...)
        One loss per example, in nats, with the dtype of the student's logits.

    Raises
    ------
    TypeError
        If labels are not integers, or T or alpha is not a number.
    ValueError
        If shapes do not match, a label leaves 0..K-1, T is past its ends, or alpha leaves 0..1.
        If weights are not one finite number per example.

    References
    ----------
    Hinton, Vinyals & Dean (2015), "Distilling the knowledge in a neural network",
    section 2, arXiv:1503.02531.

    Examples
    --------
    A student that agrees with its teacher pays for the label alone.

    >>> distillation_loss([1, 0], [1, 0], 0, temperature=4, alpha=0.5)
    np.float64(0.15663084375911143)
    """
    if weights is not None:
        return weighed(
            partial(distillation_loss, temperature=temperature, alpha=alpha),
            weights,
            student_logits,
            teacher_logits,
            labels,
        )
    student, teacher, dtype = _checked(student_logits, teacher_logits, temperature, alpha)
    divergence, _ = compared(student, teacher, temperature)
    hard = softmax_cross_entropy_with_labels(student, labels)
    soft = _share(alpha * temperature**2, divergence[..., 0])
    with np.errstate(over="ignore"):
        return rounded(soft + _share(1 - alpha, hard), dtype)


def distillation_loss_grad(
    student_logits, teacher_logits, labels, *, temperature, alpha, weights=None
):
    """Gradient of `distillation_loss` with respect to the student's logits.

    ::

        alpha * T * (softmax(z / T) - softmax(v / T)) + (1 - alpha) * (softmax(z) - one_hot(y))

    Parameters
    ----------
    student_logits : array_like, shape (..., K)
        Logits of the model that is trained.
    teacher_logits : array_like, shape (..., K)
        Logits of the model that it learns from.
    labels : array_like of int, shape (...)
        True class of each example.
    temperature : float
        T > 0, without unit. Its ends are those of the loss.
    alpha : float
        Weight of the teacher, in 0..1.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its gradient. Where it is 0 the example does
        not count: its gradient is 0, and its label and logits are not looked at.

    Returns
    -------
    ndarray, shape (..., K)
        One gradient per example, with the dtype of the student's logits.

    Raises
    ------
    TypeError
        If labels are not integers, or T or alpha is not a number.
    ValueError
        If shapes do not match, a label leaves 0..K-1, T is past its ends, or alpha leaves 0..1.
        If weights are not one finite number per example.

    References
    ----------
    Hinton, Vinyals & Dean (2015), section 2, arXiv:1503.02531.

    Examples
    --------
    >>> distillation_loss_grad([0, 0], [0, 0], 0, temperature=4, alpha=0.5)
    array([-0.25,  0.25])
    """
    if weights is not None:
        return weighed(
            partial(distillation_loss_grad, temperature=temperature, alpha=alpha),
            weights,
            student_logits,
            teacher_logits,
            labels,
        )
    student, teacher, dtype = _checked(student_logits, teacher_logits, temperature, alpha)
    _, soft = compared(student, teacher, temperature)
    hard = softmax_cross_entropy_with_labels_grad(student, labels)
    return rounded(_share(alpha * temperature, soft) + _share(1 - alpha, hard), dtype)


def _share(weight, part):
    # A part that has no weight does not count, also where it is inf.
    with np.errstate(over="ignore", under="ignore"):
        return weight * part if weight else np.zeros_like(part)


def _checked(student_logits, teacher_logits, temperature, alpha):
    names = ("student_logits", "teacher_logits")
    student, teacher, (dtype, _) = as_pair(student_logits, teacher_logits, names)
    for name, value in {"temperature": temperature, "alpha": alpha}.items():
        if not isinstance(value, numbers.Real):
            raise TypeError(f"{name} must be one number; got {value!r}.")
    least = (
        float(np.finfo(student.dtype).tiny) ** 0.25
    )  # T**2 and its inverse keep their digits
    if not least <= temperature <= 1 / least:
        raise ValueError(
            f"temperature must lie between {least:.2g} and {1 / least:.2g} "
            f"for {student.dtype} logits; got {temperature}."
        )
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in 0..1, the teacher's weight; got {alpha}.")
    return student, teacher, dtype
