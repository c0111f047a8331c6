"""Distillation in PyTorch: the loss, and the loop that trains with it."""

import torch
from torch.nn import functional as F


def distillation_loss(student_logits, teacher_logits, labels, *, temperature, alpha):
    """`companion.distillation_loss` on tensors.

    Parameters
    ----------
    student_logits : Tensor, shape (N, K)
        Logits of the model that is trained.
    teacher_logits : Tensor, shape (N, K)
        Logits of the model that it learns from. No gradient flows into them.
    labels : Tensor of int64, shape (N,)
        True class of each example.
    temperature : float
        T > 0, without unit. Both distributions are softened by it.
    alpha : float
        Weight of the teacher, in 0..1.

    Returns
    -------
    Tensor, shape (N,)
        One loss per example, in nats: write `.mean()` before `.backward()`.

    References
    ----------
    Hinton, Vinyals & Dean (2015), "Distilling the knowledge in a neural network",
    section 2, arXiv:1503.02531.

    Examples
    --------
    A student that agrees with its teacher pays for the label alone.

    >>> logits, labels = torch.tensor([[1.0, 0.0]]), torch.tensor([0])
    >>> distillation_loss(logits, logits, labels, temperature=4, alpha=0.5)
    tensor([0.1566])
    """
    # The model first and in logarithms, the teacher second and as probabilities.
    log_student = F.log_softmax(student_logits / temperature, dim=-1)
    teacher = F.softmax(teacher_logits.detach() / temperature, dim=-1)
    soft = F.kl_div(log_student, teacher, reduction="none").sum(dim=-1)
    hard = F.cross_entropy(student_logits, labels, reduction="none")
    return alpha * temperature**2 * soft + (1 - alpha) * hard


def label_loss(model, images, labels):
    """Cross-entropy of the labels: what `train` minimises unless told otherwise.

    Parameters
    ----------
    model : torch.nn.Module
        From images to logits.
    images : Tensor, shape (N, D)
        A batch.
    labels : Tensor of int64, shape (N,)
        True classes.

    Returns
    -------
    Tensor, shape (N,)
        One loss per example, in nats.

    Examples
    --------
    >>> label_loss(torch.nn.Identity(), torch.zeros(1, 4), torch.tensor([2]))
    tensor([1.3863])
    """
    return F.cross_entropy(model(images), labels, reduction="none")


def train(
    model, images, labels, *, epochs, loss=label_loss, batch_size=64, learning_rate=0.01, seed=0
):
    """Train a model with Adam on shuffled batches, and leave it in inference mode.

    Parameters
    ----------
    model : torch.nn.Module
        From images to logits. It is changed.
    images : array_like, shape (N, D)
        Becomes the dtype of the model.
    labels : array_like of int64, shape (N,)
        True classes.
    epochs : int
        How often each image is seen.
    loss : callable
        Takes the model and a batch, returns one loss per example.
    batch_size : int
        Images per step.
    learning_rate : float
        Of Adam.
    seed : int
        Of the shuffling. The model's own randomness has PyTorch's global seed.

    Returns
    -------
    list of float
        Mean loss in each epoch.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> losses = train(torch.nn.Linear(2, 2), [[0, 1], [1, 0]], [0, 1], epochs=100)
    >>> losses[-1] < losses[0]
    True
    """
    dtype = next(model.parameters()).dtype
    images, labels = torch.as_tensor(images, dtype=dtype), torch.as_tensor(labels)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    shuffle, history = torch.Generator().manual_seed(seed), []
    model.train()
    for _ in range(epochs):
        history.append(0.0)
        for batch in torch.randperm(len(images), generator=shuffle).split(batch_size):
            losses = loss(model, images[batch], labels[batch])
            optimizer.zero_grad()
            losses.mean().backward()
            optimizer.step()
            history[-1] += losses.sum().item() / len(images)
    model.eval()
    return history


def distill(student, teacher, images, labels, *, temperature, alpha, **training):
    """Train a student on labels and on a teacher, which stays as it is.

    Parameters
    ----------
    student : torch.nn.Module
        From images to logits. It is changed.
    teacher : torch.nn.Module
        From images to logits. It is put into inference mode, so that neither its weights
        nor the statistics of its batch normalisation move, and nothing is dropped out.
    images : array_like, shape (N, D)
        Becomes the dtype of the student, which is that of the teacher.
    labels : array_like of int, shape (N,)
        True classes.
    temperature : float
        T > 0, without unit.
    alpha : float
        Weight of the teacher, in 0..1.
    **training : dict
        What else `train` takes: `epochs` and the rest.

    Returns
    -------
    list of float
        Mean loss in each epoch.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> teacher, student = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    >>> given = {"temperature": 2, "alpha": 0.9, "epochs": 100}
    >>> losses = distill(student, teacher, [[0, 1], [1, 0]], [0, 1], **given)
    >>> losses[-1] < losses[0]
    True
    """
    teacher.eval()

    def loss(model, images, labels):
        with torch.no_grad():
            opinion = teacher(images)
        return distillation_loss(
            model(images), opinion, labels, temperature=temperature, alpha=alpha
        )

    return train(student, images, labels, loss=loss, **training)
