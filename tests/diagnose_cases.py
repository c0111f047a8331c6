"""Models that are sick in one way, and healthy ones, to judge `companion.diagnose` by.

`sick(kind, seed)` and `healthy(seed)` draw a case: outputs, labels, loss, axis. The loss of a
sick case is what the wrong program prints. Each program is typed here as its author would type
it, in the dtype of the outputs, and shares no formula with the package.

`diagnose` was tuned on seeds below 20,000, among which its misses and false alarms were sought,
and is judged on seeds from there on; `python -m tests.diagnose_cases` prints both. What is
mended after a look at the reported half moves that half on.

A draw that nobody can tell from a healthy case is drawn again. The rules are about the case: a
number must differ from the right one by more than its rounding (`differ`), and what a wrong
program is known by (a nan, a clipped value, a row that does not sum to 1) must be there.

Left out: "zero weights", since weights are not among what `diagnose` is given; it is said with
"all ignored".
"""

import functools
import warnings
import zlib
from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from companion.diagnose import diagnose
from companion.regression import fit

TUNED, REPORTED = 0, 20_000  # where the seeds of each half begin
PER_KIND, HEALTHY_CASES = 30, 800
DTYPES = np.float16, np.float32, np.float64
BATCHES = 1, 2, 3, 4, 16, 64, 250, 1000, 5000
CLASSES = 2, 3, 5, 10, 37, 100, 1000
MOST_NUMBERS = 100_000
CLIPS = {"16.118": 1e-7, "15.942": 2.0**-23, "18.421": 1e-8, "23.026": 1e-10,
         "27.631": 1e-12, "34.539": 1e-15}  # fmt: skip
OVERFLOWS = {np.float16: 12, np.float32: 90, np.float64: 712}  # exp does, from here
UNDERFLOWS = {np.float16: 20, np.float32: 110, np.float64: 760}


class Case(NamedTuple):
    """What `diagnose` is given."""

    outputs: Any
    labels: Any = None
    loss: Any = None
    axis: int = -1


class Model(NamedTuple):
    """Logits (N, K) and labels (N,)."""

    logits: np.ndarray
    labels: np.ndarray

    @property
    def dtype(self):
        return self.logits.dtype.type

    @property
    def targets(self):
        """The labels one-hot, in the dtype of the logits."""
        return one_hot(self.labels, self.logits.shape[-1], self.dtype)

    def of(self, values):
        """One entry of each row: that of the label."""
        return values[np.arange(len(self.labels)), self.labels]


# Programs, right and wrong, as they are typed.


def softmax(z, axis=-1):
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def log_softmax(z, axis=-1):
    z = z - z.max(axis=axis, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=axis, keepdims=True))


def naive_softmax(z):
    e = np.exp(z)
    return e / e.sum(axis=-1, keepdims=True)


def one_hot(y, k, dtype=np.float64):
    return np.eye(k, dtype=dtype)[y]


def per_example(m):
    """The right losses, in float64."""
    return -m.of(log_softmax(m.logits.astype(np.float64)))


def right(m):
    return float(per_example(m).mean())


def dense(z, t):
    """The right losses for targets, in float64; what is masked costs nothing where t is 0."""
    logs = log_softmax(np.asarray(z, np.float64))
    return -np.where(t == 0, 0, t * np.where(t == 0, 0, logs)).sum(axis=-1)


def differ(wrong, of_right, dtype):
    """Whether two losses are further apart than roundings of their dtype take them."""
    if not (np.isfinite(wrong) and np.isfinite(of_right)):
        return not (np.isfinite(wrong) or np.isfinite(of_right))
    gap, size = abs(wrong - of_right), max(abs(wrong), abs(of_right))
    least = (0.05, 0.03) if dtype == np.float16 else (0.01, 0.01)
    return gap > least[0] and gap > least[1] * size


# Models


def drawn_sizes(rng, least=1, most=5000, most_classes=1000, least_classes=2):
    while True:
        n, k = int(rng.choice(BATCHES)), int(rng.choice(CLASSES))
        if n * k <= MOST_NUMBERS and least <= n <= most and least_classes <= k <= most_classes:
            return n, k


def sampled(rng, z):
    """A label of each row, drawn from its softmax: the model is calibrated."""
    return (z + rng.gumbel(size=z.shape)).argmax(axis=-1)


def untrained(rng, n, k):
    """Small random logits; the labels know nothing of them."""
    return rng.normal(size=(n, k)) * rng.uniform(0.05, 0.5), rng.integers(0, k, n)


def calibrated(rng, n, k):
    """Labels as often as the model says, with classes of unequal size."""
    z = rng.normal(size=(n, k)) * rng.uniform(1, 3) + rng.normal(size=k) * 0.5
    return z, sampled(rng, z)


def confident(rng, n, k):
    """Right, and sure of it."""
    y = rng.integers(0, k, n)
    return rng.normal(size=(n, k)) + one_hot(y, k) * rng.uniform(6, 14), y


@functools.cache
def regression(k, seed):
    """A real softmax regression, fitted to blobs; and the centres of these."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(k, 5)) * 1.5
    centres -= centres.mean(axis=0)
    y = np.arange(1000) % k
    x = centres[y] + rng.normal(size=(1000, 5))
    return fit(x, y, k, learning_rate=1.0, steps=200)[0], centres


def fitted(rng, n, k):
    """What a fitted regression says of examples that it has not seen."""
    model, centres = regression(min(k, 10), int(rng.integers(3)))
    y = rng.integers(0, min(k, 10), n)
    z = np.full((n, k), -12.0) + rng.normal(size=(n, k))
    z[:, :10] = model.logits(centres[y] + rng.normal(size=(n, 5)))
    return z, y


LIKES = untrained, calibrated, confident, fitted


def model(rng, like=None, dtype=None, sizes=None, **bounds):
    """A model of some kind, size and dtype, unless these are given."""
    n, k = sizes or drawn_sizes(rng, **bounds)
    like = like or LIKES[rng.integers(len(LIKES))]
    z, y = like(rng, n, k)
    dtype = dtype or DTYPES[rng.integers(3)]
    return Model(z.astype(dtype), y.astype(rng.choice([np.int64, np.int32])))


def trained(rng, **given):
    return model(rng, like=(calibrated, confident, fitted)[rng.integers(3)], **given)


def sure_and_wrong(rng, low, high, share=(0.3, 1.0), **bounds):
    """Some rows are sure of a wrong class, by a gap in low..high; no logit is above 4."""
    m = model(rng, like=confident, **bounds)
    n, k = m.logits.shape
    wrong = rng.random(n) < rng.uniform(*share)
    wrong[rng.integers(n)] = True
    guess = np.where(wrong, (m.labels + rng.integers(1, k, n)) % k, m.labels)
    gaps = rng.uniform(low, high, (n, 1))
    z = rng.normal(size=(n, k)) + one_hot(guess, k) * gaps
    z = z - z.max(axis=-1, keepdims=True) + rng.uniform(-4, 4, (n, 1))
    return Model(z.astype(m.dtype), m.labels)


def as_images(rng, case):
    """The rows as they are, or as pixels or tokens, classes last or second."""
    outputs, labels, loss, _ = case
    n, sides = len(outputs), ((2,), (4,), (2, 2), (5, 5), (10, 10))
    sides = [s for s in sides if n % np.prod(s) == 0]
    if not sides or rng.random() < 0.5:
        return case
    shape = -1, *sides[rng.integers(len(sides))]
    axis = int(rng.choice([-1, 1]))

    def pixels(x):
        if x is None or np.shape(x)[:1] != (n,):
            return x
        x = np.reshape(x, (*shape, *np.shape(x)[1:]))
        return np.moveaxis(x, -1, axis) if x.ndim > len(shape) else x

    return Case(pixels(outputs), pixels(labels), pixels(loss), axis)


def either(rng, *ways):
    return ways[rng.integers(len(ways))]


# Sick cases. A draw returns None where nobody could tell: `sick` draws again.

SICK, REDRAWS = {}, 2000


def kind(name):
    def register(draw):
        SICK[name] = draw
        return draw

    return register


def sick(name, seed):
    """A case of a kind.

    Parameters
    ----------
    name : str
        The kind that must be among the findings, one of `SICK`.
    seed : int

    Returns
    -------
    Case
        Outputs, labels, loss, axis.
    """
    rng = np.random.default_rng([zlib.crc32(name.encode()), seed])
    with np.errstate(all="ignore"):
        for _ in range(REDRAWS):
            case = SICK[name](rng)
            if case is not None:
                return case
    raise AssertionError(f"{name}, seed {seed}: {REDRAWS} draws, and none can be told")


def if_it_differs(rng, m, loss, labels=None):
    """The case with this loss, or None if the loss is near the right one."""
    if not differ(loss, right(m), m.dtype):
        return None
    return as_images(rng, Case(m.logits, m.labels if labels is None else labels, loss))


# Sick cases: outputs


@kind("softmax twice")
def softmax_twice(rng):
    m = model(rng)
    p = softmax(m.logits)
    loss = -m.of(log_softmax(p)).mean()
    way = either(rng, "probabilities", "probabilities with a loss", "logits")
    if way == "probabilities":
        return as_images(rng, Case(p, either(rng, m.labels, None)))
    if way == "logits":
        return if_it_differs(rng, m, loss)
    told = differ(loss, right(m), m.dtype)
    return as_images(rng, Case(p, m.labels, loss)) if told else None


@kind("log-probabilities")
def log_probabilities(rng):
    m = model(rng)
    logs = log_softmax(m.logits)
    if (logs.max(axis=-1) > -0.01).all():
        return None  # all rows are sure: as well logits less their maximum
    return as_images(rng, Case(logs, either(rng, m.labels, None)))


def sums_to_1(p, axis):
    """Whether all sums are 1, but for rounding; float16 may have lost that in its own sum."""
    return np.abs(p.astype(np.float64).sum(axis=axis) - 1).max() < 0.01


def sums_of_rows_tell(p, axis=-1):
    return np.abs(p.astype(np.float64).sum(axis=axis) - 1).max() > 0.05


@kind("other axis")
def other_axis(rng):
    m = model(rng, least=2)
    way = either(rng, "images", "rows", "loss")
    if way == "images":
        outputs, labels, _, axis = as_images(rng, Case(m.logits, m.labels))
        wrong = int(rng.integers(outputs.ndim))
        p = softmax(outputs, axis=wrong)
        told = axis == 1 != wrong and sums_to_1(p, wrong) and sums_of_rows_tell(p, 1)
        return Case(p, either(rng, labels, None), None, 1) if told else None
    p = softmax(m.logits, axis=0)
    if way == "rows":
        told = sums_to_1(p, 0) and sums_of_rows_tell(p)
        return Case(p, either(rng, m.labels, None)) if told else None
    if m.dtype == np.float16 and len(p) > 250:
        return None  # a long sum in float16 is another number
    loss = -m.of(log_softmax(m.logits, axis=0)).mean()
    told = differ(loss, right(m), m.dtype) and loss > 0.05  # less is all rounding in float16
    return Case(m.logits, m.labels, loss) if told else None


@kind("whole array")
def whole_array(rng):
    m = model(rng, least=2)
    z = m.logits
    e = np.exp(z - z.max())
    p = e / e.sum()
    loss = -m.of(z - z.max() - np.log(e.sum())).mean()
    if rng.random() < 0.5:
        return Case(p, either(rng, m.labels, None)) if sums_to_1(p, None) else None
    return Case(z, m.labels, loss) if differ(loss, right(m), m.dtype) else None


@kind("one class")
def one_class(rng):
    n = int(rng.choice(BATCHES))
    z = rng.normal(size=(n, 1)).astype(either(rng, *DTYPES))
    way = either(rng, "zeros", "binary", "none")
    if way == "zeros":
        y = np.zeros(n, int)
        return as_images(rng, Case(z, y, -np.log(softmax(z))[np.arange(n), y].mean()))
    return as_images(rng, Case(z, rng.integers(0, 2, n) if way == "binary" else None))


def with_some(rng, m, value, whole_rows=False):
    """The logits with a value in some places, one at least."""
    z = m.logits.copy()
    here = rng.random(z.shape[:1] if whole_rows else z.shape) < rng.choice([0.01, 0.3, 1])
    here.flat[rng.integers(here.size)] = True
    z[here] = value
    return as_images(rng, Case(z, m.labels, either(rng, None, np.nan)))


@kind("nan outputs")
def nan_outputs(rng):
    return with_some(rng, model(rng), np.nan)


@kind("infinite outputs")
def infinite_outputs(rng):
    if rng.random() < 0.5:
        return with_some(rng, model(rng), np.inf)
    m = trained(rng, dtype=np.float64)
    z = (m.logits * 30_000).astype(np.float16)
    return Case(z, m.labels, either(rng, None, np.nan)) if (z == np.inf).any() else None


@kind("all masked")
def all_masked(rng):
    return with_some(rng, model(rng), -np.inf, whole_rows=True)


def far_out(rng, m):
    """The logits of a model, with an offset or a scale that exp overflows at."""
    edge = OVERFLOWS[m.dtype]
    z = m.logits.astype(np.float64)
    if rng.random() < 0.5:
        z = z + edge * rng.uniform(1, 1.5, (len(z), 1)) - z.max(axis=-1, keepdims=True)
    else:
        z = z * edge * rng.uniform(0.5, 1)
    return Model(z.astype(m.dtype), m.labels)


@kind("no shift")
def no_shift(rng):
    m = far_out(rng, model(rng))
    if not np.isinf(np.exp(m.logits)).any():
        return None
    if rng.random() < 0.5:
        p = naive_softmax(m.logits)
        mixed = (np.isnan(p).any(axis=-1) & ~np.isnan(p).all(axis=-1)).any()
        return Case(p, either(rng, m.labels, None)) if mixed else None
    losses = either(
        rng,
        -np.log(m.of(naive_softmax(m.logits))),
        np.log(np.exp(m.logits).sum(axis=-1)) - m.of(m.logits),
    )
    if np.isfinite(losses.mean()):
        return None
    return as_images(rng, Case(m.logits, m.labels, losses.mean()))


@kind("one shift")
def one_shift(rng):
    m = model(rng, least=2)
    far = UNDERFLOWS[m.dtype] * rng.uniform(0, 2, (len(m.logits), 1))
    z = (m.logits - far).astype(m.dtype)
    e = np.exp(z - z.max())
    p = e / e.sum(axis=-1, keepdims=True)
    lost = np.isnan(p).all(axis=-1)
    sums = p[~lost].astype(np.float64).sum(axis=-1)
    if not lost.any() or lost.all() or np.abs(sums - 1).max() > 0.01:
        return None  # no row is lost, or those beside it are no probabilities
    return Case(p, either(rng, m.labels, None), either(rng, None, np.nan))


# Sick cases: labels


@kind("class axis")
def class_axis(rng):
    m = model(rng, most_classes=100)
    z, y = m.logits, m.labels
    if rng.random() < 0.5:
        return Case(z.T, y) if len(z) != z.shape[1] else None
    h, w = int(rng.integers(2, 6)), int(rng.integers(2, 6))
    n, k = -(-len(z) // (h * w)), z.shape[1]
    if k in (h, w):
        return None
    z = np.resize(z, (n, h, w, k))
    y = np.resize(y, (n, h, w))
    return either(rng, Case(z, y, None, 1), Case(np.moveaxis(z, -1, 1), y))


@kind("shapes")
def shapes(rng):
    m = model(rng, most_classes=100)
    n, k = m.logits.shape
    more = int(rng.integers(2, 6))
    if rng.random() < 0.4:
        return Case(m.logits, np.resize(m.labels, n + more)) if n + more != k else None
    if rng.random() < 0.5:
        return Case(m.logits, softmax(rng.normal(size=(n, k + more))))
    y = rng.integers(0, k, (n + more, 3, 7))
    return Case(m.logits, y)


@kind("one-hot labels")
def one_hot_labels(rng):
    m = model(rng)
    n, k = m.logits.shape
    y = one_hot(m.labels, k, either(rng, np.int64, np.int32, np.uint8, bool))
    if rng.random() < 0.6 or y.dtype == bool:
        return as_images(rng, Case(m.logits, y))
    loss = -log_softmax(m.logits)[np.arange(n)[:, None], y.astype(int)].mean()
    return if_it_differs(rng, m, loss, y)


@kind("one-hot twice")
def one_hot_twice(rng):
    m = model(rng, most_classes=37, most=250)
    k = m.logits.shape[1]
    once = one_hot(m.labels, k, int)
    twice = one_hot(once, int(either(rng, 2, k)), either(rng, int, np.float32))
    return Case(m.logits, twice)


@kind("class count")
def class_count(rng):
    if rng.random() < 0.4:  # the last layer has as many outputs as there are examples
        n = int(rng.choice([64, 250]))
        m = model(rng, sizes=(n, n))
        return Case(m.logits, m.labels % int(rng.integers(2, n // 5)))
    m = model(rng, most=250)
    n, k = m.logits.shape
    columns = either(rng, n, int(m.labels.max()) + 1)
    if columns == k or columns < 2 or m.labels.max() >= columns:
        return None
    return Case(m.logits, one_hot(m.labels, columns, either(rng, int, np.float32)))


@kind("column labels")
def column_labels(rng):
    m = model(rng, least=2, most=1000)  # of one example a column is the same number
    if rng.random() < 0.5:
        return Case(m.logits, m.labels[:, None])
    loss = -log_softmax(m.logits)[np.arange(len(m.labels)), m.labels[:, None]].mean()
    told = differ(loss, right(m), m.dtype)
    return Case(m.logits, m.labels[:, None], loss) if told else None


@kind("float labels")
def float_labels(rng):
    m = model(rng)
    y = m.labels.astype(either(rng, *DTYPES[1:]))
    if rng.random() < 0.3:
        y[rng.random(len(y)) < 0.5] += 0.5
    return as_images(rng, Case(m.logits, y))


@kind("off by one")
def off_by_one(rng):
    if rng.random() < 0.3:  # in range, and a trained model says where they belong
        m = trained(rng, least=64, least_classes=3)
        if (m.logits.argmax(axis=-1) == m.labels).mean() < 0.7:
            return None
        y = m.labels + int(either(rng, 1, -1))
        fits = (y >= 0) & (y < m.logits.shape[1])  # one class of the outputs is to spare
        return as_images(rng, Case(m.logits[fits], y[fits]))
    m = model(rng, least=16)
    k = m.logits.shape[1]
    if m.labels.max() != k - 1 or m.labels.min() != 0:
        return None  # neither end can be seen
    return as_images(rng, Case(m.logits, m.labels + int(either(rng, 1, -1))))


@kind("out of range")
def out_of_range(rng):
    m = model(rng)
    k, y = m.logits.shape[1], m.labels.astype(int)
    here = rng.random(len(y)) < rng.choice([0.05, 0.5])
    here[rng.integers(len(y))] = True
    y[here] = int(either(rng, k + 1, k + 5, 255 + k, -2, -7, 10**6))
    return as_images(rng, Case(m.logits, y))


@kind("ignored label")
def ignored_label(rng):
    m = model(rng, least=2)
    y = m.labels.astype(int)
    y[rng.random(len(y)) < 0.3] = -100
    if (y == -100).all() or (y != -100).all():
        return None
    if m.logits.shape[1] < 100 or rng.random() < 0.5:
        return as_images(rng, Case(m.logits, y))
    loss = -log_softmax(m.logits)[np.arange(len(y)), y].mean()  # NumPy counts from the end
    kept = Model(m.logits[y >= 0], m.labels[y >= 0])
    return Case(m.logits, y, loss) if differ(loss, right(kept), m.dtype) else None


@kind("unnormalised targets")
def unnormalised_targets(rng):
    m = model(rng, most_classes=100)
    n, k = m.logits.shape
    t = softmax(rng.normal(size=(n, k)) * 2)
    many = rng.random((n, k)) < 0.5
    many[:, :2] = True
    t = either(rng, t * 2, t * 100, t / n if n > 1 else t * 3, many * 1, many * 1.0,
               rng.uniform(0.5, 1, (n, k)), t - 0.4)  # fmt: skip
    if t.dtype.kind == "f":
        t = t.astype(m.dtype)
    loss = -(t * log_softmax(m.logits)).sum(axis=-1).mean()
    return as_images(rng, Case(m.logits, t, either(rng, None, loss)))


@kind("logarithms as targets")
def logarithms_as_targets(rng):
    m = model(rng)
    t = log_softmax(rng.normal(size=m.logits.shape) * rng.uniform(0.5, 3)).astype(m.dtype)
    kl = (t * (np.log(t) - log_softmax(m.logits))).sum(axis=-1).mean()  # of a negative number
    return as_images(rng, Case(m.logits, t, either(rng, None, kl)))


@kind("masked target")
def masked_target(rng):
    m = model(rng, least_classes=3)
    z, (n, k) = m.logits.copy(), m.logits.shape
    some = rng.random(n) < rng.choice([0.05, 0.6])
    some[rng.integers(n)] = True
    rows = np.flatnonzero(some)
    if rng.random() < 0.5:
        z[rows, m.labels[rows]] = -np.inf
        loss = -m.of(log_softmax(z)).mean()
        return as_images(rng, Case(z, m.labels, either(rng, None, loss)))
    z[rows, (m.labels[rows] + rng.integers(1, k)) % k] = -np.inf
    t = (0.9 * one_hot(m.labels, k) + 0.1 / k).astype(m.dtype)
    loss = -(t * log_softmax(z)).sum(axis=-1).mean()
    return as_images(rng, Case(z, t, either(rng, None, loss)))


@kind("missing class")
def missing_class(rng):
    m = model(rng, like=either(rng, untrained, calibrated, fitted), least=250)
    n, k = m.logits.shape
    seen = softmax(m.logits.astype(np.float64)).sum(axis=0)
    gone = int(rng.integers(k))
    if n < 50 * k or seen[gone] < 0.5 * n / k:
        return None  # few are expected, by their number or by the model
    y = np.where(m.labels == gone, (gone + rng.integers(1, k, n)) % k, m.labels)
    loss = right(Model(m.logits, y))
    return as_images(rng, Case(m.logits, y, either(rng, None, loss)))


# Sick cases: the loss


def keras(p, y, backend):
    """Keras's losses of what it takes for probabilities, on its backends."""
    eps = 1e-7
    rows = np.arange(len(y))
    if backend == "categorical":
        p = p / p.sum(axis=-1, keepdims=True)
    p = np.clip(p, eps, 1 - eps)
    if backend == "sparse on TensorFlow":
        return -log_softmax(np.log(p))[rows, y]
    return -np.log(p)[rows, y]


@kind("logits as probabilities")
def logits_as_probabilities(rng):
    m = model(rng, dtype=either(rng, np.float32, np.float64))
    backend = either(rng, "categorical", "sparse on TensorFlow", "sparse on PyTorch")
    z = m.logits
    if backend == "categorical" and (np.abs(z.sum(-1)) < 0.02 * np.abs(z).sum(-1)).any():
        return None  # the sum cancels: its digits depend on the order
    losses = keras(z, m.labels, backend)
    if losses.min() > 16.1 or losses.max() < 1e-6:
        return None  # all are clipped: only the clip is to be seen
    labels = m.targets if backend == "categorical" else m.labels
    return if_it_differs(rng, m, losses.mean(), labels)


@kind("nll of logits")
def nll_of_logits(rng):
    m = model(rng)
    return if_it_differs(rng, m, -m.of(m.logits).mean())


@kind("nll of probabilities")
def nll_of_probabilities(rng):
    m = model(rng)
    p = softmax(m.logits)
    loss = -m.of(p).mean()
    if rng.random() < 0.5:
        return if_it_differs(rng, m, loss)
    return as_images(rng, Case(p, m.labels, loss))


@kind("indices for one-hot")
def indices_for_one_hot(rng):
    n = int(rng.choice([2, 3, 5, 10, 37, 100]))
    m = model(rng, sizes=(n, n))
    loss = -(m.labels.astype(m.dtype) * log_softmax(m.logits)).sum(axis=-1).mean()
    told = differ(loss, right(m), m.dtype) and loss > 0.05  # all labels may be 0
    return Case(m.logits, m.labels, loss) if told else None


def own_losses(m):
    """The right losses as the program takes them, in its dtype."""
    return -m.of(log_softmax(m.logits))


@kind("sum")
def summed(rng):
    m = model(rng, least=2)
    return if_it_differs(rng, m, own_losses(m).sum()) if right(m) > 0.05 else None


@kind("divided by classes")
def divided_by_classes(rng):
    m = model(rng)
    loss = either(rng, -(m.targets * log_softmax(m.logits)).mean(),
                  own_losses(m).mean() / m.logits.shape[1])  # fmt: skip
    tiny = loss < 0.01 or right(m) < 0.05  # all rounding
    return None if tiny else if_it_differs(rng, m, loss, either(rng, m.labels, m.targets))


@kind("bits")
def bits(rng):
    m = model(rng)
    logs = either(rng, log_softmax(m.logits) / np.log(2), np.log2(softmax(m.logits)))
    loss = -m.of(logs).mean()
    return if_it_differs(rng, m, loss) if right(m) > 0.05 else None


@kind("clip")
def clip(rng):
    dtype = either(rng, np.float32, np.float64, np.float16)
    eps = 1e-7 if dtype == np.float16 else either(rng, *CLIPS.values())
    m = sure_and_wrong(rng, 20, 90, dtype=dtype, share=(0, 1))
    p = m.of(softmax(m.logits))
    if (p >= eps).all():
        return None  # nothing was clipped
    losses = either(rng, -np.log(np.clip(p, eps, 1)), -np.log(np.maximum(p, eps)),
                    -np.log(np.clip(p, eps, 1 - eps)), -np.log(p + eps))  # fmt: skip
    if not differ(losses.mean(), right(m), dtype):
        return None
    loss = losses if rng.random() < 0.2 else losses.mean()
    return as_images(rng, Case(m.logits, m.labels, loss))


@kind("log of softmax")
def log_of_softmax(rng):
    dtype = either(rng, *DTYPES)
    m = sure_and_wrong(rng, UNDERFLOWS[dtype] * 0.9, UNDERFLOWS[dtype] * 2, dtype=dtype)
    loss = -np.log(softmax(m.logits))[np.arange(len(m.labels)), m.labels].mean()
    return as_images(rng, Case(m.logits, m.labels, loss)) if np.isposinf(loss) else None


@kind("0 log 0")
def zero_log_zero(rng):
    dtype = either(rng, *DTYPES)
    m = sure_and_wrong(rng, UNDERFLOWS[dtype], UNDERFLOWS[dtype] * 2, dtype=dtype)
    p = softmax(m.logits)
    # A true class at 0 would make the loss infinite by itself.
    m = Model(m.logits, np.where(m.of(p) == 0, m.logits.argmax(axis=-1), m.labels))
    loss = -(m.targets * np.log(p)).sum(axis=-1).mean()
    if not np.isnan(loss):
        return None
    return as_images(
        rng, Case(either(rng, m.logits, p), either(rng, m.labels, m.targets), loss)
    )


@kind("all ignored")
def all_ignored(rng):
    m = model(rng)
    return as_images(rng, Case(m.logits, np.full(len(m.labels), -100), np.nan))


def unexplained(rng, loss):
    m = model(rng, like=untrained)
    return as_images(rng, Case(m.logits, m.labels, loss))


@kind("nan loss")
def nan_loss(rng):
    return unexplained(rng, np.nan)


@kind("infinite loss")
def infinite_loss(rng):
    return unexplained(rng, np.inf)


@kind("negative")
def negative(rng):
    m = model(rng)
    loss = either(rng, m.of(log_softmax(m.logits)).mean(), -rng.uniform(0.1, 5))
    others = -m.of(m.logits).mean(), -m.of(softmax(m.logits)).mean()
    if loss > -0.05 or not all(differ(loss, other, m.dtype) for other in others):
        return None  # 0, or the number of another program
    return as_images(rng, Case(m.logits, m.labels, loss))


@kind("nothing learnt")
def nothing_learnt(rng):
    m = model(rng, like=untrained, least=16)
    n, k = m.logits.shape
    z = either(rng, np.zeros((n, k)), np.full((n, k), rng.normal()),
               np.broadcast_to(rng.normal(size=(n, 1)), (n, k)),
               rng.normal(size=(n, k)) * 1e-7)  # fmt: skip
    m = Model(z.astype(m.dtype), m.labels)
    return as_images(rng, Case(m.logits, m.labels, own_losses(m).mean()))


@kind("dead gradient")
def dead_gradient(rng):
    m = sure_and_wrong(rng, 15, 40, share=(0.5, 1))
    squares = (softmax(m.logits) - m.targets) ** 2
    loss = either(rng, squares.sum(axis=-1).mean(), squares.mean(),
                  0.5 * squares.sum(axis=-1).mean())  # fmt: skip
    return if_it_differs(rng, m, loss, either(rng, m.labels, m.targets))


@kind("swapped kl")
def swapped_kl(rng):
    m = model(rng, most_classes=100)
    t = softmax(rng.normal(size=m.logits.shape) * rng.uniform(0.5, 2)).astype(m.dtype)
    p = softmax(m.logits)
    kl = (p * (np.log(p) - np.log(t))).sum(axis=-1).mean()
    forward = (t * (np.log(t) - log_softmax(m.logits))).sum(axis=-1).mean()
    told = np.isfinite(kl) and np.isfinite(forward) and differ(kl, forward, m.dtype)
    return as_images(rng, Case(m.logits, t, kl)) if told else None


def calibration(rng, wrong):
    """A calibrated model gone wrong: beyond noise, and still above the commonest class."""
    m = model(rng, like=calibrated, least=1000, most_classes=37)
    z = wrong(m.logits.astype(np.float64)).astype(m.dtype)
    gains = per_example(Model(z, m.labels)) - per_example(m)
    noise = gains.std() / np.sqrt(len(gains) / 2)  # of the half that judges
    hits = (z.argmax(axis=-1) == m.labels).mean()
    if gains.mean() < 6 * noise or hits < np.bincount(m.labels).max() / len(z) + 0.1:
        return None
    return as_images(rng, Case(z, m.labels, either(rng, None, right(Model(z, m.labels)))))


@kind("overconfident")
def overconfident(rng):
    return calibration(rng, lambda z: z * rng.uniform(2.5, 4))


@kind("biased")
def biased(rng):
    def moved(z):
        b = rng.normal(size=z.shape[1])
        return z + b / b.std() * rng.uniform(1, 2)

    return calibration(rng, moved)


# Sick cases: what cannot be read


class Refuses:
    """An object that does not become an array."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("this lies on a device that is gone")


@kind("unreadable")
def unreadable(rng):
    return Case(Refuses(), either(rng, None, [0, 1]))


@kind("ragged")
def ragged(rng):
    rows = [list(rng.normal(size=int(n))) for n in rng.permutation([2, 3, 3, 5])]
    return either(rng, Case(rows), Case(rows, [0, 1, 0, 1]), Case([[1.0, [2.0]], [3.0, 4.0]]))


@kind("not numbers")
def not_numbers(rng):
    m = model(rng, most=64, most_classes=10)
    words = np.array([["cat", "dog"], ["a", "b"]])
    dates = np.array([["2020-01-01", "2021-01-01"]], dtype="datetime64[D]")
    names = np.array(["cat", "dog"])[m.labels % 2]
    cases = (Case(words), Case(words.tolist(), [0, 1]), Case(words.astype(object)), Case(dates),
             Case(m.logits, names), Case(m.logits, names.tolist()))  # fmt: skip
    return either(rng, *cases)


@kind("empty")
def empty(rng):
    n, k = int(rng.choice(BATCHES)), int(rng.choice(CLASSES))
    none = np.zeros(0, int)
    return either(rng, Case(np.zeros((0, k)), none, either(rng, None, np.nan)), Case([]),
                  Case(np.zeros((n, 0))), Case(np.zeros((0, k, 4, 4)), axis=1))  # fmt: skip


@kind("axis")
def axis(rng):
    m = model(rng, most=250)
    return Case(m.logits, m.labels, None, either(rng, 2, 5, -3, -9))


# Findings that a case has beside its own kind, and why they are true of it.
IMPLIED = {
    "infinite outputs": {
        "all masked": "an overflow to -inf can take a whole row",
        "masked target": "an overflow to -inf can take the true class",
    },
}

# Healthy cases

HEALTHY = {}


def healthy_way(draw):
    HEALTHY[draw.__name__] = draw
    return draw


def healthy(seed, way=None):
    """A case with nothing to find, of a way, or of that of the seed.

    Parameters
    ----------
    seed : int
    way : str, optional
        One of `HEALTHY`. Otherwise `way_of(seed)`: neighbouring seeds walk through all.

    Returns
    -------
    Case
        Outputs, labels, loss, axis. One loss in four is rounded as in print.
    """
    way = way or way_of(seed)
    rng = np.random.default_rng([zlib.crc32(way.encode()), seed])
    with np.errstate(all="ignore"):
        for _ in range(REDRAWS):
            case = HEALTHY[way](rng)
            if case is not None:
                return as_printed(case) if rng.random() < 0.25 else case
    raise AssertionError(f"{way}, seed {seed}: {REDRAWS} draws, and none is healthy")


def as_printed(case):
    """The case with its loss as PyTorch prints it: four digits after the point."""
    one_number = case.loss is not None and np.size(case.loss) == 1
    return case._replace(loss=round(np.asarray(case.loss).item(), 4)) if one_number else case


def way_of(seed):
    return tuple(HEALTHY)[seed % len(HEALTHY)]


def said(rng, m, loss=None):
    """The right loss as programs say it: taken in the dtype, or wider and rounded after."""
    if loss is None:
        loss = float(either(rng, own_losses(m).mean(), right(m)))
    kept = np.float32 if m.dtype == np.float16 else m.dtype
    as_array = np.asarray(loss, kept)
    return either(rng, float(loss), m.dtype(loss), kept(loss), as_array, as_array[None])


@healthy_way
def any_model(rng):
    m = model(rng)
    return as_images(rng, Case(m.logits, m.labels, said(rng, m)))


@healthy_way
def confident_and_right(rng):
    m = model(rng, like=confident)
    return as_images(rng, Case(m.logits, m.labels, said(rng, m)))


@healthy_way
def saturated_and_right(rng):
    m = model(rng)
    far = rng.uniform(50, 1000) * one_hot(m.labels, m.logits.shape[1])
    m = Model((m.logits + far).astype(m.dtype), m.labels)
    return as_images(rng, Case(m.logits, m.labels, either(rng, said(rng, m), None)))


@healthy_way
def a_real_fit(rng):
    m = model(rng, like=fitted, most_classes=10)
    return Case(m.logits, m.labels, said(rng, m))


@healthy_way
def untrained_with_its_loss(rng):
    m = model(rng, like=untrained)
    return as_images(rng, Case(m.logits, m.labels, said(rng, m)))


@healthy_way
def untrained_without_loss(rng):
    m = model(rng, like=untrained)
    return as_images(rng, Case(m.logits, m.labels))


@healthy_way
def trained_without_loss(rng):
    m = trained(rng)
    return as_images(rng, Case(m.logits, m.labels))


@healthy_way
def outputs_alone(rng):
    return as_images(rng, Case(model(rng).logits))


@healthy_way
def soft_targets(rng):
    m = model(rng)
    t = softmax(rng.normal(size=m.logits.shape) * rng.uniform(0.5, 4)).astype(m.dtype)
    loss = -(t * log_softmax(m.logits)).sum(axis=-1).mean()
    return as_images(rng, Case(m.logits, t, either(rng, said(rng, m, loss), None)))


@healthy_way
def smoothed_targets(rng):
    m = model(rng)
    k = m.logits.shape[1]
    t = (0.9 * m.targets + 0.1 / k).astype(m.dtype)
    return as_images(rng, Case(m.logits, t, said(rng, m, dense(m.logits, t).mean())))


@healthy_way
def smoothed_loss(rng):
    m = model(rng)
    logs = log_softmax(m.logits)
    loss = -(0.9 * m.of(logs) + 0.1 * logs.mean(axis=-1)).mean()
    return as_images(rng, Case(m.logits, m.labels, loss))


def masked(rng, value=-np.inf):
    """A model with some wrong classes at -inf."""
    m = model(rng, least_classes=3)
    z = m.logits.copy()
    z[(rng.random(z.shape) < rng.uniform(0.1, 0.9)) & (m.targets == 0)] = value
    return Model(z, m.labels)


@healthy_way
def masked_classes(rng):
    m = masked(rng)
    return as_images(rng, Case(m.logits, m.labels, either(rng, said(rng, m), None)))


@healthy_way
def masked_by_large_numbers(rng):
    m = masked(rng, either(rng, -1e4, -6e4))
    return as_images(rng, Case(m.logits, m.labels, either(rng, said(rng, m), None)))


@healthy_way
def masked_classes_and_targets(rng):
    m = masked(rng)
    t = np.where(np.isinf(m.logits), 0, softmax(rng.normal(size=m.logits.shape)))
    t = (t / t.sum(axis=-1, keepdims=True)).astype(m.dtype)
    return as_images(rng, Case(m.logits, t, said(rng, m, dense(m.logits, t).mean())))


@healthy_way
def causal_mask(rng):
    n = int(rng.choice([4, 64, 250]))
    z = rng.normal(size=(n, n)).astype(either(rng, *DTYPES))
    z[np.triu_indices(n, 1)] = -np.inf
    m = Model(z, sampled(rng, z.astype(np.float64)))
    return Case(m.logits, m.labels, either(rng, said(rng, m), None))


@healthy_way
def padded(rng):
    m = model(rng, least=2)
    y, kept = m.labels.astype(int), rng.random(len(m.labels)) < rng.uniform(0.1, 0.95)
    if not kept.any():
        return None
    y[~kept] = -100
    loss = own_losses(m)[kept].mean()  # PyTorch's mean is over those that are left
    return as_images(rng, Case(m.logits, y, loss))


@healthy_way
def padded_and_kept_apart(rng):
    """reduction="none": what is ignored costs 0."""
    m = model(rng, least=2)
    kept = rng.random(len(m.labels)) < rng.uniform(0.3, 0.95)
    if kept.all() or not kept.any():
        return None
    y = np.where(kept, m.labels, -100)
    return as_images(rng, Case(m.logits, y, np.where(kept, own_losses(m), 0)))


@healthy_way
def padded_with_another_mark(rng):
    """ignore_index=-1, or 255 as in segmentation: the mean is over the others."""
    m = model(rng, least=16, most_classes=100)
    kept = rng.random(len(m.labels)) < rng.uniform(0.3, 0.95)
    if kept.all() or not kept.any():
        return None
    y = np.where(kept, m.labels, either(rng, -1, 255))
    return as_images(rng, Case(m.logits, y, own_losses(m)[kept].mean()))


@healthy_way
def cubes(rng):
    """As many classes as rows and columns: no shape says where the classes are."""
    k = int(rng.choice([3, 5, 10]))
    m = model(rng, sizes=(k**3, k))
    z, y = m.logits.reshape(k, k, k, k), m.labels.reshape(k, k, k)
    if rng.random() < 0.5:
        return Case(np.moveaxis(z, -1, 1), y, either(rng, None, said(rng, m)), 1)
    return Case(z, y, either(rng, None, said(rng, m)))


@healthy_way
def whole_numbers(rng):
    m = model(rng, like=calibrated, dtype=np.float64)
    z = np.round(m.logits).astype(either(rng, int, np.int32, np.int16))
    m = Model(z, sampled(rng, z.astype(float)))
    loss = right(Model(z.astype(float), m.labels))
    return as_images(rng, Case(z, m.labels, either(rng, None, loss)))


@healthy_way
def imbalanced(rng):
    n, k = drawn_sizes(rng, least=4)
    prior = -rng.uniform(1, 2) * np.log(np.arange(1, k + 1))
    z = prior + rng.normal(size=(n, k)) * rng.uniform(0, 2)
    m = Model(z.astype(either(rng, *DTYPES)), sampled(rng, z))
    if n >= 50 * k and len(np.unique(m.labels)) < k:
        return None
    return as_images(rng, Case(m.logits, m.labels, either(rng, said(rng, m), None)))


@healthy_way
def imbalanced_and_untrained(rng):
    m = model(rng, like=untrained, least=4)
    n, k = m.logits.shape
    prior = -rng.uniform(0.5, 1.5) * np.log(np.arange(1, k + 1))
    y = sampled(rng, np.broadcast_to(prior, (n, k)))
    if n >= 50 * k and len(np.unique(y)) < k:
        return None
    m = Model(m.logits, y)
    return as_images(rng, Case(m.logits, m.labels, said(rng, m)))


@healthy_way
def sorted_batch(rng):
    """A batch from sorted files: two neighbouring classes of many, told from all others."""
    n, k = drawn_sizes(rng, least_classes=10)
    if n >= 10 * k or n == k:
        return None
    y = int(rng.integers(0, k - 2)) + np.sort(rng.integers(0, 2, n))
    z = rng.normal(size=(n, k)) + rng.uniform(7, 14) * one_hot(y, k)
    m = Model(z.astype(either(rng, *DTYPES)), y)
    return Case(m.logits, m.labels, said(rng, m))


@healthy_way
def distilled(rng):
    m, alpha, hot = model(rng), rng.uniform(0.1, 0.9), float(rng.choice([1, 2, 4]))
    v = (m.logits + rng.normal(size=m.logits.shape)).astype(m.dtype)
    t = softmax(v / hot)
    kl = (t * (np.log(t) - log_softmax(m.logits / hot))).sum(axis=-1).mean() * hot**2
    loss = alpha * kl + (1 - alpha) * own_losses(m).mean()
    return as_images(rng, Case(m.logits, m.labels, loss)) if np.isfinite(loss) else None


@healthy_way
def class_weights(rng):
    m = model(rng)
    w = rng.uniform(0.2, 3, m.logits.shape[1])[m.labels]
    loss = either(rng, (w * own_losses(m)).sum() / w.sum(), (w * own_losses(m)).mean())
    return as_images(rng, Case(m.logits, m.labels, loss))


@healthy_way
def regularised(rng):
    m = model(rng)
    return as_images(rng, Case(m.logits, m.labels, right(m) + rng.uniform(0.001, 1)))


@healthy_way
def focal(rng):
    m = model(rng)
    p = m.of(softmax(m.logits))
    return as_images(rng, Case(m.logits, m.labels, (own_losses(m) * (1 - p) ** 2).mean()))


@healthy_way
def mean_of_an_epoch(rng):
    """The loss is that of other batches, too."""
    m = model(rng)
    return Case(m.logits, m.labels, right(m) * rng.uniform(0.8, 1.25) + rng.uniform(0, 0.01))


@healthy_way
def loss_of_probabilities(rng):
    m = model(rng)
    p = softmax(m.logits)
    loss = -np.log(m.of(p)).mean()
    return as_images(rng, Case(p, m.labels, loss)) if np.isfinite(loss) else None


@healthy_way
def keras_on_probabilities(rng):
    m = model(rng, dtype=np.float32)
    p = softmax(m.logits)
    if p.min() < 1e-6:
        return None  # the clip is in the loss
    loss = keras(p, m.labels, either(rng, "categorical", "sparse on TensorFlow")).mean()
    return Case(p, m.labels, loss)


@healthy_way
def loss_of_log_probabilities(rng):
    m = model(rng)
    logs = log_softmax(m.logits)
    return as_images(rng, Case(logs, m.labels, -m.of(logs).mean()))


@healthy_way
def one_example(rng):
    m = model(rng, sizes=(1, int(rng.choice(CLASSES))))
    y = either(rng, int(m.labels[0]), m.labels[0], np.asarray(m.labels[0]))
    loss = either(rng, None, said(rng, m))
    return either(rng, Case(m.logits[0], y, loss), Case(m.logits, m.labels, loss))


@healthy_way
def losses_of_examples(rng):
    m = model(rng)
    losses = either(rng, own_losses(m), per_example(m), per_example(m).astype(np.float32))
    return as_images(rng, Case(m.logits, m.labels, losses))


@healthy_way
def rounded_to_four_digits(rng):
    m = model(rng)
    loss = right(m)
    return Case(m.logits, m.labels, either(rng, round(loss, 4), float(f"{loss:.4g}")))


@healthy_way
def one_hot_with_its_loss(rng):
    m = model(rng)
    y = one_hot(m.labels, m.logits.shape[1], either(rng, int, bool, np.float32, np.float64))
    return as_images(rng, Case(m.logits, y, said(rng, m)))


@healthy_way
def floats_one_hot_without_loss(rng):
    m = trained(rng)
    return as_images(rng, Case(m.logits, m.targets))


@healthy_way
def column_with_its_loss(rng):
    """Keras takes labels (N, 1)."""
    m = model(rng)
    return Case(m.logits, m.labels[:, None], said(rng, m))


@healthy_way
def divergence(rng):
    """KL(t || p), the right way round."""
    m = model(rng)
    t = softmax(rng.normal(size=m.logits.shape) * 2).astype(m.dtype)
    kl = (t * (np.log(t) - log_softmax(m.logits))).sum(axis=-1).mean()
    return as_images(rng, Case(m.logits, t, kl)) if np.isfinite(kl) else None


@healthy_way
def pairs(rng):
    """Contrastive learning: as many classes as examples, each its own."""
    n = int(rng.choice([2, 3, 5, 16, 64, 250]))
    z = rng.normal(size=(n, n)) + np.eye(n) * either(rng, 0, 1, 4, 20)
    m = Model(z.astype(either(rng, *DTYPES)), np.arange(n))
    return Case(m.logits, m.labels, said(rng, m))


@healthy_way
def beyond_the_range_of_exp(rng):
    m = far_out(rng, model(rng, like=either(rng, confident, untrained)))
    m = Model(m.logits, m.logits.astype(np.float64).argmax(axis=-1))
    return as_images(rng, Case(m.logits, m.labels, right(m)))


@healthy_way
def kept_in_float16(rng):
    """The loss was taken before the logits were rounded for the disk."""
    m = model(rng, dtype=np.float32)
    return Case(m.logits.astype(np.float16), m.labels, float(own_losses(m).mean()))


@healthy_way
def the_number_of_a_clip(rng):
    """A right loss that happens to be -log of an epsilon."""
    gap = -np.log(either(rng, *CLIPS.values()))
    k = int(rng.choice([2, 3, 10]))
    z = np.full((1, k), -gap - np.log1p(-np.exp(-gap)) - np.log(k - 1))
    z[0, 0] = 0
    z = z - z.max()
    m = Model(z.astype(either(rng, np.float32, np.float64)), np.array([1]))
    if k > 2:
        m = Model(m.logits[:, :2], m.labels)
    return Case(m.logits, m.labels, right(m))


@healthy_way
def similarities(rng):
    """Logits within 0..1 or -1..1, which are no probabilities."""
    n, k = drawn_sizes(rng, least_classes=3)
    z = rng.uniform(either(rng, -1, 0), 1, (n, k)).astype(either(rng, *DTYPES))
    if np.abs(z.astype(float).sum(-1) - 1).min() < 0.05:
        return None
    m = Model(z, sampled(rng, z.astype(float)))
    return Case(z, m.labels, either(rng, None, said(rng, m)))


@healthy_way
def after_a_relu(rng):
    m = trained(rng)
    m = Model(np.maximum(m.logits, 0), m.labels)
    m = Model(m.logits, sampled(rng, m.logits.astype(float)))
    return as_images(rng, Case(m.logits, m.labels, said(rng, m)))


@healthy_way
def shifted_by_their_maximum(rng):
    """Saturated logits that somebody has made safe: 0 at the largest, so logsumexp is 0."""
    m = trained(rng)
    far = rng.uniform(800, 900) * one_hot(m.labels, m.logits.shape[1])
    z = m.logits + far
    z = (z - z.max(axis=-1, keepdims=True)).astype(m.dtype)
    return as_images(rng, Case(z, m.labels, either(rng, None, 0.0)))


@healthy_way
def plain_lists(rng):
    m = model(rng, most=64, most_classes=100)
    z = either(rng, m.logits.tolist(), list(m.logits), tuple(map(tuple, m.logits)))
    y = either(rng, m.labels.tolist(), tuple(m.labels), m.labels.astype(object))
    return Case(z, y, either(rng, None, right(m)))


@healthy_way
def odd_in_memory(rng):
    m = model(rng)
    swapped = m.logits.astype(m.logits.dtype.newbyteorder())
    z = either(rng, np.asfortranarray(m.logits), np.repeat(m.logits, 2, axis=0)[::2], swapped)
    z.setflags(write=False)
    return Case(z, m.labels, either(rng, None, said(rng, m)))


@healthy_way
def small_integers(rng):
    m = model(rng, most_classes=100)
    y = m.labels.astype(either(rng, np.uint8, np.int8, np.uint16, np.int16))
    return as_images(rng, Case(m.logits, y, either(rng, None, said(rng, m))))


@healthy_way
def true_or_false(rng):
    m = model(rng, sizes=(int(rng.choice(BATCHES)), 2))
    return Case(m.logits, m.labels.astype(bool), said(rng, m))


@healthy_way
def vocabulary(rng):
    m = model(
        rng, like=either(rng, untrained, calibrated), sizes=(int(rng.integers(1, 4)), 30_000)
    )
    return Case(m.logits, m.labels, either(rng, None, said(rng, m)))


@healthy_way
def losses_of_images(rng):
    """One loss per image: the mean, or the sum, over its pixels."""
    m = model(rng, sizes=(5 * 16, int(rng.choice([2, 10, 37]))))
    z, y = m.logits.reshape(5, 4, 4, -1), m.labels.reshape(5, 4, 4)
    losses = own_losses(m).reshape(5, 16)
    return Case(z, y, either(rng, losses.mean(axis=1), losses.mean(axis=1).tolist()))


@healthy_way
def rounded_to_two_digits(rng):
    m = model(rng)
    return Case(m.logits, m.labels, round(right(m), 2))


@healthy_way
def perplexity(rng):
    m = model(rng, like=either(rng, calibrated, confident, fitted))
    return Case(m.logits, m.labels, float(np.exp(right(m))))


@healthy_way
def mixup(rng):
    m = model(rng, least=2)
    share = rng.beta(0.4, 0.4, (len(m.labels), 1))
    t = (share * m.targets + (1 - share) * rng.permutation(m.targets)).astype(m.dtype)
    loss = dense(m.logits, t).mean()
    return as_images(rng, Case(m.logits, t, either(rng, said(rng, m, loss), None)))


@healthy_way
def taught_itself(rng):
    """Targets that are the model's own probabilities: nothing is left of any divergence."""
    m = model(rng)
    p = softmax(m.logits)
    loss = either(rng, 0.0, float(dense(m.logits, p).mean()))
    return as_images(rng, Case(m.logits, p, loss))


@healthy_way
def one_example_repeated(rng):
    """As when somebody sees whether a model can learn one example."""
    m = trained(rng, sizes=(1, int(rng.choice(CLASSES))))
    m = Model(np.repeat(m.logits, 16, axis=0), np.repeat(m.labels, 16))
    return Case(m.logits, m.labels, said(rng, m)) if right(m) < 0.3 else None


@healthy_way
def one_class_in_a_small_batch(rng):
    n, k = int(rng.integers(2, 17)), int(rng.choice([2, 3, 10, 100]))
    z = rng.normal(size=(n, k))
    y = np.full(n, rng.integers(k))
    m = Model((z + either(rng, 0, 4, 12) * one_hot(y, k)).astype(either(rng, *DTYPES)), y)
    return Case(m.logits, m.labels, said(rng, m))


@healthy_way
def hardly_learnable(rng):
    """The model knows how little it knows."""
    n, k = int(rng.choice([250, 1000, 5000])), int(rng.choice([2, 3, 10]))
    z = rng.normal(size=(n, k)) * rng.uniform(0.05, 0.5)
    m = Model(z.astype(either(rng, *DTYPES)), sampled(rng, z))
    return as_images(rng, Case(m.logits, m.labels, either(rng, None, said(rng, m))))


@healthy_way
def heavy_tails(rng):
    n, k = int(rng.choice([250, 1000, 5000])), int(rng.choice([2, 3, 10]))
    z = rng.standard_t(2, size=(n, k)) * rng.uniform(0.5, 2)
    m = Model(z.astype(either(rng, *DTYPES)), sampled(rng, z))
    return Case(m.logits, m.labels, either(rng, None, said(rng, m)))


@healthy_way
def one_score_for_two_classes(rng):
    z = rng.normal(size=(int(rng.choice(BATCHES)), 1)) * rng.uniform(0.5, 3)
    z = np.hstack(either(rng, [np.zeros_like(z), z], [-z, z]))
    m = Model(z.astype(either(rng, *DTYPES)), sampled(rng, z))
    return Case(m.logits, m.labels, either(rng, None, said(rng, m)))


@healthy_way
def many_calibrated(rng):
    m = model(rng, like=calibrated, least=250)
    return Case(m.logits, m.labels, either(rng, None, said(rng, m)))


@healthy_way
def a_common_offset(rng):
    """What softmax does not see: a number added to each row, small beside its range."""
    m = trained(rng, dtype=either(rng, np.float32, np.float64))
    z = (m.logits.astype(np.float64) + rng.normal(size=(len(m.labels), 1)) * 20).astype(m.dtype)
    m = Model(z, m.labels)
    return as_images(rng, Case(m.logits, m.labels, either(rng, None, said(rng, m))))


# Judging

NAMED_BY_THEIR_LOSS = (
    "logits as probabilities", "nll of logits", "nll of probabilities", "indices for one-hot",
    "sum", "divided by classes", "bits", "clip", "dead gradient", "swapped kl",
)  # fmt: skip


@functools.cache
def findings(name, seed, printed=False):
    """What `diagnose` says of a case, as pairs of kind and how sure."""
    case = healthy(seed) if name == "healthy" else sick(name, seed)
    outputs, labels, loss, axis = as_printed(case) if printed else case
    try:
        with warnings.catch_warnings(action="error"):
            found = diagnose(outputs, labels, loss=loss, axis=axis).findings
    except Exception as error:  # it must never raise: a false name, so that the rest is judged
        return ((f"raised {error!r}", "certain"),)
    return tuple((f.kind, f.sure) for f in found)


def misses(name, start, count=PER_KIND, found=findings):
    """Seeds of a kind that is not among its findings."""
    seeds = range(start, start + count)
    return [s for s in seeds if name not in [k for k, _ in found(name, s)]]


def misses_as_printed(start, count=PER_KIND):
    """Cases that are told by their loss, with four digits after the point; and the misses."""

    def digits(case):  # of -0.0210 there are two, of 1.0000 one
        one_number = np.size(case.loss) == 1
        return len(repr(as_printed(case).loss).strip("-0.").replace(".", "")) * one_number

    told = [
        (name, seed)
        for name in NAMED_BY_THEIR_LOSS
        for seed in range(start, start + count)
        if digits(sick(name, seed)) >= 4
    ]
    return told, [c for c in told if c[0] not in [k for k, _ in findings(*c, printed=True)]]


def false_names(name, start, count=PER_KIND, found=findings):
    """Pairs of a seed and another kind that is called certain and not implied."""
    allowed = {name, *IMPLIED.get(name, {})}
    return [
        (seed, other)
        for seed in range(start, start + count)
        for other, sure in found(name, seed)
        if sure == "certain" and other not in allowed
    ]


def false_alarms(start, count=HEALTHY_CASES, found=findings):
    """Triples of a seed, its way and what was said of a healthy case."""
    return [
        (seed, way_of(seed), said_of_it)
        for seed in range(start, start + count)
        if (said_of_it := found("healthy", seed))
    ]


def table(start):
    """Lines: recall and false names by kind, false alarms by way."""
    for name in SICK:
        missed, false = misses(name, start), false_names(name, start)
        recall = 1 - len(missed) / PER_KIND
        tail = f"   missed {missed[:6]}" if missed else ""
        tail += f"   also certain of {dict(Counter(k for _, k in false))}" if false else ""
        yield f"{name:24}{recall:6.2f}{tail}"
    told, missed = misses_as_printed(start)
    recall = 1 - len(missed) / len(told)
    yield f"{len(told)} losses as printed, recall {recall:.3f}   missed {missed[:6]}"
    alarms = false_alarms(start)
    yield f"{HEALTHY_CASES} healthy cases, {len(alarms)} false alarms"
    for (way, said_of_it), number in Counter((w, s) for _, w, s in alarms).items():
        seeds = [s for s, w, t in alarms if (w, t) == (way, said_of_it)]
        yield f"    {way}: {number} x {said_of_it}, seeds {seeds[:4]}"


if __name__ == "__main__":
    for title, start in ("Tuned", TUNED), ("Reported", REPORTED):
        print(f"{title}: {PER_KIND} cases of each kind, seeds from {start}")
        print("\n".join(table(start)), end="\n\n")
