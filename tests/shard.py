"""One process of tests/test_distributed.py: computes the cases on its slice of the classes.

Run as `shard.py FOLDER RANK WORLD_SIZE ACTION`. A file in the folder is where the group meets.
"""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
from torch import distributed as dist

from companion.one_pass.distributed import softmax_cross_entropy_with_labels_and_grad


def bounds(num_classes, rank, world_size):
    """First and last class of a slice; the first slice is the smallest, and may be empty."""
    step = num_classes // world_size + 1
    stop = num_classes - (world_size - 1 - rank) * step
    return max(0, stop - step), max(0, stop)


def compute(folder, rank, world_size):
    with np.load(folder / "cases.npz") as cases:
        results = {}
        for name in sorted({key.split(".")[0] for key in cases}):  # all in one order
            logits, labels = cases[f"{name}.logits"], cases[f"{name}.labels"]
            weights = cases.get(f"{name}.weights")
            start, stop = bounds(logits.shape[1], rank, world_size)
            try:
                loss, gradient = softmax_cross_entropy_with_labels_and_grad(
                    logits[:, start:stop], labels, start, weights=weights
                )
                results |= {f"{name}.loss": loss, f"{name}.gradient": gradient}
            except ValueError as error:
                results[f"{name}.error"] = str(error)
    np.savez(folder / f"result{rank}.npz", **results)


def disagree(rank, world_size):
    """The last process has something else than the others; what is said of it, per case."""
    last = rank == world_size - 1
    logits, labels = np.zeros((3, 2), np.float32), np.array([0, 1, 1])
    cases = {
        "wider": (logits.astype(np.float64), labels),
        "narrower": (logits.astype(np.float16), labels),
        "more examples": (np.zeros((4, 2), np.float32), np.array([0, 1, 1, 0])),
        "no examples": (logits[:0], labels[:0]),
        "other labels": (logits, labels[::-1]),
        "labels of another type": (logits, labels.astype(np.uint8)),
        "other weights": (logits, labels, [1, 0, 1]),
    }
    for name, other in cases.items():
        try:
            *given, weights = (*(other if last else (logits, labels)), None, None)[:3]
            loss, _ = softmax_cross_entropy_with_labels_and_grad(
                *given, 2 * rank, weights=weights
            )
            print(name, "gives", loss.round(4).tolist(), sep="|")
        except Exception as error:
            print(name, type(error).__name__, error, sep="|")
    outside(rank, logits, labels)


def outside(rank, logits, labels):
    """A group without some processes."""
    group = dist.new_group([0])
    try:
        softmax_cross_entropy_with_labels_and_grad(logits, labels, 0, group=group)
        print("outside", "gives", "", sep="|")
    except RuntimeError as error:
        print("outside", type(error).__name__, error, sep="|")


def leave(rank, how):
    """The last process goes, or sleeps; the others are left to find out."""
    logits, labels = np.zeros((2, 3)), np.array([0, 1])
    softmax_cross_entropy_with_labels_and_grad(logits, labels, 3 * rank)
    if rank == dist.get_world_size() - 1:
        if how == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)
    start = time.perf_counter()
    try:
        softmax_cross_entropy_with_labels_and_grad(logits, labels, 3 * rank, timeout=3)
    finally:
        print(f"after {time.perf_counter() - start:.1f} s", flush=True)


if __name__ == "__main__":
    folder, rank, world_size = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    store = f"file://{folder}/store"
    dist.init_process_group("gloo", store, rank=rank, world_size=world_size)
    if sys.argv[4] == "compute":
        compute(folder, rank, world_size)
    elif sys.argv[4] == "disagree":
        disagree(rank, world_size)
    else:
        leave(rank, sys.argv[4])
