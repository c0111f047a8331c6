"""Distillation in Keras 3, on any backend: a loss, a model for it. A look at live models."""

import math
import warnings
from functools import partial

import numpy as np

from companion._core import as_labels
from companion.frameworks._checks import (
    fit,
    refuse_blend,
    refuse_labels,
    refuse_logits,
    refuse_weights,
)

try:
    import keras
    from keras import ops
except ImportError as error:  # of Keras, or of its backend
    raise ImportError(
        "companion.frameworks.keras needs Keras and a backend: pip install keras tensorflow. "
        "companion.distillation_loss is the same loss in NumPy alone."
    ) from error

from companion.frameworks._live_keras import looked_at


def distillation_loss(
    student_logits, teacher_logits, labels, *, temperature, alpha, weights=None
):
    """`companion.distillation_loss` on tensors of Keras's backend, with its checks and digits.

    Parameters
    ----------
    student_logits : tensor, shape (..., K)
        Logits of the model that is trained.
    teacher_logits : tensor, shape (..., K)
        Logits of the model that it learns from. No gradient flows into them.
    labels : tensor of int, shape (...)
        True class of each example, in 0..K-1.
    temperature : float
        T > 0, without unit. Both distributions are softened by it. Its ends are those of the
        core: between 3.3e-10 and 3e9 for logits of 32 bits or fewer.
    alpha : float
        Weight of the teacher, in 0..1.
    weights : tensor, shape (...), optional
        One number per example, which multiplies its loss. Where it is 0 the example does not
        count: its loss is 0, and its label and logits are not looked at.

    Returns
    -------
    tensor, shape (...)
        One loss per example, in nats. It has the dtype of the student's logits, and float32
        where those have 16 bits: a sum over examples soon leaves what 16 bits can hold.

    Raises
    ------
    TypeError
        If labels are not integers, T or alpha is not a number, or logits are not real.
    ValueError
        If shapes do not match, a label leaves 0..K-1, T is past its ends, alpha leaves 0..1,
        or weights are not one finite number per example.

    Notes
    -----
    All is computed in float32 or float64, also under the policies `mixed_float16` and
    `mixed_bfloat16`. Where the backend compiles, as in `fit`, nobody can look at the labels:
    there one outside 0..K-1 makes its loss and gradient nan.

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
    student, teacher, dtype = _as_pair(student_logits, teacher_logits)
    work = keras.backend.standardize_dtype(student.dtype)
    refuse_blend(temperature, alpha, work, float(np.finfo(work).tiny))
    if weights is not None:
        weights, *counting = _counting(weights, student, teacher, labels)
        student, teacher, labels = counting
    labels, right = _as_labels(labels, student)
    if 0 in student.shape:
        return ops.cast(ops.sum(student, axis=-1), dtype)
    loss = ops.zeros_like(student[..., 0])
    if alpha > 0:  # a part that has no weight does not count, also where it is inf
        loss = loss + alpha * temperature**2 * _soft(student, teacher, temperature)
    if alpha < 1:
        loss = loss + (1 - alpha) * _hard(student, labels)
    return ops.cast(loss * right * (1 if weights is None else weights), dtype)


def _as_pair(student, teacher):
    """Both logits in one working precision, and the dtype of the result."""
    student, teacher = _as_real(student), ops.stop_gradient(_as_real(teacher))
    refuse_logits(student.shape, teacher.shape)
    common = keras.backend.result_type(student.dtype, teacher.dtype)
    dtype = keras.backend.standardize_dtype(student.dtype)
    return ops.cast(student, common), ops.cast(teacher, common), dtype


def _as_real(logits):
    """Logits of 32 bits or more; integers become Keras's `floatx`."""
    logits = ops.convert_to_tensor(logits)
    dtype = keras.backend.standardize_dtype(logits.dtype)
    if dtype.startswith("complex"):
        raise TypeError(f"logits and probabilities must be real numbers; got dtype {dtype}.")
    if not keras.backend.is_float_dtype(dtype):
        dtype = keras.config.floatx()
    return ops.cast(logits, keras.backend.result_type(dtype, "float32"))


def _counting(weights, student, teacher, labels):
    """Weights in the precision of the logits; the rest with 0 for what does not count."""
    weights, labels = ops.convert_to_tensor(weights), ops.convert_to_tensor(labels)
    refuse_weights(weights.shape, student.shape[:-1], _values(weights))
    weights = ops.cast(weights, student.dtype)  # before: TensorFlow compares no bool with 0
    counts = weights != 0
    if fit(labels.shape, counts.shape):  # else it is refused below
        labels = ops.where(counts, labels, ops.zeros_like(labels))
    each = ops.expand_dims(counts, -1)
    student, teacher = (ops.where(each, x, 0) for x in (student, teacher))
    return weights, student, teacher, labels


def _as_labels(labels, logits):
    """Labels that can be compared, and a factor: 1, or nan for wrong ones that nobody saw."""
    labels = ops.convert_to_tensor(labels)
    dtype, num_classes = keras.backend.standardize_dtype(labels.dtype), logits.shape[-1]
    refuse_labels(dtype, labels.shape, logits.shape[:-1])
    values = _values(labels)
    labels = ops.cast(labels, "int64" if dtype in ("int64", "uint32", "uint64") else "int32")
    if values is not None:
        as_labels(values, num_classes)
        return labels, 1
    right = ops.logical_and(labels >= 0, labels < num_classes)
    return labels, ops.cast(ops.where(right, 1.0, math.nan), logits.dtype)


def _values(tensor):
    """A tensor as an array; None where it has no values to look at, only a name for them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TensorFlow's, before its error
            return np.asarray(ops.convert_to_numpy(tensor))
    except (RuntimeError, TypeError):  # TensorFlow's and JAX's words for it
        return None


def _hard(logits, labels):
    """Cross-entropy of labels: log(1 + exp(-odds)), odds of the label against all others.

    Where the label is nearly sure the loss and the gradient p - 1 keep their digits, which
    those of `ops.sparse_categorical_crossentropy` lose.
    """
    logits = logits - ops.stop_gradient(ops.max(logits, axis=-1, keepdims=True))
    mine = ops.equal(
        ops.expand_dims(labels, -1), ops.arange(logits.shape[-1], dtype=labels.dtype)
    )
    own = ops.sum(ops.where(mine, logits, 0), axis=-1)
    # Where all others are -inf, logsumexp has no slope.
    least = float(np.finfo(keras.backend.standardize_dtype(logits.dtype)).min)
    others = ops.where(mine | (logits < least), least, logits)
    return -ops.log_sigmoid(own - ops.logsumexp(others, axis=-1))


def _soft(student, teacher, temperature):
    """KL(softmax(teacher / T), softmax(student / T))."""
    gaps = (ops.stop_gradient(student) - teacher) / temperature  # exact before it is divided
    return _divergence(student / temperature, teacher / temperature, gaps)


@ops.custom_gradient
def _divergence(logits, targets, gaps):
    """KL(softmax(targets), softmax(logits)), with a gradient that keeps its digits.

    By itself a backend would keep twenty arrays of the series in `_excess`. Derivatives of any
    order are right: the gradient has the value of `difference` and the slope of softmax.
    """
    divergence, difference = _compared(logits, targets, gaps)

    def gradient(*given, upstream=None):
        # PyTorch's backend gives the inputs and names the slope; others give the slope alone.
        z, slope = (logits, given[0]) if upstream is None else (given[0], upstream)
        probs = _softmax(z)
        soft = difference + (probs - ops.stop_gradient(probs))
        return ops.expand_dims(slope, -1) * soft, ops.zeros_like(targets), ops.zeros_like(gaps)

    return divergence, gradient


def _compared(logits, targets, gaps):
    """As `companion._core.compared`, from logits, targets and logits - targets.

    With t = softmax(targets) and d = gaps less their mean under t, the divergence is
    log(1 + S), S = sum(t * (exp(d) - 1 - d)): all terms are at least 0.
    """
    t = _softmax(targets)
    ruled_out = ops.equal(targets, -math.inf)
    lost = ops.logical_and(ops.equal(logits, -math.inf), ops.logical_not(ruled_out))
    d, mean = _centred(ops.where(ops.logical_or(ruled_out, lost), 0, gaps), t)
    near = ops.logical_and(ops.abs(d) < 1, ops.logical_not(ruled_out))
    divergence = _log_of_moved(t, d, near, _log_moved(logits, targets, mean))
    divergence = ops.where(ops.any(lost, axis=-1, keepdims=True), math.inf, divergence)
    step = d - divergence  # log(p / t)
    close = ops.logical_and(near, ops.abs(step) < 1)
    plain = _softmax(logits) - t
    return divergence[..., 0], ops.where(close, t * ops.expm1(step), plain)


def _softmax(logits):
    return ops.exp(ops.log_softmax(logits))  # ops.softmax warns of a single class


def _centred(gaps, t):
    """gaps less their mean under t, and that mean."""
    mean = ops.sum(t * gaps, axis=-1, keepdims=True)
    d = gaps - mean
    return d - ops.sum(t * d, axis=-1, keepdims=True), mean  # again, for what was rounded away


def _log_moved(logits, targets, mean):
    """log(t * exp(d)), also where t is 0 and d large."""
    largest = ops.max(targets, axis=-1, keepdims=True)
    return logits - largest - ops.logsumexp(targets - largest, axis=-1, keepdims=True) - mean


def _log_of_moved(t, d, near, log_moved):
    """log(1 + S), as shift + log(exp(-shift) * (1 + S)): S alone may overflow."""
    log_moved = ops.where(near, -math.inf, log_moved)
    shift = ops.maximum(ops.max(log_moved, axis=-1, keepdims=True), 0)
    scale = ops.exp(-shift)
    far = ops.exp(log_moved - shift) - scale * t * (1 + d)
    terms = ops.where(near, scale * t * _excess(d), far)
    total = ops.sum(terms, axis=-1, keepdims=True)
    return shift + ops.log1p(total + ops.expm1(-shift))


def _excess(d):
    """exp(d) - 1 - d by its series; what lies outside -1..1 counts as the nearer end."""
    d = ops.clip(d, -1, 1)
    series = ops.zeros_like(d)
    for k in range(TERMS[keras.backend.standardize_dtype(d.dtype)], 1, -1):
        series = series * d + 1 / math.factorial(k)
    return d * d * series


# The first term left out is below half an ulp of the sum at 1.
TERMS = {"float32": 11, "float64": 19}


@keras.saving.register_keras_serializable(package="companion")
class Distiller(keras.Model):
    """A student in training: `compile` it with an optimizer and no loss, and `fit` it.

    Its outputs, weights and layers are those of the student. The loss is computed in
    `compute_loss`, which unlike `train_step` is the same on every backend. It can be saved
    and loaded, with its teacher, where both models can.

    Parameters
    ----------
    student : keras.Model
        From images to logits, already built. It is changed.
    teacher : keras.Model
        From images to logits, already built. It is called in inference mode, and is no part
        of this model: its weights and statistics stay, its penalties do not count, and
        whether it is trainable elsewhere is not changed.
    temperature : float
        T > 0, without unit.
    alpha : float
        Weight of the teacher, in 0..1.

    Raises
    ------
    TypeError
        If T or alpha is not a number.
    ValueError
        If T is past its ends, or alpha leaves 0..1.

    Notes
    -----
    Labels have shape (N,) or (N, 1), and so have sample weights: one per loss. A mask that
    layers hand on is not looked at; give what does not count a sample weight of 0.

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
        refuse_blend(temperature, alpha, "float32", float(np.finfo("float32").tiny))
        self.student = student
        # Keras trains a model inside a model. It does not see one that is in here.
        self._taught = partial(teacher, training=False)
        self.temperature, self.alpha = temperature, alpha
        self.built = student.built  # there is nothing else to build

    @property
    def teacher(self):
        """The model that the student learns from."""
        return self._taught.func

    def call(self, inputs, training=None):
        """Logits of the student."""
        return self.student(inputs, training=training)

    def compile(self, optimizer="rmsprop", loss=None, loss_weights=None, **settings):
        """As of every model, but for the loss: a Distiller has its own."""
        if loss is not None or loss_weights is not None:
            raise ValueError(
                "a Distiller has its own loss, of labels and teacher; got another one. "
                "Compile it with an optimizer and no loss."
            )
        super().compile(optimizer=optimizer, **settings)

    def compute_loss(
        self,
        x=None,
        y=None,
        y_pred=None,
        sample_weight=None,
        training=True,
    ):
        """Mean distillation loss of a batch, and what layers of the student add to it."""
        losses = distillation_loss(
            y_pred,
            self._taught(x),
            _without_last(y, len(y_pred.shape) - 1),
            temperature=self.temperature,
            alpha=self.alpha,
        )
        if sample_weight is not None:
            losses = losses * _weights(sample_weight, losses)
        return ops.mean(losses) + sum(self.losses)

    def get_config(self):
        """What `from_config` makes an equal model from; weights are saved beside it."""
        models = {"student": self.student, "teacher": self.teacher}
        saved = {k: keras.saving.serialize_keras_object(v) for k, v in models.items()}
        blend = {"temperature": self.temperature, "alpha": self.alpha}
        return super().get_config() | saved | blend

    @classmethod
    def from_config(cls, config):
        """The inverse of `get_config`."""
        models = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("student", "teacher")
        }
        return cls(**config | models)

    def compile_from_config(self, config):
        """Compile a loaded model as the saved one was."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)


def _without_last(values, rank):
    """Values of shape (N, 1) as (N,), as Keras's own losses take them."""
    values = ops.convert_to_tensor(values)
    if len(values.shape) == rank + 1 and values.shape[-1] == 1:
        return ops.squeeze(values, -1)
    return values


def _weights(sample_weight, losses):
    """One weight for each loss; others would spread over the batch."""
    weights = _without_last(ops.cast(sample_weight, losses.dtype), len(losses.shape))
    if len(weights.shape) != len(losses.shape):
        raise ValueError(
            "sample_weight must have one weight per loss, shape "
            f"{tuple(losses.shape)}; got {tuple(weights.shape)}."
        )
    return weights


def diagnose(model, batch, loss=None):
    """`companion.diagnose` on a live model: run it once on a batch, and say what looks wrong.

    What the loss is given is held against what it was told: `from_logits`, its reduction,
    classes to ignore. What arrays cannot show is looked at too: a gradient that reaches the
    teacher or nobody, a teacher in training mode.

    Parameters
    ----------
    model : keras.Model
        Built. It runs once with `training=True`, as in `fit`. Weights, statistics, metrics,
        optimizer and seed generators are as before.
    batch : tuple
        Inputs, labels and perhaps sample weights, as for `fit`; several inputs as
        `((a, b), labels)`. Of several outputs each is looked at, beside its own labels and
        loss, by name or in a row as `fit` pairs them; of a model with a `compute_loss` of its
        own the first.
    loss : str, callable or keras.losses.Loss, optional
        As for `compile`. Without it the one that the model was compiled with, or its own
        `compute_loss`. The model is called without the labels. If there is no loss, the
        diagnosis says so.

    Returns
    -------
    companion.diagnose.findings.Diagnosis
        A sequence of findings, empty if nothing looks wrong. Nothing is raised: what cannot
        be run is a finding with the error's words.

    Notes
    -----
    Keras on TensorFlow finds the logits behind a softmax that is the last thing a model does,
    and is then right although it is told `from_logits=True`. It does not if another layer or
    a cast to another type comes after, nor on JAX and PyTorch. Which of them it was is
    measured. On JAX gradients are not looked at.

    A teacher is seen if it is an attribute of the model, or a layer, and is called `teacher`,
    `teacher_model` and the like. One in a closure, as of a loss function, is not looked at.

    Examples
    --------
    A name alone means `from_logits=False`.

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    >>> batch = ops.eye(2), ops.array([0, 2])
    >>> print(diagnose(model, batch, "sparse_categorical_crossentropy")[0].kind)
    logits as probabilities
    >>> diagnose(model, batch, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    Nothing looks wrong: outputs (2, 3) float32, labels, loss.
    """
    return looked_at(model, batch, loss)
