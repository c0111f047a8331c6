"""Random calls of the frameworks' losses, with the outcome of each: a value, or an error.

tests/test_equivalents.py makes them, on the specification and on the framework. Each call is
drawn whole: function, dtypes, shapes that fit and shapes that do not, empty batches, labels
that are ignored or out of range, weights of 0, logits that are infinite or no numbers.
"""

import math
import warnings

import ml_dtypes
import numpy as np
from hypothesis import strategies as st

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOATS = [np.dtype(t) for t in (np.float16, BFLOAT16, np.float32, np.float64)]
INTEGERS = [np.dtype(t) for t in (bool, np.uint8, np.int32, np.int64)]


def mostly(common, *rare):
    """A strategy that draws `common` three times in four, else one of the others."""
    return st.integers(0, 3).flatmap(lambda i: common if i else st.one_of(*rare))


dtypes = mostly(st.sampled_from(FLOATS), st.sampled_from(FLOATS), st.sampled_from(INTEGERS))
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def shapes(min_rank=0, max_rank=5):
    sizes = mostly(st.integers(1, 4), st.integers(0, 2), st.sampled_from([17, 40]))
    return st.lists(sizes, min_size=min_rank, max_size=max_rank).map(tuple).filter(small)


def small(shape):
    return math.prod(shape) <= 2000


@st.composite
def logits(draw, shape, dtype):
    """Numbers of all sizes, and in some draws entries that are infinite, nan, huge or 0."""
    rng = draw(generators)
    x = np.asarray(rng.normal(size=shape) * draw(st.sampled_from([0.1, 1, 8, 30])))
    if draw(mostly(st.just(False), st.just(True))):
        odd = rng.choice([np.inf, -np.inf, np.nan, 6e4, -6e4, 0], size=shape)
        x = np.where(rng.random(shape) < 0.3, odd, x)
    with np.errstate(all="ignore"):
        return np.asarray(np.nan_to_num(x) if dtype.kind in "biu" else x).astype(dtype)


@st.composite
def probs(draw, shape, dtype, axis):
    """Distributions along the axis, soft or one-hot; or what only looks like one."""
    rng = draw(generators)
    p = np.asarray(rng.uniform(0, 1, shape))
    kind = draw(st.sampled_from(["soft", "soft", "one-hot", "zero", "no distribution"]))
    axis = axis if p.ndim > (axis or 0) else None
    if kind == "soft" and p.size:
        p = p / p.sum(axis, keepdims=True)
    if kind == "one-hot" and p.size:
        p = (p == p.max(axis, keepdims=True)) * 1.0
    if kind == "zero":
        p = p * 0
    if kind == "no distribution":
        p = p * rng.choice([3, 0, -1, 1], size=shape)
    return np.asarray(p).astype(dtype)


@st.composite
def class_weights(draw, num_classes, dtype):
    """One factor per class: some 0, all 0; or of another length, rank or dtype."""
    rng = draw(generators)
    shape = draw(mostly(st.just((num_classes,)), st.sampled_from(
        [(num_classes + 1,), (1,), (1, num_classes), ()])))  # fmt: skip
    w = np.asarray(rng.uniform(0, 3, shape)) * draw(st.sampled_from([1, 1, 0]))
    w = np.where(rng.random(shape) < draw(st.sampled_from([0, 0.5])), 0, w)
    return np.asarray(w).astype(draw(mostly(st.just(dtype), dtypes)))


@st.composite
def labels(draw, shape, num_classes):
    """Class indices, some of which may be ignored or outside."""
    rng = draw(generators)
    low, high = draw(st.sampled_from([(0, num_classes)] * 6 + [(-1, num_classes + 1)]))
    y = np.asarray(rng.integers(low, max(high, low + 1), size=shape))
    ignored = draw(st.sampled_from([0, 0, 0.5, 1]))
    y = np.where(rng.random(shape) < ignored, -100, y)
    kind = draw(mostly(st.just(np.dtype(np.int64)), st.sampled_from(INTEGERS + FLOATS)))
    return np.asarray(y).astype(kind)


def other_shapes(shape):
    """The shape, and shapes that do or do not broadcast with it."""
    wrong = [(*shape, 1), (1, *shape), shape[1:], shape[:-1], (1,) * len(shape), (),
             (*shape[:-1], 3), (5, *shape[1:])]  # fmt: skip
    return mostly(st.just(shape), st.sampled_from(wrong))


def factors(shape, dtype):
    """Weights that may broadcast: positive, or all of them 0."""

    def of(draw):
        rng = draw(generators)
        size = draw(st.sampled_from([shape[-1:], shape, (), (1,), shape[:1]])
                    | other_shapes(shape))  # fmt: skip
        w = np.asarray(rng.uniform(-0.5, 3, size)) * draw(st.sampled_from([1, 1, 0]))
        return np.asarray(w).astype(draw(mostly(st.just(dtype), dtypes)))

    return st.composite(of)()


# PyTorch


@st.composite
def torch_softmax(draw):
    shape, dtype = draw(shapes()), draw(dtypes)
    rank = len(shape)
    given = {"input": draw(logits(shape, dtype))}
    given["dim"] = draw(st.none() | st.integers(-rank - 1, rank))
    given["dtype"] = draw(mostly(st.none(), dtypes))
    return given


@st.composite
def torch_logsumexp(draw):
    shape, dtype = draw(shapes()), draw(dtypes)
    one = st.integers(-len(shape) - 1, len(shape))
    some = st.lists(one, max_size=3).map(tuple)
    within = st.integers(-max(len(shape), 1), max(len(shape), 1) - 1)
    return {"input": draw(logits(shape, dtype)), "dim": draw(mostly(within, one, some)),
            "keepdim": draw(st.booleans())}  # fmt: skip


reductions = mostly(st.sampled_from(["mean", "sum", "none"]),
                    st.sampled_from(["mean", "sum", "none", "batchmean", "max"]))  # fmt: skip


@st.composite
def torch_labelled(draw, smoothing):
    shape, dtype = draw(mostly(shapes(1), shapes())), draw(dtypes)
    axis = 1 if len(shape) > 1 else 0
    num_classes = shape[axis] if shape else 1
    of_examples = shape[:axis] + shape[axis + 1 :]
    given = {"input": draw(logits(shape, dtype)), "reduction": draw(reductions)}
    if smoothing and draw(st.booleans()):
        kind = draw(mostly(st.just(dtype), dtypes))
        given["target"] = draw(probs(draw(other_shapes(shape)), kind, axis if shape else None))
    else:
        given["target"] = draw(labels(draw(other_shapes(of_examples)), num_classes))
    if draw(st.booleans()):
        given["weight"] = draw(class_weights(num_classes, dtype))
    given["ignore_index"] = draw(st.sampled_from([-100, -100, -100, 0, 1, -1, 156]))
    if smoothing:
        given["label_smoothing"] = draw(st.sampled_from([0, 0, 0, 0.1, 0.5, 1, -0.5, 1.5]))
    return given


@st.composite
def torch_kl_div(draw):
    shape, dtype = draw(shapes()), draw(dtypes)
    kind = draw(mostly(st.just(dtype), dtypes))
    like, log_target = draw(other_shapes(shape)), draw(st.booleans())
    of = logits(like, kind) if log_target else probs(like, kind, None)
    return {"input": draw(logits(shape, dtype)), "target": draw(of), "log_target": log_target,
            "reduction": draw(reductions | st.just("batchmean"))}  # fmt: skip


@st.composite
def torch_binary(draw):
    shape, dtype = draw(shapes()), draw(dtypes)
    kind = draw(mostly(st.just(dtype), dtypes))
    like = draw(mostly(st.just(shape), other_shapes(shape)))
    given = {"input": draw(logits(shape, dtype)), "reduction": draw(reductions)}
    given["target"] = draw(probs(like, kind, None))
    for name in ("weight", "pos_weight"):
        if draw(st.integers(0, 2)) == 0:
            given[name] = draw(factors(shape, dtype))
    return given


TORCH_ARGUMENTS = {
    "softmax": torch_softmax,
    "log_softmax": torch_softmax,
    "logsumexp": torch_logsumexp,
    "cross_entropy": lambda: torch_labelled(True),
    "nll_loss": lambda: torch_labelled(False),
    "kl_div": torch_kl_div,
    "binary_cross_entropy_with_logits": torch_binary,
}


# TensorFlow


@st.composite
def tf_softmax(draw):
    shape, dtype = draw(mostly(shapes(1), shapes())), draw(dtypes)
    axis = draw(st.none() | st.integers(-len(shape) - 1, len(shape)))
    return {"logits": draw(logits(shape, dtype)), "axis": axis}


@st.composite
def tf_logsumexp(draw):
    shape, dtype = draw(shapes()), draw(dtypes)
    one = st.integers(-len(shape) - 1, len(shape))
    some = st.lists(one, max_size=3).map(tuple)
    within = st.integers(-max(len(shape), 1), max(len(shape), 1) - 1)
    return {"input_tensor": draw(logits(shape, dtype)), "keepdims": draw(st.booleans()),
            "axis": draw(mostly(st.none() | within, one, some))}  # fmt: skip


@st.composite
def tf_dense(draw):
    shape, dtype = draw(mostly(shapes(1), shapes())), draw(dtypes)
    kind = draw(mostly(st.just(dtype), dtypes))
    axis = draw(mostly(st.just(-1), st.integers(-len(shape) - 1, len(shape))))
    one_number = tuple(1 if i == axis % max(len(shape), 1) else n for i, n in enumerate(shape))
    like = draw(mostly(st.just(shape), st.just(one_number), other_shapes(shape)))
    given = {"labels": draw(probs(like, kind, None)), "logits": draw(logits(shape, dtype))}
    return given | draw(st.sampled_from([{}, {"axis": axis}]))


@st.composite
def tf_sparse(draw):
    shape, dtype = draw(mostly(shapes(1), shapes())), draw(dtypes)
    rng, num_classes = draw(generators), shape[-1] if shape else 1
    outside = draw(st.sampled_from([0] * 7 + [1]))
    like = draw(mostly(st.just(shape[:-1]), other_shapes(shape[:-1])))
    y = np.asarray(rng.integers(-outside, max(num_classes, 1) + outside, size=like))
    kinds = st.sampled_from([np.dtype(np.int32), np.dtype(np.int64)])
    kind = draw(mostly(kinds, st.sampled_from(INTEGERS + FLOATS)))
    return {"labels": y.astype(kind), "logits": draw(logits(shape, dtype))}


DENSE, SPARSE = "softmax_cross_entropy_with_logits", "sparse_softmax_cross_entropy_with_logits"
TF_ARGUMENTS = {
    "softmax": tf_softmax,
    "log_softmax": tf_softmax,
    "reduce_logsumexp": tf_logsumexp,
    DENSE: tf_dense,
    f"{DENSE}_grad": tf_dense,
    SPARSE: tf_sparse,
    f"{SPARSE}_grad": tf_sparse,
}


# Keras


keras_reductions = mostly(
    st.sampled_from(["sum_over_batch_size", "sum", "none", None]),
    st.sampled_from(["mean", "mean_with_sample_weight"]),
    st.just("max"),
)


@st.composite
def keras_weights(draw, shape):
    """Nothing, one weight per loss, or what does or does not broadcast with the losses."""
    if draw(st.booleans()):
        return None
    like = draw(mostly(st.just(shape), st.sampled_from([(), shape[:1], (*shape, 1)]),
                       other_shapes(shape)))  # fmt: skip
    w = np.asarray(draw(generators).uniform(0, 2, like)) * draw(st.sampled_from([1, 1, 1, 0]))
    return w.astype(draw(dtypes))


@st.composite
def keras_predictions(draw, shape, axis):
    """Probabilities most of the time; logits otherwise, also where none are asked for."""
    dtype = draw(dtypes)
    if draw(st.booleans()):
        return draw(logits(shape, dtype))
    return draw(probs(shape, dtype, axis))


@st.composite
def keras_loss(draw, name):
    shape = draw(mostly(shapes(1, 4), shapes(0, 4)))
    given = {"reduction": draw(keras_reductions), "dtype": draw(st.sampled_from(FLOATS)).name}
    axis = draw(mostly(st.just(-1), st.integers(-len(shape) - 1, len(shape))))
    if name != "KLDivergence":
        given["from_logits"] = draw(st.booleans())
        given["axis"] = axis
    if name.startswith(("Cat", "Bin")):
        given["label_smoothing"] = draw(st.sampled_from([0.0, 0.0, 0.1, 1.0]))
    if name.startswith("Sparse"):
        given["ignore_class"] = draw(st.sampled_from([None, None, 0, -1, 255]))
        num_classes = shape[-1] if shape else 1
        rng, outside = draw(generators), draw(st.sampled_from([0] * 7 + [1]))
        like = draw(mostly(st.just(shape[:-1]), st.just((*shape[:-1], 1)), other_shapes(shape)))
        y_true = rng.integers(-outside, max(num_classes, 1) + outside, size=like)
        ignored = rng.random(like) < draw(st.sampled_from([0, 0.5, 1]))
        y_true = np.where(ignored & (given["ignore_class"] is not None),
                          given["ignore_class"] or 0, y_true).astype(draw(dtypes))  # fmt: skip
    else:
        like = draw(mostly(st.just(shape), other_shapes(shape)))
        y_true = draw(probs(like, draw(dtypes), -1))
    y_pred = draw(keras_predictions(shape, -1))
    return given, (y_true, y_pred, draw(keras_weights(shape[:-1])))


@st.composite
def keras_softmax(draw):
    shape = draw(mostly(shapes(1, 4), shapes(0, 4)))
    one = st.integers(-len(shape) - 1, len(shape))
    axis = draw(mostly(st.just(-1), one, st.lists(one, max_size=3).map(tuple)))
    given = {"axis": axis, "dtype": draw(st.sampled_from(FLOATS)).name}
    x = draw(logits(shape, draw(dtypes)))
    if draw(st.booleans()):
        return given, (x,)
    like = draw(mostly(st.just(shape), st.sampled_from([shape[1:], shape[-1:]]),
                       other_shapes(shape)))  # fmt: skip
    mask = draw(generators).uniform(0, 1, like) > draw(st.sampled_from([0.2, 0.8, 1]))
    return given, (x, np.asarray(mask).astype(draw(mostly(st.just(np.dtype(bool)), dtypes))))


KERAS_LOSSES = (
    "CategoricalCrossentropy SparseCategoricalCrossentropy BinaryCrossentropy KLDivergence"
).split()
KERAS_ARGUMENTS = {name: lambda name=name: keras_loss(name) for name in KERAS_LOSSES}
KERAS_ARGUMENTS["Softmax"] = keras_softmax


# Optax


@st.composite
def optax_axis(draw, shape):
    """The last axis mostly, else one axis, several, all of them, or one that is not there."""
    one = st.integers(-len(shape) - 1, len(shape))
    several = st.permutations(range(len(shape))).map(lambda axes: tuple(axes[:2]))
    return draw(mostly(st.just(-1), one, several, st.none()))


@st.composite
def optax_where(draw, shape, axis):
    """Nothing, a mask of the entries, or one of the examples."""
    if draw(st.booleans()) or not shape:
        return None
    rng, single = draw(generators), isinstance(axis, int) and -len(shape) <= axis < len(shape)
    like = draw(st.sampled_from([shape, np.delete(shape, axis) if single else shape]))
    return np.asarray(rng.random(tuple(like)) < draw(st.sampled_from([0.2, 0.7, 1, 0])))


@st.composite
def optax_dense(draw, of="probs", options=("axis", "where")):
    shape, dtype = draw(mostly(shapes(1, 4), shapes(0, 4))), draw(dtypes)
    kind = draw(mostly(st.just(dtype), dtypes))
    like = draw(other_shapes(shape))
    names = {"probs": ("logits", "labels"), "targets": ("log_predictions", "targets"),
             "logs": ("log_predictions", "log_targets")}[of]  # fmt: skip
    second = logits(like, kind) if of == "logs" else probs(like, kind, None)
    given = {names[0]: draw(logits(shape, dtype)), names[1]: draw(second)}
    if "axis" in options:
        given["axis"] = draw(optax_axis(shape))
    if "where" in options:
        given["where"] = draw(optax_where(shape, given["axis"]))
    return given


@st.composite
def optax_poly(draw):
    epsilon = draw(st.sampled_from([2.0, 0.0, -1.0]))
    return draw(optax_dense()) | {"epsilon": epsilon}


@st.composite
def optax_weighted(draw):
    given = draw(optax_dense(options=()))
    return {"x": given["logits"], "weights": given["labels"]}


@st.composite
def optax_focal(draw):
    options = {"alpha": draw(st.sampled_from([None, 0.25, 1.0])),
               "gamma": draw(st.sampled_from([2.0, 0.0, 0.5]))}  # fmt: skip
    return draw(optax_dense(options=())) | options


@st.composite
def optax_sparse(draw):
    shape, dtype = draw(mostly(shapes(1, 4), shapes(0, 4))), draw(dtypes)
    axis = draw(optax_axis(shape))
    rest = shape[:-1]
    if isinstance(axis, int) and -len(shape) <= axis < len(shape):
        rest = tuple(np.delete(shape, axis))
    elif isinstance(axis, tuple) and max(axis, default=0) < len(shape):
        rest = tuple(n for i, n in enumerate(shape) if i not in axis)
    given = {"logits": draw(logits(shape, dtype)), "axis": axis}
    given["labels"] = draw(optax_labels(rest, math.prod(shape)))
    given["where"] = draw(optax_where(shape, axis))
    return given


@st.composite
def optax_labels(draw, shape, num_classes):
    rng, low = draw(generators), draw(st.sampled_from([0, 0, -num_classes - 1]))
    high = draw(st.sampled_from([min(num_classes, 2), num_classes + 2]))
    y = np.asarray(rng.integers(low, max(high, low + 1), size=draw(other_shapes(shape))))
    kind = draw(mostly(st.just(np.dtype(np.int64)), st.sampled_from(INTEGERS + FLOATS)))
    return np.asarray(y).astype(kind)


@st.composite
def optax_scores(draw):
    shape, dtype = draw(mostly(shapes(1, 3), shapes(1, 4))), draw(st.sampled_from(FLOATS))
    y = draw(optax_labels(shape[:-1], shape[-1]))
    return {"scores": draw(logits(shape, dtype)), "labels": y}


@st.composite
def optax_matrix(draw):
    shape = (draw(st.integers(1, 4)), draw(st.integers(1, 6)))
    y = draw(generators).integers(
        -shape[1] - 1, shape[1] + 2, size=draw(other_shapes(shape[:1]))
    )
    return {"scores": draw(logits(shape, draw(st.sampled_from(FLOATS[2:])))), "labels": y}


@st.composite
def optax_signed(draw):
    shape, dtype = draw(shapes(0, 4)), draw(st.sampled_from(FLOATS))
    kind = draw(mostly(st.just(dtype), st.sampled_from([*FLOATS, *INTEGERS[2:]])))
    y = draw(generators).choice([-1, 1], size=draw(other_shapes(shape)))
    return {"predictor_outputs": draw(logits(shape, dtype)),
            "targets": np.asarray(y).astype(kind)}  # fmt: skip


@st.composite
def optax_bits(draw):
    shape, dtype = draw(shapes(0, 4)), draw(st.sampled_from([*FLOATS, *INTEGERS[2:]]))
    y = draw(generators).integers(2, size=draw(other_shapes(shape)))
    return {"logits": draw(logits(shape, dtype)),
            "labels": np.asarray(y).astype(draw(dtypes))}  # fmt: skip


OPTAX_ARGUMENTS = {
    "softmax_cross_entropy": optax_dense,
    "safe_softmax_cross_entropy": lambda: optax_dense(options=()),
    "softmax_cross_entropy_with_integer_labels": optax_sparse,
    "poly_loss_cross_entropy": optax_poly,
    "kl_divergence": lambda: optax_dense(of="targets"),
    "kl_divergence_with_log_targets": lambda: optax_dense(of="logs"),
    "generalized_kl_divergence": lambda: optax_dense(of="targets"),
    "weighted_logsoftmax": optax_weighted,
    "sigmoid_binary_cross_entropy": lambda: optax_dense(options=()),
    "sigmoid_focal_loss": optax_focal,
    "hinge_loss": optax_signed,
    "perceptron_loss": optax_signed,
    "sparsemax_loss": optax_bits,
    "multiclass_hinge_loss": optax_scores,
    "multiclass_perceptron_loss": optax_scores,
    "multiclass_sparsemax_loss": optax_matrix,
}


# Outcomes


def outcome(f, *args, **kwargs):
    """What `f` returns, as an array; or the exception that it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return np.asarray(f(*args, **kwargs))
        except Exception as error:
            return error


def eps_of(*arrays):
    """The coarsest rounding of the arrays that hold floats."""
    floats = [a.dtype for a in arrays if a.dtype.kind in "fV"]
    return max([0.0, *(float(ml_dtypes.finfo(dtype).eps) for dtype in floats)])


def size_of(*arrays):
    """The largest finite number, at least 1."""
    finite = [np.abs(a.astype(np.float64)) for a in arrays]
    return max([1.0, *(float(a[np.isfinite(a)].max(initial=0)) for a in finite)])


def difference(ours, theirs, eps, size=1.0, same_error=None):
    """What differs between two outcomes, in words; None if nothing does.

    `eps` is the coarsest rounding on the way, `size` the largest number that was added. 64
    roundings relative and 8 absolute in wide types; 4 and 4 in 16-bit types, where ours
    round when the framework does.
    """
    if isinstance(ours, Exception) or isinstance(theirs, Exception):
        same = same_error or (lambda a, b: type(a) is type(b))
        if isinstance(ours, Exception) and isinstance(theirs, Exception) and same(ours, theirs):
            return None
        return f"ours {brief(ours)}; theirs {brief(theirs)}"
    if ours.dtype != theirs.dtype or ours.shape != theirs.shape:
        return f"ours {ours.dtype} {ours.shape}; theirs {theirs.dtype} {theirs.shape}"
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    relative, absolute = (4, 4) if eps > 1e-5 else (64, 8)
    close = np.isclose(a, b, rtol=relative * eps, atol=absolute * eps * size, equal_nan=True)
    return None if close.all() else f"ours {a[~close][:3]}; theirs {b[~close][:3]}"


def brief(x):
    return (
        f"{type(x).__name__}: {str(x)[:90]}"
        if isinstance(x, Exception)
        else f"{x.dtype} {x.shape}"
    )
