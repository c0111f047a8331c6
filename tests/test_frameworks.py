"""Distillation inside PyTorch and Keras: the loss of the package, and a teacher that rests."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

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
# A few roundings of float64. The frameworks lose the digits of losses near 0: the absolute
# part is a rounding of a log-probability, times T ** 2 = 400.
CLOSE = {"rtol": 1e-12, "atol": 1e-13}


def logits(R):
    rng = np.random.default_rng(int(R))
    student, teacher = rng.uniform(-R, R, size=(2, 50, 10))
    return student, teacher, rng.integers(10, size=50)


RANGES = [1, 10, 300]


def digits():
    data = datasets.digits()
    return data.train_images.astype(np.float32), data.train_labels


@pytest.fixture(scope="module")
def keras(tensorflow):
    import keras

    return keras


@pytest.fixture(scope="module")
def in_keras(keras):
    from companion.frameworks import keras as in_keras

    return in_keras


# PyTorch


@every_blend
@pytest.mark.parametrize("R", RANGES)
def test_pytorch_loss_and_gradient_are_those_of_the_package(R, blend):
    student, teacher, labels = logits(R)
    tensor = torch.tensor(student, requires_grad=True)
    losses = in_torch.distillation_loss(
        tensor, torch.tensor(teacher), torch.tensor(labels), **blend
    )
    losses.sum().backward()
    ours = companion.distillation_loss(student, teacher, labels, **blend)
    np.testing.assert_allclose(losses.detach(), ours, **CLOSE)
    slope = companion.distillation_loss_grad(student, teacher, labels, **blend)
    np.testing.assert_allclose(tensor.grad, slope, **CLOSE)


def test_pytorch_teacher_gets_no_gradient_and_may_rule_classes_out():
    student = torch.tensor([[1.0, 0.0, 2.0]], requires_grad=True)
    teacher = torch.tensor([[1.0, -np.inf, -3000.0]], requires_grad=True)
    blend = {"temperature": 2.0, "alpha": 0.5}
    loss = in_torch.distillation_loss(student, teacher, torch.tensor([0]), **blend)
    loss.sum().backward()
    assert teacher.grad is None
    assert student.grad.isfinite().all()
    arrays = student.detach().numpy(), teacher.detach().numpy(), [0]
    np.testing.assert_allclose(
        loss.detach(), companion.distillation_loss(*arrays, **blend), rtol=1e-6
    )


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


# Keras


@every_blend
@pytest.mark.parametrize("R", RANGES)
def test_keras_loss_and_gradient_are_those_of_the_package(tensorflow, in_keras, R, blend):
    student, teacher, labels = logits(R)
    tensor = tensorflow.constant(student)
    with tensorflow.GradientTape() as tape:
        tape.watch(tensor)
        losses = in_keras.distillation_loss(tensor, teacher, labels, **blend)
    ours = companion.distillation_loss(student, teacher, labels, **blend)
    np.testing.assert_allclose(losses, ours, **CLOSE)
    slope = companion.distillation_loss_grad(student, teacher, labels, **blend)
    np.testing.assert_allclose(tape.gradient(losses, tensor), slope, **CLOSE)


def test_keras_teacher_gets_no_gradient_and_may_rule_classes_out(tensorflow, in_keras):
    student = tensorflow.constant([[1.0, 0.0, 2.0]])
    teacher = tensorflow.constant([[1.0, -np.inf, -3000.0]])
    blend = {"temperature": 2.0, "alpha": 0.5}
    with tensorflow.GradientTape() as tape:
        tape.watch([student, teacher])
        loss = in_keras.distillation_loss(student, teacher, [0], **blend)
    slopes = tape.gradient(loss, [student, teacher])
    assert slopes[1] is None
    assert np.isfinite(slopes[0]).all()
    ours = companion.distillation_loss(student.numpy(), teacher.numpy(), [0], **blend)
    np.testing.assert_allclose(loss, ours, rtol=1e-6)


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
            student, teacher = self.student(x), self.teacher(x, training=True)
            return keras.ops.mean((student - teacher) ** 2)

    keras.utils.set_random_seed(0)
    student, teacher = keras_models(keras)
    distiller = Careless(student, teacher, temperature=4.0, alpha=0.9)
    teacher.trainable = True
    teacher_same, _, _ = trained(keras, distiller, *digits())
    assert not any(teacher_same)


def test_keras_sample_weights_and_regularisers_count(keras, in_keras):
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
    loss = distiller.compute_loss(images, labels, z, weight)
    losses = companion.distillation_loss(
        np.array(z), np.array(teacher(images)), labels, temperature=2.0, alpha=0.5
    )
    penalty = 0.1 * (student.get_weights()[0] ** 2).sum()
    assert float(loss) == pytest.approx((weight * losses).mean() + penalty, rel=1e-5)


PORTABLE = """
import numpy as np, keras
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
print(keras.backend.backend())
"""


def test_keras_distiller_runs_on_another_backend():
    run = subprocess.run(
        [sys.executable, "-c", PORTABLE],
        capture_output=True,
        text=True,
        env=os.environ | {"KERAS_BACKEND": "torch"},
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.split() == ["torch"]
