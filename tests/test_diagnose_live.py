"""`diagnose` on live models: pitfalls built into training runs on the digits, and sound runs.

A run is looked at after its first batch and after some epochs. Whatever is looked at goes on
as if nobody had looked: of two trainings, one of them watched, the weights end bit for bit the
same.
"""

import random
import types
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, weight_norm

from companion import datasets
from companion.diagnose import Diagnosis
from companion.frameworks import pytorch as in_torch

K = 10
CE, NLL = nn.CrossEntropyLoss, nn.NLLLoss
KL = nn.KLDivLoss(reduction="batchmean")
STEPS = 40
moments = pytest.mark.parametrize("steps", [1, STEPS], ids=["first batch", "trained"])


def digits(count=256):
    data = datasets.digits()
    return data.train_images[:count].astype(np.float32), data.train_labels[:count]


IMAGES, LABELS = digits()
HOT = np.eye(K, dtype=np.float32)[LABELS]
SOFT = (0.9 * HOT + 0.01).astype(np.float32)
SEVERAL = (IMAGES[:, 20:30] > 0.4).astype(np.float32)
PIXELS = ((IMAGES > 0.3).astype(int) + (IMAGES > 0.7)).reshape(-1, 8, 8)
FIFTH = np.arange(len(LABELS)) % 5 == 0
BATCHES = [np.random.default_rng(step).integers(len(IMAGES), size=64) for step in range(STEPS)]


def batches(labels, steps):
    return [(IMAGES[rows], labels[rows]) for rows in BATCHES[:steps]]


def one_line(found):
    return (
        found.healthy
        and str(found).startswith("Nothing looks wrong: ")
        and "\n" not in str(found)
    )


# PyTorch: training runs


def linear(*after):
    return nn.Sequential(nn.Linear(64, K), *after)


def mlp(*after):
    hidden = nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(inplace=True), nn.Dropout(0.2)
    return nn.Sequential(*hidden, nn.Linear(32, K), *after)


def cnn(*after):
    """Logits of shape (N, C, H, W): a class for every pixel."""
    layers = nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 1)
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), *layers, *after)


class Wrapped(nn.Module):
    """A model that gives something else than its logits."""

    def __init__(self, wrap):
        super().__init__()
        self.inner, self.wrap = linear(), wrap

    def forward(self, x):
        return self.wrap(self.inner(x))


def wrapped(wrap):
    return lambda: Wrapped(wrap)


def after(change, **told):
    """A loss of the reader's own, which changes the logits first."""
    return lambda outputs, labels: F.cross_entropy(change(outputs), labels, **told)


def scaled(factor, *after):
    model = linear(*after)
    model[0].weight.data *= factor
    return model


def masked(outputs):
    return outputs.masked_fill(torch.arange(K) == 9, -torch.inf)


def by_hand(outputs, labels):
    return -outputs.log_softmax(1)[torch.arange(len(labels)), labels].mean()


def normalised(outputs):
    return outputs.exp() / outputs.exp().sum(1, keepdim=True)


def last(change):
    """Classes last, changed, and back."""
    return lambda outputs: change(outputs.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def logits_of(outputs):
    """What a reader's loop takes out of what the model gives."""
    outputs = outputs[0] if isinstance(outputs, tuple) else outputs
    outputs = outputs["logits"] if isinstance(outputs, dict) else outputs
    return getattr(outputs, "logits", outputs)


def in_training(model, labels, loss, steps):
    """Train, and give the last batch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    dtype = next(model.parameters()).dtype
    for images, marks in batches(labels, steps):
        batch = torch.as_tensor(images).to(dtype), torch.as_tensor(marks)
        try:
            value = loss(logits_of(model(batch[0])), batch[1]).mean()
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
        except (RuntimeError, IndexError, ValueError):  # the pitfall itself
            break
    return batch


WEIGHTS = torch.linspace(0.5, 2, K)
SOUND = {
    "linear": (linear, LABELS, CE()),
    "mlp": (mlp, LABELS, CE()),
    "a class per pixel": (cnn, PIXELS, CE()),
    "the function": (linear, LABELS, F.cross_entropy),
    "labels of 8 bits": (linear, LABELS.astype(np.uint8), CE()),
    "one-hot floats": (linear, HOT, CE()),
    "soft targets": (linear, SOFT, CE()),
    "smoothed": (mlp, LABELS, CE(label_smoothing=0.1)),
    "weighted": (mlp, LABELS, CE(weight=WEIGHTS)),
    "weighted and smoothed pixels": (cnn, PIXELS, CE(WEIGHTS[:3], label_smoothing=0.1)),
    "ignored": (linear, np.where(FIFTH, -100, LABELS), CE()),
    "ignored by another number": (linear, np.where(FIFTH, 255, LABELS), CE(ignore_index=255)),
    "masked": (linear, LABELS % 9, after(masked)),
    "not reduced": (linear, LABELS, CE(reduction="none")),
    "a sum divided": (linear, LABELS, lambda z, y: CE(reduction="sum")(z, y) / len(y)),
    "log-softmax and nll": (lambda: mlp(nn.LogSoftmax(1)), LABELS, NLL(WEIGHTS)),
    "log-softmax of pixels": (lambda: cnn(nn.LogSoftmax(1)), PIXELS, NLL()),
    "log-softmax for nothing": (lambda: linear(nn.LogSoftmax(1)), LABELS, CE()),
    "divergence": (lambda: linear(nn.LogSoftmax(1)), SOFT, nn.KLDivLoss(reduction="batchmean")),
    "by hand": (linear, LABELS, by_hand),
    "double": (lambda: linear().double(), LABELS, CE()),
    "bfloat16": (lambda: linear().bfloat16(), LABELS, CE()),
    "logits and more": (wrapped(lambda z: (z, "more")), LABELS, CE()),
    "logits by name": (wrapped(lambda z: {"hidden": z[:, :3], "logits": z}), LABELS, CE()),
    "an object": (wrapped(lambda z: types.SimpleNamespace(logits=z)), LABELS, CE()),
    "attention inside": (lambda: Wrapped(lambda z: z.softmax(1) @ z.T @ z), LABELS, CE()),
    "several classes at once": (linear, SEVERAL, nn.BCEWithLogitsLoss()),
    "yes or no": (lambda: nn.Linear(64, 1), 1.0 * HOT[:, :1], nn.BCEWithLogitsLoss()),
    "a number": (lambda: nn.Linear(64, 1), IMAGES[:, 20:21], nn.MSELoss()),
    "numbers": (lambda: nn.Linear(64, 4), IMAGES[:, 20:24], nn.SmoothL1Loss()),
}
SICK = {
    "softmax layer": (lambda: mlp(nn.Softmax(1)), LABELS, CE(), "softmax twice"),
    "softmax in the loss": (linear, LABELS, after(lambda z: z.softmax(1)), "softmax twice"),
    "softmax by hand": (linear, LABELS, after(normalised), "softmax twice"),
    "softmax, smoothed": (
        lambda: mlp(nn.Softmax(1)), LABELS, CE(WEIGHTS, label_smoothing=0.1), "softmax twice",
    ),
    "softmax of pixels": (lambda: cnn(nn.Softmax2d()), PIXELS, CE(), "softmax twice"),
    "softmax of classes last": (
        cnn, PIXELS, after(last(lambda z: z.softmax(-1))), "softmax twice",
    ),
    "sigmoid layer": (lambda: mlp(nn.Sigmoid()), LABELS, CE(), "softmax twice"),
    "sigmoid twice": (lambda: mlp(nn.Sigmoid()), SEVERAL, nn.BCEWithLogitsLoss(),
                      "softmax twice"),
    "softmax over examples": (lambda: mlp(nn.Softmax(0)), LABELS, CE(), "other axis"),
    "softmax over columns": (lambda: cnn(nn.Softmax(-1)), PIXELS, CE(), "other axis"),
    "log-softmax over examples": (lambda: mlp(nn.LogSoftmax(0)), LABELS, NLL(), "other axis"),
    "softmax over all": (
        linear, LABELS, after(lambda z: z.flatten().softmax(0).view_as(z)), "whole array",
    ),
    "nll of logits": (mlp, LABELS, NLL(), "nll of logits"),
    "nll of probabilities": (lambda: mlp(nn.Softmax(1)), LABELS, NLL(), "nll of probabilities"),
    "divergence of logits": (linear, SOFT, KL, "nll of logits"),
    "divergence of probabilities": (
        lambda: linear(nn.Softmax(1)), SOFT, KL,
        "nll of probabilities",
    ),
    "divergence of logs": (
        lambda: linear(nn.LogSoftmax(1)), np.log(SOFT), KL,
        "logarithms as targets",
    ),
    "divergence over classes": (
        lambda: linear(nn.LogSoftmax(1)), SOFT, nn.KLDivLoss(), "divided by classes",
    ),
    "divergence swapped": (
        linear, SOFT, lambda z, t: F.kl_div(t.log(), z.softmax(1), reduction="batchmean"),
        "swapped kl",
    ),
    "labels from 1": (linear, LABELS + 1, CE(), "off by one"),
    "labels of others": (linear, 3 * LABELS, CE(), "out of range"),
    "labels as floats": (linear, LABELS.astype(np.float32), CE(), "float labels"),
    "labels in a column": (linear, LABELS[:, None], CE(), "column labels"),
    "one-hot integers": (linear, HOT.astype(int), CE(), "one-hot labels"),
    "one-hot for nll": (lambda: linear(nn.LogSoftmax(1)), HOT, NLL(), "one-hot labels"),
    "one-hot twice": (linear, np.eye(2, dtype=np.float32)[HOT.astype(int)], CE(),
                      "one-hot twice"),
    "all ignored": (linear, np.full_like(LABELS, -100), CE(), "all ignored"),
    "targets of 2": (linear, 2 * SOFT, CE(), "unnormalised targets"),
    "sum": (linear, LABELS, CE(reduction="sum"), "sum"),
    "weighted sum": (linear, LABELS, CE(WEIGHTS, reduction="sum"), "sum"),
    "sum by hand": (linear, LABELS, lambda z, y: CE(reduction="none")(z, y).sum(), "sum"),
    "one class": (lambda: nn.Linear(64, 1), 0 * LABELS, CE(), "one class"),
    "smoothed mask": (linear, LABELS % 9, after(masked, label_smoothing=0.1), "masked target"),
    "masked label": (linear, 0 * LABELS + 9, after(masked), "masked target"),
    "one by one": (linear, HOT, nn.BCEWithLogitsLoss(), "binary loss"),
    "one by one of softmax": (lambda: linear(nn.Softmax(1)), HOT, nn.BCELoss(), "binary loss"),
    "squared error": (lambda: scaled(90, nn.Softmax(1)), HOT, nn.MSELoss(), "dead gradient"),
    "detached": (linear, LABELS, after(torch.Tensor.detach), "detached"),
    "detached model": (wrapped(lambda z: z.data), LABELS, CE(), "detached"),
}  # fmt: skip

# One step makes all weights nan.
POISON = {
    "weights of 0": (linear, 0 * LABELS, CE((torch.arange(K) > 0) * 1.0), "zero weights"),
    "half": (linear, LABELS, after(lambda z: (z * 1e6).half()), "infinite outputs"),
    "nan": (linear, LABELS, after(lambda z: z.sqrt()), "nan outputs"),
}


@moments
@pytest.mark.parametrize("case", SOUND)
def test_pytorch_a_sound_run_says_so_in_one_line(case, steps):
    torch.manual_seed(0)
    build, labels, loss = SOUND[case]
    model = build()
    batch = in_training(model, labels, loss, steps)
    for mode in (model.train(), model.eval()):
        found = in_torch.diagnose(mode, batch, loss)
        assert one_line(found), found


@moments
@pytest.mark.parametrize("case", SICK)
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
def test_pytorch_each_pitfall_is_found_and_nothing_else(case, steps):
    torch.manual_seed(0)
    build, labels, loss, kind = SICK[case]
    model = build()
    batch = in_training(model, labels, loss, steps)
    found = in_torch.diagnose(model, batch, loss)
    assert kind in found.kinds, found
    assert set(found.kinds) <= {kind, "unreadable"}, found


@pytest.mark.parametrize("case", POISON)
def test_pytorch_what_makes_weights_nan_is_found_in_time(case):
    build, labels, loss, kind = POISON[case]
    batch = torch.as_tensor(IMAGES), torch.as_tensor(labels)
    assert in_torch.diagnose(build(), batch, loss).kinds == [kind]


# PyTorch: teachers


class Pair(nn.Module):
    """A student beside its teacher, as many write it."""

    def __init__(self, careful):
        super().__init__()
        self.student, self.teacher, self.careful = linear(), mlp(), careful

    def forward(self, x):
        with torch.set_grad_enabled(not self.careful):
            opinion = self.teacher(x)
        return self.student(x), opinion


def distilled(outputs, labels):
    student, teacher = outputs
    soft = F.kl_div(
        F.log_softmax(student / 4, 1), F.softmax(teacher / 4, 1), reduction="batchmean"
    )
    return 0.1 * F.cross_entropy(student, labels) + 0.9 * 16 * soft


def detached(outputs, labels):
    return distilled((outputs[0].detach(), outputs[1]), labels)


TEACHING = {
    "sound": (True, False, distilled, []),
    "in training mode": (True, True, distilled, ["teacher in training mode"]),
    "trained": (False, False, distilled, ["teacher is trained"]),
    "both": (False, True, distilled, ["teacher in training mode", "teacher is trained"]),
    "student detached": (False, False, detached, ["teacher is trained", "detached"]),
    "both detached": (True, False, detached, ["detached"]),
}


@moments
@pytest.mark.parametrize("case", TEACHING)
def test_pytorch_teachers(case, steps):
    careful, training, loss, kinds = TEACHING[case]
    model = Pair(careful)
    model.teacher.train(training)
    optimizer = torch.optim.Adam(model.student.parameters())
    for images, labels in batches(LABELS, steps):
        batch = torch.as_tensor(images), torch.as_tensor(labels)
        if kinds != ["detached"]:
            loss(model(batch[0]), batch[1]).backward()
        optimizer.step()
    assert in_torch.diagnose(model, batch, loss).kinds == kinds


def test_pytorch_teachers_that_the_loss_holds():
    teacher, student, batch = mlp(), linear(), (IMAGES[:64], LABELS[:64])

    def loss(model, images, labels):
        return in_torch.distillation_loss(
            model(images), teacher(images), labels, temperature=4.0, alpha=0.9
        )

    assert in_torch.diagnose(student, batch, loss).kinds == ["teacher in training mode"]
    teacher.eval()
    assert one_line(in_torch.diagnose(student, batch, loss))
    assert one_line(in_torch.diagnose(student, batch, in_torch.label_loss))


def test_pytorch_a_frozen_model_is_not_called_detached():
    batch = IMAGES[:64], LABELS[:64]
    assert one_line(in_torch.diagnose(mlp().requires_grad_(False), batch, CE()))
    with torch.no_grad():
        assert one_line(in_torch.diagnose(mlp(), batch, CE()))
    with torch.inference_mode():
        tensors = torch.as_tensor(IMAGES[:64]) + 0, torch.as_tensor(LABELS[:64])
        assert one_line(in_torch.diagnose(mlp(), tensors, CE()))


# PyTorch: nothing changes


class Counting(nn.Module):
    """State of every kind that a module may hold, moved by each call."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(16))
        self.calls, self.seen, self.plain = 0, [], torch.zeros(1)

    def forward(self, x):
        self.mean += 0.1 * x.detach().mean(0)
        self.plain += 1
        self.calls += 1
        self.seen.append(self.calls)
        noise = torch.rand(1).item() + random.random() + np.random.rand()  # noqa: NPY002
        return x * (1 + noise / 10)


class Shrinking(nn.Linear):
    """Weights that a call changes, as `max_norm` does."""

    def forward(self, x):
        with torch.no_grad():
            self.weight.mul_(0.9)
        self.bias.requires_grad_(False)
        return super().forward(x)


class Tied(nn.Module):
    """One weight twice."""

    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Linear(16, 16), nn.Linear(16, 16)
        self.other.weight = self.one.weight

    def forward(self, x):
        assert self.other.weight is self.one.weight
        return self.other(self.one(x).relu())


class Recurrent(nn.Module):
    """A layer that keeps its weights in a list, too."""

    def __init__(self):
        super().__init__()
        self.layer = nn.LSTM(4, 4, num_layers=2, dropout=0.3, batch_first=True)

    def forward(self, x):
        return self.layer(x.view(-1, 4, 4))[0].flatten(1)


def normed():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is old, and used
        return weight_norm(nn.Linear(16, 16))


LAYERS = {
    "dropout": lambda: nn.Dropout(0.3),
    "batch norm": lambda: nn.BatchNorm1d(16),
    "relu": lambda: nn.ReLU(inplace=True),
    "rrelu": nn.RReLU,
    "weight norm": normed,
    "parametrized": lambda: parametrizations.weight_norm(nn.Linear(16, 16)),
    "spectral norm": lambda: parametrizations.spectral_norm(nn.Linear(16, 16)),
    "tied": Tied,
    "recurrent": Recurrent,
    "counting": Counting,
    "shrinking": lambda: Shrinking(16, 16),
}
STACKS = st.lists(st.sampled_from(sorted(LAYERS)), min_size=1, max_size=4)


def stacked(names):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 16), *(LAYERS[n]() for n in names), nn.Linear(16, K))


def state(model):
    """All that can be seen of a model and of the generators, as it can be compared."""
    found = [torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state())]  # noqa: NPY002
    for name, module in model.named_modules():
        kept = dict(vars(module))
        tensors = {**kept.pop("_parameters"), **kept.pop("_buffers")}
        kept.pop("_modules")
        tensors |= {k: kept.pop(k) for k in list(kept) if isinstance(kept[k], torch.Tensor)}
        found.append((name, str(kept)))
        for key, tensor in tensors.items():
            if tensor is not None:
                grad = tensor.grad if tensor.is_leaf else None
                bits = tensor.detach().numpy().tobytes()
                grad = None if grad is None else grad.numpy().tobytes()
                found.append(
                    (key, id(tensor), tensor._version, tensor.requires_grad, bits, grad)
                )
    return found


@settings(max_examples=60)
@given(STACKS, st.booleans(), st.sampled_from([0, 1, 2, None]), st.booleans())
def test_pytorch_the_model_stays_as_it_is(names, training, frozen, slopes):
    model = stacked(names).train(training)
    if frozen is not None:
        model[min(frozen, len(model) - 1)].requires_grad_(False).eval()
    handle = model[0].register_forward_hook(lambda *_: None)
    images, labels = torch.as_tensor(IMAGES[:32]), torch.as_tensor(LABELS[:32])
    if slopes:
        F.cross_entropy(model(images), labels).backward()
    before, given = state(model), (images.clone(), labels.clone())
    found = in_torch.diagnose(model, (images, labels), CE())
    assert one_line(found), found
    assert state(model) == before
    assert torch.equal(images, given[0])
    assert torch.equal(labels, given[1])
    handle.remove()


@settings(max_examples=15)
@given(STACKS)
def test_pytorch_training_goes_on_as_if_nobody_had_looked(names):
    ends = []
    for watched in (False, True):
        model = stacked(names)
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for images, labels in batches(LABELS, 3):
            batch = torch.as_tensor(images), torch.as_tensor(labels)
            value = F.cross_entropy(model(batch[0]), batch[1])
            if watched:  # between the forward pass and the backward one
                in_torch.diagnose(model, batch, CE())
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
        ends.append({k: v.numpy().tobytes() for k, v in model.state_dict().items()})
    assert ends[0] == ends[1]


# PyTorch: nothing is raised


def failing(*_):
    raise RuntimeError("of the reader's own")


X, Y = torch.as_tensor(IMAGES[:8]), torch.as_tensor(LABELS[:8])
UNREADABLE = {
    "no model": (None, (X, Y), CE()),
    "no batch": (linear(), None, CE()),
    "one thing": (linear(), (X,), CE()),
    "a dict without labels": (linear(), {"input": X}, CE()),
    "a model that raises": (wrapped(failing)(), (X, Y), CE()),
    "a loss that raises": (linear(), (X, Y), failing),
    "a loss that is none": (linear(), (X, Y), "cross_entropy"),
    "wrong inputs": (linear(), (X[:, :3], Y), CE()),
    "more labels": (linear(), (torch.cat([X, X]), Y), CE()),
    "words": (linear(), (X, ["a"] * 8), CE()),
    "objects": (linear(), (np.array([object()] * 8), Y), CE()),
    "no weights yet": (nn.LazyLinear(K), (X, Y), CE()),
    "another device": (linear().to("meta"), (X, Y), CE()),
    "a model that gives nothing": (wrapped(lambda z: None)(), (X, Y), CE()),
    "a model that gives words": (wrapped(lambda z: "logits")(), (X, Y), CE()),
    "complex": (wrapped(lambda z: z.to(torch.complex64))(), (X, Y), CE()),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_pytorch_what_cannot_be_run_is_reported_with_its_words(case):
    found = in_torch.diagnose(*UNREADABLE[case])
    (words,) = [finding.evidence for finding in found if finding.kind == "unreadable"]
    assert "Error: " in words
    if "raises" in case:
        assert "of the reader's own" in words


READABLE = {
    "arrays": (linear(), (IMAGES[:8].astype(float), LABELS[:8]), CE()),
    "lists": (linear(), (IMAGES[:8].tolist(), LABELS[:8].tolist()), CE()),
    "a dict": (linear(), {"input": X, "labels": Y}, CE()),
    "weights, too": (linear(), (X, Y, torch.ones(8)), CE()),
    "no loss": (linear(), (X, Y), None),
    "a function for a model": (lambda x: x[:, :K], (X, Y), CE()),
    "compiled": (torch.compile(linear(), backend="eager"), (X, Y), CE()),
}


@pytest.mark.parametrize("case", READABLE)
def test_pytorch_what_else_can_be_read(case):
    found = in_torch.diagnose(*READABLE[case])
    assert one_line(found), found


def test_pytorch_the_loss_of_a_model_that_computes_it():
    class Own(nn.Module):
        def forward(self, x, labels):
            logits = x[:, :K].softmax(1)
            return {"loss": F.cross_entropy(logits, labels), "logits": logits}

    assert in_torch.diagnose(Own(), {"x": X, "labels": Y}).kinds == ["softmax twice"]


LOSSES = [CE(), NLL(), nn.BCELoss(), nn.BCEWithLogitsLoss(), nn.MSELoss(), nn.KLDivLoss(),
          by_hand, CE(reduction="sum", ignore_index=3), CE(reduction="none"),
          CE(label_smoothing=0.1), None, nn.MultiMarginLoss(), nn.CTCLoss(), torch.add,
          torch.argmax]  # fmt: skip
SHAPES = st.lists(st.integers(0, 4), max_size=4)
TYPES = st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.float64,
                         torch.int64, torch.uint8, torch.bool, torch.complex64])  # fmt: skip
LAST = st.sampled_from([nn.Identity(), nn.Softmax(-1), nn.LogSoftmax(0), nn.Sigmoid()])


@settings(max_examples=500)
@given(LAST, SHAPES, TYPES, SHAPES, st.booleans(), TYPES, st.sampled_from(LOSSES))
@pytest.mark.filterwarnings("ignore")
def test_pytorch_nothing_is_raised_that_the_reader_would_not_see(
    last, shape, dtype, other, fitting, kind, loss
):
    other = shape[:1] + shape[2:] if fitting else other
    torch.manual_seed(len(shape))
    inputs, labels = (3 * torch.randn(shape)).to(dtype), (3 * torch.rand(other)).to(kind)
    found = in_torch.diagnose(last, (inputs, labels), loss)
    assert isinstance(found, Diagnosis)
    assert str(found)
    try:
        outputs = last(inputs)
        if loss is not None:
            loss(outputs, labels)
    except (RuntimeError, ValueError, TypeError, IndexError):
        assert "unreadable" in found.kinds
    else:
        assert "unreadable" not in found.kinds, found


# Keras


class Zoo:
    """Models and losses, by short names: Keras is imported when a test asks for it."""

    def __init__(self, keras):
        self.keras, self.layers = keras, keras.layers
        self.losses = keras.losses

    def linear(self, *after, units=K):
        dense = self.layers.Dense(units)
        return self.keras.Sequential([self.keras.Input((64,)), dense, *after])

    def mlp(self, *after):
        layers = self.layers
        hidden = (
            layers.Dense(32),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(0.2),
        )
        last = layers.Dense(K, kernel_regularizer="l2")
        return self.keras.Sequential([self.keras.Input((64,)), *hidden, last, *after])

    def cnn(self, *after):
        layers = self.layers
        convolved = (
            layers.Reshape((8, 8, 1)),
            layers.Conv2D(8, 3, padding="same"),
            layers.ReLU(),
        )
        return self.keras.Sequential(
            [self.keras.Input((64,)), *convolved, layers.Conv2D(3, 1), *after]
        )

    def softmax(self, **told):
        return self.layers.Softmax(**told)

    def act(self, name):
        return self.layers.Activation(name)

    def fixed(self, function):
        """A layer of the reader's own, which does what a function does."""
        return self.layers.Lambda(function, output_shape=lambda shape: shape)

    def sparse(self, **told):
        return self.losses.SparseCategoricalCrossentropy(**told)

    def dense(self, **told):
        return self.losses.CategoricalCrossentropy(**told)

    def own(self, last):
        layers = self.layers

        class Own(self.keras.Model):
            """Written as a class."""

            def __init__(self):
                super().__init__()
                self.inner = layers.Dense(K)

            def call(self, x):
                return last(self.inner(x))

        model = Own()
        model(IMAGES[:1])
        return model


def named(name):
    return lambda zoo: name


def softly(z):
    """A softmax that Keras does not know."""
    import tensorflow

    return tensorflow.exp(z) / tensorflow.reduce_sum(tensorflow.exp(z), -1, keepdims=True)


KERAS_SOUND = {
    "logits": (Zoo.linear, LABELS, lambda zoo: zoo.sparse(from_logits=True)),
    "probabilities": (
        lambda zoo: zoo.linear(zoo.softmax()), LABELS, named("sparse_categorical_crossentropy"),
    ),
    "mlp": (Zoo.mlp, LABELS, lambda zoo: zoo.sparse(from_logits=True)),
    "mlp of probabilities": (lambda zoo: zoo.mlp(zoo.act("softmax")), LABELS, Zoo.sparse),
    "column": (Zoo.mlp, LABELS[:, None], lambda zoo: zoo.sparse(from_logits=True)),
    "floats": (Zoo.mlp, LABELS.astype(np.float32), lambda zoo: zoo.sparse(from_logits=True)),
    "a class per pixel": (Zoo.cnn, PIXELS, lambda zoo: zoo.sparse(from_logits=True)),
    "pixels' probabilities": (lambda zoo: zoo.cnn(zoo.softmax()), PIXELS, Zoo.sparse),
    "ignored": (
        Zoo.linear, np.where(FIFTH, -1, LABELS),
        lambda zoo: zoo.sparse(from_logits=True, ignore_class=-1),
    ),
    "one-hot": (Zoo.linear, HOT, lambda zoo: zoo.dense(from_logits=True)),
    "soft and smoothed": (
        lambda zoo: zoo.linear(zoo.softmax()), SOFT, lambda zoo: zoo.dense(label_smoothing=0.1),
    ),
    "focal": (
        lambda zoo: zoo.linear(zoo.softmax()), HOT, named("categorical_focal_crossentropy"),
    ),
    "divergence": (lambda zoo: zoo.linear(zoo.softmax()), SOFT, named("kl_divergence")),
    "several classes at once": (
        lambda zoo: zoo.linear(zoo.act("sigmoid")), SEVERAL, named("binary_crossentropy"),
    ),
    "yes or no": (
        lambda zoo: zoo.linear(zoo.act("sigmoid"), units=1), HOT[:, 0],
        named("binary_crossentropy"),
    ),
    "a number": (lambda zoo: zoo.linear(units=1), IMAGES[:, 20], named("mse")),
    "a class": (lambda zoo: zoo.own(zoo.keras.ops.softmax), LABELS, Zoo.sparse),
    "softmax of one's own": (lambda zoo: zoo.own(softly), LABELS, Zoo.sparse),
}  # fmt: skip
KERAS_SICK = {
    "logits, by name": (
        Zoo.mlp, LABELS, named("sparse_categorical_crossentropy"), "logits as probabilities",
    ),
    "logits, one-hot": (Zoo.linear, HOT, Zoo.dense, "logits as probabilities"),
    "logits of pixels": (Zoo.cnn, PIXELS, Zoo.sparse, "logits as probabilities"),
    "logits, divergence": (Zoo.linear, SOFT, named("kl_divergence"), "logits as probabilities"),
    "logits, one by one": (
        Zoo.linear, SEVERAL, named("binary_crossentropy"), "logits as probabilities",
    ),
    "softmax that Keras finds": (
        lambda zoo: zoo.mlp(zoo.softmax()), LABELS, lambda zoo: zoo.sparse(from_logits=True),
        "softmax twice",
    ),
    "softmax behind a layer": (
        lambda zoo: zoo.mlp(zoo.softmax(), zoo.layers.Reshape((K,))), LABELS,
        lambda zoo: zoo.sparse(from_logits=True), "softmax twice",
    ),
    "softmax, one-hot": (
        lambda zoo: zoo.mlp(zoo.softmax(), zoo.layers.Reshape((K,))), HOT,
        lambda zoo: zoo.dense(from_logits=True, label_smoothing=0.1), "softmax twice",
    ),
    "softmax of one's own": (
        lambda zoo: zoo.own(softly), LABELS, lambda zoo: zoo.sparse(from_logits=True),
        "softmax twice",
    ),
    "sigmoid that Keras finds": (
        lambda zoo: zoo.linear(zoo.act("sigmoid")), SEVERAL,
        lambda zoo: zoo.losses.BinaryCrossentropy(from_logits=True), "softmax twice",
    ),
    "softmax over examples": (
        lambda zoo: zoo.mlp(zoo.softmax(axis=0)), LABELS, Zoo.sparse, "other axis",
    ),
    "softmax over columns": (
        lambda zoo: zoo.cnn(zoo.softmax(axis=2)), PIXELS,
        lambda zoo: zoo.sparse(from_logits=True), "other axis",
    ),
    "labels from 1": (
        Zoo.linear, LABELS + 1, lambda zoo: zoo.sparse(from_logits=True), "off by one",
    ),
    "labels of others": (
        Zoo.linear, 3 * LABELS, lambda zoo: zoo.sparse(from_logits=True), "out of range",
    ),
    "one-hot for numbers": (
        Zoo.linear, HOT, lambda zoo: zoo.sparse(from_logits=True), "one-hot labels",
    ),
    "numbers for one-hot": (
        Zoo.linear, LABELS, lambda zoo: zoo.dense(from_logits=True), "indices for one-hot",
    ),
    "one-hot twice": (
        Zoo.linear, np.eye(2)[HOT.astype(int)], lambda zoo: zoo.dense(from_logits=True),
        "one-hot twice",
    ),
    "targets of 2": (
        Zoo.linear, 2 * SOFT, lambda zoo: zoo.dense(from_logits=True), "unnormalised targets",
    ),
    "sum": (
        Zoo.linear, LABELS, lambda zoo: zoo.sparse(from_logits=True, reduction="sum"), "sum",
    ),
    "one class": (
        lambda zoo: zoo.linear(units=1), 0 * LABELS,
        lambda zoo: zoo.sparse(from_logits=True), "one class",
    ),
    "one by one of softmax": (
        lambda zoo: zoo.linear(zoo.softmax()), HOT, named("binary_crossentropy"), "binary loss",
    ),
    "one by one": (
        Zoo.linear, HOT, lambda zoo: zoo.losses.BinaryCrossentropy(from_logits=True),
        "binary loss",
    ),
    "squared error": (
        lambda zoo: zoo.linear(zoo.layers.Rescaling(90.0), zoo.softmax()), HOT, named("mse"),
        "dead gradient",
    ),
    "detached": (
        lambda zoo: zoo.own(zoo.keras.ops.stop_gradient), LABELS,
        lambda zoo: zoo.sparse(from_logits=True), "detached",
    ),
}  # fmt: skip
KERAS_POISON = {
    "half": (
        lambda zoo: zoo.linear(zoo.fixed(lambda z: zoo.keras.ops.cast(1e6 * z, "float16"))),
        LABELS, lambda zoo: zoo.sparse(from_logits=True), "infinite outputs",
    ),
    "nan": (
        lambda zoo: zoo.linear(zoo.fixed(zoo.keras.ops.sqrt)), LABELS,
        lambda zoo: zoo.sparse(from_logits=True), "nan outputs",
    ),
}  # fmt: skip


def keras_training(keras, model, labels, loss, steps):
    """Train, and give the last batch."""
    model.compile(keras.optimizers.Adam(0.01), loss, run_eagerly=True)
    for images, marks in batches(labels, steps):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what Keras has to say of it is not asked here
                model.train_on_batch(images, marks)
        except Exception:  # of TensorFlow's own kinds
            break
    return images, marks


@pytest.mark.parametrize("steps", [1, 10], ids=["first batch", "trained"])
@pytest.mark.parametrize("case", KERAS_SOUND)
def test_keras_a_sound_run_says_so_in_one_line(keras, in_keras, case, steps):
    keras.utils.set_random_seed(0)
    zoo, (build, labels, loss) = Zoo(keras), KERAS_SOUND[case]
    model, loss = build(zoo), loss(zoo)
    batch = keras_training(keras, model, labels, loss, steps)
    for found in (in_keras.diagnose(model, batch), in_keras.diagnose(model, batch, loss)):
        assert one_line(found), found


@pytest.mark.parametrize("case", KERAS_SICK)
def test_keras_each_pitfall_is_found_after_the_first_batch(keras, in_keras, case):
    keras.utils.set_random_seed(0)
    zoo, (build, labels, loss, kind) = Zoo(keras), KERAS_SICK[case]
    model = build(zoo)
    batch = keras_training(keras, model, labels, loss(zoo), steps=1)
    found = in_keras.diagnose(model, batch)
    assert kind in found.kinds, found
    assert set(found.kinds) <= {kind, "unreadable"}, found


@pytest.mark.parametrize("case", KERAS_POISON)
def test_keras_what_makes_weights_nan_is_found_in_time(keras, in_keras, case):
    keras.utils.set_random_seed(0)
    zoo, (build, labels, loss, kind) = Zoo(keras), KERAS_POISON[case]
    assert in_keras.diagnose(build(zoo), (IMAGES, labels), loss(zoo)).kinds == [kind]


def keras_pair(keras, mode):
    """A student and its teacher in one model, as an example that many have copied."""
    zoo, ops = Zoo(keras), keras.ops

    class Pair(keras.Model):
        def __init__(self):
            super().__init__()
            self.student, self.teacher, self.built = zoo.linear(), zoo.mlp(), True

        def call(self, x, training=None):
            return self.student(x, training=training)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            opinion = self.teacher(x, training="training" in mode)
            if "trained" not in mode:
                opinion = ops.stop_gradient(opinion)
            if "detached" in mode:
                y_pred = ops.stop_gradient(y_pred)
            soft = ops.softmax(opinion / 4)
            return ops.mean(zoo.dense(from_logits=True)(soft, y_pred / 4))

    return Pair()


KERAS_TEACHING = {
    "sound": [],
    "in training mode": ["teacher in training mode"],
    "trained": ["teacher is trained"],
    "training and trained": ["teacher in training mode", "teacher is trained"],
    "trained, student detached": ["teacher is trained", "detached"],
    "detached": ["detached"],
}


@pytest.mark.parametrize("mode", KERAS_TEACHING)
@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_keras_teachers(keras, in_keras, mode):
    model = keras_pair(keras, mode)
    model.compile("adam", run_eagerly=True)
    if "detached" not in mode:
        model.train_on_batch(IMAGES[:64], LABELS[:64])
    found = in_keras.diagnose(model, (IMAGES[:64], LABELS[:64]))
    assert found.kinds == KERAS_TEACHING[mode], found


def test_keras_a_loss_that_layers_add(keras, in_keras):
    class Added(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return sum(self.losses)

    inputs = keras.Input((64,))
    penalised = keras.layers.ActivityRegularization(l2=1.0)(keras.layers.Dense(K)(inputs))
    model = Added(inputs, penalised)
    model.compile("adam")
    assert one_line(in_keras.diagnose(model, (IMAGES, LABELS)))


def test_keras_the_distiller_of_this_package_is_sound(keras, in_keras):
    zoo = Zoo(keras)
    distiller = in_keras.Distiller(zoo.mlp(), zoo.mlp(), temperature=4.0, alpha=0.9)
    distiller.compile("adam")
    distiller.fit(IMAGES, LABELS, verbose=0)
    assert one_line(in_keras.diagnose(distiller, (IMAGES, LABELS)))


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("layer", [Zoo.softmax, lambda zoo: zoo.act("softmax")])
@pytest.mark.filterwarnings("ignore:.*received `from_logits=True`")
def test_keras_what_it_measures_is_what_fit_prints(keras, in_keras, layer, policy):
    """Behind a softmax Keras goes back to the logits on TensorFlow, if none is cast."""
    keras.utils.set_random_seed(0)
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(policy)
        zoo = Zoo(keras)
        model = zoo.linear(layer(zoo))
        model.compile(keras.optimizers.SGD(0.0), zoo.sparse(from_logits=True))
        (printed,) = model.fit(IMAGES, LABELS, batch_size=256, verbose=0).history["loss"]
        (found,) = in_keras.diagnose(model, (IMAGES, LABELS))
    finally:
        keras.config.set_dtype_policy(before)
    probs = np.asarray(model(IMAGES))[np.arange(len(LABELS)), LABELS].astype(float)
    right = abs(printed + np.log(probs).mean()) < 1e-3
    assert right == (policy == "float32")
    assert found.sure == ("possible" if right else "certain")
    assert (f"{printed:.4g}" in found.evidence) == right


def drawn(z):
    """Numbers of generators that are not Keras's."""
    return z * (1 + random.random() + np.random.rand())  # noqa: NPY002


def noisy(zoo):
    """Layers with state of every kind, a metric and a penalty."""
    layers = zoo.layers
    return zoo.mlp(
        zoo.fixed(drawn), layers.GaussianNoise(0.1),
        layers.SpectralNormalization(layers.Dense(K)),
        layers.ActivityRegularization(l2=0.01), layers.Dense(K),
    )  # fmt: skip


def keras_state(keras, model):
    variables = {id(v): v for v in (*model.variables, *model.optimizer.variables)}
    variables |= {id(v): v for metric in model.metrics for v in metric.variables}
    numbers = [np.asarray(keras.ops.convert_to_tensor(v)).tobytes() for v in variables.values()]
    flags = [(layer.name, layer.trainable) for layer in model.layers]
    return numbers, flags, random.getstate(), str(np.random.get_state())  # noqa: NPY002


@pytest.mark.parametrize("build", [noisy, Zoo.mlp, Zoo.cnn], ids=["noisy", "mlp", "cnn"])
@pytest.mark.parametrize("frozen", [False, True])
def test_keras_the_model_stays_as_it_is_and_goes_on(keras, in_keras, build, frozen):
    ends = []
    for watched in (False, True):
        keras.utils.set_random_seed(0)
        zoo = Zoo(keras)
        model, labels = build(zoo), PIXELS if build is Zoo.cnn else LABELS
        model.layers[0].trainable = not frozen
        model.compile("adam", zoo.sparse(from_logits=True), metrics=["accuracy"])
        for rows in BATCHES[:3]:
            model.train_on_batch(IMAGES[rows], labels[rows])
            if watched:
                before = keras_state(keras, model)
                batch = IMAGES[rows].copy(), labels[rows].copy()
                found = in_keras.diagnose(model, batch)
                assert one_line(found), found
                assert keras_state(keras, model) == before
                np.testing.assert_array_equal(batch[0], IMAGES[rows])
        ends.append(keras_state(keras, model)[0])
    assert ends[0] == ends[1]


def test_keras_several_outputs_and_weights(keras, in_keras):
    zoo, inputs = Zoo(keras), keras.Input((64,), name="images")
    first, other = zoo.layers.Dense(K)(inputs), zoo.layers.Dense(1)(inputs)
    sparse = zoo.sparse(from_logits=True)
    several = keras.Model(inputs, [first, other])
    assert one_line(in_keras.diagnose(several, (IMAGES, [LABELS, LABELS]), [sparse, "mse"]))
    by_name = keras.Model({"images": inputs}, {"logits": first})
    batch = {"images": IMAGES}, {"logits": LABELS}, np.linspace(0, 1, len(LABELS))
    assert one_line(in_keras.diagnose(by_name, batch, {"logits": sparse}))


def test_keras_what_cannot_be_run_is_reported_with_its_words(keras, in_keras):
    zoo, batch = Zoo(keras), (IMAGES, LABELS)
    model, sparse = zoo.linear(), zoo.sparse(from_logits=True)

    def raises(*_):
        raise ValueError("of the reader's own")

    unreadable = {
        "no model": (None, batch, sparse),
        "no batch": (model, None, sparse),
        "one thing": (model, (IMAGES,), sparse),
        "no weights yet": (keras.Sequential([zoo.layers.Dense(K)]), batch, sparse),
        "wrong inputs": (model, (IMAGES[:, :3], LABELS), sparse),
        "more labels": (model, (IMAGES[:3], LABELS), sparse),
        "words": (model, (IMAGES, ["a"] * len(IMAGES)), sparse),
        "no such loss": (model, batch, "cross_entropy"),
        "a loss that raises": (model, batch, raises),
        "a model that raises": (zoo.linear(zoo.fixed(raises)), batch, "mse"),
    }
    for case, arguments in unreadable.items():
        found = in_keras.diagnose(*arguments)
        (words,) = [finding.evidence for finding in found if finding.kind == "unreadable"]
        assert "Error: " in words, case
        assert "\x1b" not in words
        if "raises" in case:
            assert "of the reader's own" in words


# What a newcomer found


def of(found, kind):
    """The one finding of a kind."""
    (finding,) = [finding for finding in found if finding.kind == kind]
    return finding


ONE = torch.ones(8, 1)
OF_ONE = {
    "bce": (nn.Sequential(nn.Linear(64, 1), nn.Softmax(1)), (X, ONE), nn.BCELoss()),
    "squared error": (nn.Sequential(nn.Linear(64, 1), nn.Softmax(1)), (X, ONE), nn.MSELoss()),
    "squeezed": (wrapped(lambda z: z[:, :1].softmax(1)[:, 0])(), (X, ONE[:, 0]), nn.BCELoss()),
    "huber": (nn.Sequential(nn.Linear(64, 1), nn.Softmax(1)), (X, ONE), nn.HuberLoss()),
    "log-softmax": (nn.Sequential(nn.Linear(64, 1), nn.LogSoftmax(1)), (X, 0 * Y), NLL()),
    "pixels": (
        nn.Sequential(nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 1, 1), nn.Softmax2d()),
        (X, torch.ones(8, 1, 8, 8)), nn.BCELoss(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", OF_ONE)
def test_pytorch_a_softmax_over_one_number(case):
    found = in_torch.diagnose(*OF_ONE[case])
    assert found.kinds == ["one class"], found
    assert found[0].sure == "certain"
    assert "sigmoid" in found[0].mend


def of_logits(logits, labels, loss):
    """A model whose logits are these."""
    weights = torch.nn.Linear(1, 1)
    return in_torch.diagnose(
        lambda x: x + 0 * weights(torch.ones(1, 1)), (logits, labels), loss
    )


UNDER = torch.tensor([[0.0, 200.0, 5.0], [3.0, 1.0, 0.0]])


@pytest.mark.parametrize("labels", [[0, 0], [1, 0]], ids=["of the label", "of another class"])
@pytest.mark.parametrize("log", [torch.log, lambda p: p.log_(), lambda p: p.log().view(2, 3)])
def test_pytorch_the_log_of_a_softmax_that_underflows(labels, log):
    found = of_logits(
        UNDER, torch.tensor(labels), lambda z, y: F.nll_loss(log(z.softmax(1)), y)
    )
    assert found.kinds == ["log of softmax"], found
    assert found[0].sure == "certain"


def test_pytorch_a_mask_before_the_log_of_a_softmax_is_a_mask():
    logits = torch.tensor([[0.0, -torch.inf, 5.0], [3.0, 1.0, 0.0]])
    found = of_logits(
        logits, torch.tensor([1, 0]), lambda z, y: F.nll_loss(z.softmax(1).log(), y)
    )
    assert found.kinds == ["masked target"], found


def test_pytorch_a_loss_that_returns_no_tensor():
    found = in_torch.diagnose(linear(), (X, Y), lambda z, y: None)
    assert "returned nothing" in of(found, "unreadable").evidence
    assert "leave loss out" in of(found, "unreadable").mend
    for number in (
        lambda loss: float(loss.detach()),
        lambda loss: loss.item(),
        lambda loss: loss.detach().numpy(),
    ):
        found = in_torch.diagnose(
            linear(), (X, Y), lambda z, y, number=number: number(F.cross_entropy(z, y))
        )
        assert found.kinds == ["detached"], found
        assert "number" in found[0].evidence
    found = in_torch.diagnose(linear(), (X, Y), lambda z, y: "loss")
    assert "str" in of(found, "unreadable").evidence


def test_pytorch_what_the_loss_ignores_is_no_finding():
    labels = torch.where(torch.arange(8) == 2, -100, Y)
    found = in_torch.diagnose(linear(nn.Softmax(1)), (X, labels), CE(weight=WEIGHTS))
    assert found.kinds == ["softmax twice"], found
    found = in_torch.diagnose(linear(), (X, labels + 1), CE(ignore_index=-99))
    assert "ignored label" not in found.kinds, found
    labels = torch.where(labels == -100, 255, labels)
    found = in_torch.diagnose(linear(nn.Sigmoid()), (X, labels), CE(ignore_index=255))
    assert found.kinds == ["softmax twice"], found


@pytest.mark.parametrize("last", [nn.LogSoftmax(-1), nn.Identity()])
@pytest.mark.parametrize("loss", [NLL(), CE()])
def test_pytorch_classes_last_are_transposed(last, loss):
    model = nn.Sequential(nn.Unflatten(1, (4, 16)), nn.Linear(16, K), last)
    found = in_torch.diagnose(model, (X, torch.arange(32).view(8, 4) % K), loss)
    assert found.kinds == ["class axis", "unreadable"], found
    assert found[0].sure == "certain"
    assert "outputs.transpose(1, 2)" in found[0].mend
    assert "out of bounds" not in found[1].evidence
    model = nn.Sequential(nn.Unflatten(1, (2, 2, 16)), nn.Linear(16, K), last)
    found = in_torch.diagnose(model, (X, torch.arange(32).view(8, 2, 2) % K), loss)
    assert found.kinds == ["class axis", "unreadable"], found
    assert "outputs.movedim(-1, 1)" in found[0].mend


FLAT = {
    "view": lambda z: z.view(-1, 4, K).log_softmax(1).view(-1, K),
    "reshape": lambda z: z.view(-1, 4, K).transpose(1, 2).log_softmax(2).transpose(1, 2)
    .reshape(-1, K),
    "flatten": lambda z: F.log_softmax(z.view(-1, 4, K), 1).flatten(0, 1),
    "log": lambda z: z.view(-1, 4, K).softmax(1).log().reshape(-1, K),
}  # fmt: skip


@pytest.mark.parametrize("case", FLAT)
def test_pytorch_another_axis_before_a_reshape(case):
    found = in_torch.diagnose(linear(), (X, Y), lambda z, y: F.nll_loss(FLAT[case](z), y))
    assert found.kinds == ["other axis"], found


def test_pytorch_what_cannot_be_followed_is_not_said_of_logits():
    def by_hand(z, y):
        z = z.view(-1, 4, K)
        return F.nll_loss((z - z.logsumexp(1, keepdim=True)).reshape(-1, K), y)

    assert in_torch.diagnose(linear(), (X, Y), NLL())[0].sure == "certain"
    found = in_torch.diagnose(linear(), (X, Y), by_hand)
    assert found.kinds == ["nll of logits"], found
    assert "nothing normalised" not in found[0].evidence
    assert found[0].sure == "likely"
    assert "not to 1" in found[0].evidence


def test_pytorch_it_says_that_no_loss_was_looked_at():
    assert "no loss was looked at" in str(in_torch.diagnose(linear(), (X, Y)))
    assert "no loss" not in str(in_torch.diagnose(linear(), (X, Y), CE()))
    assert "no loss" not in str(in_torch.diagnose(linear(), (X, Y), by_hand))


def test_pytorch_the_layer_is_named():
    several = torch.as_tensor(SEVERAL[:8])
    found = in_torch.diagnose(linear(nn.Sigmoid()), (X, several), nn.BCEWithLogitsLoss())
    assert "model.1 (Sigmoid)" in found[0].evidence
    assert "sigmoid" in found[0].mend
    assert "softmax" not in found[0].mend
    found = in_torch.diagnose(linear(nn.Softmax(1)), (X, Y), CE())
    assert "model.1 (Softmax)" in found[0].evidence
    found = in_torch.diagnose(linear(), (X, Y), lambda z, y: F.cross_entropy(z.softmax(1), y))
    assert "a softmax" in found[0].evidence


def test_pytorch_what_to_do_where_it_cannot_be_run():
    mends = {
        "nn.CrossEntropyLoss()": (linear(), (X, Y), CE),
        "nn.CrossEntropyLoss() or": (linear(), (X, Y), "cross_entropy"),
        "once": (nn.LazyLinear(K), (X, Y), CE()),
    }
    for mend, arguments in mends.items():
        finding = of(in_torch.diagnose(*arguments), "unreadable")
        assert mend in finding.mend, finding


@pytest.mark.parametrize("loss", ["binary_crossentropy", "mse", "binary_focal_crossentropy"])
def test_keras_a_softmax_over_one_number(keras, in_keras, loss):
    zoo = Zoo(keras)
    dense = zoo.layers.Dense(1, activation="softmax")
    models = {
        "dense": keras.Sequential([keras.Input((64,)), dense]),
        "layer": zoo.linear(zoo.softmax(), units=1),
        "activation": zoo.linear(zoo.act("softmax"), units=1),
        "flat": zoo.linear(zoo.softmax(), zoo.layers.Reshape((1,)), units=1),
    }
    for case, model in models.items():
        found = in_keras.diagnose(model, (IMAGES, HOT[:, :1]), loss)
        assert found.kinds == ["one class"], (case, found)
        assert found[0].sure == "certain"
        assert "sigmoid" in found[0].mend
    pixels = zoo.layers.Conv2D(1, 1, activation="softmax")
    model = keras.Sequential([keras.Input((64,)), zoo.layers.Reshape((8, 8, 1)), pixels])
    found = in_keras.diagnose(model, (IMAGES, (PIXELS > 0)[..., None] * 1.0), loss)
    assert found.kinds == ["one class"], found


def test_keras_a_loss_that_returns_no_tensor(keras, in_keras):
    model = Zoo(keras).linear()
    found = in_keras.diagnose(model, (IMAGES, LABELS), lambda y, z: None)
    assert "returned nothing" in of(found, "unreadable").evidence
    found = in_keras.diagnose(model, (IMAGES, LABELS), lambda y, z: 2.0)
    assert found.kinds == ["detached"], found


def heads(keras, structure=list):
    """A model of logits, probabilities and a number, by name or in a row."""
    zoo, inputs = Zoo(keras), keras.Input((64,))
    outputs = {
        "number": zoo.layers.Dense(1, name="number")(inputs),
        "kind": zoo.layers.Dense(K, name="kind")(inputs),
        "odd": zoo.layers.Dense(1, activation="sigmoid", name="odd")(inputs),
    }
    return keras.Model(inputs, outputs if structure is dict else list(outputs.values()))


HEADS = {"kind": LABELS, "odd": 1.0 * HOT[:, :1], "number": IMAGES[:, 20:21]}


def losses_of(zoo, **changed):
    return {"kind": zoo.sparse(from_logits=True), "odd": "binary_crossentropy",
            "number": "mse"} | changed  # fmt: skip


def in_a_row(thing):
    return [thing[name] for name in ("number", "kind", "odd")]


@pytest.mark.parametrize(
    ("structure", "rows"),  # of a dict Keras takes the names in another order
    [(list, "names"), (list, "labels in a row"), (list, "all in a row"), (dict, "names")],
)
def test_keras_each_output_has_the_loss_of_its_name(keras, in_keras, structure, rows):
    zoo, model = Zoo(keras), heads(keras, structure)
    labels = HEADS if rows == "names" else in_a_row(HEADS)
    changed = [{}, {"kind": "sparse_categorical_crossentropy"}]
    changed += [{"odd": keras.losses.BinaryCrossentropy(from_logits=True)}]
    kinds = [[], ["logits as probabilities"], ["softmax twice"]]
    for change, kind in zip(changed, kinds, strict=True):
        losses = losses_of(zoo, **change)
        losses = in_a_row(losses) if rows == "all in a row" else losses
        model.compile("sgd", losses)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.train_on_batch(IMAGES[:8], keras.tree.map_structure(lambda y: y[:8], labels))
        for found in (
            in_keras.diagnose(model, (IMAGES, labels)),
            in_keras.diagnose(model, (IMAGES, labels), losses),
        ):
            assert found.kinds == kind, found
            if kind:
                name = "kind" if "logits as" in kind[0] else "odd"
                assert found[0].evidence.startswith(f"Output {name!r}: ")
                assert f"layer {name!r}" in found[0].evidence


def test_keras_outputs_without_a_loss(keras, in_keras):
    zoo, model = Zoo(keras), heads(keras)
    losses = [None, zoo.sparse(from_logits=True), None]
    model.compile("sgd", losses)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.train_on_batch(IMAGES, [LABELS])
    for labels in ([LABELS], in_a_row(HEADS)):
        assert one_line(in_keras.diagnose(model, (IMAGES, labels))), labels
    model.compile("sgd", ["mse", "sparse_categorical_crossentropy", "mse"])
    assert in_keras.diagnose(model, (IMAGES, in_a_row(HEADS))).kinds == [
        "logits as probabilities"
    ]
    found = in_keras.diagnose(model, (IMAGES, [LABELS]), {"another": "mse"})
    assert found.kinds == ["unreadable"]


def test_keras_a_loss_of_its_own_reads_labels_by_name(keras, in_keras):
    class Own(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return sum(keras.ops.mean(output) for output in y_pred.values())

    whole = heads(keras, dict)
    model = Own(whole.inputs, dict(zip(whole.output_names, whole.outputs, strict=True)))
    model.compile("sgd")
    found = in_keras.diagnose(model, (IMAGES, HEADS))
    assert one_line(found), found
    assert "no loss" not in str(found)


def test_keras_the_mend_fits_the_loss_and_the_layer(keras, in_keras):
    zoo = Zoo(keras)
    model = zoo.linear(zoo.fixed(lambda z: 9 * z), units=1)
    finding = of(
        in_keras.diagnose(model, (IMAGES, HOT[:, :1]), "binary_crossentropy"),
        "logits as probabilities",
    )
    assert "sigmoid" in finding.mend
    assert "softmax" not in finding.mend
    for activation in ("relu", "sigmoid", "tanh"):
        finding = of(
            in_keras.diagnose(zoo.linear(zoo.act(activation)), (IMAGES, LABELS), zoo.sparse()),
            "logits as probabilities",
        )
        assert f"Take {activation} off" in finding.mend
        assert "from_logits=True" in finding.mend
    several = keras.losses.BinaryCrossentropy(from_logits=True)
    finding = in_keras.diagnose(zoo.linear(zoo.act("sigmoid")), (IMAGES, SEVERAL), several)[0]
    assert "sigmoid" in finding.mend
    assert "softmax" not in finding.mend


def test_keras_it_says_that_no_loss_was_looked_at(keras, in_keras):
    assert "no loss was looked at" in str(
        in_keras.diagnose(Zoo(keras).linear(), (IMAGES, LABELS))
    )


def test_keras_what_to_do_where_it_cannot_be_run(keras, in_keras):
    zoo, batch = Zoo(keras), (IMAGES, LABELS)
    unbuilt = keras.Sequential([zoo.layers.Dense(K)])
    mend = of(in_keras.diagnose(unbuilt, batch, zoo.sparse()), "unreadable").mend
    assert "keras.Input" in mend
    loss = keras.losses.SparseCategoricalCrossentropy
    mend = of(in_keras.diagnose(zoo.linear(), batch, loss), "unreadable").mend
    assert "SparseCategoricalCrossentropy()" in mend
