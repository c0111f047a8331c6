"""`companion.frameworks.pytorch.diagnose`: one run of a model on a batch, watched.

The model runs on copies of its parameters and buffers, and what else its modules hold is put
back. Each softmax and each loss that PyTorch is asked for passes through `_Watch`, wherever it
stands: in a layer, in a function, in a loss of the reader's own.
"""

import copy
import inspect
import random
import re
from collections import OrderedDict, deque
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from torch.nn import Module, Parameter
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from companion.frameworks._live import (
    LOGS,
    NAMED_TEACHER,
    PROBABILITIES,
    Unreadable,
    of_arrays,
    only_finite,
    raised,
    said,
    together,
    twice,
    without_loss,
)

LOSSES = {  # what they take
    F.cross_entropy: "logits",
    F.nll_loss: "logs",
    F.kl_div: "logs, targets",
    F.mse_loss: "numbers",
    F.binary_cross_entropy: "probabilities, one by one",
    F.binary_cross_entropy_with_logits: "logits, one by one",
}
SQUASHES = ("softmax", "log_softmax", "sigmoid", "log")
LAYERS = ("Softmax", "Softmax2d", "LogSoftmax", "Sigmoid")
COPIES = ("reshape", "flatten", "contiguous", "clone", "float", "double", "to")  # the same
LABELS = ("labels", "label", "targets", "target", "y")  # of a batch that is a dict
WEIGHTED = ("Addmm", "Mm", "Convolution")  # in PyTorch's graph
CONTAINERS = (dict, OrderedDict, list, set, deque)
CLOSE = 1e-2  # of a sum of probabilities, in 16 bits


def looked_at(model, batch, loss):
    """Run a model on a batch, and say what looks wrong: see `pytorch.diagnose`."""
    run = Run(getattr(model, "_orig_mod", model))  # what torch.compile holds
    try:
        modules = _modules(("model", run.model), ("loss", loss))
        # It leaves inference mode and no_grad, if the caller is in one.
        with torch.inference_mode(False), _as_they_were(modules.values()) as copies:
            teachers = _teachers(modules)
            run.go(batch, loss, teachers, modules)
            live = [*_of_teachers(run), *_of_gradient(run, teachers, copies)]
            for call in run.calls:
                live += _of_maker(call) + _of_call(call)
            live += _of_outputs_alone(run)
            live += _of_sum(run)
        return together(live, _of_arrays(run), run.errors)
    except Exception as error:  # whatever it is, it is reported
        return together([], [], [*run.errors, raised("the model", error)])


# What is seen


@dataclass
class Made:
    """One call of softmax, log_softmax, sigmoid or log."""

    name: str
    source: torch.Tensor
    result: torch.Tensor
    origin: object = None  # who made the source
    layer: str = ""

    @property
    def said(self):
        """The layer that it is, if it is one."""
        return self.layer or f"a {self.name}"

    @property
    def of_one(self):
        """Whether it normalised an axis of length 1: to 1, or its log to 0."""
        same = {"softmax": 1, "log_softmax": 0}.get(self.name)
        one = same is not None and self.result.numel() and 1 in self.result.shape
        return bool(one and ((self.result - same).abs() < CLOSE).all())

    @property
    def normalised(self):
        """Whether it, or its exponential, sums to 1 over an axis."""
        result = self.result.detach().float()
        result = result.exp() if self.name.startswith("log") else result
        return any(_are_one(result.sum(axis)) for axis in range(result.ndim))


@dataclass
class Call:
    """One call of a loss: what it was given, who made that, and what came out."""

    function: object
    given: dict
    maker: Made | None
    value: object = None

    @property
    def takes(self):
        """What the loss takes."""
        return LOSSES[self.function]

    @property
    def name(self):
        """What PyTorch calls it."""
        return self.function.__name__

    @property
    def outputs(self):
        """What it was given first."""
        return self.given["input"].detach()

    @property
    def labels(self):
        """What it was given second, with -100 for what it ignores."""
        labels, ignored = self.given["target"].detach(), self.given.get("ignore_index", -100)
        if ignored == -100 or labels.is_floating_point():
            return labels
        return labels.long().masked_fill(labels == ignored, -100)

    @property
    def straight(self):
        """Whether a layer of weights gave what the loss was given, and nothing came between."""
        node = self.given["input"].grad_fn
        return node is not None and node.name().startswith(WEIGHTED)

    @property
    def left_out(self):
        """Kinds that are no news: what the loss ignores, it was told to."""
        told, raw = self.given.get("ignore_index"), self.given["target"]
        unknown = told is None or (told != -100 and bool((raw == -100).any()))
        return set() if unknown else {"ignored label"}

    @property
    def axis(self):
        """Where it has the classes."""
        return 1 if self.takes in ("logits", "logs") and self.outputs.ndim > 1 else -1

    @property
    def classes(self):
        """How many there are."""
        return self.outputs.shape[self.axis] if self.outputs.ndim else 1

    def sums(self, axis=None):
        """What the outputs, or their exponentials, sum to over the classes."""
        made = getattr(self.maker, "name", "")
        logs = self.takes.startswith("logs") or made.startswith("log")
        outputs = self.outputs.float()
        return (outputs.exp() if logs else outputs).sum(self.axis if axis is None else axis)

    @property
    def classes_last(self):
        """Whether the labels show that the classes are last, where the loss has them second."""
        shape, labels = self.outputs.shape, self.labels.shape
        second = self.takes in ("logits", "logs") and self.value is None
        return second and len(shape) > 2 and labels == shape[:-1]

    @property
    def normalised(self):
        """Over which axes the sums are 1."""
        return [axis for axis in range(self.outputs.ndim) if _are_one(self.sums(axis))]

    def again(self, **changed):
        """The loss of the same tensors, told something else."""
        with torch.no_grad():
            return self.function(**self.given | changed).float()

    def plain(self):
        """The mean loss without weights and smoothing."""
        without = {"weight": None, "label_smoothing": 0.0}
        kept = {name: without[name] for name in without if name in self.given}
        return self.again(reduction="mean", **kept)


class _Watch(TorchFunctionMode):
    """Keeps the calls of losses, and who made what they were given."""

    def __init__(self):
        super().__init__()
        self.made, self.calls, self.copies = [], [], []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function in LOSSES:
            return self._lost(function, args, kwargs)
        result = function(*args, **kwargs)
        if isinstance(result, torch.Tensor):
            self._keep(getattr(function, "__name__", "").rstrip("_"), args, kwargs, result)
        return result

    def _keep(self, name, args, kwargs, result):
        """Who made this, and of what; or whose copy it is."""
        if name not in SQUASHES + COPIES:
            return
        source = args[0] if args else kwargs.get("input")
        if not isinstance(source, torch.Tensor):
            return
        origin = self.maker(source)
        if name in SQUASHES:
            made = Made(name, source, result, origin)
            self.made.append(made)
        if name in SQUASHES or origin:
            self.copies.append((result, made if name in SQUASHES else origin))

    def _lost(self, function, args, kwargs):
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        call = Call(function, bound.arguments, self.maker(bound.arguments["input"]))
        self.calls.append(call)
        _refuse_labels(call)
        call.value = function(*args, **kwargs)
        return call.value

    def maker(self, tensor):
        """Who made a tensor, or the one that it is a view or a copy of."""
        place = tensor.untyped_storage().data_ptr()
        kept = reversed(self.copies)  # the last, where one was made in place
        same = (made for copy, made in kept if copy.untyped_storage().data_ptr() == place)
        return next(same, None) if place else None

    def named(self, name, module, args, result):
        """A layer has given this."""
        if self.made and self.made[-1].result is result:
            self.made[-1].layer = f"layer {name} ({type(module).__name__})"


def _refuse_labels(call):
    """On a GPU a label past the last class would end the process, not the call."""
    labels = call.given["target"]
    if "ignore_index" not in call.given or labels.dtype.is_floating_point | labels.is_complex():
        return
    shape, axis = call.outputs.shape, call.axis % max(call.outputs.ndim, 1)
    if labels.shape != shape[:axis] + shape[axis + 1 :]:
        return  # PyTorch will say so
    wrong = (labels < 0) | (labels >= call.classes)
    wrong = wrong & (labels != call.given["ignore_index"])
    if wrong.any():
        raise IndexError(f"Target {labels[wrong][0].item()} is out of bounds.")


@dataclass
class Run:
    """One run of a model and its loss, and what it showed."""

    model: object
    labels: object = None
    outputs: object = None
    loss: object = None
    number: str = ""
    maker: Made | None = None
    calls: list = field(default_factory=list)
    taught: list = field(default_factory=list)
    errors: list = field(default_factory=list)

    def go(self, batch, loss, teachers, modules):
        """Run the model on the batch, then the loss."""
        for name, teacher in teachers.items():
            teacher.register_forward_hook(partial(self._taught, name), with_kwargs=True)
        inputs, self.labels = _batch(batch, self.model, keep_labels=loss is None)
        watch = _Watch()
        self.calls = watch.calls
        for name, module in modules.items():
            if type(module).__name__ in LAYERS:
                module.register_forward_hook(partial(watch.named, name))
        with watch:
            try:
                self._run(inputs, loss)
            except Exception as error:  # the reader's own, of any kind
                name = "the model" if self.outputs is None else "the loss"
                self.errors.append(raised(name, error))
        outputs = _first(self.outputs)
        self.maker = None if outputs is None else watch.maker(outputs)

    def _run(self, inputs, loss):
        if _takes_the_model(loss):
            self.model.register_forward_hook(self._gave)
            self._read(loss(self.model, inputs, self.labels))
            return
        self.outputs = outputs = _called(self.model, inputs)
        if loss is None:
            self.loss = _named(outputs, "loss")
        else:
            _refuse_loss(loss)
            self._read(self._of(loss, outputs))

    def _read(self, loss):
        """What a loss returned: a tensor, a plain number, or nothing."""
        self.loss = _first(loss)
        if isinstance(loss, int | float | np.number | np.ndarray):
            self.number = type(loss).__name__
        elif self.loss is None:
            nothing = "nothing (None)" if loss is None else f"a {type(loss).__name__}"
            self.errors.append(said("unreadable", "certain", "nothing", nothing=nothing))

    def _of(self, loss, outputs):
        """The loss: of the logits, or of all that the model gives if it is made for that."""
        whole = isinstance(outputs, torch.Tensor) or loss in LOSSES
        if not (whole or type(loss).__module__.startswith("torch.nn")):
            try:
                return loss(outputs, self.labels)
            except Exception:
                self.calls.clear()
        return loss(_first(outputs), self.labels)

    def _gave(self, model, args, outputs):
        self.outputs = outputs

    def _taught(self, name, teacher, args, kwargs, outputs):
        modes = [module.training for module in teacher.modules()]
        self.taught.append((name, teacher, args, kwargs, _first(outputs), any(modes)))


def _refuse_loss(loss):
    """What people give in the place of a loss."""
    if isinstance(loss, type):
        place = "nn." if loss.__module__.startswith("torch.nn") else ""
        called = place + loss.__name__
        raise Unreadable("it is a class, and no loss yet", "class", called)
    if isinstance(loss, str):
        raise Unreadable(f"it is the string {loss!r}", "string")


def _takes_the_model(loss):
    """Whether a loss is one for `train`, which takes model, inputs and labels."""
    try:
        given = inspect.signature(loss).parameters.values()
    except (TypeError, ValueError):
        return False
    return sum(p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD for p in given) == 3


def _called(model, inputs):
    if isinstance(inputs, Mapping):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple | list) else model(inputs)


def _first(outputs):
    """The tensor of logits, or of the loss, in what a model gives."""
    if isinstance(outputs, torch.Tensor) or outputs is None:
        return outputs
    if (logits := _named(outputs, "logits")) is not None:
        return logits
    outputs = list(outputs.values()) if isinstance(outputs, Mapping) else outputs
    return _first(outputs[0]) if isinstance(outputs, tuple | list) and outputs else None


def _named(outputs, name):
    return outputs.get(name) if isinstance(outputs, Mapping) else getattr(outputs, name, None)


def _batch(batch, model, keep_labels):
    """Inputs and labels as tensors of their own, beside the model's parameters."""
    parameters = model.parameters() if isinstance(model, Module) else iter(())
    like = next(parameters, torch.empty(0))
    if isinstance(batch, Mapping):
        name = next((name for name in LABELS if name in batch), LABELS[0])
        inputs = {k: v for k, v in batch.items() if keep_labels or k != name}
        return _copied(inputs, like), _copied(batch[name], like)
    inputs, labels, *_ = batch
    return _copied(inputs, like), _copied(labels, like)


def _copied(thing, like):
    if isinstance(thing, torch.Tensor):
        return thing.detach().clone().to(like.device).requires_grad_(thing.requires_grad)
    if isinstance(thing, Mapping):
        return {name: _copied(value, like) for name, value in thing.items()}
    tensors = isinstance(thing, tuple | list) and any(hasattr(x, "shape") for x in thing)
    if tensors:
        return [_copied(value, like) for value in thing]
    if isinstance(thing, list | tuple) or hasattr(thing, "__array__"):
        tensor = torch.as_tensor(np.array(thing), device=like.device)
        return tensor.to(like.dtype) if tensor.is_floating_point() else tensor
    return thing


# What is left as it was


def _modules(*named):
    """All modules that objects hold, registered or not: name -> module."""
    found, queue, seen = {}, deque((*pair, 0) for pair in named), set()
    while queue:
        name, thing, depth = queue.popleft()
        if id(thing) in seen or thing is None:
            continue
        seen.add(id(thing))
        deeper = 0 if isinstance(thing, Module) else depth + 1
        if isinstance(thing, Module):
            found[name] = thing
        if deeper < 4:
            queue.extend((*pair, deeper) for pair in _parts(name, thing))
    return found


def _parts(name, thing):
    """What an object holds that may hold a module, with its name."""
    if isinstance(thing, Module):
        inside = {**thing._modules, **{k: v for k, v in vars(thing).items() if k != "_modules"}}
        return [(f"{name}.{key}", value) for key, value in inside.items()]
    if isinstance(thing, partial):
        return [(name, x) for x in (thing.func, *thing.args)] + list(thing.keywords.items())
    if inspect.ismethod(thing):
        return [(name, thing.__self__)]
    if inspect.isfunction(thing) and not thing.__module__.startswith("torch"):
        variables = inspect.getclosurevars(thing)
        return list((variables.globals | variables.nonlocals).items())
    if isinstance(thing, dict):
        return [(f"{name}.{key}", value) for key, value in thing.items()]
    if isinstance(thing, list | tuple):
        return [(name, value) for value in thing[:100]]
    own = callable(thing) and not isinstance(thing, type) and not inspect.isroutine(thing)
    return list(vars(thing).items()) if own and hasattr(thing, "__dict__") else []


@contextmanager
def _as_they_were(modules):
    """Let modules run on copies of their tensors, and put back all that they hold."""
    before = [(vars(module), _shallow(vars(module))) for module in modules]
    states = random.getstate(), np.random.get_state()  # noqa: NPY002 readers' code draws from it
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices):
        try:
            yield _on_copies(modules)
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002
            for held, shallow in before:
                _put_back(held, shallow)


def _shallow(held):
    return {
        name: (value, copy.copy(value) if type(value) in CONTAINERS else None)
        for name, value in held.items()
    }


def _put_back(held, before):
    held.clear()
    for name, (value, inside) in before.items():
        held[name] = value
        if inside is not None:
            value.clear()
            (value.update if hasattr(value, "update") else value.extend)(inside)


def _on_copies(modules):
    """A copy in the place of each tensor: id of the tensor -> copy. What is tied stays so."""
    copies = {}
    for module in modules:
        for held in (module._parameters, module._buffers, vars(module)):
            for name, value in held.items():
                if isinstance(value, torch.Tensor):
                    held[name] = _copy_of(value, copies)
    return copies


def _copy_of(tensor, copies):
    if id(tensor) not in copies:
        new = tensor.detach().clone()
        if isinstance(tensor, Parameter):
            new = Parameter(new, requires_grad=tensor.requires_grad)
        copies[id(tensor)] = new.requires_grad_(tensor.requires_grad and tensor.is_leaf)
    return copies[id(tensor)]


# Teacher and gradient


def _teachers(modules):
    found = {}
    for name, module in modules.items():
        called = [bool(re.fullmatch(NAMED_TEACHER, part)) for part in name.split(".")]
        if called[-1] and sum(called) == 1:  # and is no part of one
            found[name] = module
    return found


def _of_teachers(run):
    """Run each teacher once more in inference mode: do its outputs differ?"""
    for name, teacher, args, kwargs, outputs, training in list(run.taught):
        if not training or outputs is None:
            continue
        with torch.no_grad():
            again = _first(teacher.eval()(*args, **kwargs))
        distance = (again - outputs).abs().max().item()
        if not distance <= 1e-5 * outputs.abs().max().item():
            values = {"teacher": name, "distance": distance}
            yield said("teacher in training mode", "certain", **values)


def _of_gradient(run, teachers, copies):
    """Which parameters would a gradient reach? The graph says it; no gradient is computed."""
    if not isinstance(run.model, Module):
        return
    if run.number and any(p.requires_grad for p in run.model.parameters()):
        yield said("detached", "certain", "number", type=run.number)
    if run.loss is None:
        return
    reached = leaves(run.loss)
    if reached is None:
        return
    reached = {id(copies.get(leaf, None)) if leaf in copies else leaf for leaf in reached}
    for name, teacher in teachers.items():
        taught = {id(p) for p in teacher.parameters()} & reached
        if taught:
            yield said("teacher is trained", "certain", teacher=name, count=len(taught))
    resting = {id(p) for teacher in teachers.values() for p in teacher.parameters()}
    student = {id(p) for p in run.model.parameters() if p.requires_grad} - resting
    if student and not student & reached:
        yield said("detached", "certain", count=len(student))


def leaves(loss):
    """Ids of the tensors that a gradient of the loss reaches.

    Parameters
    ----------
    loss : Tensor
        With its graph.

    Returns
    -------
    set of int or None
        None where the graph does not show them.

    Examples
    --------
    >>> x = torch.ones(2, requires_grad=True)
    >>> leaves(x.sum()) == {id(x)}, leaves(x.detach().sum())
    (True, set())
    """
    queue, seen, found = [getattr(loss, "grad_fn", None)], set(), set()
    while queue:
        node = queue.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if "Checkpoint" in node.name():
            return None
        if hasattr(node, "variable"):
            found.add(id(node.variable))
        queue += [before for before, _ in node.next_functions]
    return found


# What the calls tell beside their arrays


def _of_maker(call):
    """A softmax where the loss makes its own, or over another axis than the loss's."""
    made, again = call.maker, call.takes.startswith("logits")
    if made is None or not call.outputs.numel():
        return []
    values = {"loss": call.name, "layer": made.said}
    if made.of_one:
        return [said("one class", "certain", **values)]
    if call.classes < 2 or call.classes_last:
        return []
    if made.name == "sigmoid":
        return [said("softmax twice", "certain", "sigmoid", **values)] if again else []
    axes = call.normalised
    if call.axis % call.outputs.ndim in axes:
        twofold = made.name == "softmax" and again
        return [twice(call.name, made.said, call.classes)] if twofold else []
    fitting = again or made.name.startswith("log")
    reshaped = fitting and made.result.numel() == call.outputs.numel() and made.normalised
    if not (axes or reshaped) or call.takes not in ("logits", "logs"):
        return []
    sums, values = call.sums(), {"layer": made.name, "loss": call.name, "axis": call.axis}
    ends = {"least": sums.min().item(), "most": sums.max().item()}
    return [said("other axis", "certain", **values, **ends)]


def _are_one(sums):
    return bool(((sums - 1).abs() < CLOSE).all())


def _of_log(call):
    """Probabilities of 0 whose log was taken, and no mask."""
    made = call.maker
    if made is None or made.name != "log":
        return []
    lost = call.outputs.isneginf()
    origin = made.origin if made.origin and made.origin.name == "softmax" else None
    if origin and lost.numel() == origin.source.numel():
        lost = lost & ~origin.source.detach().isneginf().reshape(lost.shape)
    if not lost.any():
        return []
    values = {"loss": call.name, "dtype": str(call.outputs.dtype).removeprefix("torch.")}
    count = int(lost.any(call.axis).sum()) if lost.ndim else 1
    sure = "certain" if origin else "likely"
    total = call.outputs.numel() // call.classes
    return [said("log of softmax", sure, count=count, total=total, **values)]


def _of_outputs_alone(run):
    """Of a model before a loss that is not known: a softmax over one number."""
    if run.calls or run.maker is None or not run.maker.of_one:
        return []
    return [said("one class", "certain", layer=run.maker.said, loss="the loss")]


def _of_call(call):
    if call.classes_last:
        return [_of_classes_last(call)]
    if call.value is None:
        values = {"loss": call.name, "shape": tuple(call.labels.shape)}
        one_hot = call.takes == "logs" and call.labels.shape == call.outputs.shape
        return [said("one-hot labels", "certain", **values)] if one_hot else []
    if call.takes.startswith("log") and (found := _of_log(call)):
        return found
    if call.takes in ("logits", "logs"):
        return _of_weights(call)
    if call.takes == "logs, targets":
        return _of_divergence(call)
    return _of_binary(call) if call.takes.endswith("one by one") else []


def _of_classes_last(call):
    shapes = {"labels": tuple(call.labels.shape), "outputs": tuple(call.outputs.shape)}
    moved = "outputs.transpose(1, 2)" if call.outputs.ndim == 3 else "outputs.movedim(-1, 1)"
    return said("class axis", "certain", loss=call.name, moved=moved, **shapes)


def _of_weights(call):
    """What weights and smoothing make of a loss that is finite without them."""
    plain, mean = call.plain(), call.again(reduction="mean")
    if mean.isfinite() or not plain.isfinite():
        return []
    if call.given["weight"] is not None and mean.isnan():
        return [said("zero weights", "certain", right=plain.item())]
    return [said("masked target", "certain", count=_masked_rows(call))]


def _masked_rows(call):
    return int(call.outputs.isneginf().any(call.axis).sum())


def _of_divergence(call):
    found, sums = [], call.sums()
    if sums.numel() and sums.isfinite().all() and not _are_one(sums):
        values = {"loss": call.name, "least": sums.min().item(), "most": sums.max().item()}
        made = call.maker and call.maker.name == "softmax"
        found += [said(f"nll of {'probabilities' if made else 'logits'}", "certain", **values)]
    if call.given["reduction"] == "mean" and call.outputs.ndim > 1:
        values = {"loss": call.name, "classes": call.classes}
        found += [said("divided by classes", "likely", **values)]
    if call.given["target"].requires_grad and not call.given["input"].requires_grad:
        found += [said("swapped kl", "certain", loss=call.name)]
    return found


def _of_binary(call):
    """One yes or no per class, where exactly one class is true."""
    labels = call.labels.float()
    if labels.ndim < 2 or call.classes < 3 or call.outputs.shape != labels.shape:
        return []
    if call.maker and call.maker.name == "softmax":
        values = {"loss": call.name, "layer": call.maker.said}
        return [said("binary loss", "likely", "softmax", **values)]
    sums = labels.sum(call.axis)
    if sums.numel() < 8 or not _are_one(sums):
        return []
    return [said("binary loss", "possible", loss=call.name, count=sums.numel())]


def _of_sum(run):
    """A loss that is the sum over examples in the end, whoever took it."""
    calls = [call for call in run.calls if call.takes in ("logits", "logs") and call.classes]
    if len(calls) != 1 or calls[0].value is None or not _is_number(run.loss):
        return []
    call, loss = calls[0], run.loss.detach().float()
    total, mean = call.again(reduction="sum"), call.again(reduction="mean")
    count = int((call.labels != -100).sum()) if call.labels.ndim < call.outputs.ndim else 0
    count = count or call.outputs.numel() // call.classes
    if count < 2 or not torch.isclose(loss, total, rtol=1e-4) or torch.isclose(loss, mean):
        return []
    values = {"value": loss.item(), "right": mean.item(), "count": count}
    return [said("sum", "certain", **values)]


def _is_number(loss):
    return isinstance(loss, torch.Tensor) and loss.numel() == 1


# What their arrays tell


def _of_arrays(run):
    if run.calls:
        return [_of_given(call) for call in run.calls]
    outputs = _first(run.outputs)
    if outputs is None:
        return []
    found = _of_outputs(run, outputs.detach())
    unseen = run.loss is None and not run.number and not run.errors
    return [without_loss(found) if unseen else found]


def _of_given(call):
    outputs, labels = _array(call.outputs), _array(call.labels)
    if call.classes_last:
        return only_finite(outputs, call.name)
    soft = call.takes == "numbers" and call.maker and call.maker.name == "softmax"
    if call.takes == "logs, targets" and call.value is not None:
        labels = np.exp(labels) if call.given["log_target"] else labels
        return of_arrays(outputs, labels, due=LOGS | PROBABILITIES)
    if call.takes not in ("logits", "logs") and not soft:
        return only_finite(outputs, call.name)
    loss = None if call.value is None else call.plain().item()
    if soft:
        labels = labels.argmax(-1) if labels.shape == outputs.shape else labels
        return of_arrays(_array(call.maker.source), labels, loss)
    due = (LOGS if call.takes == "logs" else set()) | call.left_out
    found = of_arrays(outputs, labels, loss, call.axis, due)
    return _of_sums(call, found) if "nll of logits" in found.kinds else found


def _of_sums(call, found):
    """Rows do not sum to 1: somebody may have normalised them over another axis by hand."""
    sums, (loud,) = call.sums(), [f for f in found if f.kind == "nll of logits"]
    values = {"least": sums.min().item(), "most": sums.max().item(), "loss": call.name}
    sure = "certain" if call.straight else "likely"
    seen = said("nll of logits", sure, **values)
    return replace(found, findings=tuple(seen if f is loud else f for f in found))


def _of_outputs(run, outputs):
    """A loss of the reader's own: outputs of the model, labels, and what came out."""
    labels, loss = run.labels, run.loss
    if not isinstance(labels, torch.Tensor):
        return of_arrays(_array(outputs), labels)
    if not run.errors and _regresses(outputs, labels):
        return only_finite(_array(outputs), "the loss")
    loss = _array(loss) if isinstance(loss, torch.Tensor) else None
    axis = 1 if labels.shape == outputs.shape[:1] + outputs.shape[2:] else -1
    return of_arrays(_array(outputs), _array(labels), loss, axis)


def _regresses(outputs, labels):
    """Whether labels are numbers, and neither indices nor distributions."""
    if not outputs.ndim or outputs.shape[-1] == 1:
        return True
    if not labels.is_floating_point() or labels.shape != outputs.shape:
        return labels.is_floating_point()
    return not _are_one(labels.sum(-1))


def _array(tensor):
    """For NumPy, which does not have bfloat16."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
