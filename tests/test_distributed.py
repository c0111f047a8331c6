"""Cross-entropy over processes: 2 and 4 of them equal one, and nobody waits for the dead."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from shard import bounds
from torch import distributed as dist

import companion
from companion.one_pass import distributed
from companion.one_pass.distributed import softmax_cross_entropy_with_labels_and_grad

inf = np.inf
SCRIPT = Path(__file__).resolve().parent / "shard.py"
# Long double is double on Windows and Apple silicon.
WIDE = [dtype for dtype in (np.longdouble,) if np.dtype(dtype).itemsize > 8]
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
# Sums are taken in another order, and then one more product: as for the blocks of `fast`.
ULPS = 8


def make_cases():
    rng = np.random.default_rng(0)
    cases = {}
    for name, scale, dtype in [
        ("mild", 1, np.float64),
        ("wild", 300, np.float64),
        ("single", 10, np.float32),
        ("half", 3, np.float16),
    ]:
        logits = (scale * rng.normal(size=(50, 21))).astype(dtype)
        cases[name] = logits, rng.integers(21, size=50)
    sure = np.zeros((21, 21))
    np.fill_diagonal(sure, 60)  # each class leads once, in whichever slice it lies
    cases["sure"] = sure, np.arange(21)
    cases["ties"] = np.full((4, 21), 7.0), np.array([0, 6, 13, 20])
    masked = np.zeros((3, 21))
    masked[:, :15], masked[2] = -inf, -inf
    cases["masked"] = masked, np.array([20, 0, 3])
    masked = rng.normal(size=(4, 21))
    masked[0, 20], masked[1, 0], masked[2, 4], masked[2, 20] = inf, inf, np.nan, 3e300
    cases["special"] = masked, np.array([20, 3, 1, 20])
    cases["one class"] = np.array([[3.0], [-5.0]]), np.array([0, 0])
    cases["no rows"] = np.zeros((0, 21)), np.zeros(0, int)
    spoiled = rng.normal(size=(6, 21))
    spoiled[[1, 4]] = np.nan
    cases["weighted"] = spoiled, np.array([3, -100, 20, 0, 99, 7])
    cases["none counts"] = spoiled[[1, 4]], np.array([-100, 99])
    cases["label too large"] = np.zeros((2, 21)), np.array([3, 21])
    cases["label negative"] = np.zeros((2, 21)), np.array([-1, 20])
    return cases


CASES = make_cases()
WEIGHTS = {"weighted": [2.0, 0, -0.5, 1, 0, 3], "none counts": [0, 0]}
BAD = ("label too large", "label negative")


def run(folder, world_size, action, limit):
    environment = os.environ | {
        "GLOO_SOCKET_IFNAME": LOOPBACK,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(SCRIPT.parent.parent),  # the package beside these tests
    }
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-W",
                "ignore",
                SCRIPT,
                folder,
                str(rank),
                str(world_size),
                action,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            env=environment,
        )
        for rank in range(world_size)
    ]
    try:
        if action in ("die", "sleep"):  # the last one goes or sleeps: what do the others say?
            return [process.communicate(timeout=limit)[0] for process in processes[:-1]]
        return [process.communicate(timeout=limit)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module", params=[2, 4])
def slices(request, tmp_path_factory):
    """What each process wrote, by one run for all cases."""
    folder = tmp_path_factory.mktemp("group")
    arrays = {}
    for name, (logits, labels) in CASES.items():
        arrays |= {f"{name}.logits": logits, f"{name}.labels": labels}
        arrays |= {f"{name}.weights": WEIGHTS[name]} if name in WEIGHTS else {}
    np.savez(folder / "cases.npz", **arrays)
    said = run(folder, request.param, "compute", limit=120)
    results = []
    for rank in range(request.param):
        path = folder / f"result{rank}.npz"
        assert path.exists(), said
        with np.load(path) as result:
            results.append({key: result[key] for key in result})
    return results


def near(got, wanted):
    assert got.dtype == wanted.dtype
    # float16 results are rounded once more; two floats beside a boundary are one ulp apart.
    ulp = np.spacing(abs(wanted))
    with np.errstate(invalid="ignore"):
        same = (got == wanted) | (np.isnan(got) & np.isnan(wanted))
        far = ~(same | (abs(got - wanted) <= ULPS * ulp))
    assert not far.any(), (got[far], wanted[far])


@pytest.mark.parametrize("name", [name for name in CASES if name not in BAD])
@pytest.mark.filterwarnings("ignore:invalid value")  # of the core, in rows without a softmax
def test_many_processes_equal_one(slices, name):
    logits, labels = CASES[name]
    given = {"weights": WEIGHTS.get(name)}
    loss = companion.softmax_cross_entropy_with_labels(logits, labels, **given)
    gradient = companion.softmax_cross_entropy_with_labels_grad(logits, labels, **given)
    for result in slices:
        near(result[f"{name}.loss"], loss)
    near(np.concatenate([result[f"{name}.gradient"] for result in slices], axis=1), gradient)


def test_all_processes_have_the_same_losses_to_the_bit(slices):
    for name in CASES:
        if name not in BAD:
            first, *others = (result[f"{name}.loss"] for result in slices)
            for other in others:
                np.testing.assert_array_equal(first, other)


def test_the_slices_differ_in_width_and_hold_each_class_once(slices):
    widths = [slice_["mild.gradient"].shape[1] for slice_ in slices]
    assert len(set(widths)) > 1
    assert sum(widths) == 21
    assert 0 in [slice_["one class.gradient"].shape[1] for slice_ in slices]
    assert bounds(21, 0, len(slices))[0] == 0


@pytest.mark.parametrize("name", BAD)
def test_a_label_that_no_slice_holds_is_refused_by_all(slices, name):
    for result in slices:
        error = str(result[f"{name}.error"])
        assert error.startswith("each label must lie in the slice of exactly one process; got")
        assert ("got 21 at position (1,)" in error) or ("got -1 at position (0,)" in error)


@pytest.mark.parametrize(("action", "world_size"), [("die", 2), ("sleep", 2), ("die", 4)])
def test_a_lost_process_is_an_error_in_seconds(tmp_path, action, world_size):
    for said in run(tmp_path, world_size, action, limit=120):
        assert f"RuntimeError: all {world_size} processes of the group must take part" in said
        assert float(re.search(r"after (\d+\.\d) s", said)[1]) < 10


@pytest.fixture(scope="module")
def disagreement(tmp_path_factory):
    """What each of three processes said: name of the case -> kind and text."""
    said = run(tmp_path_factory.mktemp("group"), 3, "disagree", limit=120)
    lines = [[line.split("|") for line in text.splitlines() if "|" in line] for text in said]
    return [{name: (kind, text) for name, kind, text in process} for process in lines], said


@pytest.mark.parametrize(
    ("case", "what", "here", "there"),
    [
        ("wider", "dtype of the logits", "float32", "float64"),
        ("narrower", "dtype of the logits", "float32", "float16"),
        ("more examples", "number of examples", "3", "4"),
        ("no examples", "number of examples", "3", "0"),
        ("other labels", "labels", "[0 1 1]", "[1 1 0]"),
        ("other weights", "weights", "[1. 1. 1.]", "[1. 0. 1.]"),
    ],
)
def test_processes_that_disagree_all_hear_of_it(disagreement, case, what, here, there):
    processes, said = disagreement
    for process, got in zip(processes, [*(len(processes) - 1) * [here], there], strict=True):
        assert process[case] == (
            "ValueError",
            f"all processes must have the same {what}; got {got} here and something else in "
            "another process.",
        ), said


def test_labels_of_another_integer_type_are_the_same_labels(disagreement):
    processes, said = disagreement
    for process in processes:
        kind, losses = process["labels of another type"]
        assert kind == "gives", said
        np.testing.assert_allclose(json.loads(losses), 3 * [np.log(6)], rtol=1e-4)


def test_a_process_outside_the_group_is_told(disagreement):
    (first, *others), said = disagreement
    assert first["outside"][0] == "gives", said
    for process in others:
        assert process["outside"] == (
            "RuntimeError",
            "this process must be in the group; it is in another one only.",
        ), said


def test_a_group_that_does_not_reach_the_cpu_is_refused():
    # As a group of NCCL is: its messages go from GPU to GPU.
    dist.init_process_group("cuda:gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        with pytest.raises(RuntimeError, match=r"have a backend for the CPU.*'cuda:gloo'"):
            softmax_cross_entropy_with_labels_and_grad(np.zeros((1, 3)), [0], 0)
    finally:
        dist.destroy_process_group()


class Group:
    """A group whose messages fail."""

    def __init__(self, text):
        self.text = text

    def allreduce(self, *_):
        raise RuntimeError(self.text)


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("[gloo/transport/tcp/pair.cc:537] Connection closed by peer [127.0.0.1]:20833", True),
        ("Read error [127.0.0.1]:2083: Connection reset by peer", True),
        ("[gloo/transport/tcp/unbound_buffer.cc:81] Timed out waiting 3000ms for recv", True),
        ("Application timeout caused pair closure", True),
        ("writev [127.0.0.1]:9: Broken pipe", True),
        ("No backend type associated with device type cpu", False),
        ("Invalid scalar type", False),
        ("out of memory", False),
    ],
)
def test_only_what_is_the_fault_of_others_is_said_of_them(monkeypatch, text, lost):
    monkeypatch.setattr(dist, "get_world_size", lambda group: 2)
    expected = "all 2 processes of the group must take part" if lost else f"^{text}$"
    with pytest.raises(RuntimeError, match=expected):
        distributed._reduce(np.zeros(1), dist.ReduceOp.MAX, Group(text), 1.0)


@pytest.mark.parametrize(
    ("logits", "labels", "first_class", "error", "text"),
    [
        (np.zeros(3), 0, 0, ValueError, r"and labels \(N,\); got \(3,\) and \(\)"),
        (np.zeros((2, 3)), [0], 0, ValueError, r"got \(2, 3\) and \(1,\)"),
        (np.zeros((1, 3)), [0.0], 0, TypeError, "labels must be integers; got dtype float64"),
        (np.zeros((1, 3), complex), [0], 0, TypeError, "must be real numbers"),
        (np.zeros((1, 3)), [0], 1.0, TypeError, "first_class must be an integer; got 1.0"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_before_anything_is_sent(logits, labels, first_class, error, text):
    # No group exists here: sending would raise another error.
    with pytest.raises(error, match=text):
        softmax_cross_entropy_with_labels_and_grad(logits, labels, first_class)


@pytest.mark.parametrize("dtype", WIDE)
def test_more_bits_than_can_be_sent_are_refused(dtype):
    with pytest.raises(TypeError, match=r"at most 64 bits, .*Use float64"):
        softmax_cross_entropy_with_labels_and_grad(np.zeros((1, 3), dtype), [0], 0)


def test_without_a_group_the_error_says_what_to_call():
    with pytest.raises(RuntimeError, match=r"call torch\.distributed\.init_process_group"):
        softmax_cross_entropy_with_labels_and_grad(np.zeros((1, 3)), [0], 0)
