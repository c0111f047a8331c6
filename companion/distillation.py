"""The distillation loss: a student that learns from labels and from a teacher's logits."""

import numpy as np

from companion._core import as_floating, rounded
from companion.derivatives import softmax_cross_entropy_with_labels_grad
from companion.functions import log_softmax, softmax
from companion.losses import softmax_cross_entropy_with_labels


def distillation_loss(student_logits, teacher_logits, labels, *, temperature, alpha):
    """A blend of the teacher's softened opinion and the true labels.

    With student logits z, teacher logits v, label y and temperature T::

        loss = alpha * T**2 * KL(softmax(v / T), softmax(z / T))
             + (1 - alpha) * cross-entropy of y under softmax(z)

    The factor T**2 keeps the first gradient in scale: it is T * (softmax(z / T) -
    softmax(v / T)), which tends to the difference of the centred logits over K.

    Parameters
    ----------
    student_logits : array_like, shape (..., K)
        Logits of the model that is trained.
    teacher_logits : array_like, shape (..., K)
        Logits of the model that it learns from.
    labels : array_like of int, shape (...)
        True class of each example.
    temperature : float
        T > 0, without unit. Both distributions are softened by it.
    alpha : float
        Weight of the teacher, in 0..1.

    Returns
    -------
    ndarray, shape (...)
        One loss per example, in nats, with the dtype of the student's logits.

    Raises
    ------
    TypeError
        If labels are not integers.
    ValueError
        If shapes do not match, a label leaves 0..K-1, T is not positive and finite, or alpha
        leaves 0..1.

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
    student, teacher, dtype = _as_pair(student_logits, teacher_logits, temperature, alpha)
    probs = softmax(teacher / temperature)
    with np.errstate(invalid="ignore"):  # both may rule a class out: inf - inf
        log_ratio = log_softmax(teacher / temperature) - log_softmax(student / temperature)
    # A class that the teacher rules out costs nothing, whatever the student thinks of it.
    divergence = (probs * np.where(probs == 0, 0, log_ratio)).sum(axis=-1)
    hard = softmax_cross_entropy_with_labels(student, labels)
    loss = _weighted(alpha * temperature**2, divergence) + _weighted(1 - alpha, hard)
    return rounded(loss, dtype)


def distillation_loss_grad(student_logits, teacher_logits, labels, *, temperature, alpha):
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
        T > 0, without unit.
    alpha : float
        Weight of the teacher, in 0..1.

    Returns
    -------
    ndarray, shape (..., K)
        One gradient per example, with the dtype of the student's logits.

    Raises
    ------
    TypeError
        If labels are not integers.
    ValueError
        If shapes do not match, a label leaves 0..K-1, T is not positive and finite, or alpha
        leaves 0..1.

    References
    ----------
    Hinton, Vinyals & Dean (2015), section 2, arXiv:1503.02531.

    Examples
    --------
    >>> distillation_loss_grad([0, 0], [0, 0], 0, temperature=4, alpha=0.5)
    array([-0.25,  0.25])
    """
    student, teacher, dtype = _as_pair(student_logits, teacher_logits, temperature, alpha)
    soft = softmax(student / temperature) - softmax(teacher / temperature)
    hard = softmax_cross_entropy_with_labels_grad(student, labels)
    gradient = _weighted(alpha * temperature, soft) + _weighted(1 - alpha, hard)
    return gradient.astype(dtype, copy=False)


def _weighted(weight, part):
    # A part that has no weight does not count, also where it is inf.
    return weight * part if weight else np.zeros_like(part)


def _as_pair(student_logits, teacher_logits, temperature, alpha):
    student, dtype = as_floating(student_logits)
    teacher, _ = as_floating(teacher_logits)
    if student.shape != teacher.shape:
        raise ValueError(
            "teacher_logits must have the shape of student_logits, "
            f"{student.shape}; got {teacher.shape}."
        )
    if not 0 < temperature < np.inf:
        raise ValueError(f"temperature must be positive and finite; got {temperature}.")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in 0..1, the teacher's weight; got {alpha}.")
    return student, teacher, dtype
