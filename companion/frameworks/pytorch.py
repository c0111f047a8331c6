"""Distillation in PyTorch: the loss, and a loop to train with it. A look at live models."""

import math

from companion._core import as_labels
from companion.frameworks._checks import (
    fit,
    refuse_blend,
    refuse_labels,
    refuse_logits,
    refuse_weights,
)

try:
    import torch
    from torch.nn import functional as F
except ImportError as error:
    raise ImportError(
        "companion.frameworks.pytorch needs PyTorch: pip install torch. "
        "companion.distillation_loss is the same loss in NumPy alone."
    ) from error

from companion.frameworks._live_pytorch import looked_at


def distillation_loss(
    student_logits, teacher_logits, labels, *, temperature, alpha, weights=None
):
    """`companion.distillation_loss` on tensors, with its checks and its digits.

    Parameters
    ----------
    student_logits : Tensor, shape (..., K)
        Logits of the model that is trained.
    teacher_logits : Tensor, shape (..., K)
        Logits of the model that it learns from. No gradient flows into them.
    labels : Tensor of int, shape (...)
        True class of each example, in 0..K-1.
    temperature : float
        T > 0, without unit. Both distributions are softened by it. Its ends are those of the
        core: between 3.3e-10 and 3e9 for logits of 32 bits or fewer.
    alpha : float
        Weight of the teacher, in 0..1.
    weights : Tensor, shape (...), optional
        One number per example, which multiplies its loss. Where it is 0 the example does not
        count: its loss is 0, and its label and logits are not looked at.

    Returns
    -------
    Tensor, shape (...)
        One loss per example, in nats: write `.mean()` before `.backward()`. It has the dtype
        of the student's logits, and float32 where those have 16 bits: a sum over examples
        soon leaves what 16 bits can hold.

    Raises
    ------
    TypeError
        If labels are not integers, T or alpha is not a number, or logits are not real.
    ValueError
        If shapes do not match, a label leaves 0..K-1, T is past its ends, alpha leaves 0..1,
        or weights are not one finite number per example.

    Notes
    -----
    All is computed in float32 or float64, also under `torch.autocast`. To check the labels
    their values are fetched, which waits for a GPU. Inside `torch.compile` and `torch.vmap`
    nobody can look at them: there a label outside 0..K-1 makes its loss and gradient nan.

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
    student, teacher, dtype = _as_pair(student_logits, teacher_logits)
    info = torch.finfo(student.dtype)
    refuse_blend(temperature, alpha, _name(student.dtype), info.tiny)
    if weights is not None:
        weights, *counting = _counting(weights, student, teacher, labels)
        student, teacher, labels = counting
    labels, right = _as_labels(labels, student)
    if not student.numel():
        return student.sum(dim=-1).to(dtype)
    loss = student.new_zeros(labels.shape)
    if alpha > 0:  # a part that has no weight does not count, also where it is inf
        loss = loss + alpha * temperature**2 * _soft(student, teacher, temperature)
    if alpha < 1:
        loss = loss + (1 - alpha) * _hard(student, labels)
    return (loss * right * (1 if weights is None else weights)).to(dtype)


def _as_pair(student, teacher):
    """Both logits in one working precision, and the dtype of the result."""
    student, teacher = _as_real(student), _as_real(teacher).detach()
    refuse_logits(student.shape, teacher.shape)
    common = torch.promote_types(student.dtype, teacher.dtype)
    return student.to(common), teacher.to(common), student.dtype


def _as_real(logits):
    """Logits of 32 bits or more; integers become float64, as in the core."""
    logits = torch.as_tensor(logits)
    if logits.is_complex():
        raise TypeError(
            f"logits and probabilities must be real numbers; got dtype {_name(logits.dtype)}."
        )
    if not logits.is_floating_point():
        return logits.double()
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def _name(dtype):
    return str(dtype).removeprefix("torch.")


def _counting(weights, student, teacher, labels):
    """Weights in the precision of the logits; the rest with 0 for what does not count."""
    weights, labels = torch.as_tensor(weights, device=student.device), torch.as_tensor(labels)
    refuse_weights(weights.shape, student.shape[:-1], _values(weights))
    counts = weights != 0
    if fit(labels.shape, counts.shape):  # else it is refused below
        labels = torch.where(counts, labels, torch.zeros_like(labels))
    each = counts.unsqueeze(-1)
    return weights.to(student.dtype), student.where(each, 0), teacher.where(each, 0), labels


def _as_labels(labels, logits):
    """Labels that can be an index, and a factor: 1, or nan for wrong ones that nobody saw."""
    labels = torch.as_tensor(labels)
    refuse_labels(_name(labels.dtype), labels.shape, logits.shape[:-1])
    num_classes = logits.shape[-1]
    values = _values(labels)
    labels = labels.long()
    if values is not None:
        as_labels(values, num_classes)
        return labels, 1
    right = (labels >= 0) & (labels < num_classes)
    factor = torch.ones_like(labels, dtype=logits.dtype).masked_fill(~right, math.nan)
    return labels * right, factor


def _values(tensor):
    """A tensor as an array; None where it has no values to look at, only a name for them."""
    if torch.compiler.is_compiling():
        return None
    try:
        return tensor.cpu().numpy()
    except RuntimeError:  # inside torch.vmap, or on the device "meta"
        return None


def _hard(logits, labels):
    """Cross-entropy of labels: log(1 + exp(-odds)), odds of the label against all others.

    Where the label is nearly sure the loss and the gradient p - 1 keep their digits, which
    those of `F.cross_entropy` lose.
    """
    logits = logits - logits.detach().amax(dim=-1, keepdim=True)
    index = labels.unsqueeze(-1)
    own = logits.gather(-1, index)
    least = torch.finfo(logits.dtype).min  # where all others are -inf, logsumexp has no slope
    others = logits.clamp(min=least).scatter(-1, index, least)
    return -F.logsigmoid(own - others.logsumexp(dim=-1, keepdim=True)).squeeze(-1)


def _soft(student, teacher, temperature):
    """KL(softmax(teacher / T), softmax(student / T))."""
    gaps = (student.detach() - teacher) / temperature  # exact before it is divided
    apply = _Divergence if torch.compiler.is_compiling() else _DivergenceWithTangent
    divergence, _ = apply.apply(student / temperature, teacher / temperature, gaps)
    return divergence


class _Divergence(torch.autograd.Function):
    """KL(softmax(targets), softmax(logits)) and its gradient, both without cancellation.

    By itself autograd would keep twenty arrays of the series in `_excess`. Derivatives of any
    order are right: the gradient has the value of `difference` and the slope of softmax.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(logits, targets, gaps):
        """Divergence, shape (...), and softmax(logits) - softmax(targets), shape (..., K)."""
        return _compared(logits, targets, gaps)

    @staticmethod
    def setup_context(ctx, inputs, output):
        """Keep what the gradient needs."""
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(inputs[0], output[1])
        ctx.save_for_forward(inputs[0], output[1])

    @staticmethod
    def backward(ctx, slope, _):
        """Gradient with respect to the logits alone."""
        return slope.unsqueeze(-1) * _gradient(*ctx.saved_tensors), None, None


class _DivergenceWithTangent(_Divergence):
    """The same with forward mode, which `torch.compile` refuses to see."""

    @staticmethod
    def jvp(ctx, tangent, *_):
        """Tangent of the divergence; none of the difference."""
        return (tangent * _gradient(*ctx.saved_tensors)).sum(dim=-1), None


def _gradient(logits, difference):
    """`difference`, with the derivative of softmax."""
    probs = F.softmax(logits, dim=-1)
    return difference + (probs - probs.detach())


def _compared(logits, targets, gaps):
    """As `companion._core.compared`, from logits, targets and logits - targets.

    With t = softmax(targets) and d = gaps less their mean under t, the divergence is
    log(1 + S), S = sum(t * (exp(d) - 1 - d)): all terms are at least 0.
    """
    t = F.softmax(targets, dim=-1)
    ruled_out = torch.isneginf(targets)
    lost = torch.isneginf(logits) & ~ruled_out
    d, mean = _centred(gaps.masked_fill(ruled_out | lost, 0), t)
    near = (d.abs() < 1) & ~ruled_out
    divergence = _log_of_moved(t, d, near, _log_moved(logits, targets, mean))
    divergence = divergence.masked_fill(lost.any(dim=-1, keepdim=True), math.inf)
    step = d - divergence  # log(p / t)
    close = near & (step.abs() < 1)
    plain = F.softmax(logits, dim=-1) - t
    return divergence.squeeze(-1), torch.where(close, t * step.expm1(), plain)


def _centred(gaps, t):
    """gaps less their mean under t, and that mean."""
    mean = (t * gaps).sum(dim=-1, keepdim=True)
    d = gaps - mean
    return d - (t * d).sum(dim=-1, keepdim=True), mean  # again, for what was rounded away


def _log_moved(logits, targets, mean):
    """log(t * exp(d)), also where t is 0 and d large."""
    largest = targets.amax(dim=-1, keepdim=True)
    return logits - largest - (targets - largest).logsumexp(dim=-1, keepdim=True) - mean


def _log_of_moved(t, d, near, log_moved):
    """log(1 + S), as shift + log(exp(-shift) * (1 + S)): S alone may overflow."""
    log_moved = log_moved.masked_fill(near, -math.inf)
    shift = log_moved.amax(dim=-1, keepdim=True).clamp(min=0)
    scale = (-shift).exp()
    far = (log_moved - shift).exp() - scale * t * (1 + d)
    total = torch.where(near, scale * t * _excess(d), far).sum(dim=-1, keepdim=True)
    return shift + (total + (-shift).expm1()).log1p()


def _excess(d):
    """exp(d) - 1 - d by its series; what lies outside -1..1 counts as the nearer end."""
    d = d.clamp(-1, 1)
    series = torch.zeros_like(d)
    for k in range(TERMS[d.dtype], 1, -1):
        series.mul_(d).add_(1 / math.factorial(k))  # in place: half the time
    return d * d * series


# The first term left out is below half an ulp of the sum at 1.
TERMS = {torch.float32: 11, torch.float64: 19}


def label_loss(model, images, labels):
    """Cross-entropy of the labels: what `train` minimises unless told otherwise.

    Parameters
    ----------
    model : torch.nn.Module
        From images to logits.
    images : Tensor, shape (N, D)
        A batch.
    labels : Tensor of int, shape (N,)
        True classes.

    Returns
    -------
    Tensor, shape (N,)
        One loss per example, in nats; float32 where the logits have 16 bits.

    Raises
    ------
    TypeError
        If labels are not integers.
    ValueError
        If shapes do not match, or a label leaves 0..K-1.

    Examples
    --------
    >>> label_loss(torch.nn.Identity(), torch.zeros(1, 4), torch.tensor([2]))
    tensor([1.3863])
    """
    logits = _as_real(model(images))
    labels, right = _as_labels(labels, logits)
    return _hard(logits, labels) * right


def train(
    model,
    images,
    labels,
    *,
    epochs,
    loss=label_loss,
    batch_size=64,
    learning_rate=0.01,
    seed=0,
):
    """Train a model with Adam on shuffled batches, and leave it in inference mode.

    Parameters
    ----------
    model : torch.nn.Module
        From images to logits. It is changed.
    images : array_like, shape (N, ...)
        Become, batch by batch, what the model's parameters are: their dtype, on their device.
    labels : array_like of int, shape (N,)
        True classes.
    epochs : int
        How often each image is seen.
    loss : callable
        Takes the model and a batch, returns one loss per example, shape (N,).
    batch_size : int
        Images per step. A last batch of one image is added to the one before, since batch
        normalisation has no variance of one.
    learning_rate : float
        Of Adam.
    seed : int
        Of the shuffling. The model's own randomness has PyTorch's global seed.

    Returns
    -------
    list of float
        Mean loss in each epoch.

    Raises
    ------
    ValueError
        If there is nothing to train or nothing to train on, lengths differ, or the loss is
        not one number per example.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> losses = train(torch.nn.Linear(2, 2), [[0, 1], [1, 0]], [0, 1], epochs=100)
    >>> losses[-1] < losses[0]
    True
    """
    parameter = _parameter(model)
    images, labels = _examples(images, labels, parameter.dtype)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    shuffle, history = torch.Generator().manual_seed(seed), []
    model.train()
    for _ in range(epochs):
        history.append(0.0)
        order = torch.randperm(len(images), generator=shuffle)
        for batch in _batches(order, batch_size):
            given = (part[batch].to(parameter.device) for part in (images, labels))
            losses = _one_each(loss(model, *given), len(batch))
            optimizer.zero_grad()
            losses.mean().backward()
            optimizer.step()
            history[-1] += losses.sum().item() / len(images)
    model.eval()
    return history


def _parameter(model):
    """One that is trained: it says in which dtype and on which device."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            return parameter
    raise ValueError(
        f"the model must have a parameter that requires a gradient; got {type(model).__name__} "
        "without one."
    )


def _examples(images, labels, dtype):
    images, labels = torch.as_tensor(images, dtype=dtype), torch.as_tensor(labels)
    if not (images.ndim and labels.ndim and len(images) == len(labels) > 0):
        raise ValueError(
            "images and labels must be as many, and at least one; got shapes "
            f"{tuple(images.shape)} and {tuple(labels.shape)}."
        )
    return images, labels


def _batches(order, size):
    """Slices of the order; a last one of a single image goes to the one before."""
    batches = list(order.split(size))
    if size > 1 and len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _one_each(losses, count):
    if losses.shape != (count,):
        raise ValueError(
            f"the loss must be one number per example, shape ({count},); "
            f"got {tuple(losses.shape)}. Leave the mean to train."
        )
    return losses


def distill(student, teacher, images, labels, *, temperature, alpha, **training):
    """Train a student on labels and on a teacher, which stays as it is.

    Parameters
    ----------
    student : torch.nn.Module
        From images to logits. It is changed.
    teacher : torch.nn.Module
        From images to logits. It is put into inference mode, so that neither its weights
        nor the statistics of its batch normalisation move, and nothing is dropped out.
    images : array_like, shape (N, ...)
        Become what the student's parameters are, in dtype and device, which are those of the
        teacher.
    labels : array_like of int, shape (N,)
        True classes.
    temperature : float
        T > 0, without unit. Its ends are those of `distillation_loss`.
    alpha : float
        Weight of the teacher, in 0..1.
    **training : dict
        What else `train` takes: `epochs` and the rest.

    Returns
    -------
    list of float
        Mean loss in each epoch.

    Raises
    ------
    TypeError, ValueError
        What `train` and `distillation_loss` refuse.

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


def diagnose(model, batch, loss=None):
    """`companion.diagnose` on a live model: run it once on a batch, and say what looks wrong.

    What the loss is really given is looked at, in whichever function or layer PyTorch's loss is
    called, and what arrays cannot show: a softmax before a loss that makes its own, over the
    wrong axis, a gradient that reaches the teacher or nobody, a teacher in training mode.

    Parameters
    ----------
    model : torch.nn.Module
        Runs once, in the mode in which it is, and a teacher in it once more. Parameters,
        buffers, gradients, modes, hooks and the states of all generators are as before.
    batch : tuple or dict
        Inputs and labels: tensors, arrays or lists; several inputs as `((a, b), labels)`. Of
        a dict, `labels` are the labels and the rest are keywords of the model. What the model
        gives has the logits first.
    loss : callable, optional
        As in training: of outputs and labels, or of model, inputs and labels as for `train`.
        The model is then called without the labels. Without a loss the model's own is looked
        at, if it calls one; if it does not, the diagnosis says so.

    Returns
    -------
    companion.diagnose.findings.Diagnosis
        A sequence of findings, empty if nothing looks wrong. Nothing is raised: what cannot
        be run is a finding with the error's words.

    Notes
    -----
    A teacher is known by its name, `teacher`, `teacher_model` and the like: as an attribute of
    the model or of the loss, in a `ModuleDict` of one, or as a variable that the loss function
    names. One that stands under another name, or that the model's own `forward` takes from a
    closure, is not looked at.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Softmax(dim=1))
    >>> batch = torch.eye(2), torch.tensor([0, 2])
    >>> print(diagnose(model, batch, torch.nn.CrossEntropyLoss())[0].kind)
    softmax twice
    >>> diagnose(model[0], batch, torch.nn.CrossEntropyLoss())
    Nothing looks wrong: outputs (2, 3) float32, labels, loss.
    """
    return looked_at(model, batch, loss)
