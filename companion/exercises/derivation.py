"""Exercises of the chapter *Derivation*."""

import numpy as np

import companion
from companion.exercises.common import (
    BASES,
    CLIPS,
    INTEGERS,
    MEAN,
    PRECISIONS,
    SHIFT,
    SUM,
    SUMS,
    axis,
    ceilings,
    in_two,
    reduced,
    shift_of,
    small_number,
    sum_of,
    truncated,
    unit_of,
)
from companion.exercises.exercise import (
    ChoiceExercise,
    FunctionExercise,
    Mistake,
    NumberExercise,
    Switch,
)
from companion.exercises.probes import array, flat, labels_for, large_rows, plain_rows

TOPIC = "derivation"

# float32 gives seven digits, and no statement of this chapter asks for more. All small losses
# and probabilities of the calls are either 0 or far above 1e-9.
DIGITS = {"rtol": 1e-6, "atol": 1e-9}


# cross_entropy: two distributions in, nats out.


def _cross_entropy_by_class(p, q):
    total = np.zeros(p.shape[:-1])
    for k in range(p.shape[-1]):
        happens = p[..., k] > 0
        total[happens] -= p[happens, k] * np.log(q[happens, k])
    return total


def _cross_entropy_without_nan(p, q):
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.nansum(p * np.log(q), axis=-1)


def _costs(weights, x, zero, unit, small):
    """-weights * log(x), entry by entry, with a rule for what is 0."""
    added, lowest, both = small
    # Where nothing is clipped from above, x may exceed 1 by what was added.
    inside = np.clip(x + added, max(lowest, both), 1 - both if both else None)
    logs = np.log(inside) / unit
    match zero:
        case "right":
            return np.where(weights == 0, 0.0, -weights * logs)
        case "free":
            return np.where(x == 0, 0.0, -weights * logs)
        case "huge":
            return np.nan_to_num(-weights * logs)
        case "huge logarithm":
            return -weights * np.nan_to_num(logs)
    return -weights * logs


def _terms(p, q, terms, cost):
    match terms:
        case "swapped":
            return cost(q, p)
        case "entropy":
            return cost(p, p)
        case "entropy of q":
            return cost(q, q)
        case "kl":
            return cost(p, q) - cost(p, p)
        case "kl reversed":
            return cost(q, p) - cost(q, q)
        case "binary":
            return cost(p, q) + cost(1 - p, 1 - q)
        case "unweighted":
            return cost(np.ones_like(p), q)
        case "hard":
            return cost(np.eye(p.shape[-1])[p.argmax(axis=-1)], q)
    return cost(p, q)


def _one_per_pair(terms, how):
    match how:
        case "transposed":
            return terms.sum(axis=-1).T
        case "one of the first axis":
            return terms.reshape(len(terms), -1).sum(axis=1)
        case "in one row":
            return terms.sum(axis=-1).reshape(-1)
        case "squeezed":
            return np.squeeze(terms.sum(axis=-1))
        case "first pair":
            return terms.reshape(-1, terms.shape[-1])[0].sum()
        case "all but the last":
            return terms[..., :-1].sum(axis=-1)
        case "all but the first":
            return terms[..., 1:].sum(axis=-1)
        case "mean":
            return terms.mean(axis=-1)
        case "whole":
            return terms.sum()
        case "first axis":
            return terms.sum(axis=0)
        case "second axis":
            return terms.sum(axis=1)
        case "kept":
            return terms.sum(axis=-1, keepdims=True)
        case "missing":
            return terms
        case "mean of pairs":
            return terms.sum(axis=-1).mean()
        case "mean of all":
            return terms.mean()
        case "by length":
            return terms.sum() / len(terms)
    return terms.sum(axis=-1)


def _cross_entropy_family(
    p, q, *, terms="p log q", zero="right", sums="row", sign=1, base="e", softmax="no",
    epsilon=0.0, clip=0.0, both=0.0, replaced=0.0, smoothed=0.0, evened=0.0, evened_both=0.0,
    evened_belief=0.0, result="cost", kind="float", precision="float64",
):  # fmt: skip
    integers = p
    if precision == "plus one":
        p, q = p.astype(float), 1.0 + q
    elif precision == "log1p":
        p, q = p.astype(float), 1 + (q - 1.0)  # what is lost in q - 1 does not come back
    else:
        p, q = p.astype(precision), q.astype(precision)
    added = smoothed + evened + evened_both
    p, q = p + added, np.where(q == 0, replaced, q) + added + evened_belief
    if evened or evened_both or evened_belief:
        q = q / q.sum(axis=-1, keepdims=True)
    if evened_both:
        p = p / p.sum(axis=-1, keepdims=True)
    q = companion.softmax(q) if softmax == "q" else q
    small = epsilon, clip, both
    costs = _terms(p, q, terms, lambda w, x: _costs(w, x, zero, unit_of(base), small))
    cost = sign * _one_per_pair(costs, sums)
    if zero in ("late", "late and huge"):
        cost = np.where(np.isnan(cost), 0.0, cost)
    cost = np.nan_to_num(cost) if zero == "late and huge" else cost
    cost = np.exp(cost) if result == "perplexity" else cost
    return truncated(cost, integers, kind).astype(float)


def _ladder():
    """Probabilities from 1/10 down to the smallest numbers, so that no small constant hides."""
    q = 10.0 ** -np.arange(1, 308, 4)
    return np.stack([q, 1 - q], axis=-1)


def _pairs(rng):
    """Random pairs of distributions; some events are impossible."""
    p, q = rng.dirichlet(np.ones(4), size=(2, 2, 3))
    p = np.where(rng.random(p.shape) < 0.3, 0, p) + 1e-300
    q = np.where(rng.random(q.shape) < 0.1, 0, q) + 1e-300
    p, q = (np.where(x < 1e-200, 0, x) for x in (p, q))
    return p, q


def _in_the_logarithm(values):
    """Small numbers that would explain the largest finite cost, in nats or in bits."""
    return [*ceilings(values), *ceilings([v * np.log(2) for v in values])]


SMOOTHED = (
    "{value:.3g} is added to the weights, too, not only to what enters the logarithm. So what "
    "never happens costs something, and the impossible a finite amount. Leave p and q as they "
    "are."
)
FLOORS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9)


cross_entropy = FunctionExercise(
    topic=TOPIC,
    minutes=8,
    trains="events that never happen, and events believed impossible",
    name="cross_entropy",
    stub='''
def cross_entropy(p, q):
    """-sum(p * log(q)) over the last axis, in nats, with 0 * log(0) = 0."""
    ...
''',
    answer="""
def cross_entropy(p, q):
    surprise = -np.log(np.where(p == 0, 1, q))
    return (p * surprise).sum(axis=-1)
""",
    why="Where p is 0, q is replaced by 1, whose logarithm is 0. No 0 * inf arises, and a "
    "possible event that q rules out still costs inf, as it should.",
    reference=companion.cross_entropy,
    hints=(
        "Try p = q = [1, 0]. What is 0 * log(0) in NumPy, and what should it be?",
        "An event that never happens must drop out before the logarithm sees its q.",
        "`np.where(p == 0, 1, q)` puts a harmless number where p is 0. Take -log of it, "
        "weigh by p, and sum over the last axis.",
    ),
    probes=(
        (flat(0.5, 0.5), flat(0.25, 0.75)),
        (array([0.2, 0.8]), array([0.6, 0.4])),
        (flat(1, 0, 0), flat(1, 0, 0)),
        (flat(0, 1), flat(0.75, 0.25)),
        (flat(0.5, 0.5), flat(1, 0)),
        (flat(1, 0), flat(0, 1)),
        (flat(0.25, 0.75), flat(1e-300, 1)),
        (array([0.7, 0.2, 0.1], [0.1, 0.1, 0.8]), array([0.5, 0.3, 0.2], [0.25, 0.25, 0.5])),
        (array([0.3, 0.7], [0.6, 0.4]), array([0.9, 0.1], [0.2, 0.8])),
        (array([1], [1]), array([1], [1])),
        (np.array([[0, 1, 0], [1, 0, 0]]), array([0.5, 0.25, 0.25], [0.125, 0.875, 0])),
        (np.array([[0, 1], [1, 0]]), np.array([[0, 1], [0, 1]])),
        (array([0.5, 0.5, 0], [0.25, 0.75, 0]), array([0.25, 0, 0.75], [0.5, 0.25, 0.25])),
        (array([0, 0.5, 0.5], [0.25, 0.5, 0.25]), array([0, 0, 1], [0.75, 0.125, 0.125])),
        (
            np.array([[[0.5, 0.5], [0.1, 0.9], [1, 0]], [[0.3, 0.7], [0, 1], [0.8, 0.2]]]),
            np.array([[[0.2, 0.8], [0.6, 0.4], [1, 0]], [[0.9, 0.1], [0.5, 0.5], [0.3, 0.7]]]),
        ),
        (np.tile([1.0, 0.0], (77, 1)), _ladder()),
        (_ladder(), np.full((77, 2), 0.5)),
    ),
    fresh=_pairs,
    shortcuts=(
        "cross_entropy",
        "entropy",
        "kl_divergence",
        "softmax_cross_entropy",
        "log_loss",
    ),
    **DIGITS,
    also_right=(_cross_entropy_by_class, _cross_entropy_without_nan),
    family=_cross_entropy_family,
    switches=(
        Switch(
            "terms",
            {
                "swapped": "You weigh by q and take the logarithm of p. Events happen with p; "
                "the belief that is charged for them is q.",
                "entropy": "This is the entropy of p: it does not look at q at all. The "
                "logarithm must be that of the belief.",
                "entropy of q": "This is the entropy of q: it does not look at p at all. "
                "Events happen with p, so p gives the weights.",
                "kl": "This is the KL divergence: the entropy of p is taken off. Cross-entropy "
                "is the whole cost, not only what exceeds the best possible.",
                "kl reversed": "This is a KL divergence, with p and q in each other's place. "
                "Cross-entropy weighs by p, and is the whole cost.",
                "binary": "You add (1 - p) * log(1 - q). That is for one event and its "
                "opposite; here all classes are listed, and the sum over them is complete.",
                "unweighted": "The surprises are added without weights. An event counts as "
                "often as it happens, that is with p.",
                "hard": "Only the most likely class of p is charged. All classes count, each "
                "as often as it happens.",
            },
        ),
        Switch(
            "sums",
            {
                "mean": "You average over the classes. The terms are to be added: weights that "
                "sum to 1 have done the averaging already.",
                "whole": "One sum runs over all numbers. Each pair of distributions has a cost "
                "of its own: give the sum an axis.",
                "first axis": "The sum runs over the first axis. The classes of a pair lie on "
                "the last one, however many axes there are.",
                "second axis": "The sum runs over axis 1. Only in a matrix is that the last "
                "axis; there may be one axis, or three.",
                "kept": "The summed axis stays, with length 1. One number for each pair is "
                "asked for, without that axis.",
                "missing": "The terms are not added up. Each pair of distributions has one "
                "cost, a sum over its classes.",
                "mean of pairs": "You return the mean over all pairs. Give one number for each "
                "pair; the caller reduces.",
                "mean of all": "You return one mean over pairs and classes. Give one number "
                "for each pair, a sum over its classes.",
                "by length": "You sum over everything and divide by the length of the first "
                "axis. Give one number for each pair; the caller reduces.",
            },
        ),
        Switch(
            "sums",
            {
                "all but the last": "The last class is left out. range(K) ends before K, so "
                "it reaches all classes already.",
                "all but the first": "The first class is left out. Classes count from 0.",
                "one of the first axis": "Your loop goes along the first axis, and sums up all "
                "that lies below. A single pair has one axis, others have three: sum over "
                "the last one alone.",
                "transposed": "The axes before the last come back in the opposite order. The "
                "costs stand as the pairs did.",
                "in one row": "The costs come in one long row. Those axes of p and q that are "
                "before the last must stay; one pair alone has none.",
                "squeezed": "Axes of length 1 are squeezed away. Those before the last must "
                "stay: one pair in a matrix has shape (1,).",
                "first pair": "Only the first pair of distributions is charged. A return "
                "inside a loop ends it in its first round.",
            },
            most=2,
        ),
        Switch(
            "sign",
            {
                -1: "The sign is turned round, so what should be a cost comes out negative. "
                "The logarithm of a probability is at most 0."
            },
        ),
        Switch(
            "zero",
            {
                "nan": "0 * log(0) is nan in NumPy, and it should count as 0. Keep the "
                "logarithm away from events that never happen.",
                "free": "Where log(0) would arise you count 0, so an event that happens, but "
                "is believed impossible, costs nothing. Ask which weight is 0, not which "
                "logarithm is infinite.",
                "huge": "nan_to_num turns infinities into 1.8e308, too. What happens against a "
                "belief of 0 costs inf: only the terms of weight 0 need care.",
                "huge logarithm": "The logarithm of 0 becomes -1.8e308. It is minus infinity: "
                "only the terms of weight 0 need care.",
                "late": "You put 0 where the sum is nan, which throws the other terms of that "
                "pair away. The single term counts as 0, before the sum.",
                "late and huge": "nan_to_num comes after the sum: it throws whole pairs away, "
                "and makes 1.8e308 of inf. The single term counts as 0, before the sum.",
            },
        ),
        Switch("base", BASES),
        small_number(
            "epsilon",
            "{value:.3g} is added inside the logarithm, so the cost of the impossible is "
            "finite. It must be infinite: leave q as it is where p is positive.",
            (1e-3, 1e-5, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-16),
            guess=_in_the_logarithm,
        ),
        small_number(
            "clip",
            "What enters the logarithm is clipped from below, at {value:.3g}, so the cost of "
            "the impossible is finite. It must be infinite: treat p = 0 instead of bending q.",
            (1e-3, 1e-5, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-16),
            guess=_in_the_logarithm,
        ),
        small_number(
            "both",
            "What enters the logarithm is clipped from both sides, {value:.3g} from 0 and from "
            "1. So the impossible has a finite cost, and the certain one above 0. Bend "
            "neither.",
            (1e-5, 1e-6, 1e-7, 1e-8),
        ),
        small_number(
            "replaced",
            "{value:.3g} stands for a q of 0, so the cost of the impossible is finite. It must "
            "be infinite: leave q as it is where p is positive.",
            (1e-6, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15),
        ),
        small_number("smoothed", SMOOTHED, FLOORS, most=2),
        small_number("evened", SMOOTHED, FLOORS, most=1),
        small_number("evened_both", SMOOTHED, FLOORS, most=1),
        small_number(
            "evened_belief",
            "{value:.3g} is added to q before q is divided by its sum again, so the cost of "
            "the impossible is finite. It must be infinite: leave q as it is.",
            FLOORS,
            most=1,
        ),
        Switch(
            "softmax",
            {
                "q": "You send q through a softmax. It is a distribution already: each row "
                "sums to 1."
            },
        ),
        Switch(
            "result",
            {
                "perplexity": "This is the perplexity, the exponential of the cost. The cost "
                "itself is asked for."
            },
            most=2,
        ),
        Switch(
            "kind",
            {
                "like": "Integers lose the fractions of a result: an array made like p "
                "(zeros_like, empty_like) holds integers if p does. Ask for floats."
            },
            most=2,
        ),
        Switch(
            "precision",
            PRECISIONS
            | {
                "plus one": "1 is added to q before the logarithm, as log1p does. The "
                "logarithm of q itself is asked for.",
                "log1p": "1 is subtracted from q before the logarithm. A q below 1e-16 is lost "
                "in that. q itself has all its digits.",
            },
            most=2,
        ),
    ),
    mistakes=(
        Mistake(
            "every pair",
            lambda p, q: -np.inner(p, np.log(q)),
            "The product is taken of each row with every other. A row of p belongs to the row "
            "of q in the same place: multiply entry by entry, then sum.",
        ),
        Mistake(
            "matrix product",
            lambda p, q: -p @ np.log(q).T,
            "A matrix product takes each row with every other. A row of p belongs to the row "
            "of q in the same place: multiply entry by entry, then sum.",
        ),
        Mistake(
            "dot",
            lambda p, q: -np.dot(p, np.log(q)),
            "np.dot of two matrices multiplies rows with columns, and asks that they fit. Here "
            "entries in the same place belong together: multiply them one by one, then sum.",
        ),
        Mistake(
            "no logarithm",
            lambda p, q: 1 - (p * q).sum(axis=-1),
            "There is no logarithm in your cost. Surprise grows without bound as q goes to 0; "
            "1 - q does not.",
        ),
        Mistake(
            "squares",
            lambda p, q: ((p - q) ** 2).sum(axis=-1),
            "These are squared differences. They are 2 at most, however impossible an event "
            "was believed to be; surprise is a logarithm.",
        ),
        Mistake(
            "mean of squares",
            lambda p, q: ((p - q) ** 2).mean(axis=-1),
            "This is the mean squared error. It stays small however impossible an event was "
            "believed to be; surprise is a logarithm.",
        ),
        Mistake(
            "logarithm of the mean",
            lambda p, q: -np.log((p * q).sum(axis=-1)),
            "You average the beliefs and take one logarithm of that. Each event has its own "
            "surprise, and the surprises are averaged.",
        ),
    ),
)


# negative_log_likelihood: logits and labels in.


def _losses_by_logaddexp(logits, labels):
    rows = enumerate(logits)
    return np.array([np.logaddexp.reduce(row) - row[labels[i]] for i, row in rows])


def _losses_through_one_hot(logits, labels):
    targets = np.eye(logits.shape[1])[labels]
    gaps = logits - logits.max(axis=1, keepdims=True)
    return np.log(np.exp(gaps).sum(axis=1)) - (targets * gaps).sum(axis=1)


def _losses_by_mask(logits, labels):
    largest = logits.max(axis=1)
    log_sums = largest + np.log(np.exp(logits.T - largest).sum(axis=0))
    return log_sums - logits[labels[:, None] == np.arange(logits.shape[1])]


def _picked(table, labels, how, likely):
    """What an answer takes out of a table with a row per example and a column per class."""
    rows = np.arange(len(table))
    match how:
        case "before":
            return table[rows, labels - 1]
        case "after":
            return table[rows, labels + 1]
        case "likely":
            return table[rows, likely]
        case "first":
            return table[:, 0]
        case "stride":  # rows of N numbers, which are right only if N = K
            return np.take(table, rows * len(table) + labels)
        case "pairs":
            return table[:, labels]
        case "rows":
            return table[labels]
        case "exchanged":
            return table[labels, rows]
        case "flat":
            return np.take(table, labels)
        case "all":
            return table.sum(axis=1)
        case "narrow":
            return (np.eye(labels.max() + 1)[labels] * table).sum(axis=1)
        case "product":  # with 0 * inf where another class has an infinite loss
            return (np.eye(table.shape[1])[labels] * table).sum(axis=1)
    return table[rows, labels]


def _beside(log_sums, taken, above, z, place):
    """The logarithm of the sum with the shift and the label's logit, as an answer has it."""
    match place:
        case "twice":
            return log_sums + taken - above
        case "less":
            return log_sums - taken - z
        case "plus":
            return log_sums + taken + z
        case "plus shifted":
            return log_sums + above
    return log_sums - above


def _exponents(z, shift, place, labels):
    """What stands in exp below the line, and above it."""
    taken = np.take_along_axis(z, labels[:, None], axis=1) if shift == "label" else None
    taken = shift_of(z, shift) if taken is None else taken
    below = z if place == "above" else z - taken
    above = z if place == "below" else z - taken
    return below, above, taken


def _total(exps, sums):
    if sums == "mean":
        return exps.mean(axis=1, keepdims=True)
    return sum_of(exps, "row" if sums in ("kept", "kept log-sums") else sums)


def _likelihood(probs, small):
    """A loss from probabilities that are formed, with what keeps them from 0."""
    added, lowest, both = small
    return -np.log(np.clip(probs + added, max(lowest, both), 1 - both if both else None))


def _nll_family(
    logits, labels, *, form="difference", shift="row", place="both", sums="row", pick="label",
    table="losses",
    enters="logits", value="loss", reduction="none", sign=1, base="e", bound=np.inf,
    epsilon=0.0, clip=0.0, both=0.0, protected=0.0, kind="float", precision="float64",
):  # fmt: skip
    z = logits.astype(precision)
    z = z if np.isinf(bound) else np.clip(z, -bound, bound)
    z = companion.softmax(z) if enters == "probs" else z
    small = epsilon, clip, both
    below, above, taken = _exponents(z, shift, place, labels)
    total = _total(np.exp(below), sums) if sums not in ("missing", "largest") else None

    def losses(above):
        if total is None:
            return (z.max(axis=1, keepdims=True) if sums == "largest" else 0.0) - z
        if form != "difference" or any(small) or value != "loss":
            return _likelihood(np.exp(above) / total, small)
        log_sums = np.log(total + protected)
        if base in ("two in the sum", "ten in the sum"):
            log_sums = log_sums / unit_of(base.split()[0])
        return _beside(log_sums, taken, above, z, place)

    likely = logits.argmax(axis=1)
    if table != "losses" and form == "difference" and total is not None:
        # Rows are mixed up only where the label's logit is looked up.
        log_sums = np.broadcast_to(
            np.log(total) + (0 if table == "shifted" else taken), z.shape
        )
        result = log_sums[:, 0] - _picked(
            z if table == "logits" else above, labels, pick, likely
        )
    elif sums == "kept log-sums":  # the same, with the shift added back
        picked = _picked(z, labels, pick, likely)
        result = np.log(total) + (taken if place == "both" else 0.0) - picked
    elif sums == "kept":  # (N,) meets (N, 1)
        result = losses(_picked(above, labels, pick, likely))
    else:
        result = _picked(losses(above), labels, pick, likely)
    result = sign * result / unit_of("e" if "sum" in base else base)
    finish = {"p": lambda x: np.exp(-x), "missed": lambda x: 1 - np.exp(-x)}
    result = finish.get(value, lambda x: x)(result)
    if reduction == "classes":
        return truncated(result / logits.shape[1], logits, kind)
    if reduction == "mean of all":
        return truncated(result.mean() / logits.shape[1], logits, kind)
    result = _handed_back(result, reduction)
    return result.astype(int) if kind == "labels" else truncated(result, logits, kind)


def _handed_back(result, reduction):
    match reduction:
        case "column":
            return result[:, np.newaxis]
        case "squeezed":
            return np.squeeze(result)
        case "first":
            return result[0]
        case "first filled":
            return _only(result, slice(1))
    return reduced(result, reduction)


def _labelled(arrays):
    """Logits with labels: classes in turn, the least likely, never the last."""
    choices = "turn", "unlikely", "early"
    return [(rows, labels_for(rows, choices[i % 3])) for i, rows in enumerate(arrays)]


def _gaps():
    """Pairs of logits that lie ever farther apart, so that no small constant hides."""
    return np.stack([np.zeros(92), 8.0 * np.arange(1, 93)], axis=-1)


SHIFTS_OF_LOGITS = in_two(
    "shift",
    SHIFT
    | {
        "label": "You subtract the label's own logit. Where another logit of the row is far "
        "larger, exp overflows. Only one choice bounds them all."
    },
    ("whole mean", "median", "middle", "absolute", "whole absolute", "last"),
)
MIXED_UP = {
    "exchanged": "Row and column stand in each other's place in your indices. The first index "
    "of a matrix is the row, and labels name columns.",
    "flat": "You read the matrix as one long row. Each label belongs to a row: pair it with "
    "that row's index.",
    "stride": "You index the flattened matrix as if its rows had N numbers. They have K, so "
    "that is right only where N = K.",
}
KEPT = (
    "A column of sums, (N, 1), meets a row of N labels' logits, so N x N numbers come out. "
    "Drop the summed axis, or pick later."
)
SMALL = (1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15)

negative_log_likelihood = FunctionExercise(
    topic=TOPIC,
    minutes=12,
    trains="the logarithm taken on paper, before anything underflows",
    name="negative_log_likelihood",
    stub='''
def negative_log_likelihood(logits, labels):
    """-log softmax(logits)[label] of each row: logits (N, K), labels (N,)."""
    ...
''',
    answer="""
def negative_log_likelihood(logits, labels):
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1))
    return log_sum - shifted[np.arange(len(labels)), labels]
""",
    why="The logarithm of a quotient is a difference, so the probability is never formed and "
    "nothing underflows. The next chapter saves the last digits too, with log1p.",
    reference=companion.softmax_cross_entropy_with_labels,
    hints=(
        "Try logits [0, 800] with label 0. The answer is 800; which step of yours cannot "
        "produce it?",
        "Take the logarithm of the formula on paper first: the quotient becomes a difference, "
        "and the exponential of the numerator goes away.",
        "Subtract each row's maximum, take the logarithm of the row sums of the exponentials, "
        "and subtract the shifted logit `[np.arange(N), labels]` from it.",
    ),
    probes=(
        (array([0, 0]), np.array([1])),
        (array([2, -1, 0.5], [0, 1, -1]), np.array([0, 2])),
        (array([0, 800]), np.array([0])),
        (array([800, 0, 1]), np.array([2])),  # another class underflows, too
        (array([0, 720]), np.array([0])),  # exp(720) is inf, but exp(-720) is not yet 0
        (array([0, 800], [1, 0]), np.array([1, 0])),  # one is certain and right
        *_labelled([*plain_rows(), *large_rows()]),
        (_gaps(), np.zeros(92, dtype=int)),
        (np.linspace(-3, 3, 200).reshape(2, 100), np.array([0, 99])),  # np.choose knows 64
    ),
    fresh=lambda rng: (5 * rng.normal(size=(4, 3)), rng.integers(3, size=4)),
    shortcuts=(
        "softmax",
        "log_softmax",
        "logsumexp",
        "softmax_cross_entropy",
        "softmax_cross_entropy_with_labels",
        "cross_entropy",
        "nll_loss",
        "log_loss",
    ),
    **DIGITS,
    also_right=(_losses_by_logaddexp, _losses_through_one_hot, _losses_by_mask),
    family=_nll_family,
    switches=(
        Switch(
            "pick",
            {
                "pairs": "Every label is taken for every row, N x N numbers. Pair each row's "
                "index with its own label.",
                "product": "You form all probabilities. Where one underflows its logarithm is "
                "infinite, and 0 * inf is nan. Take the logarithm on paper first.",
                "all": "You add up all classes, so the labels do not matter. Only the class "
                "that the label names is charged.",
            },
            sets={"product": {"pick": "product", "form": "quotient"}},
        ),
        Switch(
            "pick",
            {
                "likely": "You charge for the most likely class, whatever the label says. Pick "
                "the class that the label names.",
                "narrow": "Your one-hot vectors are as long as the largest label that happens "
                "to occur. There are K classes, even if the last one is absent: ask the "
                "logits.",
                "before": "You read the class before the label. Labels count from 0, as Python "
                "does, so use them as they are.",
                "after": "You read the class after the label. Labels count from 0, as Python "
                "does, so use them as they are.",
                "first": "You charge for the first class, whatever the label says. Pick the "
                "class that the label names.",
                "rows": "You use the labels as numbers of rows. They are numbers of columns: "
                "each row has its own.",
            },
            most=2,
        ),
        Switch(
            "rows mixed up",
            {
                f"{pick} of {table}": said
                for pick, said in MIXED_UP.items()
                for table in ("losses", "shifted", "logits")
            },
            most=1,
            sets={
                f"{pick} of {table}": {"pick": pick, "table": table}
                for pick in MIXED_UP
                for table in ("losses", "shifted", "logits")
            },
        ),
        Switch(
            "enters",
            {
                "probs": "Softmax is applied twice: probabilities are treated as logits once "
                "more. Pass through it once."
            },
            most=2,
        ),
        Switch(
            "value",
            {
                "p": "You return a probability. Its surprise is asked for: take the logarithm "
                "and turn the sign.",
                "missed": "This is 1 - p: it never exceeds 1, however wrong the model is. A "
                "likelihood multiplies, so its logarithm is what adds.",
            },
            most=2,
        ),
        axis(),
        Switch(
            "sums",
            SUMS
            | {
                "kept": KEPT,
                "kept log-sums": KEPT,
                "missing": "You return minus the logit of a class. A logit is a "
                "log-probability only up to a constant of its row, and that constant is "
                "missing.",
                "mean": "You take the logarithm of the mean of the exponentials. Probabilities "
                "are divided by the sum.",
                "largest": "You subtract from the largest logit. The logarithm of the summed "
                "exponentials is larger than that: the other classes count, too.",
            },
        ),
        *SHIFTS_OF_LOGITS,
        Switch(
            "form",
            {
                "quotient": "You form the probability, and it underflows to 0 at a gap of 800, "
                "where the loss is 800. Take the logarithm on paper before you exponentiate.",
            },
        ),
        Switch(
            "place",
            {
                "below": "Only the sum is built from shifted logits, the label's logit is not "
                "shifted. What is subtracted in one must be subtracted in the other.",
                "above": "Only the label's logit is shifted, the sum is built from the raw "
                "logits. What is subtracted in one must be subtracted in the other.",
                "less": "What was subtracted is taken off the logarithm of the sum once more. "
                "It must be added back there, or be in both terms.",
                "plus": "The label's logit is added to the logarithm of the sum. The larger it "
                "is, the smaller the loss: subtract.",
                "plus shifted": "The label's logit is added to the logarithm of the sum. The "
                "larger it is, the smaller the loss: subtract.",
                "twice": "The label's logit is shifted, but the log-sum has its shift added "
                "back. So the shift stays in the loss; it must be in both or in none.",
            },
            most=2,
        ),
        Switch(
            "sign",
            {
                -1: "The sign is turned round: a log-probability is at most 0, and a loss is "
                "at least 0."
            },
        ),
        Switch(
            "reduction",
            {
                "mean": MEAN,
                "sum": SUM,
                "classes": "Your losses are too small by the factor K: a mean over the classes "
                "of one-hot terms, perhaps. Those terms are to be added.",
                "mean of all": "You return one mean over rows and classes. Give one number for "
                "each row, a sum over its one-hot terms.",
                "column": "The losses stand in a column, with an axis of length 1. Later "
                "arithmetic would broadcast it to (N, N): return shape (N,).",
            },
        ),
        Switch(
            "reduction",
            {
                "squeezed": "One row alone gives a plain number, its axis is squeezed away. N "
                "may be 1: return shape (N,).",
                "first": "You return the loss of the first row only. A return inside a loop "
                "ends it in its first round.",
                "first filled": "Only the first row has its loss, the others stay 0. A return "
                "inside a loop ends it in its first round.",
            },
            most=2,
        ),
        Switch(
            "base",
            BASES
            | {
                "two in the sum": "The logarithm of the sum is to base 2, and the logits "
                "beside it are in nats. Use the natural logarithm.",
                "ten in the sum": "The logarithm of the sum is to base 10, and the logits "
                "beside it are in nats. Use the natural logarithm.",
            },
            most=2,
        ),
        small_number(
            "protected",
            "{value:.3g} is added to the sum, so no row can have a loss of 0. After the right "
            "shift a sum is at least 1 and needs no protection.",
            (1e-3, 1e-5, 1e-6, 1e-7, 1e-8),
        ),
        small_number(
            "epsilon",
            "{value:.3g} is added to the probability, so its logarithm hits a floor just where "
            "the model is most wrong. Avoid forming the probability instead.",
            SMALL,
            guess=ceilings,
        ),
        small_number(
            "clip",
            "Probabilities are clipped at {value:.3g}, so the loss stops growing just where "
            "the model is most wrong. Avoid forming the probability instead.",
            SMALL,
            guess=ceilings,
        ),
        small_number(
            "both",
            "Probabilities are clipped, {value:.3g} from 0 and from 1, so no loss is very "
            "large and none is 0. Avoid forming the probability instead.",
            (1e-7, 1e-8),
            most=1,
        ),
        Switch("bound", dict.fromkeys((30, 50, 100, 500, 700), CLIPS), most=1),
        Switch(
            "kind",
            {
                "like": INTEGERS,
                "labels": "The losses are cut to whole numbers: an array made like the labels "
                "holds integers. Ask for floats.",
            },
            most=2,
        ),
        Switch("precision", PRECISIONS, most=2),
    ),
    mistakes=(
        Mistake(
            "logits for probabilities",
            lambda z, y: -np.log(z[np.arange(len(z)), y]),
            "You take the logarithm of the logits. They are not probabilities: they may be "
            "negative, and they do not sum to 1.",
        ),
        Mistake(
            "sigmoid",
            lambda z, y: np.log1p(np.exp(-z[np.arange(len(z)), y])),
            "You squash the label's logit alone. The other classes compete with it: all logits "
            "of the row belong in the loss.",
        ),
        Mistake(
            "binary",
            lambda z, y: (np.logaddexp(0, z) - np.eye(z.shape[1])[y] * z).sum(axis=1),
            "This is a sum of K yes-or-no losses, one sigmoid for each class. Here exactly one "
            "class is true: one softmax for each row.",
        ),
    ),
)


# class_map_probs: an image of class scores.


def _map_by_moving(scores):
    rows = np.moveaxis(scores, 1, -1)
    exps = np.exp(rows - rows.max(axis=-1, keepdims=True))
    return np.moveaxis(exps / exps.sum(axis=-1, keepdims=True), -1, 1)


def _map_by_pixels(scores):
    probs = np.empty(scores.shape)
    for n, i, j in np.ndindex(scores.shape[0], *scores.shape[2:]):
        exps = np.exp(scores[n, :, i, j] - scores[n, :, i, j].max())
        probs[n, :, i, j] = exps / exps.sum()
    return probs


def _map_by_log_sums(scores):
    return np.exp(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True))


PIXEL_AXES = {
    "last": 3,
    "height": 2,
    "batch": 0,
    "pixels": (2, 3),
    "image": (1, 2, 3),
    "whole": (0, 1, 2, 3),
    "batch and classes": (0, 1),
}
NORMALISED = {
    "last": "You normalise along each row of pixels. The classes lie on axis 1 here, not on "
    "the last axis.",
    "height": "You normalise down each column of pixels. The classes lie on axis 1 here.",
    "batch": "You normalise over the examples, so one image changes the answer for another. "
    "The classes compete, the examples do not.",
    "pixels": "You normalise each class map over its pixels: that asks where the class is, not "
    "which class a pixel is.",
    "image": "One sum serves each image as a whole. Each pixel of it is a question of its own.",
    "whole": "One sum serves all numbers together. Each pixel is a question of its own and "
    "needs a sum of its own.",
    "batch and classes": "One sum serves a pixel of all images together. Each image is a "
    "question of its own: only its classes compete.",
}
MAP_SUMS = NORMALISED | {
    "laid": "The summed axis is gone, so the sums do not meet their own pixels. Keep it, with "
    "length 1.",
    "missing": "The exponentials are not divided by their sum, so no pixel's numbers add up to "
    "1.",
}
MAP_SHIFT = {
    "none": "Large scores overflow: exp(1000) is inf. A number that is subtracted from all "
    "scores of a pixel changes nothing in the end; choose one that keeps exp at 1 or below.",
    "whole": "One number is subtracted from everything, the largest score of all. A pixel that "
    "lies far below it underflows to zeros. Each pixel needs its own.",
    "image": "One number is subtracted from each image, its largest score. A pixel that lies "
    "far below it underflows to zeros. Each pixel needs its own.",
    "last": "The largest score of each row of pixels is subtracted. Scores that compete lie on "
    "axis 1: take the maximum there.",
    "batch": "The largest score over the examples is subtracted. Scores that compete lie on "
    "axis 1: take the maximum there.",
    "pixels": "The largest score of each class map is subtracted, another number for each "
    "class. Scores that compete lie on axis 1: take the maximum there.",
    "minimum": "You subtract the smallest score of a pixel, so the exponents grow instead of "
    "shrinking. What must stay small is the largest one.",
    "mean": "You subtract a pixel's mean score, which leaves large exponents where one score "
    "stands far above the others. Only one choice bounds them all.",
    "laid": "The axis of the maximum is gone, so the maxima do not meet their own pixels. Keep "
    "it, with length 1.",
    "height": "The largest score of each column of pixels is subtracted. Scores that compete "
    "lie on axis 1: take the maximum there.",
    "batch and classes": "One maximum serves a pixel of all images together. In an image that "
    "lies far below another it underflows to zeros. Each image has its own.",
    "absolute": "You subtract a pixel's largest absolute value. Pixels far below 0 then "
    "underflow to zeros. Take the largest value with its sign.",
    "first": "You subtract the score of the first class. Where a later one is far larger, exp "
    "overflows. Which score is the largest changes from pixel to pixel.",
    "last class": "You subtract the score of the last class. Where an earlier one is far "
    "larger, exp overflows. Which score is the largest changes from pixel to pixel.",
    "middle": "You subtract the middle between a pixel's smallest and largest score, so half "
    "of a wide gap is still an exponent above 0. Go all the way up.",
    "median": "You subtract a pixel's median score, which leaves large exponents where one "
    "score stands far above the others. Only one choice bounds them all.",
}
SHIFTS_OF_SCORES = in_two(
    "shift",
    MAP_SHIFT,
    ("absolute", "first", "last class", "middle", "median", "height", "batch and classes"),
)
BOTH = [how for how in NORMALISED if how in MAP_SHIFT] + ["laid"]
AFTER = (
    "You subtract from the exponentials. The shift belongs inside the exponent, where it turns "
    "into a common factor."
)
PLACES = {
    "above": "Only the numerator is shifted. Both parts of the fraction need the same factor, "
    "or it does not cancel.",
    "below": "Only the denominator is shifted. Both parts of the fraction need the same "
    "factor, or it does not cancel.",
    "after": AFTER,
    "largest exps": AFTER,
}
SHIFTED_LATE = {"largest exps": {"place": "largest exps", "shift": "none"}}
POWERS = {
    "two": "These are powers of 2. Softmax is built on base e, so that log-odds are "
    "differences of logits.",
    "ten": "These are powers of 10. Softmax is built on base e, so that log-odds are "
    "differences of logits.",
}
MINUS = (
    "The smallest score gets the largest probability: there is a minus too many in the "
    "exponent."
)
OPPOSITE = {-1: MINUS, "of the gap": MINUS}
TURNED = {"of the gap": {"turned": True, "sign": 1}}
LOGS = "These are log-probabilities: negative numbers. Probabilities are asked for."
ADDED_TO_SUMS = (
    "You add {value:.3g} to the sum, so probabilities add up to less than 1. After the right "
    "shift the sum is at least 1 and needs no protection."
)


def _of_pixels(scores, shift):
    """What an answer subtracts from scores before exp."""
    if shift in PIXEL_AXES:
        return scores.max(axis=PIXEL_AXES[shift], keepdims=True)
    return shift_of(scores, "last" if shift == "last class" else shift, axis=1)


def _sum_of_pixels(exps, sums):
    if sums in PIXEL_AXES:
        return exps.sum(axis=PIXEL_AXES[sums], keepdims=True)
    return sum_of(exps, sums, axis=1)


def _fraction(z, taken, place, total):
    """exp over a total of exps, with a shift in both, in one of them, or behind exp."""
    if place == "after":
        return (np.exp(z) - taken) / total(np.exp(z))
    if place == "largest exps":
        exps = np.exp(z) - np.exp(z).max(axis=1, keepdims=True)
        return exps / total(exps)
    above = np.exp(z - (taken if place != "below" else 0.0))
    below = np.exp(z - (taken if place != "above" else 0.0))
    return above / total(below)


def _log_fraction(z, taken, place, total):
    """The logarithm of the fraction, without an underflow."""
    if place in ("after", "largest exps"):
        return np.log(_fraction(z, taken, place, total))
    above = z - (taken if place != "below" else 0.0)
    below = z - (taken if place != "above" else 0.0)
    return above - np.log(total(np.exp(below)))


def _only(p, where):
    """Zeros but in a part of an array, which was all that a loop reached."""
    result = np.zeros_like(p)
    result[where] = p[where]
    return result


FINISH = {
    "log of probs": np.log,
    "first": lambda p: p[0],
    "first filled": lambda p: _only(p, slice(1)),
    "squeezed": np.squeeze,
    "rounded": lambda p: p.round(4),
}


def _as_far_as(p, count, axis):
    """The loop over an axis went to `count`: too far, or not far enough."""
    if count > p.shape[axis]:
        raise IndexError
    return _only(p, (*[slice(None)] * axis, slice(count)))


def _laid_out(scores, layout):
    """Scores as an answer orders them before it normalises over axis 1, and the way back."""
    match layout:
        case "reshaped":
            rows = scores.reshape(-1, scores.shape[1])
            return rows[:, :, None, None], lambda p: p.reshape(scores.shape)
        case "not back":
            rows = np.moveaxis(scores, 1, -1).reshape(-1, scores.shape[1])
            return rows[:, :, None, None], lambda p: p.reshape(scores.shape)
        case "last":
            return scores, lambda p: np.moveaxis(p, 1, -1)
        case "pixels transposed":
            return scores, lambda p: p.transpose(0, 1, 3, 2)
        case "rows to K":
            return scores, lambda p: _as_far_as(p, p.shape[1], 2)
        case "rows to W":
            return scores, lambda p: _as_far_as(p, p.shape[3], 2)
        case "columns to H":
            return scores, lambda p: _as_far_as(p, p.shape[2], 3)
        case "columns to K":
            return scores, lambda p: _as_far_as(p, p.shape[1], 3)
        case "same way back":
            return scores, lambda p: p.transpose(0, 2, 3, 1).transpose(0, 2, 3, 1)
    return scores, lambda p: p


def _class_map_family(
    scores, *, shift="row", sums="row", place="both", layout="kept", sign=1, turned=False,
    base="e",
    bound=np.inf, epsilon=0.0, result="probs", kind="float", precision="float64",
):  # fmt: skip
    z = np.clip(sign * unit_of(base) * scores, -bound, bound).astype(precision)
    z, back = _laid_out(z, layout)
    taken = _of_pixels(z, shift)
    z, taken = (-z, -taken) if turned else (z, taken)

    def total(exps):
        return 1.0 if sums == "missing" else _sum_of_pixels(exps, sums) + epsilon

    fraction = _log_fraction if result == "log" else _fraction
    probs = truncated(back(fraction(z, taken, place, total)), scores, kind)
    finish = FINISH | {"best": lambda p: p.argmax(axis=1), "largest": lambda p: p.max(axis=1)}
    return finish.get(result, lambda p: p)(probs)


def _images(arrays):
    """Rows of logits as pixels: along the width, down the height, or as images of one pixel."""
    ways = [
        lambda rows: rows.T[None, :, None, :],
        lambda rows: rows[:, :, None, None],
        lambda rows: rows.T[None, :, :, None],
    ]
    return [ways[i % 3](rows) for i, rows in enumerate(arrays)]


def _image(seed, shape, scale=1.0, offset=0.0):
    return offset + scale * np.random.default_rng(seed).normal(size=shape)


def _far_apart():
    """Two images of 2 by 2 pixels and two classes; all pixels lie far from each other."""
    heights = np.array([0, -1000, 3000, -2000, 1000, -3000, 2000, 4000.0]).reshape(2, 1, 2, 2)
    return heights + np.array([0, 1.0]).reshape(1, 2, 1, 1)


class_map_probs = FunctionExercise(
    topic=TOPIC,
    minutes=6,
    trains="the axis on which the classes lie",
    name="class_map_probs",
    stub='''
def class_map_probs(scores):
    """Probabilities of K classes at each pixel of scores (N, K, H, W)."""
    ...
''',
    answer="""
def class_map_probs(scores):
    exps = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exps / exps.sum(axis=1, keepdims=True)
""",
    why="The classes lie on axis 1. keepdims leaves an axis of length 1 there, so that the "
    "maximum and the sum line up with the scores.",
    reference=lambda scores: companion.softmax(scores, axis=1),
    hints=(
        "Which numbers compete with each other? Those must sum to 1.",
        "The classes of one pixel lie on axis 1; examples, rows and columns do not compete.",
        "Pass `axis=1, keepdims=True` to both `max` and `sum`.",
    ),
    probes=(
        (_image(0, (1, 2, 1, 1)).round(2),),
        (np.arange(4).reshape(1, 2, 1, 2),),
        (_image(4, (1, 3, 2, 2)),),
        (_image(1, (2, 3, 4, 5)),),
        (_image(2, (3, 3, 3, 3)),),
        (_image(3, (2, 3, 2, 2), offset=1000),),
        (_image(5, (3, 1, 2, 2)),),
        (np.random.default_rng(6).integers(-5, 6, size=(2, 4, 2, 3)),),
        (_far_apart(),),
        (_image(7, (2, 3, 2, 3), scale=1000),),
        *((image,) for image in _images(large_rows())),
    ),
    fresh=lambda rng: (3 * rng.normal(size=(2, 4, 3, 3)),),
    shortcuts=("softmax", "log_softmax", "logsumexp"),
    **DIGITS,
    also_right=(_map_by_moving, _map_by_pixels, _map_by_log_sums),
    family=_class_map_family,
    switches=(
        Switch(
            "axis",
            {how: MAP_SUMS[how] for how in BOTH}
            | {
                "laid": "The axis of the maxima and of the sums is gone, so they do not meet "
                "their own pixels. Keep it, with length 1, in both."
            },
            sets={how: {"shift": how, "sums": how} for how in BOTH},
        ),
        Switch("sums", MAP_SUMS),
        Switch(
            "layout",
            {
                "reshaped": "reshape keeps the order in memory, so K neighbours of one class "
                "map were taken for the classes of a pixel. Move the axis first, or leave the "
                "shape.",
                "not back": "The classes were last when you put the shape back, so numbers "
                "land at other pixels and classes. reshape moves no axis.",
                "last": "The classes have moved to the last axis. Return the layout that came "
                "in.",
                "same way back": "The axes are not where they were: the same transpose twice "
                "is not there and back. Move the last axis to place 1.",
                "pixels transposed": "Height and width are exchanged in your result. The "
                "shape is (N, K, H, W), as it came in.",
                "rows to K": "Your loop over the rows of pixels runs to K. There are H of "
                "them.",
                "rows to W": "Your loop over the rows of pixels runs to W. There are H of "
                "them, and W pixels in each.",
                "columns to H": "Your loop over the pixels of a row runs to H. There are W of "
                "them, and H rows.",
                "columns to K": "Your loop over the pixels of a row runs to K. There are W of "
                "them.",
            },
            most=2,
        ),
        *SHIFTS_OF_SCORES,
        Switch("place", PLACES, most=2, sets=SHIFTED_LATE),
        Switch("sign", OPPOSITE, sets=TURNED),
        Switch("base", POWERS),
        Switch(
            "result",
            {
                "log": LOGS,
                "log of probs": LOGS,
                "best": "You return the number of one class for each pixel. All K "
                "probabilities of a pixel are asked for.",
                "largest": "You return one probability for each pixel, the largest. All K are "
                "asked for.",
                "first": "You return one image only. Each image of scores has its "
                "probabilities.",
                "first filled": "Only the first image is filled, the others stay 0. A return "
                "inside a loop ends it in its first round.",
                "squeezed": "Axes of length 1 are squeezed away. Return the shape that came "
                "in: one image, one class and one pixel keep their axes.",
                "rounded": "You round the result, so small probabilities become 0.",
            },
            most=2,
        ),
        Switch("bound", dict.fromkeys((30, 50, 100, 500, 700, 709), CLIPS), most=2),
        small_number("epsilon", ADDED_TO_SUMS, (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)),
        Switch("kind", {"like": INTEGERS}, most=2),
        Switch("precision", PRECISIONS, most=2),
    ),
    mistakes=(
        Mistake(
            "sigmoid",
            lambda scores: 1 / (1 + np.exp(-scores)),
            "You squash each score alone. The classes of a pixel then do not compete, and "
            "their sum is not 1.",
        ),
        Mistake(
            "linear",
            lambda scores: scores / scores.sum(axis=1, keepdims=True),
            "You share out the scores themselves. Negative scores can then get negative "
            "shares; make them positive with exp first.",
        ),
        Mistake(
            "one-hot",
            lambda scores: (scores == scores.max(axis=1, keepdims=True)).astype(float),
            "This marks the largest score only. The other classes keep a share that falls with "
            "their distance to the largest.",
        ),
    ),
)


# temperature_probs: find the bugs.


def _at_temperature(logits, temperature):
    return companion.softmax(logits / temperature)


def _heated_by_row(logits, temperature):
    rows = [np.exp((row - row.max()) / temperature) for row in logits]
    return np.array([row / row.sum() for row in rows])


def _heated_by_log_sums(logits, temperature):
    scaled = logits / temperature
    log_sums = np.logaddexp.reduce(scaled, axis=-1, keepdims=True)
    return np.exp(scaled - log_sums)


def _heated_by_cold(logits, temperature):
    cold = (1 / temperature) * logits
    exps = np.exp(cold - cold.max(axis=1)[:, np.newaxis])
    return exps / (exps @ np.ones((cold.shape[1], 1)))


def _scaled(z, temperature, heat):
    match heat:
        case "times":
            return z * temperature
        case "root":
            return z / np.sqrt(temperature)
        case "square":
            return z / temperature**2
        case "floored":
            return z // temperature
        case "whole inverse":
            return z * (1 // temperature)
        case "right":
            return z / temperature
    return z


def _heated_afterwards(probs, temperature, heat):
    match heat:
        case "over probs":
            return probs / temperature
        case "times probs":
            return probs * temperature
        case "power":
            return probs ** (1 / temperature)
        case "square behind":  # the factor of a distillation loss
            return probs * temperature**2
    return probs


def _temperature_family(
    logits, temperature, *, heat="right", shift="row", sums="row", place="both", sign=1,
    turned=False, base="e", bound=np.inf, limit=np.inf, epsilon=0.0, warmed=0.0,
    coldest=0.0, hottest=np.inf, result="probs", kind="float", precision="float64",
):  # fmt: skip
    z = np.clip(sign * unit_of(base) * logits, -bound, bound).astype(precision)
    temperature = min(max(temperature + warmed, coldest), hottest)
    scaled = _scaled(z, temperature, "right" if heat in ("square behind", "half") else heat)
    scaled = np.clip(scaled, -limit, limit)
    scaled = scaled.astype(logits.dtype) if kind == "scaled" else scaled
    taken = z.max(axis=-1, keepdims=True) if shift == "unscaled" else shift_of(scaled, shift)
    if heat == "shift alone":
        taken = taken / temperature
    elif heat == "floored gaps":
        scaled, taken = (z - taken) // temperature, 0.0
    scaled, taken = (-scaled, -taken) if turned else (scaled, taken)

    def total(exps):
        return 1.0 if sums == "missing" else sum_of(exps, sums) + epsilon

    if heat in ("power and sum", "wrong power and sum"):
        powers = np.exp(scaled - taken) ** (temperature ** (1 if "wrong" in heat else -1))
        probs = powers / total(powers)
    elif heat == "half":  # the temperature acts above the line only
        below = total(np.exp(z - shift_of(z, "row" if shift == "unscaled" else shift)))
        probs = np.exp(scaled - taken) / below
    elif result == "log":
        return truncated(_log_fraction(scaled, taken, place, total), logits, kind)
    else:
        probs = _fraction(scaled, taken, place, total)
    probs = truncated(_heated_afterwards(probs, temperature, heat), logits, kind)
    return FINISH.get(result, lambda p: p)(probs)


SHIFTS_OF_SCALED = in_two(
    "shift",
    SHIFT
    | {
        "unscaled": "You subtract the maximum of the raw logits from logits that are divided "
        "by the temperature. Subtract first, or take the maximum of what is divided."
    },
    ("whole mean", "median", "middle", "absolute", "whole absolute", "first", "last"),
)


FLOORED = "// drops the fractions of the quotient. Divide with one slash."

temperature_probs = FunctionExercise(
    topic=TOPIC,
    minutes=8,
    trains="the temperature inside exp, and a shift that lets it be low",
    name="temperature_probs",
    stub='''
def temperature_probs(logits, temperature):
    """Probabilities of each row of logits (N, K); hotter means softer."""
    exps = np.exp(logits * temperature)
    return exps / exps.sum()
''',
    answer="""
def temperature_probs(logits, temperature):
    scaled = (logits - logits.max(axis=-1, keepdims=True)) / temperature
    exps = np.exp(scaled)
    return exps / exps.sum(axis=-1, keepdims=True)
""",
    why="Three faults: the temperature divides the logits, each row has its own sum, and the "
    "maximum is subtracted so that a low temperature does not overflow.",
    reference=_at_temperature,
    hints=(
        "Run it on two rows at temperatures 0.001, 1 and 1000. Three things are wrong.",
        "A high temperature must bring the logits together; a row must not feel its "
        "neighbours; a low temperature must not overflow.",
        "Divide by the temperature, subtract `logits.max(axis=-1, keepdims=True)`, and give "
        "the sum an axis too.",
    ),
    probes=(
        (array([1, 2, 3]), 1.0),
        (array([1, 2, 3]), 2.0),
        (array([1, 2.5]), 2),
        (array([0, 1], [2, -1], [0.5, 0.5]), 0.5),
        (array([0.5, -1.5], [2, 0.25]), 3.0),
        (array([1, 2, 4]), 0.001),
        (array([5, 0, -5], [1, 0, 0]), 100.0),
        (array([0, -800]), 100.0),
        (array([-800, 0]), 0.01),
        (array([1000, 0]), 0.5),
        (array([1000, 0], [0, 1]), 1000.0),
        (array([1, 2, 3, 4], [0, 0, 0, 9], [-1, 5, 2, 2]), 4.0),
        (array([4], [-2], [0]), 2.0),
        (np.array([[1, 2, 4], [3, 0, 1]]), 2.0),
        (np.array([[5, 2], [3, 4], [1, 1]]), 3),
        *((rows, 1.0) for rows in large_rows()),
        (array([0, 1e-8]), 1e-8),  # what is added to the temperature shows here
        (array([1e-12, 0]), 1e-12),
        (array([0, 1], [-10, -11], [-20, -21], [20, 21]), 0.01),
        (array([3000, -5, -6], [-5, 3000, -6], [-6, -5, 3000]), 20.0),
        (array([0, 100], [-100000, -100100]), 100.0),
    ),
    fresh=lambda rng: (rng.normal(size=(3, 4)), float(rng.uniform(0.3, 3))),
    shortcuts=("softmax", "log_softmax", "logsumexp"),
    **DIGITS,
    also_right=(_heated_by_row, _heated_by_log_sums, _heated_by_cold),
    family=_temperature_family,
    switches=(
        Switch(
            "heat",
            {
                "times": "You multiply by the temperature, so a high one sharpens. It must "
                "bring the logits together.",
                "none": "The temperature has no effect: a factor outside the exponent, or a "
                "term inside it, cancels in the fraction. It must act on differences of "
                "logits.",
                "over probs": "You divide the probabilities, so they no longer sum to 1. The "
                "temperature acts on the logits, before exp.",
                "power": "A power of a distribution no longer sums to 1, and it keeps the "
                "zeros of what underflowed. Let the temperature act on the logits, before exp.",
                "power and sum": "A power is taken after exp, and what has underflowed there "
                "stays 0 at any temperature. Let the temperature act on the logits, before "
                "exp.",
                "square": "You divide by the square of the temperature. Log-odds shrink in "
                "proportion to 1/T.",
                "root": "You divide by the square root of the temperature. Log-odds shrink in "
                "proportion to 1/T.",
                "times probs": "You multiply the probabilities, so they no longer sum to 1. "
                "The temperature acts on the logits, before exp.",
                "square behind": "The factor T * T belongs to the loss of distillation. "
                "Probabilities that carry it no longer sum to 1.",
                "wrong power and sum": "A power with the temperature itself sharpens when it "
                "is hot. It must bring the logits together, and act on them before exp.",
                "half": "The temperature acts in the numerator only. Both parts of the "
                "fraction are made of the same exponentials.",
                "floored": FLOORED,
                "floored gaps": FLOORED,
                "shift alone": "The temperature divides only what is subtracted, and that "
                "cancels. It must act on the logits.",
                "whole inverse": "The inverse of the temperature is cut to a whole number: "
                "1/2 becomes 0. Keep its fraction.",
            },
            sets={"shift alone": {"heat": "shift alone", "shift": "row"}},
        ),
        axis(),
        Switch(
            "sums",
            SUMS
            | {
                "missing": "The exponentials are not divided by their sum, so no row adds up "
                "to 1."
            },
        ),
        *SHIFTS_OF_SCALED,
        Switch("place", PLACES, most=2, sets=SHIFTED_LATE),
        Switch("sign", OPPOSITE, sets=TURNED, most=2),
        Switch("base", POWERS, most=2),
        Switch(
            "result",
            {
                "log": LOGS,
                "log of probs": LOGS,
                "first": "You return one row only. There is one distribution for each row of "
                "logits.",
                "first filled": "Only the first row is filled, the others stay 0. A return "
                "inside a loop ends it in its first round.",
                "squeezed": "Axes of length 1 are squeezed away. Return the shape that came "
                "in, (N, K), also for one row.",
                "rounded": "You round the result, so small probabilities become 0.",
            },
            most=2,
        ),
        Switch("bound", dict.fromkeys((30, 50, 100, 500, 700, 709), CLIPS), most=2),
        Switch("limit", dict.fromkeys((30, 50, 100, 500, 700, 709), CLIPS), most=2),
        small_number(
            "warmed",
            "{value:.3g} is added to the temperature, so a low one is not what it says. "
            "Take the temperature as it is.",
            (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12),
        ),
        small_number(
            "coldest",
            "A temperature below {value:.3g} is raised to that, so all lower ones give the "
            "same. Take the temperature as it is.",
            (1.0, 0.5, 0.1, 0.01, 1e-3, 1e-4, 1e-6, 1e-8, 1e-10),
        ),
        Switch(
            "hottest",
            {
                1.0: "A temperature above 1 is lowered to 1, so all higher ones give the same. "
                "Take the temperature as it is."
            },
            most=2,
        ),
        small_number("epsilon", ADDED_TO_SUMS, (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)),
        Switch(
            "kind",
            {
                "like": INTEGERS,
                "scaled": "The scaled logits lose their fractions: a copy of integer logits "
                "holds integers. Ask for floats.",
            },
            most=2,
        ),
        Switch("precision", PRECISIONS, most=2),
    ),
    mistakes=(
        Mistake(
            "hard",
            lambda z, T: np.eye(z.shape[1])[z.argmax(axis=1)],
            "This is the limit of low temperatures, the hard argmax. At other temperatures "
            "each class keeps a share.",
        ),
        Mistake(
            "linear",
            lambda z, T: (z / T) / (z / T).sum(axis=1, keepdims=True),
            "You share out the scores themselves. Negative scores can then get negative "
            "shares; make them positive with exp first.",
        ),
    ),
)


uniform_bits = NumberExercise(
    topic=TOPIC,
    minutes=3,
    trains="surprise, counted in bits",
    name="uniform_bits",
    stub="uniform_bits = ...",
    answer="uniform_bits = np.log2(10)",
    why="Equal logits give 1/10 to each digit. -log2(1/10) is log2(10) bits, whichever digit "
    "it was; in nats it is log(10).",
    reference=lambda: companion.softmax_cross_entropy_with_labels(np.zeros(10), 3) / np.log(2),
    hints=(
        "What probability does a model with ten equal logits give to the true digit?",
        "The cost is minus the logarithm of that probability. Which base counts bits?",
        "Take the base-2 logarithm of 10.",
    ),
    also_right=(3.322, np.float64(np.log(10) / np.log(2)), 3.32),
    mistakes=(
        Mistake(
            "nats", np.log(10), "That is the cost in nats. Divide by log(2) to count bits."
        ),
        Mistake("ten", 10, "That is the number of classes, not the cost. Take a logarithm."),
        Mistake(
            "base ten",
            1,
            "That is the logarithm to base 10. One bit halves the possibilities: use base 2.",
        ),
        Mistake("probability", 0.1, "That is the probability. Its surprise is asked for."),
        Mistake(
            "sign", -np.log2(10), "A cost is not negative: the minus of -log(1/10) turns it."
        ),
        Mistake(
            "sign and nats",
            -np.log(10),
            "A cost is not negative, and this one is in nats. Turn the sign, and count bits: "
            "one bit halves the possibilities.",
        ),
        Mistake(
            "whole bits",
            4,
            "Four bits would do for a code that writes digits one by one. The cross-entropy "
            "is the average that no code can beat, and need not be whole.",
        ),
        Mistake(
            "three bits",
            3,
            "Three bits tell only 8 digits apart, and there are 10. The cost need not be "
            "whole.",
        ),
        Mistake(
            "mean over classes",
            np.log2(10) / 10,
            "That is a tenth of the cost, as after a mean over the classes. One class is "
            "charged, with its whole surprise.",
        ),
        Mistake(
            "sum over classes",
            10 * np.log2(10),
            "That is ten times the cost: all ten classes were charged. Only the true one is.",
        ),
        Mistake(
            "times log 2",
            np.log(10) * np.log(2),
            "That is log(10) times log(2). A bit is log(2) nats, so nats must be divided by "
            "it.",
        ),
        Mistake(
            "inverse",
            np.log10(2),
            "That is the logarithm of 2 to base 10: base and argument stand in each other's "
            "place.",
        ),
        Mistake(
            "nine",
            np.log2(9),
            "That is the logarithm of 9. All ten digits compete, the true one included.",
        ),
        Mistake(
            "the others",
            -np.log2(0.9),
            "That is the surprise of probability 9/10, which the nine wrong digits have "
            "together. The true digit has 1/10.",
        ),
        Mistake(
            "yes or no",
            -(0.1 * np.log2(0.1) + 0.9 * np.log2(0.9)),
            "That is the entropy of one question, this digit or not. The true digit is charged "
            "with the surprise of its own probability.",
        ),
        Mistake(
            "two classes",
            np.log(2),
            "That is log(2), the cost of two equal classes in nats. There are ten.",
        ),
        Mistake(
            "nothing",
            0,
            "A cost of 0 belongs to a model that is certain of the true digit. This one is "
            "not.",
        ),
    ),
)


def _letter_that_keeps_probs():
    logits = np.array([1.0, 2.0, 4.0])
    changed = {
        "a": logits * 2,
        "b": logits - 100,
        "c": np.abs(logits) ** 2,
        "d": logits + np.array([0, 0, 1]),
    }
    before = companion.softmax(logits)
    (letter,) = (k for k, z in changed.items() if np.allclose(companion.softmax(z), before))
    return letter


same_probs = ChoiceExercise(
    topic=TOPIC,
    minutes=3,
    trains="what a softmax does not see",
    name="same_probs",
    stub='same_probs = ...  # "a", "b", "c" or "d"',
    answer='same_probs = "b"',
    why="exp(z - 100) = exp(z) * exp(-100), and the common factor cancels in the fraction.",
    reference=_letter_that_keeps_probs,
    options={
        "a": "Double every logit.",
        "b": "Subtract 100 from every logit.",
        "c": "Square every logit.",
        "d": "Add 1 to the largest logit.",
    },
    hints=(
        "Only the log-odds, that is the differences of logits, matter.",
        "Which of the four changes leaves every difference as it was?",
        "A constant added to each logit cancels in each difference.",
    ),
    also_right=("B", " (b) "),
    mistakes=(
        Mistake("a", "a", "Doubling doubles the differences too: that is temperature 1/2."),
        Mistake(
            "c",
            "c",
            "Squares of 1, 2 and 4 are 1, 4 and 16: the differences change, although the order "
            "stays.",
        ),
        Mistake("d", "d", "The largest logit then leads by more, so its probability grows."),
    ),
)
