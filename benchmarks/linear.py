"""A linear layer with its loss over a large vocabulary: time, and memory beyond the arguments.

Each way runs in a process of its own, since memory is counted by the process. Linux only: the
kernel keeps the peak, and lets it be reset.
"""

import json
import subprocess
import sys
import time

import numpy as np

from benchmarks.contenders import numpy_plainly
from benchmarks.measure import spread

SIZES = {"small hidden layer": (1024, 64, 50257), "large hidden layer": (1024, 768, 50257)}
CHUNKED = "PyTorch, by chunks of rows"  # PyTorch 2.13 has it: few rows at a time
WAYS = (
    "one_pass.linear",
    "one_pass.fast, all logits",
    "NumPy, plainly",
    "PyTorch",
    CHUNKED,
)
ROUNDS = 5


def draw(N, D, V):
    rng = np.random.default_rng(0)
    hidden, weight = rng.normal(size=(N, D)), rng.normal(size=(D, V)) / np.sqrt(D)
    return hidden.astype("float32"), weight.astype("float32"), rng.integers(V, size=N)


def call_of(way, hidden, weight, labels):
    """Loss, and gradients for the hidden layer and the weights, of the sum of the losses."""
    if way == "one_pass.linear":
        from companion.one_pass.linear import linear_cross_entropy

        return lambda: linear_cross_entropy(hidden, weight, labels)
    if not way.startswith("PyTorch"):

        def numpy():
            logits = hidden @ weight
            loss, slopes = losses_and_slopes(way, logits, labels)
            return loss, slopes @ weight.T, hidden.T @ slopes

        return numpy
    import torch
    from torch.nn import functional as F

    h, w = torch.from_numpy(hidden).requires_grad_(), torch.from_numpy(weight).requires_grad_()
    y = torch.from_numpy(labels)

    def pytorch():
        h.grad = w.grad = None
        loss = F.cross_entropy(h @ w, y, reduction="none")
        loss.sum().backward()
        return loss.detach().numpy(), h.grad.numpy(), w.grad.numpy()

    if way == "PyTorch":
        return pytorch
    # Weights as its layers store them, (V, D). With their sum alone the losses cost least.
    columns = torch.from_numpy(np.ascontiguousarray(weight.T)).requires_grad_()
    options = torch.nn.LinearCrossEntropyOptions()

    def by_chunks():
        h.grad = columns.grad = None
        loss = F.linear_cross_entropy(h, columns, y, reduction="sum", options=options)
        loss.backward()
        return loss.detach().numpy(), h.grad.numpy(), columns.grad.numpy().T

    return by_chunks


def losses_and_slopes(way, logits, labels):
    """Of logits that are all there: over them, or by the textbook's formula."""
    if way == "NumPy, plainly":
        return numpy_plainly(logits, labels)["loss and gradient"]()
    from companion.one_pass.fast import softmax_cross_entropy_with_labels_and_grad

    return softmax_cross_entropy_with_labels_and_grad(logits, labels, out=logits)


def status(key):
    """A number of bytes that the kernel keeps about this process."""
    with open("/proc/self/status", encoding="utf-8") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def peak_of(call):
    """Bytes that a call needs on top of what was there, its results included."""
    with open("/proc/self/clear_refs", "w", encoding="utf-8") as file:
        file.write("5")  # the peak starts anew
    before = status("VmRSS:")
    call()
    return status("VmHWM:") - before


def measure(way, size):
    """Seconds per call, median and quartiles; and the peak of the first call."""
    call = call_of(way, *draw(*SIZES[size]))
    call_of(way, *draw(8, 4, 16))()  # imports, and threads that start
    peak = peak_of(call)
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    N, D, V = SIZES[size]
    results = 4 * (N + N * D + D * V)  # the losses and both gradients, which nobody can save
    return {
        "way": way,
        "size": [N, D, V],
        "bytes": peak,
        "bytes of results": results,
    } | spread(times)


def measure_all():
    """Every way at every size, each in a new process."""
    records = []
    for size in SIZES:
        for way in WAYS:
            command = [sys.executable, "-m", "benchmarks.linear", way, size]
            run = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
            records.append(json.loads(run.stdout.splitlines()[-1]))
    return records


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:])))
