"""`companion.frameworks.keras.diagnose`: one run of a model on a batch, as `fit` would run it.

It runs in a `StatelessScope`: what layers, metrics and seed generators assign goes to the
scope, and no variable changes. What the scope holds afterwards shows who was in training mode.
"""

import random
import re
import sys
import warnings
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial

import keras
import numpy as np
from keras import ops

from companion.frameworks._live import (
    LOGS,
    NAMED_TEACHER,
    PROBABILITIES,
    TEACHERS,
    of_arrays,
    only_finite,
    raised,
    said,
    together,
    twice,
)

TAKES = {
    "sparsecategoricalcrossentropy": "classes",
    "categoricalcrossentropy": "classes",
    "categoricalfocalcrossentropy": "classes",
    "kldivergence": "targets",
    "binarycrossentropy": "one by one",
    "binaryfocalcrossentropy": "one by one",
    "meansquarederror": "numbers",
    "meanabsoluteerror": "numbers",
    "huber": "numbers",
}
CLOSE = 1e-2  # of a sum of probabilities, in 16 bits


def looked_at(model, batch, loss):
    """Run a model on a batch, and say what looks wrong: see `keras.diagnose`."""
    run = Run(model)
    try:
        with _generators_as_they_were():
            run.go(batch, loss)
        live = [*_of_teachers(run), *_of_gradient(run)]
        if run.given is None:
            return together(live, [], run.errors)
        more, arrays = _judged(run)
        return together([*live, *more], [arrays], run.errors)
    except Exception as error:  # whatever it is, it is reported
        return together([], [], [*run.errors, raised("the model", error)])


@contextmanager
def _generators_as_they_were():
    """Put back what is no variable: Python's and NumPy's generators, and PyTorch's."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002 readers' code draws from it
    try:
        with _backend.generators():
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002


class _Backend:
    """What a backend knows of gradients. JAX, outside a transformation, knows nothing."""

    generators = tape = staticmethod(nullcontext)

    def reached(self, tape, loss, variables):
        """Ids of the variables that a gradient reaches; None if that cannot be said."""
        return None


class _TensorFlow(_Backend):
    def tape(self):
        return sys.modules["tensorflow"].GradientTape()

    def reached(self, tape, loss, variables):
        slopes = tape.gradient(loss, variables)
        return {id(v) for v, slope in zip(variables, slopes, strict=True) if slope is not None}


class _Torch(_Backend):
    def generators(self):
        return sys.modules["torch"].random.fork_rng()

    def reached(self, tape, loss, variables):
        from companion.frameworks._live_pytorch import leaves

        found = leaves(loss)
        return None if found is None else {id(v) for v in variables if id(v.value) in found}


_backend = {"tensorflow": _TensorFlow, "torch": _Torch}.get(keras.backend.backend(), _Backend)()


# What is run


@dataclass
class Told:
    """A loss, and what it was told."""

    loss: object
    name: str
    options: dict
    dtype: str

    @classmethod
    def of(cls, loss):
        """From an object, a function or a name; None of None."""
        loss = keras.losses.get(_first(loss))
        if loss is None:
            return None
        name = getattr(loss, "__name__", type(loss).__name__)
        options = getattr(loss, "_fn_kwargs", {})
        options = {**options, "reduction": getattr(loss, "reduction", None)}
        return cls(loss, name, options, getattr(loss, "dtype", keras.config.floatx()))

    @property
    def takes(self):
        """What kind of outputs it takes; "" if it is none of Keras's."""
        return TAKES.get(self.name.replace("_", "").lower(), "")

    @property
    def from_logits(self):
        """Whether it was told so. A name alone says no."""
        return bool(self.options.get("from_logits", False))

    @property
    def axis(self):
        """Where it has the classes."""
        return self.options.get("axis", -1)

    @property
    def sparse(self):
        """Whether it takes class numbers."""
        return self.name.lower().startswith("sparse")

    def called(self, labels, outputs, weight=None):
        """The loss as `fit` would call it; of a function without its mean."""
        if self.sparse and keras.backend.backend() == "torch":
            self._refuse(labels, outputs.shape[self.axis])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Keras warns of has a finding
            if isinstance(self.loss, keras.Loss):
                return self.loss(labels, outputs, sample_weight=weight)
            # As Keras wraps a function: another type, and the logits are not found again.
            labels, outputs = (
                ops.convert_to_tensor(x, dtype=self.dtype) for x in (labels, outputs)
            )
            if len(labels.shape) + 1 == len(outputs.shape) and outputs.shape[-1] == 1:
                labels = ops.expand_dims(labels, -1)
            return self.loss(labels, outputs)

    def _refuse(self, labels, classes):
        """On a GPU such a label would end the process, not the call."""
        wrong = (labels < 0) | (labels >= classes)
        wrong &= labels != self.options.get("ignore_class")
        if wrong.any():
            raise IndexError(f"Target {labels[wrong][0]} is out of bounds.")

    def plain(self, labels, outputs, **told):
        """The mean loss without weights and smoothing, over the labels that are counted."""
        told = {k: v for k, v in (self.options | told).items() if k in ("from_logits", "axis")}
        function = partial(getattr(self.loss, "fn", self.loss), **told)
        counted = np.ones(labels.shape, bool)
        if self.options.get("ignore_class") is not None:
            counted = labels != -100
        given = np.where(counted, labels, 0).astype(labels.dtype)
        losses = _array(replace(self, loss=function).called(given, outputs))
        return float((losses[counted] if losses.shape == counted.shape else losses).mean())


@dataclass
class Run:
    """One run of a model and its loss, and what it showed."""

    model: object
    told: Told | None = None
    given: object = None
    labels: object = None
    loss: object = None
    moved: list = field(default_factory=list)
    reached: set | None = None
    errors: list = field(default_factory=list)

    def go(self, batch, loss):
        """Run the model on the batch, then the loss, then a gradient."""
        if not self.model.built:
            raise ValueError("it has no weights yet, and they would be made here. Build it.")
        inputs, labels, *weight = batch
        self.labels = np.array(_array(_first(labels)))
        own = loss is None and type(self.model).compute_loss is not keras.Model.compute_loss
        if not own:
            self.told = Told.of(getattr(self.model, "loss", None) if loss is None else loss)
        with _backend.tape() as tape:
            self._watched(tape, inputs, labels, weight[0] if weight else None)

    def _watched(self, tape, inputs, labels, weight):
        """Each variable that is assigned goes to the scope, and stays what it was."""
        trained = [v for v in self.variables if v.trainable]
        read = [(v, v.value) for v in trained]
        with keras.StatelessScope(read, collect_losses=True) as scope:
            try:
                self._run(inputs, labels, weight)
            except Exception as error:  # the reader's own, of any kind
                name = "the model" if self.given is None else "the loss"
                self.errors.append(raised(name, error))
        resting = [v for v in self.variables if not v.trainable]
        self.moved = [v for v in resting if scope.get_current_value(v) is not None]
        if self.loss is not None:
            self.reached = _backend.reached(tape, self.loss, trained)

    def _run(self, inputs, labels, weight):
        inputs = keras.tree.map_structure(_as_fit_would, inputs)
        outputs = self.model(inputs, training=True)
        self.given = _first(outputs)
        if self.told is None and self.model.compiled:
            self.loss = self.model.compute_loss(inputs, labels, outputs, weight)
        elif self.told is not None:
            self.loss = self.told.called(self.labels, self.given, weight)

    @property
    def teachers(self):
        """Models inside the model that are called so."""
        inside = [(layer.name, layer) for layer in getattr(self.model, "layers", ())]
        inside += [(name, getattr(self.model, name, None)) for name in TEACHERS]
        named = {id(x): (name, x) for name, x in inside if re.fullmatch(NAMED_TEACHER, name)}
        return [
            (n, teacher) for n, teacher in named.values() if isinstance(teacher, keras.Layer)
        ]

    @property
    def variables(self):
        """Those of the model, and of a teacher that it hides from its optimizer."""
        models = [self.model, *(teacher for _, teacher in self.teachers)]
        return list({id(v): v for model in models for v in model.variables}.values())

    @property
    def outputs(self):
        """What the loss was given, as an array."""
        return _array(self.given)


def _as_fit_would(part):
    """Arrays of their own, floats in Keras's type."""
    part = ops.convert_to_tensor(np.array(part) if isinstance(part, np.ndarray) else part)
    floating = keras.backend.is_float_dtype(keras.backend.standardize_dtype(part.dtype))
    return ops.cast(part, keras.config.floatx()) if floating else part


def _first(thing):
    """The logits, their labels or their loss, where there are several."""
    if isinstance(thing, dict):
        return _first(thing["logits"] if "logits" in thing else next(iter(thing.values())))
    if isinstance(thing, tuple | list) and any(
        hasattr(x, "shape") or callable(x) for x in thing
    ):
        return _first(thing[0])
    return thing


def _array(tensor):
    """For NumPy, which does not have bfloat16."""
    tensor = ops.convert_to_tensor(tensor)
    if keras.backend.standardize_dtype(tensor.dtype) == "bfloat16":
        tensor = ops.cast(tensor, "float32")
    return np.asarray(ops.convert_to_numpy(tensor))


# What it showed


def _of_teachers(run):
    for name, teacher in run.teachers:
        own = {id(v) for v in teacher.variables}
        moved = {v.name for v in run.moved if id(v) in own}
        if moved:
            names = ", ".join(sorted(moved))
            yield said(
                "teacher in training mode", "certain", "moved", teacher=name, names=names
            )


def _of_gradient(run):
    if run.reached is None:
        return
    student = {id(v) for v in run.model.trainable_variables}
    for name, teacher in run.teachers:
        taught = {id(v) for v in teacher.variables} & student
        student -= taught
        if taught & run.reached:
            count = len(taught & run.reached)
            yield said("teacher is trained", "certain", teacher=name, count=count)
    if student and not student & run.reached:
        yield said("detached", "certain", count=len(student))


def _ending(model):
    """What a model ends in: the layer's name, and its activation's."""
    layers = model.layers if isinstance(model, keras.Sequential | keras.Model) else []
    if not layers or not getattr(model, "outputs", None):
        return "its own code", ""
    if isinstance(layers[-1], keras.Model):
        return _ending(layers[-1])
    activation = getattr(getattr(layers[-1], "activation", None), "__name__", "")
    return f"layer {layers[-1].name!r}, {activation or type(layers[-1]).__name__}", activation


def _judged(run):
    """What the loss, told what it was, makes of these outputs: findings, and a Diagnosis."""
    told, outputs = run.told, run.outputs
    takes = told.takes if told else ""
    if takes == "classes":
        return _of_classes(run, outputs)
    if takes == "targets":
        found = of_arrays(outputs, run.labels, due=PROBABILITIES)
        return _of_logits(run, outputs), found
    if takes == "one by one":
        return _of_binary(run, outputs), only_finite(outputs, told.name)
    if takes == "numbers":
        return [], _of_numbers(run, outputs)
    return [], _of_other(run, outputs)


def _of_classes(run, outputs):
    told, labels = run.told, _as_keras_reads(run.labels, outputs, run.told)
    plain = None if run.loss is None else told.plain(labels, run.given)
    found = _of_softmax(run, labels, plain) if told.from_logits else _of_logits(run, outputs)
    found += _of_reduction(run, labels, plain) if plain is not None else []
    found += _of_shapes(run, labels) if run.errors else []
    due = () if told.from_logits else PROBABILITIES
    return found, of_arrays(outputs, labels, plain, told.axis, due)


def _of_shapes(run, labels):
    """The sparse loss called with distributions, or the dense one with class numbers."""
    sparse, shape = run.told.sparse, run.outputs.shape
    values = {"loss": run.told.name, "shape": labels.shape, "classes": shape[run.told.axis]}
    if sparse and labels.shape == shape:
        return [said("one-hot labels", "certain", **values)]
    if not sparse and labels.ndim + 1 == len(shape):
        return [said("indices for one-hot", "certain", **values)]
    return []


def _as_keras_reads(labels, outputs, told):
    """Labels without the last axis of a column, and with -100 for what is ignored."""
    if not told.sparse:
        return labels
    if labels.ndim == outputs.ndim and labels.shape[-1] == 1:
        labels = labels[..., 0]
    ignored = told.options.get("ignore_class")
    return labels if ignored is None else np.where(labels == ignored, -100, labels)


def _are_probabilities(outputs, axis):
    inside = outputs.min() >= -CLOSE and outputs.max() <= 1 + CLOSE
    return inside and abs(_sums(outputs, axis) - 1).max() < CLOSE


def _sums(outputs, axis):
    return outputs.astype(np.float64).sum(axis)


def _of_softmax(run, labels, plain):
    """Probabilities where logits are due. Keras may go back to the logits by itself."""
    told, outputs = run.told, run.outputs
    if not np.isfinite(outputs).all() or outputs.shape[told.axis] < 2:
        return []
    if not _are_probabilities(outputs, told.axis):
        return []
    layer = _ending(run.model)[0]
    alone = told.plain(labels, ops.convert_to_tensor(outputs), from_logits=False)
    if plain is not None and np.isclose(plain, alone, rtol=1e-4):
        values = {"loss": told.name, "layer": layer, "value": plain}
        return [said("softmax twice", "possible", "found", **values)]
    return [twice(told.name, layer, outputs.shape[told.axis])]


def _of_logits(run, outputs):
    """Logits where probabilities are due."""
    axis = run.told.axis
    if not np.isfinite(outputs).all() or _are_probabilities(outputs, axis):
        return []
    ends = {"least": outputs.min(), "most": outputs.max()}
    sums = {"low": _sums(outputs, axis).min(), "high": _sums(outputs, axis).max()}
    values = {"loss": run.told.name, "layer": _ending(run.model)[0]}
    return [said("logits as probabilities", "certain", **values, **ends, **sums)]


def _of_reduction(run, labels, plain):
    loss, told = _array(run.loss), run.told
    if not np.isfinite(loss).all() and np.isfinite(plain) and "label_smoothing" in told.options:
        rows = np.isneginf(run.outputs).any(told.axis)
        return [said("masked target", "certain", count=int(rows.sum()))]
    count = int((labels != -100).sum()) if labels.ndim < run.outputs.ndim else len(labels)
    if told.options["reduction"] != "sum" or loss.ndim or count < 2:
        return []
    return [said("sum", "certain", value=float(loss), right=plain, count=count)]


def _of_binary(run, outputs):
    """One yes or no per class, where exactly one class is true; and logits for a sigmoid."""
    told, labels, found = run.told, run.labels, []
    layer, activation = _ending(run.model)
    inside = outputs.min() >= 0 and outputs.max() <= 1
    if not told.from_logits and np.isfinite(outputs).all() and not inside:
        found += _of_logits(run, outputs)
    if told.from_logits and activation in ("sigmoid", "softmax") and run.loss is not None:
        found += _of_sigmoid(run, outputs, layer)
    if outputs.ndim < 2 or outputs.shape[-1] < 3 or outputs.shape != labels.shape:
        return found
    if _are_probabilities(outputs, -1):
        return [*found, said("binary loss", "likely", "softmax", loss=told.name, layer=layer)]
    if len(labels) < 8 or abs(labels.sum(-1) - 1).max() > CLOSE:
        return found
    count = labels[..., 0].size
    return [*found, said("binary loss", "possible", loss=told.name, count=count)]


def _of_sigmoid(run, outputs, layer):
    plain = run.told.plain(run.labels, run.given)
    alone = run.told.plain(run.labels, ops.convert_to_tensor(outputs), from_logits=False)
    values = {"loss": run.told.name, "layer": layer}
    if np.isclose(plain, alone, rtol=1e-4):
        return [said("softmax twice", "possible", "found", value=plain, **values)]
    return [said("softmax twice", "certain", "sigmoid", **values)]


def _of_numbers(run, outputs):
    """Squared error is judged where it stands on a softmax."""
    soft = outputs.ndim > 1 and outputs.shape[-1] > 1 and np.isfinite(outputs).all()
    if not soft or outputs.shape != run.labels.shape or not _are_probabilities(outputs, -1):
        return only_finite(outputs, run.told.name)
    logits = np.log(np.maximum(outputs.astype(np.float64), 1e-300))  # -inf would be a mask
    loss = None if run.loss is None else float(_array(run.loss).mean())
    return of_arrays(logits, run.labels.argmax(-1), loss, due=LOGS)


def _of_other(run, outputs):
    """A loss of the reader's own, or none: which outputs it takes is not known."""
    loss = None if run.loss is None else _array(run.loss)
    labels = run.labels
    if (labels.ndim == outputs.ndim and labels.shape[-1] == 1) or labels.dtype.kind == "f":
        rows = labels.shape == outputs.shape and abs(labels.sum(-1) - 1).max() < CLOSE
        if not rows and not run.errors:
            return only_finite(outputs, "the loss")
    return of_arrays(outputs, labels, loss, due=PROBABILITIES if loss is None else ())
