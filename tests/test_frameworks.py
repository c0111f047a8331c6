"""Distillation inside PyTorch and Keras: the loss of the package, and a teacher that rests."""

import importlib
import itertools
import os
import subprocess
import sys

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import companion
from companion import datasets
from companion.frameworks import pytorch as in_torch

BLENDS = [
    {"temperature": 1.0, "alpha": 0.0},
    {"temperature": 1.0, "alpha": 1.0},
    {"temperature": 4.0, "alpha": 0.7},
    {"temperature": 20.0, "alpha": 0.5},
]
every_blend = pytest.mark.parametrize("blend", BLENDS, ids=str)
# A few roundings of float64 in logits of at most 300.
CLOSE = {"rtol": 1e-12, "atol": 1e-13}


def logits(R):
    rng = np.random.default_rng(int(R))
    student, teacher = rng.uniform(-R, R, size=(2, 50, 10))
    return student, teacher, rng.integers(10, size=50)


RANGES = [1, 10, 300]


def digits():
    data = datasets.digits()
    return data.train_images.astype(np.float32), data.train_labels


def torch_loss(student, teacher, labels, **blend):
    """Losses and their gradient, as arrays."""
    student = torch.tensor(student, requires_grad=True)
    losses = in_torch.distillation_loss(
        student, torch.as_tensor(teacher), torch.as_tensor(labels), **blend
    )
    losses.sum().backward()
    return losses.detach().numpy(), student.grad.numpy()


def keras_loss(student, teacher, labels, **blend):
    """The same, by Keras on TensorFlow."""
    tensorflow = sys.modules["tensorflow"]
    student = tensorflow.constant(student)
    with tensorflow.GradientTape() as tape:
        tape.watch(student)
        losses = importlib.import_module("companion.frameworks.keras").distillation_loss(
            student, teacher, labels, **blend
        )
    return losses.numpy(), tape.gradient(losses, student).numpy()


@pytest.fixture(scope="module", params=[torch_loss, keras_loss], ids=["pytorch", "keras"])
def distilled(request):
    """The loss of one framework."""
    if request.param is keras_loss:
        request.getfixturevalue("in_keras")
    return request.param


def core(*arrays, **blend):
    with np.errstate(invalid="ignore"):
        functions = companion.distillation_loss, companion.distillation_loss_grad
        return [function(*arrays, **blend) for function in functions]


# The loss of both frameworks


@every_blend
@pytest.mark.parametrize("R", RANGES)
def test_loss_and_gradient_are_those_of_the_package(distilled, R, blend):
    for got, wanted in zip(
        distilled(*logits(R), **blend), core(*logits(R), **blend), strict=True
    ):
        np.testing.assert_allclose(got, wanted, **CLOSE)


WEIGHTS = np.where(np.arange(50) % 3 == 0, 0, np.linspace(-1, 2, 50))


@every_blend
@pytest.mark.parametrize("rubbish", [np.nan, np.inf])
def test_weights_are_those_of_the_package(distilled, blend, rubbish):
    student, teacher, labels = logits(10)
    wanted = core(student, teacher, labels, weights=WEIGHTS, **blend)
    out = WEIGHTS == 0
    student[out], teacher[out], labels[out] = rubbish, rubbish, -100
    for got, by_core in zip(
        distilled(student, teacher, labels, weights=WEIGHTS, **blend), wanted, strict=True
    ):
        np.testing.assert_allclose(got, by_core, **CLOSE)
        assert not got[out].any()
    bools = distilled(student, teacher, labels, weights=~out, **blend)
    np.testing.assert_allclose(bools[0], core(*logits(10), **blend)[0] * ~out, **CLOSE)


@pytest.mark.parametrize("weights", [np.ones(3), 2.0, np.ones((50, 1)), np.full(50, np.nan)])
def test_weights_that_are_none_are_refused(distilled, weights):
    blend = {"temperature": 2.0, "alpha": 0.5}
    with pytest.raises(ValueError, match="weights must be") as caught:
        distilled(*logits(1), weights=weights, **blend)
    with pytest.raises(ValueError, match="weights must be") as by_core:
        companion.distillation_loss(*logits(1), weights=weights, **blend)
    assert str(caught.value) == str(by_core.value)


@pytest.mark.filterwarnings("ignore")
def test_weights_where_nobody_can_look(tensorflow, in_keras):
    student, teacher, labels = logits(1)
    labels[WEIGHTS == 0] = -100
    blend = {"temperature": 2.0, "alpha": 0.5, "weights": WEIGHTS}
    wanted = core(student, teacher, labels, **blend)[0]
    compiled = torch.compile(in_torch.distillation_loss, backend="eager")
    given = map(torch.tensor, (student, teacher, labels))
    blend["weights"] = torch.tensor(WEIGHTS)
    np.testing.assert_allclose(compiled(*given, **blend), wanted, **CLOSE)
    graph = tensorflow.function(in_keras.distillation_loss)
    blend["weights"] = tensorflow.constant(WEIGHTS)
    np.testing.assert_allclose(graph(student, teacher, labels, **blend), wanted, **CLOSE)


def test_the_teacher_gets_no_gradient(tensorflow, in_keras):
    student, teacher = (torch.zeros(1, 3, requires_grad=True) for _ in range(2))
    blend = {"temperature": 2.0, "alpha": 0.5}
    in_torch.distillation_loss(student, teacher, torch.tensor([0]), **blend).sum().backward()
    assert teacher.grad is None
    student, teacher = (tensorflow.zeros((1, 3)) for _ in range(2))
    with tensorflow.GradientTape() as tape:
        tape.watch([student, teacher])
        loss = in_keras.distillation_loss(student, teacher, [0], **blend)
    assert tape.gradient(loss, [student, teacher])[1] is None


OR_MASKED = st.one_of(st.floats(-50, 50), st.just(-np.inf))


@settings(max_examples=60)
@given(
    hnp.arrays(np.float64, st.tuples(st.just(2), st.integers(1, 3), st.integers(1, 4)),
               elements=OR_MASKED),
    st.sampled_from([0.5, 4.0]),
    st.sampled_from([0.0, 0.5, 1.0]),
)  # fmt: skip
@example(np.array([[[0, 0, -np.inf]], [[1, 0, -np.inf]]]), 4.0, 0.5)  # both rule a class out
@example(np.array([[[0, 0, -np.inf]], [[1, 0, 0]]]), 4.0, 0.0)  # an infinite part, no weight
@example(np.array([[[-np.inf, 0, 0]], [[-np.inf, 1, 0]]]), 4.0, 1.0)
@example(np.array([[[0, -np.inf, -np.inf]], [[0, 0, 0]]]), 4.0, 0.5)
def test_masked_classes_and_parts_without_weight(distilled, both, temperature, alpha):
    student, teacher = both
    both[:, :, 0] = np.where(np.isneginf(both).all(axis=-1), 0, both[:, :, 0])
    blend = {"temperature": temperature, "alpha": alpha}
    labels = np.zeros(len(student), int)
    for got, wanted in zip(
        distilled(student, teacher, labels, **blend),
        core(student, teacher, labels, **blend),
        strict=True,
    ):
        assert not np.isnan(got).any()
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-15)


def exact(student, teacher, T):
    """T ** 2 KL and its gradient, in 60 digits."""
    with mpmath.workdps(60):
        z, v = ([mpmath.mpf(float(x)) / T for x in row] for row in (student, teacher))
        log_p, log_t = ([x - logsumexp(row) for x in row] for row in (z, v))
        t = [mpmath.exp(x) for x in log_t]
        loss = mpmath.fsum(w * (a - b) for w, a, b in zip(t, log_t, log_p, strict=True))
        slope = [T * (mpmath.exp(b) - w) for w, b in zip(t, log_p, strict=True)]
        return T * T * loss, slope


def logsumexp(row):
    return max(row) + mpmath.log(mpmath.fsum(mpmath.exp(x - max(row)) for x in row))


# Roundings of the exponents: of up to 12 / T in size, and of the sums.
ULPS = 32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 12),
    st.sampled_from([1.0, 4.0, 20.0, 1e3, 1e6]),
    st.floats(-9, 0.5),
    st.sampled_from([None, 1e4, 1e9]),
)
def test_no_digit_of_the_divergence_cancels(distilled, dtype, seed, K, T, nearness, mask):
    rng = np.random.default_rng(seed)
    teacher = 3 * rng.normal(size=K)
    student = (teacher + 10**nearness * rng.normal(size=K)).astype(dtype)
    teacher = teacher.astype(dtype)
    if mask:  # a large number in place of -inf, as many write it
        teacher[0] = -mask
    loss, slope = distilled(student, teacher, K - 1, temperature=T, alpha=1.0)
    wanted, wanted_slope = exact(student, teacher, T)
    eps = np.finfo(dtype).eps
    assert loss >= 0
    assert abs(mpmath.mpf(float(loss)) - wanted) <= ULPS * eps * wanted
    largest = max(abs(x) for x in wanted_slope)
    for got, x in zip(slope, wanted_slope, strict=True):
        assert abs(mpmath.mpf(float(got)) - x) <= ULPS * eps * largest


def test_a_divergence_past_the_largest_exponential(distilled):
    student, teacher = np.float32([[0, -1000], [1000, 0]]), np.float32([[0, 0], [-1000, 0]])
    blend = {"temperature": 1.0, "alpha": 1.0}
    loss, slope = distilled(student, teacher, [0, 0], **blend)
    np.testing.assert_allclose(loss, [1000 / 2 - np.log(2), 1000], rtol=1e-6)
    np.testing.assert_allclose(slope, [[0.5, -0.5], [1, -1]], rtol=1e-6)


def test_a_sure_label_keeps_its_digits(distilled):
    student = np.array([[40.0, 0.0], [0.0, 1000.0], [300.0, -400.0]])
    got = distilled(student, student, [0, 0, 0], temperature=1.0, alpha=0.0)
    for found, wanted in zip(
        got, core(student, student, [0, 0, 0], temperature=1.0, alpha=0.0), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=0)


SHAPES = [(3,), (5, 3), (1, 1), (2, 3, 3), (3, 2, 3), (2, 4, 2, 5), (0, 3), (0, 0), (2, 0, 3)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("labelled", ["int8", "uint8", "int16", "uint16", "int32", "uint32",
                                      "int64", "uint64"])  # fmt: skip
def test_classes_are_on_the_last_axis_for_labels_of_every_type(distilled, shape, labelled):
    rng = np.random.default_rng(len(shape))
    student, teacher = rng.normal(size=(2, *shape))
    labels = rng.integers(max(shape[-1], 1), size=shape[:-1]).astype(labelled)
    for alpha in (0.0, 0.5, 1.0):
        blend = {"temperature": 2.0, "alpha": alpha}
        loss, slope = distilled(student, teacher, labels, **blend)
        wanted, wanted_slope = core(student, teacher, labels, **blend)
        assert loss.shape == labels.shape
        np.testing.assert_allclose(loss, wanted, **CLOSE)
        np.testing.assert_allclose(slope, wanted_slope, **CLOSE)


Z = np.zeros((2, 3))
Y = np.array([0, 2])
REFUSED = {
    "temperature 0": (Z, Z, Y, 0.0, 0.5),
    "temperature negative": (Z, Z, Y, -1.0, 0.5),
    "temperature nan": (Z, Z, Y, np.nan, 0.5),
    "temperature infinite": (Z, Z, Y, np.inf, 0.5),
    "temperature tiny": (Z, Z, Y, 1e-200, 0.5),
    "temperature tiny for 32 bits": (np.float32(Z), np.float32(Z), Y, 1e-11, 0.5),
    "temperature huge for 32 bits": (np.float32(Z), np.float32(Z), Y, 1e10, 0.5),
    "temperature a string": (Z, Z, Y, "4", 0.5),
    "temperature a list": (Z, Z, Y, [1.0, 2.0], 0.5),
    "alpha above 1": (Z, Z, Y, 1.0, 1.5),
    "alpha negative": (Z, Z, Y, 1.0, -0.1),
    "alpha nan": (Z, Z, Y, 1.0, np.nan),
    "alpha None": (Z, Z, Y, 1.0, None),
    "one row of a teacher": (Z, Z[:1], Y, 1.0, 0.5),
    "a row without a batch": (Z, Z[0], Y, 1.0, 0.5),
    "other classes": (Z, np.zeros((2, 4)), Y, 1.0, 0.5),
    "one number": (np.array(0.0), np.array(0.0), 0, 1.0, 0.5),
    "ignored label": (Z, Z, np.array([0, -100]), 1.0, 0.5),
    "last class as -1": (Z, Z, np.array([-1, 0]), 1.0, 1.0),
    "label K": (Z, Z, np.array([0, 3]), 1.0, 0.5),
    "label past a small type": (Z, Z, np.array([0, 255], np.uint8), 1.0, 0.5),
    "label of a large type": (Z, Z, np.array([0, 2**63], np.uint64), 1.0, 0.5),
    "labels of shape (N, 1)": (Z, Z, Y[:, None], 1.0, 0.5),
    "one label for all": (Z, Z, np.array(1), 1.0, 0.5),
    "real labels": (Z, Z, np.array([0.0, 1.0]), 1.0, 0.5),
    "true and false": (Z, Z, np.array([True, False]), 1.0, 0.5),
    "one-hot labels": (Z, Z, np.eye(3)[Y], 1.0, 0.5),
    "complex student": (Z + 0j, Z, Y, 1.0, 0.5),
    "complex teacher": (Z, Z + 0j, Y, 1.0, 0.5),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_package_refuses_is_refused_in_its_words(distilled, case):
    student, teacher, labels, temperature, alpha = REFUSED[case]
    blend = {"temperature": temperature, "alpha": alpha}
    with pytest.raises((TypeError, ValueError)) as wanted:
        companion.distillation_loss(student, teacher, labels, **blend)
    with pytest.raises(wanted.type) as caught:
        distilled(student, teacher, labels, **blend)
    assert str(caught.value) == str(wanted.value)


def as_sixteen_bits(dtype):
    """Logits that 16 bits hold exactly, as tensors of them and as float32."""
    rng = np.random.default_rng(0)
    pair = [torch.tensor(3 * rng.normal(size=(200, 10))).to(dtype) for _ in range(2)]
    return pair, [x.float() for x in pair], torch.tensor(rng.integers(10, size=200))


@every_blend
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_pytorch_losses_of_sixteen_bits_are_those_of_float32(dtype, blend):
    short, long, labels = as_sixteen_bits(dtype)
    wanted = in_torch.distillation_loss(*long, labels, **blend)
    for student, teacher in (short, (short[0], long[1]), (long[0], short[1])):
        losses = in_torch.distillation_loss(student, teacher, labels, **blend)
        assert losses.dtype == torch.float32
        assert torch.equal(losses, wanted)
        with torch.autocast("cpu", dtype):
            losses = in_torch.distillation_loss(student, teacher, labels, **blend)
        assert losses.dtype == torch.float32
        assert torch.equal(losses, wanted)


@every_blend
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_keras_losses_of_sixteen_bits_are_those_of_float32(keras, in_keras, dtype, blend):
    _, long, labels = as_sixteen_bits(getattr(torch, dtype))
    wanted = in_keras.distillation_loss(*(x.numpy() for x in long), labels.numpy(), **blend)
    short = [keras.ops.cast(x.numpy(), dtype) for x in long]
    losses = in_keras.distillation_loss(*short, labels.numpy(), **blend)
    assert keras.backend.standardize_dtype(losses.dtype) == "float32"
    np.testing.assert_array_equal(losses, wanted)


@pytest.mark.parametrize("dtypes", [("float32", "float64"), ("float64", "float32"),
                                    ("int64", "float32")])  # fmt: skip
def test_the_loss_has_the_type_of_the_student(dtypes):
    student, teacher = (torch.ones(2, 3).to(getattr(torch, name)) for name in dtypes)
    loss = in_torch.distillation_loss(student, teacher, torch.tensor(Y), temperature=1, alpha=1)
    wanted = companion.distillation_loss(
        student.numpy(), teacher.numpy(), Y, temperature=1, alpha=1
    )
    assert loss.numpy().dtype == wanted.dtype


# PyTorch's transforms


def blended(student, teacher, labels):
    return in_torch.distillation_loss(student, teacher, labels, temperature=4.0, alpha=0.7)


def tensors(masked=False):
    student, teacher, labels = (torch.tensor(x[:5]) for x in logits(3))
    if masked:
        student[0, 3] = teacher[0, 3] = teacher[1, 2] = -np.inf
        labels[:] = 0
    return student, teacher, labels


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # PyTorch's own, of forward mode
@pytest.mark.parametrize("masked", [False, True])
def test_pytorch_derivatives_of_every_kind(masked):
    student, teacher, labels = tensors(masked)
    finite = student.masked_fill(student.isinf(), 0.0).requires_grad_()

    def loss(x):
        return blended(x.masked_fill(student.isinf(), -np.inf), teacher, labels)

    assert torch.autograd.gradcheck(loss, finite, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(loss, finite)
    backward, forward = torch.func.jacrev(loss)(finite), torch.func.jacfwd(loss)(finite)
    torch.testing.assert_close(backward, forward)


def test_pytorch_vmap_and_wrong_labels_that_it_hides():
    student, teacher, labels = tensors()
    slopes = torch.func.vmap(torch.func.grad(blended))
    wanted = torch.func.grad(lambda z: blended(z, teacher, labels).sum())(student)
    torch.testing.assert_close(slopes(student, teacher, labels), wanted)
    labels[0], labels[3] = -100, 10
    got = slopes(student, teacher, labels)
    assert got[[0, 3]].isnan().all()
    torch.testing.assert_close(got[[1, 2, 4]], wanted[[1, 2, 4]])


@pytest.mark.filterwarnings("ignore")  # the compiler's own
def test_pytorch_compiles_in_one_graph_and_wrong_labels_give_nan():
    student, teacher, labels = tensors()
    student.requires_grad_()
    compiled = torch.compile(blended, fullgraph=True, backend="aot_eager")
    losses = compiled(student, teacher, labels)
    torch.testing.assert_close(losses, blended(student, teacher, labels))
    slope = torch.autograd.grad(losses.sum(), student)[0]
    wanted = torch.autograd.grad(blended(student, teacher, labels).sum(), student)[0]
    torch.testing.assert_close(slope, wanted)
    labels[0], labels[3] = -1, 10
    losses = compiled(student, teacher, labels)
    assert losses.isnan().tolist() == [True, False, False, True, False]


# PyTorch's training


def torch_teacher():
    """A model with all that could move: weights, statistics, dropout."""
    nn = torch.nn
    return nn.Sequential(
        nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 10)
    )


def copied(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_pytorch_distillation_on_the_digits():
    torch.manual_seed(0)
    images, labels = digits()
    teacher, student = torch_teacher(), torch.nn.Linear(64, 10)
    losses = in_torch.train(teacher, images, labels, epochs=10)
    assert losses[-1] < 0.3 * losses[0]
    teacher.train()  # as somebody may hand it over
    before, start = copied(teacher), copied(student)
    losses = in_torch.distill(
        student, teacher, images, labels, temperature=4.0, alpha=0.9, epochs=10
    )
    assert losses[-1] < 0.3 * losses[0]
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert not any(torch.equal(value, start[name]) for name, value in copied(student).items())
    assert not student.training


def test_pytorch_training_can_be_repeated():
    images, labels = digits()
    runs = []
    for seed in (0, 0, 1):
        torch.manual_seed(0)
        model = torch.nn.Linear(64, 10)
        runs.append(in_torch.train(model, images[:200], labels[:200], epochs=2, seed=seed))
    assert runs[0] == runs[1] != runs[2]


def trained_on(model, images, labels, **given):
    return in_torch.train(model, images, labels, **{"epochs": 1} | given)


def test_each_epoch_sees_each_image_once_in_training_mode():
    seen = []

    def loss(model, images, labels):
        assert model.training
        seen.append(sorted(labels.tolist()))
        return in_torch.label_loss(model, images, labels)

    model = torch.nn.Linear(2, 20).eval()
    images, labels = np.zeros((20, 2)), np.arange(20)
    history = trained_on(model, images, labels, loss=loss, epochs=3, batch_size=8)
    assert len(history) == 3
    assert [len(batch) for batch in seen] == 3 * [8, 8, 4]
    for epoch in range(3):
        labels_seen = itertools.chain(*seen[3 * epoch : 3 * epoch + 3])
        assert sorted(labels_seen) == list(range(20))
    assert not model.training


@pytest.mark.parametrize("rate", [0.5, 0.01, 1e-4])
def test_the_first_step_has_the_length_that_is_asked_for(rate):
    # The first step of Adam is its learning rate, times the sign of the gradient.
    model = torch.nn.Linear(3, 2, dtype=torch.float64)
    before = model.weight.detach().clone()
    trained_on(model, np.eye(3), [0, 1, 0], learning_rate=rate)
    moved = (model.weight.detach() - before).abs()
    torch.testing.assert_close(moved, torch.full_like(moved, rate), rtol=1e-4, atol=0)


@pytest.mark.parametrize("count", [1, 4, 16])
def test_the_gradient_is_that_of_the_mean(count):
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2, dtype=torch.float64)
    images, labels = torch.eye(3).double().repeat(16, 1)[:count], torch.arange(count) % 2
    loss = in_torch.label_loss(model, images, labels).mean()
    wanted = torch.autograd.grad(loss, model.weight)[0]
    (mean,) = trained_on(model, images, labels)
    torch.testing.assert_close(model.weight.grad, wanted)
    assert mean == pytest.approx(loss.item())


@pytest.mark.parametrize(("count", "size"), [(65, 64), (9, 4), (5, 2), (3, 2), (1, 1), (4, 4)])
def test_no_last_batch_of_one(count, size):
    sizes = []

    def loss(model, images, labels):
        sizes.append(len(images))
        return in_torch.label_loss(model, images, labels)

    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    if count == 1:
        model = model[0]
    trained_on(model, np.zeros((count, 2)), np.zeros(count, int), loss=loss, batch_size=size)
    assert sum(sizes) == count
    assert min(sizes) > 1 or size == 1


def test_batches_go_to_the_device_of_the_model():
    # No accelerator is needed to see where they went: "meta" is a device without numbers.
    seen = []

    def loss(model, images, labels):
        seen.append({images.device.type, labels.device.type, images.dtype})
        return torch.zeros(len(images), requires_grad=True)

    model = torch.nn.Linear(2, 2, device="meta", dtype=torch.bfloat16)
    trained_on(model, np.zeros((6, 2)), np.zeros(6, int), loss=loss, batch_size=2)
    assert seen == 3 * [{"meta", torch.bfloat16}]


def frozen():
    return torch.nn.Linear(2, 2).requires_grad_(False)


MEAN = {"loss": lambda model, X, y: in_torch.label_loss(model, X, y).mean()}
COLUMN = {"loss": lambda model, X, y: in_torch.label_loss(model, X, y)[:, None]}


@pytest.mark.parametrize(
    ("model", "count", "labels", "given", "text"),
    [
        (torch.nn.Linear(2, 2), 3, [0, 1, 0], MEAN, r"one number per .*\(3,\); got \(\)"),
        (torch.nn.Linear(2, 2), 1, [0], MEAN, r"shape \(1,\); got \(\)"),
        (torch.nn.Linear(2, 2), 3, [0, 1, 0], COLUMN, r"got \(3, 1\)"),
        (torch.nn.Linear(2, 2), 0, [], {}, r"at least one; got shapes \(0, 2\) and \(0,\)"),
        (torch.nn.Linear(2, 2), 3, [0, 1], {}, r"as many, .* got shapes \(3, 2\) and \(2,\)"),
        (torch.nn.Linear(2, 2), 1, 0, {}, r"got shapes \(1, 2\) and \(\)"),
        (torch.nn.Identity(), 2, [0, 1], {}, "a parameter .* got Identity without one"),
        (frozen(), 2, [0, 1], {}, "must have a parameter .* got Linear without one"),
        (torch.nn.Linear(2, 2), 2, [0, -100], {}, "must lie in 0..1 for 2 classes; got -100"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused(model, count, labels, given, text):
    with pytest.raises(ValueError, match=text):
        trained_on(model, np.zeros((count, 2)), labels, **given)


# Keras


def keras_models(keras):
    layers = keras.layers
    teacher = keras.Sequential(
        [keras.Input((64,)), layers.Dense(32), layers.BatchNormalization(), layers.ReLU(),
         layers.Dropout(0.2), layers.Dense(10)]
    )  # fmt: skip
    return keras.Sequential([keras.Input((64,)), layers.Dense(10)]), teacher


def trained(keras, distiller, images, labels):
    """Weights of teacher and student before and after, and the losses."""
    before = distiller.teacher.get_weights(), distiller.student.get_weights()
    distiller.compile(optimizer=keras.optimizers.Adam(0.01))
    history = distiller.fit(images, labels, epochs=6, batch_size=64, verbose=0).history
    after = distiller.teacher.get_weights(), distiller.student.get_weights()
    same = [
        [np.array_equal(*pair) for pair in zip(*model, strict=True)]
        for model in zip(before, after, strict=True)
    ]
    return same[0], same[1], history["loss"]


def test_keras_distillation_on_the_digits(keras, in_keras):
    keras.utils.set_random_seed(0)
    images, labels = digits()
    student, teacher = keras_models(keras)
    teacher.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    teacher.fit(images, labels, epochs=10, verbose=0)
    distiller = in_keras.Distiller(student, teacher, temperature=4.0, alpha=0.9)
    teacher_same, student_same, losses = trained(keras, distiller, images, labels)
    assert all(teacher_same)
    assert teacher.trainable
    assert not any(student_same)
    assert losses[-1] < 0.5 * losses[0]
    assert [id(v) for v in distiller.trainable_variables] == [
        id(v) for v in student.trainable_variables
    ]
    np.testing.assert_array_equal(
        distiller.predict(images[:5], verbose=0), student.predict(images[:5], verbose=0)
    )


def test_keras_a_teacher_that_is_not_frozen_would_be_seen_to_move(keras, in_keras):
    class Careless(in_keras.Distiller):
        """As in an example that many have copied: the teacher is a part of the model."""

        def compute_loss(self, x=None, y=None, *_, **__):
            student, teacher = self.student(x), self.part(x, training=True)
            return keras.ops.mean((student - teacher) ** 2)

    keras.utils.set_random_seed(0)
    student, teacher = keras_models(keras)
    distiller = Careless(student, teacher, temperature=4.0, alpha=0.9)
    distiller.part = teacher
    teacher_same, _, _ = trained(keras, distiller, *digits())
    assert not any(teacher_same)


@pytest.mark.parametrize("shape", [(20,), (20, 1)])
def test_keras_sample_weights_and_regularisers_count(keras, in_keras, shape):
    keras.utils.set_random_seed(0)
    student, teacher = keras_models(keras)
    student = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(10, kernel_regularizer=keras.regularizers.L2(0.1)),
        ]
    )
    distiller = in_keras.Distiller(student, teacher, temperature=2.0, alpha=0.5)
    images, labels = (array[:20] for array in digits())
    z, weight = student(images), np.arange(20.0)
    loss = distiller.compute_loss(images, labels.reshape(shape), z, weight.reshape(shape))
    losses = companion.distillation_loss(
        np.array(z), np.array(teacher(images)), labels, temperature=2.0, alpha=0.5
    )
    penalty = 0.1 * (student.get_weights()[0] ** 2).sum()
    assert float(loss) == pytest.approx((weight * losses).mean() + penalty, rel=1e-5)


@pytest.mark.parametrize("shape", [(20, 1, 1), (1, 20), (20, 2), (2, 10)])
def test_keras_other_sample_weights_are_refused(keras, in_keras, shape):
    student, teacher = keras_models(keras)
    distiller = in_keras.Distiller(student, teacher, temperature=2.0, alpha=0.5)
    images, labels = (array[:20] for array in digits())
    with pytest.raises(ValueError, match=r"one weight per loss, shape \(20,\); got"):
        distiller.compute_loss(images, labels, student(images), np.ones(shape))


def small_distiller(keras, in_keras, **blend):
    """A distiller of a teacher with everything that must not count, and data for it."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    teacher = keras.Sequential(
        [keras.Input((8,)), layers.Dense(4, activity_regularizer=keras.regularizers.L2(10.0),
         kernel_regularizer="l2"), layers.BatchNormalization(), layers.Dropout(0.5),
         layers.Dense(3)]
    )  # fmt: skip
    student = keras.Sequential([keras.Input((8,)), layers.Dense(3)])
    rng = np.random.default_rng(0)
    data = rng.normal(size=(30, 8)).astype(np.float32), rng.integers(3, size=30)
    blend = {"temperature": 4.0, "alpha": 0.9} | blend
    return in_keras.Distiller(student, teacher, **blend), *data


def test_keras_penalties_of_the_teacher_do_not_count(keras, in_keras):
    distiller, images, labels = small_distiller(keras, in_keras)
    distiller.compile("sgd")
    student, teacher = distiller.student(images), distiller.teacher(images, training=False)
    wanted = companion.distillation_loss(
        np.array(student), np.array(teacher), labels, temperature=4.0, alpha=0.9
    ).mean()
    assert distiller.evaluate(images, labels, verbose=0) == pytest.approx(wanted, rel=1e-5)
    (history,) = distiller.fit(images, labels, batch_size=30, verbose=0).history.values()
    assert history == pytest.approx([wanted], rel=1e-5)


@pytest.mark.parametrize("shape", [(30,), (30, 1)])
def test_keras_fit_counts_weights_of_both_shapes_alike(keras, in_keras, shape):
    distiller, images, labels = small_distiller(keras, in_keras)
    distiller.compile("sgd")
    weights = np.arange(30.0)
    arrays = np.array(distiller(images)), np.array(distiller.teacher(images, training=False))
    losses = companion.distillation_loss(*arrays, labels, temperature=4.0, alpha=0.9)
    given = {"sample_weight": weights.reshape(shape), "batch_size": 30, "verbose": 0}
    history = distiller.fit(images, labels.reshape(shape), **given).history["loss"]
    assert history == pytest.approx([(weights * losses).mean()], rel=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_keras_mixed_precision_computes_the_loss_in_float32(keras, in_keras, policy):
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(policy)
        distiller, images, labels = small_distiller(keras, in_keras, temperature=300.0)
        student, teacher = distiller(images), distiller.teacher(images, training=False)
        assert keras.backend.standardize_dtype(student.dtype) in policy
        arrays = (np.array(keras.ops.cast(x, "float64")) for x in (student, teacher))
        losses = companion.distillation_loss(*arrays, labels, temperature=300.0, alpha=0.9)
        distiller.compile("sgd")
        history = distiller.fit(images, labels, batch_size=30, verbose=0).history["loss"]
        assert history == pytest.approx([losses.mean()], rel=1e-5)
    finally:
        keras.config.set_dtype_policy(before)


def test_keras_a_wrong_label_is_refused_or_where_compiled_makes_nan(keras, in_keras):
    distiller, images, labels = small_distiller(keras, in_keras)
    labels[7] = -100
    distiller.compile("sgd", run_eagerly=True)
    with pytest.raises(ValueError, match=r"labels must lie in 0..2 .* got -100 at position"):
        distiller.fit(images, labels, batch_size=30, shuffle=False, verbose=0)
    distiller.compile("sgd", run_eagerly=False)
    assert np.isnan(distiller.evaluate(images, labels, verbose=0))
    distiller.fit(images, labels, verbose=0)
    assert all(np.isnan(w).all() for w in distiller.student.get_weights())


SAVING = pytest.mark.filterwarnings("ignore:__array__")  # Keras's own, of its variables


@SAVING
@pytest.mark.parametrize("trained", [False, True])
def test_keras_distiller_is_saved_with_its_teacher_and_goes_on(
    keras, in_keras, tmp_path, trained
):
    distiller, images, labels = small_distiller(keras, in_keras)
    compiled = {"optimizer": keras.optimizers.Adam(0.05), "metrics": ["accuracy"]}
    if trained:
        distiller.compile(**compiled)
        distiller.fit(images, labels, epochs=2, verbose=0)
    distiller.save(tmp_path / "distiller.keras")
    loaded = keras.models.load_model(tmp_path / "distiller.keras")
    if not trained:
        for model in (distiller, loaded):
            model.compile("sgd", metrics=["accuracy"])
    assert type(loaded) is in_keras.Distiller
    assert (loaded.temperature, loaded.alpha) == (4.0, 0.9)
    for ours, theirs in [
        (distiller.student, loaded.student),
        (distiller.teacher, loaded.teacher),
    ]:
        for pair in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_array_equal(*pair)
    given = {"batch_size": 30, "epochs": 3, "shuffle": False, "verbose": 0}
    histories = [model.fit(images, labels, **given).history for model in (distiller, loaded)]
    for name in ("loss", "accuracy"):
        np.testing.assert_allclose(*(history[name] for history in histories), rtol=1e-5)


@SAVING
def test_keras_checkpoints_can_be_loaded(keras, in_keras, tmp_path):
    distiller, images, labels = small_distiller(keras, in_keras)
    distiller.compile("adam")
    for path, weights_only in [("whole.keras", False), ("only.weights.h5", True)]:
        keep = keras.callbacks.ModelCheckpoint(tmp_path / path, save_weights_only=weights_only)
        distiller.fit(images, labels, callbacks=[keep], verbose=0)
        wanted = distiller.predict(images, verbose=0)
        if weights_only:
            loaded, _, _ = small_distiller(keras, in_keras)
            loaded.load_weights(tmp_path / path)
        else:
            loaded = keras.models.load_model(tmp_path / path)
        np.testing.assert_array_equal(loaded.predict(images, verbose=0), wanted)


@pytest.mark.parametrize("given", [{"loss": "mse"}, {"loss": "mse", "loss_weights": [1.0]},
                                   {"loss_weights": [2.0]}])  # fmt: skip
def test_keras_another_loss_is_refused(keras, in_keras, given):
    distiller, _, _ = small_distiller(keras, in_keras)
    with pytest.raises(ValueError, match="a Distiller has its own loss"):
        distiller.compile("adam", **given)


def test_keras_a_wrong_blend_is_refused_before_training(keras, in_keras):
    for wrong in ({"temperature": 0.0}, {"temperature": -1.0}, {"alpha": 1.5}):
        (name,) = wrong
        with pytest.raises(ValueError, match=f"{name} must lie"):
            small_distiller(keras, in_keras, **wrong)


PORTABLE = """
import tempfile, numpy as np, keras
from companion.frameworks.keras import Distiller
keras.utils.set_random_seed(0)
dense = lambda: keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])
distiller = Distiller(dense(), dense(), temperature=4.0, alpha=0.9)
before = distiller.teacher.get_weights()
distiller.compile(optimizer=keras.optimizers.Adam(0.05))
images = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
losses = distiller.fit(images, images[:, :3].argmax(1), epochs=10, verbose=0).history["loss"]
assert losses[-1] < 0.7 * losses[0], losses
assert all(map(np.array_equal, before, distiller.teacher.get_weights()))
z, v, y = np.float32([[0, 1], [40, 0]]), np.float32([[0, 1.001], [40, 1]]), np.array([0, 0])
import companion
from companion.frameworks.keras import distillation_loss
blend = {"temperature": 20.0, "alpha": 0.5}
losses = keras.ops.convert_to_numpy(distillation_loss(z, v, y, **blend))
np.testing.assert_allclose(losses, companion.distillation_loss(z, v, y, **blend), rtol=1e-3)
path = tempfile.mkdtemp() + "/distiller.keras"
distiller.save(path)
loaded = keras.models.load_model(path)
assert np.array_equal(*(m.predict(images, verbose=0) for m in (distiller, loaded)))
print(keras.backend.backend())
"""


def test_keras_distiller_runs_on_another_backend():
    run = subprocess.run(
        [sys.executable, "-c", PORTABLE],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"KERAS_BACKEND": "torch"},
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.split() == ["torch"]


# Without the frameworks


@pytest.mark.parametrize(
    ("module", "blocked", "text"),
    [
        ("frameworks.pytorch", "torch", "pytorch needs PyTorch: pip install torch"),
        ("one_pass.distributed", "torch", "distributed needs PyTorch: pip install torch"),
        (
            "frameworks.keras",
            "keras",
            "keras needs Keras and a backend: pip install keras tensorflow",
        ),
    ],
)
def test_a_missing_framework_says_what_to_install(monkeypatch, module, blocked, text):
    name = f"companion.{module}"
    monkeypatch.setitem(sys.modules, blocked, None)  # its import fails, as if it were not there
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(ImportError, match=text):
        importlib.import_module(name)


def test_a_missing_backend_of_keras_says_what_to_install():
    blocked = "import sys; sys.modules['tensorflow'] = None; import companion.frameworks.keras"
    run = subprocess.run(
        [sys.executable, "-c", blocked],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"KERAS_BACKEND": "tensorflow"},
    )
    assert "ImportError: companion.frameworks.keras needs Keras and a backend" in run.stderr
