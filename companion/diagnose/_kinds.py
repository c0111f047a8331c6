"""Every sentence of `diagnose`, as data: what was found, how to mend it, where to read on.

A kind has one or more templates for its evidence, a mend, and a section of the book. The
chapter *Pitfalls* shows most of them.
"""

from typing import NamedTuple

from companion.diagnose.findings import Finding


class Kind(NamedTuple):
    """The sentences of one kind of finding.

    Parameters
    ----------
    evidence : dict of str to str
        Templates by variant; "" is the usual one.
    mend : str or dict of str to str
        What to do; by variant, where that differs.
    see : str
        Chapter and section.
    """

    evidence: dict
    mend: str | dict
    see: str

    def mend_of(self, variant):
        """The mend of one variant of the evidence."""
        if isinstance(self.mend, str):
            return self.mend
        return self.mend.get(variant, self.mend[""])


WRONG = "Pitfalls: "
STABLE = "Numerical stability: "
CALLS = "Framework equivalents: "

KINDS = {
    # Reading
    "unreadable": Kind(
        {"": "{name} cannot be read as an array ({error})."},
        "Give NumPy arrays, tensors, or nested lists of numbers.",
        WRONG + "What does diagnose see?",
    ),
    "ragged": Kind(
        {"": "the rows of {name} differ in length, so that they are no array."},
        "Give each example the same number of classes; mask what is missing with -inf.",
        STABLE + "What does a mask need?",
    ),
    "not numbers": Kind(
        {"": "{name}: {dtype}, where real numbers are needed."},
        "Outputs are real numbers (of a dict or an object, its logits); labels are integers: "
        "number the names of classes from 0.",
        CALLS + "What is a label?",
    ),
    "empty": Kind(
        {"": "{name}: shape {shape}, so that nothing is in it. A mean of nothing is nan."},
        "Look at the loader of the data: an empty batch has no loss.",
        CALLS + "What is a mean?",
    ),
    "axis": Kind(
        {
            "": "outputs have shape {shape}, and no axis {axis}.",
            "number": "outputs are one number, and classes need an axis.",
        },
        "Give outputs of shape (N, K), or say with axis where the classes are.",
        CALLS + "Where are the classes?",
    ),
    # Shapes and labels
    "shapes": Kind(
        {
            "": "outputs have shape {outputs}, classes on axis {axis}, and labels {labels}: "
            "indices would have shape {indices}, distributions that of the outputs.",
            "swapped": "outputs have shape {outputs} and labels {labels}: the other way round "
            "they would go together.",
            "flat": "outputs have shape {outputs}, classes on axis {axis}, and labels "
            "{labels}, as many as there are examples, in another shape.",
            "loss": "the loss has shape {got}: one number, or one per example, shape "
            "{examples}, was expected.",
        },
        {
            "": "Bring both into one order, example by example.",
            "swapped": "Give the outputs first.",
            "flat": "Reshape the labels to {indices}, if their order is that of the outputs.",
            "loss": "Give the mean, or one loss per example (reduction='none').",
        },
        CALLS + "Which call for which labels?",
    ),
    "class axis": Kind(
        {
            "": "labels have shape {labels}. That is the shape of the outputs, {outputs}, "
            "without axis {right}: the classes lie there, and not on axis {axis}."
        },
        "Sum over the axis of the classes, and tell diagnose: axis={right}. In PyTorch's "
        "(N, C, H, W) that is dim=1.",
        CALLS + "Where are the classes?",
    ),
    "one class": Kind(
        {
            "": "the axis of the classes has length 1. Softmax of one number is 1, whatever "
            "it is: its loss is 0 and its gradient, too.",
            "binary": "outputs and labels have one number per example, {shape}: there is no "
            "axis of classes to normalise.",
        },
        "For two classes use one output with sigmoid cross-entropy, or two with softmax.",
        "Derivation: What do we ask of the map?",
    ),
    "one-hot labels": Kind(
        {
            "": "labels are one-hot rows of type {dtype}. A loss of indices wants one class "
            "number per example; PyTorch's loss of distributions wants floats."
        },
        "Give their argmax over the classes to a loss of indices, and floats to one of "
        "distributions.",
        CALLS + "Which call for which labels?",
    ),
    "one-hot twice": Kind(
        {
            "": "labels have shape {labels} where outputs have {outputs}, and each row of "
            "them is one-hot: a one-hot array was made one-hot once more."
        },
        "Make labels one-hot once, from indices: one_hot(indices, {classes}).",
        WRONG + "What are the labels?",
    ),
    "class count": Kind(
        {
            "examples": "the one-hot labels have {got} columns, as many as there are "
            "examples: np.eye(len(y)) counts examples, not classes. Outputs have {classes}.",
            "largest": "the one-hot labels have {got} columns, the largest label and one, "
            "and outputs have {classes}. The largest label of a batch is not the last class.",
            "": "one-hot labels have {got} columns and outputs {classes}.",
            "outputs": "outputs have {classes} columns, one per example, and the largest "
            "label is {largest}: len(y) counts examples, not classes.",
        },
        "Say the number of classes once, as a constant of the data set.",
        WRONG + "What are the labels?",
    ),
    "column labels": Kind(
        {
            "": "labels have shape {labels}, with an axis of length 1 too many. Beside one "
            "number per example they are broadcast to {broadcast}.",
            "loss": "the loss, {loss}, is the mean over all {broadcast} pairs of an example "
            "with a label; the mean over examples is {right}.",
            "shape": "the loss has shape {loss}: each example was paired with each label.",
        },
        "Reshape the labels to {examples}.",
        WRONG + "What are the labels?",
    ),
    "float labels": Kind(
        {
            "": "labels are {dtype}, one per example, and whole: they are class indices "
            "stored as floats.",
            "fraction": "labels are {dtype}, one per example, and not whole, as {value}: "
            "they are no class indices.",
            "nan": "nan or infinite labels: {count}.",
        },
        {
            "": "Store class indices as integers, int64 for PyTorch: float32 loses them from "
            "2**24 on.",
            "fraction": "Targets between the classes need the shape of the outputs; numbers to "
            "be predicted as such need another loss.",
            "nan": "Find the examples that have no label.",
        },
        CALLS + "What is a label?",
    ),
    "off by one": Kind(
        {
            "": "labels run from {least} to {most}, and outputs have {classes} classes, "
            "numbered from 0 to {last}.",
            "agreement": "the outputs agree with labels {shift:+d} in {share:.0%} of the "
            "examples, with the labels as they are in {right:.0%}.",
            "loss": "the loss, {loss}, is that of labels {shift:+d}; of the labels as they "
            "are it is {right}.",
        },
        "Number the classes from 0 where the labels are made. NumPy takes -1 without a word, "
        "as the last class.",
        WRONG + "What are the labels?",
    ),
    "out of range": Kind(
        {
            "signs": "labels are -1 and 1, and outputs have 2 classes, numbered 0 and 1.",
            "": "{count:label} outside 0..{last}: the least is {least}, the largest "
            "{most}, and outputs have {classes} classes.",
        },
        {
            "": "Look where the labels are made: {classes} classes are numbered from 0 to "
            "{last}.",
            "signs": "Take (labels + 1) // 2.",
        },
        CALLS + "What is a label?",
    ),
    "ignored label": Kind(
        {
            "": "-100 is the label of {count} of {total:example}. PyTorch's CrossEntropyLoss "
            "leaves them out; NumPy, TensorFlow and Keras do not know them.",
            "counted": "the loss, {loss}, is the sum over the examples that have a label, "
            "divided by all {total}; {count} of them are marked as ignored or out of range. "
            "Over those that count the mean is {right}.",
        },
        "Leave these examples out of the sum and of the count, or say ignore_class=-100 in "
        "Keras's sparse loss.",
        CALLS + "What is a label?",
    ),
    "all ignored": Kind(
        {
            "": "-100 is the label of each of {count:example}: the mean over none is "
            "0 / 0 = nan in PyTorch, and 0 in Keras."
        },
        "Skip batches without a label, or divide by max(count, 1).",
        CALLS + "What is a mean?",
    ),
    "unnormalised targets": Kind(
        {
            "": "target rows sum to {sums}, not to 1. The slope of the loss is then "
            "p · (sum of t) - t; TensorFlow's operation still returns p - t.",
            "empty": "{count} of {total} target rows are 0 throughout. Such an example costs "
            "nothing, and a mean counts it.",
            "negative": "targets go down to {least}: they are no distributions, and the loss "
            "can be negative.",
            "many": "targets are 0 and 1, and rows sum to {sums}: several classes "
            "can be true at once.",
            "nan": "nan or infinite targets: {count}.",
        },
        {
            "": "Divide each row by its sum.",
            "empty": "Leave these examples out of the sum and of the count.",
            "many": "Use sigmoid cross-entropy, class by class.",
            "negative": "If these are logits of a teacher, take their softmax first.",
            "nan": "Find where the targets are made.",
        },
        "Derivatives: Why is the gradient of cross-entropy so plain?",
    ),
    "logarithms as targets": Kind(
        {"": "target rows are at most 0, and their exponentials sum to 1: log-probabilities."},
        "Take np.exp of them, or say log_target=True to PyTorch's kl_div.",
        WRONG + "What did distillation lose?",
    ),
    "masked target": Kind(
        {
            "": "a target above 0 at a logit that is masked, -inf or 10,000 below the largest, "
            "in {count:example}: the loss is inf or huge there, in some frameworks nan. "
            "Smoothed labels give every class a share, masked ones too."
        },
        "Do not mask the true class, and smooth over the classes that are allowed.",
        STABLE + "What does a mask need?",
    ),
    "missing class": Kind(
        {
            "": "class {first} never occurs among {total} labels, where {expected:.0f} were to "
            "be expected; {count} of {classes} classes are missing."
        },
        "Look at the split and at how names became numbers: a class may have been lost.",
        CALLS + "What is a label?",
    ),
    # Outputs
    "softmax twice": Kind(
        {
            "": "each row lies in 0..1 and sums to 1: these are probabilities. A loss of "
            "logits takes their softmax once more, and stays above log(1 + {others}/e) = "
            "{floor} then.",
            "loss": "the outputs are probabilities, and the loss, {loss}, is that of their "
            "softmax. It cannot fall below log(1 + {others}/e) = {floor}; with the outputs "
            "as they are it is {right}.",
            "again": "the loss, {loss}, is that of softmax(softmax(outputs)); of one softmax "
            "it is {right}. It cannot fall below log(1 + {others}/e) = {floor}.",
        },
        "Give logits to a loss of logits: take the softmax out of the model.",
        CALLS + "What does a second softmax do?",
    ),
    "log-probabilities": Kind(
        {
            "": "each row is at most 0 and has logsumexp 0: these are log-probabilities. A "
            "loss of logits does no harm to them; a loss of probabilities does."
        },
        "Give them to NLLLoss, or give logits to a loss of logits.",
        CALLS + "Logits or probabilities?",
    ),
    "other axis": Kind(
        {
            "": "entries lie in 0..1 and sum to 1 along axis {right}, not along axis {axis}, "
            "where sums are {sums}.",
            "logs": "exponentials of the entries sum to 1 along axis {right}, and not along "
            "axis {axis}.",
            "loss": "the loss, {loss}, is that of a softmax over the examples; over the "
            "classes it is {right}.",
        },
        "Normalise over the classes: say axis, or dim, in every call.",
        "Derivation: Which axis?",
    ),
    "whole array": Kind(
        {
            "": "all entries together sum to 1, and the rows to {sums}: the sum "
            "went over the whole array.",
            "loss": "the loss, {loss}, is that of a softmax over the whole array; over the "
            "classes it is {right}.",
        },
        "Sum over the classes alone: x.sum(axis=-1, keepdims=True).",
        "Derivation: Which axis?",
    ),
    "nan outputs": Kind(
        {
            "": "nan in {count} of {total:output}, in {rows} of {examples:example}.",
            "rows": "{rows} of {examples:example} are nan throughout: nan from a layer, or a "
            "softmax without a shift, inf / inf or 0 / 0.",
        },
        "Find the first layer or step that gives nan; the loss only passes it on.",
        STABLE + "Where does exp leave the floats?",
    ),
    "infinite outputs": Kind(
        {
            "": "{count:output} of +inf. {dtype} ends at {largest}; inf - inf is nan, so "
            "that these rows have no softmax."
        },
        "Find where the numbers grow: the step, the scale of the loss, 16 bits.",
        STABLE + "Where does exp leave the floats?",
    ),
    "all masked": Kind(
        {"": "{count:row} of -inf alone: nothing is left to choose, and softmax is nan."},
        "Leave one class unmasked in each row, or leave such rows out.",
        STABLE + "What does a mask need?",
    ),
    "no shift": Kind(
        {
            "": "{count:row} with nan beside zeros: exp gave inf, inf / inf is nan, and a "
            "number / inf is 0.",
            "low": "the loss is nan or inf, and the largest output of {count:row} is below "
            "{limit}: in {dtype} every exponential is 0, and 0 / 0 is nan. The stable loss of "
            "these outputs is {right}.",
            "alone": "the loss is {loss}, outputs reach {most}, and exp leaves {dtype} at "
            "{limit}.",
            "loss": "the loss is {loss}, outputs reach {most}, and exp leaves {dtype} at "
            "{limit}. The stable loss of these outputs is {right}.",
        },
        "Subtract the row's maximum before exp, or call a loss of logits that does.",
        STABLE + "Which number may we subtract?",
    ),
    "one shift": Kind(
        {
            "": "{count:row} of nan beside rows that are probabilities: 0 / 0, as with one "
            "maximum for the whole batch or a mask over all classes, or inf / inf, as "
            "without a shift.",
            "zero": "{count:row} of zeros beside rows that are probabilities: every "
            "exponential became 0, as with one maximum for the whole batch.",
        },
        "Subtract the maximum of each row: x - x.max(axis=-1, keepdims=True).",
        STABLE + "Which number may we subtract?",
    ),
    # Numbers
    "nll of probabilities": Kind(
        {
            "": "the loss, {loss}, is minus the mean probability of the true class: nothing "
            "took the logarithm. The cross-entropy is {right}."
        },
        "NLLLoss wants log-probabilities: give it log_softmax, or give logits to "
        "CrossEntropyLoss.",
        CALLS + "Logits or probabilities?",
    ),
    "nll of logits": Kind(
        {
            "": "the loss, {loss}, is minus the mean logit of the true class: nothing "
            "normalised it, and it falls without end. The cross-entropy is {right}."
        },
        "NLLLoss wants log-probabilities: give it log_softmax, or give logits to "
        "CrossEntropyLoss.",
        CALLS + "Logits or probabilities?",
    ),
    "logits as probabilities": Kind(
        {
            "": "the loss, {loss}, is what Keras gives if it takes these logits for "
            "probabilities and clips them to 1e-7..1 - 1e-7. The cross-entropy is {right}."
        },
        "Say from_logits=True, or end the model in a softmax.",
        CALLS + "Logits or probabilities?",
    ),
    "indices for one-hot": Kind(
        {
            "": "the loss, {loss}, is that of the class indices used as a row of targets. It "
            "runs since there are as many examples as classes, {classes}. The cross-entropy "
            "is {right}."
        },
        "Call the sparse loss, or make the labels one-hot.",
        CALLS + "Which call for which labels?",
    ),
    "sum": Kind(
        {
            "": "the loss, {loss}, is the sum over {count:example}; the mean is {right}. The "
            "gradient is then {count} times as large.",
            "image": "the loss, {loss}, is summed over all but the first axis, {count} "
            "losses an example; the mean is {right}.",
        },
        "Take the mean. In plain gradient descent a learning rate divided by {count} does "
        "the same.",
        CALLS + "What is a mean?",
    ),
    "divided by classes": Kind(
        {
            "": "the loss, {loss}, is the mean over classes as well: {classes} times this is "
            "{right}. The gradient is {classes} times too small.",
            "kl": "the loss, {loss}, is KL(t || p) with a mean over classes as well: "
            "{classes} times this is {right}. The gradient is {classes} times too small.",
        },
        {
            "": "Sum over classes, then take the mean over examples.",
            "kl": "Sum over classes, then take the mean over examples: in PyTorch's kl_div "
            "reduction='batchmean'.",
        },
        WRONG + "What is the mean over?",
    ),
    "bits": Kind(
        {
            "": "the loss, {loss}, is in bits: in nats it is {right}, log 2 = 0.693 times as "
            "large."
        },
        "Use the natural logarithm, or say that the unit is bits.",
        "Derivation: How wrong is a distribution?",
    ),
    "clip": Kind(
        {
            "": "the loss, {loss}, is that of probabilities clipped at {eps}, or raised by "
            "it; without the clip it is {right}. Beyond -log({eps}) = {ceiling} a clipped "
            "probability has no gradient.",
            "most": "{count:loss} of -log({eps}) = {ceiling}, a clip's ceiling; without it "
            "up to {right}. Where a clip holds, the gradient is 0.",
            "sum": "the loss, {loss}, is -log({eps}), a clip's ceiling.",
        },
        "Compute the loss from logits, without a clip.",
        STABLE + "Is a clip a cure?",
    ),
    "log of softmax": Kind(
        {
            "": "the loss is {loss}, and the true class's probability underflows in {dtype} "
            "in {count:example}. From logits the loss is {right}.",
            "probs": "the loss is {loss}: the true class has probability 0 in {count:example}.",
        },
        "Use log_softmax, or a loss of logits: log(softmax(x)) takes the log of 0.",
        STABLE + "Why is the logarithm of a softmax minus infinity?",
    ),
    "0 log 0": Kind(
        {
            "": "the loss is nan, and probabilities underflow to 0 in {dtype}, in "
            "{count:example}: a target of 0 times log 0 is 0 · (-inf) = nan. The right loss is "
            "{right}.",
            "mask": "the loss is nan, with logits of -inf in {count:example}: a target "
            "of 0 times -inf is nan, in PyTorch and TensorFlow also from logits, if targets "
            "are rows. The right loss is {right}.",
        },
        {
            "": "Pick the true class's log-probability by its index, or compute from logits.",
            "mask": "Give class indices in place of rows.",
        },
        WRONG + "How is the logarithm lost?",
    ),
    "nan loss": Kind(
        {
            "": "the loss is nan, the outputs are finite, and their cross-entropy is "
            "{right}. What is left: a mean over no example, weights that sum to 0, or a "
            "term added to the loss.",
            "some": "{count} of {total} losses are nan or infinite, the first that of example "
            "{first}. From its outputs it is {right}.",
            "alone": "the loss is nan, and the outputs are finite.",
        },
        {
            "": "Print the number of examples and the sum of the weights of this batch.",
            "some": "Look at the outputs and the label of that example.",
            "alone": "Give the labels, too.",
        },
        CALLS + "What is a mean?",
    ),
    "infinite loss": Kind(
        {
            "": "the loss is {loss}, and from these outputs it is {right}: a logarithm of 0 "
            "or an overflow on the way.",
            "minus": "the loss is {loss}, and from these outputs it is {right}: a logarithm of "
            "0 whose minus is missing.",
            "alone": "the loss is {loss}, and the outputs are finite.",
        },
        {
            "": "Compute the loss from logits, in float32 or wider.",
            "alone": "Give the labels, too.",
        },
        STABLE + "Why is the logarithm of a softmax minus infinity?",
    ),
    "negative": Kind(
        {
            "rounding": "the loss is {loss}, below 0 by rounding alone: the log of a number "
            "just above 1, as p + 1e-7, or a p that was rounded up.",
            "": "the loss is {loss}. Minus the log of a probability is at least 0, so that "
            "something here is no probability, or no log, or is subtracted.",
        },
        "Print the smallest term of the loss, and what it is the logarithm of.",
        CALLS + "Which call for which labels?",
    ),
    "sigmoid": Kind(
        {
            "": "each row of the outputs sums to 1, as of a softmax, and the loss is binary "
            "cross-entropy, for each of {classes} classes.",
        },
        "If classes exclude each other, use the cross-entropy of softmax; if not, outputs "
        "need no softmax.",
        CALLS + "Which call for which labels?",
    ),
    "nothing learnt": Kind(
        {
            "": "the cross-entropy, {loss}, is log {classes}, and probabilities are equal: "
            "right before the first step, and wrong after it.",
            "same": "the probabilities are the same for all {examples} examples: they do not "
            "depend on the input. With a loss of {loss}; log {classes} is {uniform}.",
        },
        "After some steps: look at the learning rate, the gradients, and whether inputs and "
        "labels belong together.",
        "Derivation: Does it learn?",
    ),
    "dead gradient": Kind(
        {
            "": "the loss is the squared error of softmax. In {count} of {wrong:wrong example} "
            "the gradient is below {limit}: the answer is sure, and squared error does not "
            "move it."
        },
        "Use cross-entropy, whose gradient is p - t: near 1 where a sure answer is wrong.",
        "MSE versus cross-entropy: Where does the gradient go?",
    ),
    "swapped kl": Kind(
        {"": "the loss, {loss}, is KL(p || t), the model first. KL(t || p) is {right}."},
        "In KL(t || p) the targets come first, in PyTorch's call second: "
        "kl_div(log_probs, targets).",
        WRONG + "What did distillation lose?",
    ),
    "overconfident": Kind(
        {
            "": "the loss of one half is {before}; were the probabilities as right as they "
            "are sure, it would be {expected} ± {noise}. Divided by a temperature of {T:.2f}, "
            "fitted on the other half, the logits lower it to {after}. Accuracy stays "
            "{accuracy:.0%}."
        },
        "Stop earlier, regularise, or divide logits by a temperature fitted on data kept "
        "apart.",
        "MSE versus cross-entropy: Are the probabilities honest?",
    ),
    "biased": Kind(
        {
            "": "a bias per class, fitted on one half, lowers the loss of the other half from "
            "{before} to {after} (4 standard errors: {noise}). Class {first} has "
            "a share of {share:.0%}, "
            "and the model gives it {mean:.0%}."
        },
        "If that is not wanted (class weights do it): compare the classes' shares in "
        "training and here, and correct the bias.",
        "Distillation: Can it learn a digit that it never saw?",
    ),
}


def found(kind, sure, variant="", **values):
    """A finding of this kind, with its sentences filled in.

    Parameters
    ----------
    kind : str
        A key of KINDS.
    sure : {"certain", "likely", "possible"}
        How sure that is.
    variant : str
        Which template of the evidence.
    **values : object
        What stands in the braces of evidence and mend. Floats are shown in 4 digits.

    Returns
    -------
    Finding

    Examples
    --------
    >>> print(found("bits", "certain", loss=3.0, right=2.0794).evidence)
    The loss, 3, is in bits: in nats it is 2.079, log 2 = 0.693 times as large.
    """
    evidence, _, see = KINDS[kind]
    shown = {name: _shown(value) for name, value in values.items()}
    text = evidence[variant].format(**shown)
    return Finding(
        kind,
        sure,
        text[0].upper() + text[1:],
        KINDS[kind].mend_of(variant).format(**shown),
        see,
    )


def span(values):
    """From the least to the largest of some numbers, in words.

    Parameters
    ----------
    values : ndarray
        Numbers.

    Returns
    -------
    str

    Examples
    --------
    >>> import numpy as np
    >>> span(np.array([0.5, 2.0])), span(np.array([2.0, 2.0]))
    ('0.5 to 2', '2')
    """
    least, most = f"{values.min():.4g}", f"{values.max():.4g}"
    return least if least == most else f"{least} to {most}"


def _shown(value):
    if isinstance(value, float):
        return _Number(value)
    return _Count(value) if isinstance(value, int) else value


class _Number(float):
    """A number that a template without a format shows in 4 digits."""

    def __format__(self, spec):
        return float.__format__(self, spec or ".4g")


class _Count(int):
    """A count that a template shows with its noun: {count:row} is "1 row" or "2 rows"."""

    def __format__(self, spec):
        if not spec or not spec[0].isalpha() or spec in ("d", "x"):
            return int.__format__(self, spec)
        plural = "" if self == 1 else "es" if spec.endswith("s") else "s"
        return f"{int(self):,} {spec}{plural}"
