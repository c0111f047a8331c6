"""Distillation in Keras 3, on any backend: the loss, and a model that trains with it."""

import keras
from keras import ops


def distillation_loss(student_logits, teacher_logits, labels, *, temperature, alpha):
    """`companion.distillation_loss` on tensors of Keras's backend.

    Parameters
    ----------
    student_logits : tensor, shape (N, K)
        Logits of the model that is trained.
    teacher_logits : tensor, shape (N, K)
        Logits of the model that it learns from. No gradient flows into them.
    labels : tensor of int, shape (N,)
        True class of each example.
    temperature : float
        T > 0, without unit. Both distributions are softened by it.
    alpha : float
        Weight of the teacher, in 0..1.

    Returns
    -------
    tensor, shape (N,)
        One loss per example, in nats.

    References
    ----------
    Hinton, Vinyals & Dean (2015), "Distilling the knowledge in a neural network",
    section 2, arXiv:1503.02531.

    Examples
    --------
    A student that agrees with its teacher pays for the label alone.

    >>> logits = ops.convert_to_tensor([[1.0, 0.0]])
    >>> loss = distillation_loss(logits, logits, [0], temperature=4, alpha=0.5)
    >>> ops.convert_to_numpy(loss).round(4)
    array([0.1566], dtype=float32)
    """
    teacher_logits = ops.stop_gradient(teacher_logits)
    log_student = ops.log_softmax(student_logits / temperature)
    log_teacher = ops.log_softmax(teacher_logits / temperature)
    teacher = ops.softmax(teacher_logits / temperature)
    # A class that the teacher rules out costs nothing, where 0 * -inf would be nan.
    log_ratio = ops.where(teacher > 0, log_teacher - log_student, 0)
    soft = ops.sum(teacher * log_ratio, axis=-1)
    hard = ops.sparse_categorical_crossentropy(labels, student_logits, from_logits=True)
    return alpha * temperature**2 * soft + (1 - alpha) * hard


class Distiller(keras.Model):
    """A student in training: `compile` it with an optimizer alone, and `fit` it.

    Its outputs are those of the student. The loss is computed in `compute_loss`, which
    unlike `train_step` is the same on every backend.

    Parameters
    ----------
    student : keras.Model
        From images to logits, already built. It is changed.
    teacher : keras.Model
        From images to logits, already built. It is frozen (`trainable = False`, for good)
        and called in inference mode: a model inside a model is trained with it otherwise.
    temperature : float
        T > 0, without unit.
    alpha : float
        Weight of the teacher, in 0..1.

    Examples
    --------
    >>> student = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    >>> teacher = keras.models.clone_model(student)
    >>> distiller = Distiller(student, teacher, temperature=2, alpha=0.9)
    >>> distiller.compile(optimizer="adam")
    >>> images, labels = ops.eye(2), ops.arange(2)
    >>> history = distiller.fit(images, labels, epochs=2, verbose=0)
    >>> len(history.history["loss"]), len(distiller.trainable_variables)
    (2, 2)
    """

    def __init__(self, student, teacher, *, temperature, alpha, **kwargs):
        super().__init__(**kwargs)
        teacher.trainable = False
        self.student, self.teacher = student, teacher
        self.temperature, self.alpha = temperature, alpha

    def call(self, inputs, training=None):
        """Logits of the student."""
        return self.student(inputs, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Mean distillation loss of a batch, and what layers add to it."""
        losses = distillation_loss(
            y_pred,
            self.teacher(x, training=False),
            y,
            temperature=self.temperature,
            alpha=self.alpha,
        )
        if sample_weight is not None:
            losses = losses * ops.cast(sample_weight, losses.dtype)
        return ops.mean(losses) + sum(self.losses)
