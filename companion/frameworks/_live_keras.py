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
    Unreadable,
    of_arrays,
    only_finite,
    raised,
    said,
    together,
    twice,
    without_loss,
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
        parts = [run] if run.parts is None else run.parts
        judged = [_named(part, *_judged(part)) for part in parts]
        more = [finding for found, _ in judged for finding in found]
        return together([*live, *more], [arrays for _, arrays in judged], run.errors)
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
        if isinstance(loss, type):
            raise Unreadable("the loss is a class, and no loss yet", "class", loss.__name__)
        loss = keras.losses.get(loss)
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
    name: str = ""
    number: str = ""
    weight: object = None
    losses: object = None
    parts: list | None = None  # of several outputs
    moved: list = field(default_factory=list)
    reached: set | None = None
    errors: list = field(default_factory=list)

    def go(self, batch, loss):
        """Run the model on the batch, then the loss, then a gradient."""
        if not self.model.built:
            message = "it has no weights yet, and they would be made here"
            raise Unreadable(message, "unbuilt")
        inputs, labels, *weight = batch
        self.labels = np.array(_array(_first(labels)))
        own = loss is None and type(self.model).compute_loss is not keras.Model.compute_loss
        if not own:
            self.losses = getattr(self.model, "loss", None) if loss is None else loss
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
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "You are using a softmax")  # it has a finding
            outputs = self.model(inputs, training=True)
        self.given = _first(outputs)
        if self.losses is not None:
            self._run_losses(outputs, labels, weight)
            return
        if _is_several(outputs) and isinstance(labels, dict):
            self.parts = _of_first(self, outputs, labels)
        if self.model.compiled:
            self.loss = self.model.compute_loss(inputs, labels, outputs, weight)

    def _run_losses(self, outputs, labels, weight):
        if not _is_several(outputs):
            self.told = Told.of(_alone(self.losses))
            self._read(self.told.called(self.labels, self.given, weight))
            return
        self.parts = []
        self.parts = _paired(self, outputs, labels, weight)
        for part in self.parts:
            try:
                part._read(part.told.called(part.labels, part.given, part.weight))
            except Exception as error:  # the reader's own, of any kind
                part.errors.append(raised(f"the loss of output {part.name!r}", error))
            self.errors += part.errors
        losses = [ops.mean(part.loss) for part in self.parts if part.loss is not None]
        self.loss = sum(losses) if losses else None  # this is what is trained

    def _read(self, loss):
        """What a loss returned: a tensor, a plain number, or nothing."""
        if loss is None:
            nothing = {"nothing": "nothing (None)"}
            self.errors.append(said("unreadable", "certain", "nothing", **nothing))
        elif isinstance(loss, int | float | np.number | np.ndarray):
            loss, self.number = ops.convert_to_tensor(loss), type(loss).__name__
        self.loss = loss

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


# Several outputs


def _is_several(outputs):
    return isinstance(outputs, dict) or (isinstance(outputs, list | tuple) and len(outputs) > 1)


def _alone(loss):
    """The loss of the one output."""
    if isinstance(loss, dict):
        return next(iter(loss.values()), None)
    return loss[0] if isinstance(loss, list | tuple) and loss else loss


def _paired(run, outputs, labels, weight):
    """Each output with its labels, its loss and its weights, as Keras pairs them."""
    given = _by_name(outputs, _names(run.model, outputs))
    names = list(given)
    losses = run.losses
    if not isinstance(losses, dict | list | tuple):
        if not _is_nested(labels):  # one loss, one kind of labels: of the logits
            name = next((n for n in names if given[n] is run.given), names[0])
            losses, labels = {name: losses}, {name: labels}
        else:
            losses = dict.fromkeys(names, losses)
    losses = {n: loss for n, loss in _by_name(losses, names).items() if loss is not None}
    labels = _by_name(labels, names if _length(labels) == len(names) else list(losses))
    weights = _by_name(weight, names) if _is_nested(weight) else dict.fromkeys(names, weight)
    if not losses or not set(losses) <= set(labels) & set(names):
        found = f"outputs {names}, labels {list(labels)}, losses {list(losses)}"
        raise ValueError(f"they do not go together: {found}")
    return [
        replace(run, told=Told.of(loss), given=given[n], labels=np.array(_array(labels[n])),
                name=n if len(names) > 1 else "", weight=weights.get(n), errors=[])
        for n, loss in losses.items()
    ]  # fmt: skip


def _of_first(run, outputs, labels):
    """The first output beside its labels, if they are named so; a loss of all tells no more."""
    given = _by_name(outputs, _names(run.model, outputs))
    name = next((n for n in given if given[n] is run.given), None)
    if name not in labels:
        return []
    labels = np.array(_array(labels[name]))
    return [replace(run, labels=labels, losses="the model's own", errors=[])]


def _names(model, outputs):
    """Of its outputs, in Keras's order."""
    if isinstance(outputs, dict):
        return keras.tree.flatten({name: name for name in outputs})
    names = getattr(model, "output_names", None) or []
    return list(names) if len(names) == len(outputs) else list(range(len(outputs)))


def _is_nested(thing):
    """Whether these are several arrays, and no array in lists."""
    several = isinstance(thing, tuple | list) and any(hasattr(x, "shape") for x in thing)
    return isinstance(thing, dict) or several


def _length(labels):
    return len(labels) if _is_nested(labels) else 1


def _by_name(things, names):
    """What is given by name, or in a row."""
    if isinstance(things, dict):
        return dict(things)
    things = list(things) if isinstance(things, list | tuple) else [things]
    return dict(zip(names, things, strict=False)) if len(things) <= len(names) else {}


def _named(part, found, arrays):
    """Findings about one output of several, with its name."""
    if not part.name and part.name != 0:
        return found, arrays
    named = [_of_output(part.name, finding) for finding in found]
    of_arrays = tuple(_of_output(part.name, finding) for finding in arrays)
    return named, replace(arrays, findings=of_arrays)


def _of_output(name, finding):
    return replace(finding, evidence=f"Output {name!r}: {finding.evidence}")


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
    if run.reached is None and not run.number:
        return
    student = {id(v) for v in run.model.trainable_variables}
    if run.number and student:
        yield said("detached", "certain", "number", type=run.number)
        return
    for name, teacher in run.teachers:
        taught = {id(v) for v in teacher.variables} & student
        student -= taught
        if taught & run.reached:
            count = len(taught & run.reached)
            yield said("teacher is trained", "certain", teacher=name, count=count)
    if student and not student & run.reached:
        yield said("detached", "certain", count=len(student))


def _ending(run):
    """What a model, or one output of it, ends in: the layer's name, and its activation's."""
    layer = _last_layer(run.model, run.name)
    if layer is None:
        return "its own code", ""
    activation = getattr(getattr(layer, "activation", None), "__name__", "")
    return f"layer {layer.name!r}, {activation or type(layer).__name__}", activation


def _last_layer(model, output=""):
    """The layer that gives an output, or the only one."""
    outputs = getattr(model, "outputs", None)
    names = list(getattr(model, "output_names", None) or [])
    if not isinstance(model, keras.Sequential | keras.Model) or not outputs or not model.layers:
        return None
    last = model.layers[-1]
    if isinstance(model, keras.Model) and not isinstance(model, keras.Sequential):
        history = [getattr(x, "_keras_history", None) for x in outputs]
        place = names.index(output) if output in names else 0
        last = getattr(history[place], "operation", last)
    return _last_layer(last) if isinstance(last, keras.Model) else last


def _over_one(run):
    """Whether a model ends in a softmax over one number."""
    layer, outputs = _last_layer(run.model, run.name), run.outputs
    while layer is not None and isinstance(layer, keras.layers.Reshape | keras.layers.Flatten):
        layer = _before(layer)
    kind, activation = type(layer).__name__, getattr(layer, "activation", None)
    soft = kind == "Softmax" or getattr(activation, "__name__", "") == "softmax"
    one = soft and outputs.size and 1 in outputs.shape
    return bool(one and (abs(outputs - 1) < CLOSE).all())


def _before(layer):
    """The layer whose output this one takes."""
    return getattr(getattr(layer.input, "_keras_history", None), "operation", None)


def _judged(run):
    """What the loss, told what it was, makes of these outputs: findings, and a Diagnosis."""
    told, outputs = run.told, run.outputs
    takes = told.takes if told else ""
    if _over_one(run):
        values = {"loss": told.name if told else "the loss", "layer": _ending(run)[0]}
        found = said("one class", "certain", **values)
        return [found], only_finite(outputs, values["loss"])
    if takes == "classes":
        return _of_classes(run, outputs)
    if takes == "targets":
        found = of_arrays(outputs, run.labels, due=PROBABILITIES)
        return _of_logits(run, outputs), found
    if takes == "one by one":
        return _of_binary(run, outputs), only_finite(outputs, told.name)
    if takes == "numbers":
        return [], _of_numbers(run, outputs)
    found = _of_other(run, outputs)
    unseen = run.loss is None and run.losses is None and not run.errors
    return [], without_loss(found) if unseen else found


def _of_classes(run, outputs):
    told, labels = run.told, _as_keras_reads(run.labels, outputs, run.told)
    plain = None if run.loss is None else told.plain(labels, run.given)
    found = _of_softmax(run, labels, plain) if told.from_logits else _of_logits(run, outputs)
    found += _of_reduction(run, labels, plain) if plain is not None else []
    found += _of_shapes(run, labels) if run.errors else []
    due = set() if told.from_logits else PROBABILITIES
    due = due | ({"ignored label"} if told.options.get("ignore_class") is not None else set())
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
    layer = _ending(run)[0]
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
    layer, activation = _ending(run)
    values = {"loss": run.told.name, "layer": layer, "activation": activation}
    mend = "binary" if run.told.takes == "one by one" else None
    mend = mend if activation in ("", "linear") else "activation"
    return [said("logits as probabilities", "certain", mend=mend, **values, **ends, **sums)]


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
    layer, activation = _ending(run)
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
        values |= {"mend": "sigmoid", "value": plain}
        return [said("softmax twice", "possible", "found", **values)]
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
