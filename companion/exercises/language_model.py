"""Exercises of the chapter *Softmax in a language model*."""

import math

import numpy as np

import companion
from companion.exercises.common import (
    ADDED,
    BASES,
    INTEGERS,
    SHIFT,
    SUMS,
    shift_of,
    small_number,
    sum_of,
    truncated,
    unit_of,
)
from companion.exercises.exercise import ChoiceExercise, FunctionExercise, Mistake, Switch
from companion.exercises.probes import array, flat, scattered

TOPIC = "language_model"
SINGLE = {"rtol": 1e-6, "atol": 1e-9}  # no digits are promised; float32 has seven
LIBRARY = ("softmax", "log_softmax", "logsumexp")

inf = np.inf

OF_BASE_TWO = (
    "These are powers of 2. Softmax is built on base e, so that log-odds are differences of "
    "logits."
)

# next_token_loss: the label of a position is the token after it; padding is no label.


def _next_token_loss(logits, tokens, pad):
    z, labels = logits[:, :-1], tokens[:, 1:]
    counts = labels != pad
    return companion.softmax_cross_entropy_with_labels(z[counts], labels[counts]).mean()


def _by_weights(logits, tokens, pad):
    labels = tokens[:, 1:]
    counts = labels != pad
    losses = companion.softmax_cross_entropy_with_labels(
        logits[:, :-1], np.where(counts, labels, 0), weights=counts
    )
    return losses.sum() / counts.sum()


def _token_by_token(logits, tokens, pad):
    losses = []
    for rows, row in zip(logits, tokens, strict=True):
        for z, label in zip(rows[:-1], row[1:], strict=True):
            if label != pad:
                losses.append(np.logaddexp.reduce(z - z[label]))
    return np.mean(losses)


def _by_comparison(logits, tokens, pad):
    z = logits - logits.max(axis=-1, keepdims=True)
    log_probs = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    after = np.concatenate([tokens[:, 1:], np.full((len(tokens), 1), pad)], axis=1)
    hot = (after[:, :, np.newaxis] == np.arange(z.shape[2])) & (after != pad)[:, :, np.newaxis]
    return -log_probs[hot].mean()


def _lined_up(logits, tokens, shift):
    """Logits (R, P, V), the labels they are given, and the tokens where they stand."""
    match shift:
        case "next":
            return logits[:, :-1], tokens[:, 1:], tokens[:, :-1]
        case "none":
            return logits, tokens, tokens
        case "previous":
            return logits[:, 1:], tokens[:, :-1], tokens[:, 1:]
        case "two":
            return logits[:, :-2], tokens[:, 2:], tokens[:, :-2]
        case "rolled":
            return logits, np.roll(tokens, -1, axis=1), tokens
        case "rolled as one":
            return logits, np.roll(tokens, -1), tokens
        case "rolled back":
            return logits, np.roll(tokens, 1, axis=1), tokens
        case "as one":
            z, flat_tokens = logits.reshape(1, -1, logits.shape[2]), tokens.reshape(1, -1)
            return _lined_up(z, flat_tokens, "next")
    return logits[:-1], tokens[1:], tokens[:-1]  # "rows"


def _counted(labels, here, tokens, pad, how):
    places = np.arange(labels.shape[1])
    lengths = (labels != pad).sum(axis=1, keepdims=True)
    if how == "from the left, by tokens":
        lengths = (tokens != pad).sum(axis=1)[: len(labels), np.newaxis] - 1
    return {
        "next": labels != pad,
        "all": np.ones(labels.shape, dtype=bool),
        "here": here != pad,
        "both": (labels != pad) & (here != pad),
        "pads": labels == pad,
        "zero": labels != 0,
        "hundred": labels != -100,
        "above 0": labels > 0,
    }.get(how, places < lengths)


def _losses_of(z, labels, exps, term, epsilon):
    """One loss for each row of logits, of those that count."""
    gaps = z - shift_of(z, exps)
    at_labels = gaps[np.arange(len(labels)), labels]
    if term == "logit":
        return -z[np.arange(len(labels)), labels]
    probs = np.exp(at_labels) / np.exp(gaps).sum(axis=-1)
    if term == "probability":
        return -probs
    if epsilon or term == "quotient":
        return -np.log(probs + epsilon)
    return np.log(np.exp(gaps).sum(axis=-1)) - at_labels


def _across(z, axis):
    """Log-probabilities along another axis than that of the vocabulary."""
    return z - companion.logsumexp(z, axis=axis, keepdims=True)


def _mean(values):
    """The mean, which is nan without a warning where there is nothing."""
    return values.mean() if len(values) else np.nan


def _divided(losses, counts, tokens, pad, how):
    with np.errstate(invalid="ignore", divide="ignore"):
        means = losses.sum(axis=1) / counts.sum(axis=1)
        columns = losses.sum(axis=0) / counts.sum(axis=0)
    total, some = losses.sum(), counts.any(axis=1)
    return {
        "counted": lambda: total / counts.sum(),
        "positions": lambda: total / counts.size,
        "tokens": lambda: total / tokens.size,
        "not pads": lambda: total / (tokens != pad).sum(),
        "batch": lambda: total / len(tokens),
        "nothing": lambda: total,
        "rows": lambda: _mean(means),
        "rows with some": lambda: _mean(means[some]),
        "rows or 0": lambda: _mean(np.where(some, means, 0)),
        "columns": lambda: _mean(columns[counts.any(axis=0)]),
        "each": lambda: losses,
        "listed": lambda: losses[counts],
        "each row": lambda: means,
        "row sums": lambda: losses.sum(axis=1),
    }[how]()


def _next_family(
    logits, tokens, pad, *, shift="next", counted="next", looked_up="counted", exps="row",
    axis="vocabulary", term="loss", epsilon=0.0, divided="counted", base="e", sign=1,
    result="loss",
):  # fmt: skip
    z, labels, here = _lined_up(logits, tokens, shift)
    counts = _counted(labels, here, tokens, pad, counted)
    if looked_up == "all":
        np.take_along_axis(z, labels[..., np.newaxis], axis=2)
    if axis != "vocabulary":
        z = _across(z, {"positions": 1, "rows": 0}[axis])
        term = "logit"
    losses = np.zeros(labels.shape)
    losses[counts] = _losses_of(z[counts], labels[counts], exps, term, epsilon)
    loss = sign * _divided(losses / unit_of(base), counts, tokens, pad, divided)
    return np.exp(loss) if result == "perplexity" else loss


TURNED = "You go the wrong way: a position is compared with the token before it. "
WRAPPED = (
    "A row's end is followed by what stands at a beginning. Behind the last token nothing is "
    "known, so the last position has no label."
)
MEAN_OF_MEANS = (
    "You average the means of rows, so a token of a short row counts more than one of a long "
    "row. All tokens are to count alike: one sum, one count."
)
NOT_REDUCED = "You return many numbers. One is asked for: the mean over what counts."


def _texts(seed, lengths, vocabulary, pad, *, left=(), size=2.0, longest=None):
    """Random logits, and rows of tokens filled up with the pad; some from the left."""
    rng = np.random.default_rng(seed)
    longest = max(lengths) if longest is None else longest
    tokens = np.full((len(lengths), longest), pad)
    for row, length in enumerate(lengths):
        usable = np.setdiff1d(np.arange(vocabulary), [pad])
        place = slice(longest - length, longest) if row in left else slice(length)
        tokens[row, place] = rng.choice(usable, size=length)
    logits = (size * rng.normal(size=(*tokens.shape, vocabulary))).round(2)
    return logits, tokens, pad


def _fresh_texts(rng):
    seed, pad = int(rng.integers(10**6)), int(rng.choice([0, 3, -100, -1]))
    lengths = [3, *(int(n) for n in rng.integers(2, 6, size=2))]
    return _texts(seed, lengths, 4, pad, left=(int(rng.integers(3)),), longest=6)


next_token_loss = FunctionExercise(
    topic=TOPIC,
    minutes=12,
    trains="labels shifted by one, and the mean over those that count",
    name="next_token_loss",
    stub='''
def next_token_loss(logits, tokens, pad):
    """Mean cross-entropy, in nats, of the next token.

    logits (N, L, V): at each position, for the token AFTER it.
    tokens (N, L), integers. `pad` fills up rows, at any place; it is any
    integer, a class or not, such as -100. No next token, or a pad: no loss.
    """
    ...
''',
    answer="""
def next_token_loss(logits, tokens, pad):
    labels = tokens[:, 1:]
    counts = labels != pad
    z, y = logits[:, :-1][counts], labels[counts]
    z = z - z.max(axis=1, keepdims=True)
    losses = np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]
    return losses.mean()
""",
    why="Position i is judged by token i + 1, so the last position has no label. What does not "
    "count is left out before anything is looked up, and the mean is over what is left.",
    reference=_next_token_loss,
    hints=(
        "Write one row of tokens down, and below each position the token that it predicts. "
        "Which position has none?",
        "Cut logits and tokens so that they line up. Then a mask, made of the labels, says "
        "which positions count.",
        "`logits[:, :-1]` belongs to `tokens[:, 1:]`. A mask of two axes picks the rows of "
        "logits that count; of these take the cross-entropy, and its mean.",
    ),
    probes=(
        _texts(0, [2], 3, 0),
        _texts(1, [3, 3], 3, 2),  # a pad that does not occur
        _texts(2, [4, 2], 4, 0),
        _texts(3, [2, 4, 3], 5, 4, left=(0,)),
        _texts(4, [3, 5, 2], 4, -100),
        _texts(5, [2, 5], 4, -100, left=(0,)),
        _texts(6, [4, 2, 3], 4, -1, longest=5),  # -1 would be the last class
        _texts(7, [1, 4, 2], 4, 0),  # a row without a next token
        _texts(8, [3, 4], 4, 1, left=(0, 1), longest=6),
        _texts(9, [4, 3, 5], 4, 7),  # a pad just past the vocabulary
        _texts(10, [3, 3, 3], 5, 3, longest=6),
        _texts(12, [4, 3], 4, 0, size=400.0),
        (array([1000, 1001], [1002, 1000])[np.newaxis], np.array([[0, 1]]), -1),
        (array([1400, 0, 0, 0], [0, 1, 2, 3])[np.newaxis], np.array([[2, 0]]), -1),
        _texts(13, [3, 4, 5], 3, -100, left=(1,), size=2000.0),
        (array([0, 900], [800, 0], [-700, 5])[np.newaxis], np.array([[1, 1, 0]]), -100),
        (np.array([[[1, 3, 0], [2, 0, 1], [0, 0, 4]]]), np.array([[0, 2, 1]]), 0),
    ),
    fresh=_fresh_texts,
    **SINGLE,
    also_right=(_by_weights, _token_by_token, _by_comparison),
    family=_next_family,
    switches=(
        Switch(
            "shift",
            {
                "none": "Each position is compared with its own token, which the model has "
                "just read. The label is the token after it.",
                "previous": TURNED + "The label is the token after it.",
                "rolled back": TURNED + "The label is the token after it.",
                "two": "Labels are shifted by two: each position is compared with the token "
                "after the next. Does somebody else shift, too?",
                "rolled": WRAPPED,
                "rolled as one": WRAPPED,
                "as one": "All rows are shifted as one long row, so the end of a row predicts "
                "the beginning of the next. Shift first, flatten then.",
                "rows": "The shift goes from one row to the next. Positions lie on axis 1.",
            },
        ),
        Switch(
            "counted",
            {
                "all": "Padding is counted like text. A position whose next token is the pad "
                "has nothing to predict.",
                "here": "The mask is that of the tokens where the logits stand. What counts is "
                "whether the token after them is a pad.",
                "both": "You leave out positions that are a pad themselves, too. Their next "
                "token may be text, and then it counts.",
                "pads": "Your mask is turned round: the padding is what you count.",
                "zero": "The mask asks for 0. The pad is what the argument `pad` says.",
                "hundred": "The mask asks for -100. The pad is what the argument `pad` says.",
                "above 0": "The mask asks for tokens above 0. Class 0 may be text, and the pad "
                "may be above 0: the argument `pad` says what it is.",
                **dict.fromkeys(
                    ("from the left", "from the left, by tokens"),
                    "You count positions from the left, as many as a row has tokens. Padding "
                    "may stand on the left, too: ask each label.",
                ),
            },
        ),
        Switch(
            "looked_up",
            {
                "all": "Labels are looked up before the padding is left out. A pad such as "
                "-100 is no class, so that fails. Let the mask come first."
            },
        ),
        Switch(
            "divided",
            {
                "positions": "You divide by the number of all positions. Those that do not "
                "count make the mean smaller: divide by the number of those that do.",
                "tokens": "You divide by the number of all entries of `tokens`. Divide by the "
                "number of labels that count.",
                "not pads": "You divide by the number of tokens that are no pad. The first "
                "token is nobody's next: divide by the number of labels that count.",
                "batch": "You divide by the number of rows. Divide by the number of labels "
                "that count.",
                "nothing": "This is a sum. Divide by the number of labels that count.",
                **dict.fromkeys(("rows", "rows with some", "rows or 0"), MEAN_OF_MEANS),
                "columns": "You average the means of places, so a token counts more where few "
                "rows are that long. All are to count alike: one sum, one count.",
                **dict.fromkeys(("each", "listed", "each row", "row sums"), NOT_REDUCED),
            },
        ),
        Switch(
            "axis",
            {
                "positions": "Probabilities add up to 1 over the positions. They compete on "
                "the last axis, that of the vocabulary.",
                "rows": "Probabilities add up to 1 over the rows of the batch. They compete on "
                "the last axis, that of the vocabulary.",
            },
            most=2,
        ),
        Switch(
            "exps",
            {
                "none": SHIFT["none"],
                "whole": SHIFT["whole"],
                "mean": SHIFT["mean"],
                "first": SHIFT["first"],
                "none, in a quotient": SHIFT["none"],
            },
            sets={"none, in a quotient": {"exps": "none", "term": "quotient"}},
            most=2,
        ),
        Switch(
            "term",
            {
                "quotient": "The probability is computed before its logarithm, and underflows "
                "to 0 where the loss is large. Take the logarithm on paper.",
                "logit": "You take the logit of the label for its log-probability. The "
                "log-sum-exp over the vocabulary is still to come off.",
                "probability": "You average probabilities. A loss is the negative logarithm of "
                "each, and the mean comes last.",
            },
            most=2,
        ),
        small_number("epsilon", ADDED, (1e-6, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15), most=1),
        Switch("base", BASES, most=2),
        Switch(
            "sign",
            {-1: "The sign is turned round. A loss is the negative of the log-probability."},
        ),
        Switch(
            "result",
            {
                "perplexity": "This is the exponential of a loss, a perplexity. The loss "
                "itself is asked for."
            },
            most=2,
        ),
    ),
    mistakes=(),
)

# perplexity: of several documents together.


def _perplexity(losses, counts):
    return np.exp((losses * counts).sum() / counts.sum())


def _by_average(losses, counts):
    return float(np.exp(np.average(losses, weights=counts)))


def _document_by_document(losses, counts):
    total = tokens = 0
    for loss, count in zip(losses, counts, strict=True):
        total += loss * count
        tokens += count
    return math.exp(total / tokens)


def _by_shares(losses, counts):
    return np.exp(losses @ (counts / counts.sum()))


def _perplexity_family(
    losses, counts, *, weights="counts", averaged="losses", divided="weights", base="e",
    sign=1, result="perplexity", kind="float",
):  # fmt: skip
    losses = losses.astype(int) if kind == "like" else losses
    w = {
        "counts": lambda: counts,
        "equal": lambda: np.ones(len(counts)),
        "one less": lambda: counts - 1,
        "one more": lambda: counts + 1,
        "turned": lambda: 1 / counts,
        "squares": lambda: counts**2.0,
        "largest alone": lambda: 1.0 * (counts == counts.max()),
        "longest by loss": lambda: 1.0 * (losses == losses.max()),
        "cumulative": lambda: np.cumsum(counts),
    }[weights]()
    divisor = {"weights": w.sum(), "documents": len(w), "nothing": 1.0}[divided]
    if averaged == "product":
        return np.prod(np.exp(sign * losses) ** w) ** (1 / divisor)
    if averaged == "sums":
        mean = sign * losses.sum() / divisor
    elif averaged in ("perplexities", "probabilities"):
        turn = 1 if averaged == "perplexities" else -1
        mean = sign * turn * np.log((np.exp(turn * losses) * w).sum() / divisor)
    elif averaged == "median":
        mean = sign * np.median(losses)
    else:
        mean = sign * (losses * w).sum() / divisor
    mean = np.floor(mean) if kind == "whole" else mean
    mean = mean / np.log(2) if base == "bits" else mean * unit_of(base)
    return {
        "perplexity": lambda: np.exp(mean),
        "loss": lambda: mean,
        "bits": lambda: mean / np.log(2),
        "less one": lambda: np.expm1(mean),
        "each": lambda: np.exp(sign * losses),
        "array": lambda: np.exp(mean)[np.newaxis],
    }[result]()


def _documents(rng):
    return rng.uniform(0.5, 4, size=4).round(3), rng.permutation(np.arange(2, 200))[:4]


perplexity = FunctionExercise(
    topic=TOPIC,
    minutes=6,
    trains="means in logarithms, weighted by tokens",
    name="perplexity",
    stub='''
def perplexity(losses, counts):
    """Perplexity per token of all documents together, one number.

    losses: the mean loss of each document, in nats (D,).
    counts: of how many tokens, at least 1, each is the mean (D,).
    """
    ...
''',
    answer="""
def perplexity(losses, counts):
    total = (losses * counts).sum()
    return np.exp(total / counts.sum())
""",
    why="Each mean times its count is a sum again. Sums add up, counts add up, and the "
    "exponential comes last. No power is multiplied, so long documents do not overflow.",
    reference=_perplexity,
    hints=(
        "What would the loss of all tokens together be, if you had them in one array?",
        "A mean times its count is a sum. Which sums give the mean over all tokens?",
        "Weigh `losses` with `counts`, divide by the number of all tokens, and take the "
        "exponential of that one number.",
    ),
    probes=(
        (flat(1), np.array([4])),
        (flat(2, 2), np.array([3, 5])),
        (flat(1, 3), np.array([4, 4])),
        (flat(1, 3), np.array([9, 1])),
        (flat(3, 0.5), np.array([1, 7])),
        (flat(0.25, 4, 2.5), np.array([10, 20, 30])),
        (flat(2.5, 0, 1.75, 3), np.array([1, 50, 2, 8])),
        (np.array([1, 4, 2]), np.array([2, 1, 4])),  # integers
        (flat(6.5, 7.25), np.array([3000, 9000])),  # powers of these overflow
        (flat(0.003, 0.001), np.array([40, 90])),  # sure of nearly all
        (flat(40, 1), np.array([1, 3])),  # one document that was not expected
    ),
    fresh=_documents,
    **SINGLE,
    also_right=(_by_average, _document_by_document, _by_shares),
    family=_perplexity_family,
    switches=(
        Switch(
            "averaged",
            {
                "perplexities": "You average perplexities. Losses are averaged, and the "
                "exponential of their mean is taken last.",
                "probabilities": "You average exponentials of negative losses. Losses "
                "themselves are averaged, and the exponential is taken last.",
                "product": "Powers are multiplied, which overflows for long documents. Their "
                "logarithms add up: stay with losses until the end.",
                "sums": "You add the means up as if they were sums. A mean times its count is "
                "a sum.",
                "median": "You take the median of the documents. The mean over all tokens is "
                "asked for.",
            },
        ),
        Switch(
            "weights",
            {
                "equal": "All documents count alike. All tokens are to count alike, so a "
                "document counts as often as it has tokens.",
                "one less": "You take one token off each count. The losses are means over as "
                "many tokens as `counts` says.",
                "one more": "You add one token to each count. The losses are means over as "
                "many tokens as `counts` says.",
                "turned": "With you a long document counts less than a short one. It has more "
                "tokens, and each of them counts.",
                "squares": "The counts enter twice. A mean needs its count once to be a sum.",
                "largest alone": "Only the longest document counts. All tokens of all "
                "documents are asked for.",
                "longest by loss": "Only the document with the largest loss counts. All tokens "
                "of all documents are asked for.",
                "cumulative": "Your weights are running totals of the counts. Each document "
                "counts as often as it has tokens itself.",
            },
        ),
        Switch(
            "divided",
            {
                "documents": "You divide by the number of documents. Divide by the number of "
                "all tokens.",
                "nothing": "You do not divide by the number of all tokens. A perplexity is "
                "that of one token in the mean.",
            },
        ),
        Switch(
            "base",
            {
                "two": "You raise 2 to a loss in nats. Nats belong to the base e; bits would "
                "belong to 2.",
                "ten": "You raise 10 to a loss in nats. Nats belong to the base e.",
                "bits": "You turn nats into bits, and raise e to them. Bits belong to the base "
                "2, nats to e.",
            },
        ),
        Switch(
            "sign",
            {
                -1: "This is the inverse: a probability in place of a perplexity. A loss is "
                "negative log-probability already, so it needs no minus."
            },
        ),
        Switch(
            "result",
            {
                "loss": "This is a mean loss in nats. Its exponential is the perplexity.",
                "bits": "This is a mean loss in bits. Two to the power of it is the "
                "perplexity.",
                "less one": "expm1 takes a 1 off. The perplexity of a model that is sure and "
                "right is 1, not 0.",
                "each": "You return one perplexity for each document. One for all together is "
                "asked for.",
                "array": "You return an array with one entry. One number is asked for.",
            },
            most=2,
        ),
        Switch(
            "kind",
            {
                "like": "Losses lose their fractions: an array of integers cannot hold them.",
                "whole": "A fraction is lost in your mean: // divides down to a whole number.",
            },
            most=2,
        ),
    ),
    mistakes=(),
)

# top_p: the smallest set of most probable classes that has at least the mass.


def _top_p(logits, mass):
    p = companion.softmax(logits)
    order = np.argsort(-p, kind="stable")
    count = 1 + np.searchsorted(np.cumsum(p[order]), mass)
    kept = np.zeros_like(p)
    kept[order[:count]] = p[order[:count]]
    return kept / kept.sum()


def _by_those_ahead(logits, mass):
    exps = np.exp(logits - logits.max())
    ahead = [exps[exps > e].sum() + exps[:i][exps[:i] == e].sum() for i, e in enumerate(exps)]
    kept = exps * (np.array(ahead) < mass * exps.sum())
    return kept / kept.sum()


def _one_after_the_other(logits, mass):
    exps = np.exp(logits - logits.max())
    kept, total = np.zeros(len(exps)), 0.0
    for place in sorted(range(len(exps)), key=lambda i: (-exps[i], i)):
        if total >= mass * exps.sum():
            break
        kept[place] = exps[place]
        total += exps[place]
    return kept / total


def _by_logits_ruled_out(logits, mass):
    order = np.argsort(-logits, kind="stable")
    p = companion.softmax(logits)[order]
    left = np.full(len(logits), -np.inf)
    kept = order[np.cumsum(p) - p < mass]
    left[kept] = logits[kept]
    return companion.softmax(left)


def _order(p, how):
    return {
        "falling": lambda: np.argsort(-p, kind="stable"),
        "rising": lambda: np.argsort(p, kind="stable"),
        "as given": lambda: np.arange(len(p)),
        "later first": lambda: np.argsort(p, kind="stable")[::-1],
        "any": lambda: np.argsort(-p),
    }[how]()


def _count(p, mass, stop):
    """How many of the sorted probabilities an answer keeps."""
    sums = np.cumsum(p)
    reached = 1 + int(np.searchsorted(sums, mass))
    passed = int(np.searchsorted(sums, mass, side="right"))
    return {
        "reached": reached,
        "before": reached - 1,
        "before, but one": max(reached - 1, 1),
        "not past": passed,
        "not past, but one": max(passed, 1),
        "one more": reached + 1,
        "level": 1 + passed,
        "share": math.ceil(mass * len(p)),
        "rounded share": max(1, round(mass * len(p))),
    }.get(stop, reached)


def _kept(p, mass, order, stop):
    """Which classes an answer keeps, as a mask."""
    if stop == "single":
        return p >= mass
    if stop == "relative":
        return p >= mass * p.max()
    if stop == "rest":
        return p >= 1 - mass
    order = _order(p, order)
    count = _count(p[order], mass, stop)
    if stop == "with those level":
        return p >= p[order[count - 1]]
    mask = np.zeros(len(p), dtype=bool)
    if stop == "by those ahead":  # right, but where there is nan
        mask[order[np.cumsum(p[order]) - p[order] < mass]] = True
        return mask
    mask[order[:count] if stop != "places" else np.arange(min(count, len(p)))] = True
    return mask


def _top_p_family(
    logits, mass, *, exps="row", base="e", left="mass", stop="reached", order="falling",
    norm="sum", result="probs", kind="float",
):  # fmt: skip
    z = logits * unit_of(base)
    p = np.exp(z - shift_of(z, exps))
    p = p / p.sum()
    mass = 1 - mass if left == "rest" else mass
    mask = _kept(p, mass, order, stop)
    mask = ~mask if left == "dropped" else mask
    kept = np.where(mask, p, 0.0)
    probs = {
        "sum": lambda: kept / kept.sum(),
        "placed": lambda: np.where(mask, kept / kept.sum(), 0),
        "none": lambda: kept,
        "mass": lambda: kept / mass,
        "again": lambda: np.where(mask, np.exp(kept), 0) / np.exp(kept)[mask].sum(),
        "again for all": lambda: np.exp(kept) / np.exp(kept).sum(),
        "equal": lambda: mask / mask.sum(),
        "spread": lambda: np.where(mask, kept + (1 - kept.sum()) / mask.sum(), 0),
        "to the largest": lambda: kept + (1 - kept.sum()) * (np.arange(len(p)) == p.argmax()),
        "zero logits": lambda: companion.softmax(np.where(mask, logits, 0.0)),
    }[norm]()
    return truncated({
        "probs": lambda: probs,
        "sorted": lambda: probs[_order(p, "falling")],
        "kept only": lambda: probs[mask],
        "mask": lambda: mask.astype(int),
        "log": lambda: np.log(probs),
        "logits": lambda: np.where(mask, logits, -inf),
        "sampled": lambda: np.array(probs.argmax()),
    }[result](), logits, kind)  # fmt: skip


def _some_logits(rng):
    return 2 * rng.normal(size=6), float(rng.uniform(0.3, 0.95))


MANY_EQUAL = np.random.default_rng(0).integers(3, size=40) / 2

SHORT = (
    "You stop a class too early, and what you keep has less than the mass. The class that "
    "makes it enough is kept, too."
)
BY_EACH = (
    "A threshold for single probabilities decides. Added up, the most probable first, they are "
    "to reach the mass."
)
BY_SHARE = (
    "You keep a share of the number of classes. What counts is how much probability they have "
    "together."
)
OVERFLOWS = {  # the ways to go on with nan
    "none, by those ahead": {"exps": "none", "stop": "by those ahead"},
    "none, placed": {"exps": "none", "norm": "placed"},
    "none, both": {"exps": "none", "stop": "by those ahead", "norm": "placed"},
}
LEVEL = "Of classes with equal probability you do not take those that stand first. "

top_p = FunctionExercise(
    topic=TOPIC,
    minutes=10,
    trains="a set of classes that grows until it has the mass",
    name="top_p",
    stub='''
def top_p(logits, mass):
    """Probabilities (V,) of one row of logits, after unlikely classes went.

    Kept is the smallest set of most probable classes whose probabilities
    add up to at least mass, 0 < mass < 1; of equal ones those that stand
    first. The kept ones are made to sum to 1, the others get 0.
    """
    ...
''',
    answer="""
def top_p(logits, mass):
    p = np.exp(logits - logits.max())
    p /= p.sum()
    order = np.argsort(-p, kind="stable")
    kept = order[: 1 + np.searchsorted(np.cumsum(p[order]), mass)]
    q = np.zeros(len(p))
    q[kept] = p[kept] / p[kept].sum()
    return q
""",
    why="Sorted by falling probability, the running sum says with which class the mass is "
    "reached, and that class is still kept. So at least one always is. What is kept goes back "
    "to its own place.",
    reference=_top_p,
    hints=(
        "Take the classes in order of falling probability. With which of them is the mass "
        "reached?",
        "A class is kept if those ahead of it have less than the mass together. Then the kept "
        "probabilities go back to their own places.",
        '`np.argsort(-p, kind="stable")` gives the order, `np.cumsum` the running sums, and '
        "`np.searchsorted` how many of them lie below the mass.",
    ),
    probes=(
        (flat(3, 0), 0.5),  # the first class has more than the mass
        (flat(0, 1, 2), 0.8),
        (flat(2, 0, 1), 0.95),
        (flat(1, 3, 0, 2), 0.7),
        (flat(1, 3, 0, 2), 0.05),
        (flat(1.5, -1, 0.5, 2, -3), 0.9),
        (flat(-1, 0.25, 1, 0.5, 0.75, -2), 0.6),
        (flat(0, 0, 0, 0), 0.6),  # which of equal ones?
        (flat(0, 0, 0, 0), 0.5),  # the mass, to the last digit
        (flat(1, 2, 1, 2, 1), 0.55),
        (flat(-1, 1, 0, 1, 0, 0), 0.75),
        (np.array([3, 1, 2, 0]), 0.85),  # integers
        (flat(1000, 999, 998, 0), 0.85),
        (flat(-1000, -1003, -1001), 0.75),
        (flat(5, -3000, 4), 0.9),
        (flat(-3000, 1, 2), 0.9),
        (flat(2, -inf, 1, -inf), 0.9),  # classes that were ruled out before
        (flat(0.1, 0.2, 0.15, 0.05, 0.3, 0.25), 0.999),
        (MANY_EQUAL, 0.66),  # a sort that is not stable mixes these
        (-MANY_EQUAL, 0.4),
    ),
    fresh=_some_logits,
    **SINGLE,
    also_right=(_by_those_ahead, _one_after_the_other, _by_logits_ruled_out),
    family=_top_p_family,
    switches=(
        Switch(
            "stop",
            {
                **dict.fromkeys(
                    (
                        "before",
                        "before, but one",
                        "not past",
                        "not past, but one",
                    ),
                    SHORT,
                ),
                "one more": "You keep a class too many: those ahead of the last one have the "
                "mass already.",
                "level": "A sum that is just the mass does not stop you. At least the mass is "
                "asked for, and that is reached then.",
                **dict.fromkeys(("single", "relative", "rest"), BY_EACH),
                **dict.fromkeys(("share", "rounded share"), BY_SHARE),
                "with those level": "You keep all classes that are as probable as the last "
                "one. The smallest set is asked for: of equal ones, those that stand first.",
                "places": "You count places in the sorted order, and keep as many from the "
                "beginning of the logits. Each place belongs to a class: go back by `order`.",
            },
        ),
        Switch(
            "order",
            {
                "rising": "You begin with the least probable class. The most probable come "
                "first.",
                "as given": "The classes are added up as they stand. Sort them by falling "
                "probability first.",
            },
        ),
        Switch(
            "order",
            {
                "later first": LEVEL + "A sort that is turned round puts the later ones first.",
                "any": LEVEL + 'np.argsort keeps their order with kind="stable" alone.',
            },
            most=2,
        ),
        Switch(
            "left",
            {
                "rest": "You keep classes until they have 1 - mass. What they are to have is "
                "the mass.",
                "dropped": "You keep what was to go: the unlikely classes.",
            },
            most=2,
        ),
        Switch(
            "norm",
            {
                "none": "The kept probabilities do not sum to 1. Divide them by what they have "
                "together.",
                "mass": "You divide by the mass. The kept ones have that much or more: divide "
                "by their own sum.",
                **dict.fromkeys(
                    ("again", "again for all"),
                    "You take a softmax of probabilities. Divide those that are kept by their "
                    "sum, so that their ratios stay.",
                ),
                "equal": "All kept classes get the same probability. Their ratios are to stay.",
                "spread": "What the others had is given to the kept ones in equal parts. Their "
                "ratios are to stay: divide by their sum.",
                "to the largest": "What the others had is given to the most probable class. "
                "The ratios are to stay: divide by the sum.",
                "zero logits": "Logits that go are set to 0, and exp(0) is 1. Which logit has "
                "the exponential 0?",
            },
        ),
        Switch(
            "exps",
            {
                "none": SHIFT["none"],
                "mean": SHIFT["mean"],
                "first": SHIFT["first"],
                **dict.fromkeys(OVERFLOWS, SHIFT["none"]),
            },
            sets=OVERFLOWS,
            most=2,
        ),
        Switch("base", {"two": OF_BASE_TWO}, most=2),
        Switch("kind", {"like": INTEGERS}, most=2),
        Switch(
            "result",
            {
                "sorted": "Your probabilities are sorted. Each is to stand at the place of its "
                "class.",
                "kept only": "You return those alone that are kept. Return one for each class, "
                "with 0 for the others.",
                "mask": "You return which classes are kept. Their probabilities are asked for.",
                "log": "These are logarithms. Probabilities are asked for.",
                "logits": "These are logits. The softmax over them is still to come.",
                "sampled": "You return a class. The probabilities of all are asked for.",
            },
            most=2,
        ),
    ),
    mistakes=(),
)

# causal_attention: keys that are later than the query are ruled out before softmax.


def _causal(scores):
    earlier = np.tri(len(scores), dtype=bool)
    return companion.softmax(np.where(earlier, scores, -np.inf))


def _query_by_query(scores):
    weights = np.zeros(scores.shape)
    for i, row in enumerate(scores):
        exps = np.exp(row[: i + 1] - max(row[: i + 1]))
        weights[i, : i + 1] = exps / exps.sum()
    return weights


def _by_positions(scores):
    place = np.arange(len(scores))
    z = scores + np.where(place > place[:, np.newaxis], -np.inf, 0)
    exps = np.exp(z - z.max(axis=1)[:, np.newaxis])
    return exps / np.einsum("qk->q", exps)[:, np.newaxis]


def _by_running_sums(scores):
    largest = np.maximum.accumulate(scores, axis=1)[np.diag_indices(len(scores))]
    with np.errstate(over="ignore"):
        exps = np.where(np.tri(len(scores)), np.exp(scores - largest[:, None]), 0)
    return exps / exps.sum(axis=1, keepdims=True)


def _seen(count, mask):
    """Which keys (columns) a query (row) may look at."""
    query, key = np.arange(count)[:, np.newaxis], np.arange(count)
    return {
        "causal": key <= query,
        "none": np.ones((count, count), dtype=bool),
        "transposed": key >= query,
        "strict": key < query,
        "strict, turned": key > query,
        "one later": key <= query + 1,
        "itself": key == query,
        "two alone": (key <= query) & (key >= query - 1),
        "from the end": key < count - query,
    }[mask]


def _causal_family(
    scores, *, mask="causal", use="before", fill=-inf, shift="row", sums="row", scale="given",
    base="e", hide="no", result="weights", kind="float",
):  # fmt: skip
    count = len(scores)
    seen, x = _seen(count, mask), scores.astype(float) * unit_of(base)
    x = x / np.sqrt(count) if scale == "root" else x
    z = {
        "before": lambda: np.where(seen, x, fill),
        "zero": lambda: np.where(seen, x, 0.0),
        "zero, then zeros": lambda: np.where(seen, x, 0.0),
        "smallest": lambda: np.where(seen, x, x.min()),
        "nan": lambda: x + np.where(seen, np.nan, -inf),
    }.get(use, lambda: x)()
    exps = np.exp(z - shift_of(z, shift))
    exps = exps * seen if use == "over all" else exps
    weights = exps / sum_of(exps, sums) if sums != "none" else exps
    weights = weights * seen if use in ("after", "zero, then zeros") else weights
    weights = np.nan_to_num(weights) if hide != "no" else weights
    if kind == "raises" and scores.dtype.kind == "i":
        scores.copy()[...] = -inf
    return truncated({
        "weights": lambda: weights,
        "log": lambda: np.log(weights),
        "transposed": lambda: weights.T,
        "scores": lambda: z,
        "-inf": lambda: np.where(seen, weights, -inf),
        "last": lambda: weights[-1],
        "weighted": lambda: weights * scores,
    }[result](), scores, kind)  # fmt: skip


LOW = (1e4, 1e9, 1e3, 1e5, 1e6, 1e10, 1e30)
FILLED = (
    "Later keys get some low score, not -inf. Scores of earlier keys may be as low, and then "
    "the later ones take part."
)
ITSELF = (
    "A query may not look at its own position with you, so the first one has nothing to look "
    "at. Keys that are not later include its own."
)

causal_attention = FunctionExercise(
    topic=TOPIC,
    minutes=8,
    trains="a mask before the softmax, by positions",
    name="causal_attention",
    stub='''
def causal_attention(scores):
    """Attention weights (L, L) from scores (L, L), scaled already.

    Row i holds the scores of query i with all keys. Each query gets a
    softmax over the keys that are not later than itself; a later key gets 0.
    """
    ...
''',
    answer="""
def causal_attention(scores):
    later = np.triu(np.ones(scores.shape), 1) > 0
    z = np.where(later, -np.inf, scores)
    exps = np.exp(z - z.max(axis=1, keepdims=True))
    return exps / exps.sum(axis=1, keepdims=True)
""",
    why="A score of -inf has the exponential 0, so a later key has no part in the sum. The "
    "maximum comes after the mask: a later key may have the largest score. The diagonal stays, "
    "so each row has something to look at.",
    reference=_causal,
    hints=(
        "Which entries of row 0 may be other than 0? And of the last row?",
        "A key that is ruled out must have no part in the sum, nor in the maximum. So the mask "
        "comes before both.",
        "np.triu with 1 as its second argument has the places above the diagonal. Set the "
        "scores there to `-np.inf`, and take the softmax of each row.",
    ),
    probes=(
        (array([3]),),
        (array([0, 1], [2, 0.5]),),
        (array([1, 2, 0], [0, -1, 3], [2, 0.5, 1]),),
        (array([0.5, -1, 2, 1], [3, 0, 1, -2], [-1, 1, 0.25, 4], [2, 1, -3, 0]),),
        (np.array([[1, 2, 4], [3, 0, 1], [2, 5, 2]]),),  # integers
        (array([0, 5000], [1, 0]),),  # the largest score is a later key's
        (array([-1000, 900, 3], [-1001, -1000, 800], [0, 1, 2]),),
        (array([1000, 0, 0], [1000, 1001, 0], [-1000, -1001, -1002]),),
        (array([5, 0, 0], [-3000, 5, 0], [5, 6, -3000]),),
        (array([400, 0, 0], [400, -400, 0], [-3000, 700, 700]),),
        *((array([-2 * low, 0], [1, 0.5]),) for low in LOW),
        (array([-5, 1, 1], [-7, -6, 1], [-8, -9, -8]),),  # all that may be seen lies below 0
        (scattered()[:4],),
        (scattered()[4:8],),
        (scattered().reshape(-1)[:36].reshape(6, 6) / 100,),
    ),
    fresh=lambda rng: (2 * rng.normal(size=(4, 4)),),
    shortcuts=(*LIBRARY, "scaled_dot_product_attention"),
    rtol=1e-6,
    atol=1e-307,  # a later key gets exactly 0
    also_right=(_query_by_query, _by_positions, _by_running_sums),
    family=_causal_family,
    switches=(
        Switch(
            "mask",
            {
                "none": "All keys are seen. A key that is later than the query gets 0, and no "
                "part in the sum.",
                "transposed": "Your mask is transposed: with you a query looks at later keys "
                "and not at earlier ones. Rows are queries, columns are keys.",
                "strict, turned": "With you a query looks at later keys alone. It is to look "
                "at its own and at earlier ones.",
                "strict": ITSELF,
                "one later": "Your mask lets one later key pass. The diagonal is the last that "
                "a query may see.",
                "itself": "With you a query looks at its own position alone. Earlier keys are "
                "seen, too.",
                "two alone": "With you a query sees two keys, its own and the one before. All "
                "earlier ones are seen.",
                "from the end": "Your triangle has its corner at the other side, so the first "
                "query sees most. The first sees one key, the last sees all.",
            },
        ),
        Switch(
            "axis",
            {
                "columns": "Your columns are normalised. A row belongs to one query, and its "
                "keys compete with each other.",
                "whole": "Maximum and sum are those of the whole matrix. Each query has a "
                "softmax of its own.",
            },
            sets={how: {"shift": how, "sums": how} for how in ("columns", "whole")},
        ),
        Switch(
            "sums",
            SUMS | {"none": "The exponentials are not divided by their sum."},
            most=2,
        ),
        Switch(
            "use",
            {
                "after": "Later keys are set to 0 after the softmax, so rows no longer sum to "
                "1. They must not take part in the sum.",
                "over all": "The maximum is taken over later keys, too. Where one of them is "
                "huge, all that may be seen underflows. Let the mask come first.",
                "zero": "A later key gets the score 0, and exp(0) is 1. Which score has the "
                "exponential 0?",
                "smallest": "Later keys get the smallest score, and so a share. Which score "
                "has the exponential 0?",
                "nan": "All your weights are nan. So it is where 0 is multiplied by -inf, or "
                "where a row is left with nothing to look at. np.where chooses between two "
                "numbers without multiplying them.",
            },
        ),
        Switch(
            "use",
            {
                "zero, then zeros": "A later key has a part in the sum, with exp(0) = 1, "
                "before it is set to 0. It must have none."
            },
            most=2,
        ),
        Switch(
            "fill",
            {-low: FILLED for low in LOW},
            most=1,
        ),
        Switch(
            "shift",
            {
                how: SHIFT[how].replace("logit", "score")
                for how in ("none", "whole", "first", "last", "columns", "laid")
            },
            most=2,
        ),
        Switch(
            "scale",
            {"root": "You divide the scores by a root. They come scaled already."},
            most=2,
        ),
        Switch("base", {"two": OF_BASE_TWO}, most=2),
        Switch(
            "kind",
            {
                "like": INTEGERS.replace("logits", "scores"),
                "raises": "Integer scores cannot hold -inf, and raise an error. Make a new "
                "array of floats first.",
            },
            most=2,
        ),
        Switch(
            "hide",
            {
                "strict": ITSELF,
                "none": SHIFT["none"].replace("logits", "scores"),
            },
            sets={
                "strict": {"hide": "zero", "mask": "strict"},
                "none": {"hide": "zero", "shift": "none"},
            },
            most=1,
        ),
        Switch(
            "result",
            {
                "log": "These are logarithms. The weights themselves are asked for.",
                "transposed": "Rows and columns are exchanged in your result. Row i belongs to "
                "query i.",
                "scores": "These are scores with a mask. The softmax over each row is still to "
                "come.",
                "-inf": "Later keys hold -inf in your result, which is their score. Their "
                "weight is 0.",
                "last": "You return the weights of one query. Those of all are asked for.",
                "weighted": "You multiply the weights by the scores. The weights alone are "
                "asked for; later they weigh values.",
            },
            most=2,
        ),
    ),
    mistakes=(),
)

# accumulated: a choice.


def _accumulated():
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(8, 4)), rng.integers(4, size=8)
    x = rng.normal(size=(8, 3))
    of_each = x[:, :, np.newaxis] * (companion.softmax(z) - np.eye(4)[y])[:, np.newaxis]
    g1, g2, whole = of_each[:6].mean(axis=0), of_each[6:].mean(axis=0), of_each.mean(axis=0)
    candidates = {
        "a": (g1 + g2) / 2,
        "b": g1 + g2,
        "c": 6 * g1 + 2 * g2,
        "d": (6 * g1 + 2 * g2) / 8,
        "e": (g1 / 6 + g2 / 2) / 2,
    }
    return next(letter for letter, g in candidates.items() if np.allclose(g, whole))


accumulated = ChoiceExercise(
    topic=TOPIC,
    minutes=4,
    trains="sums over micro-batches, divided once",
    name="accumulated",
    stub='accumulated = ...  # "a", "b", "c", "d" or "e"',
    answer='accumulated = "d"',
    why="6 * g1 is the sum of the gradients of six tokens, 2 * g2 that of two. Sums add up; "
    "then one division by all eight makes the mean. That the mean of the two means is the same "
    "holds if both have as many tokens.",
    reference=_accumulated,
    options={
        "a": "`(g1 + g2) / 2`",
        "b": "`g1 + g2`",
        "c": "`6 * g1 + 2 * g2`",
        "d": "`(6 * g1 + 2 * g2) / 8`",
        "e": "`(g1 / 6 + g2 / 2) / 2`",
    },
    hints=(
        "How much does one token of the first micro-batch count in each line? And one of the "
        "second?",
        "g1 is a mean of six. Which number makes it a sum?",
        "Make both into sums over tokens, add them, and divide once by the number of all "
        "tokens.",
    ),
    also_right=("D", "(d)"),
    mistakes=(
        Mistake(
            "a",
            "a",
            "Here each of the two tokens of the second micro-batch counts three times as much "
            "as one of the first six. All eight are to count alike.",
        ),
        Mistake(
            "b",
            "b",
            "Gradients of sums add up, those of means do not: this is twice the mean of two "
            "means.",
        ),
        Mistake(
            "c",
            "c",
            "That is the gradient of the sum over eight tokens. The mean has an eighth of it.",
        ),
        Mistake(
            "e",
            "e",
            "You divide once more by the number of tokens, and g1 and g2 are means already. "
            "What makes a mean into a sum?",
        ),
    ),
)
