"""What a look at a live model adds to `companion.diagnose`: sentences, and rules for both.

Plain Python and NumPy: `_live_pytorch` and `_live_keras` run the model, and say here what they
saw.
"""

import math
import re
from dataclasses import replace

import numpy as np

from companion.diagnose import diagnose
from companion.diagnose._kinds import KINDS, Kind
from companion.diagnose.findings import Diagnosis, Finding

# What people call it; a `teacher_head` may well be trained.
TEACHERS = ("teacher", "_teacher", "teacher_model", "teacher_net", "teacher_network")
NAMED_TEACHER = r"_*teachers?(_model|_net|_network)?"
# Before and during training they are no news; ask for them with data kept apart.
NO_NEWS = {"nothing learnt", "overconfident", "biased"}
PROBABILITIES, LOGS = {"softmax twice"}, {"log-probabilities"}
# Of what frameworks put around their words.
NOISE = re.compile(r"\x1b\[\d*m|\{\{.*?\}\}|Exception encountered when calling .*?\.call\(\)\.")
# What else the first would be called.
OTHERWISE = {"nll of logits", "logits as probabilities"}
SETTLED = {
    "other axis": OTHERWISE,
    "whole array": OTHERWISE | {"other axis"},
    "detached": {"swapped kl"},
    "infinite outputs": {"masked target"},  # past the other end
    "log of softmax": {"masked target", "infinite loss", "nan loss"},
    "class axis": OTHERWISE | {"other axis"},
    "one class": {"binary loss", "softmax twice"},
}
TEACHER = "Distillation: What is the loss?"

MENDS = {
    "softmax twice": {
        "sigmoid": "Give logits to a loss of logits: take the sigmoid out of the model.",
    },
    "logits as probabilities": {
        "binary": "Say from_logits=True, or end the model in a sigmoid.",
        "activation": "Take {activation} off the last layer, then say from_logits=True.",
    },
    "class axis": {"": "In PyTorch the classes are axis 1: give the loss {moved}."},
    "unreadable": {
        "nothing": "Let it return the loss; leave loss out if the model computes its own.",
        "class": "Call it first: {called}().",
        "string": "Give the loss itself: nn.CrossEntropyLoss() or a function.",
        "lazy": "Call the model once on a batch: its weights are made then.",
        "unbuilt": "Put keras.Input(shape) first, or call the model once on a batch.",
    },
}
SAYS = {
    "one class": {
        "": "{layer} before {loss} normalises an axis of length 1: what it gives is the same "
        "number whatever the model says, and its gradient is 0.",
    },
    "class axis": {
        "": "labels have shape {labels}. That is the shape of the outputs, {outputs}, without "
        "the last axis: the classes lie there, and {loss} looks for them on axis 1.",
    },
    "log of softmax": {
        "": "the loss {loss} was given the log of probabilities, and some of them are 0 in "
        "{dtype} ({count} of {total} rows): their log is -inf, and its gradient nan.",
    },
    "softmax twice": {
        "": "the loss {loss} takes logits and normalises them itself; what it was given was "
        "made by {layer}. It cannot fall below log(1 + {others}/e) = {floor:.4g}.",
        "sigmoid": "the loss {loss} takes logits; what it was given was made by {layer}, and "
        "lies in 0..1. Its probabilities can then differ by a factor of e = 2.718 at most.",
        "found": "the loss {loss} is told from_logits=True, and the model ends in {layer}. "
        "Here Keras went back to the logits before it: the loss, {value:.4g}, is right. "
        "Other backends, another layer or a cast would take the softmax twice.",
    },
    "other axis": {
        "": "the {layer} before {loss} does not normalise over axis {axis}, where the classes "
        "are: sums along it go from {least:.4g} to {most:.4g}.",
    },
    "logits as probabilities": {
        "": "the loss {loss} takes probabilities, and the model ends in {layer}: outputs go "
        "from {least:.4g} to {most:.4g}, and rows sum to {low:.4g} to {high:.4g}.",
    },
    "nll of probabilities": {
        "": "the loss {loss} takes log-probabilities, and was given probabilities."
    },
    "nll of logits": {
        "": "the loss {loss} takes log-probabilities; exponentials of what it was given sum "
        "to {least:.4g} to {most:.4g} over the classes, and not to 1.",
    },
    "one-hot labels": {
        "": "the loss {loss} takes one class number per example; labels have shape {shape}, "
        "that of the outputs."
    },
    "indices for one-hot": {
        "": "the loss {loss} takes a distribution over {classes} classes per example; labels "
        "are class numbers of shape {shape}."
    },
    "sum": {
        "": "the loss, {value:.4g}, is the sum over {count} examples; the mean is "
        "{right:.4g}. A step is then {count} times as large.",
    },
    "divided by classes": {
        "": 'the loss {loss} with reduction="mean" divides by the {classes} classes as well.'
    },
    "masked target": {
        "": "labels are smoothed over all classes, and {count} examples have logits of -inf: "
        "there the share of a masked class costs inf."
    },
    "swapped kl": {
        "": "the gradient reaches the targets of {loss}, and not its inputs: the model stands "
        "where the targets belong."
    },
}
LIVE = {
    "binary loss": Kind(
        {
            "": "the loss {loss} judges each class by itself, yes or no, and each of the "
            "{count} target rows sums to 1: exactly one class is true.",
            "softmax": "the loss {loss} judges each class by itself, and was given rows that "
            "sum to 1, made by {layer}.",
        },
        "If exactly one class is true, give logits to the cross-entropy of softmax.",
        "Framework equivalents: Which call for which labels?",
    ),
    "zero weights": Kind(
        {
            "": "the loss is nan, and without weights it is {right:.4g}: the weights of this "
            "batch's labels sum to 0, and their mean is 0 / 0."
        },
        "Give each class that occurs a weight above 0.",
        "Framework equivalents: What do class weights change?",
    ),
    "teacher in training mode": Kind(
        {
            "": "{teacher} was called in training mode: its outputs differ by up to "
            "{distance:.2g} from those in inference mode.",
            "moved": "{teacher} was called in training mode: the call changed its {names}.",
        },
        "Put the teacher into inference mode after every call of train(): teacher.eval() in "
        "PyTorch, teacher(x, training=False) in Keras.",
        TEACHER,
    ),
    "teacher is trained": Kind(
        {
            "": "the gradient of the loss reaches {count} parameters of {teacher}: it moves "
            "towards its student."
        },
        "Compute the teacher's outputs under no_grad, or detach them (stop_gradient in Keras), "
        "and give the optimizer the student's parameters alone.",
        TEACHER,
    ),
    "detached": Kind(
        {
            "": "no gradient of the loss reaches any of the {count} parameters to be trained: "
            "something on the way is detached.",
            "number": "the loss returned a plain number, of type {type}: no gradient of it "
            "reaches any parameter.",
        },
        "Look for detach, no_grad, .data, item, argmax, numpy (stop_gradient in Keras) between "
        "the model and the loss.",
        "Derivatives: Does it train?",
    ),
    "unreadable": Kind(
        {
            "": "{name} cannot be run on this batch: {error}",
            "nothing": "the loss returned {nothing}, where a number was due.",
        },
        "Run it by hand on this batch: the traceback names the line.",
        "Pitfalls: What does diagnose see?",
    ),
}


def said(kind, sure, variant="", mend=None, **values):
    """A finding of a live model, with its sentence filled in.

    Parameters
    ----------
    kind : str
        A key of LIVE, or of SAYS; there mend and section are those of `companion.diagnose`.
    sure : {"certain", "likely", "possible"}
        How sure that is.
    variant : str
        Which sentence.
    mend : str, optional
        A key of its MENDS, where that is not the variant.
    **values : object
        What stands in its braces.

    Returns
    -------
    Finding

    Examples
    --------
    >>> said("detached", "certain", count=2).evidence[:52]
    'No gradient of the loss reaches any of the 2 paramet'
    """
    known = LIVE.get(kind) or KINDS[kind]._replace(evidence=SAYS[kind])
    text = known.evidence[variant].format(**values)
    mends = MENDS.get(kind, {})
    usual = mends.get("", known.mend_of(variant))
    mend = mends.get(variant if mend is None else mend, usual).format(**values)
    return Finding(kind, sure, text[0].upper() + text[1:], mend, known.see)


class Unreadable(TypeError):
    """What cannot be run, and which of its MENDS helps.

    Parameters
    ----------
    message : str
        What is wrong.
    mend : str
        A key of the MENDS of "unreadable".
    called : str
        What stands in its braces.

    Examples
    --------
    >>> raised("the loss", Unreadable("it is a class", "class", "nn.CrossEntropyLoss")).mend
    'Call it first: nn.CrossEntropyLoss().'
    """

    def __init__(self, message, mend, called=""):
        super().__init__(message)
        self.mend, self.called = mend, called


def raised(name, error):
    """A finding of what could not be run, with the error's first words.

    Parameters
    ----------
    name : str
        What raised.
    error : Exception
        What it raised.

    Returns
    -------
    Finding

    Examples
    --------
    >>> raised("the model", ValueError("no")).evidence
    'The model cannot be run on this batch: ValueError: no'
    """
    text = NOISE.sub(" ", str(error).partition("Arguments received by")[0])
    own = isinstance(error, Unreadable)
    words = f"{'TypeError' if own else type(error).__name__}: {' '.join(text.split())[:200]}"
    lazy = "lazy" if "uninitialized parameter" in text else None
    mend, called = (error.mend, error.called) if own else (lazy, "")
    return said("unreadable", "certain", mend=mend, name=name, error=words, called=called)


def twice(loss, layer, classes):
    """A softmax before a loss that makes its own.

    Parameters
    ----------
    loss, layer : str
        Their names.
    classes : int
        How many.

    Returns
    -------
    Finding

    Examples
    --------
    >>> twice("cross_entropy", "softmax", 10).evidence[-10:]
    ') = 1.461.'
    """
    floor = math.log1p((classes - 1) / math.e)
    values = {"loss": loss, "layer": layer, "others": classes - 1, "floor": floor}
    return said("softmax twice", "certain", **values)


def of_arrays(outputs, labels, loss=None, axis=-1, due=()):
    """`companion.diagnose`, without what is no news of a model in training.

    Parameters
    ----------
    outputs, labels : array_like
        What was given to the loss.
    loss : float or None
        What it should have given for them: without weights, and without smoothing.
    axis : int
        Of the classes.
    due : iterable of str
        Kinds that are meant to be so.

    Returns
    -------
    Diagnosis

    Examples
    --------
    >>> of_arrays(np.zeros((2, 3)), [0, 1], math.log(3)).kinds
    []
    """
    found = diagnose(outputs, labels, loss=loss, axis=axis)
    return Diagnosis(tuple(f for f in found if f.kind not in {*due, *NO_NEWS}), found.seen)


def only_finite(outputs, loss):
    """Of what is given to a loss that knows no classes: are there nan and inf?

    Parameters
    ----------
    outputs : ndarray
        What it was given.
    loss : str
        Its name.

    Returns
    -------
    Diagnosis

    Examples
    --------
    >>> only_finite(np.zeros((2, 1)), "mse_loss")
    Nothing looks wrong: outputs (2, 1) float64, as mse_loss was given them.
    """
    found = () if np.isfinite(outputs).all() else tuple(diagnose(outputs))
    found = (f for f in found if f.kind in ("nan outputs", "infinite outputs"))
    seen = f"outputs {np.shape(outputs)} {outputs.dtype}, as {loss} was given them"
    return Diagnosis(tuple(found), seen)


def without_loss(found):
    """A diagnosis of a model for which there was no loss: it says so.

    Parameters
    ----------
    found : Diagnosis
        Of its outputs.

    Returns
    -------
    Diagnosis

    Examples
    --------
    >>> without_loss(Diagnosis((), "outputs (2, 3) float32, labels"))
    Nothing looks wrong: outputs (2, 3) float32, labels; no loss was looked at.
    """
    return replace(found, seen=f"{found.seen}; no loss was looked at")


def together(live, arrays, errors=()):
    """One diagnosis of what the model shows, what its arrays show, and what raised.

    Parameters
    ----------
    live : iterable of Finding
        Of one kind and more: they know more than the arrays, and stand for them.
    arrays : sequence of Diagnosis
        Of each loss that was called.
    errors : iterable of Finding
        What could not be run. They come last, after what explains them.

    Returns
    -------
    Diagnosis

    Examples
    --------
    >>> together([], [], [raised("the model", ValueError("no"))]).kinds
    ['unreadable']
    """
    kinds = {}
    for finding in (*live, *(f for found in arrays for f in found), *errors):
        kinds.setdefault(finding.kind, finding)
    for kind in SETTLED.keys() & kinds.keys():
        kinds = {k: finding for k, finding in kinds.items() if k not in SETTLED[kind]}
    seen = arrays[-1].seen if arrays else "nothing but the error"
    return Diagnosis(tuple(kinds.values()), seen)
